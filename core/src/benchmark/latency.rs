//! How long single calls take, not only their mean.

use core::fmt;
use core::hint::black_box;
use std::borrow::ToOwned as _;
use std::boxed::Box;
use std::string::String;
use std::time::Instant;
use std::vec::Vec;

use super::measure::Lane;
use super::{Benchmark, Error, PageSet, Progress, Subject};

/// How often the clock is read to learn what reading it costs.
const CLOCK_TRIES: usize = 4096;

/// The upper bound of the first bucket of a histogram in nanoseconds; each next one is twice as
/// high, and half way (by a factor of the square root of two) there is one more.
const FIRST_BUCKET_NS: f64 = 90.509_667_991_878_08;
/// Up to 65.5 microseconds; what takes longer is in the last bucket.
const BUCKETS: usize = 20;

/// The distribution of a number of times.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Distribution {
    /// How many times were taken.
    pub calls: usize,
    /// Nanoseconds that half of them do not exceed.
    pub p50: u64,
    /// Nanoseconds that 90 % of them do not exceed.
    pub p90: u64,
    /// Nanoseconds that 99 % of them do not exceed.
    pub p99: u64,
    /// Nanoseconds that 99.9 % of them do not exceed.
    pub p99_9: u64,
    /// Nanoseconds that the longest took.
    pub max: u64,
    /// How many fell between powers of the square root of two, from at most 90 ns to more than 46 us.
    pub histogram: [u32; BUCKETS],
}

impl Distribution {
    fn of(mut times: Vec<u64>) -> Self {
        times.sort_unstable();
        let last = times.len().saturating_sub(1);
        // The least time that so many of a thousand do not exceed.
        let at = |permille: usize| {
            let rank = (times.len() * permille).div_ceil(1000);
            times.get(rank.saturating_sub(1).min(last)).copied().unwrap_or(0)
        };
        let mut histogram = [0; BUCKETS];
        let (mut bucket, mut bound) = (0, FIRST_BUCKET_NS);
        for time in &times {
            while *time as f64 > bound && bucket + 1 < BUCKETS {
                bucket += 1;
                bound *= core::f64::consts::SQRT_2;
            }
            if let Some(count) = histogram.get_mut(bucket) {
                *count += 1;
            }
        }
        let [p50, p90, p99, p99_9, max] = [500, 900, 990, 999, 1000].map(at);
        Self { calls: times.len(), p50, p90, p99, p99_9, max, histogram }
    }

    /// The 99th percentile as a multiple of the median.
    #[must_use]
    pub fn tail(&self) -> f64 {
        self.p99 as f64 / self.p50.max(1) as f64
    }

    /// The histogram in one line, a bar a bucket.
    fn bars(&self) -> String {
        const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let highest = self.histogram.iter().copied().max().unwrap_or(0).max(1);
        let bar = |count: u32| match count {
            0 => ' ',
            // Rounded up, so that a single call can be seen.
            _ => usize::try_from((count * 8).div_ceil(highest))
                .ok()
                .and_then(|height| BARS.get(height.saturating_sub(1)).copied())
                .unwrap_or('█'),
        };
        self.histogram.iter().copied().map(bar).collect()
    }
}

/// One codec's times for single calls.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LatencyRow {
    /// The codec's name.
    pub codec: String,
    /// Over the pages, the fastest round of each: what depends on the page's contents.
    pub compress_pages: Distribution,
    /// Over all calls: also what interrupts, other processes and the hypervisor do.
    pub compress_calls: Distribution,
    /// As `compress_pages`.
    pub decompress_pages: Distribution,
    /// As `compress_calls`.
    pub decompress_calls: Distribution,
}

/// All codecs' times for single calls on one set.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LatencyReport {
    /// The name of the set.
    pub name: String,
    /// What reading the clock costs at least in nanoseconds; taken off every time.
    pub clock_ns: u64,
    /// One row a codec.
    pub rows: Vec<LatencyRow>,
}

impl LatencyReport {
    /// The row of `codec`.
    #[must_use]
    pub fn row(&self, codec: &str) -> Option<&LatencyRow> {
        self.rows.iter().find(|row| row.codec == codec)
    }
}

