//! Our codecs beside the reference libraries, on real memory pages, in one process.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a console program")]

mod c_lz4;
mod options;
mod ours;
mod peers;
mod plot;
mod same_fill;
mod targets;

use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use trueno_zram_core::benchmark::{
    Benchmark, Error, LatencyReport, PageSet, Progress, Report, Subject, Synthetic, load_pages,
};

use crate::options::Options;
use crate::same_fill::SameFillRow;
use crate::targets::Verdict;

/// The codec that everything is related to.
const REFERENCE: &str = "C lz4";

/// What the tables call Zstandard as its simple API makes it.
fn plain_zstd(level: i32) -> String {
    format!("C zstd {level}")
}

/// Whether a row is another library's.
fn is_peer(codec: &str) -> bool {
    codec.starts_with("C ") || codec == "lz4_flex"
}

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            let mut text = error.to_string();
            let mut cause = error.source();
            while let Some(source) = cause {
                text.push_str(&format!(": {source}"));
                cause = source.source();
            }
            eprintln!("codecs: {text}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode, Box<dyn std::error::Error>> {
    // Its cause would only say the same again.
    let options = Options::from_env().map_err(|error| error.to_string())?;
    // Cargo starts a benchmark in its package's folder; paths are meant from where cargo was called.
    if let Some(folder) = std::env::var_os("PWD") {
        std::env::set_current_dir(folder)?;
    }
    if options.help {
        print!("{}", options::HELP);
        return Ok(ExitCode::SUCCESS);
    }
    println!("machine: {}, Linux {}\n", processor(), release());
    let results = Results::measure(&options)?;
    println!("{}", same_fill::Table(&results.same_fill));
    for verdict in &results.targets {
        println!("{verdict}");
    }
    if let Some(path) = &options.json {
        results.write_json(path)?;
    }
    if let Some(path) = &options.svg {
        let svg = plot::svg(&results.report.total()).ok_or("there is nothing to draw")?;
        fs::write(path, svg)?;
    }
    let is_missed = results.targets.iter().any(|target| target.is_met() == Some(false));
    Ok(if options.check && is_missed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Everything that a run finds out.
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(not(feature = "serde"), expect(dead_code, reason = "some of it is in the JSON only"))]
struct Results {
    processor: String,
    report: Report,
    latency: Vec<LatencyReport>,
    same_fill: Vec<SameFillRow>,
    targets: Vec<Verdict>,
}

impl Results {
    /// Measures, and prints the tables of each set as they are ready.
    fn measure(options: &Options) -> Result<Self, Error> {
        let benchmark = Benchmark::new().rounds(options.rounds).every(options.sub);
        let mut report = Report { reference: REFERENCE.to_owned(), sets: Vec::new() };
        let mut latency = Vec::new();
        for set in page_sets(options)? {
            let mut subjects = subjects(options, &set.name)?;
            let measured = benchmark.run(&set, &mut subjects, show)?;
            clear();
            println!("{}", measured.table(REFERENCE));
            println!("{}\n", ours::which_tables(&set.name)?);
            report.sets.push(measured);
            if options.latency {
                let measured = benchmark.latency(&set, &mut subjects, show)?;
                clear();
                println!("{measured}");
                latency.push(measured);
            }
        }
        if report.sets.len() > 1 {
            println!("{}", report.total().table(REFERENCE));
        }
        let same_fill = same_fill::measure()?;
        let targets = targets::verdicts(&report, &latency, &same_fill);
        Ok(Self { processor: processor(), report, latency, same_fill, targets })
    }

    #[cfg(feature = "serde")]
    fn write_json(&self, path: &Path) -> Result<(), Box<dyn std::error::Error>> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        Ok(fs::write(path, text)?)
    }

    #[cfg(not(feature = "serde"))]
    fn write_json(&self, _path: &Path) -> Result<(), Box<dyn std::error::Error>> {
        Err("--json needs `--features serde` before the `--`".into())
    }
}

fn subjects(options: &Options, corpus: &str) -> Result<Vec<Box<dyn Subject>>, Error> {
    let mut subjects = peers::all();
    // The reference stays whatever was asked for.
    subjects.retain(|peer| peer.name() == REFERENCE || options.wants(peer.name(), peer.name()));
    subjects.extend(ours::subjects(options, corpus)?);
    Ok(subjects)
}

/// The files that were asked for, else the repository's, else made-up pages.
fn page_sets(options: &Options) -> Result<Vec<PageSet>, Error> {
    let mut files = options.corpora.clone();
    if files.is_empty() {
        files = repository_corpora();
    }
    if !files.is_empty() {
        return files.iter().map(load_pages).collect();
    }
    eprintln!("no corpus/*.pages.zst here (it is in the repository only): made-up pages instead");
    let kinds = [Synthetic::Text, Synthetic::Sparse, Synthetic::Random];
    Ok(kinds.map(|kind| PageSet::synthetic(kind, 1024)).into())
}

fn repository_corpora() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus");
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_pages = |path: &PathBuf| path.to_string_lossy().ends_with(".pages.zst");
    let mut files: Vec<_> = entries.map(|entry| entry.path()).filter(is_pages).collect();
    files.sort();
    files
}

/// One line on standard error that is written over again and again; in a file, a line a round.
fn show(progress: Progress<'_>) {
    let Progress { set, codec, round, rounds } = progress;
    if io::stderr().is_terminal() {
        eprint!("\r\x1b[K{set}: round {round} of {rounds}: {codec}");
    } else if codec == REFERENCE {
        eprintln!("{set}: round {round} of {rounds}");
    }
}

/// Makes room for what is printed next.
fn clear() {
    if io::stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("model name"));
    line.map_or("unknown", |line| line.trim_start_matches([' ', '\t', ':'])).to_owned()
}

fn release() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    text.trim_end().to_owned()
}
