//! Runs the programs of `set!`, each within a bound of time: a boot must not wait for one.

use std::io::{self, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

/// How long one program may take.
pub const LONGEST_RUN: Duration = Duration::from_secs(5);

/// More than the longest expression that is understood.
const MOST_OUTPUT: usize = 64 << 10;

/// What a program said and how it ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its standard output.
    pub output: Vec<u8>,
    /// Its exit status; 128 and the signal if a signal ended it.
    pub status: i32,
}

/// Runs `program` by `/bin/sh`, without input. Its standard error is ours.
///
/// # Errors
/// When it cannot be started, when it takes longer than [`LONGEST_RUN`] (it is killed then, with
/// everything it has started), and when it prints without end.
pub fn run(program: &str) -> Result<Answer, String> {
    run_within(program, LONGEST_RUN)
}

fn run_within(program: &str, limit: Duration) -> Result<Answer, String> {
    let deadline = Instant::now() + limit;
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "--", program]).stdin(Stdio::null()).stdout(Stdio::piped());
    // A group of its own, to be killed as a whole.
    let mut child = command.process_group(0).spawn().map_err(|error| error.to_string())?;
    let answer = listen(&mut child, deadline);
    if answer.is_err() {
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        // It may have ended in this very moment.
        group.map(|group| kill_process_group(group, Signal::KILL)).transpose().ok();
        child.wait().ok();
    }
    answer.map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => format!("not done after {} s, and killed", limit.as_secs()),
        _ => error.to_string(),
    })
}

fn listen(child: &mut Child, deadline: Instant) -> io::Result<Answer> {
    let output = match child.stdout.take() {
        Some(stdout) => drain(stdout, deadline)?,
        None => Vec::new(),
    };
    let status = wait(child, deadline)?;
    let signal = || status.signal().map_or(-1, |signal| 128 + signal);
    Ok(Answer { output, status: status.code().unwrap_or_else(signal) })
}

fn drain(mut stdout: ChildStdout, deadline: Instant) -> io::Result<Vec<u8>> {
    let mut output = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        readable(&stdout, deadline)?;
        match stdout.read(&mut buffer)? {
            0 => return Ok(output),
            count => output.extend_from_slice(buffer.get(..count).unwrap_or_default()),
        }
        if output.len() > MOST_OUTPUT {
            return Err(io::Error::other("it prints more than 64 KiB"));
        }
    }
}

fn wait(child: &mut Child, deadline: Instant) -> io::Result<ExitStatus> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| io::Error::other("the process has no number"))?;
    readable(&pidfd_open(pid, PidfdFlags::empty())?, deadline)?;
    child.wait()
}

/// Waits until there is something to read, or the end of it.
fn readable(descriptor: &impl std::os::fd::AsFd, deadline: Instant) -> io::Result<()> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(io::Error::other)?;
        let mut descriptors = [PollFd::new(descriptor, PollFlags::IN)];
        match poll(&mut descriptors, Some(&left)) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(200);

    #[test]
    fn output_and_status() {
        let answer = |output: &str, status| Ok(Answer { output: output.into(), status });
        assert_eq!(run("echo $((1 + 1))"), answer("2\n", 0));
        assert_eq!(run("echo 1; exit 3"), answer("1\n", 3));
        assert_eq!(run("kill -9 $$"), answer("", 137));
        assert_eq!(run("cat; echo -n $#"), answer("0", 0));
    }

    #[test]
    fn a_program_that_hangs_is_killed_with_its_children() {
        for program in
            ["sleep 60", "sleep 60 & echo 1", "exec >&-; sleep 60", "while :; do :; done"]
        {
            let start = Instant::now();
            let refusal = run_within(program, SHORT).expect_err("a hang");
            assert!(refusal.contains("killed"), "{refusal}");
            assert!(start.elapsed() < SHORT * 10, "{program}");
        }
    }

    #[test]
    fn what_a_program_has_started_is_killed_too() {
        let file = std::env::temp_dir().join(format!("trueno-child-{}", std::process::id()));
        let program = format!("sleep 60 & echo $! > {}; wait", file.display());
        run_within(&program, SHORT * 5).expect_err("a hang");
        let pid = std::fs::read_to_string(&file).expect("the program has written it");
        std::fs::remove_file(&file).expect("it is removed");
        let status = format!("/proc/{}/status", pid.trim());
        let is_alive = || {
            // Nobody may have asked after it yet.
            let status = std::fs::read_to_string(&status).unwrap_or_default();
            status.contains("sleep") && !status.contains("Z (zombie)")
        };
        let deadline = Instant::now() + LONGEST_RUN;
        while is_alive() {
            assert!(Instant::now() < deadline, "{status}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn a_program_that_prints_for_ever_is_killed() {
        assert_eq!(run("yes"), Err("it prints more than 64 KiB".to_owned()));
    }
}
