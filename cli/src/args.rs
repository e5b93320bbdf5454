//! From what was typed to what is meant.
//!
//! Checks come in zramctl's order, so that a command line that is wrong in two ways is refused for
//! the same reason. Nothing here touches a device.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use sysfs_compat::abi::request::Idle;
use sysfs_compat::abi::{Errno, size};
use sysfs_compat::client::Kind;

use crate::columns::{COLUMNS, Col, DEFAULT};
use crate::error::{Failure, Result};
use crate::getopt::{Ordering, Parsed, Scanner};
use crate::options::{self, Opt};

/// What to do.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Help,
    Version,
    Status(Shown, View),
    /// Print the name of a free device.
    Find(Option<Kind>),
    /// Set one up, and show it as JSON if that is asked for.
    Create(Target, Setup, Option<View>),
    /// Reset and remove these; swap is switched off first if forced to.
    Reset {
        devices: Vec<OsString>,
        force: bool,
    },
    /// Do these things to these live devices.
    Act(Vec<OsString>, Vec<Action>),
}

/// The command, and what holds for any.
#[derive(Debug, PartialEq)]
pub(crate) struct Invocation {
    pub(crate) command: Command,
    pub(crate) dry_run: bool,
    pub(crate) color: Option<bool>,
    pub(crate) sysroot: Option<PathBuf>,
}

/// Which devices to show.
#[derive(Debug, PartialEq)]
pub(crate) enum Shown {
    /// This one, whatever its state.
    One(OsString),
    /// All that are set up, of one kind or of any.
    All(Option<Kind>),
}

/// Which columns, and how.
#[derive(Debug, PartialEq)]
pub(crate) struct View {
    pub(crate) columns: Vec<Col>,
    pub(crate) form: Form,
    pub(crate) bytes: bool,
    pub(crate) headings: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Form {
    Table,
    Raw,
    Json,
}

/// Which device to set up.
#[derive(Debug, PartialEq)]
pub(crate) enum Target {
    /// A free one, of that kind if it was said.
    Free(Option<Kind>),
    Named(OsString),
}

/// How to set it up.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Setup {
    pub(crate) disksize: u64,
    pub(crate) streams: Option<u64>,
    pub(crate) algorithm: Option<OsString>,
    /// As written to `algorithm_params`, one write each.
    pub(crate) params: Vec<OsString>,
    /// Algorithms to recompress with, by priority.
    pub(crate) recompress: Vec<(String, u32)>,
    pub(crate) backing_dev: Option<OsString>,
    pub(crate) mem_limit: Option<u64>,
    /// In units of 4 KiB.
    pub(crate) writeback_limit: Option<u64>,
    pub(crate) swap: Option<SwapOn>,
}

/// Switch swap on, with that priority if any.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SwapOn {
    pub(crate) priority: Option<u16>,
}

/// Something to do to a live device.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    MemLimit(u64),
    Compact,
    Idle(Idle),
    Recompress(Vec<u8>),
    Writeback(Vec<u8>),
    ResetPeak,
}

/// Options that zramctl does not let be combined, group by group.
const EXCLUSIVE: &[&[Opt]] =
    &[&[Opt::Find, Opt::Output, Opt::Reset], &[Opt::Output, Opt::Reset, Opt::Size]];

/// What zramctl does not have, and what is for a device to be set up only.
const OUR_SETUP: &[Opt] =
    &[Opt::BackingDev, Opt::WritebackLimit, Opt::RecompressAlgorithm, Opt::Swap];

/// Reads the arguments (without the program's name).
pub(crate) fn parse(
    args: impl IntoIterator<Item = OsString>,
    program: &str,
    decimal_point: &str,
    ordering: Ordering,
) -> Result<Invocation> {
    let specs = options::specs();
    let mut typed = Typed::new(decimal_point);
    let mut scanner = Scanner::new(&specs, args, ordering);
    for option in scanner.by_ref() {
        let option = option.map_err(|error| Failure::usage(error.message(), program))?;
        // zramctl answers these two as soon as it meets them, whatever comes after.
        match option.id {
            Opt::Help => return Ok(typed.invocation(Command::Help)),
            Opt::Version => return Ok(typed.invocation(Command::Version)),
            _ => typed.take(option)?,
        }
    }
    let operands = scanner.into_operands();
    typed.command(operands)
}

