//! Making and removing devices through `zram-control/hot_add` and `hot_remove`, and keeping others
//! from taking a device that is not ready yet.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno as Raw;

use super::device::{Device, read_whole, write_once};
use super::error::{Action, Error, Result};
use super::kind::Kind;
use super::mirror;
use super::root::Root;
use crate::abi::Errno;

/// How long [`lock`] waits: twice as long as trueno-ublk gives a process that is to serve a new device
/// of usual size and stands still.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(10);

/// What [`lock`] is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To take a device that is there, or to take one away. Everybody else has to wait.
    Take,
    /// To set up a device that nobody has seen yet: any number of processes do that side by side.
    Add,
}

/// Held until it is dropped, or the process ends.
#[derive(Debug)]
#[must_use = "it is released when it is dropped"]
pub struct Lock {
    _file: File,
}

/// Whether devices of that kind can be made. The kernel's: the module is loaded, and new enough
/// (4.2). Those of trueno-ublk: it runs, or has left a mount behind that says why it cannot be used.
#[must_use]
pub fn exists(root: &Root, kind: Kind) -> bool {
    match kind {
        Kind::Kernel => path(root, kind, "hot_add").exists(),
        Kind::Ublk => !matches!(mirror::numbers(root), Ok(None)),
    }
}

/// Makes a device.
///
/// # Errors
/// `ENOENT` without the module or trueno-ublk, `EACCES` for anybody but root, `ENOMEM`; `ENODEV` when
/// the kernel's device has no node, and then it is removed again; for trueno-ublk those of
/// [`mirror::numbers`].
pub fn hot_add(root: &Root, kind: Kind) -> Result<Device> {
    if kind == Kind::Ublk {
        mirror::numbers(root)?;
    }
    let path = path(root, kind, "hot_add");
    // One read(2): every fresh read of this file makes a device.
    let text = read_whole(&path)?;
    let Ok(number) = text.trim_end().parse() else {
        return Err(Error::errno_of(Action::Read, path, Errno::EINVAL));
    };
    Device::numbered(root, kind, number).inspect_err(|_| {
        // Without a node it is of no use to anybody (containers have a /dev of their own). That it
        // could not be found is what went wrong, whether or not it can be removed.
        hot_remove(root, kind, number).ok();
    })
}

/// Removes a device that nobody has open, with all that is in it.
///
/// # Errors
/// `ENODEV`, `EBUSY`, `ENOENT` without the module or trueno-ublk, `EACCES` for anybody but root.
pub fn hot_remove(root: &Root, kind: Kind, number: u32) -> Result<()> {
    write_once(&path(root, kind, "hot_remove"), number.to_string().as_bytes())
}

/// Keeps everybody else who takes this lock from the devices of that kind, for a purpose.
///
/// A device has no `disksize` until setting it up is done, so meanwhile it looks free, and as the
/// kernel has nothing with which to claim a device, two who look for a free one would set up the same
/// one, each resetting it first. So: take this, look, set up, let go.
///
/// It is an flock(2) of `hot_add`, which only root can open; in the mirror the kernel keeps it by
/// itself. Nothing where `hot_add` cannot be opened: whatever is done next says why. Who has the lock in
/// a mirror that is mounted anew meanwhile, by a service that was restarted, has it of the old one.
///
/// # Errors
/// `ETIMEDOUT` when somebody holds it for a minute, and for trueno-ublk those of [`mirror::numbers`].
pub fn lock(root: &Root, kind: Kind, purpose: Purpose) -> Result<Option<Lock>> {
    if kind == Kind::Ublk {
        mirror::numbers(root)?;
    }
    let path = path(root, kind, "hot_add");
    // To open it makes no device, to read it would.
    match File::open(&path) {
        Ok(file) => lock_file(file, &path, purpose, LONGEST_WAIT).map(Some),
        Err(_) => Ok(None),
    }
}

fn lock_file(file: File, path: &Path, purpose: Purpose, longest: Duration) -> Result<Lock> {
    let operation = match purpose {
        Purpose::Take => FlockOperation::NonBlockingLockExclusive,
        Purpose::Add => FlockOperation::NonBlockingLockShared,
    };
    let deadline = Instant::now() + longest;
    loop {
        match flock(&file, operation) {
            Ok(()) => return Ok(Lock { _file: file }),
            Err(Raw::WOULDBLOCK) if Instant::now() >= deadline => {
                return Err(Error::errno_of(Action::Lock, path, Errno::ETIMEDOUT));
            }
            Err(Raw::WOULDBLOCK) => sleep(PAUSE),
            Err(Raw::INTR) => {}
            Err(errno) => return Err(Error::new(Action::Lock, path, errno.into())),
        }
    }
}

fn path(root: &Root, kind: Kind, name: &str) -> PathBuf {
    root.join(kind.control()).join(name)
}

#[cfg(test)]
mod tests {
    use std::env::temp_dir;
    use std::fs::{create_dir_all, remove_dir_all, write};
    use std::process::id;

    use super::*;

    /// Whether a process that waits for nobody gets it.
    fn is_free(path: &Path, purpose: Purpose) -> bool {
        let file = File::open(path).expect("it is there");
        match lock_file(file, path, purpose, Duration::ZERO) {
            Ok(_) => true,
            Err(error) => {
                assert_eq!((error.action.clone(), error.errno()), (Action::Lock, Errno::ETIMEDOUT));
                assert!(error.to_string().contains("hot_add"), "{error}");
                false
            }
        }
    }

    #[test]
    fn who_takes_is_alone_and_who_adds_is_not() {
        let directory = temp_dir().join(format!("sysfs-compat-lock-{}", id()));
        let root = Root::new(&directory);
        assert!(lock(&root, Kind::Kernel, Purpose::Take).expect("no failure").is_none());
        let path = path(&root, Kind::Kernel, "hot_add");
        create_dir_all(path.parent().expect("a directory")).expect("made");
        write(&path, "7\n").expect("written");
        for (held, take, add) in [(Purpose::Take, false, false), (Purpose::Add, false, true)] {
            let lock = lock(&root, Kind::Kernel, held).expect("free").expect("there");
            assert_eq!(
                [Purpose::Take, Purpose::Add].map(|wanted| is_free(&path, wanted)),
                [take, add]
            );
            drop(lock);
            assert!(is_free(&path, Purpose::Take), "{held:?}");
        }
        remove_dir_all(directory).expect("removed");
    }
}
