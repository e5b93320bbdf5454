//! What this machine must have. Each lack is one clear line.

use std::fmt;
use std::fs;
use std::io;
use std::process::{Command, Stdio};

use anyhow::{Context as _, anyhow, ensure};
use sysfs_compat::abi::{PAGE_SIZE, Version};
use sysfs_compat::client::Root;

use crate::log::say;
use crate::paths::Paths;
use crate::ublk::control::{self, ControlDevice};

/// The oldest kernel that is tested.
const OLDEST: Version = Version(6, 12);

/// Why devices can never be served here: to try again is of no use.
#[derive(Debug)]
pub(crate) struct Unfit(anyhow::Error);

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

impl std::error::Error for Unfit {}

/// Checks everything that serving devices needs.
///
/// # Errors
///
/// [`Unfit`]; another one where it may come to work.
pub(crate) fn check(paths: &Paths) -> anyhow::Result<()> {
    let version = kernel_version(paths.root())?;
    if !rustix::process::geteuid().is_root() {
        return Err(Unfit(anyhow!("serving block devices takes root")).into());
    }
    suits(rustix::param::page_size() as u64, version).map_err(Unfit)?;
    present(paths, "/dev/ublk-control", "ublk_drv", "ublk driver (CONFIG_BLK_DEV_UBLK)")?;
    present(paths, "/dev/fuse", "fuse", "FUSE (CONFIG_FUSE_FS)")?;
    // It says itself what the driver lacks.
    let features = ControlDevice::open(paths.root()).and_then(|mut control| control.features());
    match features {
        Ok(_) => Ok(()),
        Err(error @ (control::Error::NoDriver { .. } | control::Error::TooOld { .. })) => {
            Err(Unfit(error.into()).into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Refuses kernels with other pages than the store's, and kernels that are too old.
fn suits(page_size: u64, version: Version) -> anyhow::Result<()> {
    ensure!(
        page_size == PAGE_SIZE,
        "this kernel has pages of {page_size} bytes; trueno-ublk works with {PAGE_SIZE} only"
    );
    ensure!(version >= OLDEST, "Linux {version} is too old: trueno-ublk needs {OLDEST} or later");
    Ok(())
}

/// Whether what is mounted here is gone with the processes that see it.
fn is_apart(root: &Root) -> bool {
    let namespace = |process| fs::read_link(root.join(format!("/proc/{process}/ns/mnt")));
    match (namespace("1"), namespace("self")) {
        (Ok(first), Ok(own)) => first != own,
        _ => false,
    }
}

/// Says what is not as it should be, though it works.
pub(super) fn warn(paths: &Paths) {
    if is_apart(paths.root()) {
        say(
            "warning: this is not the mount namespace of process 1: what is stored on devices is lost \
             when the last process of this one ends",
        );
    }
}

/// Makes sure that a device node is there, with the help of its module if need be.
///
/// # Errors
///
/// [`Unfit`]; another one where modprobe is there and could not be started, for want of memory perhaps.
fn present(paths: &Paths, node: &str, module: &str, what: &str) -> anyhow::Result<()> {
    let is_there = || paths.root().join(node).exists();
    if is_there() {
        return Ok(());
    }
    let loaded = Command::new("modprobe").arg(module).stdin(Stdio::null()).output();
    if is_there() {
        return Ok(());
    }
    let why = match loaded {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("{node} is missing: modprobe {module}"));
        }
        Ok(output) if output.status.success() => {
            anyhow!("{node} is missing although module {module} is loaded")
        }
        _ => anyhow!("this kernel has no {what}: {node} is missing and modprobe {module} failed"),
    };
    Err(Unfit(why).into())
}

/// The kernel that runs.
pub(crate) fn kernel_version(root: &Root) -> anyhow::Result<Version> {
    let release = fs::read_to_string(root.join("/proc/sys/kernel/osrelease"));
    let release = release.context("cannot tell the kernel's version")?;
    Version::parse(&release).with_context(|| format!("a kernel version of another form: {release}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_kernel_must_have() {
        let refusal = |page_size, version| {
            let refused = suits(page_size, version).expect_err("it does not suit");
            refused.to_string()
        };
        assert!(suits(4096, OLDEST).is_ok() && suits(4096, Version(7, 2)).is_ok());
        assert_eq!(
            refusal(65536, Version(7, 2)),
            "this kernel has pages of 65536 bytes; trueno-ublk works with 4096 only"
        );
        assert_eq!(
            refusal(4096, Version(6, 11)),
            "Linux 6.11 is too old: trueno-ublk needs 6.12 or later"
        );
    }
}