/// What was typed, option by option.
struct Typed<'a> {
    decimal_point: &'a str,
    given: Vec<Opt>,
    size: Option<u64>,
    setup: Setup,
    kind: Option<Kind>,
    actions: Vec<Action>,
    output: Option<OsString>,
    color: Option<bool>,
    sysroot: Option<PathBuf>,
}

impl<'a> Typed<'a> {
    fn new(decimal_point: &'a str) -> Self {
        Typed {
            decimal_point,
            given: Vec::new(),
            size: None,
            setup: Setup::default(),
            kind: None,
            actions: Vec::new(),
            output: None,
            color: None,
            sysroot: None,
        }
    }

    fn has(&self, option: Opt) -> bool {
        self.given.contains(&option)
    }

    fn take(&mut self, option: Parsed<Opt>) -> Result<()> {
        self.refuse_exclusive(option.id)?;
        self.given.push(option.id);
        let value = option.value;
        let text = value.clone().unwrap_or_default();
        match option.id {
            Opt::Algorithm => self.setup.algorithm = value,
            Opt::AlgorithmParams => self.setup.params.push(text),
            Opt::Output => self.output = value,
            Opt::Size => self.size = Some(self.size_of("size", &text)?),
            // 0 is what zramctl starts from: not given.
            Opt::Streams => self.setup.streams = Some(streams(&text)?).filter(|&n| n != 0),
            Opt::MemLimit => {
                let limit = self.size_of("memory limit", &text)?;
                self.setup.mem_limit = Some(limit);
                self.actions.push(Action::MemLimit(limit));
            }
            Opt::BackingDev if text.is_empty() => {
                return Err(Failure::new("--backing-dev=: not a block device"));
            }
            Opt::BackingDev => self.setup.backing_dev = value,
            Opt::WritebackLimit => {
                let limit = self.size_of("writeback limit", &text)?;
                self.setup.writeback_limit = Some(limit / sysfs_compat::abi::PAGE_SIZE);
            }
            Opt::RecompressAlgorithm => self.recompress_algorithm(&text)?,
            Opt::Swap => {
                let priority = value.as_ref().map(priority).transpose()?;
                self.setup.swap = Some(SwapOn { priority });
            }
            Opt::Kind => self.kind = Some(kind("--kind", &text)?),
            Opt::Compact => self.actions.push(Action::Compact),
            Opt::Idle => self.actions.push(Action::Idle(idle(value)?)),
            Opt::Recompress => self.actions.push(Action::Recompress(recompress(value)?)),
            Opt::Writeback => self.actions.push(Action::Writeback(writeback(value)?)),
            Opt::ResetPeak => self.actions.push(Action::ResetPeak),
            Opt::Color => self.color = color(value)?,
            Opt::Sysroot if text.is_empty() => {
                return Err(Failure::new("--sysroot=: not a directory"));
            }
            Opt::Sysroot => self.sysroot = Some(PathBuf::from(text)),
            Opt::Bytes
            | Opt::Find
            | Opt::Help
            | Opt::OutputAll
            | Opt::NoHeadings
            | Opt::Reset
            | Opt::Raw
            | Opt::Version
            | Opt::Json
            | Opt::Force
            | Opt::DryRun => {}
        }
        Ok(())
    }

    fn refuse_exclusive(&self, option: Opt) -> Result<()> {
        for group in EXCLUSIVE.iter().filter(|group| group.contains(&option)) {
            if let Some(other) = self.given.iter().find(|o| **o != option && group.contains(o)) {
                let (first, second) = (other.long(), option.long());
                let message = format!("options {first} and {second} cannot be combined");
                return Err(Failure::new(message));
            }
        }
        Ok(())
    }

