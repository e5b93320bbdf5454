//! A device of the kernel in the clothes of trueno-ublk: what `trueno-zramctl` makes of the mirror's
//! names where nodes, swap and mounts are real. Nothing of trueno-ublk is needed for that.

use std::process::Command;

use libtest_mimic::{Failed, Trial};
use sysfs_compat::abi::Attr;
use trueno_tests::program;
use trueno_tests::zram::RealDevice;

use super::{Outcome, ensure, equal, trial};

pub(super) fn trials() -> Vec<Trial> {
    vec![
        trial("swap_on_a_device_in_the_mirror", swap),
        trial("a_mounted_device_in_the_mirror_is_left_alone", mounted),
        trial("an_opened_device_in_the_mirror_is_left_alone", opened),
        trial("a_stale_link_is_not_followed", stale_link),
    ]
}

/// In a mount namespace of its own: the device is `zram5` in a mirror of links, `/dev/ublkb7`, and
/// `/dev/trueno/zram5`; no other device has a node. `run` starts the program and shows what came of it.
const CLOTHES: &str = r#"
program=$0 attributes=$1
number=$(cat "$attributes/dev")
mount -t tmpfs none /run
mkdir -p /run/trueno/zram-control /run/trueno/zram5/trueno /run/target /run/dev
ln -s "$attributes"/* /run/trueno/zram5/
: >/run/trueno/zram-control/hot_add >/run/trueno/zram-control/hot_remove
echo 7 >/run/trueno/zram5/trueno/ublk_id
echo 1 >/run/trueno/zram5/trueno/noswap
mount -t tmpfs none /run/dev
mknod /run/dev/null c 1 3
mknod /run/dev/ublkb7 b "${number%:*}" "${number#*:}"
mkdir /run/dev/trueno
ln -s ../ublkb7 /run/dev/trueno/zram5
mount --bind /run/dev /dev
run() {
    echo "\$ $*"
    "$program" "$@" 2>&1 || echo "status $?"
}
set +e
trap 'swapoff /dev/ublkb7 2>/dev/null; umount /run/target 2>/dev/null' EXIT
"#;

/// What the commands print, with the device in its clothes.
fn story(device: &RealDevice, commands: &str) -> Result<String, Failed> {
    let script = format!("set -e\n{CLOTHES}\n{commands}");
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &script]).arg(program::zramctl());
    let output = command.arg(device.attribute("")).env("LC_ALL", "C").output()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure(stderr.is_empty(), || stderr.into_owned())?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn swap() -> Outcome {
    let device = RealDevice::add()?;
    let told = story(
        &device,
        "run --size 64M --swap=7 trueno/zram5
         run --raw -n -o NAME,KIND,DISKSIZE,MOUNTPOINT,PRIO
         run --reset /dev/ublkb7
         run --reset trueno/zram5
         run --reset --force /run/trueno/zram5
         run
         cat /run/trueno/zram-control/hot_remove",
    )?;
    let expected = "\
$ --size 64M --swap=7 trueno/zram5
$ --raw -n -o NAME,KIND,DISKSIZE,MOUNTPOINT,PRIO
/dev/trueno/zram5 ublk 64M [SWAP] 7
$ --reset /dev/ublkb7
trueno-zramctl: /dev/ublkb7: failed to reset: Device or resource busy
/dev/ublkb7 is busy: it is in use as swap; swapoff /dev/ublkb7, or --reset --force, would free it.
status 1
$ --reset trueno/zram5
trueno-zramctl: /dev/trueno/zram5: failed to reset: Device or resource busy
/dev/trueno/zram5 is busy: it is in use as swap; swapoff /dev/trueno/zram5, or --reset --force, \
would free it.
status 1
$ --reset --force /run/trueno/zram5
$ 
5";
    equal("what was said", told.as_str(), expected)?;
    equal("initstate", device.read(Attr::Initstate.name())?.as_str(), "0\n")
}

fn mounted() -> Outcome {
    let device = RealDevice::add()?;
    let told = story(
        &device,
        "run --size 16M /dev/trueno/zram5
         mkfs.ext4 -q /dev/trueno/zram5
         mount /dev/trueno/zram5 /run/target
         run --raw -n -o NAME,MOUNTPOINT
         run --size 1M trueno/zram5
         run --reset --force trueno/zram5",
    )?;
    let busy = "\
trueno-zramctl: /dev/trueno/zram5: failed to reset: Device or resource busy
/dev/trueno/zram5 is busy: it is mounted on /run/target; umount /run/target would free it.
status 1
";
    let expected = format!(
        "$ --size 16M /dev/trueno/zram5\n$ --raw -n -o NAME,MOUNTPOINT\n\
         /dev/trueno/zram5 /run/target\n$ --size 1M trueno/zram5\n{busy}\
         $ --reset --force trueno/zram5\n{busy}"
    );
    equal("what was said", told, expected)?;
    equal("disksize", device.read(Attr::Disksize.name())?.as_str(), "16777216\n")
}

fn opened() -> Outcome {
    let device = RealDevice::add()?;
    let told = story(
        &device,
        "run --size 4M trueno/zram5
         sleep 60 </dev/ublkb7 >/dev/null &
         run --reset trueno/zram5 | sed \"s/process $!/process PID/\"
         kill $!",
    )?;
    let expected = "\
$ --size 4M trueno/zram5
$ --reset trueno/zram5
trueno-zramctl: /dev/trueno/zram5: failed to reset: Device or resource busy
/dev/trueno/zram5 is busy: process PID (sleep) has it open.
status 1
";
    equal("what was said", told.as_str(), expected)?;
    equal("disksize", device.read(Attr::Disksize.name())?.as_str(), "4194304\n")
}

/// A link that a crash has left behind may lead to somebody else's device.
fn stale_link() -> Outcome {
    let device = RealDevice::add()?;
    let told = story(
        &device,
        "ln -sf ../null /dev/trueno/zram5
         run --find --kind ublk --size 1M
         run --raw -n -o NAME,DISKSIZE /dev/trueno/zram5
         rm /dev/ublkb7
         run --raw -n -o NAME,DISKSIZE trueno/zram5",
    )?;
    let expected = "\
$ --find --kind ublk --size 1M
/dev/ublkb7
$ --raw -n -o NAME,DISKSIZE /dev/trueno/zram5
/dev/ublkb7 1M
$ --raw -n -o NAME,DISKSIZE trueno/zram5
/dev/trueno/zram5 1M
";
    equal("what was said", told.as_str(), expected)
}
