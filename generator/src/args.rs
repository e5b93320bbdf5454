//! From what was typed to what is meant.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::{Arg, Parser, ValueExt as _};
use sysfs_compat::client::Kind;

use crate::device::Device;

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    Version,
    /// Write units into this directory.
    Generate(PathBuf),
    /// Set one device up.
    Setup(Name),
    /// Free one device.
    Reset(Name),
    /// Say what would be made, and what is wrong.
    Check,
    /// Say where a device's values come from.
    Explain(Name),
}

/// The name of a device: `zramN` is the kernel's, `trueno/zramN` one of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) backend: Kind,
    pub(crate) number: u32,
}

impl Name {
    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix("/dev/").unwrap_or(text);
        let (backend, name) = match text.strip_prefix("trueno/") {
            Some(name) => (Kind::Ublk, name),
            None => (Kind::Kernel, text),
        };
        let digits = name.strip_prefix("zram")?;
        let number: u32 = digits.parse().ok()?;
        (number.to_string() == digits).then_some(Name { backend, number })
    }

    pub(crate) fn is_of(self, device: &Device) -> bool {
        self.backend == device.backend && self.number == device.number
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let directory = if self.backend == Kind::Ublk { "trueno/" } else { "" };
        write!(f, "{directory}zram{}", self.number)
    }
}

/// Why nothing can be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The command line is wrong: exit status 2.
    Usage(String),
    /// It is right, but there cannot be such a device: exit status 1.
    NoDevice(String),
}

/// systemd gives a generator three directories, of which the first is for units of normal
/// precedence. The others are not used.
const MOST_DIRECTORIES: usize = 3;

/// Reads the arguments, the program's name first.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, Refusal> {
    let mut parser = Parser::from_iter(args);
    let mut option = None;
    let mut directories = Vec::new();
    while let Some(argument) = parser.next().map_err(|error| usage(&error))? {
        let command = match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help),
            Arg::Short('V') | Arg::Long("version") => return Ok(Command::Version),
            Arg::Long("check") => Ok(Command::Check),
            Arg::Long("setup-device") => name(&mut parser)?.map(Command::Setup),
            Arg::Long("reset-device") => name(&mut parser)?.map(Command::Reset),
            Arg::Long("explain") => name(&mut parser)?.map(Command::Explain),
            Arg::Value(directory) => {
                directories.push(PathBuf::from(directory));
                continue;
            }
            other => return Err(usage(&other.unexpected())),
        };
        if option.replace(command).is_some() {
            return Err(Refusal::Usage("one command at a time".to_owned()));
        }
    }
    match (option, directories.len()) {
        (Some(command), 0) => command.map_err(Refusal::NoDevice),
        (Some(_), _) => Err(Refusal::Usage("this command takes no directory".to_owned())),
        (None, 1..=MOST_DIRECTORIES) => {
            Ok(Command::Generate(directories.into_iter().next().unwrap_or_default()))
        }
        (None, 0) => Err(Refusal::Usage("a directory or a command is needed".to_owned())),
        (None, _) => {
            Err(Refusal::Usage(format!("more than {MOST_DIRECTORIES} directories were given")))
        }
    }
}

/// The name behind an option. A name that no device can have is an error of its own, as it is to
/// zram-generator.
fn name(parser: &mut Parser) -> Result<Result<Name, String>, Refusal> {
    let text = parser.value().map_err(|error| usage(&error))?;
    let shown = text.display().to_string();
    let name = text.string().ok().and_then(|text| Name::parse(&text));
    Ok(name.ok_or_else(|| format!("there is no device {shown}: a name is zramN or trueno/zramN")))
}

fn usage(error: &lexopt::Error) -> Refusal {
    Refusal::Usage(error.to_string())
}

pub(crate) const HELP: &str = "\
Usage: trueno-zram-generator DIRECTORY [DIRECTORY DIRECTORY]
       trueno-zram-generator COMMAND

Makes compressed swap and compressed file systems from zram-generator.conf.
With a directory: writes units there, as systemd asks its generators to.

Commands:
  --check                 say what would be made and what is wrong
  --explain DEVICE        say where each value of a device comes from
  --setup-device DEVICE   set a device up (a unit does this)
  --reset-device DEVICE   free a device (likewise)
  -h, --help              print this
  -V, --version           print the version

A DEVICE is zramN (the kernel's) or trueno/zramN (that of trueno-ublk).
See trueno-zram-generator(8) and trueno-zram-generator.conf(5).
";

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Result<Command, Refusal> {
        parse(std::iter::once("program").chain(args.iter().copied()).map(OsString::from))
    }

    fn kernel(number: u32) -> Name {
        Name { backend: Kind::Kernel, number }
    }

    #[test]
    fn commands() {
        let ours = Name { backend: Kind::Ublk, number: 3 };
        for (args, command) in [
            (&["a"][..], Command::Generate("a".into())),
            (&["a", "b", "c"], Command::Generate("a".into())),
            (&["--setup-device", "zram0"], Command::Setup(kernel(0))),
            (&["--setup-device=trueno/zram3"], Command::Setup(ours)),
            (&["--reset-device", "/dev/zram12"], Command::Reset(kernel(12))),
            (&["--explain", "zram0"], Command::Explain(kernel(0))),
            (&["--check"], Command::Check),
            (&["a", "--version"], Command::Version),
            (&["-h", "--nonsense"], Command::Help),
        ] {
            assert_eq!(parsed(args), Ok(command), "{args:?}");
        }
    }

    #[test]
    fn wrong_usage() {
        for args in [
            &[][..],
            &["a", "b", "c", "d"],
            &["a", "--setup-device"],
            &["a", "--setup-device", "zram0"],
            &["--check", "--check"],
            &["--setup-device", "zram0", "--reset-device", "zram0"],
            &["--nonsense"],
        ] {
            assert!(matches!(parsed(args), Err(Refusal::Usage(_))), "{args:?}");
        }
    }

    #[test]
    fn names_that_no_device_has() {
        for name in ["zram", "zram01", "zram-1", "zram+1", "sda", "/no/such/file", "trueno/", ""] {
            let answer = parsed(&["--reset-device", name]);
            assert!(matches!(answer, Err(Refusal::NoDevice(_))), "{name:?}: {answer:?}");
        }
    }
}
