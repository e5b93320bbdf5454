//! The kernel's number and word grammars, as pure functions.
//!
//! Source of the rules: `lib/cmdline.c` (`memparse`, `next_arg`), `lib/kstrtox.c`, `lib/string*.c`
//! (`sysfs_streq`). Every function takes the bytes of one write(2). The kernel sees them as a C
//! string, so all of them stop at the first NUL ([`c_string`]).

use super::errno::Errno;
use super::kernel::{Change, Kernel};

/// What the kernel sees of a written buffer: everything before the first NUL.
#[must_use]
pub fn c_string(buffer: &[u8]) -> &[u8] {
    match buffer.iter().position(|&byte| byte == 0) {
        Some(end) => buffer.get(..end).unwrap_or_default(),
        None => buffer,
    }
}

/// What [`memparse`] found: the value (modulo 2^64) and what it consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memparse {
    /// The number times its suffix, wrapped to 64 bits.
    pub value: u64,
    /// Whether at least one digit was there.
    pub digits: bool,
    /// Whether a suffix letter was consumed.
    pub suffix: bool,
    /// Whether 64 bits were too few for the digits, or for what the suffix makes of them.
    pub overflow: bool,
}

/// A size as the kernel reads it: a number in C notation (decimal, `0x` hexadecimal, `0` octal) and
/// at most one suffix of `KMGTPE` in either case, each a factor of 1024. There is no error: what
/// follows is ignored (`1.5M` is 1), a missing number is 0, and overflow wraps.
#[must_use]
pub fn memparse(buffer: &[u8]) -> Memparse {
    let text = c_string(buffer);
    let (base, digits) = radix(text);
    let number = integer(digits, base);
    let rest = digits.get(number.length..).unwrap_or_default();
    let shift = match rest.first().map(u8::to_ascii_uppercase) {
        Some(b'K') => 10,
        Some(b'M') => 20,
        Some(b'G') => 30,
        Some(b'T') => 40,
        Some(b'P') => 50,
        Some(b'E') => 60,
        _ => 0,
    };
    Memparse {
        value: number.value << shift,
        digits: number.length > 0,
        suffix: shift > 0,
        overflow: number.overflow || (number.value.leading_zeros() < shift && number.value != 0),
    }
}

/// [`memparse`] of a certain kernel: see [`Change::MemparseSaturates`].
#[must_use]
pub fn memparse_of(buffer: &[u8], kernel: &Kernel) -> Memparse {
    let mut number = memparse(buffer);
    if number.overflow && kernel.after(Change::MemparseSaturates) {
        number.value = u64::MAX;
    }
    number
}

/// `kstrtoull`: one optional `+`, digits, one optional final newline, nothing else.
///
/// # Errors
/// `EINVAL` for anything else, `ERANGE` when 64 bits do not hold the number (found before what
/// follows the digits is looked at, as in the kernel).
pub fn kstrtoull(buffer: &[u8], base: Base) -> Result<u64, Errno> {
    let text = c_string(buffer);
    unsigned(text.strip_prefix(b"+").unwrap_or(text), base)
}

/// `kstrtoll`: like [`kstrtoull`], and a `-` makes it negative.
///
/// # Errors
/// `EINVAL`, `ERANGE` (outside of `i64`).
pub fn kstrtoll(buffer: &[u8], base: Base) -> Result<i64, Errno> {
    let text = c_string(buffer);
    match text.strip_prefix(b"-") {
        Some(magnitude) => 0i64.checked_sub_unsigned(unsigned(magnitude, base)?),
        None => i64::try_from(kstrtoull(text, base)?).ok(),
    }
    .ok_or(Errno::ERANGE)
}

/// The narrower members of the family: `kstrtou16`, `kstrtouint`, `kstrtoint`, ... differ from the
/// wide ones only by the range of their type.
///
/// # Errors
/// `EINVAL`, `ERANGE`.
pub fn kstrtouint(buffer: &[u8], base: Base) -> Result<u32, Errno> {
    u32::try_from(kstrtoull(buffer, base)?).map_err(|_| Errno::ERANGE)
}

/// See [`kstrtouint`].
///
/// # Errors
/// `EINVAL`, `ERANGE`.
pub fn kstrtou16(buffer: &[u8], base: Base) -> Result<u16, Errno> {
    u16::try_from(kstrtoull(buffer, base)?).map_err(|_| Errno::ERANGE)
}

