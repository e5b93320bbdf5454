//! A process that works on a device is killed at any instruction, again and again.
//!
//! This program starts itself as the worker ([`worker`]), kills it at a random moment, takes over
//! what it has left and compares that with a journal ([`journal`]) that the worker keeps outside of
//! the device. Then the next worker goes on with the same device.
//!
//! `TRUENO_KILLS=30000` asks for another number of kills, `TRUENO_SEED` for the choices of an earlier
//! run (the moments of the kills are never the same).

#[path = "common/mod.rs"]
mod common;
#[path = "crash/inspect.rs"]
mod inspect;
#[path = "crash/journal.rs"]
mod journal;
#[path = "crash/recount.rs"]
mod recount;
#[path = "crash/settle.rs"]
mod settle;
#[path = "crash/worker.rs"]
mod worker;

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use trueno_zram_region::FileRegion;
use trueno_zram_store::Layout;

use crate::common::Random;
use crate::inspect::{Inspector, Tally};
use crate::journal::{Journal, PAGES, Word};

/// Kills in a test run.
const KILLS: u64 = 250;
/// By which a worker knows that it is one: the folder it works in.
const WORKER: &str = "TRUENO_CRASH_WORKER";
/// A kill comes so long after the worker has begun, in microseconds, at most.
const LATEST_US: u64 = 30_000;
/// A worker that has not begun by then hangs.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn no_kill_loses_what_was_acknowledged() {
    if let Some(folder) = std::env::var_os(WORKER) {
        worker::work(Path::new(&folder));
        return;
    }
    let number = |name: &str| Some(std::env::var(name).ok()?.parse().expect(name));
    let kills = number("TRUENO_KILLS").unwrap_or(KILLS);
    let seed = number("TRUENO_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("TRUENO_SEED={seed}");
    let start = Instant::now();
    let tally = Killer::new(seed).kill(kills);
    let rate = kills as f64 / start.elapsed().as_secs_f64();
    println!("{kills} kills, {rate:.0} a second: {tally:?}");
    // If these were not met, hardly anything was tested.
    assert!(tally.new > 0 && tally.old > 0, "no kill came between a write and its acknowledgement");
    assert!(tally.compacted > 0 && tally.held > 0, "hardly any work");
}

/// A folder on tmpfs that goes with this value.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = PathBuf::from(format!("/dev/shm/trueno-crash-{}", std::process::id()));
        std::fs::create_dir(&path).expect("a folder of our own");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A test that fails has better things to say.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Starts workers and kills them.
struct Killer {
    folder: Folder,
    journal: Journal,
    random: Random,
}

impl Killer {
    fn new(seed: u64) -> Self {
        let folder = Folder::new();
        let journal = Journal::create(&folder.0.join("journal"));
        let bytes = Layout::new(PAGES, true).expect("a size").region_bytes();
        FileRegion::create(folder.0.join("device"), bytes).expect("a file");
        journal.set(Word::Formatting, 1);
        Self { folder, journal, random: Random::new(seed) }
    }

    fn kill(mut self, kills: u64) -> Tally {
        let mut inspector = Inspector::new(&self.folder.0);
        for kill in 0..kills {
            // Now and then a worker makes the device anew, sometimes with a limit that hurts.
            let is_formatting = self.random.below(40) == 0;
            if is_formatting {
                inspector.formatting();
                self.journal.set(Word::Formatting, 1);
                self.journal.set(Word::Limit, self.random.below(2) * (10 << 15));
            }
            self.journal.set(Word::Seed, self.random.word() >> 1);
            self.journal.set(Word::Busy, 0);
            let mut worker = self.start();
            // Some are killed while they are still starting, which is to say: recovering.
            if self.random.below(if is_formatting { 2 } else { 8 }) != 0 {
                self.wait_until_busy(&mut worker);
            }
            self.wait();
            worker.kill().expect("it is there");
            let status = worker.wait().expect("it is gone");
            assert_eq!(status.signal(), Some(9), "worker {kill} ended by itself: {status}");
            inspector.killed();
            // Not always: the next worker has to get by with what this one has left, too.
            if self.random.below(4) == 0 && kill + 1 < kills {
                continue;
            }
            let forget = self.random.below(16) == 0;
            if let Err(what) = inspector.inspect(forget) {
                panic!("after kill {kill}: {what}");
            }
        }
        inspector.tally
    }

    fn start(&self) -> Child {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["--exact", "no_kill_loses_what_was_acknowledged", "--nocapture"]);
        command.env(WORKER, &self.folder.0).stdin(Stdio::null()).stdout(Stdio::null());
        command.spawn().expect("a process")
    }

    fn wait_until_busy(&self, worker: &mut Child) {
        let start = Instant::now();
        while self.journal.get(Word::Busy) == 0 {
            if let Some(status) = worker.try_wait().expect("a status") {
                panic!("a worker ended before it began: {status}");
            }
            assert!(start.elapsed() < PATIENCE, "a worker does not begin: it waits for something");
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// Waits for a moment that nothing else decides: asleep, then busy up to any instruction.
    fn wait(&mut self) {
        let longest = self.random.below(LATEST_US);
        let end = Instant::now() + Duration::from_micros(self.random.below(longest + 1));
        let busy = Duration::from_nanos(self.random.below(200_000));
        if let Some(asleep) = end.checked_duration_since(Instant::now() + busy) {
            std::thread::sleep(asleep);
        }
        while Instant::now() < end {
            std::hint::spin_loop();
        }
    }
}
