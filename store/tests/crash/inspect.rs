//! What a killed worker must have left.

use std::path::{Path, PathBuf};

use trueno_zram_region::FileRegion;
use trueno_zram_store::slot::Slot;
use trueno_zram_store::{Device, Error, IoStat, Region as _};

use crate::common::codecs;
use crate::journal::{COUNTS, Counted, Journal, LONGEST_DISCARD, PAGES, WRITERS, Word, parameters};
use crate::recount::{expected_bytes, recount};
use crate::settle::{Settled, settle};

/// What was met.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// How often the device was looked at.
    pub inspected: u64,
    /// How often a worker was killed before the device was there.
    pub formatted: u64,
    /// Slots that were held.
    pub held: u64,
    /// Writes that were not acknowledged and are there.
    pub new: u64,
    /// Writes that were not acknowledged and are not there.
    pub old: u64,
    /// The most pages of memory that any device had won back by moving objects.
    pub compacted: u64,
}

/// Takes over devices of killed workers.
pub(crate) struct Inspector {
    journal: Journal,
    path: PathBuf,
    /// How many workers were killed since the device was looked at last.
    killed: u64,
    /// What the device had counted then, and the journal.
    counted: Option<(IoStat, u64, Counted)>,
    pub(crate) tally: Tally,
}

impl Inspector {
    /// For the device in this folder.
    pub(crate) fn new(folder: &Path) -> Self {
        let (journal, path) = (Journal::open(&folder.join("journal")), folder.join("device"));
        Self { journal, path, killed: 0, counted: None, tally: Tally::default() }
    }

    pub(crate) fn killed(&mut self) {
        self.killed += 1;
    }

    /// From now on it is another device, whose counters begin at zero.
    pub(crate) fn formatting(&mut self) {
        self.counted = None;
    }

    /// Looks at everything; at the end discards everything if it is to `forget` it.
    ///
    /// # Errors
    ///
    /// What is wrong.
    pub(crate) fn inspect(&mut self, forget: bool) -> Result<(), String> {
        self.tally.inspected += 1;
        let region = FileRegion::open(&self.path).map_err(|error| error.to_string())?;
        let recovered = Device::recover(region, codecs());
        if self.journal.get(Word::Formatting) != 0 {
            return self.unfinished(recovered.map(|(device, _)| device));
        }
        let (device, found) = recovered.map_err(|error| format!("no device: {error}"))?;
        self.tally.held += found.held;
        if found.damaged > 0 {
            return Err(format!("damaged pages: {found:?}"));
        }
        unlocked(&device)?;
        let stat = device.mm_stat();
        same("gauges after recovery", stat, recount(&device, stat))?;
        same("the limit", stat.mem_limit, self.journal.get(Word::Limit))?;
        same("memory after recovery", backed(&device), expected_bytes(&device))?;
        self.parameters(&device)?;
        self.counters(&device)?;
        self.pages(&device)?;
        if forget {
            self.forget(&device)?;
        }
        same("gauges", device.mm_stat(), recount(&device, device.mm_stat()))?;
        device.maintain();
        same("memory after maintenance", backed(&device), expected_bytes(&device))?;
        self.remember(&device);
        Ok(())
    }

    /// A worker has begun to make the device anew and not said that it has done so: then the old one
    /// is there as it was, none, or an empty one.
    fn unfinished(&mut self, device: Result<Device<FileRegion>, Error>) -> Result<(), String> {
        self.tally.formatted += 1;
        match device {
            Ok(device) if device.mm_stat().orig_data_size > 0 => self.pages(&device),
            Ok(_) | Err(Error::Foreign(0)) => Ok(()),
            Err(error) => Err(format!("half a device: {error}")),
        }
    }

    fn pages(&mut self, device: &Device<FileRegion>) -> Result<(), String> {
        let mut queue = device.queue().map_err(|error| error.to_string())?;
        for page in 0..PAGES {
            match settle(&mut queue, &self.journal, page)? {
                Settled::Sure => {}
                Settled::New => self.tally.new += 1,
                Settled::Old => self.tally.old += 1,
            }
        }
        let verified = queue.verify();
        same("damaged pages", verified.damaged, Vec::new())
    }

    fn parameters(&self, device: &Device<FileRegion>) -> Result<(), String> {
        let text = device.parameters();
        let words = [Word::ParametersAcknowledged, Word::ParametersIntended];
        let found = words.into_iter().find(|word| text == parameters(self.journal.get(*word)));
        let found = found.ok_or(format!("parameters are neither old nor new: {text}"))?;
        self.journal.set(Word::ParametersAcknowledged, self.journal.get(found));
        self.journal.set(Word::ParametersIntended, self.journal.get(found));
        Ok(())
    }

    /// Each thread that was killed may have counted one call that it could not write down any more.
    fn counters(&mut self, device: &Device<FileRegion>) -> Result<(), String> {
        let (now, journal) = (device.io_stat(), self.journal.counted());
        let stat = device.mm_stat();
        self.tally.compacted = self.tally.compacted.max(stat.pages_compacted);
        let (then, huge_then, journal_then) = self.counted.unwrap_or_default();
        let calls = self.killed * WRITERS;
        let counted = [
            (then.writes, now.writes, calls),
            (then.failed_writes, now.failed_writes, calls),
            (then.reads, now.reads, calls),
            (then.notify_free, now.notify_free, calls * LONGEST_DISCARD),
            (huge_then, stat.huge_pages_since, calls),
        ];
        for (count, (before, after, most)) in COUNTS.into_iter().zip(counted) {
            let counted = after.wrapping_sub(before);
            let done = journal.of(count) - journal_then.of(count);
            if !(done..=done + most).contains(&counted) {
                let killed = self.killed;
                return Err(format!("{count:?}: {done} done, {counted} counted, {killed} kills"));
            }
        }
        same("failed reads", (now.failed_reads, now.invalid_io), (0, 0))
    }

    fn remember(&mut self, device: &Device<FileRegion>) {
        self.counted =
            Some((device.io_stat(), device.mm_stat().huge_pages_since, self.journal.counted()));
        self.killed = 0;
    }

    /// Discards everything: whatever is in use then has leaked.
    fn forget(&self, device: &Device<FileRegion>) -> Result<(), String> {
        let mut queue = device.queue().map_err(|error| error.to_string())?;
        for page in 0..PAGES {
            self.journal.intend(page, self.journal.intended(page).next_discarded());
        }
        queue.discard(0..PAGES).map_err(|error| error.to_string())?;
        for page in 0..PAGES {
            self.journal.acknowledge(page, self.journal.intended(page));
        }
        drop(queue);
        same("memory in use when all is discarded", device.mm_stat().mem_used_total, 0)
    }
}

fn unlocked(device: &Device<FileRegion>) -> Result<(), String> {
    let table = device.layout().table();
    let words = device.region().words().iter().skip(usize::try_from(table.start / 8).unwrap_or(0));
    let words = words.take(usize::try_from(PAGES).unwrap_or(0));
    let is_locked = |word: &core::sync::atomic::AtomicU64| {
        Slot::from_bits(word.load(core::sync::atomic::Ordering::SeqCst)).is_locked()
    };
    // To touch such a page would be to wait for ever.
    same("slots that are still held", words.filter(|word| is_locked(word)).count(), 0)
}

fn backed(device: &Device<FileRegion>) -> u64 {
    device.region().backed_bytes().unwrap_or(0)
}

fn same<T: PartialEq + core::fmt::Debug>(what: &str, is: T, should_be: T) -> Result<(), String> {
    if is == should_be { Ok(()) } else { Err(format!("{what}: {is:?}, not {should_be:?}")) }
}