    fn size_of(&self, what: &str, text: &OsString) -> Result<u64> {
        size::parse(text.as_bytes(), self.decimal_point).map_err(|errno| refused(what, text, errno))
    }

    fn recompress_algorithm(&mut self, text: &OsString) -> Result<()> {
        let wrong =
            |why: &str| Failure::new(format!("--recompress-algorithm {}: {why}", text.display()));
        let text = text.to_str().ok_or_else(|| wrong("not a name"))?;
        let taken: Vec<u32> = self.setup.recompress.iter().map(|(_, prio)| *prio).collect();
        let (name, priority) = match text.rsplit_once(':') {
            Some((name, priority)) => {
                let priority = priority.parse().ok().filter(|prio| (1..=3).contains(prio));
                (name, priority.ok_or_else(|| wrong("the priority is 1, 2 or 3"))?)
            }
            None => {
                let free = (1..=3).find(|prio| !taken.contains(prio));
                (text, free.ok_or_else(|| wrong("there are three priorities, and all are taken"))?)
            }
        };
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == '"' || c == '=') {
            return Err(wrong("not a name of an algorithm"));
        }
        self.setup.recompress.retain(|(_, prio)| *prio != priority);
        self.setup.recompress.push((name.to_owned(), priority));
        Ok(())
    }

    fn invocation(&mut self, command: Command) -> Invocation {
        Invocation {
            command,
            dry_run: self.has(Opt::DryRun),
            color: self.color,
            sysroot: self.sysroot.take(),
        }
    }

    fn command(mut self, operands: Vec<OsString>) -> Result<Invocation> {
        let command = self.meaning(operands)?;
        if self.has(Opt::DryRun) && matches!(command, Command::Status(..)) {
            return Err(Failure::new("--dry-run: nothing would be written"));
        }
        Ok(self.invocation(command))
    }

    fn meaning(&mut self, operands: Vec<OsString>) -> Result<Command> {
        if self.has(Opt::Find) && !operands.is_empty() {
            return Err(Failure::new("option --find is mutually exclusive with <device>"));
        }
        if self.has(Opt::Reset) {
            self.refuse_with("--reset", &[Opt::Json, Opt::Kind])?;
            self.refuse_live("--reset")?;
            self.refuse_with("--reset", &[Opt::MemLimit])?;
            self.refuse_with("--reset", OUR_SETUP)?;
            if operands.is_empty() {
                return Err(Failure::new("no device specified"));
            }
            return Ok(Command::Reset { devices: operands, force: self.has(Opt::Force) });
        }
        if self.has(Opt::Force) {
            return Err(Failure::new("--force goes with --reset only"));
        }
        let acts = self.size.is_none() && !self.actions.is_empty();
        if self.kind.is_some() && !self.has(Opt::Find) && (acts || !operands.is_empty()) {
            return Err(Failure::new("--kind goes with --find, or with showing all devices"));
        }
        if operands.len() > 1 && !acts {
            return Err(Failure::new("only one <device> at a time is allowed"));
        }
        if self.size.is_none() {
            self.refuse_setup_without_size()?;
        }
        if acts {
            return self.act(operands);
        }
        let mut operands = operands.into_iter();
        match self.size {
            Some(disksize) => {
                self.refuse_live("--size")?;
                let named = operands.next().map(Target::Named);
                let free = self.has(Opt::Find).then_some(Target::Free(self.kind));
                let target = named.or(free);
                let target = target.ok_or_else(|| Failure::new("no device specified"))?;
                if self.has(Opt::DryRun) {
                    self.refuse_with("--dry-run", &[Opt::Json])?;
                }
                let view = self.has(Opt::Json).then(|| self.view()).transpose()?;
                let setup = std::mem::take(&mut self.setup);
                Ok(Command::Create(target, Setup { disksize, ..setup }, view))
            }
            None if self.has(Opt::Find) => {
                self.refuse_with("--find without --size", &[Opt::Json])?;
                Ok(Command::Find(self.kind))
            }
            None => {
                let shown = operands.next().map_or(Shown::All(self.kind), Shown::One);
                Ok(Command::Status(shown, self.view()?))
            }
        }
    }

    fn act(&mut self, operands: Vec<OsString>) -> Result<Command> {
        self.refuse_with("an action on a live device", &[Opt::Find, Opt::Output, Opt::Json])?;
        if operands.is_empty() {
            return Err(Failure::new("no device specified"));
        }
        Ok(Command::Act(operands, std::mem::take(&mut self.actions)))
    }

    /// `-a`, `-p` and `-t` as zramctl refuses them, ours likewise.
    fn refuse_setup_without_size(&self) -> Result<()> {
        if [Opt::Algorithm, Opt::AlgorithmParams].iter().any(|&option| self.has(option))
            || self.setup.streams.is_some()
        {
            return Err(Failure::new(
                "options --algorithm, --algorithm-params, and --streams must be combined with \
                 --size",
            ));
        }
        match OUR_SETUP.iter().find(|&&option| self.has(option)) {
            Some(option) => {
                Err(Failure::new(format!("option {} must be combined with --size", option.long())))
            }
            None => Ok(()),
        }
    }

    /// Actions belong to a device that is there already.
    fn refuse_live(&self, with: &str) -> Result<()> {
        self.refuse_with(
            with,
            &[Opt::Compact, Opt::Idle, Opt::Recompress, Opt::Writeback, Opt::ResetPeak],
        )
    }

    fn refuse_with(&self, with: &str, others: &[Opt]) -> Result<()> {
        match others.iter().find(|&&option| self.has(option)) {
            Some(other) => {
                Err(Failure::new(format!("option {} does not go with {with}", other.long())))
            }
            None => Ok(()),
        }
    }

    fn view(&self) -> Result<View> {
        let form = match (self.has(Opt::Json), self.has(Opt::Raw)) {
            (true, true) => {
                return Err(Failure::new("options --raw and --json cannot be combined"));
            }
            (true, false) => Form::Json,
            (false, true) => Form::Raw,
            (false, false) => Form::Table,
        };
        let all = || COLUMNS.iter().map(|row| row.id).collect::<Vec<_>>();
        let default =
            if self.has(Opt::OutputAll) || form == Form::Json { all() } else { DEFAULT.to_vec() };
        let columns = match &self.output {
            Some(list) => columns(list.as_bytes(), default)?,
            None => default,
        };
        let (bytes, headings) = (self.has(Opt::Bytes), !self.has(Opt::NoHeadings));
        Ok(View { columns, form, bytes, headings })
    }
}

