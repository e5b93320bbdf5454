//! Same-filled pages: what storing and reading them costs beside one pass over the page.

use std::hint::black_box;
use std::time::{Duration, Instant};

use trueno_zram_core::benchmark::{PageSet, Synthetic};
use trueno_zram_core::{Algorithm, Page};

use crate::Result;
use crate::ours;

/// 256 KiB, in the second-level cache, so that instructions count and not the memory.
const PAGES: usize = 64;
/// Pages timed at a time: some microseconds, beside which reading the clock does not show.
const BLOCK: usize = 32;
/// There is time for many, because they take microseconds.
const ROUNDS: usize = 2000;

pub(crate) fn measure(is_test: bool) -> Result {
    println!(
        "| same-filled pages | one pass | write | | memset | read | |\n|---|---|---|---|---|---|---|"
    );
    for kind in [Synthetic::Zero, Synthetic::ByteFilled, Synthetic::WordFilled] {
        let [pass, write, memset, read] = measure_kind(kind, if is_test { 2 } else { ROUNDS })?;
        println!(
            "| {} | {pass:.1} ns | {write:.1} ns | **{:.2}** | {memset:.1} ns | {read:.1} ns | **{:.2}** |",
            kind.name(),
            write / pass,
            read / memset
        );
    }
    println!();
    Ok(())
}

fn measure_kind(kind: Synthetic, rounds: usize) -> Result<[f64; 4]> {
    let set = PageSet::synthetic(kind, PAGES);
    let device = ours::device(PAGES as u64, Algorithm::Wm)?;
    let mut queue = device.queue()?;
    // Words that do not fit into a slot need room in the arena.
    for (page, data) in (0..).zip(&set.pages) {
        ours::write(&mut queue, page, data)?;
    }
    let mut filled = set.pages.clone();
    let mut best = [(); 4].map(|()| vec![Duration::MAX; PAGES / BLOCK]);
    let [pass, write, memset, read] = &mut best;
    for _ in 0..rounds {
        time(pass, set.pages.chunks(BLOCK), |_, page| {
            black_box(sum_of_words(black_box(page)));
        });
        time(memset, filled.chunks_mut(BLOCK), |_, page| black_box(page).fill(black_box(0x5a)));
        time(write, set.pages.chunks(BLOCK), |at, page| {
            black_box(queue.write(at, black_box(page)).is_ok());
        });
        time(read, filled.chunks_mut(BLOCK), |at, page| {
            black_box(queue.read(at, black_box(page)).is_ok());
        });
    }
    if filled != set.pages {
        return Err("same-filled pages come back changed".into());
    }
    Ok(best.map(|blocks| blocks.iter().sum::<Duration>().as_secs_f64() * 1e9 / PAGES as f64))
}

/// Runs `work` on every page and keeps each block's fastest time.
fn time<B: IntoIterator>(
    fastest: &mut [Duration],
    blocks: impl Iterator<Item = B>,
    mut work: impl FnMut(u64, B::Item),
) {
    let mut at = 0..;
    for (fastest, block) in fastest.iter_mut().zip(blocks) {
        let start = Instant::now();
        for (page, at) in block.into_iter().zip(&mut at) {
            work(at, page);
        }
        *fastest = start.elapsed().min(*fastest);
    }
}

fn sum_of_words(page: &Page) -> u64 {
    let words = page.as_chunks::<8>().0.iter();
    words.fold(0, |sum, word| sum.wrapping_add(u64::from_ne_bytes(*word)))
}
