//! The table: one slot a page, and the only truth about what is stored.
//!
//! Whoever wants to copy an object, or to move it, holds its slot by the lock bit meanwhile;
//! [`Held::install`] is the only way in which a slot changes. It releases the lock with the same
//! store, so nothing lies between the change and its being seen.

use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::slot::Slot;
use crate::word::Word;

/// The slots of a device, by page index.
#[derive(Debug)]
pub struct SlotTable<'a, W> {
    words: &'a [W],
}

// Derives would ask the same of `W`.
impl<W> Clone for SlotTable<'_, W> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<W> Copy for SlotTable<'_, W> {}

impl<'a, W: Word> SlotTable<'a, W> {
    /// A table over `words`, one a page.
    #[must_use]
    pub const fn new(words: &'a [W]) -> Self {
        Self { words }
    }

    /// How many pages it has.
    #[must_use]
    pub const fn len(self) -> usize {
        self.words.len()
    }

    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.words.is_empty()
    }

    /// The slot as it is now; another thread may hold or change it. `None` outside the table.
    #[inline]
    #[must_use]
    pub fn peek(self, page: usize) -> Option<Slot> {
        // Acquire: what the slot points to was written before it.
        self.words.get(page).map(|word| Slot::from_bits(word.load(Acquire)))
    }

    /// Waits until nobody holds the slot and takes it. `None` outside the table.
    #[inline]
    #[must_use]
    pub fn hold(self, page: usize) -> Option<Held<'a, W>> {
        let word = self.words.get(page)?;
        let mut round = 0;
        let mut slot = Slot::from_bits(word.load(Relaxed));
        loop {
            if slot.is_locked() {
                W::pause(round);
                round = round.saturating_add(1);
                slot = Slot::from_bits(word.load(Relaxed));
                continue;
            }
            let locked = slot.locked().to_bits();
            // Acquire: what the last holder did to the object comes before what this one does.
            match word.compare_exchange_weak(slot.to_bits(), locked, Acquire, Relaxed) {
                Ok(_) => return Some(Held { word, slot }),
                Err(now) => slot = Slot::from_bits(now),
            }
        }
    }

    /// Puts `new` in place of what is there and returns that: its object is the caller's to free.
    #[inline]
    #[must_use]
    pub fn replace(self, page: usize, new: Slot) -> Option<Slot> {
        let held = self.hold(page)?;
        let old = held.slot();
        held.install(new);
        Some(old)
    }

    /// Takes the lock bits away that a killed process has left. Nobody else may be using the table.
    pub(crate) fn unlock(self, page: usize) -> Option<Slot> {
        let word = self.words.get(page)?;
        let slot = Slot::from_bits(word.load(Relaxed));
        if slot.is_locked() {
            word.store(slot.unlocked().to_bits(), Relaxed);
        }
        Some(slot.unlocked())
    }
}

/// A slot that nobody else can change or free meanwhile; put back as it was when dropped.
#[derive(Debug)]
#[must_use]
pub struct Held<'a, W: Word> {
    word: &'a W,
    slot: Slot,
}

impl<W: Word> Held<'_, W> {
    /// What it holds.
    #[inline]
    pub const fn slot(&self) -> Slot {
        self.slot
    }

    /// Puts `new` in its place and lets go.
    #[inline]
    pub fn install(mut self, new: Slot) {
        self.slot = new;
    }
}

impl<W: Word> Drop for Held<'_, W> {
    #[inline]
    fn drop(&mut self) {
        // Release: the object that a slot points to is whole before the slot can be seen.
        self.word.store(self.slot.unlocked().to_bits(), Release);
    }
}
