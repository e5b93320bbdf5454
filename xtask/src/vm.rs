//! The virtual machines: `tests/vm/run` under other names.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, bail};

use crate::workspace::Workspace;

/// `tests/vm/run`: the archive has no kernel of that series.
pub(crate) const NO_SUCH_KERNEL: i32 = 77;
/// `tests/vm/run`: the guest ran past its limit.
pub(crate) const TIMED_OUT: i32 = 124;

/// One boot of a stock kernel.
pub(crate) struct Guest<'a> {
    pub(crate) series: &'a str,
    pub(crate) limit_s: u32,
    /// In MiB.
    pub(crate) memory: u32,
    pub(crate) env: &'a [(&'a str, &'a str)],
    /// More options of the runner.
    pub(crate) options: &'a [&'a str],
}

impl Guest<'_> {
    /// A command that runs `program` in the guest; its arguments are added by the caller.
    pub(crate) fn command(&self, workspace: &Workspace, program: &Path) -> Command {
        let mut command = Command::new(workspace.path("tests/vm/run"));
        command.args(["-k", self.series, "-t", &self.limit_s.to_string()]);
        command.args(["-m", &self.memory.to_string()]);
        for (name, value) in self.env {
            command.args(["-e", &format!("{name}={value}")]);
        }
        command.args(self.options);
        // Matters only when the target directory lies under /tmp.
        command.arg("-b").arg(workspace.target_dir());
        command.arg("--").arg(program);
        command
    }
}

/// `cargo xtask vm [-k SERIES]... [OPTION]... -- COMMAND...`: every option but a repeated `-k` goes
/// to the runner as it is.
pub(crate) fn run(workspace: &Workspace, mut args: lexopt::Parser) -> anyhow::Result<ExitCode> {
    let Request { series, rest } = Request::parse(args.raw_args()?)?;
    let mut worst = ExitCode::SUCCESS;
    for series in &series {
        println!("-- kernel {}", series.display());
        let mut command = Command::new(workspace.path("tests/vm/run"));
        let status = command.arg("-k").arg(series).args(&rest).status()?;
        if !status.success() {
            let code = status.code().and_then(|code| u8::try_from(code).ok());
            worst = code.map_or(ExitCode::FAILURE, ExitCode::from);
        }
    }
    Ok(worst)
}

#[derive(Debug, PartialEq)]
struct Request {
    series: Vec<OsString>,
    rest: Vec<OsString>,
}

impl Request {
    fn parse(args: impl IntoIterator<Item = OsString>) -> anyhow::Result<Self> {
        let mut args = args.into_iter();
        let (mut series, mut rest) = (Vec::new(), Vec::new());
        while let Some(arg) = args.next() {
            if arg == "-k" {
                series.push(args.next().context("-k needs a kernel series")?);
            } else if arg == "--" {
                rest.push(arg);
                rest.extend(args);
                if series.is_empty() {
                    series.push(DEFAULT_SERIES.into());
                }
                return Ok(Self { series, rest });
            } else {
                rest.push(arg);
            }
        }
        bail!("usage: cargo xtask vm [-k SERIES]... [OPTION]... -- COMMAND...");
    }
}

/// The kernel of current Debian stable.
pub(crate) const DEFAULT_SERIES: &str = "6.12";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &str) -> Option<(String, String)> {
        let request = Request::parse(args.split(' ').map(OsString::from)).ok()?;
        let joined = |words: Vec<OsString>| words.join(" ".as_ref()).into_string().unwrap();
        Some((joined(request.series), joined(request.rest)))
    }

    #[test]
    fn series_are_taken_out_and_the_rest_is_passed_on() {
        let check = |args, series: &str, rest: &str| {
            assert_eq!(parse(args), Some((series.into(), rest.into())), "{args}");
        };
        check("-- true", "6.12", "-- true");
        check("-k 6.1 -m 512 -k 7.2 -- ls -k 3", "6.1 7.2", "-m 512 -- ls -k 3");
    }

    #[test]
    fn a_command_is_needed() {
        for args in ["", "-k", "-k 6.1", "-m 512 ls"] {
            assert_eq!(parse(args), None, "{args}");
        }
    }
}
