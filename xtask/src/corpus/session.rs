//! Starting a recipe, waiting until it is ready, holding its processes still, and ending them.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, WaitOptions};

use crate::corpus::recipes::{Ready, Recipe};

/// Programs of the distribution only, so that a recipe means the same on every machine.
pub(crate) const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// The word a workload prints when its memory is as it should be.
const READY: &str = "corpus: ready";

const POLL: Duration = Duration::from_millis(250);
/// A process whose memory has not changed for so long has settled.
const SETTLED: Duration = Duration::from_secs(4);
/// The slowest recipe takes a minute on an idle machine with two processors.
const LONGEST: Duration = Duration::from_secs(400);

/// The processes of one recipe and the directory in which they work. Both end with it.
#[derive(Debug)]
pub(crate) struct Session {
    child: Child,
    scratch: PathBuf,
}

impl Session {
    /// Starts `recipe` with an environment that tells nothing about its user.
    pub(crate) fn start(recipe: &Recipe) -> anyhow::Result<Self> {
        // Daemons whose parent ends become our children, not those of process 1. Any number does.
        rustix::process::set_child_subreaper(Some(Pid::INIT)).context("cannot adopt daemons")?;
        let name = format!("corpus-{}-{}", recipe.name, std::process::id());
        let scratch = std::env::temp_dir().join(name);
        fs::create_dir(&scratch).with_context(|| format!("cannot create {}", scratch.display()))?;
        for (name, text) in recipe.files {
            fs::write(scratch.join(name), text)?;
        }
        let log = File::create(scratch.join("log"))?;
        let mut command = Command::new("sh");
        command.args(["-e", "-c", recipe.script]).current_dir(&scratch);
        command.env_clear().env("PATH", PATH).env("LANG", "C.UTF-8");
        command.env("HOME", &scratch).env("TMPDIR", &scratch);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().context("cannot run sh")?;
        Ok(Self { child, scratch })
    }

    pub(crate) fn wait_until(&mut self, ready: Ready) -> anyhow::Result<()> {
        let start = Instant::now();
        let mut memory = Steady::default();
        loop {
            std::thread::sleep(POLL);
            let is_ready = match ready {
                Ready::Says => self.log().contains(READY),
                Ready::Settled => memory.has_been(resident_pages(&descendants()), Instant::now()),
            };
            if is_ready {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()?
                && descendants().is_empty()
            {
                bail!("it ended, {status}, before it was ready:\n{}", self.log());
            }
            if start.elapsed() > LONGEST {
                bail!("it was not ready after {} s:\n{}", LONGEST.as_secs(), self.log());
            }
        }
    }

    fn log(&self) -> String {
        let bytes = fs::read(self.scratch.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Stops all processes of the session, and returns them.
    pub(crate) fn freeze(&self) -> anyhow::Result<Vec<u32>> {
        let mut stopped = Vec::new();
        // One that was not yet stopped may have started another.
        loop {
            let mut running = descendants();
            running.retain(|pid| !stopped.contains(pid));
            if running.is_empty() {
                return Ok(stopped);
            }
            running.iter().for_each(|pid| signal(*pid, Signal::STOP));
            stopped.append(&mut running);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        while let pids @ [_, ..] = descendants().as_slice() {
            pids.iter().for_each(|pid| signal(*pid, Signal::KILL));
            while let Ok(Some(_)) = rustix::process::wait(WaitOptions::NOHANG) {}
            std::thread::sleep(Duration::from_millis(10));
        }
        // What cannot be removed hurts nobody.
        drop(fs::remove_dir_all(&self.scratch));
    }
}

/// A process of somebody else's, stopped as long as this lives.
#[derive(Debug)]
pub(crate) struct Paused(pub(crate) u32);

impl Paused {
    pub(crate) fn new(pid: u32) -> anyhow::Result<Self> {
        let target = rustix_pid(pid).context("that is no process number")?;
        rustix::process::kill_process(target, Signal::STOP)
            .with_context(|| format!("cannot stop process {pid}"))?;
        Ok(Self(pid))
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        signal(self.0, Signal::CONT);
    }
}

/// A process may have ended just now: that is no error.
fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = rustix_pid(pid) {
        rustix::process::kill_process(pid, signal).ok();
    }
}

fn rustix_pid(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

/// Whether a number stays within one per cent of itself.
#[derive(Debug, Default)]
struct Steady {
    since: Option<(u64, Instant)>,
}

impl Steady {
    fn has_been(&mut self, value: u64, now: Instant) -> bool {
        match self.since {
            Some((first, since)) if value.abs_diff(first) <= first / 100 => {
                value > 0 && now.duration_since(since) >= SETTLED
            }
            _ => {
                self.since = Some((value, now));
                false
            }
        }
    }
}

fn resident_pages(pids: &[u32]) -> u64 {
    let of = |pid: &u32| {
        let statm = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
        statm.split(' ').nth(1)?.parse::<u64>().ok()
    };
    pids.iter().filter_map(of).sum()
}

/// All processes below this one that still run.
fn descendants() -> Vec<u32> {
    let mut family = vec![std::process::id()];
    let processes: Vec<_> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid: u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            Some((pid, running_child_of(&stat)?))
        })
        .collect();
    let mut known = 0;
    while let Some(parent) = family.get(known).copied() {
        let children = processes.iter().filter(|(_, its_parent)| *its_parent == parent);
        family.extend(children.map(|(pid, _)| *pid));
        known += 1;
    }
    family.split_off(1)
}

/// The parent in the text of /proc/PID/stat, `pid (name) state parent ...`, unless the process is a
/// zombie. The name may hold anything.
fn running_child_of(stat: &str) -> Option<u32> {
    let (_, after_name) = stat.rsplit_once(") ")?;
    let mut fields = after_name.split(' ');
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_are_read_behind_any_name() {
        assert_eq!(running_child_of("12 (a) b) (c) S 7 12 12 0"), Some(7));
        assert_eq!(running_child_of("12 (gone) Z 7 12 12 0"), None);
        assert_eq!(running_child_of("12"), None);
    }

    #[test]
    fn memory_is_steady_when_it_stays_for_a_while() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut memory = Steady::default();
        assert!(!memory.has_been(1000, at(0)));
        assert!(!memory.has_been(1200, at(3)), "it grew");
        assert!(!memory.has_been(1205, at(5)));
        assert!(memory.has_been(1195, at(7)));
        assert!(!Steady { since: Some((0, start)) }.has_been(0, at(9)), "nothing runs");
    }
}
