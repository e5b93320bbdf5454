//! The table of columns, and where each cell comes from.

use std::cell::OnceCell;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use sysfs_compat::abi::algorithm::{AlgorithmParams, RecompAlgorithm};
use sysfs_compat::abi::stat::{BdStat, MmStat};
use sysfs_compat::abi::{Errno, Kernel};
use sysfs_compat::client::error::{Action, Error, Result};
use sysfs_compat::client::usage::Usage;
use sysfs_compat::client::{Device, Kind, Root};

use crate::table::{Align, WidthHint};

/// Key of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is described by its row")]
pub enum Col {
    Name,
    DiskSize,
    Data,
    Compr,
    Algorithm,
    Streams,
    ZeroPages,
    Total,
    MemLimit,
    MemUsed,
    Migrated,
    CompRatio,
    MountPoint,
    Kind,
    HugePages,
    HugePagesSince,
    BackingDev,
    BdCount,
    BdReads,
    BdWrites,
    RecompAlgorithm,
    Params,
    Prio,
    Used,
    Idle,
}

/// One row of the table of columns.
#[derive(Debug)]
pub struct Row {
    /// The key.
    pub id: Col,
    /// The heading, which is also the name for `--output`.
    pub name: &'static str,
    /// Whether util-linux zramctl has it too.
    pub stock: bool,
    /// What it shows, for `--help`.
    pub help: &'static str,
    /// What the man page adds.
    pub manual: &'static str,
    pub(crate) align: Align,
    pub(crate) hint: WidthHint,
}

macro_rules! columns {
    ($($id:ident $stock:ident $align:ident $hint:expr, $name:literal $help:literal
       $(; $manual:literal)?),* $(,)?) => {
        /// The table, in the order of `--output-all`: zramctl's columns in zramctl's order, then
        /// ours.
        pub static COLUMNS: &[Row] = &[$(Row {
            id: Col::$id,
            name: $name,
            stock: stringify!($stock).len() == "stock".len(),
            help: $help,
            manual: concat!($($manual)?),
            align: Align::$align,
            hint: $hint,
        }),*];
    };
}

use WidthHint::{Cells, TerminalPart};

columns! {
    Name stock Left TerminalPart(4), "NAME" "device";
        "Its path, as it was given if it was.",
    DiskSize stock Right Cells(5), "DISKSIZE" "size of the device";
        "How much can be stored in it, uncompressed; not what it takes.",
    Data stock Right Cells(5), "DATA" "uncompressed size of what is stored";
        "Same-filled and written-back pages included. For a swap it is not the same as USED: lower \
         while pages that have been read back in keep their place in swap, and higher after pages \
         have been freed without the device being told.",
    Compr stock Right Cells(5), "COMPR" "compressed size of what is stored";
        "What the algorithm made of it, without the allocator's waste; incompressible pages count \
         whole, same-filled ones nothing.",
    Algorithm stock Left Cells(3), "ALGORITHM" "compression algorithm",
    Streams stock Right Cells(3), "STREAMS" "number of compression streams";
        "Empty on Linux 6.15 and later, which has no such attribute.",
    ZeroPages stock Right Cells(3), "ZERO-PAGES" "pages filled with one word";
        "Stored without taking memory, whatever the word: not only zeros.",
    Total stock Right Cells(5), "TOTAL" "memory taken, allocator's waste included";
        "This is what the device costs.",
    MemLimit stock Right Cells(5), "MEM-LIMIT" "limit on TOTAL, 0 for none",
    MemUsed stock Right Cells(5), "MEM-USED" "largest TOTAL so far";
        "A peak, despite its name. --reset-peak starts it again.",
    Migrated stock Right Cells(5), "MIGRATED" "pages freed by compaction";
        "A count, shown like a size unless --bytes is given, as zramctl shows it.",
    CompRatio stock Right Cells(5), "COMP-RATIO" "DATA divided by TOTAL";
        "-nan when nothing is stored, inf when what is stored takes no memory.",
    MountPoint stock Left TerminalPart(10), "MOUNTPOINT" "where it is mounted, or [SWAP]",
    Kind ours Left Cells(3), "KIND" "who runs it: kernel or ublk";
        "ublk stands for trueno-ublk. Empty for block devices that are neither.",
    HugePages ours Right Cells(3), "HUGE-PAGES" "incompressible pages held now";
        "Stored whole. Since Linux 4.18.",
    HugePagesSince ours Right Cells(3), "HUGE-PAGES-SINCE" "incompressible pages ever stored";
        "Since the device was set up. Since Linux 5.12.",
    BackingDev ours Left Cells(3), "BACKING-DEV" "device that pages are written back to",
    BdCount ours Right Cells(3), "BD-COUNT" "blocks of 4 KiB in use on the backing device",
    BdReads ours Right Cells(3), "BD-READS" "blocks of 4 KiB read from it",
    BdWrites ours Right Cells(3), "BD-WRITES" "blocks of 4 KiB written to it",
    RecompAlgorithm ours Left Cells(3), "RECOMP-ALGORITHM" "algorithms to recompress with";
        "As ALG:PRIORITY, separated by commas.",
    Params ours Left Cells(3), "PARAMS" "parameters of the algorithm";
        "Linux takes algorithm_params but does not show them again, so this is empty for every \
         kernel up to 7.2. It is filled in where the attribute can be read.",
    Prio ours Right Cells(3), "PRIO" "priority of the swap on it",
    Used ours Right Cells(5), "USED" "how much of the swap on it is used",
    Idle ours Right Cells(3), "IDLE" "pages marked idle";
        "Counted in /sys/kernel/debug/zram/, page by page: needs root, and a kernel with \
         CONFIG_ZRAM_MEMORY_TRACKING. Empty for devices of trueno-ublk.",
}

