//! `--setup-device` and `--reset-device`: what the services do that the units require.

use std::fs;
use std::io;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use sysfs_compat::abi::algorithm::{CompAlgorithm, RecompAlgorithm};
use sysfs_compat::abi::{Errno, PAGE_SIZE};
use sysfs_compat::client::control::Purpose;
use sysfs_compat::client::{Kind, Root, control};

use crate::args::Name;
use crate::device::Device;
use crate::log::Log;
use crate::notes::{Level, printable};
use crate::place::Place;
use crate::prepare;

/// Where systemd's helper is; the second for systems with an unmerged /usr.
const MAKEFS: [&str; 2] = ["/usr/lib/systemd/systemd-makefs", "/lib/systemd/systemd-makefs"];

/// Sets a device up and makes on it what it is for. A device that is in use already as configured
/// is left as it is; one that nobody uses is reset first.
///
/// # Errors
/// What could not be done. The device is then reset, so that the next try starts afresh.
pub(crate) fn setup(root: &Root, device: &Device, log: &Log) -> anyhow::Result<()> {
    let place = Place::new(root, Name { backend: device.backend, number: device.number });
    if !place.exists() && device.backend == Kind::Kernel {
        prepare::module(root, log);
    }
    // Without a size it looks free to whoever looks for a free device, and of two who make devices until
    // there is the one they want, one makes too many. Boot does not fail for want of the lock: what is in
    // the way, if anything is, the next steps say.
    let mut lock = control::lock(root, device.backend, Purpose::Take).unwrap_or_else(|error| {
        if error.errno() == Errno::ETIMEDOUT {
            let text = format!("{}: set up without waiting any longer: {error}", place.name);
            log.say(Level::Warning, &text);
        }
        None
    });
    let was_there = place.exists();
    if !was_there {
        place.add()?;
    }
    let setup = Setup { place: &place, device, log };
    match place.is_initialised() {
        true if place.is_in_use() => return setup.adopt(),
        true => place.reset()?,
        // Clears what an earlier try may have left, for which nobody has to be waited for.
        false => place.write("reset", "1").unwrap_or_default(),
    }
    if was_there && device.backend == Kind::Ublk {
        place.renew()?;
    }
    let result = setup.configure().and_then(|()| {
        // It has its size. What fails before is reset, below, before anybody else gets to it.
        drop(lock.take());
        place.wait_for_node()?;
        make(root, &device.fs_type, &place)
    });
    if result.is_err() {
        // Why it failed is what matters; whether this does too, the next try will tell.
        place.write("reset", "1").ok();
    }
    result
}

/// Frees a device and all that is in it.
///
/// # Errors
/// When there is no such device, or somebody keeps it busy; the error names them.
pub(crate) fn reset(root: &Root, name: Name) -> anyhow::Result<()> {
    let place = Place::new(root, name);
    if !place.exists() {
        bail!("there is no device {name}: {} is missing", place.directory().display());
    }
    place.reset()
}

struct Setup<'a> {
    place: &'a Place,
    device: &'a Device,
    log: &'a Log,
}

