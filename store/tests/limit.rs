//! Several threads on a device that may have no more memory: what one of them could do alone, each of
//! them can do beside the others.
//!
//! `TRUENO_LIMIT_ROUNDS` is how often they thin out what is stored and write again, 20 times unless told.
#![expect(clippy::print_stdout, reason = "what a run has seen")]
#![expect(clippy::indexing_slicing, reason = "a panic is a test that fails")]

#[path = "common/mod.rs"]
mod common;

use std::ops::Range;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use common::{Kind, Random, page};
use trueno_zram_region::FileRegion;
use trueno_zram_store::{Device, Errno, Error, Layout, Options, Page, QueueStore, Region, Written};

const SPAN: u64 = 32 << 10;
const THREADS: u64 = 4;
const PAGES: u64 = 4096;
/// How large pages are: their sizes when compressed, or a few bytes more.
const SIZES: Range<u64> = 100..1800;
/// How much memory there is.
const MEMORY: u64 = 96 * SPAN;
/// How many percent of it are stored at last, and are left before it is filled again.
const FILLED: u64 = 85;
const THINNED: u64 = 60;
/// A write that has to wait so often waits for ever.
const PATIENCE: u32 = 20_000;

/// Memory of so many bytes, tables included.
struct Bounded {
    file: FileRegion,
    most: AtomicU64,
}

impl Bounded {
    fn new(pages: u64) -> Self {
        let layout = Layout::new(pages, false).expect("a size");
        Self { file: common::region(&layout), most: u64::MAX.into() }
    }

    fn backed(&self) -> u64 {
        self.file.backed_bytes().expect("blocks")
    }
}

impl Region for Bounded {
    fn words(&self) -> &[AtomicU64] {
        self.file.words()
    }

    fn grow(&self, bytes: Range<u64>) -> Result<(), Errno> {
        let is_too_much = self.backed() + (bytes.end - bytes.start) > self.most.load(Relaxed);
        if is_too_much { Err(Errno(28)) } else { self.file.grow(bytes) }
    }

    fn punch(&self, bytes: Range<u64>) -> Result<(), Errno> {
        self.file.punch(bytes)
    }

    fn next_backed(&self, from: u64) -> Result<Option<Range<u64>>, Errno> {
        self.file.next_backed(from)
    }
}

fn device(pages: u64) -> Device<Bounded> {
    let formatted =
        Device::format(Bounded::new(pages), pages, Options::default(), common::codecs());
    let device = formatted.expect("a device");
    device.maintain();
    device
}

/// One thread: it writes and discards pages of its own.
struct Worker {
    queue: QueueStore<Bounded>,
    me: u64,
    random: Random,
    /// How many bytes each of its pages has, about.
    sizes: Vec<u64>,
    live: u64,
    parked: u64,
}

impl Worker {
    /// With all its pages empty.
    fn new(device: &Device<Bounded>, me: u64) -> Self {
        let sizes = vec![0; usize::try_from(PAGES / THREADS).expect("small")];
        let queue = device.queue().expect("a thread");
        Self { queue, me, random: Random::new(me), sizes, live: 0, parked: 0 }
    }

    fn page(&self, own: usize) -> u64 {
        own as u64 * THREADS + self.me
    }

    fn discard(&mut self, own: usize) {
        let page = self.page(own);
        self.queue.discard(page..page + 1).expect("inside");
        self.live -= std::mem::take(&mut self.sizes[own]);
    }

    fn own(&mut self) -> usize {
        usize::try_from(self.random.below(PAGES / THREADS)).expect("small")
    }

    /// Discards pages here and there, which leaves every span part full.
    fn thin(&mut self) {
        while self.live > Self::share(THINNED) {
            let own = self.own();
            self.discard(own);
        }
    }

    /// Writes pages until so much is stored again.
    fn fill(&mut self) {
        while self.live < Self::share(FILLED) {
            let (own, size) =
                (self.own(), SIZES.start + self.random.below(SIZES.end - SIZES.start));
            let random = usize::try_from(size).expect("small");
            let data = page(Kind::Random(random), self.random.word());
            self.write(self.page(own), &data);
            // Header, and what `lz4` adds for the zeros behind them.
            self.live += size + 40;
            self.live -= std::mem::replace(&mut self.sizes[own], size + 40);
        }
    }

