//! Where a queue's pages are: in the store, or nowhere.

use std::ops::Range;

use trueno_zram_region::FileRegion;
use trueno_zram_store::{Device, Error, Page, QueueStore, Written};

/// What one thread reads and writes pages with.
pub(crate) trait Pages {
    /// Reads a page.
    fn read(&mut self, page: u64, out: &mut Page) -> Result<(), Error>;
    /// Writes one.
    fn write(&mut self, page: u64, data: &Page) -> Result<Written, Error>;
    /// Forgets some of these, as many as take about a millisecond, and returns the rest.
    fn discard(&mut self, pages: Range<u64>) -> Result<Range<u64>, Error>;
    /// Counts so many pages as writes that have failed: they were parked and are not tried again.
    fn give_up(&mut self, pages: u64);
    /// Whether the grow thread has something to do.
    fn want_memory(&self) -> bool;
}

/// A thread's way to the store.
#[derive(Debug)]
pub(crate) struct Stored {
    device: Device<FileRegion>,
    queue: QueueStore<FileRegion>,
}

impl Stored {
    pub(crate) fn new(device: Device<FileRegion>) -> Result<Self, Error> {
        let queue = device.queue()?;
        Ok(Self { device, queue })
    }
}

impl Pages for Stored {
    #[inline]
    fn read(&mut self, page: u64, out: &mut Page) -> Result<(), Error> {
        self.queue.read(page, out)
    }

    #[inline]
    fn write(&mut self, page: u64, data: &Page) -> Result<Written, Error> {
        self.queue.write(page, data)
    }

    fn discard(&mut self, pages: Range<u64>) -> Result<Range<u64>, Error> {
        self.queue.discard_step(pages)
    }

    fn give_up(&mut self, pages: u64) {
        self.queue.give_up(pages);
    }

    #[inline]
    fn want_memory(&self) -> bool {
        self.device.wants_maintenance()
    }
}

/// Forgets what is written and reads whatever lies in the buffer: how fast the way to a page is,
/// without the page. For benchmarks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nowhere;

impl Pages for Nowhere {
    fn read(&mut self, _: u64, _: &mut Page) -> Result<(), Error> {
        Ok(())
    }

    fn write(&mut self, _: u64, _: &Page) -> Result<Written, Error> {
        Ok(Written::Done)
    }

    fn discard(&mut self, pages: Range<u64>) -> Result<Range<u64>, Error> {
        Ok(pages.end..pages.end)
    }

    fn give_up(&mut self, _: u64) {}

    fn want_memory(&self) -> bool {
        false
    }
}
