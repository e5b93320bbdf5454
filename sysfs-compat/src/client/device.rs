//! One device: finding it by name, reading and writing its attributes.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::error::{Action, Error, Result};
use super::root::Root;
use crate::abi::Errno;

/// A block device and its directory in sysfs. Any block device will do; only zram's have zram's
/// attributes.
#[derive(Debug, Clone)]
pub struct Device {
    root: Root,
    /// The device node's path as a person would write it, without the root.
    node: OsString,
    /// Major and minor number, where there is a node to ask.
    number: Option<u64>,
    /// `/sys/block/zramN`, below the root.
    directory: PathBuf,
}

impl Device {
    /// Finds the device that `name` means: a path if it starts with `/`, else a name below `/dev`.
    ///
    /// # Errors
    /// `ENODEV` when there is no such block device.
    pub fn find(root: &Root, name: &OsStr) -> Result<Self> {
        let node = if name.as_bytes().starts_with(b"/") {
            name.to_owned()
        } else {
            let mut node = OsString::from("/dev/");
            node.push(name);
            node
        };
        let missing = || Error::errno_of(Action::Find, &node, Errno::ENODEV);
        let number = match fs::metadata(root.join(&node)) {
            Ok(metadata) if metadata.file_type().is_block_device() => Some(metadata.rdev()),
            // Trees made for tests have no device nodes; there the name alone decides.
            Ok(_) | Err(_) if !root.is_system() => None,
            Ok(_) | Err(_) => return Err(missing()),
        };
        let by_number = number.map(|number| {
            let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
            root.join(format!("/sys/dev/block/{major}:{minor}"))
        });
        let base = Path::new(&node).file_name().ok_or_else(missing)?;
        let by_name = root.join("/sys/block").join(base);
        let directory = by_number.into_iter().chain([by_name]).find(|dir| dir.is_dir());
        let directory = directory.ok_or_else(missing)?;
        Ok(Device { root: root.clone(), node, number, directory })
    }

    /// The zram device of that number.
    ///
    /// # Errors
    /// `ENODEV`.
    pub fn numbered(root: &Root, number: u32) -> Result<Self> {
        Device::find(root, OsStr::new(&format!("zram{number}")))
    }

    /// Numbers of the zram devices that have a node, in the order in which the directory lists
    /// them, which is the order zramctl prints them in.
    ///
    /// # Errors
    /// When `/dev` cannot be listed.
    pub fn numbers(root: &Root) -> Result<Vec<u32>> {
        let dev = root.join("/dev");
        let list = fs::read_dir(&dev).map_err(|e| Error::new(Action::Read, "/dev/", e))?;
        let numbers = list.flatten().filter_map(|entry| number_of(&entry.file_name()));
        Ok(numbers.collect())
    }

    /// The node's path (`/dev/zram0`), without the root.
    #[must_use]
    pub fn node(&self) -> &OsStr {
        &self.node
    }

    /// The node's path below the root, for opening it.
    #[must_use]
    pub fn node_path(&self) -> PathBuf {
        self.root.join(&self.node)
    }

