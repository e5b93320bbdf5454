//! The process that serves a device: what it is safe from, what it hands to the next one, and how it
//! says that it cannot begin.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use libtest_mimic::Trial;
use rustix::process::{Pid, Signal, kill_process};
use trueno_tests::check::{Outcome, ensure, equal, wait_for};
use trueno_tests::ioctl::discard;
use trueno_tests::pages::Frame;
use trueno_tests::scratch::Scratch;
use trueno_tests::{daemon, program};

use crate::stand::{Stand, direct, fill, holds, read, set_up, trial_of_ours, trial_without_daemon};

pub(super) fn trials() -> Vec<Trial> {
    vec![
        trial_of_ours("worker::armour", armour),
        trial_of_ours("worker::user_copy_is_taken_over", user_copy),
        trial_without_daemon("worker::that_cannot_begin", cannot_begin),
    ]
}

/// A file of a process, less its newline.
fn of(process: Pid, name: &str) -> Outcome<String> {
    let path = format!("/proc/{}/{name}", process.as_raw_nonzero());
    let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    Ok(text.trim_end().to_owned())
}

fn armour(_: &mut Stand) -> Outcome {
    let device = set_up("16M", &[("trueno/queues", "2"), ("trueno/recovery", "restart")])?;
    fill(&device, 0..64, Frame::noise)?;
    let worker = daemon::worker(&device)?;
    equal("oom_score_adj", of(worker, "oom_score_adj")?.as_str(), "-1000")?;
    let limits = of(worker, "limits")?;
    let core = limits.lines().find_map(|line| line.strip_prefix("Max core file size"));
    let core: Vec<_> = core.unwrap_or_default().split_whitespace().take(2).collect();
    equal("limits of a core dump", core, vec!["0", "0"])?;
    // Its own, /, /dev, /proc, /sys, and what leads to its directory.
    let mounts = of(worker, "mountinfo")?;
    ensure(mounts.lines().count() <= 7, || format!("mounts of others:\n{mounts}"))?;
    // The buffers of two queues with 64 requests of 64 KiB are there before they are needed.
    let status = of(worker, "status")?;
    let shared = status.lines().find_map(|line| line.strip_prefix("RssShmem:"));
    let kib = shared.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    ensure(kib >= Some(2 * 64 * 64), || format!("buffers without memory: {status}"))?;
    for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT, Signal::USR1] {
        kill_process(worker, signal)?;
    }
    std::thread::sleep(Duration::from_millis(200));
    equal("worker_pid", daemon::worker(&device)?, worker)?;
    equal("worker_restarts", read(&device, "trueno/worker_restarts")?.as_str(), "0")?;
    holds(&device, 0..64, Frame::noise)
}

/// Pages that go through the driver's own memory, by a worker that has never seen the first half.
fn user_copy(_: &mut Stand) -> Outcome {
    let device = set_up("16M", &[("trueno/user_copy", "1"), ("trueno/io_size", "131072")])?;
    fill(&device, 0..256, Frame::mixed)?;
    let worker = daemon::worker(&device)?;
    kill_process(worker, Signal::KILL)?;
    wait_for("another worker", 10, || daemon::worker(&device).ok().filter(|next| *next != worker))?;
    holds(&device, 0..256, Frame::mixed)?;
    fill(&device, 256..512, Frame::noise)?;
    discard(direct(&device)?.file(), 0, 256)?;
    holds(&device, 0..256, |_| Frame::filled(0))?;
    holds(&device, 256..512, Frame::noise)
}

/// What a worker tells on its third descriptor, run on that directory.
fn told(directory: &Path) -> Outcome<String> {
    let told = directory.with_extension("told");
    let script = "exec 3>\"$0\"; exec \"$@\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).arg(&told).arg(program::ublk()).arg("worker");
    shell.arg("--directory").arg(directory).args(["--ready", "3"]);
    let output = shell.output()?;
    equal("exit code of the worker", output.status.code(), Some(1))?;
    Ok(fs::read_to_string(told)?)
}

/// Each time the errno and the reason are told, and no device is left.
fn cannot_begin() -> Outcome {
    let scratch = Scratch::new("worker")?;
    let directory = scratch.path().join("zram0");
    fs::create_dir(&directory)?;
    let fails = |settings: &str, words: &str| {
        fs::write(directory.join("settings"), settings)?;
        let told = told(&directory)?;
        ensure(told.contains(&format!("failed {words}")), || format!("{settings:?}: {told:?}"))?;
        ensure(!Path::new("/dev/ublkc0").exists(), || format!("{settings:?} leaves a device"))
    };
    let place = directory.display();
    fails("disksize=1000\n", &format!("22 {place}/settings: disksize=1000: it takes"))?;
    fails("disksize=8192\ncomp_algorithm=842\n", "22 comp_algorithm 842: ")?;
    let level = "disksize=8192\ncomp_algorithm=lz4\nalgorithm_params=level=9\n";
    fails(level, "22 algorithm_params level=9: ")?;
    // A device that it is to go on with.
    fs::write(directory.join("ublk"), "id=5\nmark=1\n")?;
    fails("disksize=67108864\n", &format!("2 {place}/arena: No such file"))?;
    fs::write(directory.join("arena"), [0x5a; 65536])?;
    fails("disksize=67108864\n", &format!("22 {place}/arena: this memory holds something else"))?;
    fs::remove_file(directory.join("ublk"))?;
    fs::remove_file(directory.join("settings"))?;
    let without = told(&directory)?;
    let words = format!("failed 22 {place}: disksize is not set");
    ensure(without.contains(&words), || format!("without settings: {without:?}"))
}