/// zramctl's default.
pub const DEFAULT: [Col; 8] = [
    Col::Name,
    Col::Algorithm,
    Col::DiskSize,
    Col::Data,
    Col::Compr,
    Col::Total,
    Col::Streams,
    Col::MountPoint,
];

impl Col {
    /// The row.
    #[must_use]
    pub fn row(self) -> &'static Row {
        #[expect(clippy::indexing_slicing, reason = "a test holds enum and table in one order")]
        &COLUMNS[self as usize]
    }
}

/// With fewer columns `mm_stat` is none, and the older files are read, as zramctl reads them.
const MM_STAT_COLUMNS: usize = 7;

/// What a cell holds, before it is known how it will be shown.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// There is none, or the kernel does not tell.
    Unknown,
    Text(Vec<u8>),
    Count(i64),
    /// In bytes, or what zramctl shows as if it were.
    Size(u64),
    Ratio(f64),
}

/// One device as the columns see it. Every file is read once, when a column first needs it.
pub(crate) struct Subject<'a> {
    device: &'a Device,
    usage: &'a SharedUsage,
    mm_stat: OnceCell<Option<MmStat>>,
    bd_stat: OnceCell<Option<BdStat>>,
}

/// `/proc/swaps` and `/proc/mounts`, read for the first device that needs them.
#[derive(Default)]
pub(crate) struct SharedUsage(OnceCell<Usage>);

impl SharedUsage {
    fn get(&self, root: &Root) -> Result<&Usage> {
        get_or_try_init(&self.0, || Usage::read(root))
    }
}

impl<'a> Subject<'a> {
    pub(crate) fn new(device: &'a Device, usage: &'a SharedUsage) -> Self {
        Subject { device, usage, mm_stat: OnceCell::new(), bd_stat: OnceCell::new() }
    }

