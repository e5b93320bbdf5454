//! A device: what all its threads share, and what one sets and asks.

use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use core::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};

use trueno_zram_core::PageCompressor;

use crate::arena::{Arena, Gauge, part};
use crate::counters::AllCounters;
use crate::error::ENOSPC;
use crate::header::{self, Id};
use crate::layout::{Layout, MOST_THREADS};
use crate::queue::QueueStore;
use crate::region::{Errno, Region};
use crate::slot::{Priority, Slot};
use crate::space::{Allocator, Space};
use crate::statistics::{IoStat, MmStat, Overhead, Statistics, time};
use crate::table::SlotTable;
use crate::{Error, PAGE_SIZE};

/// Codecs by their priority: the primary one, and up to three to recompress with.
#[derive(Debug)]
pub struct Codecs([Option<PageCompressor>; Priority::COUNT]);

impl Codecs {
    /// A device that compresses with `primary`.
    #[must_use]
    pub fn new(primary: PageCompressor) -> Self {
        Self([Some(primary), None, None, None])
    }

    /// Adds one to recompress with, in place of what has that priority.
    #[must_use]
    pub fn with(mut self, priority: Priority, codec: PageCompressor) -> Self {
        if let Some(slot) = self.0.get_mut(priority.index()) {
            *slot = Some(codec);
        }
        self
    }

    /// The codec of a priority.
    #[must_use]
    pub fn get(&self, priority: Priority) -> Option<&PageCompressor> {
        self.0.get(priority.index())?.as_ref()
    }

    /// Whether there is none of a higher priority.
    pub(crate) fn is_last(&self, priority: Priority) -> bool {
        self.0.iter().skip(priority.index() + 1).all(Option::is_none)
    }

    pub(crate) fn each(&self) -> [Option<&PageCompressor>; Priority::COUNT] {
        self.0.each_ref().map(Option::as_ref)
    }
}

/// What a new device is made with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options<'a> {
    /// Keep the time of each page's last access: 4 bytes a page, and what marks pages idle by age.
    pub access_times: bool,
    /// By which its owner knows it again.
    pub id: Id,
    /// The first text to keep with it: [`Device::set_parameters`].
    pub parameters: &'a str,
}

/// A device, by one of its handles: they are cheap to clone and all the same.
#[derive(Debug)]
pub struct Device<R> {
    pub(crate) shared: Arc<Shared<R>>,
}

impl<R> Clone for Device<R> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

/// What all threads share.
#[derive(Debug)]
pub(crate) struct Shared<R> {
    pub(crate) region: R,
    pub(crate) layout: Layout,
    pub(crate) codecs: Codecs,
    id: Id,
    /// A bit for each thread that has a queue store.
    threads: AtomicU64,
    /// Seconds, on whatever clock the caller has.
    clock: AtomicU32,
    /// Held by who grows and punches, or sets parameters.
    growing: Mutex<()>,
    /// Held by who recompresses: see `recompress.rs`.
    pub(crate) recompressing: Mutex<()>,
}

impl<R: Region> Shared<R> {
    #[inline]
    pub(crate) fn arena(&self) -> Arena<'_> {
        Arena::of(self.region.words(), &self.layout)
    }

    #[inline]
    pub(crate) fn table(&self) -> SlotTable<'_, AtomicU64> {
        SlotTable::new(part(self.region.words(), self.layout.table()))
    }

    #[inline]
    pub(crate) fn counters(&self) -> AllCounters<'_> {
        AllCounters::of(self.region.words())
    }

    /// Remembers that the page was accessed now.
    #[inline]
    pub(crate) fn touch(&self, page: u32) {
        if self.layout.has_times() {
            self.set_time(page, self.clock.load(Relaxed));
        }
    }

    fn set_time(&self, page: u32, now: u32) {
        let times = part(self.region.words(), self.layout.times());
        let Some(word) = times.get(page as usize / 2) else { return };
        let shift = page % 2 * 32;
        let with = |word: u64| word & !(u64::from(u32::MAX) << shift) | u64::from(now) << shift;
        let mut old = word.load(Relaxed);
        // The other half belongs to another page.
        while old != with(old) {
            match word.compare_exchange_weak(old, with(old), Relaxed, Relaxed) {
                Ok(_) => return,
                Err(other) => old = other,
            }
        }
    }

    fn time(&self, page: u32) -> Option<u32> {
        time(part(self.region.words(), self.layout.times()), page)
    }

    /// Makes it the time of the last access.
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of a word")]
    pub(crate) fn recover_clock(&self) {
        let words = part(self.region.words(), self.layout.times()).iter();
        let times =
            words.map(|word| word.load(Relaxed)).map(|word| (word as u32).max((word >> 32) as u32));
        self.clock.store(times.max().unwrap_or(0), Relaxed);
    }

    /// The arena and the table, for a thread with this allocator.
    #[inline]
    pub(crate) fn space<'a>(&'a self, thread: usize, allocator: &'a mut Allocator) -> Space<'a> {
        let all = self.counters();
        let (arena, table) = (self.arena(), self.table());
        Space { arena, table, all, counters: all.thread(thread), allocator }
    }

    pub(crate) fn leave(&self, thread: usize) {
        self.threads.fetch_and(!(1 << thread), AcqRel);
    }
}