/// A list of columns; with `+` in front, behind `default`.
fn columns(list: &[u8], default: Vec<Col>) -> Result<Vec<Col>> {
    let (mut columns, list) = match list.strip_prefix(b"+") {
        Some(more) => (default, more),
        None => (Vec::new(), list),
    };
    let mut rest = list;
    loop {
        let (name, next) = match rest.iter().position(|&byte| byte == b',') {
            // A comma at the very end is part of the name, which then is none.
            Some(comma) if comma + 1 < rest.len() => {
                let (name, next) = rest.split_at(comma);
                (name, next.get(1..))
            }
            _ => (rest, None),
        };
        let found = COLUMNS.iter().find(|row| name.eq_ignore_ascii_case(row.name.as_bytes()));
        // zramctl names the rest of the list, not only the name that it stumbled over.
        let unknown = || Failure {
            message: [b"unknown column: ", rest].concat(),
            hints: vec!["--help lists the columns.".to_owned()],
        };
        columns.push(found.ok_or_else(unknown)?.id);
        match next {
            Some(next) => rest = next,
            None => return Ok(columns),
        }
    }
}

fn refused(what: &str, text: &OsString, errno: Errno) -> Failure {
    let before = format!("failed to parse {what}: '").into_bytes();
    let after = format!("': {errno}").into_bytes();
    let message = [before, text.as_bytes().to_vec(), after].concat();
    Failure { message, hints: Vec::new() }
}

