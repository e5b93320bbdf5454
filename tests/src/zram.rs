//! Real devices, the kernel's and ours, removed when they go out of scope.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use crate::ioctl::discard;

/// The directory of `hot_add` and `hot_remove`.
pub const CONTROL: &str = "/sys/class/zram-control";

/// Where `trueno-ublk serve` shows its devices.
pub const MIRROR: &str = "/run/trueno";

/// How often a device that somebody still has open is tried to be removed, and the pause between.
/// Device managers look into every new block device for a moment.
const REMOVALS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(20);

/// Why no device can be made here, in words for the person who runs the tests.
#[must_use]
pub fn obstacle() -> Option<&'static str> {
    if !rustix::process::geteuid().is_root() {
        return Some("real zram devices need root");
    }
    if !Path::new(CONTROL).exists() {
        return Some("/sys/class/zram-control is missing: load the module (modprobe zram)");
    }
    None
}

/// The numbers of all of the kernel's devices, whoever made them.
///
/// # Errors
/// When `/sys/block` cannot be read.
pub fn numbers() -> io::Result<Vec<u32>> {
    Make::Kernel.numbers()
}

/// A device that is there and not set up. Asked before a test has made any, it is somebody else's,
/// and the next to ask for a free device would get it.
#[must_use]
pub fn free_device() -> Option<u32> {
    numbers().unwrap_or_default().into_iter().find(|number| {
        let size = fs::read_to_string(format!("/sys/block/zram{number}/disksize"));
        size.is_ok_and(|size| size.trim_end() == "0")
    })
}

/// Who serves a device. What a trial does to one it can do to the other: both have the same files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Make {
    /// The kernel's zram: `/sys/block/zramN` and `/dev/zramN`.
    Kernel,
    /// `trueno-ublk`: `/run/trueno/zramN` and `/dev/ublkbN`.
    Ublk,
}

impl Make {
    /// The directory of `hot_add` and `hot_remove`.
    #[must_use]
    pub fn control(self) -> &'static Path {
        Path::new(match self {
            Make::Kernel => CONTROL,
            Make::Ublk => "/run/trueno/zram-control",
        })
    }

    /// The directory in which each device has its own, named `zramN`.
    #[must_use]
    pub fn devices(self) -> &'static Path {
        Path::new(match self {
            Make::Kernel => "/sys/block",
            Make::Ublk => MIRROR,
        })
    }

    /// The numbers of all devices there are, whoever made them.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn numbers(self) -> io::Result<Vec<u32>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(self.devices())? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix("zram"));
            numbers.extend(number.and_then(|number| number.parse::<u32>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }
}

/// A device that a test has made.
#[derive(Debug)]
pub struct RealDevice {
    make: Make,
    number: u32,
    is_gone: bool,
}

impl RealDevice {
    /// Makes one of the kernel's, under a number that the kernel chooses.
    ///
    /// # Errors
    /// Those of the kernel.
    pub fn add() -> io::Result<Self> {
        Self::made_by(Make::Kernel)
    }

    /// Makes one of that make.
    ///
    /// # Errors
    /// Those of open(2) and read(2) of `hot_add`.
    pub fn made_by(make: Make) -> io::Result<Self> {
        // One read: each further one that starts at 0 would make another device.
        let mut text = [0; 16];
        let length = File::open(make.control().join("hot_add"))?.read(&mut text)?;
        let text = String::from_utf8_lossy(text.get(..length).unwrap_or_default()).into_owned();
        let number = text.trim_end().parse().map_err(io::Error::other)?;
        Ok(RealDevice { make, number, is_gone: false })
    }

    /// Takes charge of a device of the kernel's that the program under test has made.
    #[must_use]
    pub fn adopt(number: u32) -> Self {
        Self::adopt_from(Make::Kernel, number)
    }

    /// Takes charge of a device that the program under test has made.
    #[must_use]
    pub fn adopt_from(make: Make, number: u32) -> Self {
        RealDevice { make, number, is_gone: false }
    }

    /// Who serves it.
    #[must_use]
    pub fn make(&self) -> Make {
        self.make
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// What our programs call it: a bare name is always the kernel's.
    #[must_use]
    pub fn name(&self) -> String {
        match self.make {
            Make::Kernel => format!("zram{}", self.number),
            Make::Ublk => format!("trueno/zram{}", self.number),
        }
    }

    /// The directory of its attributes.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        self.make.devices().join(format!("zram{}", self.number))
    }

    /// The file of an attribute.
    #[must_use]
    pub fn attribute(&self, name: &str) -> PathBuf {
        self.directory().join(name)
    }

    /// The block device. Ours have one only while they are initialised; without, the path leads
    /// nowhere.
    #[must_use]
    pub fn node(&self) -> PathBuf {
        let name = match self.make {
            Make::Kernel => format!("zram{}", self.number),
            Make::Ublk => {
                let id = self.read("trueno/ublk_id").unwrap_or_default();
                format!("ublkb{}", id.trim_end())
            }
        };
        Path::new("/dev").join(name)
    }

    /// The state of its slots; of the kernel's only where debugfs is mounted and it tracks memory.
    #[must_use]
    pub fn block_state(&self) -> PathBuf {
        if self.make == Make::Ublk {
            return self.attribute("trueno/block_state");
        }
        let directory = Path::new("/sys/kernel/debug/zram");
        directory.join(format!("zram{}", self.number)).join("block_state")
    }

    /// Writes an attribute with one write(2).
    ///
    /// # Errors
    /// Those of open(2) and write(2).
    pub fn write(&self, name: &str, text: &[u8]) -> io::Result<usize> {
        write_once(&self.attribute(name), text)
    }

    /// Reads an attribute.
    ///
    /// # Errors
    /// Those of open(2) and read(2).
    pub fn read(&self, name: &str) -> io::Result<String> {
        fs::read_to_string(self.attribute(name))
    }

    /// Says that the device has been removed by other means.
    pub fn forget(mut self) {
        self.is_gone = true;
    }
}

impl Drop for RealDevice {
    fn drop(&mut self) {
        if self.is_gone {
            return;
        }
        for _ in 0..REMOVALS {
            let path = self.make.control().join("hot_remove");
            match write_once(&path, self.number.to_string().as_bytes()).map(drop) {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                    std::thread::sleep(PAUSE);
                }
                _ => return,
            }
        }
        #[expect(clippy::print_stderr, reason = "a destructor has no other way to say it")]
        {
            eprintln!("{} is in use and stays behind", self.directory().display());
        }
    }
}

/// One write(2) is one store.
fn write_once(path: &Path, text: &[u8]) -> io::Result<usize> {
    OpenOptions::new().write(true).open(path)?.write(text)
}
