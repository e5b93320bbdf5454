//! The files of the block device that are passed through.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Directly in the block device's directory.
pub(crate) const FILES: &[&str] = &["dev", "size", "ro", "stat"];

/// The directory whose files are all passed through.
pub(crate) const QUEUE: &str = "queue";

/// Names met in `queue`. Each gets an index for good, as long as the mirror runs; the kernel has some
/// fifty.
#[derive(Debug, Default)]
pub(crate) struct Names(Mutex<Vec<OsString>>);

impl Names {
    /// The index of a name of a file that is there. `None` when 65536 others have one.
    pub(crate) fn index(&self, name: &OsStr) -> Option<u16> {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let index = names.iter().position(|known| known == name).unwrap_or(names.len());
        let number = u16::try_from(index).ok()?;
        if index == names.len() {
            names.push(name.to_owned());
        }
        Some(number)
    }

    /// The name of that index.
    pub(crate) fn name(&self, index: u16) -> Option<OsString> {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.get(usize::from(index)).cloned()
    }
}

/// The permission bits of a regular file; `None` for anything else, and for nothing.
pub(crate) fn mode(path: &Path) -> Option<u32> {
    let metadata = path.symlink_metadata().ok()?;
    metadata.is_file().then(|| metadata.permissions().mode() & 0o777)
}

/// The regular files in `queue`, by name. Its directories belong to schedulers, which devices without
/// a request queue do not have.
pub(crate) fn queue_files(queue: &Path) -> Vec<OsString> {
    let Ok(entries) = queue.read_dir() else { return Vec::new() };
    let is_file = |entry: &std::fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_file());
    let mut names: Vec<_> =
        entries.flatten().filter(is_file).map(|entry| entry.file_name()).collect();
    names.sort_unstable();
    names
}
