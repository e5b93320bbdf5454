//! The arena: where objects lie, and who may use which part of it.
//!
//! An object is a header of 8 bytes and its data, at a granule of 16 bytes:
//!
//! ```text
//! 0       4       8                     8 + length      up to the next granule
//! | page  | check | data ...            | of no meaning |
//! ```
//!
//! The header tells whose object this is, so that compaction finds its slot, and recovery and
//! `verify` can go from a slot to an object and back. Only the slot is truth: a header that no slot
//! points to is free space.

use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

use crate::PAGE_SIZE;
use crate::layout::{GAUGES, Layout, PARAMETERS};
use crate::region::Errno;
use crate::span::{SpanIndex, SpanTable, Stack, State};
use crate::word::{Word, index};

/// Objects begin at multiples of so many bytes.
pub const GRANULE: u64 = 16;
const WORDS_A_GRANULE: usize = 2;
const HEADER: u64 = 8;

/// How many granules an object with so many bytes of data has.
#[must_use]
pub const fn granules(len: usize) -> u64 {
    (HEADER + len as u64).div_ceil(GRANULE)
}

/// How many granules the largest object has: a page as it is.
pub(crate) const MOST_GRANULES: u64 = granules(PAGE_SIZE);

/// Where an object begins: the number of its first granule, from the start of the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Place(u64);

impl Place {
    /// How many bits a place has: 16 TiB of arena.
    pub const BITS: u32 = 40;

    /// The granule of this number; what is above 40 bits is cut off.
    #[must_use]
    pub const fn new(granule: u64) -> Self {
        Self(granule & ((1 << Self::BITS) - 1))
    }

    /// The number of its granule.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    pub(crate) const fn after(self, granules: u64) -> Self {
        Self::new(self.0 + granules)
    }
}

/// The first word of an object.
pub(crate) const fn header(page: u32, place: Place) -> u64 {
    // Bytes that look like a header by chance are ones of 2^32, and their slot says no even then.
    let mixed = ((page as u64) << Place::BITS ^ place.0).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed & !0xffff_ffff | page as u64
}

/// The page whose object begins at `place` if its first word is `word`.
#[expect(clippy::cast_possible_truncation, reason = "the lower half of the word is the page")]
pub(crate) const fn page_of(word: u64, place: Place) -> Option<u32> {
    if header(word as u32, place) == word { Some(word as u32) } else { None }
}

/// How many ready spans are left for moving objects together, so that a device whose memory has run
/// out can win back what is dead.
pub(crate) const RESERVE: u64 = 1;

/// Why there is no place for an object now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Shortage {
    /// The arena grows too slowly: try again when [`maintain`](crate::Device::maintain) has run.
    Headroom,
    /// The device's limit of memory is reached.
    Limit,
    /// There is no more memory: growing was refused, with this error.
    Memory(Errno),
}

/// The arena's own numbers, shared by all threads. They lie in the region, each on its own cache
/// line, so that another process can read them; recovery counts them anew.
#[derive(Debug)]
pub(crate) struct Gauges<'a, W = AtomicU64> {
    lines: &'a [[W; WORDS_A_LINE]; GAUGE_COUNT],
}

impl<W> Clone for Gauges<'_, W> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<W> Copy for Gauges<'_, W> {}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Gauge {
    /// Spans that hold objects or are open.
    Used,
    /// The most of those since the peak was reset.
    Peak,
    /// The most bytes that spans in use may have; 0 for no limit.
    Limit,
    /// Spans with memory and nothing in them.
    Ready,
    /// The list of those.
    ReadyHead,
    /// The list of spans whose memory was given back.
    PunchedHead,
    /// How many spans were ever backed: those from here on never were.
    Grown,
    /// The errno with which the last growth was refused; 0 if it was not.
    Refused,
    /// How many evacuations ever began, above how many are under way: [`Moves`].
    Moving,
}

/// Evacuations of all threads. While one is under way a span more than the limit allows may be in use,
/// or the one that is kept back; and what it wins is not there yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moves {
    pub(crate) begun: u32,
    pub(crate) under_way: u32,
}

const GAUGE_COUNT: usize = 9;
const WORDS_A_LINE: usize = 8;

impl<'a> Gauges<'a> {
    /// Those of a region that was found large enough.
    #[inline]
    pub(crate) fn of(words: &'a [AtomicU64]) -> Self {
        Self::new(part(words, GAUGES..PARAMETERS)).expect("a region that was found large enough")
    }
}

impl<'a, W: Word> Gauges<'a, W> {
    /// `words` begins with nine cache lines; `None` if it is shorter.
    pub(crate) fn new(words: &'a [W]) -> Option<Self> {
        words.as_chunks().0.first_chunk().map(|lines| Self { lines })
    }

