//! The attributes that only our devices have: `zramN/trueno/*`.

use std::fs;

use sysfs_compat::abi::Errno;
use sysfs_compat::abi::attr::Mode;
use trueno_zram_mirror::OwnAttribute;

use super::served::Served;
use crate::directory::{Recovery, Settings};
use crate::ublk::control::{ControlDevice, state as state_of};
use crate::ublk::uapi::{DevInfo, State};

/// What is set before `disksize` is, as the algorithm; `directory/settings.rs` has what each takes.
const SETTINGS: &[&str] = &["queues", "depth", "io_size", "user_copy", "recovery", "ublk_id"];

/// How a text is made.
type Show = fn(&Served) -> String;

/// What is only shown.
const SHOWN: &[(&str, Show)] = &[
    ("state", state),
    ("worker_pid", |served| {
        kernel_view(served).map_or(0, |info| info.ublksrv_pid.max(0)).to_string()
    }),
    ("worker_restarts", |served| served.workers().replaced().to_string()),
    ("overhead", overhead),
    ("noswap", |served| u8::from(served.is_never_swapped()).to_string()),
];

/// A line for each stored page, as the kernel's debugfs has it.
pub(crate) const BLOCK_STATE: &str = "block_state";

const READ_WRITE: OwnAttribute = OwnAttribute { name: "", mode: Mode::ReadWrite };

/// The files, for the mirror.
pub(crate) const FILES: &[OwnAttribute] = &files();

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn files() -> [OwnAttribute; SETTINGS.len() + SHOWN.len() + 1] {
    let mut files = [READ_WRITE; SETTINGS.len() + SHOWN.len() + 1];
    let mut at = 0;
    while at < files.len() {
        let (name, mode) = match at.checked_sub(SETTINGS.len()) {
            None => (SETTINGS[at], Mode::ReadWrite),
            Some(shown) if shown < SHOWN.len() => (SHOWN[shown].0, Mode::ReadOnly),
            Some(_) => (BLOCK_STATE, Mode::ReadOnly),
        };
        files[at] = OwnAttribute { name, mode };
        at += 1;
    }
    files
}

/// The text of a file.
pub(crate) fn show(served: &Served, name: &str) -> Result<Vec<u8>, Errno> {
    let shown = SHOWN.iter().find(|(known, _)| *known == name);
    let mut text = match shown {
        Some((_, show)) => show(served),
        None => setting(served, name).ok_or(Errno::ENOENT)?,
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text.into_bytes())
}

fn setting(served: &Served, name: &str) -> Option<String> {
    let settings = served.settings();
    match name {
        "recovery" => Some(choice(settings.recovery)),
        // The one that it got, once it has one.
        "ublk_id" => Some(served.id().map_or(settings.ublk_id.to_string(), |id| id.to_string())),
        _ => settings.get(&format!("trueno/{name}")),
    }
}

/// All there are, the selected one in brackets, as `comp_algorithm` has it.
fn choice(selected: Recovery) -> String {
    let name = |kind: Recovery| match kind == selected {
        true => format!("[{}] ", kind.name()),
        false => format!("{} ", kind.name()),
    };
    [Recovery::Standby, Recovery::Restart].map(name).concat()
}

/// Takes what was written to a file.
///
/// # Errors
///
/// `EINVAL` for what the file does not take.
pub(crate) fn store(settings: &mut Settings, name: &str, text: &[u8]) -> Result<(), Errno> {
    if !SETTINGS.contains(&name) {
        return Err(Errno::EACCES);
    }
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let text = str::from_utf8(text).map_err(|_| Errno::EINVAL)?;
    settings.set(&format!("trueno/{name}"), text).map_err(|_| Errno::EINVAL)
}

/// How many processes a device has: the one that serves it, and perhaps one that waits.
pub(crate) fn workers(settings: &Settings) -> usize {
    match settings.recovery {
        Recovery::Standby => 2,
        Recovery::Restart => 1,
    }
}

/// What the kernel says of the device, which asks no worker.
fn kernel_view(served: &Served) -> Option<DevInfo> {
    ControlDevice::open(served.root()).ok()?.info(served.id()?).ok()
}

fn state(served: &Served) -> String {
    if served.id().is_none() {
        return "none".to_owned();
    }
    match kernel_view(served).map(|info| state_of(&info)) {
        Some(State::Live) => "live",
        Some(State::Quiesced) => "recovering",
        Some(_) | None => "dead",
    }
    .to_owned()
}

/// Memory beside `mem_used_total`, in bytes.
fn overhead(served: &Served) -> String {
    let store = served.statistics(|statistics| statistics.overhead()).unwrap_or_default();
    let own: u64 = served.workers().pids().into_iter().filter_map(private_memory).sum();
    // What they have together.
    let processes = own + served.directory().buffer_bytes();
    format!(
        "table {}\nheadroom {}\nbuffers {}\nprocesses {processes}\n",
        store.table, store.headroom, store.buffers
    )
}

/// What a process has for itself: `RssAnon` of `/proc/PID/status`. Its stores' buffers are in it.
fn private_memory(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_file_takes() {
        let mut settings = Settings::new(0);
        for (name, good, bad) in [
            ("queues", "2\n", "0"),
            ("depth", "4096", "-1"),
            ("io_size", "4096", "4097"),
            ("user_copy", "1", "maybe"),
            ("recovery", "restart\n", "restart "),
            ("ublk_id", "-1", "-2"),
        ] {
            assert_eq!(store(&mut settings, name, good.as_bytes()), Ok(()), "{name} {good}");
            assert_eq!(
                store(&mut settings, name, bad.as_bytes()),
                Err(Errno::EINVAL),
                "{name} {bad}"
            );
        }
        assert_eq!(settings.recovery, Recovery::Restart);
        assert_eq!(store(&mut settings, "state", b"live"), Err(Errno::EACCES));
    }

    #[test]
    fn every_file_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<_> = FILES.iter().map(|file| file.name).collect();
        assert_eq!(names.len(), FILES.len());
        assert!(!names.contains(""));
    }

    #[test]
    fn the_selected_recovery_is_in_brackets() {
        assert_eq!(choice(Recovery::Restart), "standby [restart] ");
    }
}
