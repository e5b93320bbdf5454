//! How long it takes to make a device, to store the first page, and to take over what a killed
//! process has left:
//!
//! `cargo run --release -p trueno-zram-store --example recovery_time [MILLIONS OF PAGES...]`
//!
//! Pages compress to 100 to 1000 bytes. What is taken over is mapped anew, so that nothing of it is in
//! the page tables; the fastest of a few rounds counts.
#![expect(clippy::print_stdout, reason = "a console program")]

use std::error::Error;
use std::time::{Duration, Instant};

use trueno_zram_core::{Algorithm, CompressorBuilder};
use trueno_zram_region::FileRegion;
use trueno_zram_store::{Codecs, Device, Layout, Options, Page, Written};

/// How often the same is taken over.
const ROUNDS: usize = 5;
const MILLION: f64 = 1e6;

fn main() -> Result<(), Box<dyn Error>> {
    let mut millions = Vec::new();
    for argument in std::env::args().skip(1) {
        millions.push(argument.parse::<u64>()?);
    }
    if millions.is_empty() {
        millions = vec![1, 4];
    }
    for pages in millions {
        measure(pages * 1_000_000)?;
    }
    Ok(())
}

/// How much time it took.
#[derive(Clone, Copy)]
struct Taken {
    passed: Duration,
    /// On a processor: what others on a busy machine take is not in it.
    worked: Duration,
}

impl Taken {
    const LONGEST: Self = Self { passed: Duration::MAX, worked: Duration::MAX };

    /// Since `begin`, and of this thread's time since it began.
    fn until_now(begin: Instant) -> Result<Self, Box<dyn Error>> {
        let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat")?;
        let nanoseconds = schedstat.split(' ').next().unwrap_or_default().parse()?;
        Ok(Self { passed: begin.elapsed(), worked: Duration::from_nanos(nanoseconds) })
    }

    fn since(self, start: Self) -> Self {
        Self { passed: self.passed, worked: self.worked - start.worked }
    }

    fn min(self, other: Self) -> Self {
        let (passed, worked) = (self.passed.min(other.passed), self.worked.min(other.worked));
        Self { passed, worked }
    }
}

fn codecs() -> Result<Codecs, Box<dyn Error>> {
    Ok(Codecs::new(CompressorBuilder::new().algorithm(Algorithm::Lz4).build()?))
}

fn measure(pages: u64) -> Result<(), Box<dyn Error>> {
    let region = FileRegion::anonymous(Layout::new(pages, false)?.region_bytes())?;
    let codecs_at_first = codecs()?;
    let start = Instant::now();
    let device = Device::format(region, pages, Options::default(), codecs_at_first)?;
    let format = start.elapsed();

    let first = first_write(&device)?;
    let start = Instant::now();
    fill(&device, pages)?;
    let fill = start.elapsed();
    let stat = device.mm_stat();
    println!(
        "{pages} pages, {} MiB in use: format {format:.1?}, first write {first:.1?}, fill {fill:.1?}",
        stat.mem_used_total >> 20
    );

    let mut recovery = Taken::LONGEST;
    for _ in 0..ROUNDS {
        let region = FileRegion::map(device.region().file().try_clone()?)?;
        let codecs = codecs()?;
        let start = Taken::until_now(Instant::now())?;
        let begin = Instant::now();
        let (successor, found) = Device::recover(region, codecs)?;
        recovery = recovery.min(Taken::until_now(begin)?.since(start));
        let is_complete = found.pages == pages && found.damaged == 0;
        if !is_complete || successor.mm_stat().compr_data_size != stat.compr_data_size {
            return Err(format!("not what was stored: {found:?}").into());
        }
    }
    let per_million = |taken: Duration| taken.as_secs_f64() * 1e3 / (pages as f64 / MILLION);
    let (passed, worked) = (per_million(recovery.passed), per_million(recovery.worked));
    println!("    recovery per million pages: {passed:.1} ms, {worked:.1} ms on the processor");
    Ok(())
}

/// From a new device to its first stored page.
fn first_write(device: &Device<FileRegion>) -> Result<Duration, Box<dyn Error>> {
    let start = Instant::now();
    device.maintain();
    let mut queue = device.queue()?;
    if queue.write(0, &page(0))? == Written::Parked {
        return Err("no room after maintenance".into());
    }
    Ok(start.elapsed())
}

fn fill(device: &Device<FileRegion>, pages: u64) -> Result<(), Box<dyn Error>> {
    let mut queue = device.queue()?;
    for at in 0..pages {
        // Scattered over the table, as pages of a used device are.
        let at = at.wrapping_mul(0x9e37_79b1) % pages;
        while queue.write(at, &page(at))? == Written::Parked {
            device.maintain();
        }
    }
    // What the multiplication has left out.
    for at in 0..pages {
        let is_empty = u32::try_from(at).ok().and_then(|at| device.slot(at));
        if is_empty.is_some_and(|(slot, _)| slot.is_empty()) {
            while queue.write(at, &page(at))? == Written::Parked {
                device.maintain();
            }
        }
    }
    Ok(())
}

/// A page that compresses to 100 to 1000 bytes.
fn page(at: u64) -> Page {
    let mut page = [0; 4096];
    let mut state = (at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let words = usize::try_from(10 + state % 113).unwrap_or(10);
    for word in page.as_chunks_mut().0.iter_mut().take(words) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *word = state.to_le_bytes();
    }
    page
}
