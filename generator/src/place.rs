//! Where a device's attributes and its node are: kernel zram and ours differ in nothing else, and
//! `sysfs_compat::client` knows in what.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use sysfs_compat::client::holders::{holders, lasting};
use sysfs_compat::client::{self, Device, Root, control, patience};

use crate::args::Name;

/// How long a node may take to appear once the device is set up.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(25);

/// A device by its name, whether or not there is one.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) name: Name,
    root: Root,
}

impl Place {
    pub(crate) fn new(root: &Root, name: Name) -> Self {
        Place { name, root: root.clone() }
    }

    /// The directory of its attributes, below the root.
    pub(crate) fn directory(&self) -> PathBuf {
        self.root.join(self.name.backend.directory(self.name.number))
    }

    /// Its node, without the root.
    pub(crate) fn node(&self) -> String {
        self.name.backend.node(self.name.number)
    }

    /// Its node below the root.
    pub(crate) fn node_path(&self) -> PathBuf {
        self.root.join(self.node())
    }

    pub(crate) fn exists(&self) -> bool {
        self.directory().is_dir()
    }

    pub(crate) fn has(&self, attribute: &str) -> bool {
        self.directory().join(attribute).exists()
    }

    /// An attribute's text. What cannot be read has none.
    pub(crate) fn read(&self, attribute: &str) -> String {
        fs::read_to_string(self.directory().join(attribute)).unwrap_or_default()
    }

    /// Writes an attribute: one open(2) without side effects, one write(2), as sysfs wants it.
    pub(crate) fn write(&self, attribute: &str, value: &str) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).open(self.directory().join(attribute))?;
        match file.write(value.as_bytes())? {
            count if count == value.len() => Ok(()),
            _ => Err(io::Error::other("the value is too long")),
        }
    }

    pub(crate) fn is_initialised(&self) -> bool {
        self.read("disksize").trim().parse().is_ok_and(|size: u64| size > 0)
    }

    /// Resets the device. While somebody looks at it, which udev does with everything new, it is
    /// tried again for some seconds.
    pub(crate) fn reset(&self) -> anyhow::Result<()> {
        let result = self.device().and_then(|device| patience::reset(&device));
        result.map_err(|error| error.source).with_context(|| match self.holders() {
            holders if holders.is_empty() => format!("cannot reset {}", self.node()),
            holders => format!("cannot reset {}: {}", self.node(), holders.join(", ")),
        })
    }

    /// Whether it is swapped on, mounted, or below another device.
    pub(crate) fn is_in_use(&self) -> bool {
        self.device().is_ok_and(|device| !lasting(&device).is_empty())
    }

    /// Who keeps it busy, in words.
    pub(crate) fn holders(&self) -> Vec<String> {
        let device = self.device();
        device.iter().flat_map(holders).map(|holder| holder.to_string()).collect()
    }

    fn device(&self) -> client::Result<Device> {
        Device::numbered(&self.root, self.name.backend, self.name.number)
    }

    /// Waits for the node of a device that was just set up.
    pub(crate) fn wait_for_node(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + LONGEST_WAIT;
        while !self.node_path().exists() {
            if Instant::now() >= deadline {
                bail!("{} is set up, but has no node", self.name);
            }
            sleep(PAUSE);
        }
        Ok(())
    }

    /// Makes a device anew that was reset: one of trueno-ublk's keeps its own settings over a reset, and
    /// they may be those of an earlier configuration.
    pub(crate) fn renew(&self) -> anyhow::Result<()> {
        // One that cannot be removed serves too.
        control::hot_remove(&self.root, self.name.backend, self.name.number).ok();
        if self.exists() { Ok(()) } else { self.add() }
    }

    /// Makes devices until there is this one: each gets the lowest free number.
    pub(crate) fn add(&self) -> anyhow::Result<()> {
        let Name { backend: kind, number } = self.name;
        let failed = || format!("cannot make {}", self.name);
        // No device has a higher number than it has devices before it.
        for _ in 0..=number {
            let made = control::hot_add(&self.root, kind).with_context(failed)?;
            if made.zram_number() >= Some(number) || self.exists() {
                return Ok(());
            }
        }
        Err(anyhow::anyhow!("{}/hot_add gives no number that is as high", kind.control()))
            .with_context(failed)
    }
}
