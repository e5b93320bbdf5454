//! How much memory pages are held in, beside the kernel's zram.

use trueno_zram_core::Algorithm;
use trueno_zram_core::benchmark::PageSet;
use trueno_zram_store::Page;

use crate::Result;
use crate::block_device::BlockDevice;
use crate::image::{Block, Image};
use crate::options::Options;
use crate::ours;

/// How often a corpus is stored: once, and as often as makes a device of 64 MiB of four.
const COPIES: [usize; 2] = [1, 8];
/// What the kernel's table takes: `struct zram_table_entry` without memory tracking.
const KERNEL_TABLE: u64 = 16;

/// Bytes of one device that was filled.
struct Held {
    /// What the codec made of the pages.
    stored: u64,
    /// `mem_used_total`.
    used: u64,
    table: u64,
    /// Empty spans at hand, and private memory of the thread.
    apart: u64,
}

impl Held {
    fn total(&self) -> u64 {
        self.used + self.table
    }

    fn row(&self, pages: u64) -> String {
        let waste = (self.used as f64 / self.stored as f64 - 1.0) * 100.0;
        let each = self.total() as f64 / pages as f64;
        let apart = self.apart as f64 / pages as f64;
        format!("{waste:.1} % | {} KiB | {each:.0} | {apart:.0}", self.table / 1024)
    }
}

pub(crate) fn measure(options: &Options, sets: &[PageSet], image: &Image) -> Result {
    let zram = options.zram.as_deref().map(|path| BlockDevice::open(path, image)).transpose()?;
    println!("| corpus | copies | | waste | table | bytes a page | apart | of the kernel's |");
    println!("|---|---|---|---|---|---|---|---|");
    for set in sets {
        for copies in COPIES {
            let pages: Vec<&Page> = std::iter::repeat_n(&set.pages, copies).flatten().collect();
            let count = pages.len() as u64;
            let kernel = match &zram {
                Some(zram) if pages.len() <= image.pages() => Some(in_zram(zram, &pages)?),
                _ => None,
            };
            let ours = [Algorithm::Lz4, Algorithm::Wm].map(|algorithm| {
                Ok::<_, crate::Failure>((algorithm.name(), in_store(&pages, algorithm)?))
            });
            for ours in ours {
                let (name, held) = ours?;
                let times = kernel.as_ref().map_or(String::new(), |kernel| {
                    format!("**{:.3}**", held.total() as f64 / kernel.total() as f64)
                });
                let row = held.row(count);
                println!("| {} | {copies} | store, {name} | {row} | {times} |", set.name);
            }
            if let Some(kernel) = kernel {
                let row = kernel.row(count);
                println!("| {} | {copies} | kernel zram lz4 | {row} | 1 |", set.name);
            }
        }
    }
    println!();
    Ok(())
}

fn in_store(pages: &[&Page], algorithm: Algorithm) -> Result<Held> {
    let device = ours::device(pages.len() as u64, algorithm)?;
    let mut queue = device.queue()?;
    for (at, page) in (0..).zip(pages) {
        ours::write(&mut queue, at, page)?;
    }
    let (stat, overhead) = (device.mm_stat(), device.overhead());
    Ok(Held {
        stored: stat.compr_data_size,
        used: stat.mem_used_total,
        table: overhead.table,
        apart: overhead.headroom + overhead.buffers,
    })
}

fn in_zram(zram: &BlockDevice, pages: &[&Page]) -> Result<Held> {
    zram.clear()?;
    if let [0, 0, 0, ..] = zram.mm_stat()?[..] {
        let mut block = Block::boxed();
        for (at, page) in pages.iter().enumerate() {
            block.0[0] = **page;
            zram.write_page(at as u64, &block.0[0])?;
        }
        let stat = zram.mm_stat()?;
        let table = pages.len() as u64 * KERNEL_TABLE;
        return Ok(Held { stored: stat[1], used: stat[2], table, apart: 0 });
    }
    Err("zram keeps memory though nothing is stored in it".into())
}
