//! Swap areas: writing the signature, switching on and off.

#![expect(
    unsafe_code,
    reason = "swapon(2) and swapoff(2) have no safe wrapper in any crate we use"
)]

use std::ffi::CString;
use std::fs::OpenOptions;
use std::io;
use std::ops::RangeInclusive;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;

use super::device::Device;
use super::error::{Action, Error, Result};
use super::kind::Kind;
use crate::abi::Errno;

/// The fewest pages mkswap makes a swap area of, and the most that a signature can tell.
const PAGES: RangeInclusive<u64> = 10..=1 << 32;

/// Where in the first page what is found: `union swap_header` in `linux/swap.h`, version 1.
mod header {
    pub(super) const VERSION: usize = 1024;
    pub(super) const LAST_PAGE: usize = 1028;
    pub(super) const UUID: usize = 1036;
    /// At the very end of the page, however large that is.
    pub(super) const MAGIC: &[u8; 10] = b"SWAPSPACE2";
}

/// Flags of swapon(2), from `linux/swap.h`.
mod flag {
    pub(super) const PREFER: i32 = 0x8000;
    pub(super) const DISCARD: i32 = 0x1_0000;
}

/// Highest priority that swapon(2) takes (`SWAP_FLAG_PRIO_MASK`).
pub const HIGHEST_PRIORITY: u16 = 0x7fff;

/// Refuses a device of trueno-ublk whose memory the kernel may swap out, because its tmpfs has no
/// `noswap` (before Linux 6.4): swap on it could wait for itself.
///
/// # Errors
/// `EOPNOTSUPP` then, and whatever reading `trueno/noswap` says.
pub fn check(device: &Device) -> Result<()> {
    if device.kind() == Some(Kind::Ublk) && device.read("trueno/noswap")?.trim_end() != "1" {
        return Err(Error::errno_of(Action::Call("swapon"), device.node(), Errno::EOPNOTSUPP));
    }
    Ok(())
}

/// How many bytes a swap area has at least and at most, with the pages of this machine: 40 KiB and
/// 16 TiB where they have 4 KiB.
#[must_use]
pub fn bounds() -> RangeInclusive<u64> {
    let page_size = rustix::param::page_size() as u64;
    PAGES.start() * page_size..=PAGES.end() * page_size
}

/// Writes a swap signature onto `device`, which holds `bytes` bytes.
///
/// # Errors
/// `EINVAL` when the device is smaller or larger than [`bounds`] says, and whatever open(2) and
/// write(2) say.
pub fn make(device: &Device, bytes: u64) -> Result<()> {
    let failed =
        |error| Error::new(Action::Call("writing a swap signature to"), device.node(), error);
    let mut uuid = [0; 16];
    rustix::rand::getrandom(&mut uuid, rustix::rand::GetRandomFlags::empty())
        .map_err(|errno| failed(errno.into()))?;
    let page = signature(rustix::param::page_size(), bytes, uuid);
    let page = page.ok_or_else(|| failed(Errno::EINVAL.into()))?;
    // Exclusively, so that a device somebody has mounted meanwhile is left alone.
    let exclusive = rustix::fs::OFlags::EXCL.bits().cast_signed();
    let mut options = OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, exclusive);
    let node = options.write(true).open(device.node_path()).map_err(failed)?;
    node.write_all_at(&page, 0).and_then(|()| node.sync_all()).map_err(failed)
}

/// The first page of a swap area of so many bytes, on a machine with pages of that size; nothing if a
/// swap area cannot have as many pages.
fn signature(page_size: usize, bytes: u64, mut uuid: [u8; 16]) -> Option<Vec<u8>> {
    let pages = bytes.checked_div(page_size as u64).filter(|pages| PAGES.contains(pages))?;
    let last_page = u32::try_from(pages - 1).ok()?;
    // RFC 9562: version 4, variant 1.
    uuid[6] = uuid[6] & 0x0f | 0x40;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    let mut page = vec![0; page_size];
    for (at, bytes) in [
        (header::VERSION, &1u32.to_ne_bytes()[..]),
        (header::LAST_PAGE, &last_page.to_ne_bytes()),
        (header::UUID, &uuid),
        (page_size.checked_sub(header::MAGIC.len())?, header::MAGIC),
    ] {
        for (to, from) in page.iter_mut().skip(at).zip(bytes) {
            *to = *from;
        }
    }
    Some(page)
}

/// Switches swap on, with discards, which give memory back as soon as a page is no longer needed.
///
/// # Errors
/// Whatever swapon(2) says: `EPERM`, `EINVAL` (no signature), `EBUSY`.
pub fn on(device: &Device, priority: Option<u16>) -> Result<()> {
    let path = node(device, "swapon")?;
    let mut flags = flag::DISCARD;
    if let Some(priority) = priority {
        flags |= flag::PREFER | i32::from(priority.min(HIGHEST_PRIORITY));
    }
    // SAFETY: `path` is a NUL-terminated string that lives until the call returns; swapon(2) only
    // reads it.
    let result = unsafe { libc::swapon(path.as_ptr(), flags) };
    answer(result, device, "swapon")
}

/// Switches swap off. Takes as long as it takes to read everything back in.
///
/// # Errors
/// Whatever swapoff(2) says: `EPERM`, `EINVAL` (no swap), `ENOMEM`.
pub fn off(device: &Device) -> Result<()> {
    let path = node(device, "swapoff")?;
    // SAFETY: as in `on`.
    let result = unsafe { libc::swapoff(path.as_ptr()) };
    answer(result, device, "swapoff")
}

fn node(device: &Device, call: &'static str) -> Result<CString> {
    let failed = |errno| Error::errno_of(Action::Call(call), device.node(), errno);
    // A system call cannot be moved to another root.
    if !device.root().is_system() {
        return Err(failed(Errno::EOPNOTSUPP));
    }
    CString::new(device.node().as_bytes()).map_err(|_| failed(Errno::EINVAL))
}

fn answer(result: libc::c_int, device: &Device, call: &'static str) -> Result<()> {
    match result {
        0 => Ok(()),
        _ => Err(Error::new(Action::Call(call), device.node(), io::Error::last_os_error())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_where_the_kernel_looks() {
        for page_size in [4096, 16 << 10, 64 << 10] {
            let bytes = page_size as u64 * 0x1235 + 4095;
            let page = signature(page_size, bytes, [0xff; 16]).expect("a swap area");
            assert_eq!(page.len(), page_size);
            assert_eq!(page[..1024], [0; 1024], "room for a boot loader");
            assert_eq!(page[1024..1028], 1u32.to_ne_bytes());
            assert_eq!(page[1028..1032], 0x1234u32.to_ne_bytes());
            assert_eq!(page[1032..1036], [0; 4], "no bad pages");
            assert_eq!((page[1036 + 6], page[1036 + 8]), (0x4f, 0xbf));
            let end = page_size - 10;
            assert!(page[1052..end].iter().all(|&byte| byte == 0), "no label");
            assert_eq!(&page[end..], b"SWAPSPACE2");
        }
    }

    #[test]
    fn a_swap_area_has_10_pages_to_2_to_the_32() {
        for page_size in [4096, 16 << 10, 64 << 10] {
            let page = page_size as u64;
            let is_made = |bytes| signature(page_size, bytes, [0; 16]).is_some();
            assert_eq!([page * 10 - 1, page * 10].map(is_made), [false, true], "{page_size}");
            assert_eq!([page << 32, (page << 32) + page].map(is_made), [true, false]);
        }
        assert_eq!(signature(0, 4096, [0; 16]), None);
    }
}
