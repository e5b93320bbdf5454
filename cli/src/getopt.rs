//! GNU `getopt_long` over a table: what a user may type, resolved to options and operands.
//!
//! # Contract
//! The same argv gives the same options, the same operands and the same words of complaint as
//! glibc gives stock `zramctl`: permutation of operands, `--`, bundles (`-bs1G`), values that look
//! like options (`--size --raw`), unique prefixes (`--res`). Tested against `/usr/bin/getopt`,
//! which is `getopt_long` with a command line.
//!
//! One rule is ours: a prefix is looked up among the options stock zramctl has before the ones we
//! add. A script that abbreviates a stock option keeps working whatever we add later.
//!
//! Nothing here reads the environment or prints. Arguments are bytes and stay bytes.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::vec;

/// One row of an option table. `T` is what the caller calls the option.
///
/// The order of the rows is the order in which an ambiguous prefix lists its possibilities.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spec<T> {
    /// Handed back in [`Parsed::id`].
    pub(crate) id: T,
    /// The letter of the `-x` form. ASCII: a non-ASCII letter is never found.
    pub(crate) short: Option<char>,
    /// The name of the `--name` form, without the dashes.
    pub(crate) long: &'static str,
    /// Whether a value follows.
    pub(crate) argument: Argument,
    /// Whether stock zramctl has the option too, which decides who wins an abbreviation.
    pub(crate) stock: bool,
}

/// Whether an option takes a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Argument {
    /// No value; `--name=value` is an error.
    None,
    /// A value, attached or else the next argument, whatever that looks like.
    Required,
    /// A value only if attached: `--name=value`, `-xvalue`.
    Optional,
}

/// An option as it was given, with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parsed<T> {
    /// [`Spec::id`] of the row.
    pub(crate) id: T,
    /// The value; always there for [`Argument::Required`], never for [`Argument::None`].
    pub(crate) value: Option<OsString>,
}

/// Which argument ends the options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ordering {
    /// Options are found between and after operands, as GNU programs do.
    Permute,
    /// The first operand ends the options: what the variable `POSIXLY_CORRECT` asks for.
    PosixlyCorrect,
}

/// Walks over an argv: an iterator of options in the order given, then the operands.
///
/// Step by step instead of all at once because stock zramctl acts on an option before it looks at
/// the next one: `--version --nonsense` prints the version, `--nonsense --version` complains.
///
/// ```text
/// let mut scanner = Scanner::new(TABLE, args, Ordering::Permute);
/// for option in scanner.by_ref() {
///     let Parsed { id, value } = option?;
///     // ...
/// }
/// let operands = scanner.into_operands();
/// ```
#[derive(Debug)]
pub(crate) struct Scanner<'t, T> {
    table: &'t [Spec<T>],
    ordering: Ordering,
    args: vec::IntoIter<OsString>,
    /// What is left of an argument of short options (`-bn`) after the ones already returned.
    bundle: VecDeque<u8>,
    operands: Vec<OsString>,
}

impl<'t, T: Copy> Scanner<'t, T> {
    /// A scanner over `args`, which must not contain the program's name.
    pub(crate) fn new(
        table: &'t [Spec<T>],
        args: impl IntoIterator<Item = OsString>,
        ordering: Ordering,
    ) -> Self {
        let args = args.into_iter().collect::<Vec<_>>().into_iter();
        Self { table, ordering, args, bundle: VecDeque::new(), operands: Vec::new() }
    }

    /// The operands in order, with every argument not yet looked at counted as one.
    pub(crate) fn into_operands(mut self) -> Vec<OsString> {
        self.operands.extend(self.args);
        self.operands
    }

    /// The option `name_and_value` of the argument `--name_and_value`.
    fn long(&mut self, typed: &OsStr, name_and_value: &[u8]) -> Result<Parsed<T>, Error> {
        let mut halves = name_and_value.splitn(2, |&byte| byte == b'=');
        let name = halves.next().unwrap_or_default();
        let attached = halves.next().map(|value| OsString::from_vec(value.to_vec()));

        let spec = find_long(self.table, typed, name)?;
        let value = match (spec.argument, attached) {
            (Argument::None, Some(_)) => return Err(Error::UnexpectedArgument(spec.long)),
            (Argument::Required, None) => {
                Some(self.args.next().ok_or(Error::LongNeedsArgument(spec.long))?)
            }
            (_, attached) => attached,
        };
        Ok(Parsed { id: spec.id, value })
    }

