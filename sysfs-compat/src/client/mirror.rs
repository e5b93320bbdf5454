//! What only the devices of trueno-ublk need: its mirror of the kernel's attribute files, and the
//! names by which its devices are known.
//!
//! The mirror is a file system that a process serves. That process may not run, may have died and
//! left a mount behind (`ENOTCONN`), and may hang, which nobody who only works with the kernel's
//! devices must notice.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::fs::{AtFlags, CWD, StatxFlags, statx};

use super::device::number_of;
use super::error::{Action, Error, Result};
use super::kind::Kind;
use super::root::Root;
use crate::abi::Errno;

/// How long the mirror is waited for. It answers within a millisecond, and within a second from a
/// process that has to be swapped in first.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// The attribute that tells the number of the block device, which has nothing to do with that of
/// the directory. Before there is a block device it is the number that has been asked for.
const UBLK_ID: &str = "trueno/ublk_id";

/// The attribute that is there as long as there is a block device.
const DEV: &str = "dev";

/// Numbers of the devices in the mirror, in ascending order, initialised or not. Nothing where no
/// mirror is mounted.
///
/// # Errors
/// `ENOTCONN` when the process that served it has died, `ETIMEDOUT` when it does not answer within
/// two seconds.
pub fn numbers(root: &Root) -> Result<Option<Vec<u32>>> {
    let mirror = root.join(Kind::Ublk.devices());
    // Whether there is one can be told without asking the process that serves it.
    let what = StatxFlags::TYPE;
    let found = statx(CWD, &mirror, AtFlags::STATX_DONT_SYNC, what);
    if found.is_err_and(|errno| errno == rustix::io::Errno::NOENT) {
        return Ok(None);
    }
    let directory = mirror.clone();
    let names = answer(move || names(&directory));
    let names = names.unwrap_or_else(|| Err(Errno::ETIMEDOUT.into()));
    let names = names.map_err(|error| Error::new(Action::Read, mirror, error))?;
    // Without this it is the bare directory that somebody is going to mount the mirror on.
    let control = Path::new(Kind::Ublk.control()).file_name();
    if !names.iter().any(|name| Some(name.as_os_str()) == control) {
        return Ok(None);
    }
    let mut numbers: Vec<_> = names.iter().filter_map(|name| number_of(name)).collect();
    numbers.sort_unstable();
    Ok(Some(numbers))
}

/// What `ask` returns, or nothing when that takes too long; the thread that asks is left to itself
/// then, since nothing can be done about a file system whose server hangs.
fn answer<T: Send + 'static>(ask: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (sender, receiver) = mpsc::channel();
    // Nobody waits any more for what cannot be sent.
    let asking = move || drop(sender.send(ask()));
    thread::Builder::new().spawn(asking).ok()?;
    receiver.recv_timeout(LONGEST_WAIT).ok()
}

fn names(directory: &Path) -> io::Result<Vec<OsString>> {
    fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name())).collect()
}

/// The number in a name that can only mean a device of trueno-ublk: `trueno/zramN`,
/// `/dev/trueno/zramN`, `/run/trueno/zramN`. The last is a directory, behind which shells put a slash.
#[must_use]
pub fn number_in(name: &OsStr) -> Option<u32> {
    let bytes = name.as_bytes();
    let end = bytes.iter().rposition(|&byte| byte != b'/')?;
    let (directory, base) = split(OsStr::from_bytes(bytes.get(..=end)?))?;
    let attributes = Kind::Ublk.devices().as_bytes();
    let is_ours = match end + 1 < bytes.len() {
        true => directory == attributes,
        false => [b"trueno", Kind::Ublk.nodes().as_bytes(), attributes].contains(&directory),
    };
    is_ours.then(|| number_of(base))?
}

/// The number in a name that means a device of the kernel's zram: `zramN`, `/dev/zramN`.
#[must_use]
pub fn kernel_number_in(name: &OsStr) -> Option<u32> {
    match split(name) {
        Some((b"/dev", base)) => number_of(base),
        Some(_) => None,
        None => number_of(name),
    }
}

/// Directory and base name.
fn split(name: &OsStr) -> Option<(&[u8], &OsStr)> {
    let bytes = name.as_bytes();
    let slash = bytes.iter().rposition(|&byte| byte == b'/')?;
    let (directory, base) = bytes.split_at(slash);
    Some((directory, OsStr::from_bytes(base.get(1..)?)))
}

/// Why a device of trueno-ublk does not take a `disksize`, where that is not as with the kernel's zram.
#[must_use]
pub fn why_not_made(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        // What was written is wrong, or came too late.
        Errno::EINVAL | Errno::EBUSY => return None,
        Errno::ENOMEM => {
            "there is not enough memory for its page table and buffers, or it has more than 8 TiB"
        }
        Errno::EEXIST => "the number is taken by another ublk device",
        _ => {
            "the process that would serve it has failed; the service's log says why (journalctl -u \
             trueno-ublk, or /run/trueno-ublk/log)"
        }
    })
}

/// The node of the block device whose attributes are in `directory`, without the root: nothing
/// before `disksize` is set.
pub(super) fn block_node(directory: &Path) -> Option<OsString> {
    if !directory.join(DEV).exists() {
        return None;
    }
    let id: u32 = fs::read_to_string(directory.join(UBLK_ID)).ok()?.trim_end().parse().ok()?;
    Some(OsString::from(format!("/dev/ublkb{id}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_our_devices() {
        for (name, ours, kernel) in [
            ("trueno/zram3", Some(3), None),
            ("/dev/trueno/zram3", Some(3), None),
            ("/run/trueno/zram12", Some(12), None),
            ("/run/trueno/zram12/", Some(12), None),
            ("/run/trueno/zram12//", Some(12), None),
            ("/run/trueno/zram12/disksize", None, None),
            ("/run/trueno/", None, None),
            ("/dev/trueno/zram3/", None, None),
            ("zram3", None, Some(3)),
            ("/dev/zram3", None, Some(3)),
            ("/dev/ublkb3", None, None),
            ("trueno/zram03", None, None),
            ("trueno/zram3/", None, None),
            ("trueno/zram-control", None, None),
            ("/trueno/zram3", None, None),
            ("/sys/block/zram3", None, None),
            ("", None, None),
            ("/", None, None),
        ] {
            let name = OsStr::new(name);
            assert_eq!((number_in(name), kernel_number_in(name)), (ours, kernel), "{name:?}");
        }
    }
}
