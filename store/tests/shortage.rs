//! What a device does when there is no more memory.

mod common;

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use common::Random;
use trueno_zram_region::FileRegion;
use trueno_zram_store::{
    Compaction, Device, Errno, Error, Layout, Options, Page, Progress, Region, Written,
};

/// Memory that can be used up.
struct Finite {
    region: FileRegion,
    is_used_up: AtomicBool,
}

const ENOMEM: Errno = Errno(12);

impl Region for Finite {
    fn words(&self) -> &[AtomicU64] {
        self.region.words()
    }

    fn grow(&self, bytes: Range<u64>) -> Result<(), Errno> {
        if self.is_used_up.load(Ordering::Relaxed) { Err(ENOMEM) } else { self.region.grow(bytes) }
    }

    fn punch(&self, bytes: Range<u64>) -> Result<(), Errno> {
        self.region.punch(bytes)
    }

    fn next_backed(&self, from: u64) -> Result<Option<Range<u64>>, Errno> {
        self.region.next_backed(from)
    }
}

/// About 700 bytes.
fn page(random: &mut Random) -> Page {
    let mut page = [0; 4096];
    page.iter_mut().take(600).for_each(|byte| *byte = random.below(256).to_le_bytes()[0]);
    page
}

const PAGES: u64 = 8192;

/// One thread frees every second page, and another must be able to use that space, although no span
/// got empty by it and there is no memory to move objects into.
#[test]
fn what_one_thread_frees_another_can_use_without_more_memory() {
    let bytes = Layout::new(PAGES, false).expect("a size").region_bytes();
    let region = FileRegion::anonymous(bytes).expect("a memfd");
    let region = Finite { region, is_used_up: AtomicBool::new(false) };
    let device = Device::format(region, PAGES, Options::default(), common::codecs());
    let device = device.expect("a device");
    let (mut one, mut other) = (device.queue().expect("one"), device.queue().expect("another"));
    let mut random = Random::new(7);
    let mut stored = 0;
    device.maintain();
    loop {
        match one.write(stored, &page(&mut random)) {
            Ok(Written::Done) => stored += 1,
            Ok(Written::Parked) => assert!(device.maintain().punched == 0),
            Err(error) => {
                assert_eq!(error, Error::Memory(ENOMEM));
                break;
            }
        }
        let is_half_full = stored >= PAGES / 2;
        device.region().is_used_up.store(is_half_full, Ordering::Relaxed);
    }
    let held = device.mm_stat().mem_used_total;
    (0..stored).step_by(2).for_each(|page| one.discard(page..page + 1).expect("inside"));
    assert!(device.mm_stat().mem_used_total > held / 10 * 9, "hardly a span is empty");
    let mut written = 0;
    while let Ok(Written::Done) = other.write(stored + written, &page(&mut random)) {
        written += 1;
    }
    println!("{written} pages in the place of {}", stored / 2);
    assert!(written > stored / 2 / 10 * 8, "{written} of {}", stored / 2);
    let mut pass = Compaction::default();
    (0..stored).step_by(4).for_each(|page| one.discard(page + 1..page + 2).expect("inside"));
    while one.compact(&mut pass, 64) == Progress::More {}
    assert!(device.mm_stat().pages_compacted > 0);
    assert_eq!(one.verify().damaged_count, 0);
}
