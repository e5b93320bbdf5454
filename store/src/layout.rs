//! Where things are in a region.
//!
//! ```text
//! 0        identity: magic, version, geometry, id        one page, see header.rs
//! 1024       gauges of the arena, a cache line each
//! 4096     parameters: two texts, of which one counts    one page
//! 8192     counters: 128 bytes for each of 64 threads    two pages
//! 16384    table: a slot a page                          8 bytes a page
//!          access times, if they are kept                4 bytes a page
//!          spans: a word each                            8 bytes a span
//!          arena: spans of 32 KiB (64 from 1 GiB of device size on, 128 from 8 GiB on)
//! ```

use core::ops::Range;

use crate::arena::{GRANULE, MOST_GRANULES};
use crate::{Error, PAGE_SIZE};

/// The most threads that may have a [`QueueStore`](crate::QueueStore) of one device at once.
pub const MOST_THREADS: usize = 64;

/// How many bytes a thread's counters have.
pub(crate) const COUNTERS_BYTES: u64 = 128;
pub(crate) const GAUGES: u64 = 1024;
pub(crate) const PARAMETERS: u64 = 4096;
pub(crate) const COUNTERS: u64 = 8192;
const TABLE: u64 = COUNTERS + MOST_THREADS as u64 * COUNTERS_BYTES;
const PAGE: u64 = PAGE_SIZE as u64;

/// The most pages of a device: 8 TiB. Were none of them compressible, their places would still have
/// no more than [`Place::BITS`](crate::Place::BITS) bits.
pub const MOST_PAGES: u64 = 1 << 31;

/// What a device's size and options make of its region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pages: u64,
    span_bytes: u64,
    spans: u64,
    has_times: bool,
}

impl Layout {
    /// For a device of `pages` pages, with access times or without.
    ///
    /// # Errors
    ///
    /// No pages, or more than [`MOST_PAGES`].
    pub fn new(pages: u64, has_times: bool) -> Result<Self, Error> {
        if pages == 0 || pages > MOST_PAGES {
            return Err(Error::Size { pages });
        }
        // Large spans lose less at their ends, small ones less by being part full.
        let span_bytes: u64 = match pages * PAGE {
            0..0x4000_0000 => 32 << 10,
            0x4000_0000..0x2_0000_0000 => 64 << 10,
            _ => 128 << 10,
        };
        // Room for every page incompressible, an eighth more for holes, and two spans a thread.
        let huge = span_bytes / (MOST_GRANULES * GRANULE);
        let spans = pages.div_ceil(huge) * 9 / 8 + 2 * MOST_THREADS as u64;
        Ok(Self { pages, span_bytes, spans, has_times })
    }

    /// How many pages the device has.
    #[must_use]
    pub const fn pages(&self) -> u64 {
        self.pages
    }

    /// How many bytes a span has.
    #[must_use]
    pub const fn span_bytes(&self) -> u64 {
        self.span_bytes
    }

    /// How many spans the arena may have.
    #[must_use]
    pub const fn spans(&self) -> u64 {
        self.spans
    }

    /// Whether access times are kept.
    #[must_use]
    pub const fn has_times(&self) -> bool {
        self.has_times
    }

    /// How many granules a span has.
    #[must_use]
    pub const fn span_granules(&self) -> u64 {
        self.span_bytes / GRANULE
    }

    /// The bytes of the table.
    #[must_use]
    pub const fn table(&self) -> Range<u64> {
        TABLE..TABLE + self.pages * 8
    }

    /// The bytes of the access times; none if they are not kept.
    #[must_use]
    pub const fn times(&self) -> Range<u64> {
        let start = self.table().end.next_multiple_of(PAGE);
        let len = if self.has_times { self.pages * 4 } else { 0 };
        start..start + len.next_multiple_of(8)
    }

    /// The bytes of the spans' words.
    #[must_use]
    pub const fn span_words(&self) -> Range<u64> {
        let start = self.times().end.next_multiple_of(PAGE);
        start..start + self.spans * 8
    }

    /// All bytes before the arena: header, counters, table, access times, spans' words. They have
    /// memory as long as there is a device, so another process may read them at any time.
    #[must_use]
    pub const fn tables(&self) -> Range<u64> {
        0..self.span_words().end.next_multiple_of(PAGE)
    }

    /// The bytes of the arena; the region ends with it.
    #[must_use]
    pub const fn arena(&self) -> Range<u64> {
        let start = self.span_words().end.next_multiple_of(self.span_bytes);
        start..start + self.spans * self.span_bytes
    }

    /// The bytes of one span.
    #[must_use]
    pub const fn span(&self, span: u32) -> Range<u64> {
        let start = self.arena().start + span as u64 * self.span_bytes;
        start..start + self.span_bytes
    }

    /// How many bytes the region has. Nearly all of them need no memory before something is stored.
    #[must_use]
    pub const fn region_bytes(&self) -> u64 {
        self.arena().end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Place;

    #[test]
    fn parts_follow_each_other_and_hold_what_they_must() {
        for (pages, has_times) in
            [(1, false), (1000, true), (1 << 18, true), (1 << 28, false), (MOST_PAGES, true)]
        {
            let layout = Layout::new(pages, has_times).expect("a size");
            let parts = [0..TABLE, layout.table(), layout.times(), layout.span_words()];
            let mut end = 0;
            for part in parts.into_iter().chain([layout.arena()]) {
                assert!(part.start >= end && part.start % PAGE == 0, "{layout:?}");
                end = part.end;
            }
            assert_eq!(layout.region_bytes(), end);
            assert_eq!(layout.table().end - layout.table().start, 8 * pages);
            let in_a_span = layout.span_bytes() / (4096 + 16);
            assert!(layout.spans() * in_a_span >= pages, "every page fits uncompressed");
            assert!(layout.spans() * layout.span_granules() <= 1 << Place::BITS);
        }
        assert!(Layout::new(0, false).is_err() && Layout::new(MOST_PAGES + 1, false).is_err());
    }
}
