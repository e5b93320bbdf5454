//! The devices and their rules, without a file system in sight.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use sysfs_compat::abi::attr::Mode;
use sysfs_compat::abi::device::{Device, taken};
use sysfs_compat::abi::number::c_string;
use sysfs_compat::abi::{Errno, control};

use crate::block;
use crate::kept::Kept;
use crate::mount::{self, MountError, Mounted};
use crate::node::Entry;
use crate::provider::{OwnAttribute, Piece, Provider};
use crate::registry::{Registry, Slot};

/// The devices of a [`Provider`], and what can be done with them through files.
pub struct Mirror<P: Provider> {
    pub(crate) provider: P,
    pub(crate) registry: Registry<P::Backend>,
    /// Names of the block devices' files that have been looked up.
    pub(crate) names: block::Names,
    /// Changed attributes of what belongs to no device.
    pub(crate) kept: Kept,
    pub(crate) made: SystemTime,
}

impl<P: Provider> Mirror<P> {
    /// A mirror of devices that exist already, by number.
    #[must_use]
    pub fn new(provider: P, devices: BTreeMap<u32, Device<P::Backend>>) -> Self {
        Mirror {
            provider,
            registry: Registry::new(devices),
            names: block::Names::default(),
            kept: Kept::default(),
            made: SystemTime::now(),
        }
    }

    /// Who serves the devices.
    pub fn provider(&self) -> &P {
        &self.provider
    }

    /// The numbers of the devices, ascending.
    #[must_use]
    pub fn numbers(&self) -> Vec<u32> {
        self.registry.all().iter().map(|slot| slot.number).collect()
    }

    /// A device as its readers see it: as the last write left it, while the next one is at work.
    #[must_use]
    pub fn device(&self, number: u32) -> Option<Arc<Device<P::Backend>>> {
        self.registry.by_number(number).map(|slot| slot.shown())
    }

    /// Changes a device otherwise than by a write to a file. Waits for the write that is at work.
    ///
    /// # Errors
    /// `ENODEV` when there is no such device.
    pub fn change<R>(
        &self,
        number: u32,
        change: impl FnOnce(&mut Device<P::Backend>) -> R,
    ) -> Result<R, Errno> {
        self.registry.by_number(number).ok_or(Errno::ENODEV)?.change(change)
    }

    /// What a read of `hot_add` does: makes a device under the lowest free number. Nobody waits for
    /// it but the caller. A number of which the provider says `EEXIST` is not tried again: what goes
    /// by it is none of the mirror's.
    ///
    /// # Errors
    /// Those of [`Provider::add`].
    pub fn hot_add(&self) -> Result<u32, Errno> {
        loop {
            let number = self.registry.reserve();
            match self.provider.add(number) {
                Ok(device) => {
                    self.registry.fill(number, device);
                    return Ok(number);
                }
                Err(Errno::EEXIST) => {}
                Err(errno) => {
                    self.registry.free(number);
                    return Err(errno);
                }
            }
        }
    }

    /// What a write to `hot_remove` does: removes the device of that number, if nobody has it open.
    /// Waits for a write to the device that is at work.
    ///
    /// # Errors
    /// `EINVAL`, `ERANGE`, `ENODEV`, `EBUSY`: see [`control::named`] and [`control::remove`].
    pub fn hot_remove(&self, text: &[u8]) -> Result<(), Errno> {
        let slot = self.registry.by_number(control::named(text)?).ok_or(Errno::ENODEV)?;
        slot.change(|device| control::remove(device).inspect(|()| slot.retire()))??;
        // The number stays taken until the provider has forgotten whose it was.
        self.provider.remove(slot.number);
        self.registry.free(slot.number);
        Ok(())
    }

    /// Shows the devices as files below the directory `at`, which is made if it is missing. A mount
    /// that a killed mirror has left there is detached first.
    ///
    /// # Errors
    /// See [`MountError`]; nothing has changed then, but that a left mount is gone.
    pub fn mount(self: Arc<Self>, at: &Path) -> Result<Mounted, MountError> {
        mount::mount(self, at)
    }

    /// The text of a file, from a cursor on.
    pub(crate) fn show(
        &self,
        slot: &Slot<P::Backend>,
        entry: Entry,
        cursor: u64,
    ) -> Result<Piece, Errno> {
        if slot.is_gone() {
            return Err(Errno::ENODEV);
        }
        if !self.mode_of(entry)?.reads() {
            return Err(Errno::EIO);
        }
        let device = slot.shown();
        match entry {
            Entry::Attribute(attr) => Ok(Piece { text: device.show(attr)?, next: None }),
            Entry::Own(index) => {
                let name = self.own(index)?.name;
                self.provider.show_own_from(slot.number, &device, name, cursor)
            }
            _ => Err(Errno::EISDIR),
        }
    }

    /// One write(2) to a file. Returns how many bytes it took.
    pub(crate) fn store(
        &self,
        slot: &Slot<P::Backend>,
        entry: Entry,
        buffer: &[u8],
    ) -> Result<usize, Errno> {
        let taken = taken(buffer);
        if taken.is_empty() {
            return Ok(0);
        }
        if !self.mode_of(entry)?.writes() {
            return Err(if slot.is_gone() { Errno::ENODEV } else { Errno::EIO });
        }
        let text = c_string(taken);
        slot.change(|device| {
            let file = match entry {
                Entry::Attribute(attr) => {
                    device.store(attr, taken)?;
                    attr.name().to_owned()
                }
                Entry::Own(index) => {
                    let name = self.own(index)?.name;
                    self.provider.store_own(slot.number, device, name, text)?;
                    format!("trueno/{name}")
                }
                _ => return Err(Errno::EISDIR),
            };
            self.provider.accepted(slot.number, &file, text, device);
            Ok(taken.len())
        })?
    }

    /// The directions that an attribute has.
    fn mode_of(&self, entry: Entry) -> Result<Mode, Errno> {
        match entry {
            Entry::Attribute(attr) => Ok(attr.info().mode),
            Entry::Own(index) => self.own(index).map(|own| own.mode),
            _ => Err(Errno::EISDIR),
        }
    }

    /// The provider's own attribute of that index.
    pub(crate) fn own(&self, index: u16) -> Result<&'static OwnAttribute, Errno> {
        self.provider.own().get(usize::from(index)).ok_or(Errno::ENOENT)
    }
}

impl<P: Provider> fmt::Debug for Mirror<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mirror").field("numbers", &self.numbers()).finish_non_exhaustive()
    }
}
