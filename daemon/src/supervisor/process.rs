//! One worker: starting it, hearing what it says first, ending it.

use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid,
};
use sysfs_compat::abi::Errno;

/// Longer than any first line.
const LONGEST_LINE: usize = 4096;

/// Why a device could not be made.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) errno: Errno,
    pub(crate) text: String,
}

impl Failure {
    pub(super) fn of(error: &io::Error, what: &str) -> Self {
        Self { errno: Errno::from(error), text: format!("{what}: {error}") }
    }
}

/// A process. By its handle it is told from a later one of the same number.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) pid: u32,
    handle: OwnedFd,
}

impl Process {
    /// The process that has this number now.
    pub(super) fn of(pid: u32) -> io::Result<Self> {
        let number = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let number = number.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(Self { pid, handle: pidfd_open(number, PidfdFlags::empty())? })
    }

    pub(super) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { pid: self.pid, handle: self.handle.try_clone()? })
    }

    /// Ends it, as soon as the kernel lets it go.
    pub(super) fn kill(&self) {
        // A failure: it has ended already.
        pidfd_send_signal(&self.handle, Signal::KILL).ok();
    }

    /// Waits for its end, but not for longer than this; whether it has ended.
    pub(super) fn wait(&self, at_most: Option<Duration>) -> io::Result<bool> {
        is_ready(&self.handle, at_most.map(|at_most| Instant::now() + at_most))
    }

    /// How it has ended, if it was started by us: so that no process is left that nobody has asked.
    pub(super) fn reap(&self) -> Option<String> {
        use std::os::fd::AsFd as _;
        let status = waitid(WaitId::PidFd(self.handle.as_fd()), WaitIdOptions::EXITED).ok()??;
        let code = status.exit_status().map(|code| format!("exit status {code}"));
        code.or_else(|| status.terminating_signal().map(|signal| format!("signal {signal}")))
    }
}

/// Starts a worker for the device of this directory, which may make it or only take it over.
pub(super) fn spawn(directory: &Path, may_create: bool) -> io::Result<(Process, FirstLine)> {
    let mut command = Command::new("/proc/self/exe");
    // By the @ systemd knows who must outlive the end of a shutdown: whoever serves swap that is still on.
    command.arg0("@trueno-ublk").args(["worker", "--ready", "1", "--directory"]).arg(directory);
    command.args(may_create.then_some("--create"));
    start(&mut command)
}

fn start(command: &mut Command) -> io::Result<(Process, FirstLine)> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).current_dir("/");
    // What the terminal sends to us is not for those who serve.
    let mut child = command.process_group(0).spawn()?;
    // Until it is reaped the number is its own, even if it has ended already.
    match Process::of(child.id()) {
        Ok(process) => Ok((process, FirstLine(child.stdout.take()))),
        Err(error) => {
            child.kill().and_then(|()| child.wait())?;
            Err(error)
        }
    }
}

/// What a worker says first.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Greeting {
    /// It serves the kernel's device of this number.
    Ready(u32),
    /// Another one serves.
    Standby,
}

/// The line that has not come yet.
#[derive(Debug)]
pub(super) struct FirstLine(Option<ChildStdout>);

impl FirstLine {
    /// Waits for it, or for the worker's end, but not for longer than this.
    pub(super) fn hear(self, at_most: Option<Duration>) -> Result<Greeting, Failure> {
        let lost = |error: io::Error| Failure::of(&error, "what the worker says is lost");
        let deadline = at_most.map(|at_most| Instant::now() + at_most);
        let mut said = Vec::new();
        if let Some(mut stdout) = self.0 {
            while !said.contains(&b'\n') && said.len() < LONGEST_LINE {
                if !is_ready(&stdout, deadline).map_err(lost)? {
                    let seconds = at_most.unwrap_or_default().as_secs_f64();
                    let text = format!("the worker has stood still for {seconds} s and is ended");
                    return Err(Failure { errno: Errno::ETIMEDOUT, text });
                }
                let mut buffer = [0; 256];
                match stdout.read(&mut buffer).map_err(lost)? {
                    0 => break,
                    len => said.extend(buffer.iter().take(len)),
                }
            }
        }
        let said = String::from_utf8_lossy(&said);
        parse(said.lines().next().unwrap_or_default())
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

/// Waits until there is something to read, or its end, but not beyond the deadline; whether there is.
fn is_ready(fd: &impl std::os::fd::AsFd, deadline: Option<Instant>) -> io::Result<bool> {
    loop {
        let rest = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let timeout = rest.map(Timespec::try_from).transpose().map_err(io::Error::other)?;
        let mut fds = [PollFd::new(fd, PollFlags::IN)];
        match poll(&mut fds, timeout.as_ref()) {
            Ok(ready) => return Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Option<Duration> = Some(Duration::from_millis(50));
    const LONG: Option<Duration> = Some(Duration::from_secs(20));

    fn shell(script: &str) -> (Process, FirstLine) {
        start(Command::new("sh").args(["-c", script])).expect("a shell")
    }

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
    fn a_line_is_heard_whole_although_its_process_goes_on() {
        let (process, line) = shell("printf 'ready '; sleep 0.05; echo id=7; exec sleep 60");
        assert_eq!(line.hear(LONG).ok(), Some(Greeting::Ready(7)));
        assert!(!process.wait(SHORT).expect("a handle"), "it goes on");
        process.kill();
        assert!(process.wait(LONG).expect("a handle"));
        assert_eq!(process.reap().as_deref(), Some("signal 9"));
        assert_eq!(process.reap(), None, "once");
    }

    #[test]
    fn whoever_ends_or_stands_still_is_not_waited_for() {
        let (process, line) = shell("exit 3");
        assert_eq!(line.hear(LONG).expect_err("no line").errno, Errno::EIO);
        assert!(process.wait(LONG).expect("a handle"));
        assert_eq!(process.reap().as_deref(), Some("exit status 3"));
        // Half a line is none.
        let (process, line) = shell("printf ready; exec sleep 60");
        let failure = line.hear(SHORT).expect_err("no line");
        assert_eq!(failure.errno, Errno::ETIMEDOUT);
        assert!(failure.text.contains("stood still for 0.05 s"), "{}", failure.text);
        process.kill();
        assert!(process.wait(LONG).expect("a handle"));
        process.reap();
    }
}
