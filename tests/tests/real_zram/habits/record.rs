//! What was done, and what came of it.

use std::fmt::Debug;
use std::io;

use sysfs_compat::abi::Errno;

/// Lines of what was done and what came of it, in order.
#[derive(Debug, Default)]
pub(super) struct Record(pub(super) Vec<(String, String)>);

impl Record {
    /// Writes down one outcome.
    pub(super) fn note(&mut self, what: impl Into<String>, outcome: impl Into<String>) {
        self.0.push((what.into(), outcome.into()));
    }

    /// Writes down a result: what it is, or the name of its error.
    pub(super) fn result<T: Debug, E: Into<io::Error>>(
        &mut self,
        what: impl Into<String>,
        result: Result<T, E>,
    ) {
        self.note(what, outcome(result));
    }
}

/// A result in words.
pub(super) fn outcome<T: Debug, E: Into<io::Error>>(result: Result<T, E>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("{:?}", Errno::from(&error.into())),
    }
}
