//! Takeovers that do not go through at once, and workers that are in the way of an end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use libtest_mimic::Trial;
use rustix::process::{Pid, Signal, kill_process};
use sysfs_compat::abi::Errno;
use trueno_tests::check::{Outcome, ensure, equal, tool, wait_for};
use trueno_tests::daemon::{self, ARENAS};
use trueno_tests::journal::{Findings, Journal};
use trueno_tests::pages::{Direct, Frame};
use trueno_tests::program;
use trueno_tests::seed;
use trueno_tests::zram::RealDevice;

use crate::bad_input::leaving_nothing;
use crate::stand::{Stand, direct, fill, holds, needing, read, set_up, trial_of_ours, write};

/// Seconds that a takeover, or an end, may take in an emulated machine that has a lot to do.
const PATIENCE: u64 = 20;

pub(super) fn trials() -> Vec<Trial> {
    vec![
        trial_of_ours("recovery::its_workers_killed_too", killed_too),
        trial_of_ours("recovery::a_worker_that_comes_late", late),
        needing(
            &["dd", "fio"],
            trial_of_ours("recovery::a_reset_while_requests_hang", |_| hanging()),
        ),
    ]
}

/// The node of a device's queues, put aside: whoever takes the device over comes no further than that.
struct Aside {
    node: PathBuf,
    aside: PathBuf,
}

impl Aside {
    fn put(device: &RealDevice) -> Outcome<Self> {
        let node = device.node().display().to_string().replace("ublkb", "ublkc");
        let aside = Self { aside: format!("{node}.aside").into(), node: node.into() };
        fs::rename(&aside.node, &aside.aside)?;
        Ok(aside)
    }

    /// Puts something in its place that can be opened and not mapped.
    fn replace(&self) -> Outcome {
        tool("mkfifo", &[&self.node.display().to_string()]).map(drop)
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // In one step, over whatever is there.
        drop(fs::rename(&self.aside, &self.node));
    }
}

/// At any moment of a takeover up to the one at which a queue is mapped: from there to the last fetch
/// Linux 6.12 does not mend it, which docs/SWAP-SAFETY.md tells.
fn killed_too(stand: &mut Stand) -> Outcome {
    let supervisor = i32::try_from(stand.daemon()?.id())?;
    let seed = seed::seed()?;
    for recovery in ["restart", "standby"] {
        let device = set_up("64M", &[("trueno/recovery", recovery)])?;
        let queue = Path::new("/sys/block").join(device.node().file_name().unwrap_or_default());
        let queue = queue.join("queue");
        equal("io_timeout", fs::read_to_string(queue.join("io_timeout"))?.trim_end(), "1000")?;
        let scheduler = fs::read_to_string(queue.join("scheduler"))?;
        ensure(scheduler.contains("[none]"), || scheduler.clone())?;
        let journal = Journal::new(0, 2048);
        let failures = || daemon::log().matches("cannot be taken over").count();
        let before = failures();
        while_writing(&journal, &direct(&device)?, || {
            let served = daemon::worker(&device)?;
            let aside = Aside::put(&device)?;
            kill_process(served, Signal::KILL)?;
            kill_the_next(supervisor, 2, &mut Rng::with_seed(seed))?;
            // One more has begun for sure, and ends before it serves.
            aside.replace()?;
            let told = || (failures() > before).then_some(());
            wait_for("a takeover that fails", PATIENCE, told)?;
            drop(aside);
            let written = journal.writes();
            let goes_on = || (journal.writes() > written + 100).then_some(());
            wait_for("a takeover that does not", PATIENCE, goes_on)
        })?;
        let findings = journal.check(&direct(&device)?)?;
        ensure(findings == Findings::default(), || format!("TRUENO_SEED={seed}: {findings:?}"))?;
        equal("state", read(&device, "trueno/state")?.as_str(), "live")?;
    }
    Ok(())
}

/// Kills so many processes, each at some time after it has come.
fn kill_the_next(supervisor: i32, count: usize, random: &mut Rng) -> Outcome {
    for _ in 0..count {
        let worker = wait_for("a worker", PATIENCE, || {
            let others = daemon::processes().ok()?;
            others.into_iter().find(|process| *process != supervisor).and_then(Pid::from_raw)
        })?;
        thread::sleep(Duration::from_millis(random.u64(..200)));
        // It may have ended by itself.
        let _asked = kill_process(worker, Signal::KILL);
        let number = worker.as_raw_nonzero().get();
        let is_gone = || (!daemon::processes().ok()?.contains(&number)).then_some(());
        wait_for("its end", PATIENCE, is_gone)?;
    }
    Ok(())
}

