//! The processes that serve one device.
//!
//! The first to get the lock in the device's directory serves; the others wait for it, ready to take
//! over. This file only sees to it that there are as many as wanted: when one ends, another is
//! started. It survives this process that its workers are not our children: their numbers are kept
//! in the device's directory.

use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use sysfs_compat::abi::Errno;

use crate::log::say;

/// In a device's directory: `PID START_TIME` lines.
const FILE: &str = "workers";
/// A worker that cannot start is tried again after this, and twice as long each time, up to the
/// second.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A worker that ran for so long was no failed start.
const GOOD_RUN: Duration = Duration::from_secs(5);

/// Why a device could not be made.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) errno: Errno,
    pub(crate) text: String,
}

impl Failure {
    fn of(error: &io::Error, what: &str) -> Self {
        Self { errno: Errno::from(error), text: format!("{what}: {error}") }
    }
}

/// The workers of one device.
#[derive(Clone, Debug)]
pub(crate) struct Workers {
    directory: PathBuf,
    state: Arc<Mutex<State>>,
    /// Held while workers are started.
    filling: Arc<Mutex<()>>,
}

#[derive(Debug, Default)]
struct State {
    wanted: usize,
    running: Vec<Running>,
    /// Until one has run for a while.
    pause: Duration,
    /// How often a worker was started in place of one that ended.
    replaced: u64,
}

/// A process, and how to tell it from a later one of the same number.
#[derive(Debug)]
struct Running {
    pid: u32,
    start_time: u64,
    handle: OwnedFd,
}

/// What a worker says first.
#[derive(Debug, PartialEq, Eq)]
enum Greeting {
    /// It serves the kernel's device of this number.
    Ready(u32),
    /// Another one serves.
    Standby,
}

