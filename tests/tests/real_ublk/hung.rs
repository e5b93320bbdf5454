//! Processes that stand still, for whatever reason, and hold up nobody but themselves.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use rustix::process::{Pid, Signal, kill_process};
use sysfs_compat::abi::Errno;
use trueno_tests::check::{Outcome, ensure, equal, wait_for};
use trueno_tests::daemon;
use trueno_tests::pages::Frame;
use trueno_tests::zram::{Make, RealDevice};

use crate::stand::{Stand, fill, holds, read, set_up, trial_of_ours, write};

pub(super) fn trials() -> Vec<Trial> {
    vec![
        trial_of_ours("hung::workers_that_start_or_serve", starting),
        trial_of_ours("hung::a_worker_that_nobody_knows", unknown),
    ]
}

/// The first process that comes along beside the daemon, stopped at once: a worker that has not said
/// anything yet.
fn stop_the_next(daemon: u32) -> Outcome<Pid> {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(20) {
        let other = daemon::processes()?.into_iter().find(|id| is_worker(*id, daemon));
        if let Some(pid) = other.and_then(Pid::from_raw) {
            kill_process(pid, Signal::STOP)?;
            return Ok(pid);
        }
    }
    Err("no worker was started".into())
}

/// Before its own program runs in it, a new process is the daemon's, which waits for that: to stop it
/// then would be to stop the daemon.
fn is_worker(process: i32, daemon: u32) -> bool {
    let line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    u32::try_from(process) != Ok(daemon)
        && line.split(|byte| *byte == 0).any(|word| word == b"worker")
}

/// One that does not come up, and meanwhile [`serving`].
fn starting(stand: &mut Stand) -> Outcome {
    let daemon = stand.daemon()?.id();
    let device = RealDevice::made_by(Make::Ublk)?;
    let files = readable(&device)?;
    let begin = Instant::now();
    let (stopped, written) = thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let written = device.write("disksize", b"4M");
            (written.map_err(|error| Errno::from(&error)), begin.elapsed().as_secs())
        });
        let stopped = stop_the_next(daemon);
        // It is given 30 s.
        let meanwhile = all_are_read(&files).and_then(|()| serving());
        let written = writing.join().map_err(|_| "the other thread panicked")?;
        meanwhile.and(stopped).map(|stopped| (stopped, written))
    })?;
    let (written, seconds) = written;
    equal("disksize", written, Err(Errno::ETIMEDOUT))?;
    ensure((30..50).contains(&seconds), || format!("refused after {seconds} s"))?;
    let is_gone =
        || (!daemon::processes().ok()?.contains(&stopped.as_raw_nonzero().get())).then_some(());
    wait_for("the end of the worker", 5, is_gone)?;
    ensure(daemon::log().contains("stood still"), daemon::log)?;
    // Nothing of it is in the way of the next try.
    equal("initstate", read(&device, "initstate")?.as_str(), "0")?;
    write(&device, "disksize", "4M")?;
    fill(&device, 0..16, Frame::noise)?;
    holds(&device, 0..16, Frame::noise)
}

/// One that serves a device: its own requests wait, and nothing else does.
fn serving() -> Outcome {
    let device = set_up("4M", &[])?;
    fill(&device, 0..16, Frame::noise)?;
    let files = readable(&device)?;
    let names = ["mm_stat", "trueno/worker_pid", "queue/nr_requests"];
    let has = |name: &&str| files.iter().any(|(path, _)| path.ends_with(name));
    ensure(names.iter().all(has), || format!("{names:?} are not among {files:?}"))?;
    let worker = daemon::worker(&device)?;
    kill_process(worker, Signal::STOP)?;
    let begin = Instant::now();
    let (meanwhile, compacted) = thread::scope(|scope| {
        let compacting = scope.spawn(|| device.write("compact", b"1").map(drop));
        let meanwhile = all_are_read(&files);
        let compacted = compacting.join().map_err(|_| "the other thread panicked");
        (meanwhile, compacted.map(|compacted| (compacted, begin.elapsed().as_secs())))
    });
    kill_process(worker, Signal::CONT)?;
    meanwhile?;
    let (compacted, seconds) = compacted?;
    equal("compact", compacted.map_err(|error| Errno::from(&error)), Err(Errno::ETIMEDOUT))?;
    ensure(seconds < 10, || format!("compact took {seconds} s"))?;
    equal("worker_pid", daemon::worker(&device)?, worker)?;
    holds(&device, 0..16, Frame::noise)?;
    write(&device, "compact", "1")
}

/// Each file of a device with what comes of reading it.
type Files = Vec<(PathBuf, Result<(), Errno>)>;

/// Every file of the device, its own and those that are passed through.
fn readable(device: &RealDevice) -> Outcome<Files> {
    fn below(directory: &Path, files: &mut Files) -> io::Result<()> {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            if path.is_dir() {
                below(&path, files)?;
            } else {
                let read = fs::read(&path).map(drop).map_err(|error| Errno::from(&error));
                files.push((path, read));
            }
        }
        Ok(())
    }
    let mut files = Vec::new();
    below(&device.directory(), &mut files)?;
    Ok(files)
}

/// They are read as they were before, none of them any slower than if a worker were asked in vain.
fn all_are_read(files: &Files) -> Outcome {
    for (path, before) in files {
        let (sender, receiver) = channel();
        let own = path.clone();
        // Whoever hangs must not hang this trial too.
        thread::spawn(move || sender.send(fs::read(own).map(drop).map_err(|e| Errno::from(&e))));
        let read = receiver.recv_timeout(Duration::from_secs(4));
        let read = read.map_err(|_| format!("{}: reading it hangs", path.display()))?;
        equal(&path.display().to_string(), read, *before)?;
    }
    Ok(())
}

/// Of a supervisor that was killed. It serves the device, and does not close it when that is stopped.
fn unknown(stand: &mut Stand) -> Outcome {
    let device = set_up("4M", &[("trueno/recovery", "restart")])?;
    fill(&device, 0..16, Frame::noise)?;
    let worker = daemon::worker(&device)?;
    stand.daemon()?.kill()?;
    // Whatever it has noted of its workers is lost with it.
    drop(std::fs::remove_file(format!("{}/zram{}/workers", daemon::ARENAS, device.number())));
    kill_process(worker, Signal::STOP)?;
    stand.daemon()?.restart()?;
    equal("worker_pid", daemon::worker(&device)?, worker)?;
    let begin = Instant::now();
    write(&device, "reset", "1")?;
    let seconds = begin.elapsed().as_secs();
    ensure(seconds < 20, || format!("reset took {seconds} s"))?;
    ensure(!daemon::processes()?.contains(&worker.as_raw_nonzero().get()), || "it goes on".into())?;
    write(&device, "disksize", "4M")?;
    holds(&device, 0..16, |_| Frame::filled(0))
}