/// Does something while the journal is written by several threads. None of their writes may fail.
fn while_writing(journal: &Journal, direct: &Direct, work: impl FnOnce() -> Outcome) -> Outcome {
    const WRITERS: usize = 4;
    let stop = AtomicBool::new(false);
    let write = |number: usize| -> std::io::Result<()> {
        let mut random = Rng::with_seed(number as u64);
        while !stop.load(Ordering::Relaxed) {
            let at = random.usize(..journal.len() / WRITERS) * WRITERS + number;
            journal.write(direct, at)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let writers: Vec<_> =
            (0..WRITERS).map(|number| scope.spawn(move || write(number))).collect();
        let outcome = work();
        stop.store(true, Ordering::Relaxed);
        for writer in writers {
            writer.join().map_err(|_| "a writer panicked")??;
        }
        outcome
    })
}

/// Started by a supervisor in place of another one, and so slow that the device was reset meanwhile, by
/// the next supervisor.
fn late(_: &mut Stand) -> Outcome {
    let device = set_up("4M", &[("trueno/recovery", "restart")])?;
    let directory = format!("{ARENAS}/zram{}", device.number());
    let file = Path::new(&directory).join("settings");
    let settings = fs::read(&file)?;
    write(&device, "reset", "1")?;
    leaving_nothing(|| {
        let after = fs::read(&file)?;
        fs::write(&file, &settings)?;
        let program = program::ublk().display().to_string();
        let ended =
            tool("timeout", &["-s", "KILL", "10", &program, "worker", "--directory", &directory]);
        fs::write(&file, after)?;
        // Memory that it has got before it could know; the next device uses it.
        fs::remove_file(Path::new(&directory).join("buffers"))?;
        // Or it serves something.
        ended.map(drop)
    })
}

/// Requests that nobody waits for any more, and a worker that does not answer them.
fn hanging() -> Outcome {
    let devices = [
        set_up("4M", &[("trueno/recovery", "restart")])?,
        set_up("4M", &[("trueno/recovery", "standby")])?,
    ];
    let [buffered, direct] = &devices;
    let in_cache = |node: &str| {
        let mut dd = Command::new("dd");
        dd.args([&format!("if={node}"), "of=/dev/null", "bs=4096", "count=1"]);
        dd
    };
    let past_it = |node: &str| {
        let mut fio = Command::new("fio");
        fio.args(["--name=read", "--thread", "--ioengine=io_uring", "--direct=1", "--rw=read"]);
        fio.arg(format!("--filename={node}")).current_dir(std::env::temp_dir());
        fio
    };
    thread::scope(|scope| {
        let ways = [
            scope.spawn(|| reset_in_spite_of(buffered, in_cache)),
            scope.spawn(|| reset_in_spite_of(direct, past_it)),
        ];
        ways.map(|way| way.join().unwrap_or_else(|_| Err("it panicked".into())))
            .into_iter()
            .collect::<Outcome>()
    })?;
    for device in &devices {
        write(device, "disksize", "4M")?;
        holds(device, 0..16, |_| Frame::filled(0))?;
    }
    Ok(())
}

/// Resets a device whose worker stands still, with a request of somebody who was killed. Of that nothing
/// but the request is left, or its last step: giving the disk up, which waits for the request.
fn reset_in_spite_of(device: &RealDevice, reader: impl FnOnce(&str) -> Command) -> Outcome {
    fill(device, 0..16, Frame::noise)?;
    let node = device.node();
    let inflight = Path::new("/sys/block").join(node.file_name().unwrap_or_default());
    let worker = daemon::worker(device)?;
    kill_process(worker, Signal::STOP)?;
    let mut reader = reader(&node.display().to_string());
    let mut reader = reader.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let number = reader.id();
    wait_for("a request", PATIENCE, || {
        let text = fs::read_to_string(inflight.join("inflight")).ok()?;
        text.split_whitespace().any(|count| count != "0").then_some(())
    })?;
    reader.kill()?;
    wait_for("the end of its files", PATIENCE, || has_closed_all(number).then_some(()))?;
    let begin = Instant::now();
    match device.write("reset", b"1").map_err(|error| Errno::from(&error)) {
        // From Linux 7.0 on the kernel itself may say that somebody has it open.
        Err(Errno::EBUSY) => {
            kill_process(worker, Signal::KILL)?;
            wait_for("a reset", PATIENCE, || device.write("reset", b"1").ok())?;
        }
        written => drop(written.map_err(|errno| format!("reset: {errno}"))?),
    }
    let seconds = begin.elapsed().as_secs();
    ensure(seconds < PATIENCE, || format!("the reset took {seconds} s"))?;
    reader.wait()?;
    Ok(())
}

/// Whether it has no files any more, as what has ended and was not waited for.
fn has_closed_all(process: u32) -> bool {
    let files = fs::read_dir(format!("/proc/{process}/fd"));
    files.map_or(true, |files| files.count() == 0)
}
