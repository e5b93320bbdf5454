//! Runs numbered batches of damaged pages through one target, as fast as it can.
//!
//! `storm TARGET --corpus DIR [--first BATCH] [--executions N | --seconds N] [--save DIR] [--trace FILE]`
//!
//! The last line that it prints is for `cargo xtask fuzz`, which reads it. A line `at batch N` every
//! second or so says from where to repeat what ended in a crash; `--trace` then writes every input to
//! a file before it is run.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use lexopt::{Arg, ValueExt as _};
use trueno_zram_fuzz::batch::{Batch, Batches, INPUTS};
use trueno_zram_fuzz::common::{Finding, Rigor, Verdict};
use trueno_zram_fuzz::{Harness, Target, pages};

struct Options {
    target: Target,
    corpus: PathBuf,
    first: u64,
    executions: u64,
    time: Duration,
    save: PathBuf,
    trace: Option<PathBuf>,
}

fn main() -> ExitCode {
    match options() {
        Ok(options) => run(&options),
        Err(error) => {
            eprintln!("storm: {error}");
            ExitCode::from(2)
        }
    }
}

fn options() -> Result<Options, lexopt::Error> {
    let mut args = lexopt::Parser::from_env();
    let mut target = None;
    let mut options = Options {
        target: trueno_zram_fuzz::TARGETS[0],
        corpus: PathBuf::from("corpus"),
        first: 0,
        executions: u64::MAX,
        time: Duration::MAX,
        save: PathBuf::from("."),
        trace: None,
    };
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Value(name) => target = Target::named(&name.string()?),
            Arg::Long("corpus") => options.corpus = args.value()?.into(),
            Arg::Long("first") => options.first = args.value()?.parse()?,
            Arg::Long("executions") => options.executions = args.value()?.parse()?,
            Arg::Long("seconds") => options.time = Duration::from_secs(args.value()?.parse()?),
            Arg::Long("save") => options.save = args.value()?.into(),
            Arg::Long("trace") => options.trace = Some(args.value()?.into()),
            other => return Err(other.unexpected()),
        }
    }
    options.target = target.ok_or("the first argument names a target")?;
    Ok(options)
}

fn run(options: &Options) -> ExitCode {
    let name = options.target.name;
    let pages = pages::all(&options.corpus);
    println!("{name}: {} pages to start from", pages.len());
    let batches = Batches::new(options.target, pages);
    let mut harness = Harness::new(options.target);
    let start = Instant::now();
    let mut said = start;
    let (mut next, mut accepted) = (options.first, 0);
    while (next - options.first) * INPUTS < options.executions && start.elapsed() < options.time {
        if said.elapsed() > Duration::from_secs(1) {
            println!("at batch {next}");
            said = Instant::now();
        }
        let batch = batches.make(next);
        harness.dirty(next as usize % 1000);
        for (index, input) in batch.inputs.iter().enumerate() {
            if let Some(trace) = &options.trace {
                fs::write(trace, input).expect("the trace can be written");
            }
            match execute(&mut harness, &batch, index) {
                Ok(verdict) => accepted += u64::from(verdict == Verdict::Accepted),
                Err(finding) => {
                    let file = options.save.join(format!("{name}-{next}-{index}"));
                    report(&file, input, &finding);
                    let (program, corpus) = (std::env::args().next(), options.corpus.display());
                    let program = program.unwrap_or_default();
                    println!(
                        "repeat: {program} {name} --corpus {corpus} --first {next} --executions 1"
                    );
                    return ExitCode::FAILURE;
                }
            }
        }
        next += 1;
    }
    let executions = (next - options.first) * INPUTS;
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "done {name}: first {} next {next} executions {executions} calls {} accepted {:.1} % \
         seconds {seconds:.1} rate {:.0}/s",
        options.first,
        executions * harness.calls(),
        accepted as f64 * 100.0 / executions.max(1) as f64,
        executions as f64 / seconds,
    );
    ExitCode::SUCCESS
}

fn execute(harness: &mut Harness, batch: &Batch, index: usize) -> Result<Verdict, Finding> {
    let input = batch.inputs.get(index).map_or(&[][..], Vec::as_slice);
    let check = AssertUnwindSafe(|| harness.check(input, Rigor::Once));
    let verdict = catch_unwind(check).unwrap_or_else(|_| Err("a panic".into()))?;
    if index == 0 && batch.first_is_valid && verdict == Verdict::Rejected {
        return Err("what an encoder wrote is refused".into());
    }
    Ok(verdict)
}

fn report(file: &Path, input: &[u8], finding: &str) {
    println!("FINDING: {finding}");
    match fs::write(file, input) {
        Ok(()) => println!("input: {}", file.display()),
        Err(error) => println!("input: cannot be written to {}: {error}", file.display()),
    }
}
