//! `trueno-ublk serve` for one trial, and a look at everything that it could leave behind.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::check::{Outcome, ensure, wait_for};
use crate::program;
use crate::zram::{MIRROR, Make, RealDevice};

/// Where arenas and sockets of the devices are.
pub const ARENAS: &str = "/run/trueno-ublk";

/// The program's name, by which it is known among processes too.
const NAME: &str = "trueno-ublk";

/// Seconds that a daemon may take to come up, and to go, in an emulated machine.
const PATIENCE: u64 = 20;

/// A running daemon, ended when it goes out of scope.
#[derive(Debug)]
pub struct Daemon {
    child: Option<Child>,
    program: PathBuf,
}

impl Daemon {
    /// Starts the program under test and waits until its files are there.
    ///
    /// # Errors
    /// When it ends, or does not come up in time.
    pub fn start() -> Outcome<Self> {
        Self::start_program(program::ublk())
    }

    /// Starts another build of it.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_program(program: &Path) -> Outcome<Self> {
        let said = fs::OpenOptions::new().create(true).append(true).open(log_file())?;
        let mut command = Command::new(program);
        let child = command.arg("serve").stdin(Stdio::null()).stderr(said).spawn()?;
        let daemon = Daemon { child: Some(child), program: program.to_owned() };
        let control = Make::Ublk.control().join("hot_add");
        let came_up = wait_for("the mirror", PATIENCE, || {
            let ended = daemon.has_ended().then_some(Err(()));
            ended.or_else(|| control.exists().then_some(Ok(())))
        })?;
        came_up.map_err(|_| format!("trueno-ublk serve has ended: {}", log()))?;
        Ok(daemon)
    }

    /// The process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Asks it to end, as systemd does, and waits until it has.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn stop(&mut self) -> Outcome<ExitStatus> {
        self.end(Signal::TERM)
    }

    /// Ends it without giving it a chance to clean up.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn kill(&mut self) -> Outcome<ExitStatus> {
        self.end(Signal::KILL)
    }

    /// Starts it again, after [`stop`](Self::stop) or [`kill`](Self::kill).
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn restart(&mut self) -> Outcome {
        *self = Self::start_program(&self.program.clone())?;
        Ok(())
    }

    /// Without waiting for it, which would take it away from whoever is to learn its status.
    fn has_ended(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id()));
        stat.is_ok_and(|stat| stat.contains(") Z "))
    }

    fn end(&mut self, signal: Signal) -> Outcome<ExitStatus> {
        let Some(mut child) = self.child.take() else { return Err("it has ended already".into()) };
        kill_process(Pid::from_child(&child), signal)?;
        for _ in 0..PATIENCE * 50 {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.child = Some(child);
        Err(format!("trueno-ublk serve goes on {PATIENCE} s after {signal:?}").into())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let Some(child) = &mut self.child else { return };
        // Whether it ends is seen below.
        let _asked = kill_process(Pid::from_child(child), Signal::TERM);
        for _ in 0..PATIENCE * 50 {
            if !matches!(child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        drop(child.kill());
        drop(child.wait());
    }
}

fn log_file() -> PathBuf {
    std::env::temp_dir().join(format!("trueno-daemon-{}.log", std::process::id()))
}

/// What the daemons of this test program have said so far.
#[must_use]
pub fn log() -> String {
    fs::read_to_string(log_file()).unwrap_or_default()
}

/// Forgets that.
pub fn clear_log() {
    drop(fs::remove_file(log_file()));
}

/// The numbers of our processes, whatever their role.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn processes() -> io::Result<BTreeSet<i32>> {
    let mut processes = BTreeSet::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // Empty for what has ended and was not waited for.
        let line = fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        // Workers have an @ in front, by which systemd knows them.
        let program = line.split('\0').next().map(|name| Path::new(name.trim_start_matches('@')));
        if program.and_then(Path::file_name).is_some_and(|name| name == NAME) {
            processes.insert(id);
        }
    }
    Ok(processes)
}

/// Everything that a daemon, its devices and its workers make outside of themselves: a line for each
/// process, mount, device node and file.
///
/// # Errors
/// When it cannot be listed.
pub fn traces() -> io::Result<BTreeSet<String>> {
    let mut traces = BTreeSet::new();
    traces.extend(processes()?.into_iter().map(|id| format!("process {id}")));
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let targets = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    let ours = targets.filter(|target| [MIRROR, ARENAS].iter().any(|at| target.starts_with(at)));
    traces.extend(ours.map(|target| format!("mount {target}")));
    for entry in fs::read_dir("/dev")?.chain(fs::read_dir("/sys/block")?) {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("ublk")) {
            traces.insert(format!("device {}", path.display()));
        }
    }
    for directory in [MIRROR, ARENAS, "/dev/trueno"] {
        files(Path::new(directory), &mut traces);
    }
    // The control device is the driver's; one supervisor at a time needs a file to lock, and one that
    // no systemd runs keeps a log.
    let files = ["file /run/trueno-ublk/lock", "file /run/trueno-ublk/log"];
    for other in files.into_iter().chain(["device /dev/ublk-control"]) {
        traces.remove(other);
    }
    Ok(traces)
}

/// Directories without a file in them hurt nobody.
fn files(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            files(&path, found);
        } else {
            found.insert(format!("file {}", path.display()));
        }
    }
}

/// What has come into the world since `before`.
///
/// # Errors
/// When anything has, and when it cannot be listed.
pub fn nothing_left(before: &BTreeSet<String>) -> Outcome {
    // A process that has been told to end, or a node that has been taken away, may need a moment.
    let look = || traces().ok().filter(|after| after.is_subset(before));
    if wait_for("an end", 5, look).is_ok() {
        return Ok(());
    }
    let after = traces()?;
    let left: Vec<_> = after.difference(before).cloned().collect();
    ensure(left.is_empty(), || format!("left behind:\n  {}", left.join("\n  ")))
}

/// Removes what an earlier trial has left in the mirror, so that one failure does not make others.
///
/// # Errors
/// When the mirror cannot be read.
pub fn remove_leftovers() -> io::Result<()> {
    for number in Make::Ublk.numbers()? {
        drop(RealDevice::adopt_from(Make::Ublk, number));
    }
    Ok(())
}

/// The process that serves `device`.
///
/// # Errors
/// When there is none.
pub fn worker(device: &RealDevice) -> Outcome<Pid> {
    let text = device.read("trueno/worker_pid")?;
    // -1 while nobody serves it.
    let id = text.trim_end().parse().ok().filter(|&id| id > 0).and_then(Pid::from_raw);
    id.ok_or_else(|| format!("worker_pid: {text:?}").into())
}
