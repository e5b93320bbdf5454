//! What a device tells of itself, to its own process and to any other that has its memory mapped.

use core::fmt::{self, Write as _};
use core::ops::Range;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;

use crate::PAGE_SIZE;
use crate::arena::{GRANULE, Gauge, Gauges, part};
use crate::counters::{AllCounters, Event, Stored};
use crate::error::Error;
use crate::header::{self, Id};
use crate::layout::Layout;
use crate::slot::{Content, Slot};
use crate::span::{SpanIndex, SpanTable, SpanWord, State};
use crate::table::SlotTable;

/// zram's `mm_stat`. Sizes in bytes, the others counts of pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MmStat {
    /// Uncompressed size of all stored pages, same-filled ones included.
    pub orig_data_size: u64,
    /// Sum of the compressed sizes; an incompressible page counts a whole page, a same-filled 0.
    pub compr_data_size: u64,
    /// Memory of the arena that is in use, waste included.
    pub mem_used_total: u64,
    /// The limit on the former, 0 for none.
    pub mem_limit: u64,
    /// The most memory that was in use since it was reset, spans included that were open and empty.
    pub mem_used_max: u64,
    /// Same-filled pages.
    pub same_pages: u64,
    /// Pages of memory that moving objects together has freed.
    pub pages_compacted: u64,
    /// Incompressible pages held now.
    pub huge_pages: u64,
    /// Incompressible pages ever stored.
    pub huge_pages_since: u64,
}

/// zram's `io_stat`, and how many pages were read and written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IoStat {
    /// Pages read.
    pub reads: u64,
    /// Pages written.
    pub writes: u64,
    /// Pages that could not be read.
    pub failed_reads: u64,
    /// Pages that could not be written.
    pub failed_writes: u64,
    /// Requests outside the device.
    pub invalid_io: u64,
    /// Pages that somebody asked to free, stored or not. None is ever missed: where the kernel's zram
    /// gives up on a slot that is held, and counts `miss_free` in `debug_stat`, this store waits for
    /// the holder; so that count is always 0.
    pub notify_free: u64,
}

/// Memory beside `mem_used_total`, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overhead {
    /// Header, table, access times and the spans' words.
    pub table: u64,
    /// Empty spans kept at hand.
    pub headroom: u64,
    /// Private memory of the threads: a buffer and remembered holes. What the codecs have for
    /// themselves is not counted.
    pub buffers: u64,
}

/// What a device's memory says of it. It reads header, counters and tables only, never the arena, and
/// changes nothing: so the memory may be mapped for reading only, and belong to another process that
/// works on the device meanwhile. Figures are then as of slightly different moments.
#[derive(Clone, Copy, Debug)]
pub struct Statistics<'a> {
    words: &'a [AtomicU64],
    layout: Layout,
}

impl<'a> Statistics<'a> {
    /// Of the device whose region begins with these words; up to [`Layout::tables`] of them are read.
    ///
    /// # Errors
    ///
    /// Words that hold no device, one of a later version, a damaged first page, or fewer words than
    /// its tables have.
    pub fn of(words: &'a [AtomicU64]) -> Result<Self, Error> {
        let (layout, _) = header::identity(words)?;
        header::enough(words, layout.tables().end)?;
        Ok(Self::new(words, layout))
    }

    pub(crate) const fn new(words: &'a [AtomicU64], layout: Layout) -> Self {
        Self { words, layout }
    }