/// Which pages to mark idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// All that are stored.
    All,
    /// Those that were not accessed for so many seconds; the others are unmarked. Without access
    /// times: none, and an error.
    OlderThan(u32),
}

/// What [`Device::maintain`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Maintained {
    /// How many bytes of memory it got.
    pub grown: u64,
    /// How many it gave back.
    pub punched: u64,
    /// With what growing was refused.
    pub refused: Option<Errno>,
}

impl<R: Region> Device<R> {
    /// Makes an empty device of `pages` pages in a region, in place of whatever that held.
    ///
    /// # Errors
    ///
    /// The size, parameters that are too long, a region that is too small, old memory that cannot be
    /// given back, or none for the table. The region goes with the error; a file it was made of is
    /// no device then.
    pub fn format(
        region: R,
        pages: u64,
        options: Options<'_>,
        codecs: Codecs,
    ) -> Result<Self, Error> {
        let layout = Layout::new(pages, options.access_times)?;
        header::has_room(options.parameters)?;
        header::enough(region.words(), layout.region_bytes())?;
        // First of all it stops being a device: a process killed here leaves none.
        match header::backed_start(&region) {
            Ok(_) => header::erase(region.words()),
            Err(Error::Foreign(_)) => {}
            Err(error) => return Err(error),
        }
        region.punch(0..layout.region_bytes()).map_err(Error::Memory)?;
        region.grow(layout.tables()).map_err(Error::Memory)?;
        header::set_parameters(region.words(), options.parameters)?;
        // Last: there is no device before all of it is there.
        header::write(region.words(), &layout, options.id);
        Ok(Self::around(region, layout, options.id, codecs))
    }

    /// The region, to format it anew; the device itself if somebody else still has a handle or a queue
    /// store of it.
    ///
    /// # Errors
    ///
    /// The device, unchanged.
    pub fn into_region(self) -> Result<R, Self> {
        match Arc::try_unwrap(self.shared) {
            Ok(shared) => Ok(shared.region),
            Err(shared) => Err(Self { shared }),
        }
    }

    pub(crate) fn around(region: R, layout: Layout, id: Id, codecs: Codecs) -> Self {
        Self {
            shared: Arc::new(Shared {
                region,
                layout,
                codecs,
                id,
                threads: AtomicU64::new(0),
                clock: AtomicU32::new(0),
                growing: Mutex::new(()),
                recompressing: Mutex::new(()),
            }),
        }
    }

    /// What a thread moves pages with. Everything it needs later is allocated now.
    ///
    /// # Errors
    ///
    /// [`Error::Threads`] beyond [`MOST_THREADS`].
    pub fn queue(&self) -> Result<QueueStore<R>, Error> {
        let mut taken = self.shared.threads.load(Acquire);
        loop {
            let thread = (!taken).trailing_zeros() as usize;
            if thread >= MOST_THREADS {
                return Err(Error::Threads);
            }
            let threads = &self.shared.threads;
            match threads.compare_exchange_weak(taken, taken | 1 << thread, AcqRel, Acquire) {
                Ok(_) => return Ok(QueueStore::new(Arc::clone(&self.shared), thread)),
                Err(now) => taken = now,
            }
        }
    }

    /// How many pages it has.
    #[must_use]
    pub fn pages(&self) -> u64 {
        self.shared.layout.pages()
    }

