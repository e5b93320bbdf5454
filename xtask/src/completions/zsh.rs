//! zsh: specifications for `_arguments`.

use trueno_zramctl::columns::COLUMNS;
use trueno_zramctl::options::{Completion, OPTIONS, Opt, Row};

use super::{Value, fill, is_repeatable, quote};

pub(super) fn script() -> String {
    let options: Vec<_> = OPTIONS.iter().map(specification).collect();
    let columns = COLUMNS.iter();
    // What _describe splits at the first colon.
    let columns =
        columns.map(|row| format!("    {}", quote(&format!("{}:{}", row.name, row.help))));
    fill(
        include_str!("zsh.in"),
        &[("@OPTIONS@", options.concat()), ("@COLUMNS@", columns.collect::<Vec<_>>().join("\n"))],
    )
}

/// `'(-s --size)'{-s+,--size=}'[help]:SIZE: ' \`
fn specification(row: &Row) -> String {
    let long = format!("--{}", row.long);
    let short = row.short.map(|letter| format!("-{letter}"));
    let names: Vec<_> = short.iter().chain([&long]).cloned().collect();
    let excludes = match row.id {
        // Nothing else counts beside these.
        Opt::Help | Opt::Version => "'(- *)'".to_owned(),
        _ if is_repeatable(row) => "'*'".to_owned(),
        _ => quote(&format!("({})", names.join(" "))),
    };
    let (short_suffix, long_suffix, value) = match Value::of(row) {
        Value::None => ("", "", String::new()),
        Value::Required(name) => ("+", "=", format!(":{}:{}", escape(name), action(row))),
        Value::Optional(name) => ("-", "=-", format!("::{}:{}", escape(name), action(row))),
    };
    let long = format!("{long}{long_suffix}");
    let names = match short {
        Some(short) => format!("{{{short}{short_suffix},{long}}}"),
        None => long,
    };
    let rest = quote(&format!("[{}]{value}", escape(row.help)));
    format!("  {excludes}{names}{rest} \\\n")
}

fn action(row: &Row) -> String {
    match row.completion {
        Completion::Nothing => " ".to_owned(),
        Completion::Algorithms => "_trueno_zramctl_algorithms".to_owned(),
        Completion::Columns => "_trueno_zramctl_columns".to_owned(),
        Completion::Words(words) => format!("({})", words.join(" ")),
        Completion::BlockDevices => "_trueno_zramctl_block_devices".to_owned(),
        Completion::Directories => "_files -/".to_owned(),
    }
}

/// For what stands in brackets or between colons.
fn escape(text: &str) -> String {
    let special = |c| matches!(c, '[' | ']' | ':' | '\\');
    text.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}
