//! Our block devices beside the kernel's zram: speed, memory, and how long things take.
//!
//! It makes devices, overwrites them, and starts a service, so it belongs into a virtual machine:
//! `cargo xtask bench ublk` runs it there and makes tables of what it writes, which is one JSON object
//! a line for each single measurement.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a console program")]
#![expect(clippy::indexing_slicing, reason = "a benchmark may panic; what it times does not")]

#[path = "../../../store/benches/store/image.rs"]
#[expect(dead_code, reason = "the store's benchmark uses more of it")]
mod image;
#[path = "../../../store/benches/store/ring.rs"]
#[expect(dead_code, reason = "the store's benchmark uses more of it")]
mod ring;

mod device;
mod memory;
mod options;
mod record;
mod service;
mod speed;
mod subject;
mod times;
mod work;

use std::process::ExitCode;

use serde_json::json;
use trueno_zram_core::SimdBackend;

use crate::options::Options;
use crate::record::Records;

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;
pub(crate) type Result<T = ()> = std::result::Result<T, Failure>;

fn main() -> ExitCode {
    // Not even the `--bench` of `cargo bench`: `cargo test --all-targets` wants to see it start.
    if std::env::args_os().len() <= 1 {
        print!("{}", options::HELP);
        return ExitCode::SUCCESS;
    }
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("devices: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result {
    let options = Options::from_env().map_err(|error| error.to_string())?;
    let mut records = Records::create(&options.out)?;
    device::load_modules()?;
    records.put(machine()?)?;
    let sets = image::corpora()?;
    if options.wants("speed") {
        speed::measure(&options, &sets, &mut records)?;
    }
    if options.wants("memory") || options.wants("times") {
        let _service = service::Service::start(&options.program)?;
        if options.wants("memory") {
            memory::measure(&options, &sets, &mut records)?;
        }
        if options.wants("times") {
            times::measure(&options, &sets, &mut records)?;
        }
    }
    Ok(())
}

/// What it runs on.
fn machine() -> Result<serde_json::Value> {
    let cpus = std::fs::read_to_string("/proc/cpuinfo")?;
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name"));
    let simd = SimdBackend::ALL.into_iter().filter(|backend| backend.is_available());
    Ok(json!({
        "part": "machine",
        "kernel": std::fs::read_to_string("/proc/sys/kernel/osrelease")?.trim_end(),
        "processor": model.map_or("unknown", |model| model.trim_start_matches([' ', '\t', ':'])),
        "processors": std::thread::available_parallelism().map_or(1, usize::from),
        "simd": simd.map(SimdBackend::name).collect::<Vec<_>>(),
    }))
}
