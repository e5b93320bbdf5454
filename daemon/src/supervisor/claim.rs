//! Stopping a device that nobody uses, and refusing to when somebody does.
//!
//! Before Linux 7.0 the driver takes a disk away under a mounted file system when it is told to stop:
//! nothing but this file refuses. From 7.0 on it can be asked to stop only if nobody has the device
//! open.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;

use rustix::fs::OFlags;
use sysfs_compat::abi::Errno;
use sysfs_compat::client::Device;
use sysfs_compat::client::holders::holders;

use crate::paths::Paths;
use crate::ublk::control::{ControlDevice, state};
use crate::ublk::uapi::{DevInfo, State, flags};

/// The one right to a block device. While it lasts nobody can mount it, swap on it, or build on it.
#[derive(Debug)]
pub(crate) struct Claim {
    /// Held, not used. `None` when there is no node (any more), so nobody can come.
    _node: Option<File>,
}

impl Claim {
    /// Takes it.
    ///
    /// # Errors
    ///
    /// `EBUSY` when the device is mounted, swapped on, under another device, or plainly open in some
    /// process.
    pub(crate) fn take(paths: &Paths, id: u32) -> io::Result<Self> {
        let flags = (OFlags::EXCL | OFlags::NONBLOCK).bits().cast_signed();
        let path = paths.node(id);
        // Not for writing: udev looks into what was open for that, and would be in the way itself.
        let node = match OpenOptions::new().read(true).custom_flags(flags).open(&path) {
            Ok(node) => node,
            Err(error) if is_gone(&error) => return Ok(Self { _node: None }),
            Err(error) => return Err(error),
        };
        // Our own descriptor keeps others from claiming the device, not from merely opening it.
        let device =
            Device::in_sysfs(paths.root(), path.as_os_str()).map_err(|error| error.source)?;
        if !holders(&device).is_empty() {
            return Err(io::Error::from_raw_os_error(libc::EBUSY));
        }
        Ok(Self { _node: Some(node) })
    }
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || matches!(error.raw_os_error(), Some(libc::ENXIO | libc::ENODEV))
}

/// Whether somebody has the device open.
pub(crate) fn is_open(paths: &Paths, id: u32) -> bool {
    Claim::take(paths, id).is_err()
}

/// Stops the device if nobody has it open.
///
/// # Errors
///
/// `EBUSY` when somebody has; nothing has happened then.
pub(crate) fn stop(
    control: &mut ControlDevice,
    paths: &Paths,
    info: &DevInfo,
) -> Result<(), Errno> {
    let id = info.dev_id;
    if state(info) == State::Dead {
        // There is no disk, so nobody has it open; since 7.0 the driver would say `ENODEV`.
        return Ok(());
    }
    let claim = Claim::take(paths, id).map_err(|error| Errno::from(&error))?;
    if info.flags & flags::SAFE_STOP_DEV != 0 {
        // The driver looks again, at the same instant at which it stops; our own claim would count.
        drop(claim);
        return control.try_stop(id).map_err(|error| Errno::from_raw(error.errno()));
    }
    // Held until the disk is gone, so that nobody can come in between.
    control.stop(id).map_err(|error| Errno::from_raw(error.errno()))
}
