//! From a value's text to what it means. One function for each kind of value; each says what would
//! be right.

use std::path::{Component, Path};
use std::time::Duration;

use sysfs_compat::abi::request::Recompress;
use sysfs_compat::abi::{Kernel, Version};
use sysfs_compat::client::Kind;

use crate::expression::Expression;
use crate::units;

/// What is wrong with a value.
pub(crate) type Parsed<T> = Result<T, String>;

/// Priorities as swapon(8) takes them; -1 leaves the choice to the kernel.
const PRIORITIES: std::ops::RangeInclusive<i32> = -1..=0x7fff;

/// The algorithms of a device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Algorithms {
    /// The primary one and those to recompress with, by priority, each with its parameters.
    pub named: Vec<(String, String)>,
    /// Parameters without a name: for `recompress`.
    pub recompress: String,
}

/// A whole number of MiB; `none` is none.
pub(crate) fn mebibytes(text: &str) -> Parsed<Option<u64>> {
    if text == "none" {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| "it is a whole number of MiB, or `none`".to_owned())
}

pub(crate) fn expression(text: &str) -> Parsed<Expression> {
    Expression::parse(text)
}

pub(crate) fn optional_expression(text: &str) -> Parsed<Option<Expression>> {
    if text == "none" { Ok(None) } else { Expression::parse(text).map(Some) }
}

pub(crate) fn fraction(text: &str) -> Parsed<f64> {
    let number = text.parse().ok().filter(|number: &f64| *number >= 0.0);
    number.ok_or_else(|| "it is a number from 0 on".to_owned())
}

pub(crate) fn priority(text: &str) -> Parsed<i32> {
    let number = text.parse().ok().filter(|number| PRIORITIES.contains(number));
    number.ok_or_else(|| "it is a number from -1 to 32767".to_owned())
}

/// An absolute path without `..`; `.` and double slashes go.
pub(crate) fn path(text: &str) -> Parsed<String> {
    one_line(text)?;
    let path = Path::new(text);
    if !path.is_absolute() {
        return Err("it is an absolute path".to_owned());
    }
    if path.components().any(|part| part == Component::ParentDir) {
        return Err("it is a path without `..`".to_owned());
    }
    let path: std::path::PathBuf = path.components().collect();
    let name = units::name_of_path(&path.to_string_lossy(), ".automount");
    if name.len() > units::LONGEST_NAME {
        return Err("it is too long for the name of a unit".to_owned());
    }
    path.into_os_string().into_string().map_err(|_| "it is a path in UTF-8".to_owned())
}

/// A file system that `systemd-makefs` may know.
pub(crate) fn fs_type(text: &str) -> Parsed<String> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    if text.is_empty() || text.starts_with('-') || !text.chars().all(is_plain) {
        return Err("it is the name of a file system, or `swap`".to_owned());
    }
    Ok(text.to_owned())
}

pub(crate) fn options(text: &str) -> Parsed<String> {
    one_line(text).map(|()| text.to_owned())
}

/// What goes into a unit file must neither end its line nor join it with the next.
fn one_line(text: &str) -> Parsed<()> {
    if text.chars().any(char::is_control) {
        return Err("it has no line breaks and no control characters".to_owned());
    }
    if text.ends_with('\\') {
        return Err("it does not end with a backslash".to_owned());
    }
    Ok(())
}

/// Blanks separate algorithms, so a blank inside of parentheses tears them apart. That is the
/// grammar; it never fails.
pub(crate) fn algorithms(text: &str) -> Parsed<Algorithms> {
    let mut algorithms = Algorithms::default();
    for word in text.split_whitespace() {
        let (name, rest) = word.split_once('(').unwrap_or((word, ""));
        let parameters = rest.strip_suffix(')').unwrap_or(rest).replace(',', " ");
        if name.is_empty() {
            algorithms.recompress = parameters;
        } else {
            algorithms.named.push((name.to_owned(), parameters));
        }
    }
    Ok(algorithms)
}

/// Who serves a device.
pub(crate) fn backend(text: &str) -> Parsed<Kind> {
    Kind::by_name(text).ok_or_else(|| "it is `kernel` or `ublk`".to_owned())
}

/// As `trueno/queues` of a device takes it.
pub(crate) fn queues(text: &str) -> Parsed<u32> {
    within(text, 63)
}

/// As `trueno/depth` takes it.
pub(crate) fn depth(text: &str) -> Parsed<u32> {
    within(text, 4096)
}

fn within(text: &str, most: u32) -> Parsed<u32> {
    let number = text.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| format!("it is a number from 1 to {most}"))
}

/// As `trueno/recovery` takes it.
pub(crate) fn recovery(text: &str) -> Parsed<String> {
    match text {
        "standby" | "restart" => Ok(text.to_owned()),
        _ => Err("it is `standby` or `restart`".to_owned()),
    }
}

