//! `fuzz/RECORD.md`: what was run, and where `storm` goes on.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;

use super::{Driver, Report, provenance};
use crate::workspace::Workspace;

/// Runs that are not recorded take batches from this number on, where no recorded one will come.
pub(super) const UNRECORDED: u64 = 1 << 40;

fn path(workspace: &Workspace) -> PathBuf {
    workspace.path("fuzz/RECORD.md")
}

/// The batch after the last recorded one of `target`.
pub(super) fn next_batch(workspace: &Workspace, target: &str) -> anyhow::Result<u64> {
    let text = fs::read_to_string(path(workspace)).context("fuzz/RECORD.md")?;
    Ok(next_in(&text, target))
}

fn next_in(record: &str, target: &str) -> u64 {
    let ends = record.lines().filter_map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let [_, _date, _commit, name, _driver, batches, ..] = cells.as_slice() else { return None };
        let (_, end) = batches.split_once("..").filter(|_| *name == target)?;
        end.parse().ok()
    });
    ends.max().unwrap_or(0)
}

/// Adds a row.
pub(super) fn append(
    workspace: &Workspace,
    target: &str,
    driver: Driver,
    report: &Report,
) -> anyhow::Result<()> {
    let (date, commit) = provenance(workspace)?;
    let mut text = fs::read_to_string(path(workspace)).context("fuzz/RECORD.md")?;
    text.push_str(&row(&date, &commit, target, driver, report));
    fs::write(path(workspace), text).context("fuzz/RECORD.md")
}

fn row(date: &str, commit: &str, target: &str, driver: Driver, report: &Report) -> String {
    let batches = report.batches.map_or_else(String::new, |(a, b)| format!("{a}..{b}"));
    let result = match &report.finding {
        None => format!("no finding{}", report.detail),
        Some(finding) => {
            let name = finding.input.file_name().unwrap_or_default().to_string_lossy();
            format!("finding: {name}")
        }
    };
    let Report { executions, .. } = report;
    let driver = driver.name();
    format!("| {date} | {commit} | {target} | {driver} | {batches} | {executions} | {result} |\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storm_goes_on_where_its_last_row_ends() {
        let report = |a, b| Report { batches: Some((a, b)), ..Report::default() };
        let storm = Driver::Storm { asan: false };
        let mut text =
            String::from("# Record\n\n| date | commit | target | driver | b | e | r |\n");
        assert_eq!(next_in(&text, "lz4"), 0);
        text += &row("d", "c", "lz4", storm, &report(0, 40));
        text += &row("d", "c", "zstd", storm, &report(0, 99));
        text += &row("d", "c", "lz4", Driver::LibFuzzer, &Report::default());
        assert_eq!((next_in(&text, "lz4"), next_in(&text, "zstd")), (40, 99));
    }
}
