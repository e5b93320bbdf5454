//! Devices that somebody uses: nothing is lost, the one who is in the way is named, and waiting
//! for udev has a bound.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use sysfs_compat::abi::Attr;
use trueno_tests::program;
use trueno_tests::scratch::Scratch;
use trueno_tests::zram::{self, RealDevice};

use super::{Outcome, done, ensure, equal, load, name, noise, refused, store, trial};

pub(super) fn trials() -> Vec<Trial> {
    vec![
        trial("a_mounted_device_is_left_alone", mounted),
        trial("a_device_that_a_process_has_open_is_left_alone", opened),
        trial("a_short_look_is_waited_for", short_look),
        trial("a_short_look_without_a_lock_is_waited_for", short_look_without_lock),
        trial("sixty_four_devices", sixty_four_devices),
        trial("a_read_only_sysfs_is_named", read_only_sysfs),
    ]
}

/// Runs a tool that must succeed.
fn tool(program: &str, arguments: &[&str]) -> Outcome {
    let output = Command::new(program).args(arguments).output()?;
    ensure(output.status.success(), || format!("{program} {arguments:?}: {output:?}"))
}

/// Unmounts at the end.
struct Mount(String);

impl Drop for Mount {
    fn drop(&mut self) {
        drop(Command::new("umount").arg(&self.0).status());
    }
}

fn mounted() -> Outcome {
    let device = RealDevice::add()?;
    let node = device.node().display().to_string();
    done(&["--size", "16M", &node])?;
    tool("mkfs.ext4", &["-q", &node])?;
    let scratch = Scratch::new("mounted")?;
    // A blank, because /proc/mounts writes it in another way.
    let target = scratch.path().join("a b");
    fs::create_dir(&target)?;
    let target = target.display().to_string();
    tool("mount", &[&node, &target])?;
    let _mount = Mount(target.clone());
    fs::write(format!("{target}/file"), "kept")?;
    refused(&["--reset", &node], &["failed to reset", &format!("it is mounted on {target}")])?;
    refused(&["--size", "1M", &node], &["failed to reset", "it is mounted on"])?;
    equal("the file", fs::read_to_string(format!("{target}/file"))?, "kept".to_owned())?;
    equal("mount point", done(&["-bn", "-o", "MOUNTPOINT", &node])?, format!("{target}\n"))
}

/// A process that is ended with us.
pub(super) struct Process(Child);

impl Process {
    pub(super) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Opens the device as udev does, under a lock, for that many seconds.
pub(super) fn look(device: &RealDevice, seconds: &str) -> Result<Process, Failed> {
    open(device, "flock -s 3", seconds)
}

/// Opens the device as descriptor 3 of a shell, which does `then`, for that many seconds.
fn open(device: &RealDevice, then: &str, seconds: &str) -> Result<Process, Failed> {
    let node = device.node();
    // In place of flock's own child, so that there is one process, and that one is ours to end.
    let script = format!("exec 3<\"$0\"; {then}; echo ready; exec sleep \"$1\"");
    let mut command = Command::new("sh");
    command.args(["-c", &script]).arg(&node).arg(seconds).stdout(Stdio::piped());
    let mut child = command.spawn()?;
    let mut ready = [0; 6];
    let stdout = child.stdout.take().ok_or("no stdout")?;
    let process = Process(child);
    std::io::Read::read_exact(&mut { stdout }, &mut ready)?;
    Ok(process)
}

fn opened() -> Outcome {
    let device = RealDevice::add()?;
    done(&["--size", "4M", &name(&device)])?;
    store(&device, [(3, noise(3))])?;
    let process = look(&device, "60")?;
    let start = Instant::now();
    let pid = format!("process {} (sleep) has it open", process.id());
    refused(&["--reset", &name(&device)], &["failed to reset: Device or resource busy", &pid])?;
    let waited = start.elapsed();
    let is_bounded = (Duration::from_millis(2500)..Duration::from_secs(20)).contains(&waited);
    ensure(is_bounded, || format!("it gave up after {waited:?}"))?;
    drop(process);
    equal("the page", load(&device, 3)?, noise(3))
}

fn short_look() -> Outcome {
    is_waited_for(|device| look(device, "1"))
}

/// There is no lock to wait for: only trying again helps.
fn short_look_without_lock() -> Outcome {
    is_waited_for(|device| open(device, ":", "1"))
}

fn is_waited_for(look: impl FnOnce(&RealDevice) -> Result<Process, Failed>) -> Outcome {
    let device = RealDevice::add()?;
    done(&["--size", "4M", &name(&device)])?;
    let process = look(&device)?;
    let start = Instant::now();
    done(&["--size", "8M", &name(&device)])?;
    let waited = start.elapsed();
    ensure(waited > Duration::from_millis(300), || format!("it waited {waited:?} only"))?;
    drop(process);
    equal("disksize", device.read(Attr::Disksize.name())?.as_str(), "8388608\n")
}

fn sixty_four_devices() -> Outcome {
    let before = zram::numbers()?.len();
    let devices = (0..64).map(|_| RealDevice::add()).collect::<Result<Vec<_>, _>>()?;
    for device in &devices {
        device.write(Attr::Disksize.name(), b"1M")?;
    }
    // Their nodes are made by another thread of the kernel, or by udev.
    sleep(Duration::from_millis(100));
    let list = done(&["-n", "--raw", "-o", "NAME,DISKSIZE"])?;
    for device in &devices {
        let line = format!("{} 1M", device.node().display());
        ensure(list.lines().any(|l| l == line), || format!("no {line:?} in {list}"))?;
    }
    let names: Vec<_> = devices.iter().map(name).collect();
    let line: Vec<_> = ["--reset"].into_iter().chain(names.iter().map(String::as_str)).collect();
    done(&line)?;
    devices.into_iter().for_each(RealDevice::forget);
    equal("devices left", zram::numbers()?.len(), before)
}

/// As in many containers, and here in a mount namespace of its own.
fn read_only_sysfs() -> Outcome {
    let device = RealDevice::add()?;
    done(&["--size", "4M", &name(&device)])?;
    let script = "mount -o remount,bind,ro /sys && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, "sh"]).arg(program::zramctl());
    command.args(["--size", "8M", &name(&device)]).env("LC_ALL", "C");
    let output = command.output()?;
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    equal("status", output.status.code(), Some(1))?;
    for words in ["failed to reset: Read-only file system", "/reset is mounted read-only."] {
        ensure(complaint.contains(words), || format!("no {words:?} in {complaint:?}"))?;
    }
    equal("disksize", device.read(Attr::Disksize.name())?.as_str(), "4194304\n")
}
