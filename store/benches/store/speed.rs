//! Pages a second: the store beside the kernel's zram, writes and reads, one thread and two.

use std::path::Path;

use trueno_zram_core::Algorithm;

use crate::Result;
use crate::block_device::{BlockDevice, Way};
use crate::image::Image;
use crate::lane::Subject;
use crate::measure::{Fastest, Op};
use crate::options::Options;
use crate::ours;

/// How far pages wander from round to round when they overwrite others: prime, so that every block
/// comes everywhere.
const SHIFT: usize = 37;
/// Rounds over an eighth of the image to find the kernel's best way.
const TRIALS: usize = 6;

/// What the tables call the kernel's zram.
pub(crate) const SINGLE: &str = "kernel zram lz4, 4 KiB";
pub(crate) const LARGE: &str = "kernel zram lz4, large";

/// A subject's times with so many threads.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) threads: usize,
    pub(crate) fill: Option<Fastest>,
    pub(crate) overwrite: Fastest,
    pub(crate) read: Fastest,
}

/// Everything that is measured, row by row.
pub(crate) fn measure(options: &Options, image: &Image) -> Result<Vec<Row>> {
    let threads = options.threads();
    let zram = options.zram.as_deref().map(|path| BlockDevice::open(path, image)).transpose()?;
    let most = threads.iter().copied().max().unwrap_or(1);
    let mut subjects = vec![
        (ours::store(image, Algorithm::Lz4, most)?, true),
        (ours::store(image, Algorithm::Wm, most)?, true),
        (ours::bare(image, Algorithm::Lz4, most)?, false),
        (ours::bare(image, Algorithm::Wm, most)?, false),
    ];
    if let Some(zram) = &zram {
        for (name, ways) in [(SINGLE, &Way::SINGLE), (LARGE, &Way::LARGE)] {
            let best = best_ways(zram, image, ways)?;
            println!("{name}: best to write with {}; to read, {}\n", best[0], best[1]);
            subjects.push((zram.subject(name, image, best, most)?, true));
        }
    }
    for (subject, _) in &mut subjects {
        // The bare codecs keep nothing, so there is nothing to compare but what they made beforehand.
        subject.verify()?;
    }
    rows(options, &threads, &mut subjects)
}

fn rows(
    options: &Options,
    threads: &[usize],
    subjects: &mut [(Subject<'_>, bool)],
) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (subject, fills) in &*subjects {
        for threads in threads {
            let fastest = Fastest::new(subject.lanes[0].image().blocks.len(), *threads);
            rows.push(Row {
                name: subject.name.clone(),
                threads: *threads,
                fill: fills.then(|| fastest.clone()),
                overwrite: fastest.clone(),
                read: fastest,
            });
        }
    }
    // Overwriting first, on what has been overwritten before, so that it is the steady state of each.
    for round in 1..=options.rounds {
        eprintln!("round {round} of {}: overwrite, read", options.rounds);
        for row in &mut rows {
            let subject = named(subjects, &row.name);
            row.overwrite.round(subject, Op::Overwrite(round * SHIFT))?;
            row.read.round(subject, Op::Read)?;
        }
    }
    for round in 1..=options.rounds {
        eprintln!("round {round} of {}: fill", options.rounds);
        for row in &mut rows {
            if let Some(fill) = &mut row.fill {
                fill.round(named(subjects, &row.name), Op::Fill)?;
            }
        }
    }
    Ok(rows)
}

fn named<'s, 'a>(subjects: &'s mut [(Subject<'a>, bool)], name: &str) -> &'s mut Subject<'a> {
    let mut subjects = subjects.iter_mut().map(|(subject, _)| subject);
    subjects.find(|subject| subject.name == name).expect("each row is of a subject")
}

