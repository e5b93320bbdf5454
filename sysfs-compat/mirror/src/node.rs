//! What there is in the file system, and the inode numbers that stand for it.
//!
//! A number says by itself what it stands for, so that nothing has to be remembered until the kernel
//! forgets it: the device's serial number, which no other device ever gets, the kind of file, and an
//! index.
//!
//! ```text
//! 63            24 23    16 15      0
//! | serial        | kind   | index  |
//! ```

use sysfs_compat::abi::ATTRIBUTES;
use sysfs_compat::abi::attr::Attr;

use crate::block;

/// Something that has an inode number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// What the mount point is.
    Root,
    /// `zram-control`
    Control,
    /// `zram-control/hot_add`
    HotAdd,
    /// `zram-control/hot_remove`
    HotRemove,
    /// Something of the device with that serial number, which is at least 1.
    Of(u64, Entry),
}

/// Something that a device has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// `zramN`
    Directory,
    /// `zramN/trueno`
    OwnDirectory,
    /// `zramN/queue`
    QueueDirectory,
    /// An attribute.
    Attribute(Attr),
    /// The provider's own attribute of that index.
    Own(u16),
    /// A file of the block device: an index into [`block::FILES`].
    Block(u16),
    /// A file in the block device's `queue`: an index into [`block::Names`].
    Queue(u16),
}

const KIND_SHIFT: u32 = 16;
const SERIAL_SHIFT: u32 = 24;

impl Node {
    /// The inode number.
    pub(crate) fn number(self) -> u64 {
        match self {
            // FUSE's own rule: the root is 1.
            Node::Root => 1,
            Node::Control => 2,
            Node::HotAdd => 3,
            Node::HotRemove => 4,
            Node::Of(serial, entry) => {
                let (kind, index) = entry.kind_and_index();
                (serial << SERIAL_SHIFT) | (kind << KIND_SHIFT) | u64::from(index)
            }
        }
    }

    /// What a number stands for.
    pub(crate) fn from_number(number: u64) -> Option<Self> {
        Some(match number {
            1 => Node::Root,
            2 => Node::Control,
            3 => Node::HotAdd,
            4 => Node::HotRemove,
            _ => {
                let serial = number >> SERIAL_SHIFT;
                let kind = (number >> KIND_SHIFT) & 0xff;
                let index = u16::try_from(number & 0xffff).ok()?;
                Node::Of((serial != 0).then_some(serial)?, Entry::from_kind(kind, index)?)
            }
        })
    }

    pub(crate) fn is_directory(self) -> bool {
        use Entry::{Directory, OwnDirectory, QueueDirectory};
        matches!(
            self,
            Node::Root | Node::Control | Node::Of(_, Directory | OwnDirectory | QueueDirectory)
        )
    }
}

impl Entry {
    fn kind_and_index(self) -> (u64, u16) {
        match self {
            Entry::Directory => (0, 0),
            Entry::OwnDirectory => (1, 0),
            Entry::QueueDirectory => (2, 0),
            Entry::Attribute(attr) => (3, attr as u16),
            Entry::Own(index) => (4, index),
            Entry::Block(index) => (5, index),
            Entry::Queue(index) => (6, index),
        }
    }

    fn from_kind(kind: u64, index: u16) -> Option<Self> {
        Some(match (kind, index) {
            (0, 0) => Entry::Directory,
            (1, 0) => Entry::OwnDirectory,
            (2, 0) => Entry::QueueDirectory,
            (3, index) => Entry::Attribute(ATTRIBUTES.get(usize::from(index))?.attr),
            (4, index) => Entry::Own(index),
            (5, index) if usize::from(index) < block::FILES.len() => Entry::Block(index),
            (6, index) => Entry::Queue(index),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_nodes_are_one_to_one() {
        let fixed = [Node::Root, Node::Control, Node::HotAdd, Node::HotRemove];
        let attributes = ATTRIBUTES.iter().map(|info| Entry::Attribute(info.attr));
        let others = [
            Entry::Directory,
            Entry::OwnDirectory,
            Entry::QueueDirectory,
            Entry::Own(0),
            Entry::Own(9),
            Entry::Block(3),
            Entry::Queue(u16::MAX),
        ];
        let entries: Vec<_> = attributes.chain(others).collect();
        let devices = [1, 2, (1 << 40) - 1];
        let of_devices =
            devices.iter().flat_map(|&serial| entries.iter().map(move |&e| Node::Of(serial, e)));
        let mut numbers = Vec::new();
        for node in fixed.into_iter().chain(of_devices) {
            assert_eq!(Node::from_number(node.number()), Some(node));
            numbers.push(node.number());
        }
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), count);
    }

    #[test]
    fn other_numbers_stand_for_nothing() {
        for number in [0, 5, 6 << KIND_SHIFT, (1 << SERIAL_SHIFT) | (7 << KIND_SHIFT), u64::MAX] {
            assert_eq!(Node::from_number(number), None, "{number:#x}");
        }
    }
}
