//! What each thread counts, in the region, so that another process can read it at any time.
//!
//! One thread writes, so a count costs a load and a store. Events since the device was made survive
//! the process, and may be one operation a thread behind if it was killed. Gauges, which say what is
//! stored now, are sums over all threads of what each has added and taken away; recovery counts them
//! anew.

use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;

use crate::arena::part;
use crate::layout::{COUNTERS, COUNTERS_BYTES, MOST_THREADS};
use crate::span::SpanIndex;

/// A count of events since the device was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Reads,
    Writes,
    FailedReads,
    FailedWrites,
    /// Requests outside the device.
    InvalidIo,
    /// Pages that somebody asked to free, stored or not.
    NotifyFree,
    /// Incompressible pages stored.
    HugeSince,
    /// Granules that moving objects together has freed.
    Compacted,
}

/// A part of what is stored now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    /// Pages, of whatever kind.
    Pages = 8,
    /// Bytes of objects, without headers and rounding.
    Bytes,
    /// Granules of objects.
    Granules,
    /// Same-filled pages.
    Same,
    /// Incompressible pages.
    Huge,
}

const WORDS: usize = (COUNTERS_BYTES / 8) as usize;
/// The word in which a thread says how many bytes of private memory it has.
const PRIVATE: usize = WORDS - 2;
/// The word in which a thread says which span it has open: its generation above its index and one, 0
/// for none.
const OPEN: usize = WORDS - 1;

/// The counters of all threads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AllCounters<'a> {
    threads: &'a [[AtomicU64; WORDS]],
}

impl<'a> AllCounters<'a> {
    #[inline]
    pub(crate) fn of(words: &'a [AtomicU64]) -> Self {
        let bytes = COUNTERS..COUNTERS + COUNTERS_BYTES * MOST_THREADS as u64;
        Self { threads: part(words, bytes).as_chunks().0 }
    }

    /// Those of a thread below [`MOST_THREADS`].
    #[inline]
    pub(crate) fn thread(self, thread: usize) -> Counters<'a> {
        let words = self.threads.get(thread);
        Counters { words: words.expect("a thread below the most, a region found large enough") }
    }

    fn sum(self, at: usize) -> u64 {
        let words = self.threads.iter().filter_map(|counters| counters.get(at));
        words.fold(0, |sum, word| sum.wrapping_add(word.load(Relaxed)))
    }

    /// How often something happened.
    pub(crate) fn events(self, event: Event) -> u64 {
        self.sum(event as usize)
    }

    /// What is stored now. While others write it may be off by what they are doing, never below 0.
    pub(crate) fn stored(self, stored: Stored) -> u64 {
        let sum = self.sum(stored as usize);
        // One thread's addition may be missed and another's subtraction of it seen.
        if sum > u64::MAX / 2 { 0 } else { sum }
    }

    /// The spans that threads have opened, and under which generation: of another one they were taken
    /// back meanwhile.
    pub(crate) fn open_spans(self) -> impl Iterator<Item = (SpanIndex, u32)> + use<'a> {
        let words = self.threads.iter().filter_map(|counters| counters.get(OPEN));
        words.filter_map(|word| {
            let word = word.load(Relaxed);
            let span = SpanIndex::try_from((word & u64::from(u32::MAX)).checked_sub(1)?).ok()?;
            Some((span, u32::try_from(word >> 32).ok()?))
        })
    }

    /// Bytes of private memory that threads have.
    pub(crate) fn private(self) -> u64 {
        self.sum(PRIVATE)
    }

    /// Forgets what threads of a killed process had for themselves.
    pub(crate) fn forget_threads(self) {
        for counters in self.threads {
            let words = [PRIVATE, OPEN].into_iter().filter_map(|at| counters.get(at));
            words.for_each(|word| word.store(0, Relaxed));
        }
    }

    /// Makes `value` the sum. Nobody may be counting meanwhile.
    pub(crate) fn set(self, stored: Stored, value: u64) {
        let words = self.threads.iter().filter_map(|counters| counters.get(stored as usize));
        words.zip([value].into_iter().chain(core::iter::repeat(0))).for_each(|(word, value)| {
            word.store(value, Relaxed);
        });
    }
}

/// The counters of one thread, which alone may write them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counters<'a> {
    words: &'a [AtomicU64; WORDS],
}

impl Counters<'_> {
    #[inline]
    fn add(self, at: usize, value: u64) {
        if let Some(word) = self.words.get(at) {
            word.store(word.load(Relaxed).wrapping_add(value), Relaxed);
        }
    }

    fn set(self, at: usize, value: u64) {
        self.words.get(at).into_iter().for_each(|word| word.store(value, Relaxed));
    }

    /// Says which span the thread has open now, and under which generation.
    pub(crate) fn open(self, open: Option<(SpanIndex, u32)>) {
        let word = |(span, generation)| u64::from(generation) << 32 | (u64::from(span) + 1);
        self.set(OPEN, open.map_or(0, word));
    }

    /// Says how many bytes of private memory the thread has.
    pub(crate) fn private(self, bytes: u64) {
        self.set(PRIVATE, bytes);
    }

    #[inline]
    pub(crate) fn count(self, event: Event, times: u64) {
        self.add(event as usize, times);
    }

    #[inline]
    pub(crate) fn more(self, stored: Stored, by: u64) {
        self.add(stored as usize, by);
    }

    #[inline]
    pub(crate) fn less(self, stored: Stored, by: u64) {
        self.add(stored as usize, by.wrapping_neg());
    }
}
