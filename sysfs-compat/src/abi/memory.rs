//! A backend that keeps pages in plain memory: the reference that real devices are compared with.
//!
//! It accounts as the driver does, but does not compress: a page is same-filled or else huge
//! (stored raw), so that every statistic is exact for zero pages, pattern pages and random pages.
//! It has no clock either: seen by an age, every page was touched just now, at [`Memory::uptime`].

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::algorithm::PRIORITIES;
use super::device::{Backend, CreateError, Setup};
use super::errno::Errno;
use super::kernel::{Change, Kernel, PAGE_SIZE};
use super::request::{Idle, Pages, Recompress, Writeback};
use super::stat::{BdStat, DebugStat, IoStat, MmStat, SlotFlags};

/// Beyond this, no machine has memory for the page table (16 bytes a page make 4 TiB here).
const LARGEST_DISK: u64 = 1 << 50;

/// Longest component of a path (`NAME_MAX`).
const NAME_LENGTH: usize = 255;

/// The longest dictionary that lz4 and lz4hc can work with.
const LZ4_DICTIONARY: usize = 64 << 10;

/// The shortest one, for lz4 only.
const LZ4_DICTIONARY_LEAST: usize = 8;

/// A file that a path leads to, as far as `backing_dev` and `dict=` see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum File {
    /// A block device with that many pages.
    Block(u64),
    /// A block device that somebody holds exclusively.
    Claimed,
    /// A regular file of that many bytes.
    Regular(usize),
    /// A directory.
    Directory,
    /// A symbolic link to the other path.
    Link(Vec<u8>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Same,
    Raw,
    WrittenBack(u64),
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    content: Content,
    idle: bool,
}

/// What has become of an algorithm and its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compressor {
    Works,
    /// It could be set up, but fails to compress anything.
    Fails,
}

#[derive(Debug)]
struct BackingDevice {
    path: Vec<u8>,
    /// Blocks that may be used.
    blocks: Range<u64>,
    used: BTreeSet<u64>,
}

/// The backend.
#[derive(Debug)]
pub struct Memory {
    kernel: Kernel,
    files: BTreeMap<Vec<u8>, File>,
    /// How many times the block device is open.
    pub openers: usize,
    /// Seconds since boot.
    pub uptime: u64,
    /// Pages of the device.
    pages: u64,
    /// The compressor takes its parameters, but no page.
    is_broken: bool,
    slots: BTreeMap<u64, Slot>,
    limit_pages: u64,
    peak_pages: u64,
    huge_since: u64,
    io: IoStat,
    backing: Option<BackingDevice>,
    bd: BdStat,
}

impl Memory {
    /// An empty one. `files` is the world that paths lead to; all others do not exist.
    #[must_use]
    pub fn new(kernel: Kernel, files: BTreeMap<Vec<u8>, File>) -> Self {
        Memory {
            kernel,
            files,
            openers: 0,
            // A day: long enough for the usual ages to be less.
            uptime: 24 * 60 * 60,
            pages: 0,
            is_broken: false,
            slots: BTreeMap::new(),
            limit_pages: 0,
            peak_pages: 0,
            huge_since: 0,
            io: IoStat::default(),
            backing: None,
            bd: BdStat::default(),
        }
    }

    /// Whether every algorithm can be set up with its parameters.
    ///
    /// # Errors
    /// What `disksize` would fail with.
    pub fn check(&self, setup: &Setup) -> Result<(), Errno> {
        (0..PRIORITIES).try_for_each(|slot| self.compressor(setup, slot).map(drop))
    }

    /// Writes a page: same-filled, or one that no algorithm makes smaller.
    ///
    /// # Errors
    /// `EIO` when the memory limit does not allow it, or the compressor fails; the old content
    /// stays.
    pub fn write(&mut self, index: u64, same_filled: bool) -> Result<(), Errno> {
        let content = if same_filled { Content::Same } else { Content::Raw };
        if content == Content::Raw && !self.has_room() {
            self.io.failed_writes += 1;
            if !self.kernel.after(Change::FailedAccessKeepsIdle)
                && let Some(slot) = self.slots.get_mut(&index)
            {
                slot.idle = false;
            }
            return Err(Errno::EIO);
        }
        self.huge_since += u64::from(content == Content::Raw);
        self.free(index);
        self.slots.insert(index, Slot { content, idle: false });
        Ok(())
    }

