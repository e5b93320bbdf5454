//! What our programs print of a device, field by field, against the files that it comes from. The
//! files are taken apart here by hand: who reads a wrong column must not be believed twice.

use std::collections::BTreeMap;
use std::path::Path;

use libtest_mimic::Trial;
use serde_json::{Value, json};
use trueno_tests::check::{Outcome, ensure, equal, tool};
use trueno_tests::ioctl::discard;
use trueno_tests::mount::Swap;
use trueno_tests::pages::Frame;
use trueno_tests::program;
use trueno_tests::zram::{Make, RealDevice};

use crate::stand::{Stand, direct, fill, holds, needing, read, trial_of_ours};

pub(super) fn trials() -> Vec<Trial> {
    vec![
        trial_of_ours("fields::of_create_stat_and_list", of_ours),
        needing(&["mkswap", "swapon"], trial_of_ours("fields::of_zramctl", of_zramctl)),
        needing(&["mkswap", "swapon"], trial_of_ours("fields::of_zramctl_find", found_by_zramctl)),
    ]
}

fn ublk(arguments: &[&str]) -> Outcome<String> {
    tool(&program::ublk().display().to_string(), arguments)
}

fn zramctl(arguments: &[&str]) -> Outcome<String> {
    tool(&program::zramctl().display().to_string(), arguments)
}

/// The numbers of a file with one line, which must have so many.
fn numbers<const COUNT: usize>(device: &RealDevice, name: &str) -> Outcome<[u64; COUNT]> {
    let text = read(device, name)?;
    let numbers = text.split_whitespace().map(str::parse).collect::<Result<Vec<u64>, _>>()?;
    numbers.try_into().map_err(|_| format!("{name}: not {COUNT} columns: {text}").into())
}

/// The columns of `mm_stat`.
fn mm_stat(device: &RealDevice) -> Outcome<[u64; 9]> {
    numbers(device, "mm_stat")
}

/// The numbers of `trueno/overhead` by name.
fn overhead(device: &RealDevice) -> Outcome<BTreeMap<String, u64>> {
    let text = read(device, "trueno/overhead")?;
    let pair = |line: &str| {
        let (name, number) = line.split_once(' ').ok_or(format!("overhead: {line:?}"))?;
        Ok((name.to_owned(), number.parse()?))
    };
    text.lines().map(pair).collect()
}

/// Pages of every kind, some of them discarded again: no two columns shall be alike.
fn use_it(device: &RealDevice) -> Outcome {
    fill(device, 0..3, Frame::filled)?;
    fill(device, 3..8, Frame::noise)?;
    fill(device, 8..40, Frame::mixed)?;
    discard(direct(device)?.file(), 30, 7)?;
    fill(device, 3..5, Frame::mixed)
}

fn of_ours(_: &mut Stand) -> Outcome {
    let options = ["--size=32M", "--algorithm=zstd", "--algorithm-params=level=3"];
    let rest = ["--mem-limit=16M", "--queues=2", "--depth=32", "--io-size=128K", "--user-copy"];
    let words = [&["create", "--json", "--id=5"], &options[..], &rest].concat();
    let created: Value = serde_json::from_str(&ublk(&words)?)?;
    let expected = json!({
        "node": "/dev/ublkb5",
        "name": "trueno/zram0",
        "link": "/dev/trueno/zram0",
        "attributes": "/run/trueno/zram0",
    });
    equal("create", &created, &expected)?;
    for path in ["node", "link", "attributes"] {
        let path = created.get(path).and_then(Value::as_str).unwrap_or_default();
        ensure(Path::new(path).exists(), || format!("there is no {path}"))?;
    }
    let device = RealDevice::adopt_from(Make::Ublk, 0);
    shape(&device)?;
    let bare = RealDevice::made_by(Make::Ublk)?;
    use_it(&device)?;
    stat(&device)?;
    list(&device, &bare)
}

/// What the driver has made of queues, depth and io_size, whatever the settings say.
fn shape(device: &RealDevice) -> Outcome {
    let disk = Path::new("/sys/block/ublkb5");
    equal("queues", std::fs::read_dir(disk.join("mq"))?.count(), 2)?;
    equal("depth", read(device, "queue/nr_requests")?.as_str(), "32")?;
    equal("io_size in KiB", read(device, "queue/max_hw_sectors_kb")?.as_str(), "128")
}

