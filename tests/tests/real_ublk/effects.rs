//! Every attribute that can be written, by what it does to the device and not by what write(2) says.

use std::fs;
use std::io::Read;

use libtest_mimic::Trial;
use sysfs_compat::abi::Errno;
use trueno_tests::check::{Outcome, ensure, equal};
use trueno_tests::ioctl::discard;
use trueno_tests::pages::Frame;
use trueno_tests::zram::{Make, RealDevice};

use crate::stand::{
    Stand, direct, fill, holds, io_stat, make, mm_stat, read, refused, set_up, set_up_by, trial,
    trial_of_ours, write,
};

pub(super) fn trials() -> Vec<Trial> {
    vec![
        trial("effects::disksize", disksize),
        trial("effects::reset", reset),
        trial("effects::mem_limit", mem_limit),
        trial("effects::mem_used_max", mem_used_max),
        trial("effects::compact", compact),
        trial("effects::idle", idle),
        trial("effects::discard", discarded),
        trial_of_ours("effects::queue_limits", queue_limits),
        trial("effects::same_filled_and_huge_pages", kinds_of_pages),
        trial("effects::hot_add_and_hot_remove", hot_add_and_hot_remove),
    ]
}

/// Sectors of the block device, as the kernel sees it.
fn sectors(device: &RealDevice) -> Outcome<u64> {
    let node = device.node();
    let name = node.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let text = std::fs::read_to_string(format!("/sys/block/{name}/size"))?;
    Ok(text.trim_end().parse()?)
}

fn disksize(_: &mut Stand) -> Outcome {
    // Rounded up to pages.
    let device = set_up("16777215", &[])?;
    equal("disksize", read(&device, "disksize")?.as_str(), "16777216")?;
    equal("initstate", read(&device, "initstate")?.as_str(), "1")?;
    equal("sectors of the block device", sectors(&device)?, 16 << 11)?;
    fill(&device, [4095], Frame::noise)?;
    holds(&device, [4095], Frame::noise)?;
    let past = direct(&device)?.write(4096, &Frame::noise(0));
    ensure(past.is_err(), || "a page past the end was taken".into())?;
    refused(&device, "disksize", "32M", Errno::EBUSY)?;
    refused(&device, "comp_algorithm", "lz4", Errno::EBUSY)
}

fn reset(_: &mut Stand) -> Outcome {
    let device = set_up("4M", &[("comp_algorithm", "zstd"), ("mem_limit", "3M")])?;
    fill(&device, 0..64, Frame::noise)?;
    let fresh = RealDevice::made_by(make())?;
    write(&device, "reset", "1")?;
    for name in ["disksize", "initstate", "mm_stat", "comp_algorithm"] {
        equal(name, read(&device, name)?, read(&fresh, name)?)?;
    }
    write(&device, "disksize", "4M")?;
    holds(&device, 0..64, |_| Frame::filled(0))
}

/// Beyond the limit a write fails, what was there stays, and a lifted limit lets it through.
fn mem_limit(_: &mut Stand) -> Outcome {
    const LIMIT: u64 = 1 << 20;
    let device = set_up("8M", &[])?;
    write(&device, "mem_limit", "1M")?;
    equal("the fourth column", mm_stat(&device)?.mem_limit, LIMIT)?;
    let direct = direct(&device)?;
    let full = (0..2048).find_map(|index| {
        let error = direct.write(index, &Frame::noise(index)).err()?;
        Some((index, Errno::from(&error)))
    });
    let (full, errno) = full.ok_or("eight times the limit was taken")?;
    equal("the write", errno, Errno::EIO)?;
    ensure(full >= 64, || format!("full after {full} pages of 256"))?;
    let stat = mm_stat(&device)?;
    ensure(stat.mem_used_total <= LIMIT + (64 << 10), || format!("{stat:?} beyond the limit"))?;
    ensure(io_stat(&device)?.failed_writes > 0, || "no failed write is counted".into())?;
    holds(&device, 0..full, Frame::noise)?;
    holds(&device, [full], |_| Frame::filled(0))?;
    // What takes no memory is still taken.
    direct.write(2000, &Frame::filled(7))?;
    write(&device, "mem_limit", "0")?;
    fill(&device, full..2048, Frame::noise)?;
    holds(&device, 0..2048, Frame::noise)
}