/// Tries all ways with one thread, on an eighth of the image; the fastest to write and to read.
fn best_ways(device: &BlockDevice, image: &Image, ways: &[Way]) -> Result<[Way; 2]> {
    let mut tried = Vec::new();
    for way in ways {
        let subject = device.subject(way, image, [*way; 2], 1)?;
        let fastest = Fastest::new(image.blocks.len().div_ceil(8), 1);
        tried.push((*way, subject, fastest.clone(), fastest));
    }
    for round in 0..TRIALS {
        for (_, subject, write, read) in &mut tried {
            write.round(subject, Op::Overwrite(round))?;
            read.round(subject, Op::Read)?;
        }
    }
    println!("| zram with one thread | write | read |\n|---|---|---|");
    for (way, _, write, read) in &tried {
        println!("| {way} | {:.0} ns | {:.0} ns |", write.nanoseconds(), read.nanoseconds());
    }
    println!();
    let fastest = |of: fn(&(Way, Subject<'_>, Fastest, Fastest)) -> f64| {
        let best = tried.iter().min_by(|a, b| of(a).total_cmp(&of(b)));
        best.map(|(way, ..)| *way).ok_or("no way to drive the device")
    };
    Ok([fastest(|tried| tried.2.nanoseconds())?, fastest(|tried| tried.3.nanoseconds())?])
}

/// What the way to any block device costs, without compression: reads of a zram that holds nothing,
/// of a loop device over memory, and of a file in memory.
pub(crate) fn paths(options: &Options, image: &Image) -> Result {
    let devices: [(&str, Option<&Path>); 2] = [
        ("loop device over tmpfs", options.loop_device.as_deref()),
        ("zram, nothing stored", options.zram.as_deref()),
    ];
    let mut open = Vec::new();
    for (name, path) in devices {
        if let Some(path) = path {
            open.push((name, BlockDevice::open(path, image)?));
        }
    }
    let mut subjects = Vec::new();
    for (name, device) in &open {
        device.clear()?;
        for way in Way::SINGLE.iter().chain(&Way::LARGE) {
            let subject = device.subject(format!("{name}: {way}"), image, [*way; 2], 1)?;
            subjects.push((subject, Fastest::new(image.blocks.len().div_ceil(8), 1)));
        }
    }
    for _ in 0..TRIALS {
        for (subject, read) in &mut subjects {
            read.round(subject, Op::Read)?;
        }
    }
    println!("| way to a page without any codec | read |\n|---|---|");
    for (subject, read) in &subjects {
        println!("| {} | {:.0} ns |", subject.name, read.nanoseconds());
    }
    println!();
    Ok(())
}

/// The table, and what was aimed at.
pub(crate) fn print(rows: &[Row]) {
    println!("| | threads | fill | overwrite | read | fill | overwrite | read |");
    println!("|---|---|---|---|---|---|---|---|");
    for row in rows {
        let times = [row.fill.as_ref(), Some(&row.overwrite), Some(&row.read)];
        let (mut ns, mut rate) = (String::new(), String::new());
        for time in times {
            match time {
                Some(time) => {
                    ns += &format!(" {:.0} ns |", time.nanoseconds());
                    rate += &format!(" {:.0} k/s |", time.rate() / 1e3);
                }
                None => {
                    ns += " |";
                    rate += " |";
                }
            }
        }
        println!("| {} | {} |{ns}{rate}", row.name, row.threads);
    }
    println!("\n| times the pages a second of | threads | | fill | overwrite | read |");
    println!("|---|---|---|---|---|---|");
    for peer in rows.iter().filter(|row| [SINGLE, LARGE].contains(&row.name.as_str())) {
        let ours = rows.iter().filter(|row| row.name.starts_with("store"));
        for row in ours.filter(|row| row.threads == peer.threads) {
            let times = |of: fn(&Row) -> Option<&Fastest>| match (of(row), of(peer)) {
                (Some(ours), Some(peer)) => format!("**{:.2}**", ours.rate() / peer.rate()),
                _ => String::new(),
            };
            let cells = [
                times(|row| row.fill.as_ref()),
                times(|row| Some(&row.overwrite)),
                times(|row| Some(&row.read)),
            ];
            println!("| {} | {} | {} | {} |", peer.name, row.threads, row.name, cells.join(" | "));
        }
    }
    println!("\n| time outside the codec, one thread | overwrite | read |\n|---|---|---|");
    for algorithm in ["lz4", "wm"] {
        let find = |kind: &str| {
            let name = format!("{kind}, {algorithm}");
            rows.iter().find(|row| row.threads == 1 && row.name == name)
        };
        if let (Some(store), Some(codec)) = (find("store"), find("codec alone")) {
            let share = |store: &Fastest, codec: &Fastest| {
                let (store, codec) = (store.nanoseconds(), codec.nanoseconds());
                format!("{:.0} ns, {:.1} %", store - codec, (store - codec) / store * 100.0)
            };
            println!(
                "| {algorithm} | {} | {} |",
                share(&store.overwrite, &codec.overwrite),
                share(&store.read, &codec.read)
            );
        }
    }
    println!();
}