impl Setup<'_> {
    /// Everything in the one order that the kernel accepts: what shapes the device, its size, which
    /// makes it, and what can be asked of a device that is made.
    fn configure(&self) -> anyhow::Result<()> {
        let device = self.device;
        if device.backend == Kind::Ublk {
            if device.fs_type == "swap" && self.place.read("trueno/noswap").trim() != "1" {
                bail!(
                    "{}: this kernel cannot keep its memory out of swap (noswap, Linux 6.4), so swap \
                     on it could wait for itself",
                    self.place.name
                );
            }
            self.ublk();
        }
        for (priority, (name, parameters)) in device.algorithms.named.iter().enumerate() {
            self.algorithm(priority, name, parameters)?;
        }
        if let Some(path) = &device.writeback_device {
            if self.place.has("backing_dev") {
                self.write("backing_dev", path)?;
            } else {
                let text = format!("writeback-device = {path}: this kernel has no write-back");
                self.warn(&text);
            }
        }
        self.write("mem_limit", &device.mem_limit.to_string())?;
        self.write("disksize", &device.disksize.to_string())?;
        if !device.algorithms.recompress.is_empty() {
            self.try_to_write("recompress", &device.algorithms.recompress);
        }
        Ok(())
    }

    /// What only our devices have.
    fn ublk(&self) {
        let ublk = &self.device.ublk;
        for (attribute, value) in [
            ("trueno/queues", ublk.queues.map(|number| number.to_string())),
            ("trueno/depth", ublk.depth.map(|number| number.to_string())),
            ("trueno/recovery", ublk.recovery.clone()),
        ] {
            if let Some(value) = value {
                self.try_to_write(attribute, &value);
            }
        }
    }

    /// Chooses an algorithm for a priority (0 is the primary one), then its parameters.
    fn algorithm(&self, priority: usize, name: &str, parameters: &str) -> anyhow::Result<()> {
        let (attribute, value) = match priority {
            0 => ("comp_algorithm", name.to_owned()),
            _ => ("recomp_algorithm", format!("algo={name} priority={priority}")),
        };
        match self.place.write(attribute, &value) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                self.warn(&format!(
                    "compression-algorithm: {name} is refused as number {priority} (0 is the \
                     primary one); this kernel has: {}",
                    CompAlgorithm::parse(&self.place.read("comp_algorithm")).names.join(", ")
                ));
                return Ok(());
            }
            Err(_) if priority > 0 && !self.place.has(attribute) => {
                self.warn(&format!("{name}: this kernel has no recompression"));
                return Ok(());
            }
            Err(error) => return Err(error).with_context(|| self.failure(attribute, &value)),
        }
        if !parameters.trim().is_empty() {
            // By number: of an algorithm that is chosen twice, a name means the first.
            self.try_to_write("algorithm_params", &format!("priority={priority} {parameters}"));
        }
        Ok(())
    }

    fn write(&self, attribute: &str, value: &str) -> anyhow::Result<()> {
        self.place.write(attribute, value).with_context(|| self.failure(attribute, value))
    }

    /// Without this the device works too.
    fn try_to_write(&self, attribute: &str, value: &str) {
        if let Err(error) = self.place.write(attribute, value) {
            self.warn(&format!("{}: {error}", self.failure(attribute, value)));
        }
    }

    fn warn(&self, text: &str) {
        self.log.say(Level::Warning, &format!("{}: {text}", self.place.name));
    }

    fn failure(&self, attribute: &str, value: &str) -> String {
        let path = self.place.directory().join(attribute);
        format!("cannot write '{}' to {}", printable(value), path.display())
    }

    /// Takes over a device that is in use. What can be changed on it is.
    fn adopt(&self) -> anyhow::Result<()> {
        let node = self.place.node();
        if !self.matches() {
            let holders = self.place.holders().join(", ");
            bail!("{node} is set up differently, and cannot be reset: {holders}");
        }
        self.log.say(Level::Info, &format!("{node} is in use as configured already"));
        self.write("mem_limit", &self.device.mem_limit.to_string())
    }

    /// Whether the device that is there is the one that is wanted. What this kernel does not have
    /// would not be set on a new one either.
    fn matches(&self) -> bool {
        let device = self.device;
        let number = |attribute| self.place.read(attribute).trim().parse::<u64>().ok();
        let chosen = CompAlgorithm::parse(&self.place.read("comp_algorithm"));
        let recompression = RecompAlgorithm::parse(&self.place.read("recomp_algorithm"));
        let is_chosen = |(priority, (name, _)): (usize, &(String, String))| match priority {
            _ if !chosen.names.contains(name) => true,
            0 => chosen.selected.as_ref() == Some(name),
            _ => {
                let mut lines = recompression.lines.iter();
                let line = lines.find(|(line, _)| u32::try_from(priority) == Ok(*line));
                line.is_some_and(|(_, names)| names.selected.as_ref() == Some(name))
                    || !self.place.has("recomp_algorithm")
            }
        };
        // The kernel rounds up to whole pages.
        let disksize = device.disksize.checked_next_multiple_of(PAGE_SIZE);
        let backing = self.place.read("backing_dev");
        number("disksize") == disksize
            && device.algorithms.named.iter().enumerate().all(is_chosen)
            && device
                .writeback_device
                .as_ref()
                .is_none_or(|path| is_same(path, backing.trim()) || !self.place.has("backing_dev"))
    }
}

/// Whether two paths mean the same node.
fn is_same(path: &str, other: &str) -> bool {
    path == other || fs::canonicalize(path).is_ok_and(|path| path == std::path::Path::new(other))
}

/// Makes a swap area or a file system, with the program that systemd has for it.
fn make(root: &Root, fs_type: &str, place: &Place) -> anyhow::Result<()> {
    let program = MAKEFS.map(|path| root.join(path)).into_iter().find(|path| path.exists());
    let program = program.with_context(|| format!("there is no {}", MAKEFS.join(" or ")))?;
    let mut command = Command::new(&program);
    command.arg(fs_type).arg(place.node_path()).stdin(Stdio::null());
    let status = command.status().with_context(|| format!("cannot run {}", program.display()))?;
    if !status.success() {
        bail!("{} {fs_type} {}: {status}", program.display(), place.node());
    }
    Ok(())
}