    /// The cell of one column.
    pub(crate) fn cell(&self, column: Col) -> Result<Value> {
        let mm = |file: &str, field: fn(&MmStat) -> u64| self.memory(file, field);
        let size = |number: Option<u64>| number.map_or(Value::Unknown, Value::Size);
        let count = |number: Option<u64>| number.map_or(Value::Unknown, Value::count);
        Ok(match column {
            Col::Name => Value::Text(self.device.node().as_bytes().to_vec()),
            Col::DiskSize => size(self.number("disksize")?),
            Col::Data => size(mm("orig_data_size", |mm| mm.orig_data_size)?),
            Col::Compr => size(mm("compr_data_size", |mm| mm.compr_data_size)?),
            Col::Total => size(mm("mem_used_total", |mm| mm.mem_used_total)?),
            Col::MemLimit => size(mm("mem_limit", |mm| mm.mem_limit)?),
            Col::MemUsed => size(mm("mem_used_max", |mm| mm.mem_used_max.cast_unsigned())?),
            Col::Migrated => size(mm("num_migrated", |mm| mm.pages_compacted)?),
            Col::ZeroPages => count(mm("zero_pages", |mm| mm.same_pages)?),
            Col::CompRatio => self.ratio()?,
            Col::Algorithm => self.algorithm()?,
            Col::Streams => self.streams()?,
            Col::MountPoint => self.mount_point()?,
            Col::Kind => self.kind(),
            Col::HugePages => count(self.mm_stat()?.and_then(|mm| mm.huge_pages)),
            Col::HugePagesSince => count(self.mm_stat()?.and_then(|mm| mm.huge_pages_since)),
            Col::BackingDev => self.backing_dev()?,
            Col::BdCount => count(self.bd_stat()?.map(|bd| bd.count)),
            Col::BdReads => count(self.bd_stat()?.map(|bd| bd.reads)),
            Col::BdWrites => count(self.bd_stat()?.map(|bd| bd.writes)),
            Col::RecompAlgorithm => self.recomp_algorithm()?,
            Col::Params => self.params(),
            Col::Prio => self.swap()?.map_or(Value::Unknown, |(prio, _)| Value::Count(prio.into())),
            Col::Used => size(self.swap()?.map(|(_, used)| used)),
            Col::Idle => count(self.idle_pages()),
        })
    }

    fn kind(&self) -> Value {
        let kind = self.device.kind();
        kind.map_or(Value::Unknown, |kind| Value::Text(kind.name().as_bytes().to_vec()))
    }

    fn read(&self, attribute: &str) -> Result<Option<String>> {
        self.device.read_optional(attribute)
    }

    fn text(&self, attribute: &str) -> Result<Value> {
        let text = self.read(attribute)?;
        Ok(text.map_or(Value::Unknown, |text| Value::Text(text.trim_end().as_bytes().to_vec())))
    }

    fn number(&self, attribute: &str) -> Result<Option<u64>> {
        Ok(self.read(attribute)?.and_then(|text| text.trim().parse().ok()))
    }

    fn streams(&self) -> Result<Value> {
        Ok(match self.text("max_comp_streams")? {
            Value::Text(text) => {
                let number = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
                number.map_or(Value::Text(text), Value::Count)
            }
            other => other,
        })
    }

    /// A field of `mm_stat`, or the file that held it before there was an `mm_stat` (4.1).
    fn memory(&self, old_file: &str, field: fn(&MmStat) -> u64) -> Result<Option<u64>> {
        match self.mm_stat()? {
            Some(stat) => Ok(Some(field(stat))),
            None => self.number(old_file),
        }
    }

    fn mm_stat(&self) -> Result<Option<&MmStat>> {
        let is_one = |text: &str| text.split_ascii_whitespace().count() >= MM_STAT_COLUMNS;
        let read = || self.parse("mm_stat", is_one, MmStat::parse);
        Ok(get_or_try_init(&self.mm_stat, read)?.as_ref())
    }

    fn bd_stat(&self) -> Result<Option<&BdStat>> {
        let read = || self.parse("bd_stat", |_| true, BdStat::parse);
        Ok(get_or_try_init(&self.bd_stat, read)?.as_ref())
    }

    fn parse<T>(
        &self,
        attribute: &str,
        is_one: fn(&str) -> bool,
        parse: fn(&str) -> std::result::Result<T, Errno>,
    ) -> Result<Option<T>> {
        let Some(text) = self.read(attribute)?.filter(|text| is_one(text)) else { return Ok(None) };
        let failed = |errno: Errno| Error {
            action: Action::Parse(text.clone()),
            path: self.device.attribute(attribute),
            source: errno.into(),
        };
        parse(&text).map(Some).map_err(failed)
    }

