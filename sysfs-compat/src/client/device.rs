//! One device of either kind: finding it by name, reading and writing its attributes.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::error::{Action, Error, Result};
use super::kind::Kind;
use super::mirror;
use super::root::Root;
use crate::abi::Errno;

/// A zram device of either kind, or any other block device, which has none of zram's attributes.
#[derive(Debug, Clone)]
pub struct Device {
    root: Root,
    /// The device node's path as a person would write it, without the root.
    node: OsString,
    /// Major and minor number, where there is a node to ask.
    number: Option<u64>,
    /// The directory of its attributes, below the root.
    directory: PathBuf,
    /// What only devices of trueno-ublk have.
    mirrored: Option<Mirrored>,
}

#[derive(Debug, Clone)]
struct Mirrored {
    /// Its number in the mirror.
    number: u32,
    /// `/dev/ublkbN`, while `disksize` is set.
    block_node: Option<OsString>,
}

impl Device {
    /// Finds the device that `name` means. `trueno/zramN` and `zramN` below `/dev/trueno` and
    /// `/run/trueno` are devices of trueno-ublk; else it is the path of a block device if it starts
    /// with `/`, or a name below `/dev`, and that of a device of trueno-ublk will do as well.
    ///
    /// # Errors
    /// `ENODEV` when there is no such device, and those of [`mirror::numbers`] when it is one of
    /// trueno-ublk.
    pub fn find(root: &Root, name: &OsStr) -> Result<Self> {
        if let Some(number) = mirror::number_in(name) {
            let numbers = mirror::numbers(root)?.unwrap_or_default();
            return match numbers.contains(&number) {
                true => Device::mirrored(root, number),
                false => Err(Error::errno_of(Action::Find, name, Errno::ENODEV)),
            };
        }
        let device = Device::in_sysfs(root, name)?;
        let Some(block_node) = device.ublk_node() else { return Ok(device) };
        for number in mirror::numbers(root)?.unwrap_or_default() {
            // Removed meanwhile: then it is not the one.
            let Ok(found) = Device::mirrored(root, number) else { continue };
            if found.is_called(&block_node) {
                return Ok(Device { node: device.node, ..found });
            }
        }
        Ok(device)
    }

    /// The block device at that path, or of that name below `/dev`, as sysfs alone knows it. For who
    /// serves the mirror, and must not wait for itself.
    ///
    /// # Errors
    /// `ENODEV`.
    pub fn in_sysfs(root: &Root, name: &OsStr) -> Result<Self> {
        let node = if name.as_bytes().starts_with(b"/") {
            name.to_owned()
        } else {
            let mut node = OsString::from("/dev/");
            node.push(name);
            node
        };
        let missing = || Error::errno_of(Action::Find, &node, Errno::ENODEV);
        let number = device_number(root, &node);
        // Trees made for tests have no device nodes; there the name alone decides.
        if number.is_none() && root.is_system() {
            return Err(missing());
        }
        let by_number = number.map(|number| {
            let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
            root.join(format!("/sys/dev/block/{major}:{minor}"))
        });
        let base = Path::new(&node).file_name().ok_or_else(missing)?;
        let by_name = root.join("/sys/block").join(base);
        let directory = by_number.into_iter().chain([by_name]).find(|dir| dir.is_dir());
        let directory = directory.ok_or_else(missing)?;
        Ok(Device { root: root.clone(), node, number, directory, mirrored: None })
    }

    /// The device of that number in the mirror. Its node is the link that goes with that number, or
    /// `/dev/ublkbN` where that link is not, or leads elsewhere.
    fn mirrored(root: &Root, number: u32) -> Result<Self> {
        let directory = root.join(Kind::Ublk.directory(number));
        let link = OsString::from(Kind::Ublk.node(number));
        if !directory.is_dir() {
            return Err(Error::errno_of(Action::Find, link, Errno::ENODEV));
        }
        let block_node = mirror::block_node(&directory);
        let device_number = block_node.as_ref().and_then(|node| device_number(root, node));
        let node = match &block_node {
            Some(node) if !leads_to(root, &link, device_number) => node.clone(),
            _ => link,
        };
        let mirrored = Some(Mirrored { number, block_node });
        Ok(Device { root: root.clone(), node, number: device_number, directory, mirrored })
    }

