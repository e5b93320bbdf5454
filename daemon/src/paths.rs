//! Where things are, below an injected root.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::fs::{Mode, OFlags};
use rustix::process::geteuid;
use sysfs_compat::client::Root;

/// The mirror: attribute files, as sysfs has them for the kernel's zram.
pub(crate) const MIRROR: &str = "/run/trueno";
/// A directory for each device, with its arena; see `directory.rs`.
pub(crate) const DEVICES: &str = "/run/trueno-ublk";
/// Links to the block devices by the numbers of the mirror.
const LINKS: &str = "/dev/trueno";

/// Where things are.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    root: Root,
}

impl Paths {
    pub(crate) fn new(root: Root) -> Self {
        Self { root }
    }

    pub(crate) fn root(&self) -> &Root {
        &self.root
    }

    pub(crate) fn mirror(&self) -> PathBuf {
        self.root.join(MIRROR)
    }

    pub(crate) fn devices(&self) -> PathBuf {
        self.root.join(DEVICES)
    }

    /// Makes that directory, if it is not there. It is nobody's but root's: who can open a file in it
    /// can lock it too, and keep the service from starting.
    ///
    /// # Errors
    ///
    /// What the operating system says; that something else is in its place.
    pub(crate) fn make_devices(&self) -> anyhow::Result<PathBuf> {
        let path = self.devices();
        make_private(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(path)
    }

    /// The directory of device `number`.
    pub(crate) fn device(&self, number: u32) -> PathBuf {
        self.devices().join(format!("zram{number}"))
    }

    pub(crate) fn links(&self) -> PathBuf {
        self.root.join(LINKS)
    }

    pub(crate) fn link(&self, number: u32) -> PathBuf {
        self.links().join(format!("zram{number}"))
    }

    /// The node of the kernel's device `id`.
    pub(crate) fn node(&self, id: u32) -> PathBuf {
        self.root.join(format!("/dev/ublkb{id}"))
    }

    /// The sysfs directory of the kernel's device `id`.
    pub(crate) fn block_directory(&self, id: u32) -> PathBuf {
        self.root.join(format!("/sys/block/ublkb{id}"))
    }
}

/// A directory of our own, that others cannot look into. Not those above it.
fn make_private(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    // What was there may be a link to what is another's.
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = rustix::fs::open(path, flags, Mode::empty())?;
    if rustix::fs::fstat(&directory)?.st_uid != geteuid().as_raw() {
        return Err(io::Error::other("another user's directory is in its place"));
    }
    Ok(rustix::fs::fchmod(&directory, Mode::RWXU)?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn the_devices_are_nobodys_but_roots() {
        let root = Scratch::new("paths");
        let paths = Paths::new(Root::new(&*root));
        assert!(paths.make_devices().is_err(), "nothing above it is made");
        fs::create_dir_all(paths.devices()).expect("by somebody else");
        let mode = |path: &Path| fs::metadata(path).expect("made").permissions().mode() & 0o777;
        assert_eq!(mode(&paths.make_devices().expect("made")), 0o700);
        // Somebody has made a link of that name before us.
        let other = root.join("other");
        fs::rename(paths.devices(), &other).expect("moved");
        fs::set_permissions(&other, fs::Permissions::from_mode(0o755)).expect("changed");
        symlink(&other, paths.devices()).expect("made");
        assert!(paths.make_devices().is_err());
        assert_eq!(mode(&other), 0o755, "it is left alone");
    }

    #[test]
    fn a_directory_of_another_user_is_not_taken_for_ours() {
        let root = Scratch::new("others");
        let paths = Paths::new(Root::new(&*root));
        fs::create_dir_all(paths.devices()).expect("made");
        if std::os::unix::fs::chown(paths.devices(), Some(65534), None).is_err() {
            return; // Only root can give things away.
        }
        let error = paths.make_devices().expect_err("is another's");
        assert!(format!("{error:#}").contains("another user's"), "{error:#}");
    }
}
