//! Making and removing devices through `zram-control/hot_add` and `hot_remove`.

use std::path::PathBuf;

use super::device::{Device, read_whole, write_once};
use super::error::{Action, Error, Result};
use super::kind::Kind;
use super::mirror;
use super::root::Root;
use crate::abi::Errno;

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

fn path(root: &Root, kind: Kind, name: &str) -> PathBuf {
    root.join(kind.control()).join(name)
}
