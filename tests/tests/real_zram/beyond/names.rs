//! Devices by other names than their own, below other devices, and without a node.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use libtest_mimic::Trial;
use sysfs_compat::abi::{Attr, Feature, Kernel};
use trueno_tests::program;
use trueno_tests::scratch::Scratch;
use trueno_tests::zram::{self, RealDevice};

use super::busy::look;
use super::{Outcome, done, ensure, equal, name, refused, trial, trial_with};

pub(super) fn trials(kernel: Option<&Kernel>) -> Vec<Trial> {
    vec![
        trial("a_link_leads_to_the_device", link),
        trial("who_has_it_open_is_found_under_any_name", opened_under_another_name),
        trial("a_loop_device_on_top_is_named", below_a_loop_device),
        trial("a_device_without_a_node_is_not_left_behind", without_a_node),
        trial_with("a_backing_device_in_use_is_named", kernel, Feature::Writeback, backing_in_use),
    ]
}

fn link() -> Outcome {
    let scratch = Scratch::new("link")?;
    let device = RealDevice::add()?;
    let link = scratch.path().join("a link");
    symlink(device.node(), &link)?;
    let link = link.display().to_string();
    done(&["--size", "1M", &link])?;
    equal("disksize", device.read(Attr::Disksize.name())?.as_str(), "1048576\n")?;
    equal("row", done(&["-bn", "-o", "NAME,DISKSIZE", &link])?, format!("{link}  1048576\n"))?;
    done(&["--reset", &link])?;
    let is_gone = !zram::numbers()?.contains(&device.number());
    device.forget();
    ensure(is_gone, || "the device is still there".into())
}

fn opened_under_another_name() -> Outcome {
    let scratch = Scratch::new("link")?;
    let device = RealDevice::add()?;
    done(&["--size", "1M", &name(&device)])?;
    let link = scratch.path().join("link");
    symlink(device.node(), &link)?;
    let process = look(&device, "60")?;
    let pid = format!("process {} (sleep) has it open", process.id());
    refused(&["--reset", &link.display().to_string()], &["failed to reset", &pid])
}

fn below_a_loop_device() -> Outcome {
    trueno_tests::loop_device::load_driver();
    let device = RealDevice::add()?;
    done(&["--size", "1M", &name(&device)])?;
    let output = Command::new("losetup").args(["--find", "--show"]).arg(device.node()).output()?;
    ensure(output.status.success(), || format!("{output:?}"))?;
    let loop_device = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
    let outcome =
        refused(&["--reset", &name(&device)], &[&format!("{loop_device} is built on it")]);
    Command::new("losetup").args(["--detach", &loop_device]).status()?;
    outcome
}

/// As in a container, where what the kernel makes does not appear. It sees no other device either,
/// so that none can be taken.
fn without_a_node() -> Outcome {
    let before = zram::numbers()?;
    let script =
        "mount -t tmpfs none /dev && mknod /dev/null c 1 3 && exec \"$0\" --find --size 1M";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script]).arg(program::zramctl());
    let output = command.output()?;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    equal("devices", zram::numbers()?, before)?;
    let says_so = stderr.contains("no node appeared");
    ensure(!output.status.success() && output.stdout.is_empty() && says_so, || {
        format!("{output:?}")
    })
}

fn backing_in_use() -> Outcome {
    trueno_tests::loop_device::load_driver();
    let scratch = Scratch::new("backing")?;
    let file = scratch.path().join("backing");
    let backing = trueno_tests::loop_device::LoopDevice::on(&file, 1 << 20)?;
    let [first, second] = [RealDevice::add()?, RealDevice::add()?];
    let path = backing.path().display().to_string();
    done(&["--size", "1M", "--backing-dev", &path, &name(&first)])?;
    let holder = format!("/dev/{} is built on it", name(&first));
    let line = ["--size", "1M", "--backing-dev", &path, &name(&second)];
    refused(&line, &["failed to set backing device", &holder])?;
    equal("the first", fs::read_to_string(first.attribute("backing_dev"))?.trim_end(), &*path)?;
    // The loop device is let go of before it is detached.
    drop([first, second]);
    drop(backing);
    Ok(())
}
