//! `cargo xtask fuzz`: the targets of `fuzz/`, by libFuzzer with AddressSanitizer, and by `storm`.
//!
//! libFuzzer grows its input by the code that it reaches, and AddressSanitizer watches every access.
//! `storm` runs what is shipped, some hundred thousand damaged pages a second, in numbered batches.
//! Both need no more than cargo and a C++ compiler; where there is clang, the libraries in C are
//! watched too.

mod build;
mod libfuzzer;
mod record;
mod storm;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, bail, ensure};
use lexopt::ValueExt as _;

use crate::process;
use crate::tally::Tally;
use crate::workspace::Workspace;

/// What one target is given if nothing is said.
const SECONDS: u64 = 20;

/// When one target has had enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Seconds(u64),
    Executions(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Driver {
    LibFuzzer,
    /// With AddressSanitizer, or as shipped.
    Storm {
        asan: bool,
    },
}

impl Driver {
    fn name(self) -> &'static str {
        match self {
            Self::LibFuzzer => "libfuzzer+asan",
            Self::Storm { asan: true } => "storm+asan",
            Self::Storm { asan: false } => "storm",
        }
    }
}

/// What a run of one target came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Inputs.
    executions: u64,
    per_second: u64,
    /// The batches of `storm`, from the first to the one before the last.
    batches: Option<(u64, u64)>,
    /// What `storm` says beyond that.
    detail: String,
    /// The input, and how to run it again.
    finding: Option<Finding>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    input: PathBuf,
    repeat: String,
}

#[derive(Debug)]
struct Options {
    targets: Vec<String>,
    driver: Driver,
    limit: Limit,
    record: bool,
    seeds: bool,
}

