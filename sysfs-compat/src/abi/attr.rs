//! The table of attributes: one row each, the source of everything that is said about them.

use super::errno::Errno;
use super::kernel::{Change, Feature, Kernel, Version};

/// Which directions an attribute has, and for whom. Root is bound by it too: sysfs refuses the other
/// direction with `EACCES` whoever asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// 0444
    ReadOnly,
    /// 0400, as files in debugfs
    RootReadOnly,
    /// 0644
    ReadWrite,
    /// 0200
    WriteOnly,
}

impl Mode {
    /// The permission bits that `stat` shows.
    #[must_use]
    pub const fn bits(self) -> u32 {
        match self {
            Mode::ReadOnly => 0o444,
            Mode::RootReadOnly => 0o400,
            Mode::ReadWrite => 0o644,
            Mode::WriteOnly => 0o200,
        }
    }

    /// Whether it can be opened for reading.
    #[must_use]
    pub const fn reads(self) -> bool {
        !matches!(self, Mode::WriteOnly)
    }

    /// Whether it can be opened for writing.
    #[must_use]
    pub const fn writes(self) -> bool {
        !matches!(self, Mode::ReadOnly | Mode::RootReadOnly)
    }
}

/// A way in which a write can fail.
#[derive(Debug, Clone, Copy)]
pub struct Refusal {
    /// What write(2) fails with.
    pub errno: Errno,
    /// Kernels that can.
    pub since: Option<Version>,
    /// The usual reason, as a person would say it.
    pub why: &'static str,
}

/// One row.
#[derive(Debug)]
pub struct Info {
    /// The key.
    pub attr: Attr,
    /// File name below `/sys/block/zramN/`.
    pub name: &'static str,
    /// Directions.
    pub mode: Mode,
    /// First release that has it.
    pub since: Version,
    /// First release that has it no more.
    pub until: Option<Version>,
    /// Build option without which the file does not exist.
    pub needs: Option<Feature>,
    /// What reading gives.
    pub shows: &'static str,
    /// What may be written, and what that does.
    pub takes: &'static str,
    /// How a write can fail.
    pub refusals: &'static [Refusal],
}

impl Info {
    /// Whether a device of `kernel` has the file.
    #[must_use]
    pub fn exists(&self, kernel: &Kernel) -> bool {
        let in_time =
            self.since <= kernel.version && self.until.is_none_or(|until| kernel.version < until);
        in_time && self.needs.is_none_or(|feature| kernel.has(feature))
    }

    /// How a write can fail on `kernel`.
    pub fn refusals(&self, kernel: &Kernel) -> impl Iterator<Item = &'static Refusal> {
        let version = kernel.version;
        self.refusals.iter().filter(move |r| r.since.is_none_or(|since| since <= version))
    }
}

/// Generates the key enum and the table in the same order.
macro_rules! attributes {
    ($($attr:ident $name:literal $mode:ident $since:expr, $until:expr, $needs:expr;
       shows $shows:literal takes $takes:literal
       $($errno:ident $(since $change:expr)? => $why:literal),* $(,)?;)*) => {
        /// Key of an attribute.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Attr { $(#[doc = concat!("`", $name, "`")] $attr),* }

        /// The table.
        pub static ATTRIBUTES: &[Info] = &[$(Info {
            attr: Attr::$attr,
            name: $name,
            mode: Mode::$mode,
            since: $since,
            until: $until,
            needs: $needs,
            shows: $shows,
            takes: $takes,
            refusals: &[$(Refusal {
                errno: Errno::$errno,
                since: since!($($change)?),
                why: $why,
            }),*],
        }),*];
    };
}

macro_rules! since {
    () => {
        None
    };
    ($version:expr) => {
        Some($version)
    };
}

use Feature::{MultiComp, Writeback};

