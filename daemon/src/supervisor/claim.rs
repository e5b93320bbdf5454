//! Stopping a device that nobody uses, and refusing to when somebody does.
//!
//! Before Linux 7.0 the driver takes a disk away under a mounted file system when it is told to stop:
//! nothing but this file refuses. From 7.0 on it can be asked to stop only if nobody has the device
//! open.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::Duration;

use rustix::fs::OFlags;
use sysfs_compat::abi::Errno;
use sysfs_compat::client::holders::holders;
use sysfs_compat::client::{Device, Root};

use super::pending::Pending;
use super::workers::Workers;
use crate::paths::Paths;
use crate::ublk::control::{self, ControlDevice, state};
use crate::ublk::uapi::{DevInfo, State, flags};

/// A worker that has not answered any request for so long stands still, or waits for what does not come: it is
/// ended, which costs no data, and another one answers.
pub(super) const LONGEST_ANSWER: Duration = Duration::from_secs(2);
/// What follows such an end takes a fraction of that: a takeover, or the end of a device.
const LONGEST_FOLLOW_UP: Duration = Duration::from_secs(10);

/// The one right to a block device. While it lasts nobody can mount it, swap on it, or build on it.
#[derive(Debug)]
struct Claim {
    /// `None` when there is no node (any more), so nobody can come.
    node: Option<File>,
}

impl Claim {
    /// Takes it. Where the last to have it open has just left, that takes until what he asked for is
    /// answered.
    ///
    /// # Errors
    ///
    /// `EBUSY` when the device is mounted, swapped on, or under another device.
    fn take(paths: &Paths, id: u32) -> io::Result<Self> {
        let flags = (OFlags::EXCL | OFlags::NONBLOCK).bits().cast_signed();
        let path = paths.node(id);
        // Not for writing: udev looks into what was open for that, and would be in the way itself.
        match OpenOptions::new().read(true).custom_flags(flags).open(&path) {
            Ok(node) => Ok(Self { node: Some(node) }),
            Err(error) if is_gone(&error) => Ok(Self { node: None }),
            Err(error) => Err(error),
        }
    }

    /// Our own descriptor keeps others from claiming the device, not from merely opening it. Asks for files
    /// on any file system, of which one may not answer.
    ///
    /// # Errors
    ///
    /// `EBUSY` when it is plainly open in some process.
    fn alone(self, paths: &Paths, id: u32) -> io::Result<Self> {
        if self.node.is_some() {
            let path = paths.node(id);
            let device = Device::in_sysfs(paths.root(), path.as_os_str());
            if !holders(&device.map_err(|error| error.source)?).is_empty() {
                return Err(busy());
            }
        }
        Ok(self)
    }
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || matches!(error.raw_os_error(), Some(libc::ENXIO | libc::ENODEV))
}

/// Takes it. If requests of somebody who is gone are not answered, because the worker stands still,
/// another one answers them first.
///
/// # Errors
///
/// `EBUSY` when somebody has the device open.
fn claim(paths: &Paths, id: u32, workers: &Workers) -> io::Result<Claim> {
    let other = paths.clone();
    let taking = Pending::begin("claim", move || Claim::take(&other, id))?;
    let taken = taking.wait_while_it_moves(LONGEST_ANSWER, || answered(paths, id));
    let claim = taken.unwrap_or_else(|| {
        workers.replace();
        taking.wait(LONGEST_FOLLOW_UP).unwrap_or_else(|| Err(busy()))
    })?;
    // For this no worker is needed.
    let other = paths.clone();
    let looking = Pending::begin("holders", move || claim.alone(&other, id))?;
    looking.wait(LONGEST_FOLLOW_UP).unwrap_or_else(|| Err(busy()))
}

fn busy() -> io::Error {
    io::Error::from_raw_os_error(libc::EBUSY)
}

/// Whether somebody has the device open.
pub(crate) fn is_open(paths: &Paths, id: u32, workers: &Workers) -> bool {
    claim(paths, id, workers).is_err()
}

/// Stops the device if nobody has it open. Workers that end from then on are not replaced.
///
/// # Errors
///
/// `EBUSY` when somebody has; nothing has happened then. `ETIMEDOUT` when the kernel does not come back
/// from it although all workers are dead.
pub(crate) fn stop(paths: &Paths, info: &DevInfo, workers: &Workers) -> Result<(), Errno> {
    let errno = |error: io::Error| Errno::from(&error);
    if state(info) == State::Dead {
        // There is no disk, so nobody has it open; since 7.0 the driver would say `ENODEV`.
        return Ok(());
    }
    let claim = claim(paths, info.dev_id, workers).map_err(errno)?;
    workers.want(0);
    let (root, info, id) = (paths.root().clone(), *info, info.dev_id);
    let stopping = Pending::begin("stop", move || stop_claimed(&root, claim, &info));
    let stopping = stopping.map_err(errno)?;
    stopping.wait_while_it_moves(LONGEST_ANSWER, || answered(paths, id)).unwrap_or_else(|| {
        // The kernel takes back what they have not answered, and goes on.
        workers.replace();
        stopping.wait(LONGEST_FOLLOW_UP).unwrap_or(Err(Errno::ETIMEDOUT))
    })
}

/// How many reads, writes and discards were answered: columns of the disk's `stat`, which the kernel's
/// Documentation/block/stat.rst numbers.
fn answered(paths: &Paths, id: u32) -> Option<[u64; 3]> {
    let text = fs::read_to_string(paths.block_directory(id).join("stat")).ok()?;
    let number = |at| text.split_ascii_whitespace().nth(at)?.parse().ok();
    Some([number(0)?, number(4)?, number(11)?])
}

/// Comes back when every request is answered, by whoever has it.
fn stop_claimed(root: &Root, claim: Claim, info: &DevInfo) -> Result<(), Errno> {
    let id = info.dev_id;
    let errno = |error: control::Error| Errno::from_raw(error.errno());
    let mut control = ControlDevice::open(root).map_err(errno)?;
    if info.flags & flags::SAFE_STOP_DEV != 0 {
        // The driver looks again, at the same instant at which it stops; our own claim would count.
        drop(claim);
        return control.try_stop(id).map_err(errno);
    }
    let stopped = control.stop(id).map_err(errno);
    // Until the disk is gone, so that nobody can come in between.
    drop(claim);
    stopped
}
