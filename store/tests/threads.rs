//! Several threads on one device in real memory: reads, writes and discards of the same few pages,
//! while another thread gets memory, compacts, recompresses and marks pages idle.
//!
//! Every page says which it is, who wrote it and which of that thread's writes it was, and the rest of
//! it follows from that. So a page that is torn, foreign or stale is seen as such. A read must give a
//! page that was not already overwritten when the read began.
//!
//! `TRUENO_STRESS_SECONDS` is how long it goes on, 2 unless told; `TRUENO_STRESS_SEED` repeats the
//! choices of a run, though not what the scheduler makes of them.
//!
//! Both codecs are Rust, so that a thread sanitizer sees every access:
//!
//! ```text
//! TSAN_OPTIONS=suppressions=$PWD/store/tests/threads/tsan.supp RUSTC_BOOTSTRAP=1 \
//! RUSTFLAGS="-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer" \
//! cargo test --target x86_64-unknown-linux-gnu -p trueno-zram-store --test threads
//! ```
//!
//! It can hardly find anything: all memory of a device is atomic words and the store has no unsafe
//! code, so there are no data races in the language's sense. Whether the orderings are strong enough
//! is what `interleavings.rs` checks.

#![expect(clippy::indexing_slicing, reason = "a panic is a test that fails")]
#![expect(clippy::cast_possible_truncation, reason = "small numbers")]

use std::env;
use std::str::FromStr;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::time::{Duration, Instant};

use trueno_zram_core::Algorithm;
use trueno_zram_region::FileRegion;
use trueno_zram_store::slot::{Content, Priority};
use trueno_zram_store::{
    Codecs, Compaction, Device, Idle, Layout, Options, PAGE_SIZE, Page, Progress, QueueStore,
    Recompress, Recompression, Selection, Written,
};

mod common;

const WORKERS: u64 = 4;
/// Pages that all threads write, of which the first ones are never discarded.
const SHARED: u64 = 48;
const KEPT: u64 = 24;
/// Pages that each thread has for itself.
const PRIVATE: u64 = 24;
const PAGES: u64 = SHARED + WORKERS * PRIVATE;
/// How often the maintenance thread must have been through everything before a run may end.
const LEAST_PASSES: u64 = 10;

/// One write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    page: u64,
    writer: u64,
    /// Which of the writer's writes, from 1.
    number: u64,
}

/// Set in the first word of a page that is one word again and again, but one that has no room in a
/// slot.
const FAR: u64 = 1 << 63;

impl Stamp {
    /// How many bytes are random: pages of many sizes, same-filled ones, incompressible ones.
    fn random_bytes(self) -> usize {
        [0, 24, 200, 800, 1300, 2000, 2700, 4096][(self.number % 8) as usize]
    }

    fn word(self) -> u64 {
        let far = if self.number.is_multiple_of(16) { FAR } else { 0 };
        far | self.writer << 48 | self.page << 32 | self.number
    }

    fn of(word: u64) -> Self {
        let (writer, page) = (word >> 48 & 0xff, word >> 32 & 0xffff);
        Self { page, writer, number: word & 0xffff_ffff }
    }

    /// The page that this write wrote.
    fn page(self) -> Page {
        let mut page = [0; PAGE_SIZE];
        page.as_chunks_mut().0.fill(self.word().to_le_bytes());
        let mut random = fastrand::Rng::with_seed(self.word());
        let end = self.random_bytes();
        random.fill(&mut page[..end]);
        page[..8].copy_from_slice(&self.word().to_le_bytes());
        page
    }

    /// The write that a page is of; `None` for zeros.
    fn read(page: &Page) -> Option<Self> {
        let word = u64::from_le_bytes(*page.first_chunk().expect("eight bytes"));
        if *page == [0; PAGE_SIZE] {
            return None;
        }
        let stamp = Self::of(word);
        assert!(*page == stamp.page(), "torn, or of no thread: {stamp:?}");
        Some(stamp)
    }
}

/// What all threads know.
struct Stress {
    device: Device<FileRegion>,
    /// For each page and writer the last write that was acknowledged.
    acknowledged: Vec<[AtomicU64; WORKERS as usize]>,
    until: Instant,
    passes: AtomicU64,
    /// Threads that go on.
    running: AtomicU64,
    seed: u64,
}

/// What one thread did.
#[derive(Default)]
struct Done {
    reads: u64,
    writes: u64,
    discards: u64,
}