attributes! {
    Disksize "disksize" ReadWrite Version(2, 6), None, None;
        shows "size in bytes, 0 before initialisation"
        takes "size (memparse), rounded up to pages: initialises the device"
        EINVAL => "the size is 0, or the algorithm cannot work with its parameters",
        EBUSY => "the device is initialised already; reset it first",
        ENOMEM => "there is not enough memory for the page table of that size";
    Initstate "initstate" ReadOnly Version(2, 6), None, None;
        shows "1 when initialised, else 0"
        takes "";
    Reset "reset" WriteOnly Version(2, 6), None, None;
        shows ""
        takes "any number but 0: drops all data and settings"
        EINVAL => "not a number, or 0",
        ERANGE => "more than 65535",
        EBUSY => "somebody has the device open, mounted or swapped on";
    CompAlgorithm "comp_algorithm" ReadWrite Version(3, 15), None, None;
        shows "all algorithms, the selected one in brackets"
        takes "the name of one"
        EINVAL => "this kernel has no such algorithm",
        EBUSY => "the device is initialised; reset it first",
        E2BIG since Change::OwnAlgorithms.since() => "the name is longer than 127 bytes";
    AlgorithmParams "algorithm_params" WriteOnly Version(6, 12), None, None;
        shows ""
        takes "[algo=NAME] [priority=N] [level=N] [dict=PATH] [deflate.winbits=N]"
        EINVAL => "a key without a value, a value that is no number, an algorithm that is not \
                   selected, or an unreadable dictionary",
        ERANGE => "a number that needs more than 32 bits",
        EBUSY since Change::ParamsBeforeInit.since() => "the device is initialised; reset it first";
    MemLimit "mem_limit" WriteOnly Version(3, 18), None, None;
        shows ""
        takes "size (memparse), rounded up to pages; 0 is no limit"
        EINVAL => "no number";
    MemUsedMax "mem_used_max" WriteOnly Version(3, 18), None, None;
        shows ""
        takes "0: the peak starts again from what is used now"
        EINVAL => "anything but 0";
    Compact "compact" WriteOnly Version(4, 2), None, None;
        shows ""
        takes "anything: compacts the allocator's memory"
        EINVAL => "the device is not initialised";
    Idle "idle" WriteOnly Version(5, 0), None, None;
        shows ""
        takes "all, or an age in seconds where slots have access times: marks pages idle"
        EINVAL => "the device is not initialised, or an age on a kernel built without \
                   CONFIG_ZRAM_TRACK_ENTRY_ACTIME";
    IoStat "io_stat" ReadOnly Version(4, 1), None, None;
        shows "failed_reads failed_writes invalid_io notify_free"
        takes "";
    MmStat "mm_stat" ReadOnly Version(4, 1), None, None;
        shows "orig_data_size compr_data_size mem_used_total mem_limit mem_used_max same_pages \
               pages_compacted huge_pages huge_pages_since"
        takes "";
    DebugStat "debug_stat" ReadOnly Version(4, 7), None, None;
        shows "version: 1, then two counters"
        takes "";
    MaxCompStreams "max_comp_streams" ReadWrite Version(3, 15), Some(Version(6, 15)), None;
        shows "number of CPUs"
        takes "anything, to no effect (since 4.7)";
    RecompAlgorithm "recomp_algorithm" ReadWrite Version(6, 2), None, Some(MultiComp);
        shows "one line for each secondary algorithm that is set"
        takes "algo=NAME [priority=1..3]"
        EINVAL => "this kernel has no such algorithm, or no such priority",
        ERANGE => "a priority that needs more than 32 bits",
        EBUSY => "the device is initialised; reset it first",
        E2BIG => "the name is longer than 127 bytes";
    Recompress "recompress" WriteOnly Version(6, 2), None, Some(MultiComp);
        shows ""
        takes "[type=idle|huge|huge_idle] [threshold=BYTES] [max_pages=N] [algo=NAME] [priority=N]"
        EINVAL => "the device is not initialised, or no such secondary algorithm is set",
        ERANGE => "a number out of range";
    BackingDev "backing_dev" ReadWrite Version(4, 14), None, Some(Writeback);
        shows "path of the backing device, or none"
        takes "path of a block device"
        EBUSY => "the device is initialised, or the backing device is in use",
        ENOENT => "no such file",
        ENAMETOOLONG => "a component of the path is longer than 255 bytes",
        EISDIR => "a directory, or no path at all",
        ENOTBLK => "not a block device",
        EINVAL => "the block device has no page";
    Writeback "writeback" WriteOnly Version(5, 0), None, Some(Writeback);
        shows ""
        takes "[type=]idle|huge|huge_idle|incompressible, page_index=N, page_indexes=LOW-HIGH"
        EINVAL => "the device is not initialised, or the request cannot be read",
        ENODEV => "the device has no backing device",
        ERANGE since Change::WritebackList.since() => "a page index beyond the end of the device",
        EIO => "the writeback limit is used up",
        ENOSPC => "the backing device is full";
    WritebackLimit "writeback_limit" ReadWrite Version(5, 0), None, Some(Writeback);
        shows "what may still be written back, in units of 4 KiB"
        takes "a number"
        EINVAL => "not a number of at most 64 bits";
    WritebackLimitEnable "writeback_limit_enable" ReadWrite Version(5, 0), None, Some(Writeback);
        shows "1 when the limit holds, else 0"
        takes "0, or any other number"
        EINVAL => "not a number of at most 64 bits";
    WritebackBatchSize "writeback_batch_size" ReadWrite Version(6, 19), None, Some(Writeback);
        shows "how many pages are in flight at most during writeback"
        takes "a number from 1 on"
        EINVAL => "0, or not a number of at most 32 bits";
    CompressedWriteback "compressed_writeback" ReadWrite Version(7, 0), None, Some(Writeback);
        shows "1 when pages are written back compressed, else 0"
        takes "a boolean"
        EINVAL => "not a boolean",
        EBUSY => "the device is initialised; reset it first";
    BdStat "bd_stat" ReadOnly Version(5, 0), None, Some(Writeback);
        shows "bd_count bd_reads bd_writes, in units of 4 KiB"
        takes "";
}

