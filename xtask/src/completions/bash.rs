//! bash, with or without the package bash-completion.

use trueno_zramctl::columns::COLUMNS;
use trueno_zramctl::options::{Completion, OPTIONS, Row};

use super::{Value, fill};

pub(super) fn script() -> String {
    let names = |rows: &mut dyn Iterator<Item = &Row>| rows.map(long).collect::<Vec<_>>();
    let all = names(&mut OPTIONS.iter());
    let optional = OPTIONS.iter().filter(|row| matches!(Value::of(row), Value::Optional(_)));
    let attached = optional.map(|row| format!("{}=", long(row)));
    let required = names(&mut OPTIONS.iter().filter(|row| takes_next_word(row)));
    let letters = |valued: bool| {
        let rows = OPTIONS.iter().filter(|row| takes_next_word(row) == valued);
        rows.filter_map(|row| row.short).collect::<String>()
    };
    let columns: Vec<_> = COLUMNS.iter().map(|row| row.name).collect();
    let words: Vec<_> = all.into_iter().chain(attached).collect();
    fill(
        include_str!("bash.in"),
        &[
            ("@OPTIONS@", folded(&words)),
            ("@COLUMNS@", folded(&columns)),
            ("@REQUIRED@", required.join(" | \\\n            ")),
            ("@FLAGS@", letters(false)),
            ("@VALUED@", letters(true)),
            ("@VALUES@", OPTIONS.iter().filter_map(case).collect::<Vec<_>>().join("\n")),
        ],
    )
}

fn long(row: &Row) -> String {
    format!("--{}", row.long)
}

fn takes_next_word(row: &Row) -> bool {
    matches!(Value::of(row), Value::Required(_))
}

/// The branch that offers the values of one option.
fn case(row: &Row) -> Option<String> {
    let action = match row.completion {
        Completion::Nothing => return None,
        Completion::Algorithms => "algorithms".to_owned(),
        Completion::Columns => "columns".to_owned(),
        Completion::Words(words) => format!("offer {}", words.join(" ")),
        Completion::BlockDevices => "block_devices".to_owned(),
        Completion::Directories => "directories".to_owned(),
    };
    let short = row.short.map(|letter| format!("-{letter} | ")).unwrap_or_default();
    Some(format!("        {short}{}) _trueno_zramctl_{action} ;;", long(row)))
}

/// The words of an array, in lines.
fn folded(words: &[impl AsRef<str>]) -> String {
    let mut lines = vec![String::new()];
    for word in words.iter().map(AsRef::as_ref) {
        if lines.last().is_some_and(|line| line.len() + word.len() > 80) {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(if line.is_empty() { "        " } else { " " });
            line.push_str(word);
        }
    }
    lines.join("\n")
}