/// See [`kstrtouint`].
///
/// # Errors
/// `EINVAL`, `ERANGE`.
pub fn kstrtoint(buffer: &[u8], base: Base) -> Result<i32, Errno> {
    i32::try_from(kstrtoll(buffer, base)?).map_err(|_| Errno::ERANGE)
}

/// `kstrtobool`: decided by the first letter (`y t e 1`, `n f d 0`, either case), or by the first
/// two for `on` and `of`; the rest is ignored.
///
/// # Errors
/// `EINVAL`.
pub fn kstrtobool(buffer: &[u8]) -> Result<bool, Errno> {
    let mut letters = c_string(buffer).iter().map(u8::to_ascii_lowercase);
    match (letters.next(), letters.next()) {
        (Some(b'y' | b't' | b'e' | b'1'), _) | (Some(b'o'), Some(b'n')) => Ok(true),
        (Some(b'n' | b'f' | b'd' | b'0'), _) | (Some(b'o'), Some(b'f')) => Ok(false),
        _ => Err(Errno::EINVAL),
    }
}

/// `sysfs_streq`: equal, or equal but for one final newline.
#[must_use]
pub fn sysfs_streq(buffer: &[u8], word: &str) -> bool {
    let text = c_string(buffer);
    text.strip_suffix(b"\n").unwrap_or(text) == word.as_bytes() || text == word.as_bytes()
}

/// Which digits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// Decimal only.
    Ten,
    /// As in C: `0x` is hexadecimal, a leading `0` octal, else decimal.
    Auto,
}

/// A `key=value` list as `next_arg` splits it: blanks (newlines too) separate, double quotes keep
/// blanks together and are dropped around a value or a whole pair.
///
/// Yields `(key, value)`; the value is `None` when there was no `=`, or when it was the first byte.
pub fn arguments(buffer: &[u8]) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    let mut rest = trim_blanks(c_string(buffer));
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (argument, next) = next_argument(rest);
        rest = trim_blanks(next);
        Some(argument)
    })
}

type Argument<'a> = (&'a [u8], Option<&'a [u8]>);

fn next_argument(text: &[u8]) -> (Argument<'_>, &[u8]) {
    // An opening quote before the key covers the whole pair and is not part of the key.
    let (text, quoted) = match text.strip_prefix(b"\"") {
        Some(inner) => (inner, true),
        None => (text, false),
    };
    let mut in_quotes = quoted;
    let mut equals = None;
    let mut end = text.len();
    for (at, &byte) in text.iter().enumerate() {
        if is_blank(byte) && !in_quotes {
            end = at;
            break;
        }
        // The kernel keeps 0 for "no equals sign yet", so one in the very first place is not seen.
        if byte == b'=' && equals.is_none() && at > 0 {
            equals = Some(at);
        }
        if byte == b'"' {
            in_quotes = !in_quotes;
        }
    }
    let (pair, rest) = text.split_at(end);
    let rest = rest.get(1..).unwrap_or_default();
    let unquote_end = |part| if quoted { strip_quote(part) } else { part };
    let Some(equals) = equals else { return ((unquote_end(pair), None), rest) };
    let (key, value) = pair.split_at(equals);
    let value = value.get(1..).unwrap_or_default();
    let value = match value.strip_prefix(b"\"") {
        Some(inner) => strip_quote(inner),
        None => unquote_end(value),
    };
    ((key, Some(value)), rest)
}

fn strip_quote(part: &[u8]) -> &[u8] {
    part.strip_suffix(b"\"").unwrap_or(part)
}

fn trim_blanks(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|&byte| !is_blank(byte)).unwrap_or(text.len());
    text.get(start..).unwrap_or_default()
}

/// The kernel's `isspace`: ASCII white space and, its table being Latin-1, the no-break space.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b'\t'..=b'\r' | b' ' | 0xa0)
}

fn unsigned(text: &[u8], base: Base) -> Result<u64, Errno> {
    let (radix, digits) = match base {
        Base::Ten => (10, text),
        Base::Auto => radix(text),
    };
    let number = integer(digits, radix);
    if number.overflow {
        return Err(Errno::ERANGE);
    }
    match digits.get(number.length..) {
        Some(b"" | b"\n") if number.length > 0 => Ok(number.value),
        _ => Err(Errno::EINVAL),
    }
}

