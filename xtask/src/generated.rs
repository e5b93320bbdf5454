//! Files that are made from the program's tables and committed all the same, for whoever packages
//! or reads them without building anything.

use std::fs;
use std::process::ExitCode;

use anyhow::Context as _;

use crate::workspace::Workspace;

/// One such file.
pub(crate) struct File {
    /// Below the workspace.
    pub(crate) path: &'static str,
    pub(crate) contents: Vec<u8>,
}

impl File {
    /// Whether what is committed is what the tables say. A missing file is not.
    fn is_current(&self, workspace: &Workspace) -> bool {
        fs::read(workspace.path(self.path)).is_ok_and(|bytes| bytes == self.contents)
    }

    fn write(&self, workspace: &Workspace) -> anyhow::Result<()> {
        let path = workspace.path(self.path);
        let directory = path.parent().context("a file lies in a directory")?;
        fs::create_dir_all(directory)
            .and_then(|()| fs::write(&path, &self.contents))
            .with_context(|| format!("cannot write {}", path.display()))
    }
}

/// `cargo xtask COMMAND [--check]`: writes the files that are not current, or only names them.
pub(crate) fn run(
    workspace: &Workspace,
    mut args: lexopt::Parser,
    command: &str,
    files: &[File],
) -> anyhow::Result<ExitCode> {
    let mut check = false;
    while let Some(argument) = args.next()? {
        match argument {
            lexopt::Arg::Long("check") => check = true,
            other => return Err(other.unexpected().into()),
        }
    }
    update(workspace, check, command, files)
}

/// The same, for a command that has other options too.
pub(crate) fn update(
    workspace: &Workspace,
    check: bool,
    command: &str,
    files: &[File],
) -> anyhow::Result<ExitCode> {
    let stale: Vec<_> = files.iter().filter(|file| !file.is_current(workspace)).collect();
    for file in &stale {
        if check {
            println!("{} is out of date: run `cargo xtask {command}`", file.path);
        } else {
            file.write(workspace)?;
            println!("wrote {}", file.path);
        }
    }
    Ok(if check && !stale.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Replaces each `@MARK@` of a template.
pub(crate) fn fill(template: &str, marks: &[(&str, String)]) -> String {
    marks.iter().fold(template.to_owned(), |text, (mark, value)| text.replace(mark, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{compat, completions, manual, tables};

    fn assert_current(command: &str, files: &[File]) {
        let workspace = Workspace::of_this_build();
        for file in files {
            let path = file.path;
            assert!(file.is_current(&workspace), "{path} has drifted: run `cargo xtask {command}`");
        }
    }

    #[test]
    fn the_man_page_is_current() {
        assert_current("man", &manual::files());
    }

    #[test]
    fn the_compatibility_page_is_current() {
        assert_current("compat", &compat::files());
    }

    #[test]
    fn the_tables_are_what_the_corpora_give() {
        let files =
            tables::shipped_files(&Workspace::of_this_build()).expect("the corpora are there");
        assert_current("tables", &files);
    }

    #[test]
    fn the_completions_are_current() {
        assert_current("completions", &completions::files());
    }
}
