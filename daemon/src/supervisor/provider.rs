//! What the mirror asks of us.

use std::path::PathBuf;

use sysfs_compat::abi::device::Device;
use sysfs_compat::abi::{Errno, Kernel};
use trueno_zram_mirror::{OwnAttribute, Piece, Provider};

use super::arena_mount::{self, Swapping};
use super::own;
use super::served::Served;
use crate::directory::Settings;
use crate::log::say;
use crate::paths::Paths;

/// Our devices.
#[derive(Debug)]
pub(crate) struct Devices {
    pub(crate) paths: Paths,
    pub(crate) kernel: Kernel,
}

impl Devices {
    fn make(&self, number: u32) -> anyhow::Result<Served> {
        let directory = self.paths.device(number);
        if arena_mount::make(&directory)? == Swapping::Possible {
            say(format_args!(
                "zram{number}: this kernel cannot keep a tmpfs out of swap (noswap, Linux 6.4); do not \
                 use the device for swap"
            ));
        }
        let served = Served::new(&self.paths, number, Settings::new(0));
        served.keep()?;
        Ok(served)
    }
}

impl Provider for Devices {
    type Backend = Served;

    fn add(&self, number: u32) -> Result<Device<Served>, Errno> {
        let served = self.make(number).map_err(|error| {
            say(format_args!("{error:#}"));
            error.downcast_ref::<std::io::Error>().map_or(Errno::EIO, Errno::from)
        })?;
        Ok(Device::new(self.kernel.clone(), served))
    }

    fn remove(&self, number: u32) {
        let directory = self.paths.device(number);
        if let Err(error) = arena_mount::remove(&directory) {
            say(format_args!("cannot remove {}: {error}", directory.display()));
        }
    }

    fn accepted(&self, number: u32, file: &str, _: &[u8], device: &Device<Served>) {
        if let Err(error) = device.backend().accept(file, device.setup()) {
            say(format_args!("zram{number}: cannot keep its settings: {error:#}"));
        }
    }

    fn own(&self) -> &'static [OwnAttribute] {
        own::FILES
    }

    fn show_own(&self, _: u32, device: &Device<Served>, name: &str) -> Result<Vec<u8>, Errno> {
        own::show(device.backend(), name)
    }

    fn show_own_from(
        &self,
        number: u32,
        device: &Device<Served>,
        name: &str,
        cursor: u64,
    ) -> Result<Piece, Errno> {
        if name != own::BLOCK_STATE.name {
            return Ok(Piece { text: self.show_own(number, device, name)?, next: None });
        }
        // As the kernel answers for a device without pages.
        let (text, next) = device.backend().block_state(cursor).ok_or(Errno::EINVAL)?;
        Ok(Piece { text: text.into_bytes(), next })
    }

    fn store_own(
        &self,
        _: u32,
        device: &mut Device<Served>,
        name: &str,
        text: &[u8],
    ) -> Result<(), Errno> {
        if device.is_initialised() {
            return Err(Errno::EBUSY);
        }
        own::store(&mut device.backend().settings(), name, text)
    }

    fn block_directory(&self, _: u32, device: &Device<Served>) -> Option<PathBuf> {
        device.backend().id().map(|id| self.paths.block_directory(id))
    }
}
