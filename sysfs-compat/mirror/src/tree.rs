//! Which files there are: names to nodes, directories to lists, nodes to their attributes.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use fuser::{FileAttr, FileType, INodeNo};
use sysfs_compat::abi::Errno;

use crate::block;
use crate::kept::Change;
use crate::mirror::Mirror;
use crate::node::{Entry, Node};
use crate::provider::Provider;
use crate::registry::Slot;

const CONTROL: &str = "zram-control";
const HOT_ADD: &str = "hot_add";
const HOT_REMOVE: &str = "hot_remove";
const OWN: &str = "trueno";
const DEVICE_PREFIX: &str = "zram";

const DIRECTORY_MODE: u32 = 0o755;

/// What sysfs says of every regular file: a page, which is no measure of its text.
const FILE_SIZE: u64 = 4096;
const BLOCK_SIZE: u32 = 4096;

/// What stands in a directory.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) node: Node,
    pub(crate) name: OsString,
}

pub(crate) fn kind(node: Node) -> FileType {
    if node.is_directory() { FileType::Directory } else { FileType::RegularFile }
}

impl<P: Provider> Mirror<P> {
    /// What has that name in a directory.
    pub(crate) fn lookup(&self, directory: Node, name: &OsStr) -> Result<Node, Errno> {
        let text = name.to_str().ok_or(Errno::ENOENT)?;
        match directory {
            Node::Root if text == CONTROL => Ok(Node::Control),
            Node::Root => {
                let number = device_number(text).ok_or(Errno::ENOENT)?;
                let slot = self.registry.by_number(number).ok_or(Errno::ENOENT)?;
                Ok(Node::Of(slot.serial, Entry::Directory))
            }
            Node::Control if text == HOT_ADD => Ok(Node::HotAdd),
            Node::Control if text == HOT_REMOVE => Ok(Node::HotRemove),
            Node::Of(serial, entry) => {
                let slot = self.registry.by_serial(serial).ok_or(Errno::ENOENT)?;
                let found = self.find(&slot, entry, name, text).ok_or(Errno::ENOENT)?;
                Ok(Node::Of(serial, found))
            }
            _ => Err(Errno::ENOENT),
        }
    }

    fn find(
        &self,
        slot: &Slot<P::Backend>,
        directory: Entry,
        name: &OsStr,
        text: &str,
    ) -> Option<Entry> {
        match directory {
            Entry::Directory if text == OWN => Some(Entry::OwnDirectory),
            Entry::Directory if text == block::QUEUE => {
                self.real(slot, Entry::QueueDirectory)?.is_dir().then_some(Entry::QueueDirectory)
            }
            Entry::Directory => {
                let device = slot.shown();
                let attribute = device.attributes().find(|info| info.name == text);
                let attribute = attribute.map(|info| Entry::Attribute(info.attr));
                attribute.or_else(|| {
                    let entry = Entry::Block(index(block::FILES, |file| *file == text)?);
                    block::mode(&self.real(slot, entry)?).map(|_| entry)
                })
            }
            Entry::OwnDirectory => {
                index(self.provider.own(), |own| own.name == text).map(Entry::Own)
            }
            Entry::QueueDirectory => {
                let path = self.real(slot, Entry::QueueDirectory)?.join(name);
                block::mode(&path)?;
                self.names.index(name).map(Entry::Queue)
            }
            _ => None,
        }
    }

    /// Everything in a directory, but `.` and `..`.
    pub(crate) fn list(&self, directory: Node) -> Vec<Listed> {
        let listed = |node, name: &str| Listed { node, name: name.into() };
        match directory {
            Node::Root => {
                let devices = self.registry.all();
                let devices = devices.iter().map(|slot| {
                    let name = format!("{DEVICE_PREFIX}{}", slot.number);
                    listed(Node::Of(slot.serial, Entry::Directory), &name)
                });
                devices.chain([listed(Node::Control, CONTROL)]).collect()
            }
            Node::Control => {
                vec![listed(Node::HotAdd, HOT_ADD), listed(Node::HotRemove, HOT_REMOVE)]
            }
            Node::Of(serial, entry) => {
                let Some(slot) = self.registry.by_serial(serial) else { return Vec::new() };
                self.names_in(&slot, entry)
                    .into_iter()
                    .filter_map(|name| {
                        let entry = self.find(&slot, entry, &name, name.to_str()?)?;
                        Some(Listed { node: Node::Of(serial, entry), name })
                    })
                    .collect()
            }
            Node::HotAdd | Node::HotRemove => Vec::new(),
        }
    }