    /// Whether one more page can be compressed and stored.
    fn has_room(&mut self) -> bool {
        if self.is_broken {
            return false;
        }
        // The new place is taken before the old one is given up, and before the limit is looked
        // at.
        let pages = self.raw_pages() + 1;
        self.peak_pages = self.peak_pages.max(pages);
        self.limit_pages == 0 || pages <= self.limit_pages
    }

    /// Reads a page: it is touched, and it may come from the backing device.
    pub fn read(&mut self, index: u64) {
        if let Some(slot) = self.slots.get_mut(&index) {
            slot.idle = false;
            if let Content::WrittenBack(_) = slot.content {
                self.bd.reads += 1;
            }
        }
    }

    /// Discards pages.
    pub fn discard(&mut self, pages: Range<u64>) {
        for index in pages {
            self.io.notify_free += 1;
            self.free(index);
        }
    }

    /// What debugfs shows in `block_state`: every slot that holds something.
    pub fn block_state(&self) -> impl Iterator<Item = (u64, SlotFlags)> {
        let has_six = self.kernel.after(Change::SixSlotFlags);
        let stays_huge = self.kernel.after(Change::WrittenBackStaysHuge);
        self.slots.iter().map(move |(&index, slot)| {
            let written_back = matches!(slot.content, Content::WrittenBack(_));
            let flags = SlotFlags {
                same: slot.content == Content::Same,
                written_back,
                // Nothing but raw pages is ever written back.
                huge: slot.content == Content::Raw || (written_back && stays_huge),
                idle: slot.idle,
                recompressed: has_six.then_some(false),
                incompressible: has_six.then_some(false),
            };
            (index, flags)
        })
    }

    /// The pages that a `writeback` list asks for, in the order in which the driver takes them. A
    /// page that is named twice is there twice.
    #[must_use]
    pub fn candidates(&self, items: &[Writeback]) -> Vec<u64> {
        let mut found = Vec::new();
        let mut range = 0..=u64::MAX;
        for item in items {
            let pages = match *item {
                Writeback::Pages(pages) => pages,
                Writeback::Range { first, last } => {
                    range = first..=last;
                    Pages::default()
                }
            };
            let indices = self.slots.range(range.clone()).map(|(&index, _)| index);
            found.extend(indices.filter(|&index| self.can_move(index, pages)));
        }
        // The driver sorts by size, the last one found first. Raw pages are all of one size.
        found.reverse();
        found
    }

    fn free(&mut self, index: u64) {
        let Some(slot) = self.slots.remove(&index) else { return };
        if let (Content::WrittenBack(block), Some(backing)) = (slot.content, &mut self.backing) {
            backing.used.remove(&block);
        }
    }

    fn count(&self, content: Content) -> u64 {
        self.slots.values().filter(|slot| slot.content == content).count() as u64
    }

    fn raw_pages(&self) -> u64 {
        self.count(Content::Raw)
    }

    /// Whether the algorithm of a slot can work with its parameters.
    fn compressor(&self, setup: &Setup, slot: usize) -> Result<Compressor, Errno> {
        let name = setup.algorithms.get(slot).and_then(Option::as_deref);
        let params = setup.params.get(slot).cloned().unwrap_or_default();
        let dictionary = setup.dictionaries.get(slot).map_or(0, Vec::len);
        // The kernel's "not set".
        let level = params.level.filter(|&level| level != i32::MIN);
        let winbits = params.winbits.filter(|&bits| bits != i32::MIN);
        let is_short = (1..LZ4_DICTIONARY_LEAST).contains(&dictionary);
        let is_long = dictionary > LZ4_DICTIONARY;
        let is_valid = match name.map(|name| name.trim_ascii_end()) {
            Some("deflate") => {
                level.is_none_or(|level| (-1..=9).contains(&level))
                    && winbits.is_none_or(|bits| (9..=15).contains(&bits.unsigned_abs()))
            }
            Some("lz4") => {
                let fails = is_short || is_long;
                if fails && !self.kernel.after(Change::Lz4DictionaryChecked) {
                    return Ok(Compressor::Fails);
                }
                !fails
            }
            Some("lz4hc") if is_long => return Ok(Compressor::Fails),
            _ => true,
        };
        if is_valid { Ok(Compressor::Works) } else { Err(Errno::EINVAL) }
    }