    /// The option `letter`, whose value may be the rest of the bundle.
    fn short(&mut self, letter: u8) -> Result<Parsed<T>, Error> {
        let spec = self
            .table
            .iter()
            .find(|spec| letter.is_ascii() && spec.short == Some(char::from(letter)))
            .ok_or(Error::InvalidShort(letter))?;

        let value = match spec.argument {
            Argument::None => None,
            Argument::Required => {
                let value = self.attached().or_else(|| self.args.next());
                Some(value.ok_or(Error::ShortNeedsArgument(letter))?)
            }
            Argument::Optional => self.attached(),
        };
        Ok(Parsed { id: spec.id, value })
    }

    /// Takes the rest of the bundle as a value, unless nothing is left.
    fn attached(&mut self) -> Option<OsString> {
        let rest = std::mem::take(&mut self.bundle);
        (!rest.is_empty()).then(|| OsString::from_vec(rest.into()))
    }
}

impl<T: Copy> Iterator for Scanner<'_, T> {
    type Item = Result<Parsed<T>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(letter) = self.bundle.pop_front() {
                return Some(self.short(letter));
            }
            let arg = self.args.next()?;
            match arg.as_bytes() {
                b"--" => {
                    self.operands.extend(self.args.by_ref());
                    return None;
                }
                [b'-', b'-', name_and_value @ ..] => return Some(self.long(&arg, name_and_value)),
                [b'-', letters @ ..] if !letters.is_empty() => {
                    self.bundle.extend(letters);
                }
                _ => {
                    self.operands.push(arg);
                    if self.ordering == Ordering::PosixlyCorrect {
                        self.operands.extend(self.args.by_ref());
                        return None;
                    }
                }
            }
        }
    }
}

/// The row called `name`, in full or abbreviated; `typed` is the whole argument, for the message.
fn find_long<'t, T>(
    table: &'t [Spec<T>],
    typed: &OsStr,
    name: &[u8],
) -> Result<&'t Spec<T>, Error> {
    if let Some(exact) = table.iter().find(|spec| spec.long.as_bytes() == name) {
        return Ok(exact);
    }
    let matching = || table.iter().filter(|spec| spec.long.as_bytes().starts_with(name));
    let mut candidates = matching().filter(|spec| spec.stock).collect::<Vec<_>>();
    if candidates.is_empty() {
        candidates = matching().collect();
    }
    match *candidates {
        [] => Err(Error::Unrecognized(typed.to_owned())),
        [only] => Ok(only),
        _ => Err(Error::Ambiguous {
            typed: typed.to_owned(),
            possibilities: candidates.iter().map(|spec| spec.long).collect(),
        }),
    }
}

/// An argument that is no option of the table, or lacks its value, or has one too many.
///
/// Displayed in glibc's words, to be put after the program's name and a colon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Error {
    /// A long option nobody has; the argument as typed.
    Unrecognized(OsString),
    /// A prefix of several options; the argument as typed and the names it may stand for.
    Ambiguous { typed: OsString, possibilities: Vec<&'static str> },
    /// A value attached to a long option that takes none.
    UnexpectedArgument(&'static str),
    /// A long option at the end of the command line without its value.
    LongNeedsArgument(&'static str),
    /// A short option nobody has. One byte, even of a multibyte letter.
    InvalidShort(u8),
    /// A short option at the end of the command line without its value.
    ShortNeedsArgument(u8),
}

impl Error {
    /// The message byte for byte: what was typed is repeated in it and need not be UTF-8.
    pub(crate) fn message(&self) -> Vec<u8> {
        match self {
            Self::Unrecognized(typed) => {
                [b"unrecognized option '", typed.as_bytes(), b"'"].concat()
            }
            Self::Ambiguous { typed, possibilities } => {
                let mut message =
                    [b"option '", typed.as_bytes(), b"' is ambiguous; possibilities:"].concat();
                for name in possibilities {
                    message.extend_from_slice(format!(" '--{name}'").as_bytes());
                }
                message
            }
            Self::UnexpectedArgument(name) => {
                format!("option '--{name}' doesn't allow an argument").into_bytes()
            }
            Self::LongNeedsArgument(name) => {
                format!("option '--{name}' requires an argument").into_bytes()
            }
            Self::InvalidShort(letter) => [b"invalid option -- '", &[*letter][..], b"'"].concat(),
            Self::ShortNeedsArgument(letter) => {
                [b"option requires an argument -- '", &[*letter][..], b"'"].concat()
            }
        }
    }
}

/// [`Error::message`], with what is not UTF-8 replaced.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.message()))
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests;
