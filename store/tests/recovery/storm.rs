//! Damage at random: whatever is in a region, taking it over neither panics nor hangs, the books are
//! right afterwards, and what is written then is read again.

use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;

use trueno_zram_region::FileRegion;
use trueno_zram_store::slot::Priority;
use trueno_zram_store::{
    Compaction, Device, Idle, Options, Progress, QueueStore, Recompress, Recompression,
    Region as _, Selection,
};

use crate::common::{KINDS, Random, page};
use crate::filled::{Filled, PAGES, check_books, content, write};

/// Where the damage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Identity,
    Gauges,
    Parameters,
    Counters,
    Table,
    Times,
    Spans,
    Arena,
    Everything,
}

const PARTS: [Part; 9] = [
    Part::Identity,
    Part::Gauges,
    Part::Parameters,
    Part::Counters,
    Part::Table,
    Part::Times,
    Part::Spans,
    Part::Arena,
    Part::Everything,
];

/// One device, one kind of damage.
pub(crate) fn run(seed: u64) {
    let mut random = Random::new(seed);
    let options = Options { access_times: seed.is_multiple_of(2), ..Options::default() };
    let mut filled = Filled::new(options);
    let part = PARTS[usize::try_from(seed).expect("small") % PARTS.len()];
    let changed = damage(&filled, part, &mut random);
    let changes_identity = !matches!(
        part,
        Part::Gauges | Part::Parameters | Part::Counters | Part::Table | Part::Spans | Part::Arena
    );
    let file = filled.device().region().file().try_clone().expect("a descriptor");
    let region = FileRegion::map(file).expect("mapped");
    let device = match Device::recover(region, crate::common::codecs()) {
        Ok((device, found)) => {
            let is_harmless = !matches!(part, Part::Table | Part::Arena | Part::Everything);
            assert!(found.damaged == 0 || !is_harmless, "{found:?}");
            device
        }
        Err(error) => {
            assert!(changes_identity, "{part:?}: {error}");
            return;
        }
    };
    check_books(&device);
    device.set_limit(0);
    filled.goes_on_with(device);
    let mut queue = filled.device().queue().expect("a thread");
    unchanged(&mut queue, part, &changed);
    let _damage = queue.verify();
    work(filled.device(), &mut queue, &mut random);
    heal(filled.device(), queue, &mut random);
}

fn words(bytes: Range<u64>) -> Range<u64> {
    bytes.start / 8..bytes.end / 8
}

/// Changes words at random, and says which slots are among them.
fn damage(filled: &Filled, part: Part, random: &mut Random) -> Vec<u64> {
    let layout = filled.device().layout();
    let used = filled.device().mm_stat().mem_used_total;
    let range = |part| match part {
        Part::Identity => 0..8,
        Part::Gauges => 128..192,
        Part::Parameters => 512..1024,
        Part::Counters => 1024..2048,
        Part::Table => words(layout.table()),
        Part::Times => words(layout.times()),
        Part::Spans => words(layout.span_words()),
        Part::Arena | Part::Everything => words(layout.arena().start..layout.arena().start + used),
    };
    let table = range(Part::Table);
    let all = filled.device().region().words();
    let any = |random: &mut Random| {
        let parts = PARTS.len() as u64;
        let part = match part {
            Part::Everything => PARTS[usize::try_from(random.below(parts)).expect("small")],
            part => part,
        };
        // Without access times there is no such part: the identity takes its share.
        let range = Some(range(part)).filter(|range| !range.is_empty()).unwrap_or(0..8);
        let at = range.start + random.below(range.end - range.start);
        (at, &all[usize::try_from(at).expect("small")])
    };
    let mut changed = Vec::new();
    for _ in 0..1 << random.below(9) {
        let (_, other) = any(random);
        let (at, word) = any(random);
        let old = word.load(Relaxed);
        let new = match random.below(6) {
            0 => old ^ 1 << random.below(64),
            1 => random.word(),
            2 => [0, u64::MAX][usize::from(random.byte() % 2)],
            3 => other.load(Relaxed),
            // Bits of a slot's kind and marks; its place, by a little.
            4 => old ^ random.below(1 << 24),
            _ => old.wrapping_add(random.below(512) << 24),
        };
        word.store(new, Relaxed);
        if table.contains(&at) {
            changed.push(at - table.start);
        }
    }
    changed
}

/// Pages are as they were, but for those of which the slot was changed and, where the arena is
/// damaged, any.
fn unchanged(queue: &mut QueueStore<FileRegion>, part: Part, changed: &[u64]) {
    let mut out = [0; 4096];
    for at in 0..PAGES {
        let read = queue.read(at, &mut out);
        if !changed.contains(&at) && !matches!(part, Part::Arena | Part::Everything) {
            assert_eq!(read, Ok(()), "page {at}");
            assert!(out == content(at), "page {at}");
        }
    }
}

/// A little of everything.
fn work(device: &Device<FileRegion>, queue: &mut QueueStore<FileRegion>, random: &mut Random) {
    let priority = Priority::new(1).expect("below 4");
    let request =
        Recompress { priority, selection: Selection::All, threshold: None, most_pages: None };
    for _ in 0..150 {
        let at = random.below(PAGES);
        match random.below(12) {
            0..6 => write(queue, at, &any_page(random)),
            6 => queue.discard(at..PAGES.min(at + 9)).expect("inside"),
            7 => drop(queue.read(at, &mut [0; 4096])),
            8 => while queue.compact(&mut Compaction::default(), 1 << 20) == Progress::More {},
            9 => drop(queue.recompress(&mut Recompression::new(request), PAGES)),
            10 => device.mark_idle(Idle::All).expect("all can be"),
            _ => {
                let text = device.parameters();
                assert!(text.len() <= 3 * trueno_zram_store::MOST_PARAMETERS);
                device.set_parameters("algorithm=lz4").expect("short");
                assert_eq!(device.parameters(), "algorithm=lz4");
                device.maintain();
            }
        }
    }
}

fn any_page(random: &mut Random) -> trueno_zram_store::Page {
    let kind = KINDS[usize::from(random.byte()) % KINDS.len()];
    page(kind, random.below(1 << 20))
}

/// Every page is written: then there is no damage any more, and nothing that has leaked.
fn heal(device: &Device<FileRegion>, mut queue: QueueStore<FileRegion>, random: &mut Random) {
    let numbers: Vec<u64> = (0..PAGES).map(|_| random.below(1 << 20)).collect();
    let content = |at: u64, number: u64| {
        page(KINDS[usize::try_from(at + number).expect("small") % KINDS.len()], number)
    };
    for (at, number) in (0..).zip(&numbers) {
        write(&mut queue, at, &content(at, *number));
    }
    let mut out = [0; 4096];
    for (at, number) in (0..).zip(&numbers) {
        queue.read(at, &mut out).expect("written");
        assert!(out == content(at, *number), "page {at}");
    }
    assert_eq!(queue.verify().damaged, []);
    drop(queue);
    check_books(device);
    let mut queue = device.queue().expect("a thread");
    queue.discard(0..PAGES).expect("inside");
    drop(queue);
    assert_eq!(device.mm_stat().mem_used_total, 0);
    assert_eq!(device.mm_stat().orig_data_size, 0);
    check_books(device);
}