    /// Whether a page touched just now counts as idle: see [`Change::IdleAge32`].
    fn is_old_enough(&self, idle: Idle) -> bool {
        let Idle::OlderThan { seconds } = idle else { return true };
        // A point in time of 0 stands for all pages.
        if self.kernel.after(Change::IdleAge32) {
            let [now, age] = [self.uptime, seconds].map(|n| n & u64::from(u32::MAX));
            let before = now.wrapping_sub(age) & u64::from(u32::MAX);
            before == 0 || before > now
        } else {
            const NANOSECONDS: u64 = 1_000_000_000;
            let now = self.uptime.wrapping_mul(NANOSECONDS);
            let before = now.wrapping_sub(seconds.wrapping_mul(NANOSECONDS));
            // The clock has moved on since the page was touched, so that even no age at all is old.
            before == 0 || before.cast_signed() >= now.cast_signed()
        }
    }

    /// The file that a path leads to, and the path to show for it.
    fn resolve(&self, path: &[u8]) -> Result<(Vec<u8>, &File), Errno> {
        let mut plain = Vec::new();
        // Directories that are there because of what is in them, the root among them.
        let mut is_directory = true;
        for name in path.split(|&byte| byte == b'/') {
            if matches!(name, b"" | b".") {
                continue;
            }
            if !is_directory {
                return Err(Errno::ENOTDIR);
            }
            plain.push(b'/');
            plain.extend_from_slice(name);
            let inside = [plain.as_slice(), b"/"].concat();
            is_directory = self.files.keys().any(|path| path.starts_with(&inside));
            if !is_directory && !self.files.contains_key(&plain) {
                let is_long = name.len() > NAME_LENGTH;
                return Err(if is_long { Errno::ENAMETOOLONG } else { Errno::ENOENT });
            }
        }
        match self.files.get(&plain) {
            // The empty path is taken for the directory one is in.
            None => Ok((plain, &File::Directory)),
            Some(File::Link(target)) => {
                self.files.get(target).map(|file| (target.clone(), file)).ok_or(Errno::ENOENT)
            }
            Some(file) => Ok((plain, file)),
        }
    }

    /// Moves one page, if it is one that can be moved.
    fn write_back(&mut self, index: u64, block: u64) {
        if let (Some(slot), Some(backing)) = (self.slots.get_mut(&index), &mut self.backing) {
            *slot = Slot { content: Content::WrittenBack(block), idle: false };
            backing.used.insert(block);
            self.bd.writes += 1;
        }
    }

    fn free_block(&self) -> Result<u64, Errno> {
        let backing = self.backing.as_ref().ok_or(Errno::ENODEV)?;
        let mut blocks = backing.blocks.clone();
        blocks.find(|block| !backing.used.contains(block)).ok_or(Errno::ENOSPC)
    }

    fn can_move(&self, index: u64, pages: Pages) -> bool {
        // Nothing is ever found incompressible: that takes a recompression.
        self.slots.get(&index).is_some_and(|slot| {
            slot.content == Content::Raw && (slot.idle || !pages.idle) && !pages.incompressible
        })
    }

    /// Kernels before [`Change::WritebackList`]: limit and space are looked at for every index,
    /// whether there is something to write or not.
    fn write_back_in_turn(
        &mut self,
        item: &Writeback,
        mut budget: Option<&mut u64>,
    ) -> Result<(), Errno> {
        let (range, pages) = match *item {
            Writeback::Pages(pages) => (0..self.pages, pages),
            Writeback::Range { first, last } => (first..last + 1, Pages::default()),
        };
        for index in range {
            if budget.as_deref() == Some(&0) {
                return Err(Errno::EIO);
            }
            let block = self.free_block()?;
            if self.can_move(index, pages) {
                self.write_back(index, block);
                if let Some(budget) = &mut budget {
                    **budget -= 1;
                }
            }
        }
        Ok(())
    }
}

impl Backend for Memory {
    fn is_open(&self) -> bool {
        self.openers > 0
    }

    fn create(&mut self, setup: &Setup) -> Result<(), CreateError> {
        if setup.disksize > LARGEST_DISK {
            return Err(CreateError::Table);
        }
        self.check(setup).map_err(CreateError::Compressor)?;
        self.is_broken = self.compressor(setup, 0) == Ok(Compressor::Fails);
        self.pages = setup.disksize / PAGE_SIZE;
        Ok(())
    }