fn mem_used_max(_: &mut Stand) -> Outcome {
    let device = set_up("8M", &[])?;
    fill(&device, 0..1024, Frame::noise)?;
    discard(direct(&device)?.file(), 0, 1024)?;
    let peak = mm_stat(&device)?;
    ensure(peak.mem_used_max >= 4 << 20, || format!("the peak is not kept: {peak:?}"))?;
    refused(&device, "mem_used_max", "1", Errno::EINVAL)?;
    write(&device, "mem_used_max", "0")?;
    // From what was in use then; the last of it may have been given back since.
    let stat = mm_stat(&device)?;
    let is_less = (stat.mem_used_total..1 << 20).contains(&u64::try_from(stat.mem_used_max)?);
    ensure(is_less, || format!("the peak stays: {stat:?}"))
}

fn compact(_: &mut Stand) -> Outcome {
    let device = set_up("32M", &[])?;
    fill(&device, 0..4096, Frame::mixed)?;
    let direct = direct(&device)?;
    for index in (0..4096).filter(|index| index % 4 != 0) {
        discard(direct.file(), index, 1)?;
    }
    let before = mm_stat(&device)?;
    write(&device, "compact", "1")?;
    let after = mm_stat(&device)?;
    let is_less = after.mem_used_total < before.mem_used_total;
    let is_counted = after.pages_compacted > before.pages_compacted;
    ensure(is_less && is_counted, || format!("{before:?}\n{after:?}"))?;
    holds(&device, (0..4096).step_by(4), Frame::mixed)?;
    holds(&device, (1..4096).step_by(4), |_| Frame::filled(0))
}

/// The flags of each slot of `block_state`.
fn slots(device: &RealDevice) -> Outcome<Vec<(u64, String)>> {
    // Only whole lines are given: a short read would look like the end.
    let mut text = vec![0; 64 << 10];
    let length = std::fs::File::open(device.block_state())?.read(&mut text)?;
    text.truncate(length);
    let text = String::from_utf8(text)?;
    let slot = |line: &str| {
        let mut words = line.split_whitespace();
        Some((words.next()?.parse().ok()?, words.nth(1)?.to_owned()))
    };
    Ok(text.lines().map(|line| slot(line).ok_or(line)).collect::<Result<_, _>>()?)
}

fn idle(_: &mut Stand) -> Outcome {
    let device = set_up("4M", &[])?;
    let page = |index| if index == 3 { Frame::filled(index) } else { Frame::noise(index) };
    fill(&device, 0..8, page)?;
    let is_idle = |slots: &[(u64, String)], index: u64| {
        slots.iter().any(|(slot, flags)| *slot == index && flags.contains('i'))
    };
    let before = slots(&device)?;
    equal("slots in use", before.len(), 8)?;
    ensure((0..8).all(|index| !is_idle(&before, index)), || format!("idle at once: {before:?}"))?;
    write(&device, "idle", "all")?;
    fill(&device, [1], Frame::mixed)?;
    holds(&device, [2], page)?;
    let after = slots(&device)?;
    for (index, expected) in [(0, true), (1, false), (2, false), (4, true), (7, true)] {
        ensure(is_idle(&after, index) == expected, || format!("slot {index}: {after:?}"))?;
    }
    let flags = |index| after.iter().find(|(slot, _)| *slot == index).map(|(_, flags)| &**flags);
    ensure(flags(3).is_some_and(|flags| flags.contains('s')), || format!("{after:?}"))?;
    ensure(flags(0).is_some_and(|flags| flags.contains('h')), || format!("{after:?}"))?;
    refused(&device, "idle", "some", Errno::EINVAL)
}

