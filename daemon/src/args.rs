//! The command line, as tables: from them come parsing and `--help`.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;

use lexopt::{Arg, Parser, ValueExt as _};

/// An option.
#[derive(Debug)]
pub(crate) struct Opt {
    /// Without the two dashes.
    pub(crate) name: &'static str,
    pub(crate) value: Value,
    pub(crate) help: &'static str,
}

/// Whether an option has a value, and what it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    None,
    Needed(&'static str),
    /// With `=` only.
    Optional(&'static str),
}

/// A command.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) name: &'static str,
    /// What comes behind the options.
    pub(crate) operand: Option<&'static str>,
    pub(crate) help: &'static str,
    pub(crate) options: &'static [Opt],
    /// For people, or only for ourselves.
    pub(crate) is_public: bool,
}

const fn flag(name: &'static str, help: &'static str) -> Opt {
    Opt { name, value: Value::None, help }
}

const fn valued(name: &'static str, value: &'static str, help: &'static str) -> Opt {
    Opt { name, value: Value::Needed(value), help }
}

const JSON: Opt = flag("json", "print JSON");

/// All commands.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        name: "create",
        operand: None,
        help: "make a device and print its node",
        is_public: true,
        options: &[
            valued("size", "SIZE", "size of the device, 8G for example; it may exceed memory"),
            valued("algorithm", "NAME", "wm (default), wmhc, lz4, lz4hc, zstd, deflate or lzo"),
            valued("algorithm-params", "TEXT", "its parameters: level=N dict=PATH"),
            valued("mem-limit", "SIZE", "memory that compressed pages may take; 0 is no limit"),
            valued("queues", "N", "hardware queues, each with a thread (processors, at most 4)"),
            valued("depth", "N", "requests that a queue has under way (64)"),
            valued("io-size", "SIZE", "largest request (64K)"),
            flag("user-copy", "copy pages by system calls, without a buffer for each request"),
            valued("id", "N", "the number N of /dev/ublkbN (the first that is free)"),
            Opt {
                name: "swap",
                value: Value::Optional("PRIORITY"),
                help: "swap on it, with a priority of 0 to 32767",
            },
            flag("foreground", "serve it from this terminal, until Ctrl-C resets it"),
            JSON,
        ],
    },
    Command {
        name: "list",
        operand: None,
        help: "show all devices",
        is_public: true,
        options: &[JSON, flag("noheadings", "without the first line")],
    },
    Command {
        name: "stat",
        operand: Some("DEVICE"),
        help: "show what a device stores and what that costs",
        is_public: true,
        options: &[JSON],
    },
    Command {
        name: "reset",
        operand: Some("DEVICE"),
        help: "remove a device that nobody uses, with all that is stored on it",
        is_public: true,
        options: &[],
    },
    Command {
        name: "verify",
        operand: Some("DEVICE"),
        help: "decode every stored page and report what cannot be",
        is_public: true,
        options: &[],
    },
    Command {
        name: "serve",
        operand: None,
        help: "run the service: attribute files below /run/trueno, and what is behind them",
        is_public: true,
        options: &[],
    },
    Command {
        name: "worker",
        operand: None,
        help: "serve one device; started by the service",
        is_public: false,
        options: &[
            valued("directory", "DIR", "the device's directory"),
            valued("ready", "FD", "where to say that it serves"),
            flag("create", "make the device, if there is none to take over"),
            flag("null", "answer without a store: the ceiling of the transport, for measurements"),
        ],
    },
];

/// What is announced and not there yet.
const LATER: &[&str] = &[
    "backend",
    "entropy-routing",
    "zram-device",
    "high-perf",
    "max-perf",
    "visualize",
    "otlp-endpoint",
    "benchmark",
];

/// A command line that was understood.
#[derive(Debug)]
pub(crate) enum Parsed {
    Help(String),
    Version,
    Run(Call),
}

/// A command, and what was given with it.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) command: &'static Command,
    /// Empty where the command has none.
    pub(crate) operand: OsString,
    values: Vec<(&'static str, Option<OsString>)>,
}

impl Call {
    /// Whether an option was given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.values.iter().any(|(known, _)| *known == name)
    }

    /// The value of an option; the last one counts.
    pub(crate) fn value(&self, name: &str) -> Option<&OsStr> {
        let (_, value) = self.values.iter().rev().find(|(known, _)| *known == name)?;
        value.as_deref()
    }
}

/// Understands a command line, the program's name not included.
///
/// # Errors
///
/// What is wrong with it, as one line.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Parsed, String> {
    let mut parser = Parser::from_args(arguments);
    let word = match parser.next().map_err(|error| error.to_string())? {
        None => return Err("a command is missing".to_owned()),
        Some(Arg::Short('h') | Arg::Long("help")) => return Ok(Parsed::Help(overview())),
        Some(Arg::Short('V') | Arg::Long("version")) => return Ok(Parsed::Version),
        Some(Arg::Long(name)) => {
            later(name)?;
            return Err(format!("--{name} comes behind a command"));
        }
        Some(Arg::Short(letter)) => return Err(format!("unknown option -{letter}")),
        Some(Arg::Value(word)) => word,
    };
    let word = word.to_string_lossy();
    if word == "help" {
        return Ok(Parsed::Help(overview()));
    }
    later(&word)?;
    let command = COMMANDS.iter().find(|command| command.name == word);
    let command = command.ok_or_else(|| format!("unknown command '{word}'"))?;
    let mut call = Call { command, operand: OsString::new(), values: Vec::new() };
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Parsed::Help(help(command))),
            Arg::Short(letter) => return Err(format!("{word}: unknown option -{letter}")),
            Arg::Long(name) => {
                later(name)?;
                let option = command.options.iter().find(|option| option.name == name);
                let option = option.ok_or_else(|| format!("{word}: unknown option --{name}"))?;
                let value = match option.value {
                    Value::None => None,
                    Value::Optional(_) => parser.optional_value(),
                    Value::Needed(_) => Some(parser.value().map_err(|error| error.to_string())?),
                };
                call.values.push((option.name, value));
            }
            Arg::Value(operand) if command.operand.is_some() && call.operand.is_empty() => {
                call.operand = operand;
            }
            Arg::Value(operand) => {
                let operand = operand.string().unwrap_or_else(|lost| format!("{lost}"));
                return Err(format!("{word}: '{operand}' is one argument too many"));
            }
        }
    }
    match command.operand {
        Some(operand) if call.operand.is_empty() => Err(format!("{word}: which {operand}?")),
        _ => Ok(Parsed::Run(call)),
    }
}

