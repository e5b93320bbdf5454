//! What the user is told when something fails.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;

use sysfs_compat::abi::Errno;
use sysfs_compat::client;
use sysfs_compat::client::error::Action;

/// A failure: what zramctl would say, and below it what may help.
#[derive(Debug, Default)]
pub(crate) struct Failure {
    /// The line behind `zramctl: `. Empty: said already.
    pub(crate) message: Vec<u8>,
    /// Lines below it: the likely cause, what to do.
    pub(crate) hints: Vec<String>,
}

pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Failure { message: message.into().into_bytes(), hints: Vec::new() }
    }

    /// The failure of something about a device, by the name it was given.
    pub(crate) fn about(name: &OsStr, what: &str, errno: Errno) -> Self {
        let message = [name.as_bytes(), format!(": {what}{errno}").as_bytes()].concat();
        Failure { message, hints: Vec::new() }
    }

    /// All has been said; only the exit status is left.
    pub(crate) fn silent() -> Self {
        Failure::default()
    }

    pub(crate) fn hint(mut self, line: impl Into<String>) -> Self {
        self.hints.push(line.into());
        self
    }

    pub(crate) fn hints(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.hints.extend(lines);
        self
    }

    /// Bad usage, with zramctl's pointer to the help.
    pub(crate) fn usage(message: impl Into<Vec<u8>>, program: &str) -> Self {
        let hints = vec![format!("Try '{program} --help' for more information.")];
        Failure { message: message.into(), hints }
    }
}

impl From<client::Error> for Failure {
    fn from(error: client::Error) -> Self {
        match (&error.action, error.path.file_name()) {
            // zramctl's words, for the one file that it looks at so closely.
            (Action::Parse(text), Some(file)) => {
                Failure::new(format!("Failed to parse {}: '{}'", file.display(), text.trim()))
            }
            _ => Failure::new(format!("{error}: {}", error.errno())),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.message))?;
        self.hints.iter().try_for_each(|hint| write!(f, "\n{hint}"))
    }
}
