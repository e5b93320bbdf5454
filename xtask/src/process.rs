//! Running programs and showing what they print.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context as _, bail};

/// Standard output, and a record of it if one is kept.
#[derive(Debug, Default)]
pub(crate) struct Console {
    record: Option<File>,
}

impl Console {
    pub(crate) fn recorded_in(path: &Path) -> anyhow::Result<Self> {
        let file =
            File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self { record: Some(file) })
    }

    pub(crate) fn line(&mut self, text: &str) -> anyhow::Result<()> {
        println!("{text}");
        match &mut self.record {
            Some(file) => writeln!(file, "{text}").context("cannot write the record"),
            None => Ok(()),
        }
    }

    /// Runs `command` without input; shows its two streams, merged, line by line, and hands each
    /// line to `on_line`.
    pub(crate) fn run(
        &mut self,
        mut command: Command,
        mut on_line: impl FnMut(&str),
    ) -> anyhow::Result<ExitStatus> {
        self.line(&format!("$ {}", shown(&command)))?;
        let (reader, writer) = io::pipe()?;
        command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
        let mut child = spawn(&mut command)?;
        // It holds the writing end, and the reading end would never see the end.
        drop(command);
        let mut lines = BufReader::new(reader);
        let mut bytes = Vec::new();
        while lines.read_until(b'\n', &mut bytes)? > 0 {
            let text = String::from_utf8_lossy(&bytes);
            let line = text.trim_end_matches(['\r', '\n']);
            on_line(line);
            self.line(line)?;
            bytes.clear();
        }
        Ok(child.wait()?)
    }
}

/// Runs `command` with our own streams and fails unless it succeeds.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = spawn(command)?.wait()?;
    if !status.success() {
        bail!("{}: {status}", shown(command));
    }
    Ok(())
}

/// Runs `command` and returns what it prints; its standard error is ours.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run {}", shown(command)))?;
    if !output.status.success() {
        bail!("{}: {}", shown(command), output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("{}: not text", shown(command)))
}

/// The command line, for people.
pub(crate) fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn spawn(command: &mut Command) -> anyhow::Result<std::process::Child> {
    command.spawn().with_context(|| format!("cannot run {}", command.get_program().display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_streams_reach_the_reader_in_order() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; echo two >&2; printf three; exit 4"]);
        let mut lines = Vec::new();
        let status = Console::default().run(command, |line| lines.push(line.to_owned())).unwrap();
        assert_eq!(lines, ["one", "two", "three"]);
        assert_eq!(status.code(), Some(4));
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run(&mut Command::new("/no/such/program")).unwrap_err();
        assert!(format!("{error:#}").contains("/no/such/program"), "{error:#}");
    }
}