/// As the strictest kernel's `recompress` takes it: then every other does.
pub(crate) fn recompress(text: &str) -> Parsed<Option<Recompress>> {
    if text == "none" {
        return Ok(None);
    }
    let strictest = Kernel { version: Version(u16::MAX, 0), ..Kernel::newest() };
    let request = Recompress::parse(text.as_bytes(), &strictest);
    let request = request.ok().filter(|_| !text.is_empty());
    let wanted = "it is what the attribute `recompress` takes, or `none`";
    request.map(Some).ok_or_else(|| wanted.to_owned())
}

/// Seconds by their units.
const UNITS: [(&str, u64); 5] = [("min", 60), ("s", 1), ("h", 3600), ("d", 86_400), ("", 1)];

pub(crate) fn age(text: &str) -> Parsed<Option<Duration>> {
    time(text, "none")
}

pub(crate) fn interval(text: &str) -> Parsed<Option<Duration>> {
    time(text, "off")
}

fn time(text: &str, never: &str) -> Parsed<Option<Duration>> {
    if text == never {
        return Ok(None);
    }
    let found = UNITS.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)));
    let seconds = found.and_then(|(number, unit)| {
        number.trim_end().parse::<u64>().ok()?.checked_mul(*unit).filter(|&seconds| seconds > 0)
    });
    let seconds = seconds.map(Duration::from_secs).map(Some);
    seconds.ok_or_else(|| format!("it is a time such as `90`, `15min`, `2h` or `1d`, or `{never}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(mebibytes("none"), Ok(None));
        assert_eq!(mebibytes("2050"), Ok(Some(2050)));
        for text in ["", "None", "-1", "1.5", "1 ", "18446744073709551616"] {
            assert!(mebibytes(text).is_err(), "{text:?}");
        }
        assert_eq!((priority("-1"), priority("32767")), (Ok(-1), Ok(32767)));
        assert!(["", "-2", "32768", "high"].iter().all(|text| priority(text).is_err()));
        assert_eq!((fraction("0.5"), fraction("inf")), (Ok(0.5), Ok(f64::INFINITY)));
        assert!(["", "-0.1", "NaN", "1/2"].iter().all(|text| fraction(text).is_err()));
        assert_eq!((queues("63"), depth("4096")), (Ok(63), Ok(4096)));
        assert!(["0", "64", "-1", "two"].iter().all(|text| queues(text).is_err()));
    }

    #[test]
    fn paths_are_normalised() {
        for (text, expected) in
            [("/a//b/./c/", "/a/b/c"), ("///", "/"), ("/a b", "/a b"), ("/...", "/...")]
        {
            assert_eq!(path(text).as_deref(), Ok(expected));
        }
        let long = format!("/{}", "ż".repeat(40));
        for text in ["", "a", "/a/../b", "/a\nb", "/a\0", "/a\\", &long] {
            assert!(path(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn algorithms_and_parameters() {
        let parsed = |text| algorithms(text).expect("never fails");
        let named = |text| parsed(text).named;
        let pair = |name: &str, parameters: &str| (name.to_owned(), parameters.to_owned());
        assert_eq!(named(""), []);
        assert_eq!(
            named(" lz4\tzstd(level=3,dict=/d) "),
            [pair("lz4", ""), pair("zstd", "level=3 dict=/d")]
        );
        assert_eq!(named("zstd(a, b)"), [pair("zstd", "a "), pair("b)", "")]);
        assert_eq!(named("a(b)c)"), [pair("a", "b)c")]);
        assert_eq!(parsed("lzo (type=idle) (type=huge)").recompress, "type=huge");
        assert_eq!(parsed("()"), Algorithms::default());
    }

    #[test]
    fn times() {
        let seconds = |text| age(text).map(|time| time.map(|time| time.as_secs()));
        for (text, expected) in
            [("none", None), ("90", Some(90)), ("15min", Some(900)), ("2 h", Some(7200))]
        {
            assert_eq!(seconds(text), Ok(expected));
        }
        for text in ["", "0", "min", "1.5h", "-1", "off", "1w", "999999999999999999d"] {
            assert!(age(text).is_err(), "{text:?}");
        }
        assert_eq!(interval("off"), Ok(None));
    }

    #[test]
    fn requests_of_maintenance() {
        assert_eq!(recompress("none"), Ok(None));
        assert!(recompress("type=huge_idle threshold=3000").is_ok_and(|r| r.is_some()));
        for text in ["", "idle", "type=", "type=cold", "threshold=5000"] {
            assert!(recompress(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn words() {
        assert_eq!((backend("ublk"), backend("kernel")), (Ok(Kind::Ublk), Ok(Kind::Kernel)));
        assert!(backend("Kernel").is_err() && recovery("").is_err());
        assert!(["", "-t", "ext4 ", "a/b", "a\n"].iter().all(|text| fs_type(text).is_err()));
        assert!(options("a\nb").is_err() && options("").is_ok());
    }
}
