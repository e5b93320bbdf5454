//! A device as the machine's swap, with more in memory than the machine has. For a small machine:
//! `cargo xtask` gives it one of 512 MiB.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use rustix::process::{Pid, Signal, kill_process};
use trueno_tests::check::{Outcome, ensure, equal, say, wait_for};
use trueno_tests::daemon;
use trueno_tests::mount::Swap;
use trueno_tests::zram::{Make, RealDevice};
use trueno_tests::{program, seed};

use crate::stand::{Stand, make, mm_stat, needing, read, set_up, trial, trial_of_ours};

/// So long nothing is swapped in or out only if everything hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// `PF_MEMALLOC_NOIO | PF_LOCAL_THROTTLE` of the kernel's `include/linux/sched.h`: what
/// `prctl(PR_SET_IO_FLUSHER)` sets.
const IO_FLUSHER: u64 = 0x0008_0000 | 0x0010_0000;

pub(super) fn trials() -> Vec<Trial> {
    vec![
        needing(&["mkswap", "swapon"], trial("swap::one_and_a_half_times_the_memory", swap)),
        needing(&["mkswap", "swapon"], trial_of_ours("swap::with_kills", swap_with_kills)),
    ]
}

fn swap(_: &mut Stand) -> Outcome {
    swap_and_meanwhile(|_| Ok(())).map(drop)
}

/// The worker is killed while memory is full: nobody who would have to be swapped in is needed to
/// replace it.
fn swap_with_kills(stand: &mut Stand) -> Outcome {
    stand.daemon()?;
    let memory = meminfo("MemTotal")?;
    // Nothing is on the device before memory is full.
    let mut due = [memory / 8, memory / 2].into_iter().peekable();
    let mut kills = 0;
    let device = swap_and_meanwhile(|device| {
        let held = mm_stat(device)?.orig_data_size;
        if due.next_if(|&bytes| held > bytes).is_some() {
            kill_worker(device)?;
            kills += 1;
            say(&format!("killed with {} MiB on the device", held >> 20));
        }
        Ok(())
    })?;
    equal("kills", kills, 2)?;
    equal("worker_restarts", read(&device, "trueno/worker_restarts")?.as_str(), "2")
}

/// Kills the one that serves, and waits until another does.
fn kill_worker(device: &RealDevice) -> Outcome {
    let worker = daemon::worker(device)?;
    kill_process(worker, Signal::KILL)?;
    let other = || daemon::worker(device).ok().filter(|other| *other != worker);
    wait_for("another worker", PATIENCE.as_secs(), other).map(drop)
}

/// Fills one and a half times the memory and checks it all; in `soak` rewrites some and checks it all
/// again, twice. `meanwhile` is called again and again. Gives the device, swapped off.
fn swap_and_meanwhile(mut meanwhile: impl FnMut(&RealDevice) -> Outcome) -> Outcome<RealDevice> {
    let memory = meminfo("MemTotal")?;
    let seed = seed::seed()?;
    let rounds = if std::env::var_os("TRUENO_SOAK").is_some() { 2 } else { 0 };
    let device = set_up(&(memory * 2).to_string(), &[])?;
    let swap = Swap::on(&device.node())?;
    let swapped_before = vmstat("pswpout")?;
    let start = Instant::now();
    let mut eater = Eater::start((memory >> 20) * 3 / 2, seed, rounds)?;
    let mut looked = false;
    let mut progress = (0, start);
    let status = loop {
        if let Some(status) = eater.0.try_wait()? {
            break status;
        }
        let swapped = vmstat("pswpout")? + vmstat("pswpin")?;
        if swapped > progress.0 {
            progress = (swapped, Instant::now());
        }
        ensure(progress.1.elapsed() < PATIENCE, || format!("it hangs at {swapped} pages"))?;
        if !looked && make() == Make::Ublk && vmstat("pswpout")? > swapped_before + 10_000 {
            worker_is_pinned()?;
            looked = true;
        }
        meanwhile(&device)?;
        std::thread::sleep(Duration::from_millis(100));
    };
    let stat = mm_stat(&device)?;
    say(&format!(
        "TRUENO_SEED={seed}: {} MiB of memory, {} swapped out and {} in, {:.0} s, {stat:?}",
        memory >> 20,
        vmstat("pswpout")? - swapped_before,
        vmstat("pswpin")?,
        start.elapsed().as_secs_f64(),
    ));
    ensure(status.success(), || format!("TRUENO_SEED={seed}: trueno-eater: {status}"))?;
    let swapped = (vmstat("pswpout")? - swapped_before) << 12;
    ensure(swapped > memory / 4, || format!("only {swapped} bytes were swapped out"))?;
    ensure(looked || make() == Make::Kernel, || "nobody looked at the worker".into())?;
    drop(swap);
    ensure(!Swap::is_on(&device.node()), || "swapoff has failed".into())?;
    Ok(device)
}

