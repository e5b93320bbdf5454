//! The table that closes a test run.

use std::fmt::Write as _;
use std::time::Duration;

use crate::tally::Tally;

pub(super) struct Row {
    pub(super) name: String,
    pub(super) time: Duration,
    pub(super) tally: Tally,
    /// Why the part was skipped or could not run; often empty.
    pub(super) note: String,
}

pub(super) fn render(rows: &[Row]) -> String {
    let mut text = String::from("part                 time   passed   failed  skipped\n");
    for Row { name, time, tally, note } in rows {
        let Tally { passed, failed, skipped } = tally;
        let time = duration(*time);
        let line = format!("{name:12} {time:>12} {passed:8} {failed:8} {skipped:8}  {note}");
        writeln!(text, "{}", line.trim_end()).expect("writing to a String cannot fail");
    }
    text
}

pub(super) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 60 {
        format!("{:.1} s", time.as_secs_f64())
    } else {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let row = |name: &str, seconds, tally, note: &str| Row {
            name: name.into(),
            time: Duration::from_millis(seconds),
            tally,
            note: note.into(),
        };
        let rows = [
            row("fmt+clippy", 12_340, Tally { passed: 2, ..Tally::default() }, ""),
            row("vm 6.12", 754_000, Tally::SKIPPED, "skipped: no kernel"),
        ];
        let expected = "\
            part                 time   passed   failed  skipped\n\
            fmt+clippy         12.3 s        2        0        0\n\
            vm 6.12       12 min 34 s        0        0        1  skipped: no kernel\n";
        assert_eq!(render(&rows), expected);
    }
}