    /// Where things are in its region.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.shared.layout
    }

    /// By which its owner knows it again.
    #[must_use]
    pub fn id(&self) -> Id {
        self.shared.id
    }

    /// The memory it is in.
    #[must_use]
    pub fn region(&self) -> &R {
        &self.shared.region
    }

    /// The text kept with it.
    #[must_use]
    pub fn parameters(&self) -> String {
        self.statistics().parameters()
    }

    /// Keeps a text with it.
    ///
    /// # Errors
    ///
    /// [`Error::Parameters`] if it is too long.
    pub fn set_parameters(&self, text: &str) -> Result<(), Error> {
        let _one = self.shared.growing.lock().unwrap_or_else(PoisonError::into_inner);
        header::set_parameters(self.shared.region.words(), text)
    }

    /// Limits the memory of the arena to `bytes`, rounded up to whole pages; 0 is no limit. Memory
    /// comes in whole spans, as many as fit into it; those that threads have open and empty are taken
    /// back before a write fails. What is stored already stays.
    pub fn set_limit(&self, bytes: u64) {
        let bytes = bytes.checked_next_multiple_of(PAGE_SIZE as u64).unwrap_or(0);
        self.shared.arena().gauges.set(Gauge::Limit, bytes);
    }

    /// Makes the peak of memory what is used now: `mem_used_max`.
    pub fn reset_peak(&self) {
        let gauges = self.shared.arena().gauges;
        gauges.set(Gauge::Peak, gauges.get(Gauge::Used));
    }

    /// Tells the time for access times, in seconds on a clock of the caller's that goes on when the
    /// process is killed. Until it is told it is 0, or after a recovery the time of the last access.
    pub fn set_clock(&self, seconds: u32) {
        self.shared.clock.store(seconds, Relaxed);
    }

    /// Whether [`maintain`](Self::maintain) has something to do. Cheap enough to ask after each batch
    /// of requests.
    ///
    /// It goes on saying yes while growing is refused, because memory may come back at any time. Whoever
    /// is told so by [`Maintained::refused`] should wait before the next call, twice as long each time
    /// up to a second or so: a refused call costs a system call or two, and nothing is lost by waiting,
    /// since writes that find no room fail meanwhile and are not parked for want of headroom.
    #[must_use]
    pub fn wants_maintenance(&self) -> bool {
        let ready = self.shared.arena().gauges.get(Gauge::Ready);
        let wanted = self.headroom();
        ready < wanted.div_ceil(2) || ready > 2 * wanted
    }

    /// How many empty spans are kept at hand: a 64th of the device, within 256 KiB and 16 MiB.
    fn headroom(&self) -> u64 {
        let layout = &self.shared.layout;
        let bytes = (layout.pages() * PAGE_SIZE as u64 / 64).clamp(256 << 10, 16 << 20);
        bytes / layout.span_bytes()
    }

    /// Gets memory ahead of need, and gives back what is not needed any more. For a thread that does
    /// no I/O on the device: it may wait long.
    ///
    /// After it every parked write is worth another try: it is done, fails if growing was refused, or is
    /// parked again where another thread's evacuation was in its way.
    pub fn maintain(&self) -> Maintained {
        let shared = &*self.shared;
        let _growing = shared.growing.lock().unwrap_or_else(PoisonError::into_inner);
        let (arena, layout) = (shared.arena(), &shared.layout);
        let wanted = self.headroom();
        let mut done = Maintained::default();
        while arena.gauges.get(Gauge::Ready) < wanted {
            let Some(span) = arena.take_unbacked(layout.spans()) else {
                done.refused = Some(Errno(ENOSPC));
                break;
            };
            if let Err(errno) = shared.region.grow(layout.span(span)) {
                // Nothing is in it: what it got of its memory before the refusal goes back.
                shared.region.punch(layout.span(span)).ok();
                arena.add_unbacked(span);
                done.refused = Some(errno);
                break;
            }
            arena.add_ready(span);
            done.grown += layout.span_bytes();
        }
        let errno = done.refused.map_or(0, |Errno(errno)| u64::from(errno.unsigned_abs()));
        arena.gauges.set(Gauge::Refused, errno);
        while arena.gauges.get(Gauge::Ready) > 2 * wanted {
            let Some(span) = arena.take_ready() else { break };
            if shared.region.punch(layout.span(span)).is_err() {
                arena.add_ready(span);
                break;
            }
            arena.add_unbacked(span);
            done.punched += layout.span_bytes();
        }
        done
    }

    /// Marks pages idle: zram's `idle`. Same-filled pages never are.
    ///
    /// # Errors
    ///
    /// [`Idle::OlderThan`] on a device without access times.
    pub fn mark_idle(&self, which: Idle) -> Result<(), Error> {
        if matches!(which, Idle::OlderThan(_)) && !self.shared.layout.has_times() {
            return Err(Error::NoTimes);
        }
        let (table, now) = (self.shared.table(), self.shared.clock.load(Relaxed));
        for (at, page) in (0..table.len()).zip(0..) {
            let is_stored = |slot: Slot| slot.object().is_some() && !slot.is_same();
            if !table.peek(at).is_some_and(is_stored) {
                continue;
            }
            let Some(held) = table.hold(at) else { continue };
            let slot = held.slot();
            // Whoever accesses the page from now on takes the mark away.
            let idle = match which {
                Idle::All => true,
                Idle::OlderThan(age) => {
                    self.shared.time(page).is_some_and(|time| now.saturating_sub(time) >= age)
                }
            };
            if is_stored(slot) {
                held.install(slot.idle(idle));
            }
        }
        Ok(())
    }

    /// What its memory says of it; the functions below are its own.
    #[must_use]
    pub fn statistics(&self) -> Statistics<'_> {
        Statistics::new(self.shared.region.words(), self.shared.layout)
    }

    /// What is stored and what it costs, as in zram's `mm_stat`.
    #[must_use]
    pub fn mm_stat(&self) -> MmStat {
        self.statistics().mm_stat()
    }

    /// What failed and what was freed, as in zram's `io_stat`.
    #[must_use]
    pub fn io_stat(&self) -> IoStat {
        self.statistics().io_stat()
    }

    /// Memory that it takes beside `mem_used_total`.
    #[must_use]
    pub fn overhead(&self) -> Overhead {
        self.statistics().overhead()
    }

    /// The slot of a page, and when it was accessed last (0 without access times). `None` behind the
    /// end.
    #[must_use]
    pub fn slot(&self, page: u32) -> Option<(Slot, u32)> {
        self.statistics().slot(page)
    }
}
