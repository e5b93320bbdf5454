//! `test`, `ci` and `soak`: parts that run in order, and one sum over all of them.
//!
//! Whatever does not run is said loudly and counted as skipped; whatever runs no test has failed.

mod boot;
mod guest;
mod parts;
mod table;
mod ublk;

use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context as _, bail};
use lexopt::ValueExt as _;

use crate::process::{self, Console};
use crate::tally::Tally;
use crate::test::parts::{Outcome, Part, Session};
use crate::test::table::Row;
use crate::tools;
use crate::workspace::Workspace;

/// Half an hour on two processors, from an empty target directory. What takes longer is for `ci`.
const TEST_PARTS: &[Part] = &[
    Part::Lint,
    Part::Tests,
    Part::Library,
    Part::HostZram,
    Part::Vm("6.12"),
    Part::Vm("7.2"),
    Part::Ublk("6.12"),
    Part::Boot("6.12"),
];

const CI_PARTS: &[Part] = &[
    Part::Lint,
    Part::Doc,
    Part::Tests,
    Part::Library,
    SHORT_FUZZ,
    Part::Arm64,
    Part::HostZram,
    Part::Vm("6.12"),
    Part::Vm("7.2"),
    Part::Ublk("6.12"),
    Part::Ublk("7.2"),
    Part::Libublk("6.12"),
    Part::Boot("6.12"),
];

const SOAK_PARTS: &[Part] = &[
    LONG_FUZZ,
    Part::Store,
    Part::HostZram,
    Part::Vm("6.1"),
    Part::Vm("6.12"),
    Part::Vm("6.18"),
    Part::Vm("7.2"),
    Part::Ublk("6.12"),
    Part::Ublk("6.18"),
    Part::Ublk("7.2"),
    Part::Libublk("6.12"),
    Part::Boot("6.12"),
    Part::Boot("7.2"),
];

/// A minute for all targets together, and half an hour.
const SHORT_FUZZ: Part = Part::Fuzz { libfuzzer_seconds: 4, storm_seconds: 2 };
const LONG_FUZZ: Part = Part::Fuzz { libfuzzer_seconds: 120, storm_seconds: 60 };

/// Emulated machines are slow; a part that takes longer than this hangs.
const TEST_VM_LIMIT_S: u32 = 900;
const SOAK_VM_LIMIT_S: u32 = 3600;

pub(crate) fn test(workspace: &Workspace, args: lexopt::Parser) -> anyhow::Result<ExitCode> {
    let options = Options::parse(args, TEST_PARTS)?;
    let session = Session::new(workspace, Console::default(), TEST_VM_LIMIT_S);
    run_parts(session, &options)
}

pub(crate) fn ci(workspace: &Workspace, args: lexopt::Parser) -> anyhow::Result<ExitCode> {
    let options = Options { yes: true, ..Options::parse(args, CI_PARTS)? };
    let session = Session::new(workspace, Console::default(), TEST_VM_LIMIT_S);
    run_parts(session, &options)
}

pub(crate) fn soak(workspace: &Workspace, args: lexopt::Parser) -> anyhow::Result<ExitCode> {
    let options = Options::parse(args, SOAK_PARTS)?;
    let date = process::output(Command::new("date").arg("+%Y-%m-%dT%H%M%S"))?;
    let record = workspace.target_dir().join(format!("soak-{}.txt", date.trim()));
    println!("The record goes to {}", record.display());
    let mut console = Console::recorded_in(&record)?;
    console.line(&format!("trueno-zram soak of {}", date.trim()))?;
    console.line(&format!("commit {}", commit(workspace)))?;
    let kernel = process::output(Command::new("uname").arg("-srm"))?;
    console.line(&format!("host {}", kernel.trim()))?;

    let mut session = Session::new(workspace, console, SOAK_VM_LIMIT_S);
    session.env.push((parts::SOAK, "1"));
    run_parts(session, &options)
}

/// The commit under test; a source archive has none.
fn commit(workspace: &Workspace) -> String {
    let mut git = Command::new("git");
    git.args(["describe", "--always", "--dirty"]).current_dir(workspace.path("."));
    process::output(&mut git).map_or_else(|_| "unknown".into(), |text| text.trim().into())
}

#[derive(Debug, PartialEq)]
struct Options {
    yes: bool,
    parts: Vec<Part>,
}

