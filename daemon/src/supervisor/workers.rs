//! The processes that serve one device.
//!
//! The first to get the lock in the device's directory serves; the others wait for it, ready to take
//! over. This file only sees to it that there are as many as wanted: when one ends, another is
//! started. Those that are not our children, because an earlier supervisor has started them, are found
//! by the lock.

use std::fs;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Builder};
use std::time::{Duration, Instant};

use sysfs_compat::abi::Errno;

use super::process::{Failure, FirstLine, Greeting, Process, spawn};
use crate::directory::Directory;
use crate::log::say;
use crate::worker;

/// A worker that cannot start is tried again after this, and twice as long each time, up to the
/// second.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A worker that ran for so long was no failed start.
const GOOD_RUN: Duration = Duration::from_secs(5);
/// How long the kernel may take to let go of a process that was killed: it frees buffers of gigabytes.
/// One that takes longer waits for something in the kernel, for which nothing bounds the time.
const LONGEST_DEATH: Duration = Duration::from_secs(10);

/// The workers of one device.
#[derive(Clone, Debug)]
pub(crate) struct Workers {
    directory: Directory,
    state: Arc<Mutex<State>>,
    /// Held while workers are started, or looked for.
    filling: Arc<Mutex<()>>,
}

#[derive(Debug, Default)]
struct State {
    wanted: usize,
    running: Vec<Process>,
    /// Until one has run for a while.
    pause: Duration,
    /// How often a worker was started in place of one that ended.
    replaced: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Workers {
    pub(crate) fn new(directory: &Directory) -> Self {
        let (state, filling) = Default::default();
        Self { directory: directory.clone(), state, filling }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn path(&self) -> impl std::fmt::Display {
        self.directory.path().display()
    }

    /// Takes note of those that serve the device, or wait to, and were started by an earlier
    /// supervisor.
    pub(crate) fn adopt(&self) {
        let _filling = lock(&self.filling);
        self.find_others();
    }

    fn find_others(&self) {
        let find = || {
            self.directory.lock_users().unwrap_or_else(|error| {
                say(format_args!("cannot tell who serves {}: {error:#}", self.path()));
                Vec::new()
            })
        };
        let is_known = |pid: u32| self.pids().contains(&pid) || pid == std::process::id();
        for pid in find().into_iter().filter(|pid| !is_known(*pid)) {
            let Ok(process) = Process::of(pid) else { continue };
            // Once more: the number may have become another one's before there was a handle.
            if is_worker(pid)
                && find().contains(&pid)
                && let Err(error) = self.watch(process)
            {
                say(format_args!("cannot watch worker {pid}: {error}"));
            }
        }
    }

    /// Keeps `wanted` workers running. Waits until the first serves the device, but not for longer than
    /// this, and returns the kernel's number of it.
    ///
    /// # Errors
    ///
    /// What the worker says, or that it says nothing (`ETIMEDOUT`); none runs then.
    pub(crate) fn start(&self, wanted: usize, at_most: Duration) -> Result<u32, Failure> {
        let started = {
            let _filling = lock(&self.filling);
            self.add(true)
        };
        let (process, line) =
            started.map_err(|error| Failure::of(&error, "cannot start a worker"))?;
        let failure = match line.hear(Some(at_most)) {
            Ok(Greeting::Ready(id)) => {
                self.want(wanted);
                return Ok(id);
            }
            Ok(Greeting::Standby) => {
                let text = "another process serves the device already".to_owned();
                Failure { errno: Errno::EBUSY, text }
            }
            Err(failure) => failure,
        };
        process.kill();
        process.wait(Some(LONGEST_DEATH)).ok();
        Err(failure)
    }

    /// Keeps so many running from now on, without waiting for them.
    pub(crate) fn want(&self, wanted: usize) {
        self.state().wanted = wanted;
        self.fill();
    }

    /// Process numbers, the one that was started first in front.
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.state().running.iter().map(|process| process.pid).collect()
    }

    /// How often a worker had to be replaced.
    pub(crate) fn replaced(&self) -> u64 {
        self.state().replaced
    }

    /// Waits until all have ended, those too that nobody knew of, and ends those that have not by then.
    /// Says which of them goes on even so, because the kernel does not let it go; whether none does.
    pub(crate) fn end(&self, patience: Duration) -> bool {
        self.state().wanted = 0;
        // What is being started now is seen to start, and ends with the others.
        let _filling = lock(&self.filling);
        self.find_others();
        if self.have_ended(patience) {
            return true;
        }
        self.state().running.iter().for_each(Process::kill);
        let have_ended = self.have_ended(LONGEST_DEATH);
        if !have_ended {
            let pids = self.pids();
            say(format_args!("{}: killed, and still there: processes {pids:?}", self.path()));
        }
        have_ended
    }

    fn have_ended(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        loop {
            if self.state().running.is_empty() {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Ends all, those too that nobody knew of, because they do not answer. As long as any are wanted,
    /// others take their place.
    pub(crate) fn replace(&self) {
        self.adopt();
        let pids = self.pids();
        say(format_args!("{}: processes {pids:?} do not answer and are ended", self.path()));
        self.state().running.iter().for_each(Process::kill);
    }

    /// Ends all but the one that serves.
    pub(crate) fn end_standbys(&self, serving: u32) {
        self.state().running.iter().filter(|one| one.pid != serving).for_each(Process::kill);
    }

    fn fill(&self) {
        // One after the other, or each would find the same ones missing.
        let _filling = lock(&self.filling);
        while self.is_one_missing() {
            match self.add(false) {
                // Without a thread nobody hears what it says. That it ends is seen all the same.
                Ok((_, line)) => {
                    let workers = self.clone();
                    drop(spawn_thread("first-line", move || workers.tell(line)));
                }
                Err(error) => {
                    say(format_args!("cannot start a worker: {error}"));
                    return self.retry();
                }
            }
        }
    }

    /// Nobody else waits for it. It may take as long as taking over takes. One that is not wanted any more
    /// has failed because of that.
    fn tell(&self, line: FirstLine) {
        if let Err(failure) = line.hear(None)
            && self.state().wanted > 0
        {
            say(failure.text);
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
        let waiting = spawn_thread("retry", move || {
            thread::sleep(pause);
            workers.fill();
        });
        if let Err(error) = waiting {
            say(format_args!("{}: a worker is missing, and stays so: {error}", self.path()));
        }
    }

    /// Starts one, which may make the device or only take it over.
    fn add(&self, may_create: bool) -> io::Result<(Process, FirstLine)> {
        let (process, line) = spawn(self.directory.path(), may_create)?;
        match process.try_clone().and_then(|clone| self.watch(clone)) {
            Ok(()) => Ok((process, line)),
            Err(error) => {
                process.kill();
                process.reap();
                Err(error)
            }
        }
    }

    /// Waits for its end on a thread of its own.
    fn watch(&self, process: Process) -> io::Result<()> {
        let (pid, since) = (process.pid, Instant::now());
        let watched = process.try_clone()?;
        self.state().running.push(process);
        let workers = self.clone();
        let watching = spawn_thread("watch", move || {
            while watched.wait(None).is_err() {
                // No memory for a moment.
                thread::sleep(LONGEST_PAUSE);
            }
            workers.ended(pid, since.elapsed(), watched.reap());
        });
        watching.inspect_err(|_| self.state().running.retain(|process| process.pid != pid))
    }

    fn ended(&self, pid: u32, run: Duration, how: Option<String>) {
        {
            let mut state = self.state();
            state.running.retain(|process| process.pid != pid);
            if run >= GOOD_RUN {
                state.pause = Duration::ZERO;
            }
        }
        if !self.is_one_missing() {
            return;
        }
        let how = how.map_or_else(String::new, |how| format!(": {how}"));
        say(format_args!("{}: worker {pid} has ended{how}", self.path()));
        self.state().replaced += 1;
        if run < GOOD_RUN { self.retry() } else { self.fill() }
    }
}

/// A thread, or what the operating system says against it.
fn spawn_thread(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    Builder::new().name(name.to_owned()).spawn(run).map(drop)
}

/// Whether a process calls itself as workers do: asking it for more might wait for its memory.
fn is_worker(pid: u32) -> bool {
    let name = fs::read_to_string(format!("/proc/{pid}/comm"));
    name.is_ok_and(|name| worker::NAME.to_str() == Ok(name.trim_end()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::{Child, Command, Stdio};

    use super::*;
    use crate::scratch::Scratch;

    /// A process that has the lock, for as long as its standard input is open.
    fn holder(program: &Path, directory: &Directory) -> Child {
        let mut command = Command::new(program);
        // The lock is this process's alone.
        command.arg("--close").arg(directory.path().join("lock")).arg("cat").stdin(Stdio::piped());
        let child = command.spawn().expect("util-linux is there");
        let begin = Instant::now();
        while directory.lock_users().expect("a file") != [child.id()] {
            assert!(begin.elapsed() < Duration::from_secs(20), "it does not get the lock");
            thread::sleep(Duration::from_millis(5));
        }
        child
    }

    #[test]
    fn a_worker_that_nobody_knows_is_found_by_the_lock_and_ended() {
        let made = Scratch::new("unknown");
        let directory = Directory::new(&*made);
        let program = made.join("trueno-ublk");
        fs::copy("/usr/bin/flock", &program).expect("util-linux is there");
        let workers = Workers::new(&directory);
        workers.adopt();
        assert!(workers.pids().is_empty());
        let mut child = holder(&program, &directory);
        workers.adopt();
        assert_eq!(workers.pids(), [child.id()]);
        workers.adopt();
        assert_eq!(workers.pids(), [child.id()], "once");
        let others = Workers::new(&directory);
        assert!(others.end(Duration::from_millis(20)), "without having been told of it");
        assert!(directory.lock_users().expect("a file").is_empty());
        assert!(workers.have_ended(Duration::from_secs(20)), "this is seen");
        // By one of those who watched it.
        child.wait().expect_err("it was asked already");
    }

    #[test]
    fn whoever_else_has_the_lock_is_left_alone() {
        let made = Scratch::new("foreign");
        let directory = Directory::new(&*made);
        let mut child = holder(Path::new("flock"), &directory);
        let workers = Workers::new(&directory);
        assert!(workers.end(Duration::ZERO));
        assert_eq!(directory.lock_users().expect("a file"), [child.id()]);
        drop(child.stdin.take());
        assert!(child.wait().expect("a child").success());
    }
}
