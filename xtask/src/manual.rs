//! `man`: the man pages, from the programs' tables and the prose of [`text`] and [`generator`].

mod generator;
mod page;
mod text;

use std::process::ExitCode;

use trueno_zramctl::columns::{COLUMNS, DEFAULT};
use trueno_zramctl::options::{Group, OPTIONS, Row};

use crate::generated::{self, File};
use crate::workspace::Workspace;
use page::{Font, Fragment, Page, markup};
use text::Block;

/// When the text was last gone over, kept by hand: the day of a build would differ in each.
const REVISED: &str = "2026-11-21";
const VERSION: &str = concat!("trueno-zram ", env!("CARGO_PKG_VERSION"));

/// `cargo xtask man [--check]`.
pub(crate) fn run(workspace: &Workspace, args: lexopt::Parser) -> anyhow::Result<ExitCode> {
    generated::run(workspace, args, "man", &files())
}

/// What [`run`] writes.
pub(crate) fn files() -> Vec<File> {
    let file = |path, page: String| File { path, contents: page.into_bytes() };
    vec![
        file("man/trueno-zramctl.8", page()),
        file("man/trueno-zram-generator.8", generator::program()),
        file("man/trueno-zram-generator.conf.5", generator::configuration()),
    ]
}

fn page() -> String {
    let mut page = Page::new(["TRUENO-ZRAMCTL", "8", REVISED, VERSION, "System Administration"]);
    page.section("NAME");
    page.fill(&markup(text::NAME));
    page.section("SYNOPSIS");
    page.lines(text::SYNOPSIS.iter().copied());
    prose(&mut page, "DESCRIPTION", text::DESCRIPTION);
    options(&mut page);
    columns(&mut page);
    for &(heading, blocks) in text::SECTIONS {
        prose(&mut page, heading, blocks);
    }
    prose(&mut page, "DIFFERENCES FROM ZRAMCTL", text::DIFFERENCES);
    additions(&mut page);
    for &(heading, blocks) in text::CLOSING {
        prose(&mut page, heading, blocks);
    }
    page.render()
}

fn prose(page: &mut Page, heading: &str, blocks: &[Block]) {
    page.section(heading);
    for block in blocks {
        match block {
            Block::Subsection(heading) => page.subsection(heading),
            Block::Paragraph(text) => {
                page.paragraph();
                page.fill(&markup(text));
            }
            Block::Item(tag, text) => {
                page.item(&markup(tag));
                page.fill(&markup(text));
            }
            Block::Bullet(text) => {
                page.bullet();
                page.fill(&markup(text));
            }
            Block::Verbatim(text) => page.verbatim(text),
        }
    }
}

fn options(page: &mut Page) {
    page.section("OPTIONS");
    page.fill(&markup(text::OPTIONS));
    for group in Group::ALL {
        page.subsection(group.heading());
        for row in OPTIONS.iter().filter(|row| row.group == group) {
            page.item(&option_tag(row));
            page.fill(&table_text(row.help, row.manual, row.value));
        }
    }
}

fn columns(page: &mut Page) {
    page.section("COLUMNS");
    page.fill(&markup(text::COLUMNS));
    let default: Vec<_> = DEFAULT.iter().map(|column| column.row().name).collect();
    page.fill(&markup(&format!("Shown by default are {}.", list(&default))));
    for row in COLUMNS {
        page.item(&[Fragment::new(Font::Bold, row.name)]);
        page.fill(&table_text(row.help, row.manual, ""));
    }
}

/// The last part of the differences: what the tables know of them.
fn additions(page: &mut Page) {
    page.subsection("Added");
    let options: Vec<_> =
        OPTIONS.iter().filter(|row| !row.stock).map(|row| format!("--{}", row.long)).collect();
    let columns: Vec<_> = COLUMNS.iter().filter(|row| !row.stock).map(|row| row.name).collect();
    for text in [
        format!("The options {}.", list(&options)),
        format!(
            "The columns {}. `--output-all` shows them too, behind all those of zramctl.",
            list(&columns)
        ),
        text::ABBREVIATIONS.to_owned(),
    ] {
        page.bullet();
        page.fill(&markup(&text));
    }
}

/// `-s`, `--size SIZE`; `--swap[=PRIORITY]`.
fn option_tag(row: &Row) -> Vec<Fragment> {
    let bold = |text: String| Fragment::new(Font::Bold, text);
    let roman = |text: &str| Fragment::new(Font::Roman, text);
    let mut tag = Vec::new();
    if let Some(letter) = row.short {
        tag.extend([bold(format!("-{letter}")), roman(", ")]);
    }
    tag.push(bold(format!("--{}", row.long)));
    let italic = |text: &str| Fragment::new(Font::Italic, text);
    match row.value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(optional) => tag.extend([roman("[="), italic(optional), roman("]")]),
        None if row.value.is_empty() => {}
        None => tag.extend([roman(" "), italic(row.value)]),
    }
    tag
}

/// A line of help and what the manual adds to it. Options in it come out bold, the value's name
/// italic.
fn table_text(help: &str, manual: &str, value: &str) -> Vec<Fragment> {
    let placeholders: Vec<_> = value.split(|c: char| !c.is_ascii_uppercase()).collect();
    let text = format!("{} {manual}", sentence(help));
    let mut fragments = Vec::new();
    for word in text.split(' ') {
        let end = word.trim_end_matches(['.', ',', ';', ':', ')']).len();
        let (word, punctuation) = word.split_at(end);
        let font = if word.starts_with("--") {
            Font::Bold
        } else if !word.is_empty() && placeholders.contains(&word) {
            Font::Italic
        } else {
            Font::Roman
        };
        let blank = Fragment::new(Font::Roman, format!("{punctuation} "));
        fragments.extend([Fragment::new(font, word), blank]);
    }
    fragments
}

fn sentence(help: &str) -> String {
    let mut letters = help.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    format!("{}{}.", first.map(String::from).unwrap_or_default(), letters.as_str())
}

/// `a, b and c`, each bold.
fn list(names: &[impl AsRef<str>]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("`{}`", name.as_ref())).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

#[cfg(test)]
mod tests;
