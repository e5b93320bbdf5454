//! A region that refuses memory, and a copy of one as a killed process leaves it.

use std::ops::Range;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard};

use trueno_zram_region::FileRegion;
use trueno_zram_store::{Errno, Region};

use super::common::Random;

pub(crate) const ENOMEM: Errno = Errno(12);
pub(crate) const ENOSPC: Errno = Errno(28);

/// When growing and punching are refused.
#[derive(Clone, Debug)]
pub(crate) struct Refusals {
    /// Of so many calls of `grow` one is refused with `ENOMEM`; 0 is none.
    pub(crate) grow_one_in: u64,
    /// The same of `punch`.
    pub(crate) punch_one_in: u64,
    /// How many bytes there may be; `ENOSPC` beyond that.
    pub(crate) budget: Option<u64>,
    pub(crate) random: Random,
}

impl Refusals {
    pub(crate) fn none() -> Self {
        Self { grow_one_in: 0, punch_one_in: 0, budget: None, random: Random::new(0) }
    }

    fn one_in(&mut self, calls: u64) -> bool {
        calls != 0 && self.random.below(calls) == 0
    }
}

/// A handle: clones are the same memory.
#[derive(Clone, Debug)]
pub(crate) struct Failing(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: FileRegion,
    refusals: Mutex<Refusals>,
}

impl Failing {
    pub(crate) fn new(bytes: u64) -> Self {
        let file = FileRegion::anonymous(bytes).expect("a memfd");
        Self(Arc::new(Inner { file, refusals: Mutex::new(Refusals::none()) }))
    }

    pub(crate) fn refusals(&self) -> MutexGuard<'_, Refusals> {
        self.0.refusals.lock().expect("no test goes on after a panic")
    }

    pub(crate) fn backed_bytes(&self) -> u64 {
        self.0.file.backed_bytes().expect("a file has a size")
    }

    /// What another process would find if this one were killed now: every byte, and which bytes have
    /// memory. A copy, because nothing of the killed process may run any more, destructors neither,
    /// and to forget its values would leak their memory each time.
    pub(crate) fn image(&self) -> Self {
        let bytes = size_of_val(self.0.file.words()) as u64;
        let copy = Self::new(bytes);
        let mut from = 0;
        while let Ok(Some(stretch)) = self.0.file.next_backed(from) {
            copy.0.file.grow(stretch.clone()).expect("as much memory again");
            let words = |bytes: &Range<u64>| {
                let word = |at: u64| usize::try_from(at / 8).expect("mapped");
                word(bytes.start)..word(bytes.end)
            };
            let pairs = self.0.file.words()[words(&stretch)].iter();
            pairs.zip(&copy.0.file.words()[words(&stretch)]).for_each(|(from, to)| {
                to.store(from.load(Relaxed), Relaxed);
            });
            from = stretch.end;
        }
        *copy.refusals() = self.refusals().clone();
        copy
    }
}

impl Region for Failing {
    fn words(&self) -> &[AtomicU64] {
        self.0.file.words()
    }

    fn grow(&self, bytes: Range<u64>) -> Result<(), Errno> {
        let mut refusals = self.refusals();
        let wanted = self.backed_bytes() + (bytes.end - bytes.start);
        if refusals.budget.is_some_and(|budget| wanted > budget) {
            return Err(ENOSPC);
        }
        let calls = refusals.grow_one_in;
        if refusals.one_in(calls) { Err(ENOMEM) } else { self.0.file.grow(bytes) }
    }

    fn punch(&self, bytes: Range<u64>) -> Result<(), Errno> {
        let mut refusals = self.refusals();
        let calls = refusals.punch_one_in;
        if refusals.one_in(calls) { Err(ENOMEM) } else { self.0.file.punch(bytes) }
    }

    fn next_backed(&self, from: u64) -> Result<Option<Range<u64>>, Errno> {
        self.0.file.next_backed(from)
    }
}
