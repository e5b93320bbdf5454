//! Where a device's attributes and its node are: kernel zram and ours differ in nothing else.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use sysfs_compat::client::holders::{holders, lasting};
use sysfs_compat::client::{Device, Root, patience};

use crate::args::Name;
use crate::values::Backend;

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
        let directory = match self.name.backend {
            Backend::Kernel => "/sys/block",
            Backend::Ublk => "/run/trueno",
        };
        self.root.join(directory).join(format!("zram{}", self.name.number))
    }

    /// Its node, without the root.
    pub(crate) fn node(&self) -> String {
        format!("/dev/{}", self.name)
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
        let node = self.node();
        let result = match (self.name.backend, self.block_device()) {
            (Backend::Kernel, Some(device)) => {
                patience::reset(&device).map_err(|error| error.source)
            }
            (_, device) => self.reset_patiently(device.as_ref()),
        };
        result.with_context(|| match self.holders() {
            holders if holders.is_empty() => format!("cannot reset {node}"),
            holders => format!("cannot reset {node}: {}", holders.join(", ")),
        })
    }

    fn reset_patiently(&self, device: Option<&Device>) -> io::Result<()> {
        let deadline = Instant::now() + patience::LONGEST_WAIT;
        loop {
            match self.write("reset", "1") {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                    let is_held = device.is_some_and(|device| !lasting(device).is_empty());
                    if is_held || Instant::now() >= deadline {
                        return Err(error);
                    }
                    sleep(PAUSE);
                }
                result => return result,
            }
        }
    }

    /// Whether it is swapped on, mounted, or below another device.
    pub(crate) fn is_in_use(&self) -> bool {
        self.block_device().is_some_and(|device| !lasting(&device).is_empty())
    }

    /// Who keeps it busy, in words.
    pub(crate) fn holders(&self) -> Vec<String> {
        let device = self.block_device();
        device.iter().flat_map(holders).map(|holder| holder.to_string()).collect()
    }

    fn block_device(&self) -> Option<Device> {
        Device::find(&self.root, self.node().as_ref()).ok()
    }

    /// Waits for the node of a device that was just set up.
    pub(crate) fn wait_for_node(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + LONGEST_WAIT;
        while !self.node_path().exists() {
            if Instant::now() >= deadline {
                anyhow::bail!("{} is set up, but has no node", self.name);
            }
            sleep(PAUSE);
        }
        Ok(())
    }

    /// Makes devices until there is this one: each gets the lowest free number.
    pub(crate) fn add(&self) -> anyhow::Result<()> {
        let path = self.root.join(match self.name.backend {
            Backend::Kernel => "/sys/class/zram-control/hot_add",
            Backend::Ublk => "/run/trueno/zram-control/hot_add",
        });
        let failed = || format!("cannot make {} by reading {}", self.name, path.display());
        // No device has a higher number than it has devices before it.
        for _ in 0..=self.name.number {
            let number = read_number(&path).with_context(failed)?;
            if number >= self.name.number || self.exists() {
                return Ok(());
            }
        }
        Err(anyhow::anyhow!("no number is as high")).with_context(failed)
    }
}

/// One read(2): every fresh read of `hot_add` makes a device.
fn read_number(path: &std::path::Path) -> io::Result<u32> {
    let mut text = [0; 16];
    let count = fs::File::open(path)?.read(&mut text)?;
    let text = std::str::from_utf8(text.get(..count).unwrap_or_default());
    text.ok().and_then(|text| text.trim_end().parse().ok()).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, "it is not the number of a device")
    })
}