impl Workers {
    pub(crate) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), state: Arc::default(), filling: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of those that an earlier supervisor has started and that still run.
    pub(crate) fn adopt(&self) {
        let text = fs::read_to_string(self.directory.join(FILE)).unwrap_or_default();
        for line in text.lines() {
            let Some((pid, start)) = line.split_once(' ') else { continue };
            let (Ok(pid), Ok(start_time)) = (pid.parse(), start.parse()) else { continue };
            // The handle first: it stays with the process that had the number at that time.
            let Some(handle) = handle_of(pid) else { continue };
            if start_time_of(pid) == Some(start_time) {
                self.watch(Running { pid, start_time, handle }, None);
            }
        }
    }

    /// Keeps `wanted` workers running. Waits until the first serves the device, and returns the
    /// kernel's number of it.
    ///
    /// # Errors
    ///
    /// What the worker says; none runs then.
    pub(crate) fn start(&self, wanted: usize) -> Result<u32, Failure> {
        let (mut child, greeting) =
            self.spawn().map_err(|error| Failure::of(&error, "cannot start a worker"))?;
        let id = match greeting.wait() {
            Ok(Greeting::Ready(id)) => Ok(id),
            Ok(Greeting::Standby) => {
                let text = "another process serves the device already".to_owned();
                Err(Failure { errno: Errno::EBUSY, text })
            }
            Err(failure) => Err(failure),
        };
        if id.is_ok() {
            self.note(child);
            self.want(wanted);
        } else {
            child.kill().and_then(|()| child.wait()).ok();
        }
        id
    }

    /// Keeps so many running from now on, without waiting for them.
    pub(crate) fn want(&self, wanted: usize) {
        self.state().wanted = wanted;
        self.fill();
    }

    /// Process numbers, the one that was started first in front.
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.state().running.iter().map(|running| running.pid).collect()
    }

    /// How often a worker had to be replaced.
    pub(crate) fn replaced(&self) -> u64 {
        self.state().replaced
    }

    /// Waits until all have ended, and ends those that have not by then.
    pub(crate) fn end(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        self.state().wanted = 0;
        // What is being started now is seen to start, and ends with the others.
        drop(self.filling.lock().unwrap_or_else(PoisonError::into_inner));
        while !self.state().running.is_empty() {
            if Instant::now() >= deadline {
                for running in &self.state().running {
                    pidfd_send_signal(&running.handle, Signal::KILL).ok();
                }
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Ends all but the one that serves.
    pub(crate) fn end_standbys(&self, serving: u32) {
        for running in self.state().running.iter().filter(|running| running.pid != serving) {
            pidfd_send_signal(&running.handle, Signal::KILL).ok();
        }
    }

    fn fill(&self) {
        // One after the other, or each would find the same ones missing.
        let _filling = self.filling.lock().unwrap_or_else(PoisonError::into_inner);
        while self.is_one_missing() {
            match self.spawn() {
                Ok((child, greeting)) => {
                    self.note(child);
                    // Nobody waits for it, so its failure is told here.
                    thread::spawn(move || greeting.wait().map_err(|failure| say(failure.text)));
                }
                Err(error) => {
                    say(format_args!("cannot start a worker: {error}"));
                    return self.retry();
                }
            }
        }
    }

    fn is_one_missing(&self) -> bool {
        let state = self.state();
        state.running.len() < state.wanted
    }

    fn retry(&self) {
        let pause = {
            let mut state = self.state();
            state.pause = (state.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
            state.pause
        };
        let workers = self.clone();
        thread::spawn(move || {
            thread::sleep(pause);
            workers.fill();
        });
    }

    fn spawn(&self) -> io::Result<(Child, Waiting)> {
        let mut command = Command::new("/proc/self/exe");
        // By the @ systemd knows who must outlive the end of a shutdown: whoever serves swap that is still on.
        command.arg0("@trueno-ublk").args(["worker", "--ready", "1", "--directory"]);
        command.arg(&self.directory).stdin(Stdio::null()).stdout(Stdio::piped());
        // What the terminal sends to us is not for those who serve.
        let mut child = command.process_group(0).current_dir("/").spawn()?;
        let stdout = child.stdout.take();
        Ok((child, Waiting { stdout: stdout.map(BufReader::new) }))
    }

    fn note(&self, mut child: Child) {
        let pid = child.id();
        // Until it is waited for, the number is its own, even if it has ended already.
        match (handle_of(pid), start_time_of(pid)) {
            (Some(handle), Some(start_time)) => {
                self.watch(Running { pid, start_time, handle }, Some(child));
            }
            // It has ended; or it cannot be watched now, and another one takes its place.
            _ => drop(child.kill().and_then(|()| child.wait())),
        }
    }

    /// Waits for its end on a thread of its own.
    fn watch(&self, running: Running, child: Option<Child>) {
        let Ok(handle) = running.handle.try_clone() else { return };
        let (pid, since) = (running.pid, Instant::now());
        self.state().running.push(running);
        self.save();
        let workers = self.clone();
        thread::spawn(move || {
            wait_for_end(&handle);
            // So that no process is left that nobody has asked for its end.
            let status = child.and_then(|mut child| child.wait().ok());
            workers.ended(pid, since.elapsed(), status);
        });
    }

    fn ended(&self, pid: u32, run: Duration, status: Option<std::process::ExitStatus>) {
        {
            let mut state = self.state();
            state.running.retain(|running| running.pid != pid);
            if run >= GOOD_RUN {
                state.pause = Duration::ZERO;
            }
        }
        self.save();
        if !self.is_one_missing() {
            return;
        }
        let how = status.map_or_else(String::new, |status| format!(": {status}"));
        say(format_args!("{}: worker {pid} has ended{how}", self.directory.display()));
        self.state().replaced += 1;
        if run < GOOD_RUN { self.retry() } else { self.fill() }
    }

    fn save(&self) {
        let state = self.state();
        let lines = state.running.iter().map(|r| format!("{} {}\n", r.pid, r.start_time));
        let new = self.directory.join("workers.new");
        let saved = fs::write(&new, lines.collect::<String>())
            .and_then(|()| fs::rename(&new, self.directory.join(FILE)));
        // The directory is gone when the last one ends behind its device.
        if let Err(error) = saved
            && state.wanted > 0
        {
            say(format_args!("{}: {error}", new.display()));
        }
    }
}

/// A worker whose first line has not come yet.
#[derive(Debug)]
struct Waiting {
    stdout: Option<BufReader<std::process::ChildStdout>>,
}

impl Waiting {
    /// Waits for it, or for the worker's end.
    fn wait(self) -> Result<Greeting, Failure> {
        let mut line = String::new();
        if let Some(mut stdout) = self.stdout {
            stdout.read_line(&mut line).map_err(|error| Failure::of(&error, "worker"))?;
        }
        parse(line.trim_end())
    }
}

fn parse(line: &str) -> Result<Greeting, Failure> {
    let died = || Failure { errno: Errno::EIO, text: format!("the worker has ended: {line:?}") };
    if line == "standby" {
        return Ok(Greeting::Standby);
    }
    if let Some(id) = line.strip_prefix("ready id=") {
        return id.parse().map(Greeting::Ready).map_err(|_| died());
    }
    let failure = line.strip_prefix("failed ").and_then(|rest| rest.split_once(' '));
    let (errno, text) = failure.ok_or_else(died)?;
    let errno = errno.parse().map_or(Errno::EIO, Errno::from_raw);
    Err(Failure { errno, text: text.to_owned() })
}

fn handle_of(pid: u32) -> Option<OwnedFd> {
    pidfd_open(Pid::from_raw(i32::try_from(pid).ok()?)?, PidfdFlags::empty()).ok()
}

/// Field 22 of `/proc/PID/stat`: proc_pid_stat(5). The name in field 2 may hold anything.
fn start_time_of(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, behind_name) = stat.rsplit_once(") ")?;
    behind_name.split(' ').nth(19)?.parse().ok()
}

fn wait_for_end(handle: &OwnedFd) {
    let forever: Option<&Timespec> = None;
    loop {
        let mut fds = [PollFd::new(handle, PollFlags::IN)];
        match poll(&mut fds, forever) {
            Ok(ready) if ready > 0 => return,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => thread::sleep(LONGEST_PAUSE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines() {
        assert_eq!(parse("ready id=3").ok(), Some(Greeting::Ready(3)));
        assert_eq!(parse("standby").ok(), Some(Greeting::Standby));
        let failure = parse("failed 12 no memory for the table").expect_err("failed");
        assert_eq!(
            (failure.errno, failure.text.as_str()),
            (Errno::ENOMEM, "no memory for the table")
        );
        for line in ["", "ready", "ready id=x", "failed", "failed x"] {
            assert_eq!(parse(line).expect_err("no greeting").errno, Errno::EIO, "{line}");
        }
    }

    #[test]
    fn our_own_start_time_is_known() {
        let pid = std::process::id();
        assert!(start_time_of(pid).is_some_and(|time| time > 0));
        assert!(handle_of(pid).is_some());
    }
}
