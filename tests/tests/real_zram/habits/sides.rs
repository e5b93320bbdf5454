//! A device of the kernel's, and a mirror of the same devices.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use sysfs_compat::abi::device::Device;
use sysfs_compat::abi::memory::Memory;
use sysfs_compat::abi::{Errno, Kernel};
use trueno_tests::kernel;
use trueno_tests::scratch::Scratch;
use trueno_tests::zram::{self, CONTROL, RealDevice};
use trueno_zram_mirror::{Mirror, Mounted, OwnAttribute, Provider};

/// Where the links in `/sys/block` lead to.
const DEVICES: &str = "/sys/devices/virtual/block";

type Pages = Arc<Mutex<Memory>>;

/// Keeps devices in memory; they behave like the running kernel's.
#[derive(Debug)]
pub(super) struct Keeper(Kernel);

impl Keeper {
    fn device(&self) -> Device<Pages> {
        let memory = Memory::new(self.0.clone(), BTreeMap::new());
        Device::new(self.0.clone(), Arc::new(Mutex::new(memory)))
    }
}

impl Provider for Keeper {
    type Backend = Pages;

    fn add(&self, _: u32) -> Result<Device<Pages>, Errno> {
        Ok(self.device())
    }

    fn remove(&self, _: u32) {}

    fn accepted(&self, _: u32, _: &str, _: &[u8], _: &Device<Pages>) {}

    fn own(&self) -> &'static [OwnAttribute] {
        &[]
    }

    fn show_own(&self, _: u32, _: &Device<Pages>, _: &str) -> Result<Vec<u8>, Errno> {
        Err(Errno::ENOENT)
    }

    fn store_own(&self, _: u32, _: &mut Device<Pages>, _: &str, _: &[u8]) -> Result<(), Errno> {
        Err(Errno::ENOENT)
    }

    fn block_directory(&self, _: u32, _: &Device<Pages>) -> Option<PathBuf> {
        None
    }
}

/// Files to do something to.
#[derive(Debug)]
pub(super) struct Side {
    /// Where `zramN` is.
    devices: PathBuf,
    /// Where `hot_add` and `hot_remove` are.
    control: PathBuf,
    /// A device that is not set up.
    pub(super) number: u32,
}

impl Side {
    pub(super) fn directory(&self) -> PathBuf {
        self.devices.join(format!("zram{}", self.number))
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        match name {
            "hot_add" | "hot_remove" => self.control.join(name),
            _ => self.directory().join(name),
        }
    }

    /// A file of another device.
    pub(super) fn file_of(&self, number: u32, name: &str) -> PathBuf {
        self.devices.join(format!("zram{number}")).join(name)
    }

    pub(super) fn control(&self) -> &Path {
        &self.control
    }

    /// The numbers of all devices, ascending.
    pub(super) fn numbers(&self) -> Vec<u32> {
        let entries = fs::read_dir(&self.devices).into_iter().flatten().map_while(Result::ok);
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut numbers: Vec<u32> =
            names.filter_map(|name| name.strip_prefix("zram")?.parse().ok()).collect();
        numbers.sort_unstable();
        numbers
    }

    /// One fresh read of `hot_add`.
    pub(super) fn add(&self) -> io::Result<u32> {
        let text = fs::read_to_string(self.file("hot_add"))?;
        text.trim_end().parse().map_err(io::Error::other)
    }
}

/// Both. The fields are dropped in this order.
#[derive(Debug)]
pub(super) struct Sides {
    pub(super) kernel: Side,
    pub(super) mirror: Side,
    _mounted: Mounted,
    _scratch: Scratch,
    _device: RealDevice,
}

impl Sides {
    pub(super) fn new() -> io::Result<Self> {
        let keeper = Keeper(kernel::probe()?);
        let device = RealDevice::add()?;
        let number = device.number();
        // The mirror gives out the same numbers as the kernel, because the same are taken.
        let devices = zram::numbers()?.into_iter().map(|number| (number, keeper.device()));
        let devices: BTreeMap<_, _> = devices.collect();
        let mirror = Arc::new(Mirror::new(keeper, devices));
        let scratch = Scratch::new("habits")?;
        let at = scratch.path().join("run");
        let mounted = mirror.mount(&at).map_err(io::Error::other)?;
        Ok(Sides {
            kernel: Side { devices: DEVICES.into(), control: CONTROL.into(), number },
            mirror: Side { control: at.join("zram-control"), devices: at, number },
            _mounted: mounted,
            _scratch: scratch,
            _device: device,
        })
    }
}