    fn write(&mut self, page: u64, data: &Page) {
        for _ in 0..PATIENCE {
            match self.queue.write(page, data) {
                Ok(Written::Done) => return,
                Ok(Written::Parked) => {
                    self.parked += 1;
                    self.queue.device().maintain();
                }
                Err(error) => panic!("thread {}: {error}: {}", self.me, self.describe()),
            }
        }
        panic!("thread {}: parked for ever: {}", self.me, self.describe());
    }

    /// A thread's share of so many percent of all memory.
    fn share(percent: u64) -> u64 {
        MEMORY * percent / 100 / THREADS
    }

    fn describe(&self) -> String {
        format!("{:?}", self.queue.device().mm_stat())
    }
}

/// Threads on a device that is `full` once they have filled it, and that may have no more than it has,
/// which `bound` sees to, while they thin it out and fill it again: one after the other, then all at once.
/// No write may fail in the one case that does not in the other.
fn threads_share(full: impl Fn(&Device<Bounded>), bound: impl Fn(&Device<Bounded>)) {
    for at_once in [false, true] {
        let device = device(2 * PAGES);
        let mut workers: Vec<_> = (0..THREADS).map(|me| Worker::new(&device, me)).collect();
        let number = |name| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
        workers.iter_mut().for_each(Worker::fill);
        full(&device);
        for _ in 0..number("TRUENO_LIMIT_ROUNDS").unwrap_or(20) {
            workers.iter_mut().for_each(Worker::thin);
            bound(&device);
            if at_once {
                std::thread::scope(|scope| {
                    workers.iter_mut().for_each(|worker| drop(scope.spawn(|| worker.fill())));
                });
            } else {
                workers.iter_mut().for_each(Worker::fill);
            }
        }
        let parked: u64 = workers.iter().map(|worker| worker.parked).sum();
        let (stat, io) = (device.mm_stat(), device.io_stat());
        println!("{} writes, {parked} times parked, {stat:?}", io.writes);
        assert_eq!(io.failed_writes, 0);
        assert_eq!(workers[0].queue.verify().damaged_count, 0);
    }
}

#[test]
fn threads_share_what_a_limit_leaves() {
    let full = |_: &Device<Bounded>| ();
    threads_share(full, |device| device.set_limit(device.mm_stat().mem_used_total));
}

#[test]
fn threads_share_what_memory_there_is() {
    let full = |device: &Device<Bounded>| {
        device.maintain();
        device.region().most.store(device.region().backed(), Relaxed);
        // What is at hand is stored in by somebody else, but for the span that is kept back.
        let mut queue = device.queue().expect("a thread");
        let mut others = PAGES..2 * PAGES;
        while device.overhead().headroom > 2 * SPAN {
            let at = others.next().expect("more than there is memory for");
            assert_eq!(queue.write(at, &page(Kind::Random(4096), at)), Ok(Written::Done));
        }
    };
    threads_share(full, |device| assert!(device.maintain().refused.is_some()));
}

/// What threads have open and nothing is in is there for whoever needs it.
#[test]
fn a_write_does_not_fail_while_nothing_is_stored() {
    let device = device(512);
    let mut queues: Vec<_> = (0..8).map(|_| device.queue().expect("a thread")).collect();
    device.set_limit(SPAN);
    for round in 0..3 {
        for (at, queue) in (0..).zip(&mut queues) {
            let data = page(Kind::Text, at);
            assert_eq!(queue.write(at, &data), Ok(Written::Done), "queue {at}, round {round}");
            assert_eq!(device.mm_stat().mem_used_total, SPAN);
            queue.discard(at..at + 1).expect("inside");
            assert_eq!(device.mm_stat().mem_used_total, 0);
        }
    }
    let data = page(Kind::Text, 0);
    assert_eq!(queues[0].write(0, &data), Ok(Written::Done));
    assert_eq!(queues[1].write(1, &data), Err(Error::Limit), "that is all there may be");
    assert_eq!(device.mm_stat().mem_used_total, SPAN);
}
