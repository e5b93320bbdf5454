//! Small words that trials are written in.

use std::fmt::Debug;
use std::process::Command;
use std::time::{Duration, Instant};

use libtest_mimic::Failed;

/// What comes of a trial, or of a part of one.
pub type Outcome<T = ()> = Result<T, Failed>;

/// How long to wait before something is looked at again.
const PAUSE: Duration = Duration::from_millis(10);

/// Fails with what `otherwise` says, unless it holds.
///
/// # Errors
/// Then.
pub fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(otherwise().into()) }
}

/// Fails and shows both, unless they are equal.
///
/// # Errors
/// Then.
pub fn equal<T: PartialEq + Debug>(what: &str, have: T, want: T) -> Outcome {
    ensure(have == want, || format!("{what}: {have:?}, not {want:?}"))
}

/// Looks again and again until there is something to be seen.
///
/// # Errors
/// When there is nothing after that many seconds.
pub fn wait_for<T>(what: &str, seconds: u64, look: impl Fn() -> Option<T>) -> Outcome<T> {
    let start = Instant::now();
    loop {
        if let Some(seen) = look() {
            return Ok(seen);
        }
        if start.elapsed() > Duration::from_secs(seconds) {
            return Err(format!("{what}: not within {seconds} s").into());
        }
        std::thread::sleep(PAUSE);
    }
}

/// Runs a tool that must succeed, and gives what it has written to standard output.
///
/// # Errors
/// With all that it said, when it fails or is not there.
pub fn tool(program: &str, arguments: &[&str]) -> Outcome<String> {
    let mut command = Command::new(program);
    let output = command.args(arguments).env("LC_ALL", "C").output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure(output.status.success(), || {
        format!("{program} {}: {}\n{stdout}{stderr}", arguments.join(" "), output.status)
    })?;
    Ok(stdout)
}

/// Whether a program is there to be called.
#[must_use]
pub fn has_tool(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    directories.map(|directory| directory.join(program)).any(|file| file.exists())
}

/// A line of the report on a measurement or on what chance decided, at once and not at the end.
#[expect(clippy::print_stderr, reason = "the report, which must not wait for the end of the run")]
pub fn say(text: &str) {
    eprintln!("{text}");
}
