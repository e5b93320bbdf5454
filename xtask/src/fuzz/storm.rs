//! Running `storm` on one target.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context as _, ensure};

use super::{Finding, Limit, Report, number_after};
use crate::process;
use crate::workspace::Workspace;

/// It says more often than this how far it is: a crash lies within so many batches.
const TRACED_BATCHES: u64 = 100_000;

pub(super) fn run(
    workspace: &Workspace,
    programs: &Path,
    findings: &Path,
    target: &str,
    limit: Limit,
    first: u64,
) -> anyhow::Result<Report> {
    let command = |first: u64| {
        let mut command = Command::new(programs.join("storm"));
        command.arg(target).arg("--corpus").arg(workspace.path("corpus"));
        command.arg("--save").arg(findings).args(["--first", &first.to_string()]);
        command
    };
    let mut limited = command(first);
    match limit {
        Limit::Seconds(seconds) => limited.args(["--seconds", &seconds.to_string()]),
        Limit::Executions(executions) => limited.args(["--executions", &executions.to_string()]),
    };
    let (status, said) = listen(limited)?;
    if let Some(report) = said.report(status) {
        return Ok(report);
    }
    // It said nothing of a finding, so it crashed. Once more from where it was, writing down each
    // input.
    println!("{target}: {status} after batch {}; looking for the input", said.batch.max(first));
    let trace = findings.join(format!("{target}-crash-after-{}", said.batch.max(first)));
    let mut again = command(said.batch.max(first));
    again.arg("--trace").arg(&trace).args(["--executions", &(64 * TRACED_BATCHES).to_string()]);
    let repeat = process::shown(&again);
    let (status, _) = listen(again)?;
    ensure!(!status.success(), "{target} crashed once, and not again: {repeat}");
    Ok(Report { finding: Some(Finding { input: trace, repeat }), ..Report::default() })
}

/// What it said that matters.
#[derive(Debug, Default)]
struct Said {
    batch: u64,
    done: Option<String>,
    input: Option<PathBuf>,
    repeat: String,
}

impl Said {
    fn line(&mut self, line: &str) {
        if let Some(batch) = line.strip_prefix("at batch ") {
            self.batch = batch.parse().unwrap_or(self.batch);
        } else if line.starts_with("done ") {
            self.done = Some(line.to_owned());
        } else if let Some(input) = line.strip_prefix("input: ") {
            self.input = Some(PathBuf::from(input));
        } else if let Some(repeat) = line.strip_prefix("repeat: ") {
            self.repeat = repeat.to_owned();
        }
    }

    /// Nothing if it ended without a word.
    fn report(&self, status: ExitStatus) -> Option<Report> {
        if let Some(input) = self.input.clone() {
            let finding = Some(Finding { input, repeat: self.repeat.clone() });
            return Some(Report { finding, ..Report::default() });
        }
        let line = self.done.as_deref().filter(|_| status.success())?;
        let number = |name| number_after(line, name);
        let share = line.split_once("accepted ").and_then(|(_, rest)| rest.split_once(" %"));
        let (calls, share) = (number("calls")?, share?.0);
        Some(Report {
            executions: number("executions")?,
            per_second: number("rate")?,
            batches: Some((number("first")?, number("next")?)),
            detail: format!(", {calls} calls, {share} % accepted"),
            finding: None,
        })
    }
}

/// Runs it and shows findings as they come.
fn listen(mut command: Command) -> anyhow::Result<(ExitStatus, Said)> {
    let mut said = Said::default();
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = spawned.with_context(|| format!("cannot run {}", process::shown(&command)))?;
    let output = child.stdout.take().context("its output is a pipe")?;
    for line in BufReader::new(output).lines() {
        let line = line?;
        said.line(&line);
        if line.starts_with("FINDING") {
            println!("{line}");
        }
    }
    Ok((child.wait()?, said))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(output: &str) -> Said {
        let mut said = Said::default();
        output.lines().for_each(|line| said.line(line));
        said
    }

    #[test]
    fn a_clean_run_is_reported() {
        let said = said(
            "lz4: 10 pages to start from\nat batch 5\ndone lz4: first 4 next 8 executions 256 \
             calls 768 accepted 31.4 % seconds 2.0 rate 128/s\n",
        );
        let report = said.report(ExitStatus::default()).unwrap();
        assert_eq!((report.executions, report.per_second), (256, 128));
        assert_eq!(report.batches, Some((4, 8)));
        assert_eq!(report.detail, ", 768 calls, 31.4 % accepted");
        assert_eq!(report.finding, None);
    }

    #[test]
    fn a_finding_is_reported_and_a_crash_is_none_yet() {
        let said_it = said("at batch 5\nFINDING: bad\ninput: /f/x\nrepeat: storm lz4 --first 5\n");
        let finding = said_it.report(ExitStatus::default()).unwrap().finding.unwrap();
        assert_eq!(finding.input, PathBuf::from("/f/x"));
        assert_eq!(finding.repeat, "storm lz4 --first 5");
        let crashed = said("at batch 77\n");
        assert_eq!((crashed.batch, crashed.report(ExitStatus::default())), (77, None));
    }
}
