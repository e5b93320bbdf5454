//! Pages that say themselves what they are, and a record of what was acknowledged: who finds a page
//! older than its record has found a lost write, whatever served the device.

use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::pages::{Direct, Frame};

/// Of the pages from `first` on, the last version of each that the device has acknowledged. Version 0
/// is a page that was never written.
#[derive(Debug)]
pub struct Journal {
    first: u64,
    acknowledged: Vec<AtomicU64>,
    findings: Mutex<Findings>,
}

/// What [`Journal::check`] found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Findings {
    /// Pages older than what was acknowledged: index, version found, version acknowledged.
    pub lost: Vec<(u64, u64, u64)>,
    /// Pages that are no version of themselves, or one that nobody has written.
    pub torn: Vec<u64>,
}

impl Journal {
    /// For so many pages.
    #[must_use]
    pub fn new(first: u64, pages: usize) -> Self {
        let acknowledged = std::iter::repeat_with(|| AtomicU64::new(0)).take(pages).collect();
        Journal { first, acknowledged, findings: Mutex::default() }
    }

    /// How many pages there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.acknowledged.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.acknowledged.is_empty()
    }

    /// How many writes were acknowledged in all.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.acknowledged.iter().map(|version| version.load(Ordering::Relaxed)).sum()
    }

    /// Writes the next version of page `at` of the journal and records it once it is acknowledged.
    /// Looks at the page first, which nobody could do any more afterwards. Each page has one writer at
    /// a time.
    ///
    /// # Errors
    /// Those of the read and of the write.
    pub fn write(&self, device: &Direct, at: usize) -> std::io::Result<()> {
        let Some(acknowledged) = self.acknowledged.get(at) else { return Ok(()) };
        let index = self.first + at as u64;
        let version = acknowledged.load(Ordering::Relaxed);
        self.look(device, index, version)?;
        device.write(index, &page(index, version + 1))?;
        acknowledged.store(version + 1, Ordering::Release);
        Ok(())
    }

    /// Looks at all pages, while nobody writes, and tells what was found, here and by writers, since
    /// the last time.
    ///
    /// # Errors
    /// Those of the reads.
    pub fn check(&self, device: &Direct) -> std::io::Result<Findings> {
        for (index, acknowledged) in (self.first..).zip(&self.acknowledged) {
            self.look(device, index, acknowledged.load(Ordering::Acquire))?;
        }
        Ok(mem::take(&mut *self.findings()))
    }

    /// Takes note of a page that is not of the version that was acknowledged. The one after it was on
    /// its way.
    fn look(&self, device: &Direct, index: u64, acknowledged: u64) -> std::io::Result<()> {
        let read = device.read(index)?;
        match (0..=acknowledged + 1).rev().find(|&version| page(index, version) == read) {
            Some(version) if version < acknowledged => {
                self.findings().lost.push((index, version, acknowledged));
            }
            Some(_) => {}
            None => self.findings().torn.push(index),
        }
        Ok(())
    }

    fn findings(&self) -> MutexGuard<'_, Findings> {
        self.findings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Versions of every kind that a store treats in its own way: same-filled ones, such as shrink, and
/// such as do not.
fn page(index: u64, version: u64) -> Frame {
    let name = index << 32 | version;
    match version % 8 {
        0 if version == 0 => Frame::filled(0),
        0 | 5 => Frame::filled(name),
        3 => Frame::noise(name),
        _ => Frame::mixed(name),
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;
    use crate::pages::PAGE;
    use crate::scratch::Scratch;

    #[test]
    fn a_lost_and_a_torn_page_are_found() -> Result<(), Box<dyn Error>> {
        // In memory, direct I/O needs no particular file system.
        let scratch = Scratch::new("journal")?;
        let path = scratch.path().join("disk");
        std::fs::File::create(&path)?.set_len(64 << 12)?;
        let disk = Direct::open(&path)?;
        let journal = Journal::new(8, 4);
        for _ in 0..6 {
            (0..4).try_for_each(|at| journal.write(&disk, at))?;
        }
        assert_eq!((journal.writes(), journal.check(&disk)?), (24, Findings::default()));
        // On its way when the device died.
        disk.write(8, &page(8, 7))?;
        assert_eq!(journal.check(&disk)?, Findings::default());
        disk.write(9, &page(9, 5))?;
        let mut torn = page(10, 6);
        torn.0[PAGE / 2..].copy_from_slice(&page(10, 7).0[PAGE / 2..]);
        disk.write(10, &torn)?;
        disk.write(11, &page(8, 6))?;
        let expected = Findings { lost: vec![(9, 5, 6)], torn: vec![10, 11] };
        assert_eq!(journal.check(&disk)?, expected);
        // Not hidden by those that are written over them.
        (0..4).try_for_each(|at| journal.write(&disk, at))?;
        assert_eq!(journal.check(&disk)?, expected);
        assert_eq!(journal.check(&disk)?, Findings::default(), "once");
        Ok(())
    }
}