fn stat(device: &RealDevice) -> Outcome {
    // Before and after: the processes' own memory may change at any time.
    let before = overhead(device)?;
    let text = ublk(&["stat", "--json", "trueno/zram0"])?;
    let table = ublk(&["stat", "trueno/zram0"])?;
    let stat: Value = serde_json::from_str(&text)?;
    let processes = stat.get("overhead_processes").and_then(Value::as_u64).unwrap_or_default();
    let known = before.get("processes").copied().unwrap_or_default();
    ensure(processes > known / 2 && processes < known * 2, || format!("{processes}, not {known}"))?;
    let mm = mm_stat(device)?;
    let io = numbers::<4>(device, "io_stat")?;
    let worker: u64 = read(device, "trueno/worker_pid")?.parse()?;
    let expected = json!({
        "disksize": 32 << 20,
        "algorithm": "zstd",
        "orig_data_size": mm[0],
        "compr_data_size": mm[1],
        "mem_used_total": mm[2],
        "mem_limit": 16 << 20,
        "mem_used_max": mm[4],
        "same_pages": 3,
        "pages_compacted": mm[6],
        "huge_pages": 3,
        "failed_reads": 0,
        "failed_writes": 0,
        "notify_free": 7,
        "overhead_table": before.get("table"),
        "overhead_headroom": before.get("headroom"),
        "overhead_buffers": before.get("buffers"),
        "overhead_processes": processes,
        "ublk_id": 5,
        "state": "live",
        "worker_pid": worker,
        "worker_restarts": 0,
        "queues": 2,
        "depth": 32,
        "io_size": 128 << 10,
        "user_copy": 1,
    });
    equal("stat --json", &stat, &expected)?;
    // That these columns are the right ones, the numbers themselves must tell.
    equal("pages", mm[0], 33 << 12)?;
    let columns = [mm[3], mm[5], mm[7], mm[8]];
    equal("limit, same-filled, huge, huge since", columns, [16 << 20, 3, 3, 5])?;
    ensure(mm[1] > 3 << 12 && mm[1] < mm[2] && mm[2] <= mm[4], || format!("{mm:?}"))?;
    equal("io_stat", io, [0, 0, 0, 7])?;
    // The table has the same in the same words.
    let rows = table.lines().map(|line| line.split_once(' ').unwrap_or((line, "")));
    let mut rows: BTreeMap<_, _> = rows.map(|(name, value)| (name, value.trim_start())).collect();
    let mut object = stat.as_object().cloned().unwrap_or_default();
    ensure(rows.remove("overhead_processes").is_some(), || table.clone())?;
    object.remove("overhead_processes");
    let object: BTreeMap<_, _> = object
        .iter()
        .map(|(name, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            (name.as_str(), text)
        })
        .collect();
    let rows: BTreeMap<_, _> =
        rows.into_iter().map(|(name, text)| (name, text.to_owned())).collect();
    equal("stat", rows, object)
}

fn list(device: &RealDevice, bare: &RealDevice) -> Outcome {
    let mm = mm_stat(device)?;
    let list: Value = serde_json::from_str(&ublk(&["list", "--json"])?)?;
    let expected = json!({ "devices": [
        {
            "name": "trueno/zram0", "node": "/dev/ublkb5", "disksize": 32 << 20,
            "algorithm": "zstd", "data": mm[0], "compr": mm[1], "total": mm[2], "state": "live",
        },
        {
            "name": bare.name(), "node": null, "disksize": 0,
            "algorithm": "wm", "data": 0, "compr": 0, "total": 0, "state": "none",
        },
    ]});
    equal("list --json", list, expected)?;
    let table = ublk(&["list"])?;
    let mut lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let headings = ["NAME", "NODE", "DISKSIZE", "ALGORITHM", "DATA", "COMPR", "TOTAL", "STATE"];
    equal("headings", lines.next(), Some(headings.to_vec()))?;
    let first = lines.next().unwrap_or_default();
    let [name, node, size, algorithm, data, compr, total, state] = first[..] else {
        return Err(format!("a line of {} cells: {table}", first.len()).into());
    };
    let texts = [name, node, size, algorithm, data, state];
    let expected = ["trueno/zram0", "/dev/ublkb5", "32M", "zstd", "132K", "live"];
    equal("the first line", texts, expected)?;
    for (cell, bytes) in [(compr, mm[1]), (total, mm[2])] {
        let kib: f64 = cell.trim_end_matches('K').parse()?;
        ensure((kib * 1024.0 - bytes as f64).abs() < 64.0, || format!("{cell} for {bytes}"))?;
    }
    let second = ["trueno/zram1", "-", "0B", "wm", "0B", "0B", "0B", "none"];
    equal("the second line", lines.next(), Some(second.to_vec()))?;
    equal("a third line", lines.next(), None)?;
    let less: Vec<_> = table.lines().skip(1).map(str::to_owned).collect();
    let bare = ublk(&["list", "--noheadings"])?;
    // Narrower, perhaps, but the same cells.
    let cells = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    equal("--noheadings", cells(&bare), cells(&less.join("\n")))
}

