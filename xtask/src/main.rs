//! `cargo xtask`: the one developer entry point of the workspace.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a console program")]

mod arm64;
mod bench;
mod compat;
mod completions;
mod corpus;
mod demo;
mod dist;
mod fuzz;
mod manual;
mod tables;
mod test;
mod vm;

mod generated;
mod process;
#[cfg(test)]
#[path = "../../tests/skip.rs"]
mod skip;
mod tally;
mod tools;
mod workspace;

use std::process::ExitCode;

use lexopt::ValueExt as _;

use crate::workspace::Workspace;

struct Subcommand {
    name: &'static str,
    help: &'static str,
    run: fn(&Workspace, lexopt::Parser) -> anyhow::Result<ExitCode>,
}

/// What `cargo xtask` can do; a new command is one row.
const SUBCOMMANDS: &[Subcommand] = &[
    Subcommand {
        name: "demo",
        help: "[--yes]  show trueno-zramctl at work on a real device, here or in a VM",
        run: demo::run,
    },
    Subcommand {
        name: "test",
        help: "[--yes] [--only PART]  every check, on the host and in the VMs, and one sum",
        run: test::test,
    },
    Subcommand {
        name: "soak",
        help: "[--yes] [--only PART]  fuzzing, the store, devices on every kernel, for hours; keeps a record",
        run: test::soak,
    },
    Subcommand {
        name: "ci",
        help: "what CI runs: `test --yes`, the documentation, fuzzing, AArch64, our devices on 7.2",
        run: test::ci,
    },
    Subcommand {
        name: "dist",
        help: "[--deb] [--rpm] [--out DIR] [--profile release|dev] [--yes]  packages, in target/dist",
        run: dist::run,
    },
    Subcommand {
        name: "man",
        help: "[--check]  write the man pages from the programs' tables",
        run: manual::run,
    },
    Subcommand {
        name: "completions",
        help: "[--check]  write the completions of bash, zsh and fish, likewise",
        run: completions::run,
    },
    Subcommand {
        name: "compat",
        help: "[--check]  write docs/COMPAT.md from the table of attributes",
        run: compat::run,
    },
    Subcommand {
        name: "arm64",
        help: "[--yes] [-- ARGUMENT...]  the codecs' tests on AArch64, emulated",
        run: arm64::run,
    },
    Subcommand {
        name: "bench",
        help: "[start-up | codec [OPTION]... | store [OPTION]... | ublk [-k SERIES]... [--clock time|instructions]... [--runs N] [--quick] [--again] [--json FILE] [PART]...]  what docs/BENCHMARKS.md records; bare `codec` redraws its picture",
        run: bench::run,
    },
    Subcommand {
        name: "tables",
        help: "[--check] [--out FILE]  train the tables of the word-mask codec on corpus/",
        run: tables::run,
    },
    Subcommand {
        name: "corpus",
        help: "[--list] [--only NAME]... [--pages N] [--pid PID] DIR  sample real processes' memory",
        run: corpus::run,
    },
    Subcommand {
        name: "fuzz",
        help: "[TARGET]... [--storm [--asan]] [--seconds N | --executions N] [--record] | --seeds",
        run: fuzz::run,
    },
    Subcommand {
        name: "vm",
        help: "[-k SERIES]... [OPTION]... -- COMMAND...  run a command under stock kernels",
        run: vm::run,
    },
];

fn main() -> ExitCode {
    match dispatch() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch() -> anyhow::Result<ExitCode> {
    let mut args = lexopt::Parser::from_env();
    let name = match args.next()? {
        Some(lexopt::Arg::Value(name)) => name.string()?,
        Some(lexopt::Arg::Long("help") | lexopt::Arg::Short('h')) => {
            print!("{}", help());
            return Ok(ExitCode::SUCCESS);
        }
        _ => return Ok(usage_error("a command is needed")),
    };
    let Some(subcommand) = SUBCOMMANDS.iter().find(|subcommand| subcommand.name == name) else {
        return Ok(usage_error(&format!("there is no command `{name}`")));
    };
    if asks_for_help(&mut args) {
        println!("Usage: cargo xtask {name} {}", subcommand.help);
        return Ok(ExitCode::SUCCESS);
    }
    (subcommand.run)(&Workspace::of_this_build(), args)
}

/// Whether the first argument after the command is `--help` or `-h`.
fn asks_for_help(args: &mut lexopt::Parser) -> bool {
    let rest = args.try_raw_args();
    rest.is_some_and(|rest| rest.peek().is_some_and(|arg| arg == "--help" || arg == "-h"))
}

fn usage_error(problem: &str) -> ExitCode {
    eprint!("xtask: {problem}\n\n{}", help());
    ExitCode::from(2)
}

fn help() -> String {
    let mut text = String::from("Usage: cargo xtask COMMAND [ARGUMENT]...\n\nCommands:\n");
    for Subcommand { name, help, .. } in SUBCOMMANDS {
        text.push_str(&format!("  {name:12} {help}\n"));
    }
    text
}
