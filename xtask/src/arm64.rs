//! `arm64`: the tests of the codecs on AArch64, under QEMU's user-mode emulation. They show that the
//! results are right; times under emulation say nothing about a real processor.

mod apt;
mod toolchain;

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::bail;

pub(crate) use crate::arm64::apt::KEYRING;
use crate::arm64::toolchain::Toolchain;
use crate::process::{self, Console};
use crate::tally::{Counter, Tally};
use crate::tools;
use crate::workspace::Workspace;

/// Unit and integration tests. Documentation tests show the API, which no processor changes.
const TESTS: &[&str] =
    &["test", "--package", "trueno-zram-core", "--all-features", "--lib", "--tests"];

/// Each value that `TRUENO_SIMD` has in turn: the best that the processor has, and plain Rust.
const BACKENDS: &[Option<&str>] = &[None, Some("portable")];
const BACKEND: &str = "TRUENO_SIMD";

/// `cargo xtask arm64 [--yes] [-- ARGUMENT...]`: the arguments go to the test programs.
pub(crate) fn run(workspace: &Workspace, args: lexopt::Parser) -> anyhow::Result<ExitCode> {
    let Options { yes, arguments } = Options::parse(args)?;
    tools::offer(&tools::missing(tools::ARM64.iter().copied()), yes)?;
    let missing = tools::missing(tools::ARM64.iter().copied());
    if !missing.is_empty() {
        bail!("missing programs: {}", tools::names(&missing));
    }
    let mut console = Console::default();
    let toolchain = toolchain(&mut console)?;
    let tally = tests(workspace, &toolchain, &mut console, &arguments)?;
    console.line(&tally.to_string())?;
    Ok(if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The compiler, or why there is none here.
pub(crate) fn toolchain(console: &mut Console) -> anyhow::Result<Toolchain> {
    Toolchain::obtain(console)
}

/// Runs the tests once for each backend and says with what they ran.
pub(crate) fn tests(
    workspace: &Workspace,
    toolchain: &Toolchain,
    console: &mut Console,
    arguments: &[OsString],
) -> anyhow::Result<Tally> {
    let mut sum = Tally::default();
    let mut report = vec![toolchain.versions()?];
    for backend in BACKENDS {
        let name = backend.unwrap_or("unset");
        console.line(&format!("-- {BACKEND} {name}"))?;
        let command = test_command(workspace, toolchain, *backend, arguments);
        let mut counter = Counter::default();
        let status = console.run(command, |line| counter.line(line))?;
        let tally = counter.finish(status.success());
        report.push(format!("{BACKEND} {name}: {tally}"));
        sum += tally;
    }
    console.line(&format!("\n{}", report.join("\n")))?;
    Ok(sum)
}

fn test_command(
    workspace: &Workspace,
    toolchain: &Toolchain,
    backend: Option<&str>,
    arguments: &[OsString],
) -> Command {
    let mut command = workspace.cargo(TESTS.iter().copied());
    command.args(["--no-fail-fast", "--target", toolchain::TARGET, "--"]).args(arguments);
    toolchain.configure(&mut command);
    // Another compiler: in the common directory each would make cargo ask the other's version anew.
    command.env("CARGO_TARGET_DIR", workspace.target_dir().join("arm64"));
    // Intrinsics that are not inlined are calls, and emulated calls take minutes. Assertions and
    // checks of overflow stay.
    command.env("CARGO_PROFILE_DEV_OPT_LEVEL", "2");
    // A test cannot start itself again: the kernel does not know its processor.
    command.env("TRUENO_TEST_EMULATED", "1");
    match backend {
        Some(name) => command.env(BACKEND, name),
        None => command.env_remove(BACKEND),
    };
    command
}

#[derive(Debug, Default, PartialEq)]
struct Options {
    yes: bool,
    arguments: Vec<OsString>,
}

impl Options {
    fn parse(mut args: lexopt::Parser) -> anyhow::Result<Self> {
        let mut options = Self::default();
        let mut words = args.raw_args()?;
        while let Some(word) = words.next() {
            match word.to_str() {
                Some("--yes") => options.yes = true,
                Some("--") => options.arguments = words.by_ref().collect(),
                _ => bail!("usage: cargo xtask arm64 [--yes] [-- ARGUMENT...]"),
            }
        }
        Ok(options)
    }
}

/// The first line that `program --version` prints.
fn version(program: &std::path::Path) -> anyhow::Result<String> {
    let text = process::output(Command::new(program).arg("--version"))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> anyhow::Result<Options> {
        Options::parse(lexopt::Parser::from_args(args))
    }

    #[test]
    fn what_follows_the_dashes_is_for_the_tests() {
        assert_eq!(parse(&[]).unwrap(), Options::default());
        let options = parse(&["--yes", "--", "lz4", "--yes"]).unwrap();
        assert_eq!(options, Options { yes: true, arguments: vec!["lz4".into(), "--yes".into()] });
        assert!(parse(&["lz4"]).is_err());
    }

    #[test]
    fn every_run_sets_its_backend() {
        let workspace = Workspace::of_this_build();
        let toolchain = Toolchain::in_directory("/t".into());
        let backend = |backend| {
            let command = test_command(&workspace, &toolchain, backend, &[]);
            let set = command.get_envs().find(|(name, _)| *name == BACKEND);
            set.expect("neither is inherited").1.map(OsString::from)
        };
        assert_eq!(backend(None), None);
        assert_eq!(backend(Some("portable")), Some("portable".into()));
    }
}
