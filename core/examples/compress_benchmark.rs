//! Compares the codecs of this crate on your pages, or on made-up ones.
//!
//! ```text
//! cargo run --release -p trueno-zram-core --example compress_benchmark [FILE]...
//! ```
//!
//! A file holds 4096-byte pages, one behind the other; `FILE.zst` is decompressed first. Reference
//! libraries stand beside ours in `cargo bench -p trueno-zram-core`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a console program")]

use std::error::Error;
use std::process::ExitCode;

use trueno_zram_core::benchmark::{
    Benchmark, CompressorSubject, PageSet, Report, Subject, Synthetic, load_pages,
};
use trueno_zram_core::{Algorithm, CompressorBuilder};

fn main() -> ExitCode {
    let Err(error) = run() else { return ExitCode::SUCCESS };
    eprint!("compress_benchmark: {error}");
    let mut cause = error.source();
    while let Some(source) = cause {
        eprint!(": {source}");
        cause = source.source();
    }
    eprintln!();
    ExitCode::FAILURE
}

fn run() -> Result<(), Box<dyn Error>> {
    let files: Vec<_> = std::env::args_os().skip(1).collect();
    let sets: Vec<PageSet> = if files.is_empty() {
        println!("No files given: made-up pages.\n");
        let kinds = [Synthetic::Text, Synthetic::Sparse, Synthetic::Random];
        kinds.into_iter().map(|kind| PageSet::synthetic(kind, 1024)).collect()
    } else {
        files.iter().map(load_pages).collect::<Result<_, _>>()?
    };

    // A row of the tables is anything that implements `Subject`; this is how a compressor becomes one.
    let algorithms = [
        Algorithm::Lz4,
        Algorithm::Wm,
        Algorithm::WmHc,
        Algorithm::Zstd { level: -1 },
        Algorithm::Zstd { level: 1 },
    ];
    let mut subjects: Vec<Box<dyn Subject>> = Vec::new();
    for algorithm in algorithms {
        let compressor = CompressorBuilder::new().algorithm(algorithm).build()?;
        subjects.push(Box::new(CompressorSubject::new(algorithm.to_string(), compressor)));
    }

    // Times are shown as multiples of those of lz4, in the same run.
    let mut report = Report { reference: "lz4".to_owned(), sets: Vec::new() };
    for set in &sets {
        report.sets.push(Benchmark::new().run(set, &mut subjects, |_| ())?);
    }
    println!("{report}");
    Ok(())
}
