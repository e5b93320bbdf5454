//! What the same pages take, of everything that is held for them.

use serde_json::json;
use sysfs_compat::client::{Device, Kind};
use trueno_zram_core::benchmark::PageSet;

use crate::Result;
use crate::device::make;
use crate::image::Image;
use crate::options::Options;
use crate::record::Records;
use crate::subject::{Subject, Way};
use crate::work::PAGE;

/// What the kernel's table takes a page: `struct zram_table_entry` without memory tracking.
const KERNEL_TABLE: u64 = 16;

pub(crate) fn measure(options: &Options, sets: &[PageSet], records: &mut Records) -> Result {
    let blocks = usize::try_from(options.size >> 20)?;
    let image = Image::tile(sets, blocks)?;
    let pages = options.size / PAGE as u64;
    for (name, kind, algorithm) in [
        ("kernel zram lz4", Kind::Kernel, "lz4"),
        ("lz4", Kind::Ublk, "lz4"),
        ("wm", Kind::Ublk, "wm"),
    ] {
        println!("memory: {name}");
        let device = make(kind, algorithm, None, options.size)?;
        Subject::new(name, &device.node_path(), Way::Calls, &image, None)?.fill(pages)?;
        let mm_stat = numbers(&device.read("mm_stat")?)?;
        let [_, stored, used, ..] = mm_stat[..] else { return Err("mm_stat is short".into()) };
        let (table, headroom, processes) = match kind {
            Kind::Kernel => (pages * KERNEL_TABLE, 0, 0),
            Kind::Ublk => overhead(&device)?,
        };
        records.put(json!({
            "part": "memory", "subject": name, "pages": pages, "stored": stored, "used": used,
            "table": table, "headroom": headroom, "processes": processes,
        }))?;
        device.write("reset", b"1")?;
    }
    Ok(())
}

fn numbers(text: &str) -> Result<Vec<u64>> {
    Ok(text.split_whitespace().map(str::parse).collect::<std::result::Result<_, _>>()?)
}

/// Bytes of table, headroom and processes.
fn overhead(device: &Device) -> Result<(u64, u64, u64)> {
    let text = device.read("trueno/overhead")?;
    let of = |name: &str| -> Result<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(line.ok_or_else(|| format!("trueno/overhead has no {name}"))?.parse()?)
    };
    Ok((of("table")?, of("headroom")?, of("processes")?))
}
