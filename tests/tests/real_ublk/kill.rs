//! `kill -9` at full queue depth. Whoever was told that a write is done finds it afterwards; fio holds
//! to that, and so does a journal that is kept outside of everything that is killed.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use libtest_mimic::Trial;
use rustix::process::{Pid, Signal, kill_process};
use trueno_tests::check::{Outcome, ensure, say, tool, wait_for};
use trueno_tests::daemon::{self, Daemon};
use trueno_tests::journal::{Findings, Journal};
use trueno_tests::pages::Direct;
use trueno_tests::zram::RealDevice;
use trueno_tests::{program, seed};

use crate::stand::{Stand, direct, needing, set_up, trial_of_ours};

/// A build of the program that acknowledges a write before it can be found: see `daemon/Cargo.toml`.
const PLANTED: &str = "TRUENO_UBLK_PLANTED";

/// fio has the first part of the device, the journal the rest.
const FIO_BYTES: u64 = 48 << 20;
const JOURNAL_PAGES: usize = 4096;
const WRITERS: usize = 24;

/// Seconds that a worker may take to be replaced, in an emulated machine that has a lot to do.
const PATIENCE: u64 = 30;

pub(super) fn trials() -> Vec<Trial> {
    let planted = std::env::var_os(PLANTED).is_some();
    vec![
        needing(&["fio"], trial_of_ours("kill::worker_at_full_depth", |_| worker())),
        trial_of_ours("kill::worker_and_standby", worker_and_standby),
        trial_of_ours("kill::everything", everything),
        Trial::test("kill::a_planted_early_acknowledgement_is_found", early)
            .with_ignored_flag(!planted),
    ]
}

fn device() -> Outcome<RealDevice> {
    let bytes = FIO_BYTES + ((JOURNAL_PAGES as u64) << 12);
    set_up(&bytes.to_string(), &[])
}

fn worker() -> Outcome {
    let kills = if std::env::var_os("TRUENO_SOAK").is_some() { 20 } else { 2 };
    let device = device()?;
    let mut fio = Fio::start(&device, 3 + kills * 2)?;
    let load = Load::new()?;
    let mut pauses = load.while_working(&device, |load| {
        let kill = || load.kill_and_wait(&device, || kill_worker(&device));
        (0..kills).map(|_| kill()).collect::<Outcome<Vec<_>>>()
    })?;
    let findings = load.journal.check(&direct(&device)?)?;
    fio.end()?;
    pauses.sort_unstable();
    say(&format!(
        "measured: {kills} kills, longest pause of acknowledged writes after each, ms: {pauses:?}; \
         {} writes acknowledged in the journal",
        load.journal.writes()
    ));
    load.nothing_is_lost(&findings)?;
    verified(&device)
}

fn kill_worker(device: &RealDevice) -> Outcome {
    Ok(kill_process(daemon::worker(device)?, Signal::KILL)?)
}

/// Nobody stands by any more: the supervisor starts another.
fn worker_and_standby(stand: &mut Stand) -> Outcome {
    let supervisor = stand.daemon()?.id();
    let device = device()?;
    let load = Load::new()?;
    let pause = load.while_working(&device, |load| {
        load.kill_and_wait(&device, || {
            let is_other = |process: &i32| u32::try_from(*process) != Ok(supervisor);
            for process in daemon::processes()?.into_iter().filter(is_other) {
                kill_process(Pid::from_raw(process).ok_or("no process")?, Signal::KILL)?;
            }
            Ok(())
        })
    })?;
    say(&format!("measured: worker and standby killed, writes went on after {pause} ms"));
    load.nothing_is_lost(&load.journal.check(&direct(&device)?)?)?;
    verified(&device)
}

/// As when the machine's memory has run out: a daemon that is started later takes over.
fn everything(stand: &mut Stand) -> Outcome {
    let device = device()?;
    let node = device.node();
    let load = Load::new()?;
    let daemon = stand.daemon()?;
    let pause = load.while_working(&device, |load| {
        load.kill_and_wait(&device, || {
            daemon.kill()?;
            for process in daemon::processes()? {
                kill_process(Pid::from_raw(process).ok_or("no process")?, Signal::KILL)?;
            }
            daemon.restart()
        })
    })?;
    say(&format!("measured: everything killed, writes went on after {pause} ms"));
    ensure(device.node() == node, || "it has another node".into())?;
    load.nothing_is_lost(&load.journal.check(&direct(&device)?)?)?;
    verified(&device)
}

/// The trial is worth something only if it fails where it should.
fn early() -> Outcome {
    let program = std::env::var_os(PLANTED).ok_or("no program")?;
    let _daemon = Daemon::start_program(Path::new(&program))?;
    let device = device()?;
    let load = Load::new()?;
    for kills in 1..=10 {
        load.while_working(&device, |load| load.kill_and_wait(&device, || kill_worker(&device)))?;
        let findings = load.journal.check(&direct(&device)?)?;
        if !findings.lost.is_empty() {
            say(&format!("found after {kills} kills: {} lost writes", findings.lost.len()));
            return Ok(());
        }
    }
    Err(format!("TRUENO_SEED={}: a write acknowledged early was never lost", load.seed).into())
}

