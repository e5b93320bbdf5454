//! `stat`: what a device stores, and what that costs.

use serde_json::{Map, Value, json};
use sysfs_compat::abi::algorithm::CompAlgorithm;
use sysfs_compat::abi::stat::{IoStat, MmStat};
use sysfs_compat::client::Device;

use super::{find, print};
use crate::args::Call;
use crate::paths::Paths;

/// Attributes of ours that are one number or one word.
const OWN: &[&str] = &[
    "ublk_id",
    "state",
    "worker_pid",
    "worker_restarts",
    "queues",
    "depth",
    "io_size",
    "user_copy",
];

/// Prints names and values: bytes and counts.
pub(crate) fn run(paths: &Paths, call: &Call) -> anyhow::Result<()> {
    let device = find(paths, &call.operand)?;
    let values = values(&device)?;
    if call.has("json") {
        print(serde_json::to_string_pretty(&Value::Object(values))?);
        return Ok(());
    }
    let width = values.keys().map(String::len).max().unwrap_or_default();
    for (name, value) in &values {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        print(format_args!("{name:width$}  {text}"));
    }
    Ok(())
}

fn values(device: &Device) -> anyhow::Result<Map<String, Value>> {
    let errno = |errno| anyhow::anyhow!("statistics of another form: {errno}");
    let memory = MmStat::parse(&device.read("mm_stat")?).map_err(errno)?;
    let io = IoStat::parse(&device.read("io_stat")?).map_err(errno)?;
    let mut values = Map::new();
    let mut put = |name: &str, value: Value| drop(values.insert(name.to_owned(), value));
    let algorithm = CompAlgorithm::parse(&device.read("comp_algorithm")?).selected;
    put("disksize", number(&device.read("disksize")?));
    put("algorithm", json!(algorithm));
    put("orig_data_size", json!(memory.orig_data_size));
    put("compr_data_size", json!(memory.compr_data_size));
    put("mem_used_total", json!(memory.mem_used_total));
    put("mem_limit", json!(memory.mem_limit));
    put("mem_used_max", json!(memory.mem_used_max));
    put("same_pages", json!(memory.same_pages));
    put("huge_pages", json!(memory.huge_pages));
    put("pages_compacted", json!(memory.pages_compacted));
    put("failed_reads", json!(io.failed_reads));
    put("failed_writes", json!(io.failed_writes));
    put("notify_free", json!(io.notify_free));
    for line in device.read("trueno/overhead")?.lines() {
        if let Some((name, bytes)) = line.split_once(' ') {
            put(&format!("overhead_{name}"), number(bytes));
        }
    }
    for name in OWN {
        put(name, number(&device.read(&format!("trueno/{name}"))?));
    }
    Ok(values)
}

/// A number where it is one, else the text.
fn number(text: &str) -> Value {
    let text = text.trim();
    text.parse::<i64>().map_or_else(|_| json!(text), |number| json!(number))
}
