//! How long single reads and writes take.

use std::time::Instant;

use trueno_zram_core::Algorithm;

use crate::Result;
use crate::block_device::{BlockDevice, Way};
use crate::image::Image;
use crate::lane::{Lane, Subject};
use crate::measure::pin;
use crate::options::Options;
use crate::ours;

/// How often the clock is read to learn what reading it costs.
const CLOCK_TRIES: usize = 4096;

/// Nanoseconds of single calls, a list a round.
#[derive(Default)]
struct Times {
    rounds: Vec<Vec<u64>>,
}

impl Times {
    /// The fastest round of each page: what depends on the page.
    fn pages(&self) -> Vec<u64> {
        let mut fastest = self.rounds.first().cloned().unwrap_or_default();
        for round in &self.rounds {
            fastest.iter_mut().zip(round).for_each(|(least, time)| *least = *time.min(least));
        }
        fastest
    }

    /// All calls: also what the store does from time to time, interrupts, and other processes.
    fn calls(&self) -> Vec<u64> {
        self.rounds.concat()
    }
}

pub(crate) fn measure(options: &Options, image: &Image) -> Result {
    let zram = options.zram.as_deref().map(|path| BlockDevice::open(path, image)).transpose()?;
    let mut subjects =
        vec![ours::store(image, Algorithm::Lz4, 1)?, ours::store(image, Algorithm::Wm, 1)?];
    if let Some(zram) = &zram {
        let way = Way::SINGLE[0];
        subjects.push(zram.subject(format!("kernel zram lz4, {way}"), image, [way; 2], 1)?);
    }
    pin(0)?;
    let clock = clock();
    let mut rows: Vec<(Subject<'_>, Times, Times)> = Vec::new();
    for mut subject in subjects {
        subject.verify()?;
        rows.push((subject, Times::default(), Times::default()));
    }
    for round in 0..options.rounds {
        eprintln!("round {} of {}: single calls", round + 1, options.rounds);
        for (subject, write, read) in &mut rows {
            let lane = subject.lanes[0].as_mut();
            let (pages, shift) = (image.pages(), round * 4711);
            write
                .rounds
                .push(times(lane, clock, |lane, at| lane.write_page((at + shift) % pages, at))?);
            read.rounds.push(times(lane, clock, |lane, at| lane.read_page(at, 0))?);
        }
    }
    println!(
        "single calls, ns: p50, p99, p99.9; over the fastest round of each page, and over all calls\n"
    );
    println!(
        "| | write, pages | write, calls | read, pages | read, calls |\n|---|---|---|---|---|"
    );
    for (subject, write, read) in &rows {
        let cells = [write.pages(), write.calls(), read.pages(), read.calls()].map(percentiles);
        println!("| {} | {} |", subject.name, cells.join(" | "));
    }
    println!();
    Ok(())
}

fn times(
    lane: &mut dyn Lane,
    clock: u64,
    mut call: impl FnMut(&mut dyn Lane, usize) -> Result,
) -> Result<Vec<u64>> {
    let pages = 0..lane.image().pages();
    pages
        .map(|at| {
            let start = Instant::now();
            call(lane, at)?;
            Ok(since(start).saturating_sub(clock))
        })
        .collect()
}

fn percentiles(mut times: Vec<u64>) -> String {
    times.sort_unstable();
    let at = |permille: usize| {
        let rank = (times.len() * permille).div_ceil(1000);
        times.get(rank.saturating_sub(1)).copied().unwrap_or(0).to_string()
    };
    [500, 990, 999].map(at).join(", ")
}

/// What reading the clock costs at least.
fn clock() -> u64 {
    (0..CLOCK_TRIES).map(|_| since(Instant::now())).min().unwrap_or(0)
}

fn since(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