/// What the program itself finds when it looks at every page.
fn verified(device: &RealDevice) -> Outcome {
    tool(&program::ublk().display().to_string(), &["verify", &device.name()]).map(drop)
}

/// Threads that write pages one at a time each, and keep a record.
struct Load {
    journal: Journal,
    seed: u64,
    start: Instant,
    /// When the last write was acknowledged, and the longest time between two, in microseconds.
    last: AtomicU64,
    longest: AtomicU64,
}

impl Load {
    fn new() -> Outcome<Self> {
        let journal = Journal::new(FIO_BYTES >> 12, JOURNAL_PAGES);
        let seed = seed::seed()?;
        let (last, longest) = (AtomicU64::new(0), AtomicU64::new(0));
        Ok(Load { journal, seed, start: Instant::now(), last, longest })
    }

    /// Does something while all of them write. None of their writes may fail.
    fn while_working<T>(
        &self,
        device: &RealDevice,
        work: impl FnOnce(&Self) -> Outcome<T>,
    ) -> Outcome<T> {
        let direct = direct(device)?;
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let writer = |number| self.write(&direct, number, &stop);
            let writers: Vec<_> =
                (0..WRITERS).map(|number| scope.spawn(move || writer(number))).collect();
            thread::sleep(Duration::from_millis(500));
            let outcome = work(self);
            stop.store(true, Ordering::Relaxed);
            for writer in writers {
                writer.join().map_err(|_| "a writer panicked")??;
            }
            outcome
        })
    }

    fn write(&self, direct: &Direct, number: usize, stop: &AtomicBool) -> std::io::Result<()> {
        let mut random = Rng::with_seed(self.seed ^ number as u64);
        while !stop.load(Ordering::Relaxed) {
            // Pages that are this writer's alone.
            let at = random.usize(0..JOURNAL_PAGES / WRITERS) * WRITERS + number;
            self.journal.write(direct, at)?;
            let now = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
            let before = self.last.swap(now, Ordering::Relaxed);
            self.longest.fetch_max(now.saturating_sub(before), Ordering::Relaxed);
        }
        Ok(())
    }

    /// Kills, waits until another worker serves and writes are acknowledged again, and gives the
    /// longest pause between two of them in milliseconds.
    fn kill_and_wait(&self, device: &RealDevice, kill: impl FnOnce() -> Outcome) -> Outcome<u64> {
        let before = daemon::worker(device)?;
        thread::sleep(Duration::from_millis(Rng::with_seed(self.seed).u64(200..600)));
        self.longest.store(0, Ordering::Relaxed);
        kill()?;
        let killed = self.journal.writes();
        wait_for("another worker", PATIENCE, || {
            let serves = daemon::worker(device).is_ok_and(|worker| worker != before);
            (serves && self.journal.writes() > killed + 1000).then_some(())
        })?;
        Ok(self.longest.load(Ordering::Relaxed) / 1000)
    }

    fn nothing_is_lost(&self, findings: &Findings) -> Outcome {
        let is_clean = *findings == Findings::default();
        ensure(is_clean, || format!("TRUENO_SEED={}: {findings:?}", self.seed))
    }
}

/// fio on a part of the device, with every tag of every queue taken.
struct Fio(Option<std::process::Child>);

impl Fio {
    fn start(device: &RealDevice, seconds: u64) -> Outcome<Self> {
        let half = FIO_BYTES / 2;
        let jobs = [("one", 0), ("other", half)].map(|(name, offset)| {
            let [name, offset] = [format!("--name={name}"), format!("--offset={offset}")];
            [name, offset, format!("--size={half}"), "--rw=randwrite".to_owned()]
        });
        let mut command = std::process::Command::new("fio");
        command.args(["--name=global", "--minimal"]);
        command.arg(format!("--filename={}", device.node().display()));
        command.args(["--direct=1", "--ioengine=io_uring", "--iodepth=128", "--bs=4k"]);
        command.args(["--verify=crc32c", "--verify_fatal=1", "--verify_backlog=512"]);
        command.args([format!("--runtime={seconds}"), "--time_based=1".to_owned()]);
        command.args(jobs.concat()).current_dir(std::env::temp_dir());
        command.stdout(fs::File::create("/dev/null")?);
        Ok(Fio(Some(command.spawn()?)))
    }

    fn end(&mut self) -> Outcome {
        let status = self.0.take().map(|mut child| child.wait()).transpose()?;
        ensure(status.is_some_and(|status| status.success()), || format!("fio: {status:?}"))
    }
}

impl Drop for Fio {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            drop(child.kill());
            drop(child.wait());
        }
    }
}
