//! How long it takes to make devices, to reset them, and to go on after a kill.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use sysfs_compat::client::{Device, Kind, patience};
use trueno_zram_core::benchmark::PageSet;

use crate::Result;
use crate::device::make;
use crate::image::{Block, Image};
use crate::options::Options;
use crate::record::Records;
use crate::subject::{Subject, Way, open};

const SIZES: [(&str, u64); 2] = [("1 GiB", 1 << 30), ("64 GiB", 64 << 30)];
/// What is on a device when it is reset or its worker is killed.
const FILLED_PAGES: u64 = 64 << 8;
const BLOCKS: usize = 32;
/// A worker that ends sooner is replaced with a pause.
const GOOD_RUN: Duration = Duration::from_millis(5200);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

pub(crate) fn measure(options: &Options, sets: &[PageSet], records: &mut Records) -> Result {
    let image = Image::tile(sets, BLOCKS)?;
    for round in 1..=options.rounds {
        println!("create and reset, round {round} of {}", options.rounds);
        for (size_name, size) in SIZES {
            for (subject, kind) in [("kernel zram", Kind::Kernel), ("trueno-ublk", Kind::Ublk)] {
                let mut put = |what: &str, time: Duration| {
                    records.put(record(what, subject, size_name, round, time))
                };
                let start = Instant::now();
                let device = make(kind, "lz4", None, size)?;
                put("create", start.elapsed())?;
                fill(&device, &image)?;
                let start = Instant::now();
                device.write("reset", b"1")?;
                put("reset", start.elapsed())?;
                remove(&device)?;
            }
        }
    }
    for recovery in ["standby", "restart"] {
        for (size_name, size) in SIZES {
            println!("recovery: {recovery}, {size_name}");
            let device = make(Kind::Ublk, "lz4", Some(recovery), size)?;
            fill(&device, &image)?;
            for round in 1..=options.rounds {
                let time = kill(&device, recovery == "standby")?;
                records.put(record("recovery", recovery, size_name, round, time))?;
            }
            device.write("reset", b"1")?;
            remove(&device)?;
        }
    }
    Ok(())
}

fn record(what: &str, subject: &str, size: &str, round: u32, time: Duration) -> serde_json::Value {
    json!({
        "part": "times", "what": what, "subject": subject, "size": size, "round": round,
        "seconds": time.as_secs_f64(),
    })
}

fn fill(device: &Device, image: &Image) -> Result {
    Subject::new("fill", &device.node_path(), Way::Calls, image, None)?.fill(FILLED_PAGES)
}

fn remove(device: &Device) -> Result {
    let number = device.zram_number().ok_or("a device without a number")?;
    Ok(patience::hot_remove(device, number)?)
}

/// Kills the process that serves a device; how long until a read is answered again.
fn kill(device: &Device, has_standby: bool) -> Result<Duration> {
    let file = open(&device.node_path())?;
    let mut page = Block::boxed();
    wait_until("the worker has run for a while", || Ok(age(serving(device)?)? >= GOOD_RUN))?;
    if has_standby {
        wait_until("a standby waits", || somebody_waits(device))?;
    }
    let pid = serving(device)?;
    let victim = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or("nobody serves it")?;
    let start = Instant::now();
    kill_process(victim, Signal::KILL)?;
    file.read_exact_at(&mut page.0[0], 0)?;
    let time = start.elapsed();
    match serving(device)? == pid {
        true => Err("the read was answered before the worker was dead".into()),
        false => Ok(time),
    }
}

fn serving(device: &Device) -> Result<u32> {
    Ok(device.read("trueno/worker_pid")?.trim().parse()?)
}

/// How long a process has been running.
fn age(pid: u32) -> Result<Duration> {
    // The directory is made anew whenever nobody has looked at it for long, so its times are no help.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, behind_name) = stat.rsplit_once(") ").ok_or("a line of another form")?;
    let ticks: f64 = behind_name.split(' ').nth(19).ok_or("a short line")?.parse()?;
    let uptime = fs::read_to_string("/proc/uptime")?;
    let uptime: f64 = uptime.split(' ').next().unwrap_or_default().parse()?;
    let since_start = uptime - ticks / rustix::param::clock_ticks_per_second() as f64;
    Ok(Duration::from_secs_f64(since_start.max(0.0)))
}

/// Whether somebody waits for the lock that the serving worker has: `->` in /proc/locks.
fn somebody_waits(device: &Device) -> Result<bool> {
    let serving = serving(device)?.to_string();
    let locks = fs::read_to_string("/proc/locks")?;
    let mut holder = "";
    for line in locks.lines() {
        let fields: Vec<_> = line.split_whitespace().collect();
        match fields[..] {
            [_, "->", "FLOCK", ..] if holder == serving => return Ok(true),
            [_, "FLOCK", _, _, pid, ..] => holder = pid,
            _ => {}
        }
    }
    Ok(false)
}

fn wait_until(what: &str, is_so: impl Fn() -> Result<bool>) -> Result {
    let deadline = Instant::now() + LONGEST_WAIT;
    while !is_so()? {
        if Instant::now() > deadline {
            return Err(format!("waited in vain until {what}").into());
        }
        sleep(Duration::from_millis(20));
    }
    Ok(())
}
