//! Running one libFuzzer program (<https://llvm.org/docs/LibFuzzer.html>).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

use super::{Finding, Limit, Report, number_after};
use crate::process;
use crate::workspace::Workspace;

/// More than the longest input that is no raw page.
const LONGEST_INPUT: usize = 4400;

/// One input that takes so many seconds hangs.
const TIMEOUT_S: u64 = 10;

/// So much of a failing program's output is shown, from the cause on.
const SHOWN_LINES: usize = 30;

pub(super) fn run(
    workspace: &Workspace,
    programs: &Path,
    findings: &Path,
    target: &str,
    limit: Limit,
) -> anyhow::Result<Report> {
    let program = programs.join(target);
    // What it finds out is kept between runs, apart from the seeds, which are committed.
    let grown = workspace.target_dir().join("fuzz/corpus").join(target);
    fs::create_dir_all(&grown)?;
    let seeds = workspace.path("fuzz/corpus").join(target);
    ensure!(seeds.exists(), "{} is not there: cargo xtask fuzz --seeds", seeds.display());
    let prefix = format!("{}/{target}-", findings.display());

    let mut command = Command::new(&program);
    command.arg(match limit {
        Limit::Seconds(seconds) => format!("-max_total_time={seconds}"),
        Limit::Executions(executions) => format!("-runs={executions}"),
    });
    command.arg(format!("-max_len={LONGEST_INPUT}")).arg(format!("-timeout={TIMEOUT_S}"));
    command.args(["-print_final_stats=1", &format!("-artifact_prefix={prefix}")]);
    command.arg(&grown).arg(&seeds);
    let output = command.stdin(Stdio::null()).stdout(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot run {}", process::shown(&command)))?;
    let text = String::from_utf8_lossy(&output.stderr);
    let statistic = |name: &str| text.lines().rev().find_map(|line| number_after(line, name));
    let mut report = Report {
        executions: statistic("stat::number_of_executed_units:").unwrap_or(0),
        per_second: statistic("stat::average_exec_per_sec:").unwrap_or(0),
        ..Report::default()
    };
    if !output.status.success() {
        let is_cause = |line: &&str| line.contains(" panicked at ") || line.contains("ERROR: ");
        for line in text.lines().skip_while(|line| !is_cause(line)).take(SHOWN_LINES) {
            println!("{line}");
        }
        let input = saved(&text).with_context(|| format!("{target}: {}", output.status))?;
        let repeat = format!("{} {}", program.display(), input.display());
        report.finding = Some(Finding { input, repeat });
    } else {
        ensure!(report.executions > 0, "{target} executed nothing");
    }
    Ok(report)
}

/// Where libFuzzer says it has put the input.
fn saved(output: &str) -> Option<PathBuf> {
    let line = output.lines().find_map(|line| line.split_once("Test unit written to "))?.1;
    Some(PathBuf::from(line.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_finding_is_read_from_the_output() {
        let output = "x\nartifact_prefix='a/'; Test unit written to /f/lz4-crash-12\nBase64: AA\n";
        assert_eq!(saved(output), Some(PathBuf::from("/f/lz4-crash-12")));
        assert_eq!(saved("Done 3 runs"), None);
    }
}
