//! Making and removing devices through `/sys/class/zram-control`.

use std::path::PathBuf;

use super::device::{Device, read_whole, write_once};
use super::error::{Action, Error, Result};
use super::root::Root;
use crate::abi::Errno;

/// The directory, without the root.
pub const DIRECTORY: &str = "/sys/class/zram-control";

/// Whether devices can be made: the module is loaded, and new enough (4.2).
#[must_use]
pub fn exists(root: &Root) -> bool {
    path(root, "hot_add").exists()
}

/// Makes a device.
///
/// # Errors
/// `ENOENT` without the module, `EACCES` for anybody but root, `ENOMEM`; `ENODEV` when no node
/// appears, and then the device is removed again.
pub fn hot_add(root: &Root) -> Result<Device> {
    let path = path(root, "hot_add");
    // One read(2): every fresh read of this file makes a device.
    let text = read_whole(&path)?;
    let Ok(number) = text.trim_end().parse() else {
        return Err(Error::errno_of(Action::Read, path, Errno::EINVAL));
    };
    Device::numbered(root, number).inspect_err(|_| {
        // Without a node it is of no use to anybody (containers have a /dev of their own). That it
        // could not be found is what went wrong, whether or not it can be removed.
        hot_remove(root, number).ok();
    })
}

/// Removes a device that nobody has open, with all that is in it.
///
/// # Errors
/// `ENODEV`, `EBUSY`, `ENOENT` without the module, `EACCES` for anybody but root.
pub fn hot_remove(root: &Root, number: u32) -> Result<()> {
    write_once(&path(root, "hot_remove"), number.to_string().as_bytes())
}

fn path(root: &Root, name: &str) -> PathBuf {
    root.join(DIRECTORY).join(name)
}
