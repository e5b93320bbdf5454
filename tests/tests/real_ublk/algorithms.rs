//! Each algorithm that our devices offer really compresses, as well as `core` does, and each of its
//! parameters changes what comes of it.

use std::fs;
use std::sync::OnceLock;

use libtest_mimic::Trial;
use rustix::process::{Signal, kill_process};
use sysfs_compat::abi::Errno;
use sysfs_compat::abi::algorithm::CompAlgorithm;
use sysfs_compat::abi::stat::MmStat;
use trueno_tests::check::{Outcome, ensure, equal, say, wait_for};
use trueno_tests::daemon;
use trueno_tests::pages::{self, Frame, PAGE};
use trueno_tests::scratch::Scratch;
use trueno_tests::zram::{Make, RealDevice};
use trueno_zram_core::{Algorithm, CompressorBuilder};

use crate::stand::{
    Stand, fill, holds, mm_stat, needing, read, refused, set_up, trial_of_ours, write,
};

/// In the order of the list; the first is a fresh device's.
const OFFERED: [&str; 7] = ["wm", "wmhc", "lz4", "lz4hc", "zstd", "deflate", "lzo"];

/// What memory may exceed what `core` makes of the same pages by.
const ROOM: f64 = 1.08;

pub(super) fn trials() -> Vec<Trial> {
    let mut trials = vec![trial_of_ours("algorithms::list", list)];
    let ratio_of = |name: &str, run: fn(&mut Stand) -> Outcome| {
        needing(&["zstd"], trial_of_ours(&format!("algorithms::ratio_of_{name}"), run))
    };
    let ratios = [
        ratio_of("wm", |_| ratio("wm")),
        ratio_of("wmhc", |_| ratio("wmhc")),
        ratio_of("lz4", |_| ratio("lz4")),
        ratio_of("lz4hc", |_| ratio("lz4hc")),
        ratio_of("zstd", |_| ratio("zstd")),
        ratio_of("deflate", |_| ratio("deflate")),
        ratio_of("lzo", |_| ratio("lzo")),
    ];
    trials.extend(ratios);
    trials.push(needing(&["zstd"], trial_of_ours("algorithms::levels", levels)));
    trials.push(needing(&["zstd"], trial_of_ours("algorithms::dictionary", dictionary)));
    trials
}

fn list(_: &mut Stand) -> Outcome {
    let device = RealDevice::made_by(Make::Ublk)?;
    let rest: String = OFFERED.iter().skip(1).map(|name| format!("{name} ")).collect();
    equal("the list", read(&device, "comp_algorithm")?, format!("[wm] {rest}"))?;
    for name in OFFERED {
        write(&device, "comp_algorithm", &format!("{name}\n"))?;
        let shown = CompAlgorithm::parse(&read(&device, "comp_algorithm")?);
        equal("the selected one", shown.selected.as_deref(), Some(name))?;
    }
    for name in ["lzo-rle", "842", "LZ4", "lz4 "] {
        refused(&device, "comp_algorithm", name, Errno::EINVAL)?;
    }
    Ok(())
}

/// Of so many pages one is taken, unless there is time for all.
const TAKEN: usize = 4;

/// Pages of the four corpora that algorithms are measured on.
fn corpus() -> Outcome<&'static [Frame]> {
    static PAGES: OnceLock<Vec<Frame>> = OnceLock::new();
    if PAGES.get().is_none() {
        let mut pages = Vec::new();
        for name in ["py", "node", "java", "rustc"] {
            let step = if std::env::var_os("TRUENO_SOAK").is_some() { 1 } else { TAKEN };
            pages.extend(pages::corpus(name)?.into_iter().step_by(step));
        }
        PAGES.get_or_init(|| pages);
    }
    Ok(PAGES.get().map_or(&[], Vec::as_slice))
}

fn page(pages: &'static [Frame]) -> impl Fn(u64) -> Frame {
    move |index| {
        let page = usize::try_from(index).ok().and_then(|index| pages.get(index));
        page.copied().unwrap_or(Frame::filled(0))
    }
}

