//! Processes that stand still, for whatever reason, and hold up nobody but themselves.

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
        trial_of_ours("hung::a_worker_that_is_starting", starting),
        trial_of_ours("hung::a_worker_that_nobody_knows", unknown),
    ]
}

/// The first process that comes along beside the daemon, stopped at once: a worker that has not said
/// anything yet.
fn stop_the_next(daemon: u32) -> Outcome<Pid> {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(20) {
        let other = daemon::processes()?.into_iter().find(|id| u32::try_from(*id) != Ok(daemon));
        if let Some(pid) = other.and_then(Pid::from_raw) {
            kill_process(pid, Signal::STOP)?;
            return Ok(pid);
        }
    }
    Err("no worker was started".into())
}

fn starting(stand: &mut Stand) -> Outcome {
    let daemon = stand.daemon()?.id();
    let device = RealDevice::made_by(Make::Ublk)?;
    let begin = Instant::now();
    let (stopped, written) = thread::scope(|scope| {
        let stopping = scope.spawn(|| stop_the_next(daemon));
        let written = device.write("disksize", b"4M");
        (stopping.join(), written.map_err(|error| Errno::from(&error)))
    });
    let stopped = stopped.map_err(|_| "the other thread panicked")??;
    equal("disksize", written, Err(Errno::ETIMEDOUT))?;
    let seconds = begin.elapsed().as_secs();
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