    /// The zram device of that kind and number.
    ///
    /// # Errors
    /// `ENODEV`.
    pub fn numbered(root: &Root, kind: Kind, number: u32) -> Result<Self> {
        match kind {
            Kind::Kernel => Device::in_sysfs(root, OsStr::new(&kind.node(number))),
            Kind::Ublk => Device::mirrored(root, number),
        }
    }

    /// Numbers of the kernel's zram devices that have a node, in the order in which the directory
    /// lists them, which is the order zramctl prints them in. [`mirror::numbers`] has the others.
    ///
    /// # Errors
    /// When `/dev` cannot be listed.
    pub fn numbers(root: &Root) -> Result<Vec<u32>> {
        let dev = root.join("/dev");
        let list = fs::read_dir(&dev).map_err(|e| Error::new(Action::Read, "/dev/", e))?;
        let numbers = list.flatten().filter_map(|entry| number_of(&entry.file_name()));
        Ok(numbers.collect())
    }

    /// The same device as it is now: one of trueno-ublk has a node only while `disksize` is set.
    ///
    /// # Errors
    /// `ENODEV` when it has been removed meanwhile.
    pub fn again(&self) -> Result<Self> {
        match &self.mirrored {
            Some(mirrored) => Device::mirrored(&self.root, mirrored.number),
            None => Ok(self.clone()),
        }
    }

    /// The node's path (`/dev/zram0`, `/dev/trueno/zram0`), without the root. A device of
    /// trueno-ublk has one only once `disksize` is set; before, it is the path of the link to come.
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

    /// Who runs it, if it is a zram device.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        match self.mirrored {
            Some(_) => Some(Kind::Ublk),
            None => self.directory.join("comp_algorithm").exists().then_some(Kind::Kernel),
        }
    }

    /// The number in the name of its directory: 3 for `zram3`. Not the minor number. Each kind
    /// counts for itself.
    #[must_use]
    pub fn zram_number(&self) -> Option<u32> {
        match &self.mirrored {
            Some(mirrored) => Some(mirrored.number),
            None => number_of(&self.name_in_sysfs()?),
        }
    }

    /// The name that sysfs has for it, which is that of what the link by its number leads to.
    fn name_in_sysfs(&self) -> Option<OsString> {
        let target = fs::read_link(&self.directory);
        let directory = target.as_ref().unwrap_or(&self.directory);
        directory.file_name().map(OsStr::to_owned)
    }

    /// `/dev/ublkbN` if it is a device of the ublk driver, whoever serves it.
    fn ublk_node(&self) -> Option<OsString> {
        // Spares zram devices the look into sysfs.
        if mirror::kernel_number_in(&self.node).is_some() {
            return None;
        }
        let name = self.name_in_sysfs()?;
        let id = name.to_str()?.strip_prefix("ublkb")?;
        let is_whole = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
        is_whole.then(|| OsString::from(format!("/dev/ublkb{id}")))
    }

    /// Its directory in sysfs as a block device, while it is one.
    pub(super) fn block_directory(&self) -> Option<PathBuf> {
        match &self.mirrored {
            Some(mirrored) => {
                let name = Path::new(mirrored.block_node.as_ref()?).file_name()?;
                Some(self.root.join("/sys/block").join(name))
            }
            None => Some(self.directory.clone()),
        }
    }

    /// Whether `path` is one of the paths by which the system knows its node.
    pub(super) fn is_called(&self, path: &OsStr) -> bool {
        let block_node = self.mirrored.as_ref().and_then(|mirrored| mirrored.block_node.as_ref());
        path == self.node || block_node.is_some_and(|node| path == node)
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

/// The number of the block device at `node`, if there is one.
fn device_number(root: &Root, node: &OsStr) -> Option<u64> {
    let metadata = fs::metadata(root.join(node)).ok()?;
    metadata.file_type().is_block_device().then(|| metadata.rdev())
}

/// Whether the link at `link` leads to the block device of that number. Where there is no such block
/// device, as in trees made for tests, it is enough that the link exists.
fn leads_to(root: &Root, link: &OsStr, number: Option<u64>) -> bool {
    match number {
        Some(_) => device_number(root, link) == number,
        None => fs::symlink_metadata(root.join(link)).is_ok(),
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
pub(super) fn number_of(name: &OsStr) -> Option<u32> {
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