    fn ratio(&self) -> Result<Value> {
        let data = self.memory("orig_data_size", |mm| mm.orig_data_size)?.unwrap_or_default();
        let total = self.memory("mem_used_total", |mm| mm.mem_used_total)?.unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "four decimals are shown")]
        let ratio = data as f64 / total as f64;
        // Not a number where nothing is known, as zramctl has it.
        Ok(Value::Ratio(ratio))
    }

    fn algorithm(&self) -> Result<Value> {
        let Some(line) = self.read("comp_algorithm")? else { return Ok(Value::Unknown) };
        let name = line.rfind('[').zip(line.rfind(']')).and_then(|(a, b)| line.get(a + 1..b));
        Ok(name.map_or(Value::Unknown, |name| Value::Text(name.as_bytes().to_vec())))
    }

    fn recomp_algorithm(&self) -> Result<Value> {
        let Some(text) = self.read("recomp_algorithm")? else { return Ok(Value::Unknown) };
        let lines = RecompAlgorithm::parse(&text).lines.into_iter();
        let set = lines.filter_map(|(prio, line)| Some(format!("{}:{prio}", line.selected?)));
        Ok(Value::Text(set.collect::<Vec<_>>().join(",").into_bytes()))
    }

    fn params(&self) -> Value {
        // Write-only in every kernel so far, so that reading it fails with EACCES.
        let text = self.device.read("algorithm_params").ok();
        let kernel = Kernel::newest();
        let params = text.and_then(|text| AlgorithmParams::parse(text.as_bytes(), &kernel).ok());
        params.map_or(Value::Unknown, |params| Value::Text(params.to_string().into_bytes()))
    }

    fn backing_dev(&self) -> Result<Value> {
        Ok(match self.text("backing_dev")? {
            Value::Text(path) if path == b"none" => Value::Unknown,
            other => other,
        })
    }

    fn swap(&self) -> Result<Option<(i32, u64)>> {
        let usage = self.usage.get(self.device.root())?;
        Ok(usage.swap(self.device).map(|swap| (swap.priority, swap.used)))
    }

    fn mount_point(&self) -> Result<Value> {
        let usage = self.usage.get(self.device.root())?;
        let target = match usage.swap(self.device) {
            Some(_) => Some(OsString::from("[SWAP]")),
            None => usage.mount(self.device).map(|mount| mount.target.clone()),
        };
        Ok(target.map_or(Value::Unknown, |target| Value::Text(target.into_vec())))
    }

    /// Counts the slots that carry the flag `i`, one line at a time: a large device has millions.
    fn idle_pages(&self) -> Option<u64> {
        // Only the kernel has it: another's device may well have the same number.
        let number =
            self.device.zram_number().filter(|_| self.device.kind() == Some(Kind::Kernel))?;
        let path = format!("/sys/kernel/debug/zram/zram{number}/block_state");
        let mut file = BufReader::new(File::open(self.device.root().join(path)).ok()?);
        let mut line = Vec::new();
        let mut idle = 0;
        loop {
            line.clear();
            match file.read_until(b'\n', &mut line) {
                Ok(0) => return Some(idle),
                Ok(_) => idle += u64::from(line.rsplit(|&b| b == b' ').next()?.contains(&b'i')),
                Err(_) => return None,
            }
        }
    }
}

impl Value {
    fn count(number: u64) -> Self {
        Value::Count(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

fn get_or_try_init<T>(cell: &OnceCell<T>, read: impl FnOnce() -> Result<T>) -> Result<&T> {
    match cell.get() {
        Some(value) => Ok(value),
        None => read().map(|value| cell.get_or_init(|| value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_finds_its_own_row() {
        for row in COLUMNS {
            assert_eq!(row.id.row().name, row.name);
        }
        let last = COLUMNS.last().expect("not empty");
        assert_eq!(last.id as usize + 1, COLUMNS.len());
    }

    #[test]
    fn stock_columns_are_the_contracts() {
        let stock: Vec<_> = COLUMNS.iter().filter(|row| row.stock).map(|row| row.name).collect();
        assert_eq!(
            stock.join(" "),
            "NAME DISKSIZE DATA COMPR ALGORITHM STREAMS ZERO-PAGES TOTAL MEM-LIMIT MEM-USED \
             MIGRATED COMP-RATIO MOUNTPOINT"
        );
        assert!(COLUMNS.iter().is_sorted_by_key(|row| !row.stock), "zramctl's come first");
    }
}
