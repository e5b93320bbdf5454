//! Requests a second, and what they cost the processors.

use std::path::{Path, PathBuf};

use sysfs_compat::client::Kind;
use trueno_zram_core::benchmark::PageSet;
use trueno_zram_store::Page;

use crate::Result;
use crate::device::{Worker, make};
use crate::image::{BLOCK, Block, Image};
use crate::options::Options;
use crate::record::Records;
use crate::subject::{Subject, Way};
use crate::work::WORKS;

/// Blocks of the image: all corpora once.
const BLOCKS: usize = 32;

/// Measures everything in turn, round by round and work by work, so that a slow moment of the machine
/// hits all.
pub(crate) fn measure(options: &Options, sets: &[PageSet], records: &mut Records) -> Result {
    let pages = Image::tile(sets, BLOCKS)?;
    let same = same_filled();
    let mut subjects = subjects(options, &pages, &same)?;
    subjects.retain(|(subject, _)| options.wants_subject(subject.name));
    for (subject, keeps) in &mut subjects {
        println!("filling: {}", subject.name);
        subject.pass(*keeps)?;
    }
    for round in 1..=options.rounds {
        println!("speed, round {round} of {}", options.rounds);
        for work in WORKS {
            for (subject, _) in &mut subjects {
                subject.measure(work, round, options.time, records)?;
            }
        }
    }
    Ok(())
}

/// All that is measured, and whether it keeps what is written.
fn subjects<'a>(
    options: &Options,
    pages: &'a Image,
    same: &'a Image,
) -> Result<Vec<(Subject<'a>, bool)>> {
    let zram =
        || -> Result<PathBuf> { Ok(make(Kind::Kernel, "lz4", None, options.size)?.node_path()) };
    let (zram, zram_same) = (zram()?, zram()?);
    let worker = |name: &str, algorithm: &str, simd: Option<&str>, more: &[&str]| {
        let settings = format!("comp_algorithm={algorithm}\ndisksize={}\n", options.size);
        Worker::start(&options.program, name, &settings, simd, more)
    };
    let lz4 = worker("lz4", "lz4", None, &[])?;
    let portable = worker("lz4-portable", "lz4", Some("portable"), &[])?;
    let wm = worker("wm", "wm", None, &[])?;
    let lz4_same = worker("lz4-same", "lz4", None, &[])?;
    let null = worker("null", "lz4", None, &["--null"])?;
    let of = |name, node: &Path, way, image, pid| Subject::new(name, node, way, image, pid);
    let ours = |name, worker: &Worker, image| {
        Subject::new(name, &worker.node, Way::Ring, image, Some(worker.pid))
    };
    Ok(vec![
        (of("kernel zram lz4, io_uring", &zram, Way::Ring, pages, None)?, true),
        (of("kernel zram lz4, pread and pwrite", &zram, Way::Calls, pages, None)?, true),
        (ours("lz4", &lz4, pages)?, true),
        (ours("lz4, portable", &portable, pages)?, true),
        (ours("wm", &wm, pages)?, true),
        (of("kernel zram lz4, same-filled, io_uring", &zram_same, Way::Ring, same, None)?, true),
        (of("kernel zram lz4, same-filled, calls", &zram_same, Way::Calls, same, None)?, true),
        (ours("lz4, same-filled", &lz4_same, same)?, true),
        (ours("nothing is kept", &null, same)?, false),
    ])
}

/// Pages of one word each: zero, a byte, and others, in turn.
fn same_filled() -> Image {
    let page = |at: usize| -> Page {
        let byte = u8::try_from(at % 255).unwrap_or(u8::MAX);
        match at % 3 {
            0 => [0; 4096],
            1 => [byte; 4096],
            _ => std::array::from_fn(|i| if i % 8 == 0 { byte } else { 1 }),
        }
    };
    let block = |block: usize| {
        let mut pages = Block::boxed();
        pages.0.iter_mut().enumerate().for_each(|(at, to)| *to = page(block * BLOCK + at));
        *pages
    };
    let count = u32::try_from(BLOCKS * BLOCK).unwrap_or(u32::MAX);
    Image { blocks: (0..BLOCKS).map(block).collect(), order: (0..count).collect() }
}