    fn destroy(&mut self) -> Result<(), Errno> {
        let kernel = self.kernel.clone();
        let files = std::mem::take(&mut self.files);
        let Memory { openers, uptime, .. } = *self;
        *self = Memory { openers, uptime, ..Memory::new(kernel, files) };
        Ok(())
    }

    fn memory(&self) -> MmStat {
        let raw = self.raw_pages();
        MmStat {
            orig_data_size: self.slots.len() as u64 * PAGE_SIZE,
            compr_data_size: raw * PAGE_SIZE,
            mem_used_total: raw * PAGE_SIZE,
            mem_limit: 0,
            mem_used_max: i64::try_from(self.peak_pages * PAGE_SIZE).unwrap_or(i64::MAX),
            same_pages: self.count(Content::Same),
            pages_compacted: 0,
            huge_pages: Some(raw),
            huge_pages_since: Some(self.huge_since),
        }
    }

    fn io(&self) -> IoStat {
        self.io
    }

    fn debug(&self) -> DebugStat {
        DebugStat::default()
    }

    fn limit_memory(&mut self, bytes: u64) -> Result<(), Errno> {
        self.limit_pages = bytes / PAGE_SIZE;
        Ok(())
    }

    fn reset_peak(&mut self) -> Result<(), Errno> {
        self.peak_pages = self.raw_pages();
        Ok(())
    }

    fn compact(&mut self) -> Result<(), Errno> {
        Ok(())
    }

    fn mark_idle(&mut self, idle: Idle) -> Result<(), Errno> {
        let skips = self.kernel.after(Change::IdleSkipsSameAndWrittenBack);
        let unmarks = self.kernel.after(Change::IdleUnmarksYounger);
        let marks = self.is_old_enough(idle);
        for slot in self.slots.values_mut() {
            if slot.content == Content::Raw || !skips {
                slot.idle = marks || (slot.idle && !unmarks);
            }
        }
        Ok(())
    }

    fn recompress(&mut self, _: &Recompress, _: Range<usize>) -> Result<(), Errno> {
        // Without a compressor there is nothing that a second one could improve.
        Ok(())
    }

    fn dictionary(&mut self, path: &[u8]) -> Result<Vec<u8>, Errno> {
        match self.resolve(path)? {
            (_, File::Regular(bytes @ 1..)) => Ok(vec![0; *bytes]),
            _ => Err(Errno::EINVAL),
        }
    }

    fn attach(&mut self, path: &[u8]) -> Result<Vec<u8>, Errno> {
        let (path, file) = self.resolve(path)?;
        let is_own = self.backing.as_ref().is_some_and(|backing| backing.path == path);
        let pages = match file {
            File::Directory => return Err(Errno::EISDIR),
            File::Regular(_) | File::Link(_) => return Err(Errno::ENOTBLK),
            File::Claimed => return Err(Errno::EBUSY),
            File::Block(_) if is_own && self.kernel.after(Change::BackingDeviceClaimsAnew) => {
                return Err(Errno::EBUSY);
            }
            File::Block(0) => return Err(Errno::EINVAL),
            File::Block(pages) => *pages,
        };
        let first = u64::from(!self.kernel.after(Change::BackingBlockZero));
        self.backing =
            Some(BackingDevice { path: path.clone(), blocks: first..pages, used: BTreeSet::new() });
        Ok(path)
    }

    fn backing(&self) -> BdStat {
        let count = self.backing.as_ref().map_or(0, |backing| backing.used.len() as u64);
        BdStat { count, ..self.bd }
    }

    fn writeback(
        &mut self,
        items: &[Writeback],
        mut budget: Option<&mut u64>,
    ) -> Result<(), Errno> {
        if !self.kernel.after(Change::WritebackList) {
            return items
                .iter()
                .try_for_each(|item| self.write_back_in_turn(item, budget.as_deref_mut()));
        }
        for index in self.candidates(items) {
            if budget.as_deref() == Some(&0) {
                return Err(Errno::EIO);
            }
            let block = self.free_block()?;
            self.write_back(index, block);
            if let Some(budget) = &mut budget {
                **budget -= 1;
            }
        }
        Ok(())
    }
}
