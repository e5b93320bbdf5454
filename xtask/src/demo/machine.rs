//! The machine that the demonstration runs on: what it changes there, and how that is undone.
//!
//! Undoing goes through sysfs and not through the program on show, which may be what failed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::{process, tools};

const BLOCK_DEVICES: &str = "/sys/block";
const HOT_ADD: &str = "/sys/class/zram-control/hot_add";
const HOT_REMOVE: &str = "/sys/class/zram-control/hot_remove";

/// Undoes, when dropped, what the demonstration did.
pub(super) struct Machine {
    devices_before: BTreeSet<String>,
    /// The kernel's name of our device, `zram1`.
    device: Option<String>,
    directory: Option<PathBuf>,
    mounted: bool,
}

impl Machine {
    pub(super) fn observe() -> anyhow::Result<Self> {
        let devices_before = zram_devices()?;
        Ok(Self { devices_before, device: None, directory: None, mounted: false })
    }

    /// Takes responsibility for `device`, which the program on show says it set up.
    pub(super) fn adopt(&mut self, device: &Path) -> anyhow::Result<()> {
        let name = kernel_name(device)?;
        let size = disk_size(&name)?;
        ensure!(size > 0, "{} was not set up: its disksize is 0", device.display());
        println!("  {} has a disksize of {size} bytes", device.display());
        self.device = Some(name);
        Ok(())
    }

    /// Mounts `device` on a new directory.
    pub(super) fn mount(&mut self, device: &Path) -> anyhow::Result<PathBuf> {
        let directory = match &self.directory {
            Some(directory) => directory.clone(),
            None => {
                let name = format!("trueno-demo-{}", std::process::id());
                let directory = std::env::temp_dir().join(name);
                fs::create_dir(&directory)
                    .with_context(|| format!("cannot create {}", directory.display()))?;
                self.directory.insert(directory).clone()
            }
        };
        let target = directory.display().to_string();
        run("mount", &[&device.display().to_string(), &target])?;
        self.mounted = true;
        Ok(directory)
    }

    pub(super) fn unmount(&mut self) -> anyhow::Result<()> {
        if let (true, Some(directory)) = (self.mounted, &self.directory) {
            run("umount", &[&directory.display().to_string()])?;
            self.mounted = false;
        }
        Ok(())
    }

    /// Fails if `device` is still set up.
    pub(super) fn confirm_gone(&self, device: &Path) -> anyhow::Result<()> {
        let name = kernel_name(device)?;
        if Path::new(BLOCK_DEVICES).join(&name).exists() {
            let size = disk_size(&name)?;
            ensure!(size == 0, "{} still has a disksize of {size} bytes", device.display());
            println!("  {} has a disksize of 0", device.display());
        } else {
            println!("  {} does not exist any more", device.display());
        }
        Ok(())
    }

    /// Puts everything back; may be called again.
    pub(super) fn restore(&mut self) -> anyhow::Result<()> {
        self.unmount()?;
        if let Some(directory) = self.directory.take() {
            fs::remove_dir(&directory)
                .with_context(|| format!("cannot remove {}", directory.display()))?;
        }
        if let Some(name) = self.device.take() {
            let device = Path::new(BLOCK_DEVICES).join(&name);
            if device.exists() && disk_size(&name)? > 0 {
                write_attribute(&device.join("reset"), "1")?;
            }
            if device.exists() && !self.devices_before.contains(&name) {
                let number = name.strip_prefix("zram").unwrap_or(&name);
                write_attribute(Path::new(HOT_REMOVE), number)?;
            }
        }
        // A reset by zramctl also removes the device, which may have been there, unused, before.
        // The kernel gives new devices the lowest free number, so this brings the same ones back.
        for _ in self.devices_before.difference(&zram_devices()?) {
            fs::read_to_string(HOT_ADD).context(HOT_ADD)?;
        }
        let after = zram_devices()?;
        ensure!(
            after == self.devices_before,
            "the zram devices are {after:?} and were {:?}",
            self.devices_before
        );
        Ok(())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Err(error) = self.restore() {
            eprintln!("xtask: could not put the machine back: {error:#}");
        }
    }
}

