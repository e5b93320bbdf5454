//! What a device is used for: `/proc/swaps` and `/proc/mounts`.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;

use super::device::Device;
use super::error::{Action, Error, Result};
use super::root::Root;

/// One active swap area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swap {
    /// The file or device.
    pub path: OsString,
    /// Size in bytes.
    pub size: u64,
    /// Bytes in use.
    pub used: u64,
    /// Priority; below zero where the kernel chose it.
    pub priority: i32,
}

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// What is mounted (`/dev/zram0`).
    pub source: OsString,
    /// Where.
    pub target: OsString,
}

/// Swap areas and mounts of the system, read once.
#[derive(Debug, Default)]
pub struct Usage {
    swaps: Vec<Swap>,
    mounts: Vec<Mount>,
}

impl Usage {
    /// Reads both files. A kernel without swap has no `/proc/swaps`, which is no failure.
    ///
    /// # Errors
    /// Whatever reading says.
    pub fn read(root: &Root) -> Result<Self> {
        let read = |path: &str| match fs::read(root.join(path)) {
            Ok(text) => Ok(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(Error::new(Action::Read, path, error)),
        };
        let swaps = read("/proc/swaps")?;
        let mounts = read("/proc/mounts")?;
        Ok(Usage {
            swaps: lines(&swaps).skip(1).filter_map(parse_swap).collect(),
            mounts: lines(&mounts).filter_map(parse_mount).collect(),
        })
    }

    /// The swap area on `device`, if it is one.
    #[must_use]
    pub fn swap(&self, device: &Device) -> Option<&Swap> {
        self.swaps.iter().find(|swap| is_node(device, &swap.path))
    }

    /// Where `device` is mounted: the first place that still shows it.
    #[must_use]
    pub fn mount(&self, device: &Device) -> Option<&Mount> {
        self.mounts(device).find(|mount| {
            // Something else may have been mounted over it since.
            let shows_it = |number| {
                fs::metadata(device.root().join(&mount.target)).is_ok_and(|dir| dir.dev() == number)
            };
            device.number().is_none_or(shows_it)
        })
    }

    /// All mounts of `device`, also those that something else hides, and those of file systems
    /// that give their files a device number of their own (btrfs).
    pub fn mounts(&self, device: &Device) -> impl Iterator<Item = &Mount> {
        self.mounts.iter().filter(|mount| {
            mount.source.as_bytes().starts_with(b"/") && is_node(device, &mount.source)
        })
    }
}

/// Whether `path` is the node of `device`, or another node of the same device.
pub(super) fn is_node(device: &Device, path: &OsStr) -> bool {
    device.is_called(path)
        || device.number().is_some_and(|number| {
            fs::metadata(device.root().join(path)).is_ok_and(|node| node.rdev() == number)
        })
}

fn lines(text: &[u8]) -> impl Iterator<Item = Vec<OsString>> {
    text.split(|&byte| byte == b'\n').map(|line| {
        let fields = line.split(|byte| matches!(byte, b' ' | b'\t'));
        fields.filter(|field| !field.is_empty()).map(unescape).collect()
    })
}

fn parse_swap(fields: Vec<OsString>) -> Option<Swap> {
    let mut fields = fields.into_iter();
    let path = fields.next()?;
    let mut number = fields.skip(1).map(|field| field.to_str()?.parse::<i64>().ok());
    let mut kib = || u64::try_from(number.next()??).ok()?.checked_mul(1024);
    let (size, used) = (kib()?, kib()?);
    Some(Swap { path, size, used, priority: i32::try_from(number.next()??).ok()? })
}

fn parse_mount(fields: Vec<OsString>) -> Option<Mount> {
    let mut fields = fields.into_iter();
    Some(Mount { source: fields.next()?, target: fields.next()? })
}

/// Undoes the octal escapes that the kernel puts for blanks, newlines and backslashes.
fn unescape(field: &[u8]) -> OsString {
    let mut text = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        let octal = match tail {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] if byte == b'\\' => {
                Some((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'))
            }
            _ => None,
        };
        if octal.is_some() {
            rest = tail.get(3..).unwrap_or_default();
        }
        text.push(octal.unwrap_or(byte));
    }
    OsString::from_vec(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swaps() {
        let text = b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n\
            /dev/zram0                              partition\t65532\t\t12\t\t-2\n\
            /swap\\040file\\040(deleted)               file\t\t4\t\t0\t\t100\n\nrubbish\n";
        let swaps: Vec<_> = lines(text).skip(1).filter_map(parse_swap).collect();
        assert_eq!(swaps.len(), 2);
        let zram = &swaps[0];
        assert_eq!((zram.size, zram.used, zram.priority), (65532 << 10, 12 << 10, -2));
        assert_eq!(swaps[1].path, "/swap file (deleted)");
    }

    #[test]
    fn mounts() {
        let text = b"/dev/zram0 /mnt/a\\040b\\134c ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\nx\n";
        let mounts: Vec<_> = lines(text).filter_map(parse_mount).collect();
        assert_eq!(mounts[0].target, "/mnt/a b\\c");
        assert_eq!(mounts.len(), 2);
    }

    #[test]
    fn escapes_that_are_none_stay() {
        for text in ["a\\", "a\\04", "a\\08x", "a\\777"] {
            assert_eq!(unescape(text.as_bytes()), text);
        }
    }
}
