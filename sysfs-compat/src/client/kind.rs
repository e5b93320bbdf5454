//! The two kinds of zram devices, and where each has its files.

use std::path::PathBuf;

/// Who runs a device. Both kinds have the same attribute files, in different places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The zram driver of the kernel.
    Kernel,
    /// trueno-ublk: the device is one of the ublk driver's, the attributes are in a mirror of what
    /// the kernel has.
    Ublk,
}

/// The places of one kind, without the root.
struct Places {
    name: &'static str,
    /// The directory of `hot_add` and `hot_remove`.
    control: &'static str,
    /// Where each device has its directory of attributes.
    devices: &'static str,
    /// Where each device has its node, or a link to it.
    nodes: &'static str,
}

impl Kind {
    /// All kinds, in the order in which devices are listed.
    pub const ALL: [Kind; 2] = [Kind::Kernel, Kind::Ublk];

    const fn places(self) -> &'static Places {
        match self {
            Kind::Kernel => &Places {
                name: "kernel",
                control: "/sys/class/zram-control",
                devices: "/sys/block",
                nodes: "/dev",
            },
            Kind::Ublk => &Places {
                name: "ublk",
                control: "/run/trueno/zram-control",
                devices: "/run/trueno",
                nodes: "/dev/trueno",
            },
        }
    }

    /// The kind's name for people and programs: `kernel` or `ublk`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.places().name
    }

    /// The kind of that name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The directory of `hot_add` and `hot_remove`, without the root.
    #[must_use]
    pub const fn control(self) -> &'static str {
        self.places().control
    }

    /// The directory in which each device has a directory of attributes, without the root.
    #[must_use]
    pub const fn devices(self) -> &'static str {
        self.places().devices
    }

    /// The directory in which each device has a node or a link, without the root.
    #[must_use]
    pub const fn nodes(self) -> &'static str {
        self.places().nodes
    }

    /// The directory of the attributes of device `number`, without the root.
    #[must_use]
    pub fn directory(self, number: u32) -> PathBuf {
        PathBuf::from(format!("{}/zram{number}", self.devices()))
    }

    /// The path of the node of device `number`, or of the link to it, without the root.
    #[must_use]
    pub fn node(self, number: u32) -> String {
        format!("{}/zram{number}", self.nodes())
    }
}
