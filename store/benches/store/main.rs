//! The store on real memory pages, beside the kernel's zram of the same machine.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a console program")]
#![expect(clippy::indexing_slicing, reason = "a benchmark may panic; what it times does not")]

mod block_device;
mod image;
mod lane;
mod latency;
mod measure;
mod memory;
mod options;
mod ours;
mod ring;
mod same_fill;
mod scale;
mod speed;
mod steps;

use std::process::ExitCode;

use crate::image::Image;
use crate::options::Options;

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;
pub(crate) type Result<T = ()> = std::result::Result<T, Failure>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("store: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result {
    let options = Options::from_env().map_err(|error| error.to_string())?;
    if options.help {
        print!("{}", options::HELP);
        return Ok(());
    }
    let sets = image::corpora()?;
    let image = Image::tile(&sets, options.blocks)?;
    println!("machine: {}, Linux {}\n", processor(), release());
    if options.wants("speed") {
        let rows = speed::measure(&options, &image)?;
        speed::print(&rows);
        speed::paths(&options, &image)?;
    }
    if options.wants("latency") {
        latency::measure(&options, &image)?;
    }
    if options.wants("same-fill") {
        same_fill::measure(options.is_test)?;
    }
    if options.wants("memory") {
        memory::measure(&options, &sets, &image)?;
    }
    if options.wants("scale") {
        scale::recovery(&image)?;
        // A quarter of an hour under a debug build.
        if !options.is_test {
            scale::measure(&image)?;
        }
    }
    Ok(())
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("model name"));
    line.map_or("unknown", |line| line.trim_start_matches([' ', '\t', ':'])).to_owned()
}

fn release() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    text.trim_end().to_owned()
}