/// The process that fills memory, and that the kernel ends first when there is none left.
struct Eater(Child);

impl Eater {
    fn start(mib: u64, seed: u64, rounds: u64) -> Outcome<Self> {
        let numbers = [mib, seed, rounds].map(|number| number.to_string());
        // Set by a shell, because this process must not be the one.
        let script = "echo 1000 >/proc/self/oom_score_adj && exec \"$@\"";
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).arg(program::eater()).args(numbers);
        Ok(Eater(command.stdin(Stdio::null()).process_group(0).spawn()?))
    }
}

impl Drop for Eater {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Every thread of every worker is marked as one that swap depends on, and nothing of it is swapped.
fn worker_is_pinned() -> Outcome {
    let mut threads = 0;
    let workers = workers()?;
    for &worker in &workers {
        for task in fs::read_dir(format!("/proc/{worker}/task"))? {
            let stat = fs::read_to_string(task?.path().join("stat"))?;
            // Behind the name, which may hold anything, the ninth field is the seventh.
            let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
            let flags = fields.split(' ').nth(6).and_then(|flags| flags.parse::<u64>().ok());
            let is_flusher = flags.is_some_and(|flags| flags & IO_FLUSHER == IO_FLUSHER);
            ensure(is_flusher, || format!("a thread without IO_FLUSHER: {stat}"))?;
            threads += 1;
        }
        all_is_locked(&fs::read_to_string(format!("/proc/{worker}/smaps"))?)?;
        let status = format!("/proc/{worker}/status");
        equal("VmSwap of a worker", number_in(&status, "VmSwap:")?, 0)?;
    }
    ensure(threads >= 3, || format!("{threads} threads in {workers:?}"))
}

/// Whatever a process has mapped for itself alone is locked in memory, of proc_pid_smaps(5):
///
/// ```text
/// 7f0c4a000000-7f0c4a021000 rw-p 00000000 00:00 0    [heap]
/// Size:                132 kB
/// VmFlags: rd wr mr mw me lo ac
/// ```
fn all_is_locked(smaps: &str) -> Outcome {
    let mut mapping = "";
    let mut count = 0;
    for line in smaps.lines() {
        let Some(flags) = line.strip_prefix("VmFlags:") else {
            // The others begin with a field's name.
            if line.split(' ').next().is_some_and(|word| !word.ends_with(':')) {
                mapping = line;
            }
            continue;
        };
        let access = mapping.split(' ').nth(1).unwrap_or_default();
        // What nobody can touch has no memory, and the kernel's own parts of a process are never
        // swapped.
        if access.ends_with('p') && access != "---p" && !mapping.contains("[v") {
            ensure(flags.split(' ').any(|flag| flag == "lo"), || {
                format!("not locked: {mapping}, flags{flags}")
            })?;
            count += 1;
        }
    }
    ensure(count >= 8, || format!("{count} mappings in {smaps}"))
}

/// All of our processes but the supervisor.
fn workers() -> Outcome<Vec<Pid>> {
    let is_worker = |process: &i32| {
        let line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        line.split(|&byte| byte == 0).any(|word| word == b"worker")
    };
    let workers: Vec<_> = daemon::processes()?.into_iter().filter(is_worker).collect();
    ensure(!workers.is_empty(), || "there is no worker".into())?;
    Ok(workers.into_iter().filter_map(Pid::from_raw).collect())
}

/// Bytes.
fn meminfo(name: &str) -> Outcome<u64> {
    Ok(number_in("/proc/meminfo", &format!("{name}:"))? << 10)
}

fn vmstat(name: &str) -> Outcome<u64> {
    number_in("/proc/vmstat", name)
}

/// The number behind `name`.
fn number_in(path: &str, name: &str) -> Outcome<u64> {
    let text = fs::read_to_string(path)?;
    let mut lines = text.lines().map(str::split_whitespace);
    let line = lines.find_map(|mut line| (line.next() == Some(name)).then_some(line));
    Ok(line.and_then(|mut line| line.next()).ok_or(format!("no {name} in {path}"))?.parse()?)
}