/// What `core` makes of the pages: compressed bytes as `mm_stat` counts them.
fn by_core(pages: &[Frame], algorithm: Algorithm) -> Outcome<u64> {
    let compressor = CompressorBuilder::new().algorithm(algorithm).build()?;
    let mut bytes = 0;
    for Frame(page) in pages {
        let is_filled = page.chunks_exact(8).all(|word| Some(word) == page.get(..8));
        if !is_filled {
            bytes += compressor.compress(page)?.data.len() as u64;
        }
    }
    Ok(bytes)
}

/// A device that holds the corpus.
fn stored(settings: &[(&str, &str)], pages: &'static [Frame]) -> Outcome<(RealDevice, MmStat)> {
    let device = set_up(&(pages.len() * PAGE).to_string(), settings)?;
    fill(&device, 0..pages.len() as u64, page(pages))?;
    let stat = mm_stat(&device)?;
    Ok((device, stat))
}

fn ratio(name: &str) -> Outcome {
    let pages = corpus()?;
    let (device, stat) = stored(&[("comp_algorithm", name)], pages)?;
    let core = by_core(pages, name.parse()?)?;
    let of = |bytes: u64| (pages.len() * PAGE) as f64 / bytes as f64;
    say(&format!(
        "measured: {name}: {} pages, ratio {:.3} by core, {:.3} of data, {:.3} of memory",
        pages.len(),
        of(core),
        of(stat.compr_data_size),
        of(stat.mem_used_total)
    ));
    let is_near = |bytes: u64| bytes >= core && (bytes as f64) < core as f64 * ROOM;
    ensure(is_near(stat.compr_data_size), || format!("{core} by core, {stat:?}"))?;
    ensure(is_near(stat.mem_used_total), || format!("{core} by core, {stat:?}"))?;
    holds(&device, 0..pages.len() as u64, page(pages))
}

/// A higher level leaves less.
fn levels(_: &mut Stand) -> Outcome {
    let pages = corpus()?.get(..256).ok_or("a short corpus")?;
    for (name, low, high) in [("zstd", 1, 9), ("deflate", 1, 9), ("lz4hc", 1, 9)] {
        let sizes: Vec<_> = [low, high]
            .into_iter()
            .map(|level| {
                let level = format!("level={level}");
                let settings = [("comp_algorithm", name), ("algorithm_params", &*level)];
                let (device, stat) = stored(&settings, pages)?;
                holds(&device, 0..256, page(pages))?;
                Ok(stat.compr_data_size)
            })
            .collect::<Outcome<_>>()?;
        ensure(sizes.is_sorted_by(|low, high| low > high), || format!("{name}: {sizes:?}"))?;
    }
    Ok(())
}

/// A dictionary helps, and is needed neither where it came from nor by who came first.
fn dictionary(_: &mut Stand) -> Outcome {
    let pages = corpus()?.get(..256).ok_or("a short corpus")?;
    let (plain, without) = stored(&[("comp_algorithm", "zstd")], pages)?;
    drop(plain);
    let scratch = Scratch::new("dictionary")?;
    let path = scratch.path().join("dictionary");
    let words: Vec<u8> = pages.iter().step_by(8).flat_map(|page| page.0).collect();
    fs::write(&path, words)?;
    let params = format!("dict={}", path.display());
    let settings = [("comp_algorithm", "zstd"), ("algorithm_params", &*params)];
    let (device, with) = stored(&settings, pages)?;
    let is_less = with.compr_data_size * 20 < without.compr_data_size * 19;
    ensure(is_less, || format!("with a dictionary {with:?}, without {without:?}"))?;
    drop(scratch);
    let worker = daemon::worker(&device)?;
    kill_process(worker, Signal::KILL)?;
    wait_for("another worker", 20, || {
        daemon::worker(&device).is_ok_and(|other| other != worker).then_some(())
    })?;
    holds(&device, 0..256, page(pages))?;
    let missing = RealDevice::made_by(Make::Ublk)?;
    write(&missing, "comp_algorithm", "zstd")?;
    refused(&missing, "algorithm_params", "dict=/no/such/file", Errno::EINVAL)
}