impl Benchmark {
    /// Times every call by itself, in the same order as [`run`](Self::run).
    ///
    /// # Errors
    ///
    /// A codec does not give a page back.
    pub fn latency(
        &self,
        set: &PageSet,
        subjects: &mut [Box<dyn Subject>],
        mut progress: impl FnMut(Progress<'_>),
    ) -> Result<LatencyReport, Error> {
        let clock_ns = clock_cost();
        let mut lanes = self.lanes(set, subjects, &mut progress)?;
        let mut times: Vec<Times> = lanes.iter().map(|_| Times::default()).collect();
        for round in 1..=self.round_count() {
            for (lane, times) in lanes.iter_mut().zip(&mut times) {
                progress(self.progress(set, lane.subject.name(), round));
                times.compress.push(time_compress(lane, clock_ns));
                times.decompress.push(time_decompress(lane, clock_ns));
            }
        }
        let rows = lanes.iter().zip(times).map(|(lane, times)| times.row(lane.subject.name()));
        Ok(LatencyReport { name: set.name.clone(), clock_ns, rows: rows.collect() })
    }
}

/// One codec's times: a list a round, a time a page.
#[derive(Default)]
struct Times {
    compress: Vec<Vec<u64>>,
    decompress: Vec<Vec<u64>>,
}

impl Times {
    fn row(self, codec: &str) -> LatencyRow {
        LatencyRow {
            codec: codec.to_owned(),
            compress_pages: Distribution::of(minima(&self.compress)),
            compress_calls: Distribution::of(self.compress.into_iter().flatten().collect()),
            decompress_pages: Distribution::of(minima(&self.decompress)),
            decompress_calls: Distribution::of(self.decompress.into_iter().flatten().collect()),
        }
    }
}

/// Each page's fastest round.
fn minima(rounds: &[Vec<u64>]) -> Vec<u64> {
    let mut fastest = rounds.first().cloned().unwrap_or_default();
    for round in rounds {
        for (least, time) in fastest.iter_mut().zip(round) {
            *least = (*least).min(*time);
        }
    }
    fastest
}

fn time_compress(lane: &mut Lane<'_>, clock_ns: u64) -> Vec<u64> {
    let mut times = Vec::with_capacity(lane.pages());
    lane.for_each_page(|subject, page, _, out, _| {
        let start = Instant::now();
        black_box(subject.compress(black_box(page), out));
        times.push(since(start).saturating_sub(clock_ns));
    });
    times
}

fn time_decompress(lane: &mut Lane<'_>, clock_ns: u64) -> Vec<u64> {
    let mut times = Vec::with_capacity(lane.pages());
    lane.for_each_page(|subject, page, data, _, restored| {
        let start = Instant::now();
        match data {
            Some(data) => {
                black_box(subject.decompress(black_box(data), restored));
            }
            None => *restored = *black_box(page),
        }
        black_box(restored);
        times.push(since(start).saturating_sub(clock_ns));
    });
    times
}

fn clock_cost() -> u64 {
    let tries = (0..CLOCK_TRIES).map(|_| since(Instant::now()));
    tries.min().unwrap_or(0)
}

fn since(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

impl fmt::Display for LatencyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|row| row.codec.chars().count()).max().unwrap_or(0).max(5);
        type Part = fn(&LatencyRow) -> &Distribution;
        let parts: [(&str, Part); 4] = [
            ("compress, each page's fastest round", |row| &row.compress_pages),
            ("compress, all calls", |row| &row.compress_calls),
            ("decompress, each page's fastest round", |row| &row.decompress_pages),
            ("decompress, all calls", |row| &row.decompress_calls),
        ];
        writeln!(
            f,
            "{}: single calls in ns; {} ns for the clock taken off",
            self.name, self.clock_ns
        )?;
        for (title, part) in parts {
            writeln!(
                f,
                "{title}\n{:width$}  {:>7} {:>7} {:>7} {:>8} {:>8}  p99/p50  90 ns{:>15}",
                "codec", "p50", "p90", "p99", "p99.9", "max", "65 us"
            )?;
            for row in &self.rows {
                let Distribution { p50, p90, p99, p99_9, max, .. } = part(row);
                writeln!(
                    f,
                    "{:width$}  {p50:>7} {p90:>7} {p99:>7} {p99_9:>8} {max:>8}  {:>7.2}  {}",
                    row.codec,
                    part(row).tail(),
                    part(row).bars()
                )?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_taken() {
        let distribution = Distribution::of((1..=1000).rev().collect());
        assert_eq!((distribution.p50, distribution.p90, distribution.p99), (500, 900, 990));
        assert_eq!((distribution.p99_9, distribution.max), (999, 1000));
        assert_eq!(distribution.histogram.iter().sum::<u32>(), 1000);
        assert_eq!(distribution.histogram[..2], [90, 38]);
        assert_eq!(Distribution::of(std::vec![7]).p50, 7);
        assert_eq!(Distribution::of(Vec::new()).max, 0);
        assert_eq!(Distribution::of(std::vec![u64::MAX]).histogram[BUCKETS - 1], 1);
    }

    #[test]
    fn each_page_counts_with_its_fastest_round() {
        let rounds = [std::vec![5, 1, 9], std::vec![3, 4, 9]];
        assert_eq!(minima(&rounds), [3, 1, 9]);
    }
}