fn of_zramctl(_: &mut Stand) -> Outcome {
    let created =
        ublk(&["create", "--size=32M", "--algorithm=lz4", "--mem-limit=16M", "--swap=7"])?;
    let device = RealDevice::adopt_from(Make::Ublk, 0);
    let node = device.node();
    equal("create", created.trim_end(), &node.display().to_string())?;
    let swap = Swap::adopt(&node);
    ensure(Swap::is_on(&node), || "create --swap has not swapped on".into())?;
    let all = ["--output-all", "--bytes"];
    let json = zramctl(&[&all[..], &["--json"]].concat())?;
    let raw = zramctl(&[&all[..], &["--raw"]].concat())?;
    let mm = mm_stat(&device)?;
    let streams = read(&device, "max_comp_streams").ok();
    let streams: Option<u64> = streams.map(|streams| streams.parse()).transpose()?;
    let expected = json!({ "zram": [{
        "name": "/dev/trueno/zram0",
        "disksize": 32 << 20,
        "data": mm[0],
        "compr": mm[1],
        "algorithm": "lz4",
        "streams": streams,
        "zero-pages": mm[5],
        "total": mm[2],
        "mem-limit": 16 << 20,
        "mem-used": mm[4],
        "migrated": mm[6],
        "comp-ratio": mm[0] as f64 / mm[2] as f64,
        "mountpoint": "[SWAP]",
        "kind": "ublk",
        "huge-pages": mm[7],
        "huge-pages-since": mm[8],
        "backing-dev": null,
        "bd-count": null,
        "bd-reads": null,
        "bd-writes": null,
        "recomp-algorithm": null,
        "params": null,
        "prio": 7,
        "used": 0,
        "idle": null,
    }]});
    equal("--json", serde_json::from_str::<Value>(&json)?, expected.clone())?;
    ensure(mm[0] > 0 && mm[2] > 0, || format!("mkswap has written nothing: {mm:?}"))?;
    // Raw cells are separated by one blank each; an empty one is nothing between two.
    let mut lines = raw.lines();
    let headings: Vec<_> = lines.next().unwrap_or_default().split(' ').collect();
    let cells: Vec<_> = lines.next().unwrap_or_default().split(' ').collect();
    equal("cells", cells.len(), headings.len())?;
    let object =
        expected.pointer("/zram/0").and_then(Value::as_object).cloned().unwrap_or_default();
    equal("columns", headings.len(), object.len())?;
    for (heading, cell) in headings.iter().zip(cells) {
        let value = object.get(&heading.to_ascii_lowercase());
        let text = match value {
            Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) if heading.contains("RATIO") => {
                format!("{:.4}", number.as_f64().unwrap_or_default())
            }
            Some(other) => other.to_string(),
            None => return Err(format!("--json has no {heading}").into()),
        };
        equal(heading, cell, &text)?;
    }
    drop(swap);
    ensure(!Swap::is_on(&node), || "swapoff has failed".into())
}

/// A disk of the kind that is asked for, ready to be used: by itself, and as swap.
fn found_by_zramctl(_: &mut Stand) -> Outcome {
    let find = ["--find", "--kind", "ublk", "--size", "32M", "--algorithm", "zstd"];
    for swap in [&[][..], &["--swap"]] {
        let said = zramctl(&[&find[..], swap].concat())?;
        let device = RealDevice::adopt_from(Make::Ublk, 0);
        let node = device.node();
        let area = (!swap.is_empty()).then(|| Swap::adopt(&node));
        equal("what it says", said.trim_end(), "/dev/trueno/zram0")?;
        equal("the node", &std::fs::canonicalize(said.trim_end())?, &node)?;
        equal("disksize", read(&device, "disksize")?, (32 << 20).to_string())?;
        let algorithms = read(&device, "comp_algorithm")?;
        ensure(algorithms.contains("[zstd]"), || algorithms)?;
        equal("swap", Swap::is_on(&node), area.is_some())?;
        drop(area);
        ensure(!Swap::is_on(&node), || "swapoff has failed".into())?;
        fill(&device, 0..64, Frame::mixed)?;
        holds(&device, 0..64, Frame::mixed)?;
    }
    Ok(())
}
