//! How much memory stored pages take beside their own bytes.
//!
//! `cargo test` stores each corpus once, and one of them four times over. With `TRUENO_SOAK` set all
//! of them are stored eight times over.
#![expect(clippy::cast_precision_loss, reason = "percentages")]
#![expect(clippy::indexing_slicing, reason = "tests may panic")]
#![expect(clippy::print_stdout, reason = "what was measured")]

use std::path::Path;

use trueno_zram_core::benchmark::{PageSet, load_pages};
use trueno_zram_core::{Algorithm, CompressorBuilder};
use trueno_zram_region::FileRegion;
use trueno_zram_store::{
    Codecs, Compaction, Device, Layout, Options, Page, Progress, QueueStore, Written,
};

/// The most that may be wasted after filling, after churning, and after compaction.
const FILLED: f64 = 0.06;
const CHURNED: f64 = 0.15;
const COMPACTED: f64 = 0.08;
/// How often each page is overwritten or discarded.
const CHURNS: usize = 20;

fn corpus(name: &str) -> PageSet {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus");
    load_pages(folder.join(format!("{name}.pages.zst"))).expect("in the repository")
}

fn device(pages: usize, algorithm: Algorithm) -> Device<FileRegion> {
    let codec = CompressorBuilder::new().algorithm(algorithm).build().expect("a codec");
    let bytes = Layout::new(pages as u64, false).expect("a size").region_bytes();
    let region = FileRegion::anonymous(bytes).expect("a memfd");
    Device::format(region, pages as u64, Options::default(), Codecs::new(codec)).expect("a device")
}

/// A device, its threads, and what it holds.
struct Trial<'a> {
    set: &'a PageSet,
    name: String,
    device: Device<FileRegion>,
    queues: Vec<QueueStore<FileRegion>>,
    random: fastrand::Rng,
    /// Which page of the set each page of the device holds.
    held: Vec<Option<usize>>,
}

impl<'a> Trial<'a> {
    /// Each page of the set stored `copies` times.
    fn filled(set: &'a PageSet, algorithm: Algorithm, copies: usize, threads: usize) -> Self {
        let pages = set.pages.len() * copies;
        let device = device(pages, algorithm);
        let queues = (0..threads).map(|_| device.queue().expect("a thread")).collect();
        let name = format!("{} {}x {algorithm:?}, {threads} threads", set.name, copies);
        let (random, held) = (fastrand::Rng::with_seed(4), vec![None; pages]);
        let mut trial = Self { set, name, device, queues, random, held };
        for page in 0..pages {
            trial.write(page, page % set.pages.len());
        }
        trial
    }

    fn write(&mut self, page: usize, data: usize) {
        let queue = self.random.usize(..self.queues.len());
        self.write_by(queue, page, data);
    }

    fn write_by(&mut self, queue: usize, page: usize, data: usize) {
        let queue = &mut self.queues[queue];
        while queue.write(page as u64, &self.set.pages[data]).expect("memory") == Written::Parked {
            self.device.maintain();
        }
        self.held[page] = Some(data);
    }

    fn discard(&mut self, page: usize) {
        let queue = self.random.usize(..self.queues.len());
        self.discard_by(queue, page);
    }

    fn discard_by(&mut self, queue: usize, page: usize) {
        self.queues[queue].discard(page as u64..page as u64 + 1).expect("inside");
        self.held[page] = None;
    }

    /// Overwrites random pages with random ones of the set; every eighth time it discards one
    /// instead, and stores the one that was missing.
    fn churn(&mut self) {
        let mut missing = None;
        for step in 0..CHURNS * self.held.len() {
            let page = self.random.usize(..self.held.len());
            let data = self.random.usize(..self.set.pages.len());
            if step % 8 == 0 {
                missing.replace(page).into_iter().for_each(|page| self.write(page, data));
                self.discard(page);
            } else if Some(page) != missing {
                self.write(page, data);
            }
            if self.device.wants_maintenance() {
                self.device.maintain();
            }
        }
    }

