//! `--help` and `--version`, from the tables.

use std::fmt::Write as _;

use crate::columns::{COLUMNS, DEFAULT};
use crate::options::{Group, OPTIONS, Row};

/// Where descriptions start.
const INDENT: usize = 34;

/// The whole help text.
#[must_use]
pub fn text(program: &str) -> String {
    let mut text = format!(
        "\nUsage:\n \
         {program} [options] [<device>]              show devices\n \
         {program} [options] --find [--size SIZE]    set one up\n \
         {program} [options] --size SIZE <device>\n \
         {program} <actions> <device>...             work on live ones\n \
         {program} --reset <device>...               take them away\n\n\
         Set up and control compressed RAM block devices.\n"
    );
    for group in Group::ALL {
        text.push_str(&format!("\n{}:\n", group.heading()));
        let rows = OPTIONS.iter().filter(|row| row.group == group);
        rows.for_each(|row| text.push_str(&line(&names(row), row.help)));
    }
    text.push_str("\nColumns for --output (* are shown by default):\n");
    for row in COLUMNS {
        let mark = if DEFAULT.contains(&row.id) { '*' } else { ' ' };
        text.push_str(&line(&format!("{mark}{}", row.name), row.help));
    }
    text.push_str("\nFor more details see trueno-zramctl(8).\n");
    text
}

/// What `--version` prints.
#[must_use]
pub fn version(program: &str) -> String {
    format!("{program} from trueno-zram {}\n", env!("CARGO_PKG_VERSION"))
}

/// `-s, --size SIZE`.
#[must_use]
pub fn names(row: &Row) -> String {
    let mut names = match row.short {
        Some(letter) => format!("-{letter}, --{}", row.long),
        None => format!("    --{}", row.long),
    };
    let result = match row.value.strip_prefix('[') {
        _ if row.value.is_empty() => Ok(()),
        Some(optional) => write!(names, "[={optional}"),
        None => write!(names, " {}", row.value),
    };
    debug_assert!(result.is_ok(), "a String takes everything");
    names
}

fn line(names: &str, help: &str) -> String {
    let gap = INDENT.saturating_sub(names.len() + 1);
    if gap < 2 {
        return format!(" {names}\n{:INDENT$}{help}\n", "");
    }
    format!(" {names}{:gap$}{help}\n", "")
}
