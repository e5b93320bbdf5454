//! What one thread moves pages with.

use std::sync::Arc;

use trueno_zram_core::{BUFFER_SIZE, Scratch};

use crate::PAGE_SIZE;
use crate::arena::Shortage;
use crate::device::{Device, Shared};
use crate::error::Error;
use crate::region::Region;
use crate::slot::{Priority, Slot};
use crate::space::{Allocator, Space};

/// One thread's way to a device: codecs' working memory, free space at hand, counters. Nothing is
/// allocated after it was made.
#[derive(Debug)]
pub struct QueueStore<R: Region> {
    pub(crate) shared: Arc<Shared<R>>,
    thread: usize,
    allocator: Allocator,
    pub(crate) codec: Working,
}

/// Working memory of the codecs.
#[derive(Debug)]
pub(crate) struct Working {
    scratch: [Option<Scratch>; Priority::COUNT],
    /// What is compressed, on its way into or out of the arena.
    pub(crate) buffer: Box<[u8; BUFFER_SIZE]>,
}

impl Working {
    pub(crate) fn scratch(&mut self, priority: Priority) -> (Option<&mut Scratch>, &mut [u8]) {
        let scratch = self.scratch.get_mut(priority.index()).and_then(Option::as_mut);
        (scratch, &mut self.buffer[..])
    }
}

impl<R: Region> QueueStore<R> {
    pub(crate) fn new(shared: Arc<Shared<R>>, thread: usize) -> Self {
        let allocator = Allocator::new(thread);
        let private = allocator.footprint() + BUFFER_SIZE as u64;
        let scratch = shared.codecs.each().map(|codec| codec.map(|codec| codec.scratch()));
        shared.counters().thread(thread).private(private);
        let codec = Working { scratch, buffer: Box::new([0; BUFFER_SIZE]) };
        Self { shared, thread, allocator, codec }
    }

    /// The device that it belongs to.
    #[must_use]
    pub fn device(&self) -> Device<R> {
        Device { shared: Arc::clone(&self.shared) }
    }

    #[inline]
    pub(crate) fn space(&mut self) -> Space<'_> {
        self.shared.space(self.thread, &mut self.allocator)
    }

    /// What of the device is needed to move a page, apart from each other.
    #[inline]
    pub(crate) fn parts(&mut self) -> (&Shared<R>, Space<'_>, &mut Working) {
        let space = self.shared.space(self.thread, &mut self.allocator);
        (&self.shared, space, &mut self.codec)
    }

    /// Makes `new` the page's slot.
    #[inline]
    pub(crate) fn install(&mut self, page: u32, new: Slot) -> Result<(), Error> {
        self.space().install(page, new).ok_or(Error::OutOfRange { page: page.into() })
    }

    /// Checks that the device has the page.
    #[inline]
    pub(crate) fn page(&self, page: u64) -> Result<u32, Error> {
        let is_there = page < self.shared.layout.pages();
        u32::try_from(page).ok().filter(|_| is_there).ok_or(Error::OutOfRange { page })
    }

    pub(crate) fn shortage(&self, shortage: Shortage) -> Result<(), Error> {
        match shortage {
            Shortage::Headroom => Ok(()),
            Shortage::Limit => Err(Error::Limit),
            Shortage::Memory(errno) => Err(Error::Memory(errno)),
        }
    }
}

impl<R: Region> Drop for QueueStore<R> {
    fn drop(&mut self) {
        self.space().retire();
        self.space().counters.private(0);
        self.shared.leave(self.thread);
    }
}

const _: () = assert!(PAGE_SIZE <= BUFFER_SIZE, "a page fits into the buffer");
