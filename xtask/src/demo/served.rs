//! `trueno-ublk` on show: a device, files on it, and its server killed in the middle.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::data::Files;
use super::machine;
use crate::workspace::Workspace;
use crate::{process, tools};

/// Little enough for an emulated machine.
const DATA_LIMIT_BYTES: u64 = 16 << 20;
const SERVICE_LOCK: &str = "/run/trueno-ublk/lock";

/// Whether this kernel can have devices that a process serves.
pub(super) fn is_offered() -> bool {
    let control = Path::new("/dev/ublk-control");
    if !control.exists() && tools::is_root() {
        let mut modprobe = Command::new("modprobe");
        // Whether it worked is seen by the node.
        modprobe.args(["--quiet", "ublk_drv"]).env("PATH", tools::extend_path()).status().ok();
    }
    control.exists()
}

/// The demonstration.
pub(super) fn show(workspace: &Workspace, ublk: &Path, zramctl: &Path) -> anyhow::Result<()> {
    let mut served = Served { ublk, device: None, directory: None, service: service(), step: 0 };

    served.explain("Ask for a device of 256 MiB that a process serves, with a codec of our own.");
    let node = served.call(ublk, &["create", "--size", "256M", "--algorithm", "wm"])?;
    let node = PathBuf::from(node.trim());
    served.device = Some(node.clone());

    served.explain("Make an ext4 file system on it, mount it, and copy real files to it.");
    machine::shell_step("mkfs.ext4", &["-q", "-m", "0"], &node)?;
    let directory = served.mount(&node)?;
    let files = Files::read(&[workspace.path("."), "/usr/share/doc".into()], DATA_LIMIT_BYTES)?;
    files.write_under(&directory)?;
    machine::sync(&directory)?;
    println!("  {} files, {} bytes", files.count(), files.bytes());

    served.explain("What it holds: the same table, and the same attribute files as the kernel's.");
    served.call(zramctl, &[])?;
    let attributes = attributes()?;
    println!("  $ cat {}", attributes.join("mm_stat").display());
    println!("  {}", fs::read_to_string(attributes.join("mm_stat"))?.trim_end());

    served.explain("Kill the process that serves it, and compare every file with what was copied.");
    let worker = fs::read_to_string(attributes.join("trueno/worker_pid"))?.trim().parse()?;
    let pid = Pid::from_raw(worker).context("no process serves the device")?;
    println!("  $ kill -9 {worker}");
    kill_process(pid, Signal::KILL)?;
    machine::drop_caches()?;
    files.compare_under(&directory)?;
    println!("  {} files are the same, byte for byte", files.count());
    let successor: i32 =
        fs::read_to_string(attributes.join("trueno/worker_pid"))?.trim().parse()?;
    ensure!(successor != worker, "process {worker} was killed and still serves");
    println!("  process {successor} serves now");

    served.explain("It is mounted, so it cannot be taken away; unmounted, it can.");
    let name = node.display().to_string();
    println!("  $ trueno-ublk reset {name}");
    let refusal = Command::new(ublk).args(["reset", &name]).output()?;
    ensure!(!refusal.status.success(), "a mounted device was reset");
    print!("  {}", String::from_utf8_lossy(&refusal.stderr));
    served.unmount()?;
    served.call(ublk, &["verify", &name])?;
    served.call(ublk, &["reset", &name])?;
    served.device = None;
    ensure!(!node.exists(), "{name} is still there");
    println!("  {name} does not exist any more");
    Ok(())
}

/// The process that runs the service, if it runs.
fn service() -> Option<Pid> {
    Pid::from_raw(fs::read_to_string(SERVICE_LOCK).ok()?.trim().parse().ok()?)
}

/// The directory of the only device, or the last one.
fn attributes() -> anyhow::Result<PathBuf> {
    let mut names: Vec<_> = fs::read_dir("/run/trueno")?.flatten().map(|e| e.path()).collect();
    names.retain(|path| path.join("disksize").exists());
    names.sort();
    names.pop().context("/run/trueno shows no device")
}

/// What is undone when the demonstration ends, whether it succeeds or not.
struct Served<'a> {
    ublk: &'a Path,
    device: Option<PathBuf>,
    directory: Option<PathBuf>,
    /// The service that ran before, which is left alone.
    service: Option<Pid>,
    step: u32,
}

impl Served<'_> {
    fn explain(&mut self, text: &str) {
        self.step += 1;
        println!("\n{}. {text}", self.step);
    }

    fn call(&self, program: &Path, args: &[&str]) -> anyhow::Result<String> {
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        println!("  $ {}", [&[&*name], args].concat().join(" "));
        let text = process::output(Command::new(program).args(args))?;
        text.lines().for_each(|line| println!("  {line}"));
        Ok(text)
    }

    fn mount(&mut self, node: &Path) -> anyhow::Result<PathBuf> {
        let directory =
            std::env::temp_dir().join(format!("trueno-demo-ublk-{}", std::process::id()));
        fs::create_dir(&directory)
            .with_context(|| format!("cannot create {}", directory.display()))?;
        self.directory = Some(directory.clone());
        machine::run("mount", &[&node.display().to_string(), &directory.display().to_string()])?;
        Ok(directory)
    }

    fn unmount(&mut self) -> anyhow::Result<()> {
        if let Some(directory) = self.directory.take() {
            machine::run("umount", &[&directory.display().to_string()])?;
            fs::remove_dir(&directory)?;
        }
        Ok(())
    }

    fn restore(&mut self) -> anyhow::Result<()> {
        self.unmount()?;
        if let Some(device) = self.device.take() {
            let name = device.display().to_string();
            process::output(Command::new(self.ublk).args(["reset", &name]))?;
        }
        if self.service.is_none()
            && let Some(started) = service()
        {
            kill_process(started, Signal::TERM).context("the service that was started here")?;
        }
        Ok(())
    }
}

impl Drop for Served<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.restore() {
            eprintln!("xtask: could not put the machine back: {error:#}");
        }
    }
}