    /// The root below which it was found.
    #[must_use]
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// Major and minor number as `st_rdev` packs them.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        self.number
    }

    /// The sysfs name's number: 3 for `zram3`. Not the minor number.
    #[must_use]
    pub fn zram_number(&self) -> Option<u32> {
        let name = fs::canonicalize(&self.directory).ok()?;
        number_of(name.file_name()?)
    }

    /// Whether it is run by the zram driver.
    #[must_use]
    pub fn is_zram(&self) -> bool {
        self.directory.join("comp_algorithm").exists()
    }

    /// The path of an attribute below the root.
    #[must_use]
    pub fn attribute(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Reads an attribute.
    ///
    /// # Errors
    /// Whatever open(2) or read(2) say.
    pub fn read(&self, name: &str) -> Result<String> {
        read_whole(&self.attribute(name))
    }

    /// Reads an attribute, if the device has it: what this kernel lacks is no failure.
    ///
    /// # Errors
    /// As [`Device::read`], but for `ENOENT`. `ENODEV` when the device has gone meanwhile.
    pub fn read_optional(&self, name: &str) -> Result<Option<String>> {
        match self.read(name) {
            Err(error) if error.errno() == Errno::ENOENT && self.directory.exists() => Ok(None),
            Err(error) if error.errno() == Errno::ENOENT => {
                Err(Error::errno_of(Action::Find, &self.node, Errno::ENODEV))
            }
            other => other.map(Some),
        }
    }

    /// Writes an attribute: one open(2) without side effects, one write(2), as sysfs wants it.
    ///
    /// # Errors
    /// Whatever the driver says.
    pub fn write(&self, name: &str, value: &[u8]) -> Result<()> {
        write_once(&self.attribute(name), value)
    }

    /// Whether `disksize` is set. A device without that attribute is not.
    #[must_use]
    pub fn is_initialised(&self) -> bool {
        self.read("disksize").is_ok_and(|size| size.trim_end().parse().is_ok_and(|n: u64| n > 0))
    }

    /// Whether it is a zram device for anybody to take. What cannot be read might be in use.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.read("disksize").is_ok_and(|size| size.trim_end().parse() == Ok(0u64))
    }

    /// Opens the node without disturbing whoever uses it.
    ///
    /// # Errors
    /// Whatever open(2) says.
    pub fn open_node(&self) -> Result<File> {
        use rustix::fs::{Mode, OFlags};
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let path = self.node_path();
        match rustix::fs::open(&path, flags, Mode::empty()) {
            Ok(descriptor) => Ok(File::from(descriptor)),
            Err(errno) => Err(Error::new(Action::Call("open"), path, errno.into())),
        }
    }
}

/// Writes an attribute file.
pub(super) fn write_once(path: &Path, value: &[u8]) -> Result<()> {
    let failed = |error| Error::new(Action::Write(value.to_vec()), path, error);
    // Neither O_CREAT nor O_TRUNC: sysfs answers the one with EACCES for a missing file, where
    // ENOENT says what is the matter.
    let mut file = OpenOptions::new().write(true).open(path).map_err(failed)?;
    loop {
        match file.write(value) {
            Ok(count) if count == value.len() => return Ok(()),
            // A page is the most that a store takes; a rest would be a second store.
            Ok(_) => return Err(failed(Errno::EFBIG.into())),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
}

/// Reads an attribute file: with one read(2), unless it fills a page. A listing reads dozens of
/// them, and half of the calls that `fs::read` makes are to find out how large a file is.
pub(super) fn read_whole(path: &Path) -> Result<String> {
    let failed = |error| Error::new(Action::Read, path, error);
    let mut file = File::open(path).map_err(failed)?;
    let mut buffer = [0; 4096];
    let mut text = Vec::new();
    loop {
        let count = file.read(&mut buffer).map_err(failed)?;
        text.extend_from_slice(buffer.get(..count).unwrap_or_default());
        if count < buffer.len() {
            return Ok(String::from_utf8_lossy(&text).into_owned());
        }
    }
}

/// `zramN`, as `sscanf("zram%d")` sees it in zramctl, less its tolerance for what follows.
fn number_of(name: &OsStr) -> Option<u32> {
    let digits = name.to_str()?.strip_prefix("zram")?;
    let canonical = digits == "0" || !digits.starts_with(['0', '+']);
    canonical.then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_zram_devices() {
        for (name, number) in
            [("zram0", Some(0)), ("zram12", Some(12)), ("zram", None), ("zram01", None)]
        {
            assert_eq!(number_of(OsStr::new(name)), number, "{name}");
        }
        assert_eq!(number_of(OsStr::new("zram+1")), None);
        assert_eq!(number_of(OsStr::new("zram-control")), None);
        assert_eq!(number_of(OsStr::from_bytes(b"zram\xff")), None);
    }
}