/// Whether zram is known to offer `algorithm`: only an existing device tells.
pub(super) fn offers_algorithm(algorithm: &str) -> bool {
    let devices = zram_devices().unwrap_or_default();
    let lists = devices.iter().map(|name| attribute(name, "comp_algorithm").unwrap_or_default());
    lists
        .into_iter()
        .any(|list| list.split_whitespace().any(|name| name.trim_matches(['[', ']']) == algorithm))
}

/// One sentence on memory, from `mm_stat`.
pub(super) fn memory_of(device: &Path) -> anyhow::Result<String> {
    let text = attribute(&kernel_name(device)?, "mm_stat")?;
    let mut columns = text.split_whitespace().map(str::parse::<u64>);
    let mut next = || columns.next()?.ok();
    let (Some(original), Some(compressed), Some(used)) = (next(), next(), next()) else {
        anyhow::bail!("mm_stat of {} is not three numbers: {text}", device.display());
    };
    ensure!(used > 0, "{} uses no memory although files were written", device.display());
    let hundredths = original.saturating_mul(100) / used;
    Ok(format!(
        "{original} bytes of pages became {compressed}, in {used} bytes of memory: {}.{:02} to 1",
        hundredths / 100,
        hundredths % 100
    ))
}

/// Runs `program args device` and shows the call.
pub(super) fn shell_step(program: &str, args: &[&str], device: &Path) -> anyhow::Result<()> {
    let device = device.display().to_string();
    run(program, &[args, &[device.as_str()]].concat())
}

pub(super) fn sync(mountpoint: &Path) -> anyhow::Result<()> {
    run("sync", &["--file-system", &mountpoint.display().to_string()])
}

/// Has everything read from the devices again.
pub(super) fn drop_caches() -> anyhow::Result<()> {
    fs::write("/proc/sys/vm/drop_caches", "3").context("cannot drop caches")
}

pub(super) fn run(program: &str, args: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new(program);
    command.args(args).env("PATH", tools::extend_path());
    println!("  $ {}", process::shown(&command));
    process::run(&mut command)
}

fn zram_devices() -> anyhow::Result<BTreeSet<String>> {
    let entries = fs::read_dir(BLOCK_DEVICES).context(BLOCK_DEVICES)?;
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    Ok(names.filter(|name| name.starts_with("zram")).collect())
}

/// `zram1` of `/dev/zram1`.
fn kernel_name(device: &Path) -> anyhow::Result<String> {
    let name = device.strip_prefix("/dev").ok().and_then(Path::to_str);
    let is_zram = |name: &&str| {
        let number = name.strip_prefix("zram").unwrap_or_default();
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    };
    let name = name.filter(is_zram);
    Ok(name.with_context(|| format!("not a zram device: {}", device.display()))?.to_owned())
}

fn disk_size(name: &str) -> anyhow::Result<u64> {
    let text = attribute(name, "disksize")?;
    text.trim().parse().with_context(|| format!("disksize of {name} is not a number: {text}"))
}

fn attribute(name: &str, attribute: &str) -> anyhow::Result<String> {
    let path = Path::new(BLOCK_DEVICES).join(name).join(attribute);
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

fn write_attribute(path: &Path, value: &str) -> anyhow::Result<()> {
    fs::write(path, value).with_context(|| format!("cannot write {value} to {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_zram_devices_are_adopted() {
        assert_eq!(kernel_name(Path::new("/dev/zram12")).unwrap(), "zram12");
        for path in ["/dev/zram", "/dev/sda1", "/dev/zram1/../sda", "zram1", "", "/dev/zram1x"] {
            assert!(kernel_name(Path::new(path)).is_err(), "{path}");
        }
    }
}
