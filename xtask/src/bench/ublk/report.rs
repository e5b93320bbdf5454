//! Tables of what was measured, for docs/BENCHMARKS.md.

use std::fmt::Write as _;

use serde_json::Value;

use super::Clock;
use super::aims::{CEILING, KERNEL, KERNEL_AT_BEST, SAME_FILLED};
use super::records::{Memory, Ratio, Records, Spread};

/// All tables.
pub(super) fn text(records: &Records, clock: Clock) -> String {
    let mut text = machine(&records.machine, clock);
    if !records.works.is_empty() {
        text += &match clock {
            Clock::Time => table(records, "thousand requests a second", |subject, work| {
                let rate = records.rate(subject, work)?;
                let [least, median, most] = [rate.least, rate.median, rate.most].map(|x| x / 1e3);
                Some(format!("{median:.1} ({least:.1} to {most:.1})"))
            }),
            // The clock goes on by a nanosecond an instruction.
            Clock::Instructions => {
                table(records, "thousand instructions a request", |subject, work| {
                    Some(format!("{:.1}", 1e6 / records.rate(subject, work)?.median))
                })
            }
        };
        for (what, peers) in [
            ("times the rate of kernel zram lz4, driven alike", &[KERNEL][..]),
            ("times the rate of kernel zram lz4 at its best", &KERNEL_AT_BEST),
        ] {
            text += &table(records, what, |subject, work| {
                let is_ours = !subject.starts_with("kernel");
                is_ours
                    .then(|| records.ratio(subject, peers, work).map(|ratio| shown(ratio, clock)))?
            });
        }
        text += &table(records, "times the rate of the null target", |subject, work| {
            let is_meant = subject == SAME_FILLED;
            is_meant.then(|| {
                records.ratio(subject, &[CEILING], work).map(|ratio| shown(ratio, clock))
            })?
        });
        let of_whom = match clock {
            Clock::Time => "us of processor time a request: driver + worker",
            Clock::Instructions => "thousand instructions a request: driver + worker",
        };
        text += &table(records, of_whom, |subject, work| {
            let rounds = records.rounds(subject, work);
            let driver = Spread::of(rounds.iter().map(|round| round.driver))?.median * 1e6;
            let worker = Spread::of(rounds.iter().filter_map(|round| round.worker));
            Some(match worker {
                Some(worker) => format!("{driver:.1} + {:.1}", worker.median * 1e6),
                None => format!("{driver:.1}"),
            })
        });
    }
    text + &memory(&records.memory) + &times(records)
}

fn machine(machine: &Value, clock: Clock) -> String {
    let text = |name: &str| machine.get(name).map(ToString::to_string).unwrap_or_default();
    let simd = machine.get("simd").and_then(Value::as_array).into_iter().flatten();
    let simd: Vec<_> = simd.filter_map(Value::as_str).collect();
    format!(
        "Linux {}, {} (emulated), processors: {}, code for: {}, clock: {}\n\n",
        text("kernel").trim_matches('"'),
        text("processor").trim_matches('"'),
        text("processors"),
        simd.join(" "),
        clock.name()
    )
}

/// Median; by time, the spread, and what the fastest rounds say.
fn shown(ratio: Ratio, clock: Clock) -> String {
    let Ratio { rounds: Spread { least, median, most }, fastest } = ratio;
    match clock {
        Clock::Time => format!("**{median:.2}** ({least:.2} to {most:.2}), {fastest:.2}"),
        Clock::Instructions => format!("**{median:.2}**"),
    }
}

/// A table with a row for each subject that has a cell at all.
fn table(records: &Records, what: &str, cell: impl Fn(&str, &str) -> Option<String>) -> String {
    let mut text = format!("| {what} |");
    for work in &records.works {
        write!(text, " {work} |").ok();
    }
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(records.works.len()));
    text.push('\n');
    for subject in &records.subjects {
        let cells: Vec<_> = records.works.iter().map(|work| cell(subject, work)).collect();
        if cells.iter().all(Option::is_none) {
            continue;
        }
        let cells: Vec<_> = cells.into_iter().map(Option::unwrap_or_default).collect();
        writeln!(text, "| {subject} | {} |", cells.join(" | ")).ok();
    }
    text.push('\n');
    text
}

/// Everything in KiB; the last column beside the first row, which is the kernel's.
fn memory(rows: &[Memory]) -> String {
    let Some(first) = rows.first() else { return String::new() };
    let mut text =
        "| KiB held | compressed | `mem_used_total` | table | headroom | processes | sum | \
         of the kernel's | without processes |\n|---|---|---|---|---|---|---|---|---|\n"
            .to_owned();
    for row in rows {
        let kib = [row.stored, row.used, row.table, row.headroom, row.processes, row.total()];
        let kib: Vec<_> = kib.iter().map(|bytes| format!("{:.0}", bytes / 1024.0)).collect();
        let all = row.total() / first.total();
        let without = (row.total() - row.processes) / (first.total() - first.processes);
        let subject = &row.subject;
        writeln!(text, "| {subject} | {} | **{all:.3}** | **{without:.3}** |", kib.join(" | "))
            .ok();
    }
    let pages = first.pages;
    writeln!(text, "\n({pages:.0} pages; processes: what the two workers have for themselves)\n")
        .ok();
    text
}

fn times(records: &Records) -> String {
    if records.times.is_empty() {
        return String::new();
    }
    let mut text = "| | | device | median | least to most |\n|---|---|---|---|---|\n".to_owned();
    for ([what, subject, size], rounds) in &records.times {
        let Some(spread) = Spread::of(rounds.iter().map(|seconds| seconds * 1e3)) else { continue };
        let Spread { least, median, most } = spread;
        writeln!(
            text,
            "| {what} | {subject} | {size} | {median:.1} ms | {least:.1} to {most:.1} ms |"
        )
        .ok();
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::super::records::tests::speed;
    use super::*;

    #[test]
    fn a_table_has_a_row_for_who_has_cells() {
        let lines = speed(KERNEL, "read", 1000.0) + &speed("lz4", "read", 2000.0);
        let records = Records::parse(&lines).expect("records");
        let counted = text(&records, Clock::Instructions);
        assert!(counted.contains("| lz4 | 250.0 |"), "{counted}");
        let text = text(&records, Clock::Time);
        assert!(text.contains("| lz4 | 4.0 (2.0 to 8.0) |"), "{text}");
        assert!(text.contains("| lz4 | **2.00** (2.00 to 2.00), 2.00 |"), "{text}");
        assert_eq!(text.matches(&format!("| {KERNEL} |")).count(), 2, "{text}");
        assert!(!text.contains("KiB held"), "{text}");
    }

    #[test]
    fn memory_is_compared_with_the_first_row() {
        let row = |subject: &str, used: f64, processes: f64| Memory {
            subject: subject.to_owned(),
            pages: 8.0,
            stored: 1024.0,
            used,
            table: 1024.0,
            headroom: 0.0,
            processes,
        };
        let text = memory(&[row("kernel", 3072.0, 0.0), row("ours", 1024.0, 4096.0)]);
        assert!(
            text.contains("| ours | 1 | 1 | 1 | 0 | 4 | 6 | **1.500** | **0.500** |"),
            "{text}"
        );
    }
}
