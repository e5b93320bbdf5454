//! Real zram devices, removed when they go out of scope.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use crate::ioctl::discard;

/// The directory of `hot_add` and `hot_remove`.
pub const CONTROL: &str = "/sys/class/zram-control";

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

/// The numbers of all devices there are, whoever made them.
///
/// # Errors
/// When `/sys/block` cannot be read.
pub fn numbers() -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir("/sys/block")? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("zram"));
        numbers.extend(number.and_then(|number| number.parse::<u32>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
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

/// A device of our own.
#[derive(Debug)]
pub struct RealDevice {
    number: u32,
    is_gone: bool,
}

impl RealDevice {
    /// Makes one, under a number that the kernel chooses.
    ///
    /// # Errors
    /// Those of the kernel.
    pub fn add() -> io::Result<Self> {
        // One read: each further one that starts at 0 would make another device.
        let mut text = [0; 16];
        let length = File::open(Path::new(CONTROL).join("hot_add"))?.read(&mut text)?;
        let text = String::from_utf8_lossy(text.get(..length).unwrap_or_default()).into_owned();
        let number = text.trim_end().parse().map_err(io::Error::other)?;
        Ok(RealDevice { number, is_gone: false })
    }

    /// Takes charge of a device that the program under test has made.
    #[must_use]
    pub fn adopt(number: u32) -> Self {
        RealDevice { number, is_gone: false }
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The file of an attribute.
    #[must_use]
    pub fn attribute(&self, name: &str) -> PathBuf {
        Path::new("/sys/block").join(format!("zram{}", self.number)).join(name)
    }

    /// The block device.
    #[must_use]
    pub fn node(&self) -> PathBuf {
        Path::new("/dev").join(format!("zram{}", self.number))
    }

    /// The state of its slots; there only where debugfs is mounted and the kernel tracks memory.
    #[must_use]
    pub fn block_state(&self) -> PathBuf {
        let directory = Path::new("/sys/kernel/debug/zram");
        directory.join(format!("zram{}", self.number)).join("block_state")
    }

    /// Writes an attribute with one write(2).
    ///
    /// # Errors
    /// Those of open(2) and write(2).
    pub fn write(&self, name: &str, text: &[u8]) -> io::Result<usize> {
        OpenOptions::new().write(true).open(self.attribute(name))?.write(text)
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
            let path = Path::new(CONTROL).join("hot_remove");
            match fs::write(path, self.number.to_string()) {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                    std::thread::sleep(PAUSE);
                }
                _ => return,
            }
        }
        #[expect(clippy::print_stderr, reason = "a destructor has no other way to say it")]
        {
            eprintln!("zram{} is in use and stays behind", self.number);
        }
    }
}
