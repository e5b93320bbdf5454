//! The way of a written page: same-filled? -> compress -> place in the arena -> slot -> free the old.
//!
//! A write is done when [`Written::Done`] comes back: from then on no kill loses it. Until then the
//! page is as it was. Everything is safe to repeat.

use trueno_zram_core::samefill::page_same_filled;
use trueno_zram_core::{Encoded, Page};

use crate::PAGE_SIZE;
use crate::arena::Shortage;
use crate::counters::Event;
use crate::error::Error;
use crate::queue::QueueStore;
use crate::region::Region;
use crate::slot::{Priority, Slot};
use crate::space::words_of;

/// A page that does not get below this is stored as it is: reading it then needs no decoder, and not
/// one part in 16 of its memory would have been saved.
pub const HUGE_FROM: usize = PAGE_SIZE - PAGE_SIZE / 16;

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Written {
    /// The page is stored.
    Done,
    /// The page is as it was: empty spans have run out, or another thread has for a moment what it
    /// needs. Write it again after the next
    /// [`maintain`](crate::Device::maintain), or when any thread has written or discarded something:
    /// either may have left room. Trying again every few milliseconds is enough; nobody is told. A write
    /// that is given up is told by [`QueueStore::give_up`].
    Parked,
}

/// Why there is no slot yet.
pub(crate) enum Unplaced {
    Short(Shortage),
    Failed(Error),
}

impl From<Shortage> for Unplaced {
    fn from(shortage: Shortage) -> Self {
        Self::Short(shortage)
    }
}

impl From<Error> for Unplaced {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl<R: Region> QueueStore<R> {
    /// Stores `data` as the page of this index.
    ///
    /// # Errors
    ///
    /// An index behind the end, the memory limit, no more memory, or a codec that failed. The page
    /// is as it was then.
    pub fn write(&mut self, page: u64, data: &Page) -> Result<Written, Error> {
        let written = self.page(page).and_then(|page| self.store(page, data));
        let counters = self.space().counters;
        match written {
            Ok(Written::Done) => counters.count(Event::Writes, 1),
            Ok(Written::Parked) => {}
            Err(Error::OutOfRange { .. }) => counters.count(Event::InvalidIo, 1),
            Err(_) => counters.count(Event::FailedWrites, 1),
        }
        written
    }

    /// Counts so many pages as `failed_writes` whose writes were parked and are not tried again.
    pub fn give_up(&mut self, pages: u64) {
        self.space().counters.count(Event::FailedWrites, pages);
    }

    #[inline]
    fn store(&mut self, page: u32, data: &Page) -> Result<Written, Error> {
        let placed = match page_same_filled(data) {
            Some(word) => self.same(page, word),
            None => self.compress(page, data),
        };
        let slot = match placed {
            Ok(slot) => slot,
            Err(Unplaced::Short(shortage)) => {
                return self.shortage(shortage).map(|()| Written::Parked);
            }
            Err(Unplaced::Failed(error)) => return Err(error),
        };
        self.shared.touch(page);
        self.install(page, slot)?;
        Ok(Written::Done)
    }

    /// A slot for a page that is one word again and again.
    fn same(&mut self, page: u32, word: u64) -> Result<Slot, Unplaced> {
        if let Some(slot) = Slot::same(word) {
            return Ok(slot);
        }
        Ok(Slot::same_at(self.space().put(page, 8, [word].into_iter())?))
    }

    /// A slot for any other page, whose object is written.
    #[inline]
    fn compress(&mut self, page: u32, data: &Page) -> Result<Slot, Unplaced> {
        let (shared, mut space, working) = self.parts();
        let priority = Priority::PRIMARY;
        let missing = Unplaced::Failed(Error::NoCodec { priority: priority.get() });
        let (Some(codec), (Some(scratch), buffer)) =
            (shared.codecs.get(priority), working.scratch(priority))
        else {
            return Err(missing);
        };
        match codec.compress_into(data, scratch, buffer) {
            Ok(Encoded::Compressed(len)) if len < HUGE_FROM => {
                let place = space.put(page, len, words_of(buffer, len))?;
                Ok(Slot::stored(place, len, priority))
            }
            Ok(_) => {
                let place = space.put(page, PAGE_SIZE, words_of(data, PAGE_SIZE))?;
                space.counters.count(Event::HugeSince, 1);
                Ok(Slot::huge(place))
            }
            Err(_) => Err(Unplaced::Failed(Error::Codec)),
        }
    }
}
