//! The memory of each device: a tmpfs of its own that is never swapped out.
//!
//! It is mounted in the namespace of whoever started us and lives until it is unmounted: what is in
//! it outlives every process of ours. `noswap` (Linux 6.4 and later, not inside a user namespace)
//! keeps pages in memory that no process has locked any more, because it was killed. Without it, swap
//! on the device could end up waiting for itself.

use std::ffi::CString;
use std::fs;
use std::io;
use std::path::Path;

use anyhow::Context as _;
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};

/// Before a device has a size there are only settings.
const SMALL: u64 = 1 << 20;

const FLAGS: MountFlags = MountFlags::NODEV.union(MountFlags::NOSUID).union(MountFlags::NOEXEC);

/// Whether the memory of a device can be swapped out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Swapping {
    /// Never.
    Never,
    /// When its process is dead: the kernel has no `noswap`.
    Possible,
}

/// Makes the directory, and mounts a tmpfs on it.
pub(crate) fn make(directory: &Path) -> anyhow::Result<Swapping> {
    fs::create_dir(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let mounted = mount_tmpfs(directory, SMALL);
    if mounted.is_err() {
        fs::remove_dir(directory).ok();
    }
    mounted.with_context(|| format!("cannot mount a tmpfs on {}", directory.display()))
}

fn mount_tmpfs(directory: &Path, bytes: u64) -> io::Result<Swapping> {
    for (noswap, swapping) in [("noswap,", Swapping::Never), ("", Swapping::Possible)] {
        let data = data(noswap, bytes)?;
        match mount("trueno", directory, "tmpfs", FLAGS, data.as_c_str()) {
            Ok(()) => return Ok(swapping),
            Err(Errno::INVAL | Errno::PERM) if swapping == Swapping::Never => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Err(Errno::INVAL.into())
}

fn data(noswap: &str, bytes: u64) -> io::Result<CString> {
    Ok(CString::new(format!("{noswap}size={bytes},mode=0700"))?)
}

/// Makes room for an arena and buffers of `bytes`, and what lies beside them.
pub(crate) fn resize(directory: &Path, bytes: u64) -> io::Result<()> {
    // Remounting keeps `noswap`, and refuses to be told of it where it was not there before.
    let data = data("", bytes.saturating_add(2 * SMALL))?;
    Ok(mount_remount(directory, FLAGS, data.as_c_str())?)
}

/// Whether something is mounted on the directory.
pub(crate) fn is_mounted(directory: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let device = |path: &Path| fs::metadata(path).map(|at| at.dev()).ok();
    directory.parent().is_some_and(|parent| device(directory) != device(parent))
}

/// Whether the tmpfs there was mounted with `noswap`.
pub(crate) fn swapping(mounts: &str, directory: &Path) -> Swapping {
    let is_noswap = mounts.lines().any(|line| {
        let mut fields = line.split(' ');
        let is_here = fields.nth(1).is_some_and(|target| Path::new(target) == directory);
        is_here && fields.nth(1).is_some_and(|options| options.split(',').any(|o| o == "noswap"))
    });
    if is_noswap { Swapping::Never } else { Swapping::Possible }
}

/// Gives everything back: the data are gone with it.
pub(crate) fn remove(directory: &Path) -> io::Result<()> {
    if is_mounted(directory) {
        // Lazily: a worker on its way out may still have its arena mapped.
        unmount(directory, UnmountFlags::DETACH)?;
    }
    fs::remove_dir(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noswap_is_read_from_the_list_of_mounts() {
        let mounts = "trueno /run/trueno-ublk/zram0 tmpfs rw,nosuid,size=2048k,noswap 0 0\n\
                      trueno /run/trueno-ublk/zram1 tmpfs rw,nosuid,size=2048k 0 0\n";
        let swapping = |path| swapping(mounts, Path::new(path));
        assert_eq!(swapping("/run/trueno-ublk/zram0"), Swapping::Never);
        assert_eq!(swapping("/run/trueno-ublk/zram1"), Swapping::Possible);
        assert_eq!(swapping("/run/trueno-ublk/zram"), Swapping::Possible);
    }
}