    fn counters(self) -> AllCounters<'a> {
        AllCounters::of(self.words)
    }

    fn gauges(self) -> Gauges<'a> {
        Gauges::of(self.words)
    }

    /// Where things are, and how many pages the device has.
    #[must_use]
    pub const fn layout(self) -> Layout {
        self.layout
    }

    /// By which its owner knows it again.
    #[must_use]
    pub fn id(self) -> Id {
        header::identity(self.words).map(|(_, id)| id).unwrap_or_default()
    }

    /// The text kept with it.
    #[must_use]
    pub fn parameters(self) -> String {
        header::parameters(self.words)
    }

    /// Bytes of spans that threads have open and that hold nothing yet, or nothing any more: they are
    /// at hand as the ready ones are.
    fn open_and_empty(self) -> u64 {
        let spans = SpanTable::new(part(self.words, self.layout.span_words()));
        let is_empty = |word: SpanWord| word.state() == State::Open && word.used() == 0;
        let is_at_hand = |(span, generation): &(SpanIndex, u32)| {
            let word = spans.get(*span).filter(|word| word.generation() == *generation);
            word.is_some_and(is_empty)
        };
        self.counters().open_spans().filter(is_at_hand).count() as u64 * self.layout.span_bytes()
    }

    /// What is stored and what it costs, as in zram's `mm_stat`.
    #[must_use]
    pub fn mm_stat(self) -> MmStat {
        let (counters, gauges) = (self.counters(), self.gauges());
        let stored = |what| counters.stored(what);
        let bytes = |gauge| gauges.get(gauge) * self.layout.span_bytes();
        MmStat {
            orig_data_size: stored(Stored::Pages) * PAGE_SIZE as u64,
            compr_data_size: stored(Stored::Bytes),
            mem_used_total: bytes(Gauge::Used).saturating_sub(self.open_and_empty()),
            mem_limit: gauges.get(Gauge::Limit),
            mem_used_max: bytes(Gauge::Peak),
            same_pages: stored(Stored::Same),
            pages_compacted: counters.events(Event::Compacted) / (PAGE_SIZE as u64 / GRANULE),
            huge_pages: stored(Stored::Huge),
            huge_pages_since: counters.events(Event::HugeSince),
        }
    }

    /// What failed and what was freed, as in zram's `io_stat`.
    #[must_use]
    pub fn io_stat(self) -> IoStat {
        let events = |event| self.counters().events(event);
        IoStat {
            reads: events(Event::Reads),
            writes: events(Event::Writes),
            failed_reads: events(Event::FailedReads),
            failed_writes: events(Event::FailedWrites),
            invalid_io: events(Event::InvalidIo),
            notify_free: events(Event::NotifyFree),
        }
    }

    /// Memory that the device takes beside `mem_used_total`.
    #[must_use]
    pub fn overhead(self) -> Overhead {
        let ready = self.gauges().get(Gauge::Ready) * self.layout.span_bytes();
        Overhead {
            table: self.layout.tables().end,
            headroom: ready + self.open_and_empty(),
            buffers: self.counters().private(),
        }
    }

    /// The slot of a page, and when it was accessed last (0 without access times). `None` behind the
    /// end.
    #[must_use]
    pub fn slot(self, page: u32) -> Option<(Slot, u32)> {
        let table = SlotTable::new(part(self.words, self.layout.table()));
        let slot = table.peek(page as usize)?;
        Some((slot.unlocked(), time(part(self.words, self.layout.times()), page).unwrap_or(0)))
    }

    /// The pages of this range that hold something, for zram's `block_state`. A listing is gone on with
    /// by asking for the pages behind the last one told.
    pub fn block_states(self, pages: Range<u64>) -> impl Iterator<Item = BlockState> + use<'a> {
        let pages = pages.start..pages.end.min(self.layout.pages());
        pages.filter_map(move |page| {
            let page = u32::try_from(page).ok()?;
            let (slot, accessed) = self.slot(page).filter(|(slot, _)| !slot.is_empty())?;
            Some(BlockState { page, accessed, slot })
        })
    }
}

/// A page's access time: two of them are in a word.
#[expect(clippy::cast_possible_truncation, reason = "one half of the word")]
pub(crate) fn time(times: &[AtomicU64], page: u32) -> Option<u32> {
    let word = times.get(page as usize / 2)?.load(Relaxed);
    Some((word >> (page % 2 * 32)) as u32)
}

/// A line of zram's `block_state`. Its [`Display`](fmt::Display) is the line to the byte, the end of
/// the line included: index, seconds, and one letter or a dot for each of `s`ame-filled, `w`ritten back
/// (never here), `h`uge, `i`dle, `r`ecompressed, i`n`compressible. Since 7.0 the kernel prints zeros as
/// the fraction of the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockState {
    /// The page's index.
    pub page: u32,
    /// When it was accessed last, in seconds on the clock of
    /// [`Device::set_clock`](crate::Device::set_clock); 0 without access times.
    pub accessed: u32,
    /// What is stored for it.
    pub slot: Slot,
}

impl fmt::Display for BlockState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slot = self.slot;
        write!(f, "{:12} {:12}.{:06} ", self.page, self.accessed, 0)?;
        let is_huge = matches!(slot.content(), Some(Content::Huge(_)));
        let flags = [
            ('s', slot.is_same()),
            ('w', false),
            ('h', is_huge),
            ('i', slot.is_idle()),
            ('r', slot.is_recompressed()),
            ('n', slot.is_incompressible()),
        ];
        flags
            .into_iter()
            .try_for_each(|(letter, is_set)| f.write_char(if is_set { letter } else { '.' }))?;
        f.write_char('\n')
    }
}