    /// Names that may be in a directory of a device.
    fn names_in(&self, slot: &Slot<P::Backend>, directory: Entry) -> Vec<OsString> {
        match directory {
            Entry::Directory => {
                let device = slot.shown();
                let attributes = device.attributes().map(|info| info.name);
                let others = block::FILES.iter().copied().chain([block::QUEUE, OWN]);
                attributes.chain(others).map(OsString::from).collect()
            }
            Entry::OwnDirectory => self.provider.own().iter().map(|own| own.name.into()).collect(),
            Entry::QueueDirectory => {
                self.real(slot, directory).map_or_else(Vec::new, |queue| block::queue_files(&queue))
            }
            _ => Vec::new(),
        }
    }

    /// Where the block device has a file or directory, while there is a block device.
    pub(crate) fn real(&self, slot: &Slot<P::Backend>, entry: Entry) -> Option<PathBuf> {
        let directory = self.provider.block_directory(slot.number, &slot.shown())?;
        Some(match entry {
            Entry::Block(index) => directory.join(block::FILES.get(usize::from(index))?),
            Entry::QueueDirectory => directory.join(block::QUEUE),
            Entry::Queue(index) => directory.join(block::QUEUE).join(self.names.name(index)?),
            _ => return None,
        })
    }

    /// The permission bits a node has before anybody changes them.
    fn mode(&self, node: Node) -> u32 {
        match node {
            Node::HotAdd => 0o400,
            Node::HotRemove => 0o200,
            Node::Of(_, Entry::Attribute(attr)) => attr.info().mode.bits(),
            Node::Of(_, Entry::Own(index)) => self.own(index).map_or(0, |own| own.mode.bits()),
            Node::Of(serial, entry @ (Entry::Block(_) | Entry::Queue(_))) => {
                let slot = self.registry.by_serial(serial);
                let path = slot.and_then(|slot| self.real(&slot, entry));
                path.and_then(|path| block::mode(&path)).unwrap_or(0)
            }
            _ => DIRECTORY_MODE,
        }
    }

    /// What stat(2) says of a node; of one whose device is gone too, because it may still be open.
    pub(crate) fn attributes(&self, node: Node) -> FileAttr {
        let slot = self.slot(node);
        let made = slot.as_ref().map_or(self.made, |slot| slot.made);
        let is_directory = node.is_directory();
        let mut attributes = FileAttr {
            ino: INodeNo(node.number()),
            size: if is_directory { 0 } else { FILE_SIZE },
            blocks: 0,
            atime: made,
            mtime: made,
            ctime: made,
            crtime: made,
            kind: kind(node),
            perm: u16::try_from(self.mode(node)).unwrap_or_default(),
            nlink: if is_directory { self.links(node, slot.as_deref()) } else { 1 },
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: BLOCK_SIZE,
            flags: 0,
        };
        slot.as_ref().map_or(&self.kept, |slot| &slot.kept).apply(&mut attributes);
        attributes
    }

    /// Keeps what chmod(2), chown(2) or utimes(2) ask for.
    pub(crate) fn keep(&self, node: Node, change: Change) {
        let change = Change { ctime: Some(SystemTime::now()), ..change };
        match (node, self.slot(node)) {
            (_, Some(slot)) => slot.kept.keep(node.number(), change),
            // Of a device that is gone nothing is kept.
            (Node::Of(..), None) => {}
            _ => self.kept.keep(node.number(), change),
        }
    }

    fn slot(&self, node: Node) -> Option<Arc<Slot<P::Backend>>> {
        let Node::Of(serial, _) = node else { return None };
        self.registry.by_serial(serial)
    }

    /// `.`, the name in the directory above, and `..` of each directory below.
    fn links(&self, directory: Node, slot: Option<&Slot<P::Backend>>) -> u32 {
        let below = match (directory, slot) {
            (Node::Root, _) => self.registry.all().len() + 1,
            (Node::Of(_, Entry::Directory), Some(slot)) => {
                let queue = self.real(slot, Entry::QueueDirectory);
                1 + usize::from(queue.is_some_and(|queue| queue.is_dir()))
            }
            _ => 0,
        };
        u32::try_from(below).unwrap_or(u32::MAX).saturating_add(2)
    }
}

/// The number in a device's name, which has one spelling only.
fn device_number(name: &str) -> Option<u32> {
    let digits = name.strip_prefix(DEVICE_PREFIX)?;
    let number: u32 = digits.parse().ok()?;
    (number.to_string() == digits).then_some(number)
}

fn index<T>(items: &[T], is_wanted: impl Fn(&T) -> bool) -> Option<u16> {
    u16::try_from(items.iter().position(is_wanted)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_devices() {
        assert_eq!(device_number("zram0"), Some(0));
        assert_eq!(device_number("zram12"), Some(12));
        for name in ["zram", "zram01", "zram+1", "zram-1", "zram4294967296", "zramx", "Zram0"] {
            assert_eq!(device_number(name), None, "{name}");
        }
    }
}
