//! What an operation costs on devices of all sizes, and how long a device takes to start.

use std::time::{Duration, Instant};

use trueno_zram_core::Algorithm;
use trueno_zram_region::FileRegion;
use trueno_zram_store::{Codecs, Device, QueueStore};

use crate::Result;
use crate::image::Image;
use crate::measure::pin;
use crate::{ours, steps};

/// Device sizes in pages: 64 MiB to 1 TiB. The table of the last has 2 GiB.
const SIZES: [u64; 5] = [1 << 14, 1 << 18, 1 << 22, 1 << 25, 1 << 28];
/// How many pages are stored, spread over all of the device: the same ones whatever its size.
const STORED: u64 = 8192;
/// How many operations are timed at a time, how many times of them there are, and how often.
const TIMED: usize = 64;
const TIMES: usize = 128;
const OPERATIONS: u64 = (TIMES * TIMED) as u64;
const ROUNDS: usize = 8;
/// How many are counted, at some ten microseconds for each of their instructions; the same pages on all
/// devices, so that the codec does the same.
const COUNTED: u64 = 6;
/// The most that instructions may differ between the sizes.
const FLAT: f64 = 1.05;

/// A device that holds [`STORED`] pages, far from each other.
struct Sparse<'a> {
    image: &'a Image,
    device: Device<FileRegion>,
    queue: QueueStore<FileRegion>,
    format: Duration,
}

impl<'a> Sparse<'a> {
    fn new(image: &'a Image, pages: u64) -> Result<Self> {
        let start = Instant::now();
        let device = ours::device(pages, Algorithm::Lz4)?;
        let format = start.elapsed();
        let mut sparse = Self { image, queue: device.queue()?, device, format };
        sparse.writes(0, STORED)?;
        Ok(sparse)
    }

    /// The same page for the same number, the pages in no order.
    fn page(&self, number: u64) -> u64 {
        let scattered = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        scattered % STORED * (self.device.pages() / STORED)
    }

    fn writes(&mut self, from: u64, count: u64) -> Result {
        for number in from..from + count {
            let data = self.image.page(usize::try_from(number)? % self.image.pages());
            let page =
                if from == 0 { number * (self.device.pages() / STORED) } else { self.page(number) };
            ours::write(&mut self.queue, page, data)?;
        }
        Ok(())
    }

    fn reads(&mut self, from: u64, count: u64) -> Result {
        let mut out = [0; 4096];
        (from..from + count).try_for_each(|number| {
            Ok(self.queue.read(self.page(number), std::hint::black_box(&mut out))?)
        })
    }
}

/// Instructions of a write and of a read.
fn instructions(image: &Image, pages: u64) -> Result<Option<[u64; 2]>> {
    let mut sparse = Sparse::new(image, pages)?;
    let writes = steps::count(|| sparse.writes(STORED, COUNTED))?;
    let reads = steps::count(|| sparse.reads(0, COUNTED))?;
    Ok(writes.zip(reads).map(|(writes, reads)| [writes / COUNTED, reads / COUNTED]))
}

pub(crate) fn measure(image: &Image) -> Result {
    pin(0)?;
    println!(
        "| device | made in | write | read | instructions: write | read |\n|---|---|---|---|---|---|"
    );
    let mut counts = Vec::new();
    for pages in SIZES {
        let (format, write, read) = times(image, pages)?;
        let counted = instructions(image, pages)?.unwrap_or_default();
        let gib = (pages * 4096) as f64 / f64::from(1 << 30);
        println!(
            "| {gib} GiB | {:.1} ms | {:.0} ns | {:.0} ns | {} | {} |",
            format.as_secs_f64() * 1e3,
            write.as_secs_f64() * 1e9 / OPERATIONS as f64,
            read.as_secs_f64() * 1e9 / OPERATIONS as f64,
            counted[0],
            counted[1],
        );
        counts.push(counted);
    }
    // Zero says that nothing is counted on this processor.
    counts.retain(|counts| *counts != [0, 0]);
    for (what, index) in [("write", 0), ("read", 1)] {
        let all = counts.iter().map(|counts| counts[index]);
        if let (Some(least), Some(most)) = (all.clone().min(), all.max()) {
            let ratio = most as f64 / least as f64;
            let word = if ratio <= FLAT { "met" } else { "MISSED" };
            println!("{word}: instructions of a {what}, most of least: {ratio:.3} <= {FLAT}");
        }
    }
    println!();
    Ok(())
}

/// How long it takes to make the device, and the fastest of some rounds of writes and of reads.
fn times(image: &Image, pages: u64) -> Result<(Duration, Duration, Duration)> {
    let mut sparse = Sparse::new(image, pages)?;
    let mut fastest = [(); 2].map(|()| vec![Duration::MAX; TIMES]);
    let [write, read] = &mut fastest;
    for _ in 0..ROUNDS {
        for (first, fastest) in (0..).step_by(TIMED).zip(&mut *write) {
            let start = Instant::now();
            sparse.writes(STORED + first, TIMED as u64)?;
            *fastest = start.elapsed().min(*fastest);
        }
        for (first, fastest) in (0..).step_by(TIMED).zip(&mut *read) {
            let start = Instant::now();
            sparse.reads(first, TIMED as u64)?;
            *fastest = start.elapsed().min(*fastest);
        }
    }
    let [write, read] = fastest.map(|blocks| blocks.iter().sum());
    Ok((sparse.format, write, read))
}

/// Recovery of a device that holds the whole image, by million pages.
pub(crate) fn recovery(image: &Image) -> Result {
    let pages = image.pages() as u64;
    let start = Instant::now();
    let device = ours::device(pages, Algorithm::Lz4)?;
    let format = start.elapsed();
    let mut queue = device.queue()?;
    for (number, page) in (0..).zip(image.blocks.iter().flat_map(|block| &block.0)) {
        ours::write(&mut queue, number, page)?;
    }
    drop(queue);
    let mut region = device.into_region().map_err(|_| "somebody has a handle left")?;
    let mut fastest = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let (device, found) = Device::recover(region, Codecs::new(ours::codec(Algorithm::Lz4)?))?;
        fastest = fastest.min(start.elapsed());
        if found.pages != pages || found.damaged != 0 {
            return Err(format!("recovery found {found:?}").into());
        }
        region = device.into_region().map_err(|_| "somebody has a handle left")?;
    }
    let million = |time: Duration| time.as_secs_f64() * 1e3 / (pages as f64 / 1e6);
    println!(
        "a device of {pages} pages, all stored: made in {:.1} ms, recovered in {:.1} ms; by million pages \
         {:.1} and {:.1} ms\n",
        format.as_secs_f64() * 1e3,
        fastest.as_secs_f64() * 1e3,
        million(format),
        million(fastest)
    );
    Ok(())
}
