//! Fills more memory than the machine has with pages that it can tell apart, and looks at all of them
//! again and again: for whoever wants to know whether swap keeps what it is given.
//!
//! `trueno-eater MIB SEED ROUNDS` ends with status 1 when a page was not what it should be.

use std::process::ExitCode;
use std::time::Instant;

use fastrand::Rng;
use trueno_tests::check::say;
use trueno_tests::pages::{Frame, PAGE};

/// Of so many pages one is rewritten in each round.
const REWRITTEN: usize = 4;

/// Mismatches that are named; there may be a hundred thousand.
const NAMED: usize = 10;

fn main() -> ExitCode {
    let arguments: Vec<u64> = std::env::args().skip(1).flat_map(|word| word.parse()).collect();
    let [mib, seed, rounds] = arguments[..] else {
        say("usage: trueno-eater MIB SEED ROUNDS");
        return ExitCode::from(2);
    };
    say(&format!("{mib} MiB from seed {seed}"));
    let start = Instant::now();
    let mut eater = Eater::fill(seed, usize::try_from(mib << 20).unwrap_or(0) / PAGE);
    say(&format!("filled after {:.1} s", start.elapsed().as_secs_f64()));
    let mut wrong = eater.check();
    for round in 1..=rounds {
        eater.rewrite(seed ^ round);
        wrong += eater.check();
        say(&format!("round {round} after {:.1} s", start.elapsed().as_secs_f64()));
    }
    say(&format!("{wrong} of {} pages wrong", eater.pages.len()));
    if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Pages, and what each was made from.
struct Eater {
    pages: Vec<Frame>,
    seeds: Vec<u64>,
}

impl Eater {
    fn fill(seed: u64, count: usize) -> Self {
        // At once, so that nothing is ever copied.
        let mut pages = Vec::with_capacity(count);
        let seeds: Vec<_> = (0..count as u64).map(|index| seed ^ index << 20).collect();
        pages.extend(seeds.iter().map(|&seed| Frame::mixed(seed)));
        Eater { pages, seeds }
    }

    fn rewrite(&mut self, seed: u64) {
        let mut random = Rng::with_seed(seed);
        for _ in 0..self.pages.len() / REWRITTEN {
            let at = random.usize(0..self.pages.len());
            if let (Some(page), Some(seed)) = (self.pages.get_mut(at), self.seeds.get_mut(at)) {
                *seed = random.u64(..);
                *page = Frame::mixed(*seed);
            }
        }
    }

    /// How many pages are not what they were made to be.
    fn check(&self) -> usize {
        let pages = self.pages.iter().zip(&self.seeds).enumerate();
        let wrong = pages.filter(|(_, (page, seed))| **page != Frame::mixed(**seed));
        wrong.inspect(|(index, (page, _))| Self::name(*index, page)).count()
    }

    fn name(index: usize, page: &Frame) {
        static NAMED_SO_FAR: std::sync::atomic::AtomicUsize =
            std::sync::atomic::AtomicUsize::new(0);
        if NAMED_SO_FAR.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < NAMED {
            say(&format!("page {index} begins with {:02x?}", page.0.first_chunk::<32>()));
        }
    }
}
