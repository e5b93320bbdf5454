//! `list`: all devices, a line each.

use serde_json::{Value, json};
use sysfs_compat::abi::algorithm::CompAlgorithm;
use sysfs_compat::abi::size::human;
use sysfs_compat::abi::stat::MmStat;
use sysfs_compat::client::{Device, Kind, mirror};

use super::{is_served, not_served, number, print};
use crate::args::Call;
use crate::log::say;
use crate::paths::Paths;

/// What a line shows.
struct Line {
    name: String,
    node: Option<String>,
    size: u64,
    algorithm: String,
    memory: MmStat,
    state: String,
}

impl Line {
    fn of(device: &Device) -> anyhow::Result<Self> {
        let id = device.read("trueno/ublk_id")?;
        let is_initialised = device.is_initialised();
        Ok(Self {
            name: format!("trueno/zram{}", number(device)?),
            node: is_initialised.then(|| format!("/dev/ublkb{}", id.trim())),
            size: device.read("disksize")?.trim().parse()?,
            algorithm: CompAlgorithm::parse(&device.read("comp_algorithm")?)
                .selected
                .unwrap_or_default(),
            memory: MmStat::parse(&device.read("mm_stat")?)
                .map_err(|errno| anyhow::anyhow!("mm_stat: {errno}"))?,
            state: device.read("trueno/state")?.trim().to_owned(),
        })
    }

    fn cells(&self) -> [String; 8] {
        let size = |bytes| human(bytes, ".");
        [
            self.name.clone(),
            self.node.clone().unwrap_or_else(|| "-".to_owned()),
            size(self.size),
            self.algorithm.clone(),
            size(self.memory.orig_data_size),
            size(self.memory.compr_data_size),
            size(self.memory.mem_used_total),
            self.state.clone(),
        ]
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name,
            "node": self.node,
            "disksize": self.size,
            "algorithm": self.algorithm,
            "data": self.memory.orig_data_size,
            "compr": self.memory.compr_data_size,
            "total": self.memory.mem_used_total,
            "state": self.state,
        })
    }
}

const HEADINGS: [&str; 8] =
    ["NAME", "NODE", "DISKSIZE", "ALGORITHM", "DATA", "COMPR", "TOTAL", "STATE"];
/// Columns of sizes.
const IS_RIGHT: [bool; 8] = [false, false, true, false, true, true, true, false];

/// Prints all devices.
pub(crate) fn run(paths: &Paths, call: &Call) -> anyhow::Result<()> {
    let mut lines = Vec::new();
    if !is_served(paths) {
        say(not_served(paths));
    } else {
        for number in mirror::numbers(paths.root())?.unwrap_or_default() {
            let find = || Device::numbered(paths.root(), Kind::Ublk, number);
            match find().map_err(anyhow::Error::from).and_then(|device| Line::of(&device)) {
                Ok(line) => lines.push(line),
                // Removed since: then it need not be shown.
                Err(_) if find().is_err() => {}
                Err(error) => return Err(error),
            }
        }
    }
    if call.has("json") {
        let devices: Vec<Value> = lines.iter().map(Line::json).collect();
        print(serde_json::to_string_pretty(&json!({ "devices": devices }))?);
        return Ok(());
    }
    let mut table: Vec<[String; 8]> = lines.iter().map(Line::cells).collect();
    if !call.has("noheadings") && !table.is_empty() {
        table.insert(0, HEADINGS.map(str::to_owned));
    }
    let mut widths = [0; 8];
    for row in &table {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.len());
        }
    }
    for row in &table {
        let cells = row.iter().zip(widths).zip(IS_RIGHT).map(|((cell, width), is_right)| {
            if is_right { format!("{cell:>width$}") } else { format!("{cell:width$}") }
        });
        print(cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    Ok(())
}
