//! Where things are, below an injected root.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use anyhow::Context as _;
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

    /// Makes that directory. It is nobody's but root's: who can open a file in it can lock it too, and
    /// keep the service from starting.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub(crate) fn make_devices(&self) -> anyhow::Result<PathBuf> {
        let path = self.devices();
        let made = fs::create_dir_all(&path)
            .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o700)));
        made.with_context(|| format!("cannot make {}", path.display()))?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn the_devices_are_nobodys_but_roots() {
        let root = Scratch::new("paths");
        let paths = Paths::new(Root::new(&*root));
        fs::create_dir_all(paths.devices()).expect("by somebody else");
        let mode = |path: PathBuf| fs::metadata(path).expect("made").permissions().mode() & 0o777;
        assert_eq!(mode(paths.make_devices().expect("made")), 0o700);
    }
}
