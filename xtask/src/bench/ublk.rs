//! `cargo xtask bench ublk`: our block devices beside the kernel's zram, in virtual machines.

mod aims;
mod records;
mod report;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use lexopt::ValueExt as _;
use serde_json::{Value, json};

use crate::process::Console;
use crate::vm::{DEFAULT_SERIES, Guest};
use crate::workspace::Workspace;
use records::Records;

/// Half an hour is more than five rounds take on an idle machine; it may be a busy one.
const LIMIT_S: u32 = 5400;
/// In MiB.
const MEMORY: u32 = 2048;

/// What the guest writes, in the directory of the run.
const RECORDS: &str = "records";

/// What the clock of a guest goes by. Both have their truth: time has the processors work side by side,
/// and costs what it costs the emulator; instructions are the same on every run and every machine, and
/// all counted alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clock {
    Time,
    Instructions,
}

impl Clock {
    const ALL: [Self; 2] = [Self::Time, Self::Instructions];

    const fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Instructions => "instructions",
        }
    }
}

/// What is asked for.
#[derive(Debug, PartialEq)]
struct Options {
    /// Kernels, one machine each.
    series: Vec<String>,
    rounds: u32,
    /// Small devices and short rounds: whether it works, not what it measures.
    is_quick: bool,
    json: Option<PathBuf>,
    /// Only make tables of what the last run has recorded.
    is_again: bool,
    /// By which clocks.
    clocks: Vec<Clock>,
    /// Parts to run; none for all.
    parts: Vec<String>,
}

impl Options {
    fn parse(args: &[OsString]) -> anyhow::Result<Self> {
        let mut options = Self {
            series: Vec::new(),
            rounds: 5,
            is_quick: false,
            json: None,
            is_again: false,
            clocks: Vec::new(),
            parts: Vec::new(),
        };
        let mut args = lexopt::Parser::from_args(args);
        while let Some(argument) = args.next()? {
            match argument {
                lexopt::Arg::Short('k') => options.series.push(args.value()?.string()?),
                lexopt::Arg::Long("runs") => options.rounds = args.value()?.parse()?,
                lexopt::Arg::Long("quick") => options.is_quick = true,
                lexopt::Arg::Long("again") => options.is_again = true,
                lexopt::Arg::Long("json") => options.json = Some(args.value()?.into()),
                lexopt::Arg::Long("clock") => options.clocks.push(clock(&args.value()?.string()?)?),
                lexopt::Arg::Value(part) => options.parts.push(part.string()?),
                other => return Err(other.unexpected().into()),
            }
        }
        if options.series.is_empty() {
            options.series.push(DEFAULT_SERIES.to_owned());
        }
        if options.clocks.is_empty() {
            options.clocks.extend(Clock::ALL);
        }
        // Memory is the same by any clock, and times without a second processor are of no interest.
        if !options.parts.is_empty() && !options.parts.iter().any(|part| part == "speed") {
            options.clocks.retain(|clock| *clock == Clock::Time);
        }
        ensure!(options.rounds > 0, "--runs 0: nothing would be measured");
        Ok(options)
    }

    /// For the program in the guest.
    fn for_guest(&self, clock: Clock) -> Vec<String> {
        let (mib, milliseconds, rounds) = match (clock, self.is_quick) {
            (Clock::Time, true) => ("32", "60", self.rounds),
            (Clock::Time, false) => ("256", "400", self.rounds),
            // What does not change needs no repetition; the second round is the witness.
            (Clock::Instructions, is_quick) => (if is_quick { "8" } else { "32" }, "100", 2),
        };
        let rounds = rounds.to_string();
        let words = ["--rounds", &rounds, "--mib", mib, "--milliseconds", milliseconds];
        let words = words.map(str::to_owned).into_iter();
        match clock {
            Clock::Time => words.chain(self.parts.iter().cloned()).collect(),
            Clock::Instructions => words.chain(["speed".to_owned()]).collect(),
        }
    }
}

fn clock(name: &str) -> anyhow::Result<Clock> {
    let clock = Clock::ALL.into_iter().find(|clock| clock.name() == name);
    clock.with_context(|| format!("there is no clock `{name}`; there are time and instructions"))
}

/// Runs it once in a machine of each kernel, and prints what docs/BENCHMARKS.md records.
pub(crate) fn run(workspace: &Workspace, args: &[OsString]) -> anyhow::Result<ExitCode> {
    let options = Options::parse(args)?;
    let mut runs = Vec::new();
    let machines = options
        .series
        .iter()
        .flat_map(|series| options.clocks.iter().map(move |clock| (series.as_str(), *clock)));
    for (series, clock) in machines {
        let out = format!("bench-ublk-{series}-{}", clock.name());
        let out = workspace.target_dir().join(out);
        if !options.is_again {
            measure(workspace, &options, series, clock, &out)?;
        }
        let file = out.join(RECORDS);
        let text = fs::read_to_string(&file);
        let text = text.with_context(|| format!("cannot read {}", file.display()))?;
        let records = Records::parse(&text)?;
        println!("\n{}", report::text(&records, clock));
        let aims = aims::judge(&records);
        for aim in &aims {
            println!("{aim}");
        }
        let aims: Vec<String> = aims.iter().map(ToString::to_string).collect();
        let clock = clock.name();
        runs.push(
            json!({ "kernel": series, "clock": clock, "records": records.lines, "aims": aims }),
        );
    }
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&Value::Array(runs))?;
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// One machine, from boot to end; leaves its records in `out`.
fn measure(
    workspace: &Workspace,
    options: &Options,
    series: &str,
    clock: Clock,
    out: &Path,
) -> anyhow::Result<()> {
    // Both with the same command, so that their dependencies have the same features and are built once.
    let build =
        ["build", "--release", "-p", "trueno-ublk", "--bin", "trueno-ublk", "--bench", "devices"];
    let program = workspace.build_executable(&build, "bin", "trueno-ublk")?;
    let devices = workspace.build_executable(&build, "bench", "devices")?;
    fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    let how: &[&str] = if clock == Clock::Instructions { &["-i"] } else { &[] };
    let guest = Guest { series, limit_s: LIMIT_S, memory: MEMORY, env: &[], options: how };
    let mut command = guest.command(workspace, &devices);
    command.arg("--program").arg(program).arg("--out").arg(out.join(RECORDS));
    command.args(options.for_guest(clock)).env("VM_OUT", out);
    let status = Console::default().run(command, |_| ())?;
    ensure!(status.success(), "kernel {series}: {status}; see {}", out.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> anyhow::Result<Options> {
        Options::parse(&line.split_ascii_whitespace().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_understood() {
        let options = parse("-k 6.12 -k7.2 --runs 7 --json x.json speed").expect("options");
        assert_eq!(options.series, ["6.12", "7.2"]);
        let shown = |options: &Options, clock| options.for_guest(clock).join(" ");
        let words = "--rounds 7 --mib 256 --milliseconds 400 speed";
        assert_eq!(shown(&options, Clock::Time), words);
        let options = parse("--quick").expect("options");
        assert_eq!(
            (&*options.series, &*options.clocks),
            (&[DEFAULT_SERIES.to_owned()][..], &Clock::ALL[..])
        );
        assert_eq!(shown(&options, Clock::Time), "--rounds 5 --mib 32 --milliseconds 60");
        let words = "--rounds 2 --mib 8 --milliseconds 100 speed";
        assert_eq!(shown(&options, Clock::Instructions), words);
        assert_eq!(parse("--clock time").expect("options").clocks, [Clock::Time]);
        for bad in ["--clock sun", "--runs 0", "--runs x", "-x", "-k"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
