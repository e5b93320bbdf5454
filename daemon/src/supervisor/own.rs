//! The attributes that only our devices have: `zramN/trueno/*`.

use std::fs;

use sysfs_compat::abi::Errno;
use sysfs_compat::abi::attr::Mode;
use trueno_zram_mirror::OwnAttribute;

use super::served::Served;
use crate::directory::{Recovery, Settings};
use crate::ublk::control::state as state_of;
use crate::ublk::uapi::State;

/// What is set before `disksize` is, as the algorithm; `directory/settings.rs` has what each takes.
const SETTINGS: &[&str] = &["queues", "depth", "io_size", "user_copy", "recovery", "ublk_id"];

/// How a text is made.
type Show = fn(&Served) -> String;

/// What is only shown; the driver, which is asked for the first two, may not answer at once.
const SHOWN: &[(OwnAttribute, Show)] = &[
    (file("state", Mode::ReadOnly, true), state),
    (file("worker_pid", Mode::ReadOnly, true), |served| {
        served.kernel_view().map_or(0, |info| info.ublksrv_pid.max(0)).to_string()
    }),
    (file("worker_restarts", Mode::ReadOnly, false), |served| {
        served.workers().replaced().to_string()
    }),
    (file("overhead", Mode::ReadOnly, false), overhead),
    (file("noswap", Mode::ReadOnly, false), |served| {
        u8::from(served.is_never_swapped()).to_string()
    }),
];

/// A line for each stored page, as the kernel's debugfs has it, and for root only, as there: it tells
/// which pages of which program are alike. The whole table is looked through for it.
pub(crate) const BLOCK_STATE: OwnAttribute = file("block_state", Mode::RootReadOnly, true);

const fn file(name: &'static str, mode: Mode, is_slow: bool) -> OwnAttribute {
    OwnAttribute { name, mode, is_slow }
}

/// The files, for the mirror.
pub(crate) const FILES: &[OwnAttribute] = &files();

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn files() -> [OwnAttribute; SETTINGS.len() + SHOWN.len() + 1] {
    let mut files = [BLOCK_STATE; SETTINGS.len() + SHOWN.len() + 1];
    let mut at = 0;
    while at < SETTINGS.len() {
        files[at] = file(SETTINGS[at], Mode::ReadWrite, false);
        at += 1;
    }
    while at < SETTINGS.len() + SHOWN.len() {
        files[at] = SHOWN[at - SETTINGS.len()].0;
        at += 1;
    }
    files
}

/// The text of a file.
pub(crate) fn show(served: &Served, name: &str) -> Result<Vec<u8>, Errno> {
    let shown = SHOWN.iter().find(|(file, _)| file.name == name);
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

fn state(served: &Served) -> String {
    if served.id().is_none() {
        return "none".to_owned();
    }
    match served.kernel_view().map(|info| state_of(&info)) {
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
    fn who_may_read_what_and_who_waits_for_it() {
        let file = |name: &str| FILES.iter().find(|file| file.name == name).expect("a file");
        assert_eq!((file("block_state").mode.bits(), file("block_state").is_slow), (0o400, true));
        assert_eq!((file("state").mode.bits(), file("state").is_slow), (0o444, true));
        assert_eq!((file("noswap").mode.bits(), file("noswap").is_slow), (0o444, false));
        assert_eq!((file("queues").mode.bits(), file("queues").is_slow), (0o644, false));
    }

    #[test]
    fn the_selected_recovery_is_in_brackets() {
        assert_eq!(choice(Recovery::Restart), "standby [restart] ");
    }
}
