//! Freeing pages: discard, write-zeroes and swap's notification are one.

use core::ops::Range;

use crate::counters::Event;
use crate::error::Error;
use crate::queue::QueueStore;
use crate::region::Region;
use crate::slot::Slot;

/// How much is done in one step, in the time that it takes to see that a page is empty.
const STEP: u64 = 1 << 19;
/// So much more a page takes that is not, where nothing of its object is in a cache.
const STORED: u64 = 31;

impl<R: Region> QueueStore<R> {
    /// Forgets these pages: they read as zeros and their memory is free. Every page counts as
    /// `notify_free`, whether something was stored or not.
    ///
    /// # Errors
    ///
    /// A range that ends behind the device's end; nothing is freed then.
    pub fn discard(&mut self, pages: Range<u64>) -> Result<(), Error> {
        let mut rest = pages;
        loop {
            rest = self.discard_step(rest)?;
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    /// Forgets the first of these pages, as many as take about a millisecond, and returns the rest:
    /// an empty range when all are done. For a thread that has other requests to look after: a device's
    /// largest discard, of 2 TiB, takes more than a second even where nothing is stored.
    ///
    /// # Errors
    ///
    /// As [`discard`](Self::discard).
    pub fn discard_step(&mut self, pages: Range<u64>) -> Result<Range<u64>, Error> {
        if pages.end > self.shared.layout.pages() {
            self.space().counters.count(Event::InvalidIo, 1);
            return Err(Error::OutOfRange { page: pages.end - 1 });
        }
        let mut next = pages.start;
        let mut work = 0;
        while next < pages.end && work < STEP {
            let page = self.page(next)?;
            let is_empty = |slot: Slot| slot.is_empty();
            if !self.shared.table().peek(page as usize).is_none_or(is_empty) {
                self.install(page, Slot::EMPTY)?;
                work += STORED;
            }
            work += 1;
            next += 1;
        }
        self.space().counters.count(Event::NotifyFree, next.saturating_sub(pages.start));
        Ok(next..pages.end)
    }
}
