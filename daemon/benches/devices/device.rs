//! Devices made for the benchmark. None is taken away: the machine ends with it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::mount::{MountFlags, mount};
use sysfs_compat::client::{Device, Kind, Root, control};

use crate::Result;

/// What has to be there, if it is not built in.
const MODULES: [&[&str]; 3] = [&["zram", "num_devices=0"], &["ublk_drv"], &["fuse"]];

pub(crate) fn load_modules() -> Result {
    for module in MODULES {
        let status = Command::new("modprobe").args(module).status()?;
        if !status.success() {
            return Err(format!("modprobe {}: {status}", module.join(" ")).into());
        }
    }
    Ok(())
}

/// A zram device of either kind, made through its attribute files.
pub(crate) fn make(
    kind: Kind,
    algorithm: &str,
    recovery: Option<&str>,
    size: u64,
) -> Result<Device> {
    let root = Root::new("/");
    let device = control::hot_add(&root, kind)?;
    device.write("comp_algorithm", algorithm.as_bytes())?;
    if let Some(recovery) = recovery {
        device.write("trueno/recovery", recovery.as_bytes())?;
    }
    device.write("disksize", size.to_string().as_bytes())?;
    // Now it has a node.
    let device = device.again()?;
    let node = device.node_path();
    fs::metadata(&node).map_err(|error| format!("{}: {error}", node.display()))?;
    Ok(device)
}

/// A device served by a worker that was started directly: the only way to a worker that keeps nothing,
/// or uses fewer instructions than it could.
pub(crate) struct Worker {
    pub(crate) node: PathBuf,
    pub(crate) pid: u32,
}

impl Worker {
    pub(crate) fn start(
        program: &Path,
        name: &str,
        settings: &str,
        simd: Option<&str>,
        arguments: &[&str],
    ) -> Result<Self> {
        let directory = Path::new("/run/trueno-bench").join(name);
        fs::create_dir_all(&directory)?;
        mount("none", &directory, "tmpfs", MountFlags::empty(), Some(c"noswap,size=90%"))?;
        fs::write(directory.join("settings"), settings)?;
        let mut command = Command::new(program);
        command
            .args(["worker", "--create", "--ready", "1", "--directory"])
            .arg(&directory)
            .args(arguments);
        if let Some(simd) = simd {
            command.env("TRUENO_SIMD", simd);
        }
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut told = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut told)?;
        }
        let id = told.trim_end().strip_prefix("ready id=");
        let id = id.ok_or_else(|| format!("the worker for {name} does not start: {told:?}"))?;
        Ok(Self { node: format!("/dev/ublkb{id}").into(), pid: child.id() })
    }
}