impl Attr {
    /// The row.
    #[must_use]
    pub fn info(self) -> &'static Info {
        #[expect(clippy::indexing_slicing, reason = "the macro makes enum and table in one order")]
        &ATTRIBUTES[self as usize]
    }

    /// The file name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// The attribute of that name, whichever kernel has it.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        ATTRIBUTES.iter().find(|info| info.name == name).map(|info| info.attr)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_finds_its_own_row() {
        for info in ATTRIBUTES {
            assert_eq!(info.attr.name(), info.name);
            assert_eq!(Attr::by_name(info.name), Some(info.attr));
            assert_eq!(info.shows.is_empty(), !info.mode.reads(), "{}", info.name);
            assert_eq!(info.takes.is_empty(), !info.mode.writes(), "{}", info.name);
        }
        assert_eq!(Attr::by_name("use_dedup"), None);
    }

    #[test]
    fn files_depend_on_release_and_options() {
        let names = |kernel: &Kernel| {
            let exist = ATTRIBUTES.iter().filter(|info| info.exists(kernel));
            exist.map(|info| info.name).collect::<Vec<_>>()
        };
        let newest = Kernel::newest();
        assert_eq!(names(&newest).len(), ATTRIBUTES.len() - 1);
        assert!(!names(&newest).contains(&"max_comp_streams"));
        let plain = Kernel { version: Version(6, 18), features: vec![], ..newest };
        assert_eq!(
            names(&plain),
            [
                "disksize",
                "initstate",
                "reset",
                "comp_algorithm",
                "algorithm_params",
                "mem_limit",
                "mem_used_max",
                "compact",
                "idle",
                "io_stat",
                "mm_stat",
                "debug_stat"
            ]
        );
        assert!(!names(&Kernel { version: Version(6, 1), ..plain }).contains(&"algorithm_params"));
    }
}
