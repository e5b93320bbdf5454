//! A device that somebody uses is not taken away, by whatever way it is asked for, and loses
//! nothing; once it is free, each of these ways works.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use libtest_mimic::Trial;
use sysfs_compat::abi::Errno;
use trueno_tests::check::{Outcome, ensure, equal, tool};
use trueno_tests::mount::{Mapping, Mount, Swap};
use trueno_tests::pages::{Direct, Frame, PAGE};
use trueno_tests::program;
use trueno_tests::zram::{Make, RealDevice};

use crate::stand::{Stand, fill, holds, needing, read, refused, set_up, trial, trial_of_ours};

const SIZE: &str = "32M";
const PAGES: u64 = 8192;

pub(super) fn trials() -> Vec<Trial> {
    vec![
        needing(&["mkswap", "swapon"], trial("busy::swapped_on", swapped_on)),
        needing(&["mkfs.ext4"], trial("busy::mounted", mounted)),
        needing(&["dmsetup"], trial("busy::mapped", mapped)),
        trial("busy::opened", opened),
        trial("busy::opened_in_another_mount_namespace", opened_elsewhere),
        trial_of_ours("busy::free_again", free_again),
    ]
}

/// What a run of a program came to.
struct Answer {
    success: bool,
    complaint: String,
}

fn answer(command: &mut Command) -> Outcome<Answer> {
    let output = command.env("LC_ALL", "C").output()?;
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok(Answer { success: output.status.success(), complaint })
}

/// Each way to take a device away must be refused as busy, and the device be as it was.
fn is_left_alone(device: &RealDevice) -> Outcome {
    let node = device.node();
    refused(device, "reset", "1", Errno::EBUSY)?;
    let control = device.make().control().join("hot_remove");
    let removed = fs::write(control, device.number().to_string());
    let removed = removed.map_err(|error| Errno::from(&error));
    equal("hot_remove", removed, Err(Errno::EBUSY))?;
    let mut commands = vec![reset_by_zramctl(device)];
    if device.make() == Make::Ublk {
        commands.push(reset_by_ublk(device));
    }
    for mut command in commands {
        let Answer { success, complaint } = answer(&mut command)?;
        let says_so = ["busy", "in use"].iter().any(|word| complaint.contains(word));
        ensure(!success && says_so, || format!("{command:?}: {success} {complaint:?}"))?;
        let lines = complaint.lines().count();
        ensure(lines <= 2, || format!("{command:?} is not short: {complaint}"))?;
    }
    equal("initstate", read(device, "initstate")?.as_str(), "1")?;
    ensure(device.node() == node && node.exists(), || "the node has changed".into())
}

fn reset_by_zramctl(device: &RealDevice) -> Command {
    let mut command = Command::new(program::zramctl());
    command.arg("--reset").arg(device.node());
    command
}

fn reset_by_ublk(device: &RealDevice) -> Command {
    let mut command = Command::new(program::ublk());
    command.arg("reset").arg(device.name());
    command
}

fn swapped_on(_: &mut Stand) -> Outcome {
    let device = set_up(SIZE, &[])?;
    fill(&device, PAGES / 2..PAGES, Frame::mixed)?;
    // As if pages had been swapped out: swapon itself looks at the first page only.
    let swap = Swap::on(&device.node())?;
    is_left_alone(&device)?;
    ensure(Swap::is_on(&device.node()), || "it is swapped on no more".into())?;
    drop(swap);
    ensure(!Swap::is_on(&device.node()), || "it is still swapped on".into())?;
    holds(&device, PAGES / 2..PAGES, Frame::mixed)
}

fn mounted(_: &mut Stand) -> Outcome {
    let device = set_up(SIZE, &[])?;
    let node = device.node().display().to_string();
    tool("mkfs.ext4", &["-q", &node])?;
    let mount = Mount::new(&device.node())?;
    let file = |index| mount.path().join(format!("{index}"));
    for index in 0..64 {
        fs::write(file(index), Frame::mixed(index).0)?;
    }
    is_left_alone(&device)?;
    // Nothing was shut down behind the file system's back.
    fs::write(file(64), Frame::mixed(64).0)?;
    tool("sync", &["-f", &mount.path().display().to_string()])?;
    fs::write("/proc/sys/vm/drop_caches", "3")?;
    for index in 0..=64 {
        ensure(fs::read(file(index))? == Frame::mixed(index).0, || format!("file {index}"))?;
    }
    mount.unmount()?;
    tool("e2fsck", &["-fn", &node]).map(drop)
}

fn mapped(_: &mut Stand) -> Outcome {
    drop(Command::new("modprobe").args(["-q", "dm-mod"]).status());
    let device = set_up(SIZE, &[])?;
    fill(&device, 0..PAGES, Frame::mixed)?;
    let mapping = Mapping::over(&device.node(), PAGES * 8)?;
    is_left_alone(&device)?;
    let above = Direct::open(mapping.node())?;
    for index in 0..PAGES {
        ensure(above.read(index)? == Frame::mixed(index), || format!("page {index}"))?;
    }
    above.write(0, &Frame::noise(1))?;
    drop(above);
    drop(mapping);
    holds(&device, 0..PAGES, |index| match index {
        0 => Frame::noise(1),
        _ => Frame::mixed(index),
    })
}

/// Neither for writing nor exclusively: a mere reader counts.
fn opened(_: &mut Stand) -> Outcome {
    let device = set_up(SIZE, &[])?;
    fill(&device, 0..PAGES, Frame::mixed)?;
    let reader = File::open(device.node())?;
    is_left_alone(&device)?;
    let mut page = [0; PAGE];
    reader.read_exact_at(&mut page, 7 << 12)?;
    ensure(page == Frame::mixed(7).0, || "the reader sees something else".into())?;
    drop(reader);
    holds(&device, 0..PAGES, Frame::mixed)
}

/// By a process that cannot be seen through any mount of ours, under a path of its own.
fn opened_elsewhere(_: &mut Stand) -> Outcome {
    let device = set_up(SIZE, &[])?;
    fill(&device, 0..64, Frame::mixed)?;
    let script = "mount -t tmpfs tmpfs /mnt && cp -a \"$0\" /mnt/disk && exec 3</mnt/disk && \
                  echo ready && exec sleep 60";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script]).arg(device.node());
    let mut child = command.stdout(std::process::Stdio::piped()).spawn()?;
    let ready = child.stdout.take().map(|mut stdout| {
        let mut word = [0; 6];
        std::io::Read::read_exact(&mut stdout, &mut word)
    });
    let outcome = match ready {
        Some(Ok(())) => is_left_alone(&device),
        _ => Err("the holder did not come up".into()),
    };
    child.kill()?;
    child.wait()?;
    outcome?;
    holds(&device, 0..64, Frame::mixed)
}

/// The same commands on a device that nobody uses.
fn free_again(_: &mut Stand) -> Outcome {
    let reset: [fn(&RealDevice) -> Command; 2] = [reset_by_zramctl, reset_by_ublk];
    for reset in reset {
        let device = set_up(SIZE, &[])?;
        let held = OpenOptions::new().write(true).open(device.node())?;
        let node = device.node();
        drop(held);
        let Answer { success, complaint } = answer(&mut reset(&device))?;
        ensure(success && complaint.is_empty(), || format!("refused: {complaint}"))?;
        ensure(!Path::new(&node).exists(), || "the node is still there".into())?;
        if device.directory().exists() {
            equal("disksize", read(&device, "disksize")?.as_str(), "0")?;
        } else {
            device.forget();
        }
    }
    Ok(())
}
