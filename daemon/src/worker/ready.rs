//! How a worker tells of its start.

use std::fs::File;
use std::io::{self, Write as _};

use sysfs_compat::client::Root;

use super::{armour, errno_of};

/// What it tells.
#[derive(Debug)]
pub(crate) enum Told<'a> {
    /// The device with this number is live.
    Ready(u32),
    /// Another one serves it; this one waits.
    Standby,
    /// There will be no device.
    Failed(&'a anyhow::Error),
    /// Something is not as it should be, and it goes on.
    Warning(String),
}

/// To whom: one line each.
#[derive(Debug)]
pub(crate) struct Ready {
    /// Whoever has started it.
    starter: Option<File>,
    /// That waits for one line only.
    is_heard: bool,
}

impl Ready {
    /// A descriptor that the process was started with, or the standard error stream.
    pub(crate) fn open(fd: Option<u32>, root: &Root) -> io::Result<Self> {
        let path = |fd| root.join(format!("/proc/self/fd/{fd}"));
        let file = fd.map(|fd| File::options().write(true).open(path(fd))).transpose()?;
        Ok(Self { is_heard: file.is_some(), starter: file })
    }

    pub(crate) fn tell(&mut self, told: &Told<'_>) {
        let line = match told {
            Told::Ready(id) => format!("ready id={id}\n"),
            Told::Standby => "standby\n".to_owned(),
            // One line, whatever the text is.
            Told::Failed(error) => {
                format!("failed {} {}\n", errno_of(error), format!("{error:#}").replace('\n', " "))
            }
            Told::Warning(text) => return armour::last_words(&format_args!("warning: {text}")),
        };
        // If nobody listens any more, that is not ours to mind.
        match (&mut self.starter, told) {
            (Some(file), _) if self.is_heard => drop(file.write_all(line.as_bytes())),
            (_, Told::Failed(error)) => armour::last_words(&format_args!("{error:#}")),
            (Some(_), _) => {}
            (None, _) => armour::last_words(&format_args!("{}", line.trim_end())),
        }
        self.is_heard = false;
    }
}
