//! Starting the service when a command needs it and it does not run.
//!
//! Never as a child of whoever calls: a service that ends with a login session would take its
//! attribute files along.

use std::fs::{self, File};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::is_served;
use crate::paths::Paths;
use crate::supervisor;

const UNIT: &str = "trueno-ublk.service";
/// Where systemd says that it runs: sd_booted(3).
const SYSTEMD: &str = "/run/systemd/system";
const LONGEST_START: Duration = Duration::from_secs(20);

/// Makes sure that the service runs.
pub(crate) fn ensure(paths: &Paths) -> anyhow::Result<()> {
    if is_served(paths) {
        return Ok(());
    }
    // What the service would say, where nobody may look for it.
    supervisor::check(paths)?;
    let by = if paths.root().join(SYSTEMD).is_dir() { by_systemd()? } else { by_ourselves(paths)? };
    let deadline = Instant::now() + LONGEST_START;
    while !is_served(paths) {
        if Instant::now() >= deadline {
            bail!("the service was started {by} and does not come up: {}", last_words(paths));
        }
        if let Some(words) = failed(paths) {
            bail!("the service does not start: {words}");
        }
        sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn by_systemd() -> anyhow::Result<&'static str> {
    let known = call("systemctl", &["cat", UNIT])?.status.success();
    let output = if known {
        call("systemctl", &["start", UNIT])?
    } else {
        // Installed without its unit: the same settings, as far as they matter for a first start.
        let program = std::env::current_exe().context("cannot tell where this program is")?;
        let program = program.to_string_lossy().into_owned();
        let unit = format!("--unit={UNIT}");
        let arguments = [
            &unit,
            "--collect",
            "--service-type=notify",
            "--property=KillMode=process",
            "--property=SendSIGKILL=no",
            "--property=OOMScoreAdjust=-1000",
            "--property=MemorySwapMax=0",
            "--",
            &program,
            "serve",
        ];
        call("systemd-run", &arguments)?
    };
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        bail!("systemd cannot start {UNIT}: {}; see 'systemctl status {UNIT}'", words.trim());
    }
    Ok("by systemd")
}

fn call(program: &str, arguments: &[&str]) -> anyhow::Result<Output> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    output.with_context(|| format!("cannot run {program}"))
}

fn by_ourselves(paths: &Paths) -> anyhow::Result<&'static str> {
    paths.make_devices()?;
    let path = log(paths);
    // At its end, always: workers of an earlier service may still write to it.
    let log = File::options().create(true).append(true).open(&path);
    let log = log.and_then(|log| log.set_len(0).map(|()| log));
    let log = log.with_context(|| format!("cannot make {}", path.display()))?;
    let program = std::env::current_exe().context("cannot tell where this program is")?;
    let mut command = Command::new("setsid");
    command.arg("--fork").arg(program).arg("serve").current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let status = command.status().context("cannot run setsid (util-linux)")?;
    if !status.success() {
        bail!("setsid cannot start the service: {status}");
    }
    Ok("without systemd")
}

fn log(paths: &Paths) -> std::path::PathBuf {
    paths.devices().join("log")
}

/// What the service has said last.
fn last_words(paths: &Paths) -> String {
    let text = fs::read_to_string(log(paths)).unwrap_or_default();
    let line = text.lines().next_back().unwrap_or("it has said nothing");
    line.strip_prefix("trueno-ublk: ").unwrap_or(line).to_owned()
}

/// What it has said, if it has ended again.
fn failed(paths: &Paths) -> Option<String> {
    // It holds the lock as long as it runs; a line in the log and no lock means that it is gone.
    let lock = File::open(paths.devices().join("lock"));
    let is_locked = lock.is_ok_and(|lock| {
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockShared).is_err()
    });
    let has_spoken = fs::metadata(log(paths)).is_ok_and(|log| log.len() > 0);
    (!is_locked && has_spoken).then(|| last_words(paths))
}
