//! `cargo xtask bench start-up`: trueno-zramctl beside util-linux zramctl, in one run, on the same devices.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use sysfs_compat::client::{Device, Kind, Root, control};

use crate::process;
use crate::workspace::Workspace;

/// As many as the listing that must not be slower than zramctl's.
const DEVICES: usize = 8;

/// Runs of each program, taken in turn so that a slow moment of the machine hits both.
const RUNS: usize = 400;

/// Runs the comparison and prints what docs/BENCHMARKS.md records.
pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<ExitCode> {
    let ours = workspace.build_executable(
        &["build", "--release", "-p", "trueno-zramctl"],
        "bin",
        "trueno-zramctl",
    )?;
    let peer = Path::new("/sbin/zramctl");
    ensure!(peer.exists(), "{} is not there: apt-get install util-linux", peer.display());
    println!("machine: {}, Linux {}", cpu()?, release()?);
    println!("peer: {}", process::output(Command::new(peer).arg("--version"))?.trim_end());
    let size = fs::metadata(&ours)?.len();
    println!("size of the stripped binary: {size} bytes");
    println!("libraries:\n{}", process::output(Command::new("ldd").arg(&ours))?.trim_end());

    let devices = Devices::make()?;
    let listing = |program: &Path| process::output(&mut Command::new(program));
    ensure!(listing(&ours)? == listing(peer)?, "the two do not print the same");
    println!(
        "\nlisting {} devices, {RUNS} runs each, in turn:",
        listing(peer)?.lines().count() - 1
    );
    println!("| program | minimum | median |\n|---|---|---|");
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        a.push(time(&ours)?);
        b.push(time(peer)?);
    }
    let [ours_row, peer_row] = [&mut a, &mut b].map(|times| summary(times));
    for (name, (minimum, median)) in [("trueno-zramctl", ours_row), ("zramctl", peer_row)] {
        println!("| {name} | {} us | {} us |", minimum.as_micros(), median.as_micros());
    }
    println!(
        "| ratio | {:.2} | {:.2} |",
        ours_row.0.as_secs_f64() / peer_row.0.as_secs_f64(),
        ours_row.1.as_secs_f64() / peer_row.1.as_secs_f64()
    );
    instructions(&ours, peer)?;
    drop(devices);
    Ok(ExitCode::SUCCESS)
}

/// Devices made for the comparison, and removed after it whatever happens.
struct Devices(Vec<Device>);

impl Devices {
    fn make() -> anyhow::Result<Self> {
        let root = Root::new("/");
        let mut devices = Devices(Vec::new());
        for _ in 0..DEVICES {
            let device = control::hot_add(&root, Kind::Kernel)
                .context("cannot make a device; bench runs as root, with the zram module")?;
            device.write("disksize", b"16M")?;
            devices.0.push(device);
        }
        Ok(devices)
    }
}

impl Drop for Devices {
    fn drop(&mut self) {
        for device in &self.0 {
            let number = device.zram_number();
            let remove = |number| control::hot_remove(device.root(), Kind::Kernel, number);
            let removed = number.map(remove);
            if let Some(Err(error)) = removed {
                eprintln!("bench: {error}: {}", error.errno());
            }
        }
    }
}

fn time(program: &Path) -> anyhow::Result<Duration> {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let start = Instant::now();
    let status = command.status()?;
    let time = start.elapsed();
    ensure!(status.success(), "{}: {status}", program.display());
    Ok(time)
}

/// Minimum and median.
fn summary(times: &mut [Duration]) -> (Duration, Duration) {
    times.sort_unstable();
    let at = |index: usize| times.get(index).copied().unwrap_or_default();
    (at(0), at(times.len() / 2))
}

/// Instructions, which do not depend on what else the machine does.
fn instructions(ours: &Path, peer: &Path) -> anyhow::Result<()> {
    let count = |program: &Path| -> anyhow::Result<Option<u64>> {
        let mut command = Command::new("valgrind");
        command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(program);
        let Ok(output) = command.output() else { return Ok(None) };
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let line = text.lines().find_map(|line| line.split_once("refs:"));
        let digits = line.map(|(_, number)| number.trim().replace(',', ""));
        digits.map(|digits| digits.parse().context("valgrind's count")).transpose()
    };
    match (count(ours)?, count(peer)?) {
        (Some(ours), Some(peer)) => println!(
            "\ninstructions (callgrind): trueno-zramctl {ours}, zramctl {peer}, ratio {:.2}",
            ratio(ours, peer)
        ),
        _ => println!("\ninstructions: not counted, valgrind is not there"),
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "two decimals are shown")]
fn ratio(a: u64, b: u64) -> f64 {
    a as f64 / b as f64
}

fn cpu() -> anyhow::Result<String> {
    let text = fs::read_to_string("/proc/cpuinfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("model name"));
    Ok(line.map_or("unknown", |line| line.trim_start_matches([' ', '\t', ':'])).to_owned())
}

fn release() -> anyhow::Result<String> {
    Ok(fs::read_to_string(PathBuf::from("/proc/sys/kernel/osrelease"))?.trim_end().to_owned())
}
