//! Freeing pages: discard, write-zeroes and swap's notification are one.

use core::ops::Range;

use crate::counters::Event;
use crate::error::Error;
use crate::queue::QueueStore;
use crate::region::Region;
use crate::slot::Slot;

impl<R: Region> QueueStore<R> {
    /// Forgets these pages: they read as zeros and their memory is free. Every page counts as
    /// `notify_free`, whether something was stored or not.
    ///
    /// # Errors
    ///
    /// A range that ends behind the device's end; nothing is freed then.
    pub fn discard(&mut self, pages: Range<u64>) -> Result<(), Error> {
        if pages.end > self.shared.layout.pages() {
            self.space().counters.count(Event::InvalidIo, 1);
            return Err(Error::OutOfRange { page: pages.end - 1 });
        }
        let count = pages.end.saturating_sub(pages.start);
        for page in pages {
            let page = self.page(page)?;
            let is_empty = |slot: Slot| slot.is_empty();
            if !self.shared.table().peek(page as usize).is_none_or(is_empty) {
                self.install(page, Slot::EMPTY)?;
            }
        }
        self.space().counters.count(Event::NotifyFree, count);
        Ok(())
    }
}
