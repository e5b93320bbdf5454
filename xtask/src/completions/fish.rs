//! fish.

use trueno_zramctl::columns::COLUMNS;
use trueno_zramctl::options::{Completion, OPTIONS, Row};

use super::{Value, fill};

pub(super) fn script() -> String {
    let columns = COLUMNS.iter().map(|row| format!("        {}\\t{}", row.name, quote(row.help)));
    fill(
        include_str!("fish.in"),
        &[
            ("@OPTIONS@", OPTIONS.iter().map(option).collect::<Vec<_>>().join("\n")),
            ("@COLUMNS@", columns.collect::<Vec<_>>().join(" \\\n")),
        ],
    )
}

fn option(row: &Row) -> String {
    let mut line = "complete -c trueno-zramctl".to_owned();
    if let Some(letter) = row.short {
        line.push_str(&format!(" -s {letter}"));
    }
    line.push_str(&format!(" -l {}", row.long));
    // Required and no files. An optional value is offered behind `=` only.
    if matches!(Value::of(row), Value::Required(_)) {
        line.push_str(" -x");
    }
    let values = match row.completion {
        Completion::Nothing => String::new(),
        Completion::Algorithms => "(__trueno_zramctl_algorithms)".to_owned(),
        Completion::Columns => "(__trueno_zramctl_columns)".to_owned(),
        Completion::Words(words) => words.join(" "),
        Completion::BlockDevices => "(__trueno_zramctl_block_devices)".to_owned(),
        Completion::Directories => "(__fish_complete_directories)".to_owned(),
    };
    if !values.is_empty() {
        line.push_str(&format!(" -a {}", quote(&values)));
    }
    line + " -d " + &quote(row.help)
}

/// fish knows escapes in single quotes.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'"))
}
