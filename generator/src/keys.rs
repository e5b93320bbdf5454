//! The table of keys. The parser, `--explain` and the man page are made from it.

/// A key of a device's section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each has a row in the table")]
pub enum Key {
    HostMemoryLimit,
    ZramSize,
    ZramResidentLimit,
    CompressionAlgorithm,
    WritebackDevice,
    SwapPriority,
    MountPoint,
    FsType,
    Options,
    ZramFraction,
    MaxZramSize,
    Backend,
    Queues,
    Depth,
    Recovery,
    Recompress,
    WritebackLimit,
    IdleAge,
    Maintenance,
}

/// Whose key it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// zram-generator's.
    Stock,
    /// zram-generator's, and deprecated there.
    Deprecated,
    /// Ours.
    Added,
}

/// One key.
#[derive(Debug)]
pub struct Row {
    /// Which.
    pub key: Key,
    /// What is written before the `=`.
    pub name: &'static str,
    /// An older name for the same.
    pub alias: Option<&'static str>,
    /// Stands for the value in the manual.
    pub value: &'static str,
    /// What holds without it; empty: nothing.
    pub default: &'static str,
    /// Whose it is.
    pub origin: Origin,
    /// Whether a bad value costs the device. Without the others it can be made all the same.
    pub costs_device: bool,
    /// For the manual.
    pub help: &'static str,
}

const STOCK: Row = Row {
    key: Key::ZramSize,
    name: "",
    alias: None,
    value: "",
    default: "",
    origin: Origin::Stock,
    costs_device: true,
    help: "",
};

const ADDED: Row = Row { origin: Origin::Added, costs_device: false, ..STOCK };

