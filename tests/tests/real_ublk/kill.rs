//! `kill -9` at full queue depth. Whoever was told that a write is done finds it afterwards; fio holds
//! to that, and so does a journal that is kept outside of everything that is killed.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use libtest_mimic::Trial;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use trueno_tests::check::{Outcome, ensure, equal, say, tool, wait_for};
use trueno_tests::daemon::{self, Daemon};
use trueno_tests::journal::{Findings, Journal};
use trueno_tests::pages::Direct;
use trueno_tests::zram::{Make, RealDevice};
use trueno_tests::{program, seed};

use crate::stand::{Stand, direct, needing, read, set_up, trial_of_ours, write};

/// A build of the program that acknowledges a write before it can be found: see `daemon/Cargo.toml`.
const PLANTED: &str = "TRUENO_UBLK_PLANTED";

/// fio has the first part of the device, the journal the rest.
const FIO_BYTES: u64 = 48 << 20;
const JOURNAL_PAGES: usize = 4096;
const WRITERS: usize = 24;

/// So many writes are not those alone that were under way.
const ENOUGH: u64 = 500;

/// Seconds that a worker may take to be replaced, in an emulated machine that has a lot to do.
const PATIENCE: u64 = 30;
/// Seconds that all tags may take to be taken.
const TRY: u64 = 3;

pub(super) fn trials() -> Vec<Trial> {
    let planted = std::env::var_os(PLANTED).is_some();
    vec![
        needing(&["fio"], trial_of_ours("kill::worker_at_full_depth", |_| worker())),
        trial_of_ours("kill::is_counted", |_| counted()),
        trial_of_ours("kill::worker_and_standby", worker_and_standby),
        trial_of_ours("kill::everything", everything),
        Trial::test("kill::a_planted_early_acknowledgement_is_found", early)
            .with_ignored_flag(!planted),
    ]
}

fn device(settings: &[(&str, &str)]) -> Outcome<RealDevice> {
    let bytes = FIO_BYTES + ((JOURNAL_PAGES as u64) << 12);
    set_up(&bytes.to_string(), settings)
}

fn worker() -> Outcome {
    let kills = if std::env::var_os("TRUENO_SOAK").is_some() { 20 } else { 2 };
    let device = device(&[])?;
    let mut fio = Fio::start(&device)?;
    let load = Load::new()?;
    let mut pauses = load.while_working(&device, |load| {
        let kill = |number| load.kill_and_wait(&device, || load.kill_when_full(&device, number));
        (0..kills).map(kill).collect::<Outcome<Vec<_>>>()
    })?;
    fio.end()?;
    pauses.sort_unstable();
    say(&format!(
        "measured: {kills} kills, longest pause of acknowledged writes after each, ms: {pauses:?}; \
         {} writes acknowledged in the journal",
        load.journal.writes()
    ));
    load.nothing_is_lost(&device)?;
    verified(&device)
}

fn kill_worker(device: &RealDevice) -> Outcome {
    Ok(kill_process(daemon::worker(device)?, Signal::KILL)?)
}

/// The device's own files tell what happens to it.
fn counted() -> Outcome {
    let made = RealDevice::made_by(Make::Ublk)?;
    equal("state without a disksize", read(&made, "trueno/state")?.as_str(), "none")?;
    equal("worker without a disksize", read(&made, "trueno/worker_pid")?.as_str(), "0")?;
    // Nobody stands by, so that there is time to see that nobody serves.
    let device = set_up("16M", &[("trueno/recovery", "restart")])?;
    for kills in 0..3 {
        equal("state", read(&device, "trueno/state")?.as_str(), "live")?;
        equal("kills", setting(&device, "trueno/worker_restarts")?, kills)?;
        let worker = daemon::worker(&device)?;
        let line = fs::read_to_string(format!("/proc/{worker}/cmdline"))?;
        let directory = format!("{}/zram{}", daemon::ARENAS, device.number());
        let is_its = ["worker", &directory].iter().all(|word| line.split('\0').any(|w| w == *word));
        ensure(is_its, || format!("process {worker} is no worker of this device: {line:?}"))?;
        kill_process(worker, Signal::KILL)?;
        wait_for("the state while nobody serves", PATIENCE, || {
            (read(&device, "trueno/state").ok()? == "recovering").then_some(())
        })?;
        wait_for("another worker", PATIENCE, || {
            let other = daemon::worker(&device).ok()?;
            let is_live = read(&device, "trueno/state").ok()? == "live";
            (is_live && other != worker).then_some(())
        })?;
    }
    write(&device, "reset", "1")?;
    equal("state after a reset", read(&device, "trueno/state")?.as_str(), "none")
}

/// Nobody stands by any more: the supervisor starts another.
fn worker_and_standby(stand: &mut Stand) -> Outcome {
    let supervisor = stand.daemon()?.id();
    let device = device(&[])?;
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
    load.nothing_is_lost(&device)?;
    verified(&device)
}

/// As when the machine's memory has run out: a daemon that is started later takes over.
fn everything(stand: &mut Stand) -> Outcome {
    let device = device(&[])?;
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
    load.nothing_is_lost(&device)?;
    verified(&device)
}

