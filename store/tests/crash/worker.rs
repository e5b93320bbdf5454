//! The process that is killed: two threads that write, discard and read, and one that does all the
//! rest, until the end comes.

use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use trueno_zram_region::FileRegion;
use trueno_zram_store::slot::Priority;
use trueno_zram_store::{
    Compaction, Device, Error, Idle, Options, Progress, QueueStore, Recompress, Recompression,
    Selection, Written,
};

use crate::common::{Random, codecs};
use crate::journal::{Count, Journal, LONGEST_DISCARD, PAGES, WRITERS, Word, parameters};
use crate::settle::settle;

type Queue = QueueStore<FileRegion>;

/// After that long nobody seems to be there who would kill it.
const LIFE: Duration = Duration::from_secs(20);

/// Works on the device in this folder and never comes back, unless nobody kills it.
pub(crate) fn work(folder: &Path) {
    // One thread's panic is the end of all: the other process sees that it did not kill this one.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        hook(panic);
        std::process::abort();
    }));
    let end = Instant::now() + LIFE;
    let journal = Journal::open(&folder.join("journal"));
    let device = open(folder, &journal);
    let begun = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..WRITERS {
            let (journal, begun, queue) = (&journal, &begun, device.queue().expect("a thread"));
            scope.spawn(move || {
                let random = Random::new(journal.get(Word::Seed) + thread);
                let mut writer = Writer { journal, thread, queue, random };
                writer.step();
                if begun.fetch_add(1, Relaxed) + 1 == WRITERS {
                    journal.set(Word::Busy, 1);
                }
                while Instant::now() < end {
                    writer.step();
                }
            });
        }
        let queue = device.queue().expect("a thread");
        scope.spawn(|| keep(&device, queue, &journal, end));
    });
}

/// Takes over what the last one has left, or makes the device anew.
fn open(folder: &Path, journal: &Journal) -> Device<FileRegion> {
    let region = FileRegion::open(folder.join("device")).expect("the device's file");
    if journal.get(Word::Formatting) != 0 {
        let seed = journal.get(Word::Seed);
        let options = Options { access_times: seed.is_multiple_of(2), ..Options::default() };
        let device = Device::format(region, PAGES, options, codecs()).expect("a device");
        device.set_limit(journal.get(Word::Limit));
        journal.forget();
        journal.set(Word::Formatting, 0);
        return device;
    }
    let (device, found) = Device::recover(region, codecs()).expect("a kill leaves a device");
    assert_eq!(found.damaged, 0, "page {:?}", found.first_damaged);
    let mut queue = device.queue().expect("a thread");
    for page in 0..PAGES {
        if journal.intended(page) != journal.acknowledged(page) {
            settle(&mut queue, journal, page).expect("no other worker has lost a page");
            journal.count(0, Count::Reads, 1);
        }
    }
    device
}

/// A thread that writes the pages of its part of the device.
struct Writer<'a> {
    journal: &'a Journal,
    thread: u64,
    queue: Queue,
    random: Random,
}

impl Writer<'_> {
    fn step(&mut self) {
        let mine = PAGES / WRITERS;
        let page = self.thread * mine + self.random.below(mine);
        match self.random.below(100) {
            0..60 => self.write(page),
            60..75 => self.discard(page, (self.thread + 1) * mine),
            _ => self.read(),
        }
    }

    fn write(&mut self, page: u64) {
        let version = self.journal.intended(page).next(self.random.word());
        let data = version.content(page);
        self.journal.intend(page, version);
        let is_done = loop {
            match self.queue.write(page, &data) {
                Ok(Written::Done) => break true,
                Ok(Written::Parked) => std::thread::yield_now(),
                Err(Error::Limit) => break false,
                Err(error) => panic!("page {page}: {error}"),
            }
        };
        if is_done {
            self.journal.acknowledge(page, version);
            self.journal.count(self.thread, Count::Huge, version.is_huge().into());
            self.journal.count(self.thread, Count::Writes, 1);
        } else {
            self.journal.count(self.thread, Count::FailedWrites, 1);
        }
    }

    fn discard(&mut self, first: u64, end: u64) {
        let pages = first..end.min(first + 1 + self.random.below(LONGEST_DISCARD));
        for page in pages.clone() {
            self.journal.intend(page, self.journal.intended(page).next_discarded());
        }
        self.queue.discard(pages.clone()).expect("inside the device");
        for page in pages.clone() {
            self.journal.acknowledge(page, self.journal.intended(page));
        }
        self.journal.count(self.thread, Count::Discards, pages.end - pages.start);
    }

    /// Any page, also one that the other thread is writing.
    fn read(&mut self) {
        let page = self.random.below(PAGES);
        let mut data = [0; 4096];
        let before = self.journal.acknowledged(page);
        self.queue.read(page, &mut data).expect("readable");
        self.journal.count(self.thread, Count::Reads, 1);
        // Nobody was writing it meanwhile, if nobody wants anything else of it afterwards.
        if self.journal.intended(page) == before {
            assert!(data == before.content(page), "page {page} is not as acknowledged");
        }
    }
}

/// Grows, compacts, recompresses, marks pages idle and changes parameters, in turn.
fn keep(device: &Device<FileRegion>, mut queue: Queue, journal: &Journal, end: Instant) {
    let priority = Priority::new(1).expect("below 4");
    let request = Recompress {
        priority,
        selection: Selection::All,
        threshold: None,
        most_pages: Some(PAGES / 4),
    };
    let mut compaction = Compaction::default();
    let mut recompression = Recompression::new(request);
    while Instant::now() < end {
        device.maintain();
        if queue.compact(&mut compaction, 2) == Progress::Done {
            compaction = Compaction::default();
        }
        device.maintain();
        match queue.recompress(&mut recompression, PAGES / 8) {
            Ok(Progress::More) | Err(Error::Limit) => {}
            Ok(Progress::Done) => {
                recompression = Recompression::new(request);
                device.mark_idle(Idle::All).expect("all can be marked");
            }
            Err(error) => panic!("recompression: {error}"),
        }
        let next = journal.get(Word::ParametersIntended) + 1;
        journal.set(Word::ParametersIntended, next);
        device.set_parameters(&parameters(next)).expect("short enough");
        journal.set(Word::ParametersAcknowledged, next);
    }
}
