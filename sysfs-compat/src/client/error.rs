//! What went wrong, with which file, and what was to be written there.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::abi::Errno;

/// A result of this module.
pub type Result<T> = std::result::Result<T, Error>;

/// What was being done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Looking a device up.
    Find,
    /// Reading a file.
    Read,
    /// Making sense of what was read.
    Parse(String),
    /// Writing these bytes to an attribute.
    Write(Vec<u8>),
    /// Taking a lock.
    Lock,
    /// A system call on the device, by name.
    Call(&'static str),
}

/// One failed operation.
#[derive(Debug)]
pub struct Error {
    /// What was being done ...
    pub action: Action,
    /// ... to which file ...
    pub path: PathBuf,
    /// ... and what the system said.
    pub source: io::Error,
}

impl Error {
    pub(crate) fn new(action: Action, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Error { action, path: path.into(), source }
    }

    pub(crate) fn errno_of(action: Action, path: impl Into<PathBuf>, errno: Errno) -> Self {
        Error::new(action, path, errno.into())
    }

    /// The error number. Failures that have none (a file that is no UTF-8) count as `EIO`.
    #[must_use]
    pub fn errno(&self) -> Errno {
        Errno::from(&self.source)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.action {
            Action::Find => write!(f, "cannot find {path}"),
            Action::Read => write!(f, "cannot read {path}"),
            Action::Parse(text) => write!(f, "cannot make sense of {path}: '{}'", text.trim_end()),
            Action::Write(bytes) => {
                write!(f, "cannot write '{}' to {path}", bytes.escape_ascii())
            }
            Action::Lock => write!(f, "cannot lock {path}"),
            Action::Call(name) => write!(f, "{name} {path} failed"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