fn discarded(_: &mut Stand) -> Outcome {
    let device = set_up("8M", &[])?;
    fill(&device, 0..1024, Frame::noise)?;
    let direct = direct(&device)?;
    discard(direct.file(), 256, 512)?;
    let stat = mm_stat(&device)?;
    equal("orig_data_size", stat.orig_data_size, 512 << 12)?;
    ensure(stat.compr_data_size <= 512 << 12, || format!("{stat:?}"))?;
    equal("notify_free", io_stat(&device)?.notify_free, 512)?;
    // Slots that hold nothing count as well.
    discard(direct.file(), 256, 512)?;
    equal("notify_free", io_stat(&device)?.notify_free, 1024)?;
    holds(&device, (0..256).chain(768..1024), Frame::noise)?;
    holds(&device, 256..768, |_| Frame::filled(0))
}

/// Files of `queue/` that are not the same: what the driver lets a server say nothing about, who counts
/// the requests, and how large one may be.
const OWN_LIMITS: [&str; 7] = [
    "dma_alignment",
    "iostats",
    "max_hw_sectors_kb",
    "max_sectors_kb",
    "max_segment_size",
    "max_segments",
    "stable_writes",
];

fn queue_limits(_: &mut Stand) -> Outcome {
    let kernel = set_up_by(Make::Kernel, "16M", &[])?;
    // For a single queue the kernel would choose a scheduler.
    let device = set_up("16M", &[("trueno/queues", "1")])?;
    let mut compared = 0;
    for entry in fs::read_dir(kernel.attribute("queue"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !OWN_LIMITS.contains(&&*name) {
            let file = format!("queue/{name}");
            equal(&file, read(&device, &file)?, read(&kernel, &file)?)?;
            compared += 1;
        }
    }
    ensure(compared > 20, || format!("only {compared} files in queue/"))?;
    let own = [("io_timeout", "1000"), ("nr_requests", "64"), ("max_hw_sectors_kb", "64")];
    for (name, value) in own.into_iter().chain([("max_sectors_kb", "64"), ("stable_writes", "0")]) {
        equal(name, read(&device, &format!("queue/{name}"))?.as_str(), value)?;
    }
    let schedulers = read(&device, "queue/scheduler")?;
    ensure(schedulers.contains("[none]"), || format!("the scheduler is {schedulers}"))
}

fn kinds_of_pages(_: &mut Stand) -> Outcome {
    let device = set_up("4M", &[])?;
    fill(&device, 0..4, Frame::filled)?;
    fill(&device, 4..12, Frame::noise)?;
    fill(&device, 12..20, Frame::mixed)?;
    let stat = mm_stat(&device)?;
    equal("orig_data_size", stat.orig_data_size, 20 << 12)?;
    equal("same_pages", stat.same_pages, 4)?;
    equal("huge_pages", (stat.huge_pages, stat.huge_pages_since), (Some(8), Some(8)))?;
    let is_less = stat.compr_data_size > 8 << 12 && stat.compr_data_size < 12 << 12;
    ensure(is_less && stat.mem_used_total >= stat.compr_data_size, || format!("{stat:?}"))?;
    fill(&device, 4..12, Frame::mixed)?;
    let stat = mm_stat(&device)?;
    equal("huge_pages", (stat.huge_pages, stat.huge_pages_since), (Some(0), Some(8)))
}

fn hot_add_and_hot_remove(_: &mut Stand) -> Outcome {
    let one = set_up("4M", &[])?;
    let node = one.node();
    let other = RealDevice::made_by(make())?;
    ensure(one.number() != other.number(), || "one number for two devices".into())?;
    let (directory, number) = (one.directory(), one.number().to_string());
    fill(&one, [0], Frame::noise)?;
    std::fs::write(make().control().join("hot_remove"), &number)?;
    one.forget();
    ensure(!directory.exists(), || format!("{} is still there", directory.display()))?;
    ensure(!node.exists(), || format!("{} is still there", node.display()))?;
    let next = RealDevice::made_by(make())?;
    equal("the lowest free number", next.number().to_string(), number)?;
    if make() == Make::Ublk {
        ensure(!next.node().exists(), || "a node without disksize".into())?;
    }
    Ok(())
}
