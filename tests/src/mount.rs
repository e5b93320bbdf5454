//! File systems, swap areas and mappings that are taken away when they go out of scope.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::check::{Outcome, tool};
use crate::scratch::Scratch;

/// A mounted file system, in a directory of its own.
#[derive(Debug)]
pub struct Mount {
    target: PathBuf,
    is_mounted: bool,
    // Last: it can be removed once nothing is mounted there.
    _scratch: Scratch,
}

impl Mount {
    /// Mounts the file system on `node`.
    ///
    /// # Errors
    /// Those of mount(8).
    pub fn new(node: &Path) -> Outcome<Self> {
        let scratch = Scratch::new("mount")?;
        let target = scratch.path().to_owned();
        tool("mount", &[&node.to_string_lossy(), &target.to_string_lossy()])?;
        Ok(Mount { target, is_mounted: true, _scratch: scratch })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.target
    }

    /// Unmounts it.
    ///
    /// # Errors
    /// Those of umount(8).
    pub fn unmount(mut self) -> Outcome {
        tool("umount", &[&self.target.to_string_lossy()])?;
        self.is_mounted = false;
        Ok(())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if self.is_mounted {
            drop(Command::new("umount").arg(&self.target).status());
        }
    }
}

/// An active swap area.
#[derive(Debug)]
pub struct Swap(PathBuf);

impl Swap {
    /// Makes one of all of `node`, and has the kernel use it.
    ///
    /// # Errors
    /// Those of mkswap(8) and swapon(8).
    pub fn on(node: &Path) -> Outcome<Self> {
        tool("mkswap", &[&node.to_string_lossy()])?;
        tool("swapon", &["--discard=pages", &node.to_string_lossy()])?;
        Ok(Swap(node.to_owned()))
    }

    /// Takes charge of one that the program under test has made.
    #[must_use]
    pub fn adopt(node: &Path) -> Self {
        Swap(node.to_owned())
    }

    /// Whether the kernel uses `node`.
    #[must_use]
    pub fn is_on(node: &Path) -> bool {
        let swaps = fs::read_to_string("/proc/swaps").unwrap_or_default();
        let node = node.to_string_lossy();
        swaps.lines().any(|line| line.split_whitespace().next() == Some(&node))
    }
}

impl Drop for Swap {
    fn drop(&mut self) {
        if Swap::is_on(&self.0) {
            drop(Command::new("swapoff").arg(&self.0).status());
        }
    }
}

/// A device-mapper device with the whole of another below it.
#[derive(Debug)]
pub struct Mapping {
    name: String,
    node: PathBuf,
}

impl Mapping {
    /// Maps the first `sectors` of `node`.
    ///
    /// # Errors
    /// Those of dmsetup(8).
    pub fn over(node: &Path, sectors: u64) -> Outcome<Self> {
        let name = format!("trueno-{}", std::process::id());
        let table = format!("0 {sectors} linear {} 0", node.display());
        tool("dmsetup", &["create", &name, "--noudevrules", "--noudevsync", "--table", &table])?;
        let mut mapping = Mapping { name, node: PathBuf::new() };
        // Where udev runs not, only this name leads to it.
        let info = ["info", "--columns", "--noheadings", "-o", "blkdevname", &mapping.name];
        mapping.node = Path::new("/dev").join(tool("dmsetup", &info)?.trim_end());
        Ok(mapping)
    }

    /// The block device on top.
    #[must_use]
    pub fn node(&self) -> &Path {
        &self.node
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let mut dmsetup = Command::new("dmsetup");
        drop(dmsetup.args(["remove", "--noudevrules", "--noudevsync", &self.name]).status());
    }
}