/// All keys, in the order of the manual.
pub const KEYS: &[Row] = &[
    Row {
        key: Key::ZramSize,
        name: "zram-size",
        value: "EXPRESSION",
        default: "min(ram / 2, 4096)",
        help: "How much the device can hold before compression, in MiB. See EXPRESSIONS. With 0 \
               there is no device.",
        ..STOCK
    },
    Row {
        key: Key::ZramResidentLimit,
        name: "zram-resident-limit",
        value: "EXPRESSION",
        default: "0",
        help: "How much memory the compressed pages may take, in MiB. 0 means no limit.",
        ..STOCK
    },
    Row {
        key: Key::HostMemoryLimit,
        name: "host-memory-limit",
        alias: Some("memory-limit"),
        value: "MIB",
        default: "none",
        help: "On a machine with more memory than this there is no device. A whole number of MiB, \
               or `none`.",
        ..STOCK
    },
    Row {
        key: Key::CompressionAlgorithm,
        name: "compression-algorithm",
        value: "NAME[(PARAMETERS)]...",
        help: "The algorithm to compress with, and behind it, separated by blanks, up to three to \
               recompress with, on devices of the kernel. Parameters are written in parentheses, without \
               blanks, separated by commas: `zstd(level=3)`. They go to `algorithm_params` of the \
               device. Parameters without a name go to `recompress`. An algorithm that the device does \
               not offer is passed over with a warning. Unless given, the kernel's own choice, or `wm`; \
               `trueno-ublk`(8) says what its devices offer, and with which parameters.",
        ..STOCK
    },
    Row {
        key: Key::WritebackDevice,
        name: "writeback-device",
        value: "PATH",
        help: "A block device for pages that do not compress; for devices of the kernel only.",
        ..STOCK
    },
    Row {
        key: Key::SwapPriority,
        name: "swap-priority",
        value: "NUMBER",
        default: "100",
        help: "The priority of the swap area, from -1 to 32767. See `swapon`(8).",
        ..STOCK
    },
    Row {
        key: Key::MountPoint,
        name: "mount-point",
        value: "PATH",
        help: "Makes a file system on the device and mounts it there, in place of swap.",
        ..STOCK
    },
    Row {
        key: Key::FsType,
        name: "fs-type",
        value: "TYPE",
        default: "swap; with mount-point, ext2",
        help: "What `systemd-makefs`(8) is to make. For a device with another type than swap and \
               without a mount point there is no unit: it is set up when somebody starts \
               `systemd-zram-setup@zramN.service`, or `trueno-zram-setup@zramN.service` with \
               `backend = ublk`.",
        ..STOCK
    },
    Row {
        key: Key::Options,
        name: "options",
        value: "OPTIONS",
        default: "discard",
        help: "Options for `swapon`(8) or `mount`(8), separated by commas. Empty: none.",
        ..STOCK
    },
    Row {
        key: Key::ZramFraction,
        name: "zram-fraction",
        value: "NUMBER",
        origin: Origin::Deprecated,
        help: "The size as a fraction of memory, 0.5 unless given. Overrides `zram-size`.",
        ..STOCK
    },
    Row {
        key: Key::MaxZramSize,
        name: "max-zram-size",
        value: "MIB",
        origin: Origin::Deprecated,
        help: "The most that the fraction may come to, or `none`. Overrides `zram-size`.",
        ..STOCK
    },
    Row {
        key: Key::Backend,
        name: "backend",
        value: "kernel|ublk",
        default: "kernel",
        costs_device: true,
        help: "Who serves the device: the kernel's zram driver (`/dev/zramN`), or `trueno-ublk`(8) \
               (`/dev/trueno/zramN`).",
        ..ADDED
    },
    Row {
        key: Key::Queues,
        name: "queues",
        value: "NUMBER",
        help: "How many queues, with a thread each, a ublk device has: 1 to 63. Unless given, \
               `trueno-ublk` decides.",
        ..ADDED
    },
    Row {
        key: Key::Depth,
        name: "depth",
        value: "NUMBER",
        help: "How many requests a queue of a ublk device holds: 1 to 4096. Unless given, \
               `trueno-ublk` decides.",
        ..ADDED
    },
    Row {
        key: Key::Recovery,
        name: "recovery",
        value: "standby|restart",
        help: "Who takes over a ublk device when the process that serves it dies: one that stands \
               by already (this holds unless given), or one that is started then.",
        ..ADDED
    },
    Row {
        key: Key::Recompress,
        name: "recompress",
        value: "REQUEST|none",
        default: "none",
        help: "What maintenance, see below, recompresses, as the attribute `recompress` takes it: `type=huge_idle \
               threshold=3000`.",
        ..ADDED
    },
    Row {
        key: Key::WritebackLimit,
        name: "writeback-limit",
        value: "EXPRESSION|none",
        default: "none",
        help: "How much maintenance may write to the writeback device in a day, in MiB.",
        ..ADDED
    },
    Row {
        key: Key::IdleAge,
        name: "idle-age",
        value: "TIME|none",
        default: "none",
        help: "Pages that nobody has touched for that long are idle for maintenance: a number of \
               seconds, or of another unit with `min`, `h` or `d` behind it.",
        ..ADDED
    },
    Row {
        key: Key::Maintenance,
        name: "maintenance",
        value: "TIME|off",
        default: "off",
        help: "How often maintenance looks after the device: as `idle-age`.",
        ..ADDED
    },
];

impl Key {
    /// The key of that name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        let row = KEYS.iter().find(|row| row.name == name || row.alias == Some(name));
        row.map(|row| row.key)
    }

    /// Its row.
    #[must_use]
    pub fn row(self) -> &'static Row {
        KEYS.iter().find(|row| row.key == self).unwrap_or(&STOCK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_one_row() {
        for row in KEYS {
            assert_eq!(row.key.row().name, row.name);
            assert_eq!(Key::by_name(row.name), Some(row.key));
            assert!(!row.help.is_empty() && !row.value.is_empty(), "{}", row.name);
        }
        assert_eq!(Key::by_name("memory-limit"), Some(Key::HostMemoryLimit));
        assert_eq!(Key::by_name("zram_size"), None);
    }
}
