//! Work on live devices: compaction, idle pages, writeback, the peak, JSON.

use std::fs::OpenOptions;

use libtest_mimic::Trial;
use serde_json::Value;
use sysfs_compat::abi::stat::BdStat;
use sysfs_compat::abi::{Attr, Feature, Kernel};
use trueno_tests::loop_device::{self, LoopDevice};
use trueno_tests::scratch::Scratch;
use trueno_tests::zram::{RealDevice, discard};

use super::{
    Outcome, PAGE, done, ensure, equal, load, mm_stat, name, noise, refused, store, trial,
    trial_with,
};

pub(super) fn trials(kernel: Option<&Kernel>) -> Vec<Trial> {
    vec![
        trial("compact", compact),
        trial("reset_peak", reset_peak),
        trial("json", json),
        trial("what_is_not_set_up_is_refused", not_set_up),
        trial_with("idle", kernel, Feature::MemoryTracking, idle),
        trial_with("writeback", kernel, Feature::Writeback, writeback),
        trial_with("recompress", kernel, Feature::MultiComp, recompress),
    ]
}

fn set_up(size: &str) -> Result<RealDevice, libtest_mimic::Failed> {
    let device = RealDevice::add()?;
    done(&["--size", size, &name(&device)])?;
    Ok(device)
}

fn compact() -> Outcome {
    let device = set_up("16M")?;
    // Half noise, half zeros: objects of about half a page, several of which share pages.
    let half = |index| {
        let mut page = noise(index);
        page.truncate(PAGE / 2);
        page.resize(PAGE, 0);
        (index, page)
    };
    store(&device, (0..4096).map(half))?;
    let node = OpenOptions::new().write(true).open(device.node())?;
    for index in (0..4096).filter(|index| index % 4 != 0) {
        discard(&node, index, 1)?;
    }
    drop(node);
    let before = mm_stat(&device)?;
    done(&["--compact", &name(&device)])?;
    let after = mm_stat(&device)?;
    let is_less = after.mem_used_total < before.mem_used_total;
    ensure(is_less && after.pages_compacted > 0, || format!("{before:?}\n{after:?}"))?;
    equal("a page that was moved", load(&device, 4)?, half(4).1)
}

fn reset_peak() -> Outcome {
    let device = set_up("4M")?;
    store(&device, (0..256).map(|index| (index, noise(index))))?;
    discard(&OpenOptions::new().write(true).open(device.node())?, 0, 256)?;
    let peak = mm_stat(&device)?.mem_used_max;
    ensure(peak >= 1 << 20, || format!("a peak of {peak} after 1 MiB"))?;
    done(&["--reset-peak", &name(&device)])?;
    equal("peak", mm_stat(&device)?.mem_used_max, 0)
}

fn idle() -> Outcome {
    let device = set_up("4M")?;
    store(&device, (0..64).map(|index| (index, noise(index))))?;
    let column = || done(&["--raw", "-n", "-o", "IDLE", &name(&device)]);
    equal("idle pages at first", column()?.as_str(), "0\n")?;
    done(&["--idle", &name(&device)])?;
    equal("idle pages", column()?.as_str(), "64\n")
}

fn writeback() -> Outcome {
    loop_device::load_driver();
    let scratch = Scratch::new("writeback")?;
    let backing = LoopDevice::on(&scratch.path().join("backing"), 4 << 20)?;
    let device = RealDevice::add()?;
    let node = name(&device);
    let path = backing.path().display().to_string();
    let line = ["--size", "4M", "--backing-dev", &path, "--writeback-limit", "64K", &node];
    done(&line)?;
    store(&device, (0..32).map(|index| (index, noise(index))))?;
    refused(&["--writeback=huge", &node], &["failed to write back", "limit is used up"])?;
    let text = device.read(Attr::BdStat.name())?;
    let stat = BdStat::parse(&text).map_err(|errno| errno.to_string())?;
    equal("blocks written", (stat.count, stat.writes), (16, 16))?;
    equal("still in memory", mm_stat(&device)?.mem_used_total, 16 * PAGE as u64)?;
    for index in 0..32 {
        equal("a page", load(&device, index)?, noise(index))?;
    }
    let cells = done(&["--raw", "-n", "-o", "BACKING-DEV,BD-COUNT,BD-WRITES", &node])?;
    equal("columns", cells, format!("{path} 16 16\n"))?;
    // The loop device is let go of before it is detached.
    drop(device);
    drop(backing);
    Ok(())
}

fn recompress() -> Outcome {
    let device = RealDevice::add()?;
    let line = ["--size", "4M", "-a", "lz4", "--recompress-algorithm", "zstd", &name(&device)];
    done(&line)?;
    let text = |index: u64| {
        let lines = (0..).map(|line| format!("{:x}\n", (index * 1000 + line) * 2_654_435_761));
        lines.flat_map(String::into_bytes).take(PAGE).collect::<Vec<_>>()
    };
    store(&device, (0..64).map(|index| (index, text(index))))?;
    let before = mm_stat(&device)?;
    done(&["--recompress", &name(&device)])?;
    let after = mm_stat(&device)?;
    let is_less = after.compr_data_size < before.compr_data_size;
    ensure(is_less, || format!("{before:?}\n{after:?}"))?;
    for index in 0..64 {
        equal("a page", load(&device, index)?, text(index))?;
    }
    Ok(())
}

fn json() -> Outcome {
    let device = set_up("4M")?;
    store(
        &device,
        (0..8).map(|index| (index, if index < 4 { vec![7; PAGE] } else { noise(index) })),
    )?;
    let text = done(&["--json", &name(&device)])?;
    let document: Value = serde_json::from_str(&text)?;
    let stat = mm_stat(&device)?;
    let row = document.pointer("/zram/0").ok_or("no device")?;
    for (key, number) in [
        ("disksize", 4 << 20),
        ("data", stat.orig_data_size),
        ("compr", stat.compr_data_size),
        ("total", stat.mem_used_total),
        ("zero-pages", stat.same_pages),
        ("huge-pages", stat.huge_pages.unwrap_or_default()),
    ] {
        equal(key, row.get(key).and_then(Value::as_u64), Some(number))?;
    }
    equal("same-filled and huge pages", (stat.same_pages, stat.huge_pages), (4, Some(4)))
}

fn not_set_up() -> Outcome {
    let device = RealDevice::add()?;
    let node = name(&device);
    refused(&["--compact", &node], &["failed to compact", "not initialised"])?;
    refused(&["--idle", &node], &["failed to mark pages idle (all)"])?;
    refused(&["--compact", &node, "zram999999"], &["zram999999: No such device"])
}