    #[inline]
    pub(crate) fn word(self, gauge: Gauge) -> &'a W {
        let [used, peak, limit, ready, ready_head, punched_head, grown, refused, moving] =
            self.lines;
        let [word, ..] = match gauge {
            Gauge::Used => used,
            Gauge::Peak => peak,
            Gauge::Limit => limit,
            Gauge::Ready => ready,
            Gauge::ReadyHead => ready_head,
            Gauge::PunchedHead => punched_head,
            Gauge::Grown => grown,
            Gauge::Refused => refused,
            Gauge::Moving => moving,
        };
        word
    }

    #[inline]
    pub(crate) fn get(self, gauge: Gauge) -> u64 {
        // Acquire: who sees a span that was taken for an evacuation sees that this began.
        self.word(gauge).load(Acquire)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the two halves of the word")]
    pub(crate) fn moves(self) -> Moves {
        let word = self.get(Gauge::Moving);
        Moves { begun: (word >> 32) as u32, under_way: word as u32 }
    }

    /// Whether nobody has moved anything since `before`, but for `own` evacuations of the caller.
    pub(crate) fn is_undisturbed(self, before: Moves, own: u32) -> bool {
        before.under_way == 0 && self.moves().begun.wrapping_sub(before.begun) == own
    }

    /// Says that an evacuation begins, before anything of it can be seen.
    pub(crate) fn begin_move(self) {
        self.add(Gauge::Moving, 1 << 32 | 1);
    }

    /// Says that it is over, after everything that it won is there.
    pub(crate) fn end_move(self) {
        self.subtract_one(Gauge::Moving);
    }

    #[inline]
    pub(crate) fn set(self, gauge: Gauge, value: u64) {
        self.word(gauge).store(value, Relaxed);
    }

    fn add(self, gauge: Gauge, value: u64) -> u64 {
        self.word(gauge).fetch_add(value, AcqRel).wrapping_add(value)
    }

    /// Takes one off, for a word that is above zero.
    fn subtract_one(self, gauge: Gauge) {
        self.word(gauge).fetch_add(u64::MAX, AcqRel);
    }

    /// Raises the peak to `used`.
    fn peak(self, used: u64) {
        let word = self.word(Gauge::Peak);
        let mut peak = word.load(Relaxed);
        while peak < used {
            match word.compare_exchange_weak(peak, used, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(now) => peak = now,
            }
        }
    }
}

/// The spans of a region, their bytes, and what is free of them.
#[derive(Debug)]
pub(crate) struct Arena<'a, W = AtomicU64> {
    data: &'a [W],
    pub(crate) spans: SpanTable<'a, W>,
    pub(crate) gauges: Gauges<'a, W>,
    /// A power of two.
    span_granules: u64,
}

impl<W> Clone for Arena<'_, W> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<W> Copy for Arena<'_, W> {}

impl<'a> Arena<'a> {
    /// The one in a region that has this layout, which was checked.
    #[inline]
    pub(crate) fn of(words: &'a [AtomicU64], layout: &Layout) -> Self {
        Self {
            data: part(words, layout.arena()),
            spans: SpanTable::new(part(words, layout.span_words())),
            gauges: Gauges::of(words),
            span_granules: layout.span_granules(),
        }
    }
}

/// The words of a range of bytes; none if it is not there.
#[inline]
pub(crate) fn part<W>(words: &[W], bytes: core::ops::Range<u64>) -> &[W] {
    words.get(index(bytes.start / 8)..index(bytes.end / 8)).unwrap_or(&[])
}

impl<'a, W: Word> Arena<'a, W> {
    /// For a model: spans of `span_granules` granules, a power of two.
    #[cfg(test)]
    pub(crate) const fn new(
        data: &'a [W],
        spans: SpanTable<'a, W>,
        gauges: Gauges<'a, W>,
        span_granules: u64,
    ) -> Self {
        Self { data, spans, gauges, span_granules }
    }

    #[inline]
    pub(crate) const fn span_granules(self) -> u64 {
        self.span_granules
    }

    /// In which span a place is.
    #[expect(clippy::cast_possible_truncation, reason = "40 bits by at least 2^11 granules")]
    #[inline]
    pub(crate) const fn span_of(self, place: Place) -> SpanIndex {
        (place.0 >> self.span_granules.trailing_zeros()) as SpanIndex
    }

    /// The first place of a span.
    #[inline]
    pub(crate) const fn start_of(self, span: SpanIndex) -> Place {
        Place::new(span as u64 * self.span_granules)
    }