/// The trial is worth something only if it fails where it should.
fn early() -> Outcome {
    let program = std::env::var_os(PLANTED).ok_or("no program")?;
    let _daemon = Daemon::start_program(Path::new(&program))?;
    // A page that it still has to write is found by the same queue only. With one queue nothing is
    // missing before there is a kill.
    let device = device(&[("trueno/queues", "1")])?;
    let load = Load::new()?;
    load.while_working(&device, |_| Ok(()))?;
    load.nothing_is_lost(&device)?;
    for kills in 1..=10 {
        load.while_working(&device, |load| load.kill_and_wait(&device, || kill_worker(&device)))?;
        let findings = load.findings(&device)?;
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

/// Threads that write pages one at a time each, keep a record, and look at each page before they write
/// it again: whatever a kill costs is found, however much is written after it.
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
            let now = self.now();
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
        self.begin_pause();
        kill()?;
        let killed = self.journal.writes();
        wait_for("another worker", PATIENCE, || {
            let serves = daemon::worker(device).is_ok_and(|worker| worker != before);
            (serves && self.journal.writes() > killed + ENOUGH).then_some(())
        })?;
        Ok(self.longest.load(Ordering::Relaxed) / 1000)
    }

    /// What was acknowledged so far is of no matter for the pause.
    fn begin_pause(&self) {
        self.last.store(self.now(), Ordering::Relaxed);
        self.longest.store(0, Ordering::Relaxed);
    }

    /// Microseconds.
    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Kills the worker while every tag of every queue is taken: every other time in the middle of
    /// its work on them.
    fn kill_when_full(&self, device: &RealDevice, number: u64) -> Outcome {
        let worker = daemon::worker(device)?;
        let tags = setting(device, "trueno/queues")? * setting(device, "trueno/depth")?;
        let full = stop_when_full(device, worker, tags);
        if number % 2 == 1 {
            kill_process(worker, Signal::CONT)?;
            let work = Rng::with_seed(self.seed ^ number).u64(..3000);
            thread::sleep(Duration::from_micros(work));
        }
        self.begin_pause();
        // Also where that was in vain: nobody else ends a process that is stopped.
        kill_process(worker, Signal::KILL)?;
        full
    }

    /// What the writers have found of what they wrote before, and what is there now.
    fn findings(&self, device: &RealDevice) -> Outcome<Findings> {
        Ok(self.journal.check(&direct(device)?)?)
    }

    fn nothing_is_lost(&self, device: &RealDevice) -> Outcome {
        let findings = self.findings(device)?;
        let is_clean = findings == Findings::default();
        ensure(is_clean, || format!("TRUENO_SEED={}: {findings:?}", self.seed))
    }
}

/// Stops a worker with a request on every tag. Nothing is answered any more then, so whoever writes has
/// them all soon; but fio, between writing and reading back, waits for what it has under way before it
/// asks for more. Then once more, a moment later.
fn stop_when_full(device: &RealDevice, worker: Pid, tags: u64) -> Outcome {
    let is_full = || (under_way(device).ok()? == tags).then_some(());
    for _ in 0..PATIENCE / TRY {
        kill_process(worker, Signal::STOP)?;
        if wait_for("a request on every tag", TRY, is_full).is_ok() {
            return Ok(());
        }
        kill_process(worker, Signal::CONT)?;
        thread::sleep(Duration::from_millis(200));
    }
    Err(format!("{:?} of {tags} tags have a request", under_way(device).ok()).into())
}

/// How many requests the driver has been given and not answered.
fn under_way(device: &RealDevice) -> Outcome<u64> {
    let text = fs::read_to_string(sysfs(device).join("inflight"))?;
    Ok(text.split_whitespace().map(str::parse::<u64>).sum::<Result<_, _>>()?)
}

fn sysfs(device: &RealDevice) -> PathBuf {
    Path::new("/sys/block").join(device.node().file_name().unwrap_or_default())
}

fn setting(device: &RealDevice, name: &str) -> Outcome<u64> {
    Ok(read(device, name)?.parse()?)
}

/// fio on a part of the device: for each queue a job, which would have twice as many requests under
/// way as the queue takes.
struct Fio(Option<Child>);

/// fio's status when it was told to end and had found nothing wrong until then.
const INTERRUPTED: i32 = 128;

impl Fio {
    fn start(device: &RealDevice) -> Outcome<Self> {
        let mut processors = Vec::new();
        for queue in fs::read_dir(sysfs(device).join("mq"))? {
            processors.push(fs::read_to_string(queue?.path().join("cpu_list"))?);
        }
        let bytes = FIO_BYTES / processors.len() as u64;
        let depth = setting(device, "trueno/depth")? * 2;
        let jobs = (0..).zip(&processors).flat_map(|(job, processors)| {
            let processors = processors.replace(' ', "");
            [
                format!("--name=queue-{job}"),
                format!("--offset={}", job * bytes),
                format!("--size={bytes}"),
                format!("--cpus_allowed={}", processors.trim_end()),
                "--rw=randwrite".to_owned(),
            ]
        });
        let mut command = Command::new("fio");
        command.args(["--name=global", "--minimal"]);
        command.arg(format!("--filename={}", device.node().display()));
        command.args(["--direct=1", "--ioengine=io_uring", "--bs=4k"]);
        command.arg(format!("--iodepth={depth}"));
        command.args(["--verify=crc32c", "--verify_fatal=1", "--verify_backlog=512"]);
        // Until it is told to end.
        command.args(["--runtime=600", "--time_based=1"]);
        command.args(jobs).current_dir(std::env::temp_dir());
        // Its jobs are processes of their own, which go with it.
        command.stdout(fs::File::create("/dev/null")?).process_group(0);
        Ok(Fio(Some(command.spawn()?)))
    }

    fn end(&mut self) -> Outcome {
        let Some(mut child) = self.0.take() else { return Ok(()) };
        ensure(child.try_wait()?.is_none(), || "fio has ended by itself".into())?;
        kill_process(Pid::from_child(&child), Signal::INT)?;
        let status = child.wait()?;
        let is_clean = status.success() || status.code() == Some(INTERRUPTED);
        ensure(is_clean, || format!("fio: {status}"))
    }
}

impl Drop for Fio {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            kill_process_group(Pid::from_child(child), Signal::KILL).ok();
            drop(child.wait());
        }
    }
}
