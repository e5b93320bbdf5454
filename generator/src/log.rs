//! Where messages go: at boot to the kernel's log, which is all there is so early; else to standard
//! error, with a priority if that is the journal.

use std::fs::{self, File, OpenOptions};
use std::io::{IsTerminal as _, Write as _};
use std::os::unix::fs::MetadataExt as _;

use sysfs_compat::client::Root;

use crate::notes::{Level, Note};

/// The kernel takes no longer records (`LOG_LINE_MAX`, 1024 less its own prefix).
const LONGEST_RECORD: usize = 900;

/// A place for messages.
#[derive(Debug)]
pub struct Log {
    /// None: standard error.
    kernel: Option<File>,
}

impl Log {
    /// Standard error.
    #[must_use]
    pub fn to_stderr() -> Self {
        Log { kernel: None }
    }

    /// For a generator: `/dev/kmsg`, unless somebody watches or the root is not the system's.
    #[must_use]
    pub fn of_generator(root: &Root) -> Self {
        let is_watched = !root.is_system() || std::io::stderr().is_terminal();
        let kernel = || OpenOptions::new().write(true).open(root.join("/dev/kmsg")).ok();
        Log { kernel: if is_watched { None } else { kernel() } }
    }

    /// Reports a note.
    pub fn note(&self, note: &Note) {
        self.say(note.level, &note.to_string());
    }

    /// Reports something. When even that fails there is nobody left to tell.
    pub fn say(&self, level: Level, text: &str) {
        match &self.kernel {
            Some(file) => {
                let record = record(level, std::process::id(), text);
                (&mut &*file).write_all(record.as_bytes()).ok();
            }
            None => {
                let line = match is_journal() {
                    true => format!("<{}>{text}\n", priority(level)),
                    false => format!("{}{text}\n", prefix(level)),
                };
                std::io::stderr().write_all(line.as_bytes()).ok();
            }
        }
    }
}

fn prefix(level: Level) -> &'static str {
    match level {
        Level::Info => "",
        Level::Warning => "warning: ",
        Level::Error | Level::Fault => "error: ",
    }
}

/// Whether standard error is what systemd has connected with the journal, by its device and inode:
/// `JOURNAL_STREAM` of systemd.exec(5). Without a priority everything there is of the same importance.
fn is_journal() -> bool {
    let stream = std::env::var("JOURNAL_STREAM").ok();
    let own = fs::metadata("/proc/self/fd/2").ok();
    stream.zip(own).is_some_and(|(stream, own)| stream == format!("{}:{}", own.dev(), own.ino()))
}

/// As syslog(3) counts.
fn priority(level: Level) -> u8 {
    match level {
        Level::Info => 5,
        Level::Warning => 4,
        Level::Error | Level::Fault => 3,
    }
}

/// A line for `/dev/kmsg`, with a priority before it.
fn record(level: Level, pid: u32, text: &str) -> String {
    let mut line = format!("<{}>{}[{pid}]: {text}", priority(level), env!("CARGO_PKG_NAME"));
    let end = (0..=LONGEST_RECORD).rev().find(|&end| line.is_char_boundary(end));
    line.truncate(end.unwrap_or(0));
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_the_kernel() {
        assert_eq!(record(Level::Warning, 7, "a"), "<4>trueno-zram-generator[7]: a\n");
        let long = record(Level::Fault, 7, &"ż".repeat(1000));
        assert!(long.len() <= LONGEST_RECORD + 1 && long.ends_with("ż\n"), "{long}");
    }
}