    /// The words of an object with so many bytes of data, header first. None if it is not in the
    /// arena.
    #[expect(clippy::cast_possible_truncation, reason = "the arena is in the address space")]
    #[inline]
    pub(crate) fn object(self, place: Place, len: usize) -> &'a [W] {
        let first = place.0 as usize * WORDS_A_GRANULE;
        self.data.get(first..first + 1 + len.div_ceil(8)).unwrap_or(&[])
    }

    fn ready(self) -> Stack<'a, W> {
        Stack::new(self.gauges.word(Gauge::ReadyHead), self.spans, State::Ready)
    }

    fn punched(self) -> Stack<'a, W> {
        Stack::new(self.gauges.word(Gauge::PunchedHead), self.spans, State::Unbacked)
    }

    /// Whether so many spans in use are more than the limit allows.
    pub(crate) fn is_beyond_limit(self, used: u64) -> bool {
        let limit = self.gauges.get(Gauge::Limit);
        limit != 0 && used * self.span_granules * GRANULE > limit
    }

    /// Takes an empty span, to open it. `beyond` lets it go beyond the limit, for moving objects
    /// together: the span that is emptied comes back soon, also where the limit was lowered to less
    /// than is in use.
    pub(crate) fn take_span(self, beyond: bool) -> Result<SpanIndex, Shortage> {
        if !beyond && self.is_beyond_limit(self.gauges.get(Gauge::Used) + 1) {
            return Err(Shortage::Limit);
        }
        let least = if beyond { 0 } else { RESERVE };
        if self.gauges.get(Gauge::Ready) <= least {
            let refused = i32::try_from(self.gauges.get(Gauge::Refused)).unwrap_or(i32::MAX);
            let shortage = Shortage::Memory(Errno(refused));
            return Err(if refused == 0 { Shortage::Headroom } else { shortage });
        }
        // Counted and not there: some thread is about to list it.
        let span = self.take_ready().ok_or(Shortage::Headroom)?;
        let Some(used) = self.use_one(beyond) else {
            self.add_ready(span);
            return Err(Shortage::Limit);
        };
        self.gauges.peak(used);
        Ok(span)
    }

    /// Counts one more span in use if the limit allows it, and never for a moment if not: that could be
    /// what makes another thread's write fail.
    fn use_one(self, beyond: bool) -> Option<u64> {
        let word = self.gauges.word(Gauge::Used);
        let mut used = word.load(Relaxed);
        while beyond || !self.is_beyond_limit(used + 1) {
            match word.compare_exchange_weak(used, used + 1, AcqRel, Relaxed) {
                Ok(_) => return Some(used + 1),
                Err(now) => used = now,
            }
        }
        None
    }

    /// Gives back a span that was emptied.
    pub(crate) fn give_back(self, span: SpanIndex) {
        // In this order, or a write at the limit could fail for a span that is free already.
        self.gauges.subtract_one(Gauge::Used);
        self.add_ready(span);
    }

    /// Adds a span that has just been backed.
    pub(crate) fn add_ready(self, span: SpanIndex) {
        // Counted first: whoever takes it at once must not count below zero.
        self.gauges.add(Gauge::Ready, 1);
        self.ready().push(span);
    }

    /// Takes a ready span away, to give its memory back.
    pub(crate) fn take_ready(self) -> Option<SpanIndex> {
        let span = self.ready().pop()?;
        self.gauges.subtract_one(Gauge::Ready);
        Some(span)
    }

    /// Adds a span without memory.
    pub(crate) fn add_unbacked(self, span: SpanIndex) {
        self.punched().push(span);
    }

    /// A span without memory, to back it. Only one thread at a time grows and punches.
    pub(crate) fn take_unbacked(self, count: u64) -> Option<SpanIndex> {
        if let Some(span) = self.punched().pop() {
            return Some(span);
        }
        let grown = self.gauges.word(Gauge::Grown).load(Acquire);
        let span = u32::try_from(grown).ok().filter(|_| grown < count)?;
        self.gauges.set(Gauge::Grown, grown + 1);
        Some(span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_believed_at_its_place_only() {
        for page in [0, 1, 4711, u32::MAX] {
            for place in [0, 1, 0xff_ffff_ffff] {
                let word = header(page, Place::new(place));
                assert_eq!(page_of(word, Place::new(place)), Some(page));
                assert_eq!(page_of(word, Place::new(place ^ 1)), None);
                assert_eq!(page_of(word ^ 1, Place::new(place)), None);
            }
        }
        assert_eq!(page_of(0, Place::new(77)), None, "empty memory is no header");
    }

    #[test]
    fn sizes_in_granules() {
        assert_eq!([granules(1), granules(8), granules(9), granules(24)], [1, 1, 2, 2]);
        assert_eq!(MOST_GRANULES, 257);
    }
}
