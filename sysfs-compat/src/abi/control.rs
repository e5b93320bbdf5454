//! `/sys/class/zram-control`: which devices there are, making and removing them.
//!
//! [`lowest_free`], [`named`] and [`remove`] are the rules; [`Control`] applies them to devices that
//! are all at hand, one call after the other.

use std::collections::BTreeMap;

use super::attr::Refusal;
use super::device::{Backend, Device, taken};
use super::errno::Errno;
use super::number::{Base, kstrtoint};

/// How a write to `hot_remove` can fail.
pub const HOT_REMOVE_REFUSALS: &[Refusal] = &[
    Refusal { errno: Errno::EINVAL, since: None, why: "not a number, or a negative one" },
    Refusal { errno: Errno::ERANGE, since: None, why: "a number that needs more than 32 bits" },
    Refusal { errno: Errno::ENODEV, since: None, why: "no such device" },
    Refusal { errno: Errno::EBUSY, since: None, why: "somebody has the device open" },
];

/// The number that `hot_add` gives out: the lowest that is not among `numbers`, which ascend.
#[must_use]
pub fn lowest_free(numbers: impl IntoIterator<Item = u32>) -> u32 {
    let taken = (0..).zip(numbers).take_while(|(want, have)| want == have).count();
    u32::try_from(taken).unwrap_or(u32::MAX)
}

/// The number that a write to `hot_remove` names. (An empty write never gets here, see [`taken`].)
///
/// # Errors
/// `EINVAL` (no number, or a negative one), `ERANGE` (beyond 32 bits).
pub fn named(buffer: &[u8]) -> Result<u32, Errno> {
    let number = kstrtoint(taken(buffer), Base::Ten)?;
    u32::try_from(number).map_err(|_| Errno::EINVAL)
}

/// What `hot_remove` does to the device it names, before it goes: its data is lost.
///
/// # Errors
/// `EBUSY` when somebody has it open; nothing has happened then.
pub fn remove<B: Backend>(device: &mut Device<B>) -> Result<(), Errno> {
    if device.backend().is_open() {
        return Err(Errno::EBUSY);
    }
    device.backend_mut().destroy()
}

/// The devices by number.
#[derive(Debug)]
pub struct Control<B> {
    devices: BTreeMap<u32, Device<B>>,
}

impl<B: Backend> Control<B> {
    /// Without any device.
    #[must_use]
    pub const fn new() -> Self {
        Control { devices: BTreeMap::new() }
    }

    /// What each fresh read of `hot_add` does: makes a device under the lowest free number and
    /// returns the text to read.
    pub fn hot_add(&mut self, device: Device<B>) -> String {
        let number = lowest_free(self.numbers());
        self.devices.insert(number, device);
        format!("{number}\n")
    }

    /// A write to `hot_remove`: the number of a device that nobody has open. Its data is lost.
    ///
    /// # Errors
    /// Those of [`named`] and [`remove`], and `ENODEV`.
    pub fn hot_remove(&mut self, buffer: &[u8]) -> Result<Device<B>, Errno> {
        let number = named(buffer)?;
        remove(self.devices.get_mut(&number).ok_or(Errno::ENODEV)?)?;
        self.devices.remove(&number).ok_or(Errno::ENODEV)
    }

    /// The device of that number.
    #[must_use]
    pub fn get(&self, number: u32) -> Option<&Device<B>> {
        self.devices.get(&number)
    }

    /// The device of that number.
    pub fn get_mut(&mut self, number: u32) -> Option<&mut Device<B>> {
        self.devices.get_mut(&number)
    }

    /// The numbers in use, ascending.
    pub fn numbers(&self) -> impl Iterator<Item = u32> {
        self.devices.keys().copied()
    }
}

impl<B: Backend> Default for Control<B> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::super::kernel::Kernel;
    use super::super::memory::Memory;
    use super::*;

    fn device() -> Device<Memory> {
        let kernel = Kernel::newest();
        Device::new(kernel.clone(), Memory::new(kernel, BTreeMap::new()))
    }

    #[test]
    fn the_lowest_free_number_is_given_out() {
        let mut control = Control::new();
        for number in ["0\n", "1\n", "2\n"] {
            assert_eq!(control.hot_add(device()), number);
        }
        control.hot_remove(b"1\n").expect("nobody has it open");
        assert_eq!(control.hot_add(device()), "1\n");
        assert_eq!(control.numbers().collect::<Vec<_>>(), [0, 1, 2]);
    }

    /// A page of zeros is a number, whatever comes behind it.
    #[test]
    fn long_numbers_are_cut() {
        let mut control = Control::new();
        control.hot_add(device());
        let text = [vec![b'0'; 4096], vec![b'7'; 904]].concat();
        assert!(control.hot_remove(&text).is_ok());
    }

    #[test]
    fn removal_is_refused_for_good_reasons() {
        let mut control = Control::new();
        control.hot_add(device());
        for (text, errno) in [
            ("x", Errno::EINVAL),
            ("", Errno::EINVAL),
            (" 0", Errno::EINVAL),
            ("-1", Errno::EINVAL),
            ("2147483648", Errno::ERANGE),
            ("7", Errno::ENODEV),
        ] {
            assert_eq!(control.hot_remove(text.as_bytes()).err(), Some(errno), "{text:?}");
        }
        let open = control.get_mut(0).expect("device 0");
        open.backend_mut().openers = 1;
        assert_eq!(control.hot_remove(b"0").err(), Some(Errno::EBUSY));
        assert_eq!(control.numbers().count(), 1);
    }
}