    /// One thread only discards and another one only writes, so that none has a hole of its own to fill.
    /// An eighth of the pages is missing all the time.
    fn churn_apart(&mut self) {
        let mut missing: Vec<_> = (0..self.held.len()).step_by(8).collect();
        missing.iter().for_each(|page| self.discard_by(0, *page));
        for _ in 0..CHURNS * self.held.len() {
            let page = self.random.usize(..self.held.len());
            if self.held[page].is_none() {
                continue;
            }
            let at = self.random.usize(..missing.len());
            let data = self.random.usize(..self.set.pages.len());
            self.discard_by(0, page);
            let written = std::mem::replace(&mut missing[at], page);
            self.write_by(1, written, data);
            if self.device.wants_maintenance() {
                self.device.maintain();
            }
        }
    }

    fn compact(&mut self) {
        for queue in &mut self.queues {
            let mut pass = Compaction::default();
            while queue.compact(&mut pass, 64) == Progress::More {}
        }
        self.device.maintain();
    }

    /// Bytes held that are not bytes of pages, as a part of those; the accounts are checked on the way.
    fn waste(&self, when: &str) -> f64 {
        let (stat, overhead) = (self.device.mm_stat(), self.device.overhead());
        let table = overhead.table.next_multiple_of(4096);
        let backed = self.device.region().backed_bytes().expect("blocks");
        assert_eq!(table + stat.mem_used_total + overhead.headroom, backed, "{}", self.name);
        let stored = self.held.iter().filter(|page| page.is_some()).count() as u64;
        assert_eq!(stat.orig_data_size, stored * 4096, "{}", self.name);
        let waste = stat.mem_used_total as f64 / stat.compr_data_size as f64 - 1.0;
        println!(
            "{} {when}: {:.1} % of {} KiB",
            self.name,
            waste * 100.0,
            stat.compr_data_size / 1024
        );
        waste
    }

    fn check_contents(&mut self) {
        let mut out: Page = [0; 4096];
        for (page, data) in self.held.iter().enumerate() {
            self.queues[0].read(page as u64, &mut out).expect("undamaged");
            match data {
                Some(data) => assert!(out == self.set.pages[*data], "{} page {page}", self.name),
                None => assert!(out == [0; 4096], "{} page {page}", self.name),
            }
        }
    }
}

fn stays_small(corpus_name: &str, copies: usize, threads: usize) {
    let set = corpus(corpus_name);
    for algorithm in [Algorithm::Lz4, Algorithm::Wm] {
        let mut trial = Trial::filled(&set, algorithm, copies, threads);
        let filled = trial.waste("filled");
        trial.churn();
        let churned = trial.waste("churned");
        trial.compact();
        let compacted = trial.waste("compacted");
        trial.check_contents();
        let name = &trial.name;
        assert!(filled <= FILLED, "{name}: {filled:.3} after filling");
        assert!(churned <= CHURNED, "{name}: {churned:.3} after churning");
        assert!(compacted < COMPACTED, "{name}: {compacted:.3} after compaction");
    }
}

/// Eight copies, where there is time for them.
fn stays_small_tiled(corpus_name: &str) {
    if std::env::var_os("TRUENO_SOAK").is_some() {
        stays_small(corpus_name, 8, 1);
        stays_small(corpus_name, 8, 2);
    }
}

#[test]
fn python_pages() {
    stays_small("py", 1, 1);
    stays_small_tiled("py");
}

#[test]
fn node_pages() {
    stays_small("node", 1, 1);
    stays_small_tiled("node");
}

#[test]
fn java_pages() {
    stays_small("java", 1, 1);
    stays_small_tiled("java");
}

#[test]
fn rustc_pages() {
    stays_small("rustc", 1, 1);
    stays_small_tiled("rustc");
}

#[test]
fn pages_that_one_thread_writes_and_another_discards() {
    for name in ["py", "node"] {
        let set = corpus(name);
        for algorithm in [Algorithm::Lz4, Algorithm::Wm] {
            let mut trial = Trial::filled(&set, algorithm, 1, 2);
            trial.churn_apart();
            let waste = trial.waste("churned apart");
            trial.check_contents();
            assert!(waste <= CHURNED, "{}: {waste:.3} after churning apart", trial.name);
        }
    }
}

/// Four copies of one corpus in any case.
#[test]
fn many_pages_of_two_threads() {
    stays_small("node", 4, 2);
}