fn later(name: &str) -> Result<(), String> {
    if !LATER.contains(&name) {
        return Ok(());
    }
    let dashes = if name == "benchmark" { "" } else { "--" };
    Err(format!("{dashes}{name} is planned and not built yet"))
}

fn overview() -> String {
    let mut text = "Usage: trueno-ublk COMMAND [OPTION]...\n\n\
         Block devices whose pages live compressed in memory, served by Linux ublk.\n\n"
        .to_owned();
    for command in COMMANDS.iter().filter(|command| command.is_public) {
        writeln!(text, "  {:8}  {}", command.name, command.help).ok();
    }
    text.push_str(
        "\n  trueno-ublk COMMAND --help   the options of a command\n  \
         trueno-ublk --version        which version this is\n\n\
         DEVICE is trueno/zramN, /dev/trueno/zramN, /run/trueno/zramN or /dev/ublkbN.\n",
    );
    text
}

fn help(command: &Command) -> String {
    let operand = command.operand.map_or_else(String::new, |operand| format!(" {operand}"));
    let options = if command.options.is_empty() { "" } else { " [OPTION]..." };
    let mut text =
        format!("Usage: trueno-ublk {}{options}{operand}\n\n{}\n", command.name, command.help);
    if !command.options.is_empty() {
        text.push('\n');
    }
    for option in command.options {
        let value = match option.value {
            Value::None => String::new(),
            Value::Needed(value) => format!(" {value}"),
            Value::Optional(value) => format!("[={value}]"),
        };
        writeln!(text, "  {:26}  {}", format!("--{}{value}", option.name), option.help).ok();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Parsed, String> {
        parse(line.split_ascii_whitespace().map(OsString::from))
    }

    fn call(line: &str) -> Call {
        match parsed(line) {
            Ok(Parsed::Run(call)) => call,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn options_and_their_values() {
        let create = call("create --size 8G --swap=100 --user-copy --size=4G");
        assert_eq!(create.command.name, "create");
        assert_eq!(create.value("size"), Some(OsStr::new("4G")));
        assert_eq!(create.value("swap"), Some(OsStr::new("100")));
        assert!(create.has("user-copy") && !create.has("json"));
        let bare = call("create --size 1G --swap");
        assert!(bare.has("swap") && bare.value("swap").is_none());
        assert_eq!(call("stat --json trueno/zram0").operand, "trueno/zram0");
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, said) in [
            ("", "a command is missing"),
            ("dance", "unknown command 'dance'"),
            ("create --colour red", "create: unknown option --colour"),
            ("create x", "create: 'x' is one argument too many"),
            ("stat", "stat: which DEVICE?"),
            ("stat a b", "stat: 'b' is one argument too many"),
            ("--size 1G", "--size comes behind a command"),
            ("create --backend disk", "--backend is planned and not built yet"),
            ("benchmark", "benchmark is planned and not built yet"),
            ("list -x", "list: unknown option -x"),
        ] {
            assert_eq!(parsed(line).expect_err(line), said, "{line}");
        }
        for name in LATER {
            let line =
                if *name == "benchmark" { (*name).to_owned() } else { format!("create --{name}") };
            assert!(parsed(&line).expect_err(name).ends_with("not built yet"), "{name}");
        }
    }

    #[test]
    fn the_man_page_has_every_command_option_and_attribute() {
        let page = include_str!("../../man/trueno-ublk.8").replace('\\', "");
        for command in COMMANDS.iter().filter(|command| command.is_public) {
            assert!(page.contains(&format!(".SS {}\n", command.name)), "{}", command.name);
            for option in command.options {
                assert!(page.contains(&format!("fB--{}fR", option.name)), "--{}", option.name);
            }
        }
        for file in crate::supervisor::OWN_FILES {
            assert!(page.contains(&format!("fB{}fR", file.name)), "{}", file.name);
        }
    }

    #[test]
    fn every_public_command_explains_itself() {
        let overview = overview();
        for command in COMMANDS {
            assert_eq!(overview.contains(&format!("\n  {} ", command.name)), command.is_public);
            let text = match parsed(&format!("{} --help", command.name)) {
                Ok(Parsed::Help(text)) => text,
                other => panic!("{other:?}"),
            };
            for option in command.options {
                assert!(text.contains(option.name) && text.contains(option.help));
            }
            assert!(text.lines().all(|line| line.len() <= 100), "{text}");
        }
    }
}