/// A decimal number of 64 bits, blanks in front allowed, as `strtou64_or_err` reads it.
fn streams(text: &OsString) -> Result<u64> {
    let trimmed = text.as_bytes().trim_ascii_start();
    let digits = trimmed.strip_prefix(b"+").unwrap_or(trimmed);
    let what = "streams";
    match digits.strip_prefix(b"-").map(all_digits) {
        // Minus zero is zero, as `strtoimax` has it.
        Some(true) if digits.iter().skip(1).all(|&digit| digit == b'0') => return Ok(0),
        Some(true) => return Err(refused(what, text, Errno::ERANGE)),
        Some(false) => {}
        None if all_digits(digits) => {
            let number = std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok());
            return number.ok_or_else(|| refused(what, text, Errno::ERANGE));
        }
        None => {}
    }
    let message = [b"failed to parse streams: '", text.as_bytes(), b"'"].concat();
    Err(Failure { message, hints: Vec::new() })
}

fn all_digits(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

fn priority(text: &OsString) -> Result<u16> {
    let number = text.to_str().and_then(|text| text.parse().ok());
    number.filter(|&number| number <= sysfs_compat::client::swap::HIGHEST_PRIORITY).ok_or_else(
        || Failure::new(format!("--swap={}: the priority is 0 to 32767", text.display())),
    )
}

/// The kind of devices that `text`, which comes from `source`, names.
pub(crate) fn kind(source: &str, text: &OsStr) -> Result<Kind> {
    text.to_str().and_then(Kind::by_name).ok_or_else(|| {
        let names = Kind::ALL.map(Kind::name).join(" or ");
        Failure::new(format!("{source}={}: {names}", text.display()))
    })
}

fn idle(value: Option<OsString>) -> Result<Idle> {
    let Some(text) = value else { return Ok(Idle::All) };
    if text == "all" {
        return Ok(Idle::All);
    }
    let seconds = text.to_str().and_then(|text| text.parse().ok());
    let seconds = seconds.ok_or_else(|| {
        Failure::new(format!("--idle={}: not a number of seconds", text.display()))
    })?;
    Ok(Idle::OlderThan { seconds })
}

/// A request as the kernel reads it: all pages if nothing is said. A bare word is a type, whose key
/// the kernel wants to see.
fn recompress(value: Option<OsString>) -> Result<Vec<u8>> {
    match value.map(OsString::into_vec) {
        None => Ok(b"\n".to_vec()),
        Some(text) if text.is_empty() || text == b"type=" => Err(Failure::new(
            "--recompress=: no type is named; all pages are meant without the equals sign",
        )),
        Some(word) if !word.contains(&b'=') => Ok([b"type=", &word[..]].concat()),
        Some(text) => Ok(text),
    }
}

/// A request as the kernel reads it: idle pages if nothing is said. A type is written without its
/// key, which kernels before 6.16 do not know and later ones do without.
fn writeback(value: Option<OsString>) -> Result<Vec<u8>> {
    match value.map(OsString::into_vec) {
        None => Ok(b"idle".to_vec()),
        // A write of nothing is none, so the kernel would not object.
        Some(text) if text.is_empty() || text == b"type=" => Err(Failure::new(
            "--writeback=: no type is named; idle pages are meant without the equals sign",
        )),
        Some(text) => match text.strip_prefix(b"type=") {
            Some(word) if !word.contains(&b' ') => Ok(word.to_vec()),
            _ => Ok(text),
        },
    }
}

fn color(value: Option<OsString>) -> Result<Option<bool>> {
    match value.as_deref().map(|word| word.as_bytes()) {
        None | Some(b"always") => Ok(Some(true)),
        Some(b"never") => Ok(Some(false)),
        Some(b"auto") => Ok(None),
        Some(other) => {
            Err(Failure::new(format!("--color={}: auto, always or never", other.escape_ascii())))
        }
    }
}

#[cfg(test)]
mod tests;
