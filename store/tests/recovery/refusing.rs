//! Memory of which there is no more.

use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};

use trueno_zram_region::FileRegion;
use trueno_zram_store::{Errno, Region};

/// A file that refuses to grow, or to be punched, when it is told to.
#[derive(Debug)]
pub(crate) struct Refusing {
    pub(crate) file: FileRegion,
    pub(crate) refuses_to_grow: AtomicBool,
    pub(crate) refuses_to_punch: AtomicBool,
}

impl Refusing {
    pub(crate) fn new(file: &FileRegion) -> Self {
        let file = file.file().try_clone().expect("a descriptor");
        let file = FileRegion::map(file).expect("mapped");
        Self { file, refuses_to_grow: false.into(), refuses_to_punch: false.into() }
    }
}

/// What Linux says when a file system is full.
const ENOSPC: Errno = Errno(28);

impl Region for Refusing {
    fn words(&self) -> &[AtomicU64] {
        self.file.words()
    }

    fn grow(&self, bytes: Range<u64>) -> Result<(), Errno> {
        if self.refuses_to_grow.load(Relaxed) { Err(ENOSPC) } else { self.file.grow(bytes) }
    }

    fn punch(&self, bytes: Range<u64>) -> Result<(), Errno> {
        if self.refuses_to_punch.load(Relaxed) { Err(ENOSPC) } else { self.file.punch(bytes) }
    }

    fn next_backed(&self, from: u64) -> Result<Option<Range<u64>>, Errno> {
        self.file.next_backed(from)
    }
}
