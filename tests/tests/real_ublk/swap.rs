//! A device as the machine's swap, with more in memory than the machine has. For a small machine:
//! `cargo xtask` gives it one of 512 MiB.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use rustix::process::{Pid, Signal, kill_process};
use trueno_tests::check::{Outcome, ensure, say};
use trueno_tests::daemon;
use trueno_tests::mount::Swap;
use trueno_tests::zram::{Make, RealDevice};
use trueno_tests::{program, seed};

use crate::stand::{Stand, make, mm_stat, needing, set_up, trial, trial_of_ours};

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
    swap_and_meanwhile(|_, _| Ok(()))
}

/// The worker is killed while memory is full: nobody who would have to be swapped in is needed to
/// replace it.
fn swap_with_kills(stand: &mut Stand) -> Outcome {
    stand.daemon()?;
    swap_and_meanwhile(|device, start| {
        // Once memory is full for sure, and again.
        let is_due = [20, 26].contains(&start.elapsed().as_secs());
        if is_due {
            kill_process(daemon::worker(device)?, Signal::KILL)?;
            std::thread::sleep(Duration::from_secs(1));
        }
        Ok(())
    })
}

/// Fills one and a half times the memory and checks it all; in `soak` rewrites some and checks it all
/// again, five times. `meanwhile` is called again and again.
fn swap_and_meanwhile(meanwhile: fn(&RealDevice, Instant) -> Outcome) -> Outcome {
    let memory = meminfo("MemTotal")?;
    let seed = seed::seed()?;
    let rounds = if std::env::var_os("TRUENO_SOAK").is_some() { 5 } else { 0 };
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
        meanwhile(&device, start)?;
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
    ensure(!Swap::is_on(&device.node()), || "swapoff has failed".into())
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
        let status = fs::read_to_string(format!("/proc/{worker}/status"))?;
        let kib = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
        };
        ensure(kib("VmSwap:") == Some(0), || format!("worker {worker} is swapped: {status}"))?;
        ensure(kib("VmLck:") > Some(0), || format!("worker {worker} is not locked: {status}"))?;
    }
    ensure(threads >= 3, || format!("{threads} threads in {workers:?}"))
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