pub(crate) fn run(workspace: &Workspace, args: lexopt::Parser) -> anyhow::Result<ExitCode> {
    let options = Options::parse(args)?;
    if options.seeds {
        return build::seeds(workspace).map(|()| ExitCode::SUCCESS);
    }
    let all = targets(workspace)?;
    if let Some(unknown) = options.targets.iter().find(|name| !all.contains(name)) {
        bail!("there is no target `{unknown}`; the targets are: {}", all.join(", "));
    }
    let chosen = if options.targets.is_empty() { &all } else { &options.targets };
    let tally = fuzz(workspace, chosen, options.driver, options.limit, options.record)?;
    Ok(if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs every target with both drivers, for a test run.
pub(crate) fn all(
    workspace: &Workspace,
    libfuzzer_seconds: u64,
    storm_seconds: u64,
) -> anyhow::Result<Tally> {
    let targets = targets(workspace)?;
    let limit = Limit::Seconds(libfuzzer_seconds);
    let mut tally = fuzz(workspace, &targets, Driver::LibFuzzer, limit, false)?;
    let limit = Limit::Seconds(storm_seconds);
    tally += fuzz(workspace, &targets, Driver::Storm { asan: false }, limit, false)?;
    Ok(tally)
}

/// The format and the lints of `fuzz/`, which is no part of the workspace.
pub(crate) fn lints(workspace: &Workspace) -> [Command; 2] {
    build::lints(workspace)
}

fn fuzz(
    workspace: &Workspace,
    targets: &[String],
    driver: Driver,
    limit: Limit,
    is_recorded: bool,
) -> anyhow::Result<Tally> {
    let programs = build::programs(workspace, driver)?;
    let findings = workspace.target_dir().join("fuzz/findings");
    fs::create_dir_all(&findings)?;
    let mut tally = Tally::default();
    for target in targets {
        let report = match driver {
            Driver::LibFuzzer => libfuzzer::run(workspace, &programs, &findings, target, limit),
            Driver::Storm { .. } => {
                let first = match is_recorded {
                    true => record::next_batch(workspace, target)?,
                    false => fastrand::u64(record::UNRECORDED..2 * record::UNRECORDED),
                };
                storm::run(workspace, &programs, &findings, target, limit, first)
            }
        };
        let report = report.with_context(|| format!("{target} by {}", driver.name()))?;
        show(target, driver, &report);
        if is_recorded {
            record::append(workspace, target, driver, &report)?;
        }
        tally += Tally::of_check(report.finding.is_none());
    }
    Ok(tally)
}

fn show(target: &str, driver: Driver, report: &Report) {
    let Report { executions, per_second, detail, finding, .. } = report;
    let driver = driver.name();
    println!("{target:10} {driver}: {executions} executions, {per_second}/s{detail}");
    if let Some(Finding { input, repeat }) = finding {
        println!("******** FINDING in {target}: {}\nrepeat: {repeat}", input.display());
    }
}

/// The names of all targets: those of the files in `fuzz/targets`.
fn targets(workspace: &Workspace) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(workspace.path("fuzz/targets")).context("fuzz/targets")? {
        let path = entry?.path();
        let stem = path.file_stem().context("a file name")?;
        names.push(stem.to_string_lossy().into_owned());
    }
    names.sort();
    ensure!(!names.is_empty(), "fuzz/targets is empty");
    Ok(names)
}

impl Options {
    fn parse(mut args: lexopt::Parser) -> anyhow::Result<Self> {
        let mut options = Self {
            targets: Vec::new(),
            driver: Driver::LibFuzzer,
            limit: Limit::Seconds(SECONDS),
            record: false,
            seeds: false,
        };
        let (mut is_storm, mut asan) = (false, false);
        while let Some(arg) = args.next()? {
            match arg {
                lexopt::Arg::Value(name) => options.targets.push(name.string()?),
                lexopt::Arg::Long("storm") => is_storm = true,
                lexopt::Arg::Long("asan") => asan = true,
                lexopt::Arg::Long("record") => options.record = true,
                lexopt::Arg::Long("seeds") => options.seeds = true,
                lexopt::Arg::Long("seconds") => {
                    options.limit = Limit::Seconds(args.value()?.parse()?);
                }
                lexopt::Arg::Long("executions") => {
                    options.limit = Limit::Executions(args.value()?.parse()?);
                }
                other => return Err(other.unexpected().into()),
            }
        }
        ensure!(is_storm || !asan, "--asan is for --storm: libFuzzer always has it");
        if is_storm {
            options.driver = Driver::Storm { asan };
        }
        Ok(options)
    }
}

/// The number that follows `what` in a line of words.
fn number_after(line: &str, what: &str) -> Option<u64> {
    let mut words = line.split_whitespace().skip_while(|word| *word != what);
    words.nth(1)?.trim_end_matches("/s").parse().ok()
}

/// What `git` calls the tree, and today.
fn provenance(workspace: &Workspace) -> anyhow::Result<(String, String)> {
    let date = process::output(Command::new("date").arg("+%Y-%m-%d"))?;
    let git = |args: &[&str]| {
        let mut git = Command::new("git");
        process::output(git.args(args).current_dir(workspace.path(".")))
    };
    let commit = git(&["describe", "--always"]).unwrap_or_else(|_| "unknown".into());
    // The record itself changes with every run.
    let changes = ["status", "--porcelain", "--untracked-files=no", "--", ".", ":!fuzz/RECORD.md"];
    let dirty = if git(&changes).is_ok_and(|text| text.trim().is_empty()) { "" } else { "-dirty" };
    Ok((date.trim().into(), format!("{}{dirty}", commit.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> anyhow::Result<Options> {
        Options::parse(lexopt::Parser::from_args(args))
    }

    #[test]
    fn options_are_read() {
        let options = parse(&["lz4", "--seconds", "5", "zstd"]).unwrap();
        assert_eq!(options.targets, ["lz4", "zstd"]);
        assert_eq!((options.driver, options.limit), (Driver::LibFuzzer, Limit::Seconds(5)));
        let options = parse(&["--storm", "--asan", "--executions", "100", "--record"]).unwrap();
        assert_eq!(options.driver, Driver::Storm { asan: true });
        assert_eq!((options.limit, options.record), (Limit::Executions(100), true));
        assert!(parse(&["--asan"]).is_err());
        assert!(parse(&["--what"]).is_err());
    }

    #[test]
    fn targets_are_those_of_the_crate() {
        let targets = targets(&Workspace::of_this_build()).unwrap();
        let manifest = fs::read_to_string(Workspace::of_this_build().path("fuzz/Cargo.toml"));
        let manifest = manifest.unwrap();
        assert!(targets.len() >= 10, "{targets:?}");
        for target in targets {
            assert!(manifest.contains(&format!("path = \"targets/{target}.rs\"")), "{target}");
        }
    }

    #[test]
    fn numbers_are_found_by_name() {
        let line = "done lz4: first 3 next 9 executions 384 calls 1152 seconds 0.1 rate 3840/s";
        assert_eq!(number_after(line, "next"), Some(9));
        assert_eq!(number_after(line, "rate"), Some(3840));
        assert_eq!(number_after(line, "what"), None);
    }
}
