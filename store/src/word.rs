//! The one kind of memory the store knows: 64-bit words that several threads may touch.
//!
//! Everything in a region, object bytes included, is read and written as whole words with the
//! orderings given at each place. So there is no data race in the language's sense even where one
//! thread looks for headers in space that another is filling, and no unsafe code in this crate.

use core::sync::atomic::{AtomicU64, Ordering};

/// A word of shared memory.
///
/// A trait, because the words of a model checker cannot lie in mapped memory: the protocols in
/// [`table`](crate::table) and [`span`](crate::span) are generic over it and run on both.
pub trait Word {
    /// Reads it.
    fn load(&self, order: Ordering) -> u64;
    /// Writes it.
    fn store(&self, value: u64, order: Ordering);
    /// Writes `new` if it is `current`; what it was otherwise. May fail for no reason.
    ///
    /// # Errors
    ///
    /// The word as it was.
    fn compare_exchange_weak(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64>;
    /// Adds, wrapping around, and returns what was there.
    fn fetch_add(&self, value: u64, order: Ordering) -> u64;
    /// Called in a loop that waits for another thread, with how often it was called before.
    fn pause(round: u32);
}

/// How often a waiting thread looks again before it gives its processor away: the other holds the
/// word for a copy of at most a page, unless it was interrupted.
const SPINS: u32 = 128;

impl Word for AtomicU64 {
    #[inline(always)]
    fn load(&self, order: Ordering) -> u64 {
        self.load(order)
    }

    #[inline(always)]
    fn store(&self, value: u64, order: Ordering) {
        self.store(value, order);
    }

    #[inline(always)]
    fn compare_exchange_weak(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        self.compare_exchange_weak(current, new, success, failure)
    }

    #[inline(always)]
    fn fetch_add(&self, value: u64, order: Ordering) -> u64 {
        self.fetch_add(value, order)
    }

    #[cold]
    fn pause(round: u32) {
        if round < SPINS {
            core::hint::spin_loop();
        } else {
            std::thread::yield_now();
        }
    }
}

/// A number that is the index of something in mapped memory.
#[expect(clippy::cast_possible_truncation, reason = "what is mapped fits into the address space")]
#[inline(always)]
pub(crate) const fn index(number: u64) -> usize {
    number as usize
}
