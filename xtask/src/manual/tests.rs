use std::io::Write as _;
use std::process::{Command, Stdio};

use super::*;
use crate::skip::skip;

/// The page without escapes and fonts.
fn plain() -> String {
    let page = page().replace(r"\fB", "").replace(r"\fI", "").replace(r"\fR", "");
    page.replace(r"\-", "-")
}

#[test]
fn every_option_and_column_has_its_item() {
    let page = plain();
    for row in OPTIONS {
        let short = row.short.map(|letter| format!("-{letter}, ")).unwrap_or_default();
        let tag = format!(".TP\n{short}--{}", row.long);
        assert!(page.contains(&tag), "{tag}");
    }
    for row in COLUMNS {
        assert!(page.contains(&format!(".TP\n{}\n", row.name)), "{}", row.name);
    }
}

#[test]
fn the_prose_names_no_option_that_is_not_there() {
    let page = plain();
    let words = page.split(|c: char| !(c.is_ascii_lowercase() || c == '-'));
    for name in words.filter_map(|word| word.strip_prefix("--")).filter(|name| !name.is_empty()) {
        assert!(OPTIONS.iter().any(|row| row.long == name), "--{name}");
    }
}

#[test]
fn table_text_is_a_sentence_in_three_fonts() {
    let text = table_text("with --reset: more", "N is 1.", "[N]");
    let mut page = Page::new(["T", "8", "", "", ""]);
    page.fill(&text);
    let page = page.render();
    let line = page.lines().last().unwrap();
    assert_eq!(line, r"With \fB\-\-reset\fR: more. \fIN\fR is 1.");
}

/// Every page.
fn pages() -> impl Iterator<Item = String> {
    files().into_iter().map(|file| String::from_utf8(file.contents).unwrap())
}

#[test]
fn the_prose_has_no_characters_that_troff_replaces() {
    for page in pages() {
        let body = page.split_once(".TH").unwrap().1;
        for character in ['~', '^', '`'] {
            assert!(!body.contains(character), "{character}");
        }
        assert!(body.is_ascii());
    }
}

#[test]
fn every_key_has_its_item() {
    let page = generator::configuration().replace(r"\-", "-");
    for row in trueno_zram_generator::keys::KEYS {
        let tag = format!(".TP\n\\fB{}\\fR = \\fI", row.name);
        assert!(page.contains(&tag), "{tag}");
    }
}

/// Feeds each page to a program that complains about bad ones; skipped if there is none.
fn assert_no_complaint(program: &str, args: &[&str]) {
    pages().for_each(|page| assert_no_complaint_about(&page, program, args));
}

fn assert_no_complaint_about(page: &str, program: &str, args: &[&str]) {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        skip(&format!("there is no {program}"));
        return;
    };
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn groff_has_no_warnings() {
    assert_no_complaint("groff", &["-man", "-ww", "-z"]);
}

#[test]
fn mandoc_has_no_warnings() {
    // Warnings, not matters of style: long lines depend on the version.
    assert_no_complaint("mandoc", &["-Tlint", "-Wwarning"]);
}