impl Options {
    fn parse(mut args: lexopt::Parser, all: &[Part]) -> anyhow::Result<Self> {
        let mut options = Self { yes: false, parts: all.to_vec() };
        while let Some(arg) = args.next()? {
            match arg {
                lexopt::Arg::Long("yes") => options.yes = true,
                lexopt::Arg::Long("only") => {
                    options.parts = select(all, &args.value()?.string()?)?;
                }
                other => return Err(other.unexpected().into()),
            }
        }
        Ok(options)
    }
}

/// The parts that `wanted` names; `vm` names the tests of zram in every virtual machine, `ublk` those
/// of our own devices, `boot` those of whole machines.
fn select(all: &[Part], wanted: &str) -> anyhow::Result<Vec<Part>> {
    let is_wanted = |part: &Part| {
        let kind = match part {
            Part::Vm(_) => "vm",
            Part::Ublk(_) => "ublk",
            Part::Boot(_) => "boot",
            _ => "",
        };
        part.name() == wanted || kind == wanted
    };
    let parts: Vec<Part> = all.iter().copied().filter(is_wanted).collect();
    if parts.is_empty() {
        let names: Vec<_> = all.iter().map(|part| part.name()).collect();
        bail!("there is no part `{wanted}`; the parts are: {}", names.join(", "));
    }
    Ok(parts)
}

/// Runs the parts, prints the table and the closing line.
fn run_parts(mut session: Session<'_>, options: &Options) -> anyhow::Result<ExitCode> {
    let needs = |part: &Part| part.needs();
    let missing = tools::missing(options.parts.iter().flat_map(needs));
    tools::offer(&missing, options.yes)?;

    let mut rows = Vec::new();
    for &part in &options.parts {
        session.console.line(&format!("\n==== {}", part.name()))?;
        let start = Instant::now();
        let (tally, note) = match attempt(&mut session, part) {
            Ok(Outcome::Counted(tally)) => (tally, String::new()),
            Ok(Outcome::Skipped(reason)) => {
                session.console.line(&format!("******** SKIP {}: {reason}", part.name()))?;
                (Tally::SKIPPED, format!("skipped: {reason}"))
            }
            Err(error) => {
                session.console.line(&format!("******** FAIL {}: {error:#}", part.name()))?;
                (Tally::FAILED, format!("failed: {error:#}"))
            }
        };
        let row = Row { name: part.name(), time: start.elapsed(), tally, note };
        session.console.line(&format!("==== {} took {}", row.name, table::duration(row.time)))?;
        rows.push(row);
    }

    session.console.line(&format!("\n{}", table::render(&rows)))?;
    let sum: Tally = rows.iter().map(|row| row.tally).sum();
    session.console.line(&sum.to_string()).context("cannot report the sum")?;
    Ok(if sum.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs a part, unless programs that it needs are missing still.
fn attempt(session: &mut Session<'_>, part: Part) -> anyhow::Result<Outcome> {
    let missing = tools::missing(part.needs());
    if !missing.is_empty() {
        return Ok(Outcome::Skipped(format!("missing programs: {}", tools::names(&missing))));
    }
    session.run(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> anyhow::Result<Options> {
        Options::parse(lexopt::Parser::from_args(args), TEST_PARTS)
    }

    #[test]
    fn every_part_runs_by_default() {
        let expected = Options { yes: false, parts: TEST_PARTS.to_vec() };
        assert_eq!(parse(&[]).unwrap(), expected);
        assert_eq!(parse(&["--yes"]).unwrap(), Options { yes: true, ..expected });
    }

    #[test]
    fn one_part_is_chosen_by_name() {
        let check = |name: &str, expected: &[Part]| {
            assert_eq!(parse(&["--only", name]).unwrap().parts, expected, "{name}");
        };
        check("fmt+clippy", &[Part::Lint]);
        check("host zram", &[Part::HostZram]);
        check("vm 7.2", &[Part::Vm("7.2")]);
        check("vm", &[Part::Vm("6.12"), Part::Vm("7.2")]);
        check("boot", &[Part::Boot("6.12")]);
        check("ublk", &[Part::Ublk("6.12")]);
    }

    #[test]
    fn an_unknown_part_is_refused_with_the_names() {
        let error = parse(&["--only", "vm 9"]).unwrap_err().to_string();
        assert!(
            error.contains("`vm 9`") && error.contains("fmt+clippy, tests, library, host zram")
        );
        assert!(parse(&["--what"]).is_err());
    }
}
