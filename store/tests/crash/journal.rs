//! What the worker was about to write and what was answered, kept where no kill of it can reach.
//!
//! A second file, of words: for each page the version that was intended before the store was called,
//! and the one acknowledged when it had answered. One thread writes a page, so both are exact.

use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;

use trueno_zram_region::FileRegion;
use trueno_zram_store::{Page, Region as _};

/// How many pages the device has: few, so that each is written often and spans are reused.
pub(crate) const PAGES: u64 = 256;
/// How many threads read and write.
pub(crate) const WRITERS: u64 = 2;
/// The longest range that is discarded at once.
pub(crate) const LONGEST_DISCARD: u64 = 8;

/// A word for the whole device.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Word {
    /// Set by the worker: every thread has done something.
    Busy,
    /// From which the worker's choices come.
    Seed,
    /// 1 while the worker is to make the device anew.
    Formatting,
    /// The memory limit of the device, in bytes.
    Limit,
    /// Which parameters were to be kept with the device, and which were.
    ParametersIntended,
    ParametersAcknowledged,
}

/// Calls that were answered, counted by each thread.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Count {
    Writes,
    FailedWrites,
    Reads,
    /// Pages.
    Discards,
    /// Writes that cannot be compressed.
    Huge,
}

pub(crate) const COUNTS: [Count; 5] =
    [Count::Writes, Count::FailedWrites, Count::Reads, Count::Discards, Count::Huge];

const COUNTS_AT: usize = 64;
const PAGES_AT: usize = 128;
const BYTES: u64 = 16384;

/// The journal, open in one process.
#[derive(Debug)]
pub(crate) struct Journal(FileRegion);

impl Journal {
    pub(crate) fn create(path: &Path) -> Self {
        let region = FileRegion::create(path, BYTES).expect("a file");
        region.grow(0..BYTES).expect("a little memory");
        Self(region)
    }

    pub(crate) fn open(path: &Path) -> Self {
        Self(FileRegion::open(path).expect("the journal"))
    }

    fn at(&self, at: usize) -> &AtomicU64 {
        self.0.words().get(at).expect("a word of the journal")
    }

    pub(crate) fn get(&self, word: Word) -> u64 {
        self.at(word as usize).load(SeqCst)
    }

    pub(crate) fn set(&self, word: Word, value: u64) {
        self.at(word as usize).store(value, SeqCst);
    }

    fn version(&self, page: u64, which: usize) -> &AtomicU64 {
        self.at(PAGES_AT + 2 * usize::try_from(page).expect("small") + which)
    }

    pub(crate) fn acknowledged(&self, page: u64) -> Version {
        Version(self.version(page, 0).load(SeqCst))
    }

    pub(crate) fn intended(&self, page: u64) -> Version {
        Version(self.version(page, 1).load(SeqCst))
    }

    pub(crate) fn intend(&self, page: u64, version: Version) {
        self.version(page, 1).store(version.0, SeqCst);
    }

    pub(crate) fn acknowledge(&self, page: u64, version: Version) {
        self.version(page, 0).store(version.0, SeqCst);
    }

    /// Everything was forgotten: pages, parameters.
    pub(crate) fn forget(&self) {
        for page in 0..PAGES {
            self.intend(page, Version::NEVER);
            self.acknowledge(page, Version::NEVER);
        }
        self.set(Word::ParametersIntended, 0);
        self.set(Word::ParametersAcknowledged, 0);
        for at in COUNTS_AT..PAGES_AT {
            self.at(at).store(0, SeqCst);
        }
    }

    pub(crate) fn count(&self, thread: u64, count: Count, times: u64) {
        let thread = usize::try_from(thread).expect("small");
        self.at(COUNTS_AT + 8 * thread + count as usize).fetch_add(times, SeqCst);
    }

    /// What all threads have counted.
    pub(crate) fn counted(&self) -> Counted {
        Counted(COUNTS.map(|count| {
            let threads = (COUNTS_AT..PAGES_AT).step_by(8);
            threads.map(|thread| self.at(thread + count as usize).load(SeqCst)).sum()
        }))
    }
}

/// Sums over all threads.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counted([u64; COUNTS.len()]);

impl Counted {
    pub(crate) fn of(&self, count: Count) -> u64 {
        self.0.get(count as usize).copied().expect("each has one")
    }
}

/// What is in a page: each version of each page is another, but for those that are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version(u64);

/// How many kinds of page there are; 0 is a discarded one.
const KINDS: u64 = 16;

impl Version {
    /// Before anything was written.
    pub(crate) const NEVER: Self = Self(0);

    /// A later one, of a kind that `random` chooses.
    pub(crate) fn next(self, random: u64) -> Self {
        Self((self.0 / KINDS + 1) * KINDS + 1 + random % (KINDS - 1))
    }

    /// A later one that is discarded.
    pub(crate) fn next_discarded(self) -> Self {
        Self((self.0 / KINDS + 1) * KINDS)
    }

    /// Whether no codec makes it smaller.
    pub(crate) fn is_huge(self) -> bool {
        self.random_words() == 512
    }

    fn random_words(self) -> usize {
        match self.0 % KINDS {
            0..=3 => 0,
            4..=7 => 1 << (self.0 % KINDS - 3),
            14.. => 512,
            // Of any length, so that the holes that are left seldom fit.
            kind => usize::try_from((kind - 7) * 70 + self.0 / KINDS % 37).expect("below 457"),
        }
    }

    /// The page's bytes.
    pub(crate) fn content(self, page: u64) -> Page {
        let mut state = (page << 40 ^ self.0).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let word = match self.0 % KINDS {
            // All zero, a word that fits into a slot, one that does not; or zeros behind noise.
            2 => state >> 10,
            3 => state | 1 << 63,
            _ => 0,
        };
        let mut bytes = [0; 4096];
        let (words, _) = bytes.as_chunks_mut();
        words.fill(word.to_le_bytes());
        for word in words.iter_mut().take(self.random_words()) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *word = state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes();
        }
        bytes
    }
}

/// The parameters that are kept with the device under this number.
pub(crate) fn parameters(number: u64) -> String {
    let times = usize::try_from(number * 41 % 400).expect("small");
    if number == 0 { String::new() } else { format!("{number} ").repeat(times.min(200) + 1) }
}