impl Stress {
    fn new(seconds: f64, seed: u64) -> Self {
        let layout = Layout::new(PAGES, true).expect("a size");
        let second = Priority::new(1).expect("below 4");
        let codecs =
            Codecs::new(common::codec(Algorithm::Lz4)).with(second, common::codec(Algorithm::WmHc));
        let options = Options { access_times: true, ..Options::default() };
        let device = Device::format(common::region(&layout), PAGES, options, codecs);
        Self {
            device: device.expect("a device"),
            acknowledged: (0..PAGES).map(|_| Default::default()).collect(),
            until: Instant::now() + Duration::from_secs_f64(seconds),
            passes: AtomicU64::new(0),
            running: AtomicU64::new(WORKERS),
            seed,
        }
    }

    fn is_over(&self) -> bool {
        let all_runs = self.running.load(Acquire) == WORKERS;
        let is_time = Instant::now() > self.until && self.passes.load(Relaxed) >= LEAST_PASSES;
        is_time || !all_runs
    }
}

/// A thread that reads, writes and discards.
struct Worker<'a> {
    stress: &'a Stress,
    queue: QueueStore<FileRegion>,
    me: u64,
    random: fastrand::Rng,
    number: u64,
    /// What its own pages hold.
    own: Vec<Option<Stamp>>,
    done: Done,
}

impl<'a> Worker<'a> {
    fn new(stress: &'a Stress, me: u64) -> Self {
        let queue = stress.device.queue().expect("a thread");
        let random = fastrand::Rng::with_seed(stress.seed ^ me);
        let own = vec![None; PRIVATE as usize];
        Self { stress, queue, me, random, number: 0, own, done: Done::default() }
    }

    fn run(mut self) -> Done {
        while !self.stress.is_over() {
            for _ in 0..64 {
                let page = self.random.u64(..SHARED + PRIVATE);
                match (page.checked_sub(SHARED), self.random.u8(..100)) {
                    (Some(own), what) => self.use_own(own as usize, what),
                    (None, ..45) => self.write(page),
                    (None, 45..90) => self.read(page),
                    (None, _) if page >= KEPT => {
                        let end = SHARED.min(page + self.random.u64(1..4));
                        self.discard(page..end);
                    }
                    _ => {}
                }
            }
        }
        self.done
    }

    fn put(&mut self, page: u64) -> Stamp {
        self.number += 1;
        let stamp = Stamp { page, writer: self.me, number: self.number };
        let data = stamp.page();
        loop {
            match self.queue.write(page, &data).expect("no limit is set") {
                Written::Done => break,
                Written::Parked => std::thread::yield_now(),
            }
        }
        self.done.writes += 1;
        stamp
    }

    fn get(&mut self, page: u64) -> Option<Stamp> {
        let mut data = [0xaa; PAGE_SIZE];
        self.queue.read(page, &mut data).expect("not damaged");
        self.done.reads += 1;
        Stamp::read(&data)
    }

    fn discard(&mut self, pages: std::ops::Range<u64>) {
        self.done.discards += pages.end - pages.start;
        self.queue.discard(pages).expect("inside");
    }

    fn write(&mut self, page: u64) {
        let stamp = self.put(page);
        self.stress.acknowledged[page as usize][self.me as usize].store(stamp.number, Release);
    }

    fn read(&mut self, page: u64) {
        let acknowledged = &self.stress.acknowledged[page as usize];
        let before = acknowledged.each_ref().map(|number| number.load(Acquire));
        let Some(stamp) = self.get(page) else {
            assert!(page >= KEPT || before == [0; 4], "page {page} lost: {before:?}");
            return;
        };
        assert_eq!(stamp.page, page, "another page's: {stamp:?}");
        let least = before[stamp.writer as usize];
        assert!(stamp.number >= least, "overwritten by {least}, which was done: {stamp:?}");
    }

    /// Nobody else touches these: they are what they were left as.
    fn use_own(&mut self, own: usize, what: u8) {
        let page = SHARED + self.me * PRIVATE + own as u64;
        match what {
            ..50 => self.own[own] = Some(self.put(page)),
            50..90 => assert_eq!(self.get(page), self.own[own], "page {page}"),
            _ => {
                self.discard(page..page + 1);
                self.own[own] = None;
            }
        }
    }
}

/// Tells the others that a thread has ended, also by a panic.
struct Ending<'a>(&'a AtomicU64);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, AcqRel);
    }
}