/// Base 0 of the kernel: `0x` counts only before a hexadecimal digit (`0xg` is 0, then `xg`).
fn radix(text: &[u8]) -> (u32, &[u8]) {
    match text {
        [b'0', b'x' | b'X', digit, ..] if digit.is_ascii_hexdigit() => {
            (16, text.get(2..).unwrap_or_default())
        }
        [b'0', ..] => (8, text),
        _ => (10, text),
    }
}

struct Integer {
    value: u64,
    length: usize,
    overflow: bool,
}

fn integer(text: &[u8], base: u32) -> Integer {
    let mut number = Integer { value: 0, length: 0, overflow: false };
    for digit in text.iter().map_while(|&byte| char::from(byte).to_digit(base)) {
        let (scaled, over_by_base) = number.value.overflowing_mul(u64::from(base));
        let (value, over_by_digit) = scaled.overflowing_add(u64::from(digit));
        number.overflow |= over_by_base | over_by_digit;
        number.value = value;
        number.length += 1;
    }
    number
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::kernel::Version;
    use super::*;

    fn mem(text: &str) -> u64 {
        memparse(text.as_bytes()).value
    }

    /// Values observed on live kernels through `disksize` and `mem_limit`.
    #[test]
    fn memparse_reads_a_prefix_and_ignores_the_rest() {
        for (text, value) in [
            ("1.5M", 1),
            ("1Mfoo", 1 << 20),
            ("1M 2M", 1 << 20),
            ("3b", 3),
            ("010", 8),
            ("08", 0),
            ("0x10K", 16 << 10),
            ("0X1f", 31),
            ("0x", 0),
            ("0xg", 0),
            ("16E", 0),
            ("1e", 1 << 60),
            ("18446744073709551616", 0),
            ("18446744073709551615", u64::MAX),
            (" 1M", 0),
            ("+1", 0),
            ("-5", 0),
            ("", 0),
        ] {
            assert_eq!(mem(text), value, "{text:?}");
        }
        let nothing = Memparse { value: 0, digits: false, suffix: false, overflow: false };
        assert_eq!(memparse(b"M"), Memparse { suffix: true, ..nothing });
        assert_eq!(memparse(b"abc"), nothing);
        assert!(
            memparse(b"16E").overflow && !memparse(b"15E").overflow && !memparse(b"0E").overflow
        );
        assert_eq!(memparse(b"1\0M").value, 1);
    }

    #[test]
    fn memparse_of_newer_kernels_saturates() {
        let old = Kernel { version: Version(6, 18), ..Kernel::newest() };
        let new = Kernel { version: Version(7, 2), ..Kernel::newest() };
        for (text, wrapped, saturated) in [
            ("16E", 0, u64::MAX),
            ("16777216T", 0, u64::MAX),
            ("18446744073709551616", 0, u64::MAX),
            ("99999999999999999999999", 200_376_420_520_689_663, u64::MAX),
            ("18446744073709551616K", 0, u64::MAX),
            ("0x1ffffffffffffffff", u64::MAX, u64::MAX),
            ("15E", 15 << 60, 15 << 60),
        ] {
            assert_eq!(memparse_of(text.as_bytes(), &old).value, wrapped, "{text:?}");
            assert_eq!(memparse_of(text.as_bytes(), &new).value, saturated, "{text:?}");
        }
    }

    #[test]
    fn kstrto_family() {
        let ten = |text: &str| kstrtoull(text.as_bytes(), Base::Ten);
        assert_eq!(ten("+007\n"), Ok(7));
        for text in ["", "\n", "+", "++1", "-1", " 1", "1 ", "0x1", "1\n\n", "1\r\n"] {
            assert_eq!(ten(text), Err(Errno::EINVAL), "{text:?}");
        }
        assert_eq!(ten("18446744073709551615"), Ok(u64::MAX));
        assert_eq!(ten("18446744073709551616"), Err(Errno::ERANGE));
        assert_eq!(ten("18446744073709551616x"), Err(Errno::ERANGE));
        assert_eq!(kstrtoull(b"0x1f", Base::Auto), Ok(31));
        assert_eq!(kstrtoull(b"010", Base::Auto), Ok(8));
        assert_eq!(kstrtou16(b"65535", Base::Ten), Ok(65535));
        assert_eq!(kstrtou16(b"65536", Base::Ten), Err(Errno::ERANGE));
        assert_eq!(kstrtoint(b"-2147483648", Base::Ten), Ok(i32::MIN));
        assert_eq!(kstrtoint(b"2147483648", Base::Ten), Err(Errno::ERANGE));
        assert_eq!(kstrtoll(b"-9223372036854775808", Base::Ten), Ok(i64::MIN));
        assert_eq!(kstrtoll(b"-9223372036854775809", Base::Ten), Err(Errno::ERANGE));
        assert_eq!(kstrtoint(b"--1", Base::Ten), Err(Errno::EINVAL));
        assert_eq!(kstrtoint(b"-+1", Base::Ten), Err(Errno::EINVAL));
        assert_eq!(kstrtoll(b"1\0junk", Base::Ten), Ok(1));
    }

    #[test]
    fn kstrtobool_looks_at_one_or_two_letters() {
        for text in ["y", "Yes", "t", "1", "10", "on", "ON\n", "enable", "E"] {
            assert_eq!(kstrtobool(text.as_bytes()), Ok(true), "{text:?}");
        }
        for text in ["n", "No", "f", "0", "0x1", "off", "of", "disable", "D"] {
            assert_eq!(kstrtobool(text.as_bytes()), Ok(false), "{text:?}");
        }
        for text in ["", "o", "ox", "2", " 1", "\n"] {
            assert_eq!(kstrtobool(text.as_bytes()), Err(Errno::EINVAL), "{text:?}");
        }
    }

    #[test]
    fn streq_takes_one_newline() {
        assert!(sysfs_streq(b"all", "all") && sysfs_streq(b"all\n", "all"));
        assert!(sysfs_streq(b"all\0junk", "all"));
        assert!(!sysfs_streq(b"all\n\n", "all") && !sysfs_streq(b" all", "all"));
        assert!(!sysfs_streq(b"al", "all"));
    }

    fn split(text: &str) -> Vec<(String, Option<String>)> {
        let show = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        arguments(text.as_bytes()).map(|(key, value)| (show(key), value.map(show))).collect()
    }

    #[test]
    fn argument_lists() {
        let pair = |key: &str, value: &str| (key.to_owned(), Some(value.to_owned()));
        let bare = |key: &str| (key.to_owned(), None);
        for (text, expect) in [
            ("", vec![]),
            (" \n\t ", vec![]),
            ("a=1 b=2\n", vec![pair("a", "1"), pair("b", "2")]),
            ("a=\"x y\" b", vec![pair("a", "x y"), bare("b")]),
            ("\"a=x y\" b=1", vec![pair("a", "x y"), pair("b", "1")]),
            ("\"a=x", vec![pair("a", "x")]),
            ("a=", vec![pair("a", "")]),
            ("=v", vec![bare("=v")]),
            ("==v", vec![pair("=", "v")]),
            ("a=b=c", vec![pair("a", "b=c")]),
            ("a=\"\"", vec![pair("a", "")]),
            ("a=x\"y z\"", vec![pair("a", "x\"y z\"")]),
        ] {
            assert_eq!(split(text), expect, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_input_panics(buffer in proptest::collection::vec(any::<u8>(), 0..64)) {
            std::hint::black_box(memparse(&buffer));
            std::hint::black_box(kstrtobool(&buffer).ok());
            std::hint::black_box(sysfs_streq(&buffer, "all"));
            for base in [Base::Ten, Base::Auto] {
                std::hint::black_box(kstrtoint(&buffer, base).ok());
                std::hint::black_box(kstrtou16(&buffer, base).ok());
                std::hint::black_box(kstrtouint(&buffer, base).ok());
            }
            prop_assert!(arguments(&buffer).count() <= buffer.len());
        }

        #[test]
        fn any_number_is_read_back(number in any::<u64>(), newline in any::<bool>()) {
            let text = format!("{number}{}", if newline { "\n" } else { "" });
            prop_assert_eq!(kstrtoull(text.as_bytes(), Base::Ten), Ok(number));
            prop_assert_eq!(memparse(text.as_bytes()).value, number);
            let hex = format!("{number:#x}");
            prop_assert_eq!(kstrtoull(hex.as_bytes(), Base::Auto), Ok(number));
            prop_assert_eq!(memparse(hex.as_bytes()).value, number);
        }
    }
}
