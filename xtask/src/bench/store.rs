//! `cargo xtask bench store`: the page store beside the kernel's zram, on devices made for it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::Context as _;
use sysfs_compat::client::{Device, Kind, Root, control, patience};

use crate::process;
use crate::workspace::Workspace;

/// What both devices have room for: the benchmark's pages.
const SIZE: u64 = 256 << 20;

/// Runs the benchmark of `trueno-zram-store` with `options`, beside a zram device and a loop device
/// of its own where they can be made, which takes root.
pub(crate) fn run(workspace: &Workspace, options: &[OsString]) -> anyhow::Result<ExitCode> {
    let mut command = workspace.cargo(["bench", "--quiet", "-p", "trueno-zram-store"]);
    command.args(["--bench", "store", "--"]);
    let zram = Zram::make();
    match &zram {
        Ok(Zram(device)) => {
            command.arg("--zram").arg(device.node_path());
        }
        Err(error) => eprintln!("bench: nothing of the kernel's to compare with: {error:#}"),
    }
    let memory = Loop::make();
    match &memory {
        Ok(memory) => {
            command.arg("--loop").arg(&memory.device);
        }
        Err(error) => eprintln!("bench: no loop device: {error:#}"),
    }
    process::run(command.args(options))?;
    Ok(ExitCode::SUCCESS)
}

/// A zram device, removed in the end whatever happens.
struct Zram(Device);

impl Zram {
    fn make() -> anyhow::Result<Self> {
        let device = control::hot_add(&Root::new("/"), Kind::Kernel)
            .context("needs root and the zram module")?;
        let zram = Self(device);
        zram.0.write("comp_algorithm", b"lz4")?;
        zram.0.write("disksize", SIZE.to_string().as_bytes())?;
        Ok(zram)
    }
}

impl Drop for Zram {
    fn drop(&mut self) {
        let Some(number) = self.0.zram_number() else { return };
        // What io_uring has open is closed some time after its process has ended.
        if let Err(error) = patience::hot_remove(&self.0, number) {
            eprintln!("bench: zram{number} stays behind: {error}: {}", error.errno());
        }
    }
}

/// A loop device over a file in memory.
struct Loop {
    file: PathBuf,
    device: String,
}

impl Loop {
    fn make() -> anyhow::Result<Self> {
        let file = PathBuf::from(format!("/dev/shm/trueno-bench-{}", std::process::id()));
        let mut memory = Self { file, device: String::new() };
        File::create_new(&memory.file)?.set_len(SIZE)?;
        let mut losetup = Command::new("losetup");
        losetup.args(["--find", "--show", "--direct-io=on"]).arg(&memory.file);
        memory.device = process::output(&mut losetup)?.trim_end().to_owned();
        Ok(memory)
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let detach = || process::run(Command::new("losetup").arg("--detach").arg(&self.device));
        let detached = if self.device.is_empty() { Ok(()) } else { detach() };
        if let Err(error) = detached.and_then(|()| Ok(fs::remove_file(&self.file)?)) {
            eprintln!("bench: {error:#}");
        }
    }
}
