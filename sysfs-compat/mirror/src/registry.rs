//! The devices, each with what its writers and what its readers see.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::SystemTime;

use sysfs_compat::abi::Errno;
use sysfs_compat::abi::control;
use sysfs_compat::abi::device::Device;

use crate::kept::Kept;

/// A device in its place.
#[derive(Debug)]
pub(crate) struct Slot<B> {
    /// The N of zramN.
    pub(crate) number: u32,
    /// No other device of this mirror has or will have it.
    pub(crate) serial: u64,
    /// Since when it is here.
    pub(crate) made: SystemTime,
    pub(crate) kept: Kept,
    /// For writers, one at a time, for as long as it takes.
    device: Mutex<Device<B>>,
    /// For readers: as the last writer left it. Locked for no longer than copying a pointer takes.
    shown: RwLock<Arc<Device<B>>>,
    is_gone: AtomicBool,
}

impl<B: Clone> Slot<B> {
    /// The device as its last writer left it; at once.
    pub(crate) fn shown(&self) -> Arc<Device<B>> {
        Arc::clone(&self.shown.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets `change` have the device for itself, and shows its readers the outcome. Waits for those
    /// who came before.
    ///
    /// # Errors
    /// `ENODEV` when it has been removed meanwhile.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut Device<B>) -> R) -> Result<R, Errno> {
        let mut device = self.device.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_gone() {
            return Err(Errno::ENODEV);
        }
        let result = change(&mut device);
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(device.clone());
        Ok(result)
    }
}

impl<B> Slot<B> {
    /// Whether the device has been removed; files of it may still be open.
    pub(crate) fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Acquire)
    }

    /// From now on nobody finds the device. To be called while one has it to change.
    pub(crate) fn retire(&self) {
        self.is_gone.store(true, Ordering::Release);
    }
}

/// All of them, by number.
#[derive(Debug)]
pub(crate) struct Registry<B> {
    /// `None` while the device of that number is being made.
    slots: RwLock<BTreeMap<u32, Option<Arc<Slot<B>>>>>,
    next_serial: AtomicU64,
}

impl<B: Clone> Registry<B> {
    pub(crate) fn new(devices: BTreeMap<u32, Device<B>>) -> Self {
        // Serial number 0 is what nodes without a device have.
        let registry = Registry { slots: RwLock::default(), next_serial: AtomicU64::new(1) };
        for (number, device) in devices {
            registry.fill(number, device);
        }
        registry
    }

    /// Those that are there, in the order of their numbers.
    pub(crate) fn all(&self) -> Vec<Arc<Slot<B>>> {
        let slots = self.read();
        slots.values().flatten().filter(|slot| !slot.is_gone()).cloned().collect()
    }

    pub(crate) fn by_number(&self, number: u32) -> Option<Arc<Slot<B>>> {
        let slot = self.read().get(&number).cloned().flatten();
        slot.filter(|slot| !slot.is_gone())
    }

    pub(crate) fn by_serial(&self, serial: u64) -> Option<Arc<Slot<B>>> {
        let slots = self.read();
        let mut there = slots.values().flatten().filter(|slot| !slot.is_gone());
        there.find(|slot| slot.serial == serial).cloned()
    }

    /// Takes the lowest free number, for a device that is about to be made.
    pub(crate) fn reserve(&self) -> u32 {
        let mut slots = self.write();
        let number = control::lowest_free(slots.keys().copied());
        slots.insert(number, None);
        number
    }

    /// Puts a device where a number is reserved.
    pub(crate) fn fill(&self, number: u32, device: Device<B>) {
        let slot = Slot {
            number,
            serial: self.next_serial.fetch_add(1, Ordering::Relaxed),
            made: SystemTime::now(),
            kept: Kept::default(),
            shown: RwLock::new(Arc::new(device.clone())),
            device: Mutex::new(device),
            is_gone: AtomicBool::new(false),
        };
        self.write().insert(number, Some(Arc::new(slot)));
    }

    /// Gives a number back.
    pub(crate) fn free(&self, number: u32) {
        self.write().remove(&number);
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<u32, Option<Arc<Slot<B>>>>> {
        self.slots.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<u32, Option<Arc<Slot<B>>>>> {
        self.slots.write().unwrap_or_else(PoisonError::into_inner)
    }
}