/// What a thread does that moves no pages, until the last worker has ended; how many pages it
/// made smaller.
fn maintain(stress: &Stress) -> u64 {
    let device = &stress.device;
    let mut queue = device.queue().expect("a thread");
    let mut smaller = 0;
    let mut clock = 0;
    while stress.running.load(Acquire) > 0 {
        let pass = stress.passes.load(Relaxed);
        clock += 1;
        device.set_clock(clock);
        let idle = if pass.is_multiple_of(2) { Idle::All } else { Idle::OlderThan(2) };
        device.mark_idle(idle).expect("there are access times");
        let selections = [Selection::All, Selection::Idle, Selection::Huge, Selection::HugeIdle];
        let mut recompression = Recompression::new(Recompress {
            priority: Priority::new(1).expect("below 4"),
            selection: selections[(pass % 4) as usize],
            threshold: None,
            most_pages: Some(PAGES),
        });
        let mut compaction = Compaction::default();
        let mut steps = 0;
        // A few pages and a span at a time, as a device's thread would.
        while queue.recompress(&mut recompression, 16).expect("no limit") == Progress::More
            && stress.running.load(Acquire) > 0
            && steps < 200
        {
            device.maintain();
            steps += 1;
        }
        while queue.compact(&mut compaction, 4) == Progress::More {
            device.maintain();
        }
        device.maintain();
        smaller += recompression.recompressed;
        stress.passes.fetch_add(1, Relaxed);
    }
    smaller
}

/// Compares the statistics with a look at every slot.
fn recount(device: &Device<FileRegion>) {
    let (mut pages, mut same, mut huge, mut bytes) = (0, 0, 0, 0);
    for page in 0..PAGES as u32 {
        let (slot, _) = device.slot(page).expect("inside");
        pages += u64::from(!slot.is_empty());
        same += u64::from(slot.is_same());
        match slot.content().expect("a known kind") {
            Content::Huge(_) => {
                huge += 1;
                bytes += PAGE_SIZE as u64;
            }
            Content::Stored { len, .. } => bytes += len as u64,
            _ => {}
        }
    }
    let stat = device.mm_stat();
    assert_eq!(stat.orig_data_size, pages * PAGE_SIZE as u64);
    assert_eq!((stat.same_pages, stat.huge_pages, stat.compr_data_size), (same, huge, bytes));
    let overhead = device.overhead();
    let table = overhead.table.next_multiple_of(PAGE_SIZE as u64);
    let backed = device.region().backed_bytes().expect("blocks");
    assert_eq!(backed, table + overhead.headroom + stat.mem_used_total, "memory is accounted for");
}

fn number<T: FromStr>(name: &str) -> Option<T> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}: a number")))
}

#[test]
fn threads_do_not_harm_each_other() {
    let seconds = number("TRUENO_STRESS_SECONDS").unwrap_or(2.0);
    let seed = number("TRUENO_STRESS_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("TRUENO_STRESS_SEED={seed}");
    let stress = Stress::new(seconds, seed);
    stress.device.maintain();
    let stress = &stress;
    let (done, smaller) = std::thread::scope(|scope| {
        let maintenance = scope.spawn(|| maintain(stress));
        let workers: Vec<_> = (0..WORKERS)
            .map(|me| {
                scope.spawn(move || {
                    let _ending = Ending(&stress.running);
                    Worker::new(stress, me).run()
                })
            })
            .collect();
        let done: Vec<_> = workers.into_iter().map(|it| it.join().expect("no panic")).collect();
        (done, maintenance.join().expect("no panic"))
    });
    let device = &stress.device;
    let sum = |count: fn(&Done) -> u64| done.iter().map(count).sum::<u64>();
    let stat = device.io_stat();
    println!(
        "{} writes, {} reads, {} discards, {} passes, {smaller} recompressed, {} compacted",
        stat.writes,
        stat.reads,
        stat.notify_free,
        stress.passes.load(Relaxed),
        device.mm_stat().pages_compacted
    );
    assert_eq!(stat.writes, sum(|done| done.writes));
    assert_eq!(stat.reads, sum(|done| done.reads));
    assert_eq!(stat.notify_free, sum(|done| done.discards));
    assert_eq!((stat.failed_reads, stat.failed_writes, stat.invalid_io), (0, 0, 0));
    assert!(smaller > 0 && device.mm_stat().pages_compacted > 0, "nothing happened meanwhile");

    recount(device);
    let mut queue = device.queue().expect("a thread");
    let found = queue.verify();
    assert_eq!((found.damaged_count, found.damaged), (0, vec![]));
    queue.discard(0..PAGES).expect("inside");
    drop(queue);
    recount(device);
    assert_eq!(device.mm_stat().mem_used_total, 0, "no span is lost");
}
