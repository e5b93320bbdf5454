//! `completions`: what bash, zsh and fish offer behind `trueno-zramctl`, from the program's tables.
//!
//! Each script is a template (`*.in`) whose `@MARKS@` are replaced. Like the program, the scripts
//! look for devices below `TRUENO_ZRAM_ROOT`.

mod bash;
mod fish;
mod zsh;

use std::process::ExitCode;

use trueno_zramctl::options::{Group, Opt, Row};

use crate::generated::{self, File, fill};
use crate::workspace::Workspace;

/// `cargo xtask completions [--check]`.
pub(crate) fn run(workspace: &Workspace, args: lexopt::Parser) -> anyhow::Result<ExitCode> {
    generated::run(workspace, args, "completions", &files())
}

/// What [`run`] writes.
pub(crate) fn files() -> Vec<File> {
    vec![
        File { path: "completions/trueno-zramctl.bash", contents: bash::script().into_bytes() },
        File { path: "completions/_trueno-zramctl", contents: zsh::script().into_bytes() },
        File { path: "completions/trueno-zramctl.fish", contents: fish::script().into_bytes() },
    ]
}

/// How an option takes its value.
#[derive(Clone, Copy, PartialEq)]
enum Value {
    None,
    /// Only if attached with `=`.
    Optional(&'static str),
    Required(&'static str),
}

impl Value {
    fn of(row: &Row) -> Self {
        match row.value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(name) => Value::Optional(name),
            None if row.value.is_empty() => Value::None,
            None => Value::Required(row.value),
        }
    }
}

/// Whether it makes sense to give it again.
fn is_repeatable(row: &Row) -> bool {
    row.group == Group::Live || matches!(row.id, Opt::AlgorithmParams | Opt::RecompressAlgorithm)
}

/// A word that a shell takes literally in single quotes.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests;
