//! What chmod(2), chown(2) and utimes(2) have changed: it lets an administrator open a file to a group.
//! sysfs keeps it as long as the file is there. So does the mirror, but only until its process ends;
//! the next one, which finds the same devices, knows nothing of it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use fuser::FileAttr;

/// Changes of one file.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Change {
    pub(crate) mode: Option<u32>,
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
    pub(crate) atime: Option<SystemTime>,
    pub(crate) mtime: Option<SystemTime>,
    pub(crate) ctime: Option<SystemTime>,
}

/// Changes by inode number.
#[derive(Debug, Default)]
pub(crate) struct Kept(Mutex<HashMap<u64, Change>>);

/// Permissions, set-user-id, set-group-id and sticky bit.
const PERMISSIONS: u32 = 0o7777;

impl Kept {
    /// Keeps what `change` says; what it does not speak of stays.
    pub(crate) fn keep(&self, inode: u64, change: Change) {
        let mut all = self.all();
        let kept = all.entry(inode).or_default();
        *kept = Change {
            mode: change.mode.or(kept.mode),
            uid: change.uid.or(kept.uid),
            gid: change.gid.or(kept.gid),
            atime: change.atime.or(kept.atime),
            mtime: change.mtime.or(kept.mtime),
            ctime: change.ctime.or(kept.ctime),
        };
    }

    /// Changes `attributes` to what is kept.
    pub(crate) fn apply(&self, attributes: &mut FileAttr) {
        let Some(change) = self.all().get(&attributes.ino.0).copied() else { return };
        if let Some(mode) = change.mode {
            attributes.perm = u16::try_from(mode & PERMISSIONS).unwrap_or(attributes.perm);
        }
        attributes.uid = change.uid.unwrap_or(attributes.uid);
        attributes.gid = change.gid.unwrap_or(attributes.gid);
        attributes.atime = change.atime.unwrap_or(attributes.atime);
        attributes.mtime = change.mtime.unwrap_or(attributes.mtime);
        attributes.ctime = change.ctime.unwrap_or(attributes.ctime);
    }

    fn all(&self) -> MutexGuard<'_, HashMap<u64, Change>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
