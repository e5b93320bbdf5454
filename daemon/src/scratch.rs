//! Directories for tests.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};

/// An empty directory, removed when dropped.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// One for the test of this name.
    pub(crate) fn new(test: &str) -> Self {
        let name = format!("trueno-ublk-{test}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).expect("a directory");
        Self(path)
    }
}

impl Deref for Scratch {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).expect("our own directory");
    }
}
