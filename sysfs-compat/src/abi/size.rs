//! util-linux's size grammar, for reading and for printing.
//!
//! Reading: `[blanks][+]NUMBER[.FRACTION][SUFFIX]`. The number is in C notation (`0x` hexadecimal,
//! leading `0` octal). The suffix is one of `KMGTPEZY` in either case; alone or followed by `iB` it
//! counts in powers of 1024, followed by `B` in powers of 1000. No suffix means bytes. A fraction
//! needs a suffix. Printing: one letter of `BKMGTPE`, powers of 1024, at most one decimal.
//!
//! Both directions were measured against zramctl and fallocate of util-linux 2.38.1.

use super::errno::Errno;

const SUFFIXES: &[u8] = b"KMGTPEZY";

/// Reads a size in bytes.
///
/// `decimal_point` is the locale's (`.` in the C locale).
///
/// Fractions follow util-linux to the bit, and its arithmetic is coarse: each decimal digit adds
/// the unit divided by the truncated quotient 10^n/digit, so that `1.5G` is exact, but `0.3K` is
/// 341 and `1.9K` is 2048. Scripts depend on the device size they got so far, hence no correction.
///
/// # Errors
/// `EINVAL` if the text is not a size, `ERANGE` if 64 bits do not hold it.
pub fn parse(text: &[u8], decimal_point: &str) -> Result<u64, Errno> {
    let start = text.iter().position(|&b| !is_blank(b)).unwrap_or(text.len());
    let text = text.get(start..).unwrap_or_default();
    let text = text.strip_prefix(b"+").unwrap_or(text);
    let (number, rest) = c_integer(text)?;
    if rest.is_empty() {
        return Ok(number);
    }
    match unit(rest) {
        Ok(unit) => unit.scale(number),
        Err(error) => {
            let point = decimal_point.as_bytes();
            let fraction = rest.strip_prefix(point).ok_or(error)?;
            let (fraction, rest) = Fraction::parse(fraction, point)?;
            let unit = unit(rest)?;
            // Only the whole number is looked at for what 64 bits hold: beyond, the sum wraps.
            Ok(fraction.of(unit).wrapping_add(unit.scale(number)?))
        }
    }
}

/// Prints a number of bytes the way util-linux does (`4096` -> `4K`, `947704627` -> `903.8M`).
///
/// Rounded half up to one decimal, `.0` dropped, never re-scaled: one byte less than 1 GiB is
/// `1024M`.
#[must_use]
pub fn human(bytes: u64, decimal_point: &str) -> String {
    let steps = bytes.checked_ilog2().unwrap_or(0) / 10;
    let shift = steps * 10;
    let letter = match steps.checked_sub(1).and_then(|i| SUFFIXES.get(i as usize)) {
        Some(&letter) => char::from(letter),
        None => 'B',
    };
    let mut whole = bytes >> shift;
    let rest = bytes - (whole << shift);
    // Thousandths first and then tenths: rounding twice is what the original does.
    let thousandths = (u128::from(rest) * 1000) >> shift;
    let mut tenths = (thousandths + 50) / 100;
    if tenths == 10 {
        whole += 1;
        tenths = 0;
    }
    match tenths {
        0 => format!("{whole}{letter}"),
        _ => format!("{whole}{decimal_point}{tenths}{letter}"),
    }
}

#[derive(Clone, Copy)]
struct Unit {
    base: u64,
    power: u32,
}

impl Unit {
    fn scale(self, number: u64) -> Result<u64, Errno> {
        if number == 0 {
            return Ok(0);
        }
        let factor = self.base.checked_pow(self.power).ok_or(Errno::ERANGE)?;
        number.checked_mul(factor).ok_or(Errno::ERANGE)
    }
}

fn unit(suffix: &[u8]) -> Result<Unit, Errno> {
    let (letter, base) = match suffix {
        [letter] | [letter, b'i', b'B' | b'b'] => (letter, 1024),
        [letter, b'B' | b'b'] => (letter, 1000),
        _ => return Err(Errno::EINVAL),
    };
    let letter = letter.to_ascii_uppercase();
    let powers = SUFFIXES.iter().zip(1..);
    let (_, power) = powers.into_iter().find(|(s, _)| **s == letter).ok_or(Errno::EINVAL)?;
    Ok(Unit { base, power })
}

/// Decimals after the point: `050` is `digits` 50 behind one zero.
struct Fraction {
    digits: u64,
    zeros: u32,
}

impl Fraction {
    /// As long as all decimals were zeros (or none), another point may follow: `1.0.5K` is `1.05K`.
    fn parse<'a>(mut text: &'a [u8], point: &[u8]) -> Result<(Self, &'a [u8]), Errno> {
        let mut all_zeros = 0;
        loop {
            let zeros = text.iter().take_while(|&&b| b == b'0').count();
            all_zeros += u32::try_from(zeros).map_err(|_| Errno::EINVAL)?;
            text = text.get(zeros..).unwrap_or_default();
            if text.first().is_some_and(u8::is_ascii_digit) {
                let (digits, rest) = c_integer(text)?;
                return Ok((Fraction { digits, zeros: all_zeros }, rest));
            }
            match text.strip_prefix(point) {
                Some(rest) if !point.is_empty() => text = rest,
                _ => return Ok((Fraction { digits: 0, zeros: all_zeros }, text)),
            }
        }
    }

    /// The coarse arithmetic described at [`parse`]. Zeros at the end of the digits make the
    /// divisor ten times smaller than it should be (`1.010K` is `1.1K`): also as measured.
    fn of(&self, unit: Unit) -> u64 {
        // Beyond the largest power that 64 bits hold, the original goes on with that one.
        let whole = (0..unit.power).fold(1u64, |w, _| w.checked_mul(unit.base).unwrap_or(w));
        let mut digits = self.digits;
        let mut divisor = 10u64;
        while divisor < digits {
            widen(&mut divisor, &mut digits);
        }
        for _ in 0..self.zeros {
            widen(&mut divisor, &mut digits);
        }
        let mut sum = 0u64;
        while digits > 0 {
            if let Some(parts @ 1..) = divisor.checked_div(digits % 10) {
                sum = sum.wrapping_add(whole / parts);
            }
            digits /= 10;
            divisor /= 10;
        }
        sum
    }
}

/// One more decimal place: a larger divisor or, where 64 bits are at their end, a digit less.
fn widen(divisor: &mut u64, digits: &mut u64) {
    match divisor.checked_mul(10) {
        Some(wider) => *divisor = wider,
        None => *digits /= 10,
    }
}

/// `strtoumax` with base 0, sign and blanks already gone.
fn c_integer(text: &[u8]) -> Result<(u64, &[u8]), Errno> {
    let (radix, digits) = match text {
        [b'0', b'x' | b'X', digit, ..] if digit.is_ascii_hexdigit() => {
            (16, text.get(2..).unwrap_or_default())
        }
        [b'0', ..] => (8, text),
        _ => (10, text),
    };
    let is_digit = |b: &&u8| char::from(**b).is_digit(radix);
    let length = digits.iter().take_while(is_digit).count();
    let (digits, rest) = digits.split_at(length);
    if digits.is_empty() {
        return Err(Errno::EINVAL);
    }
    let value = digits.iter().try_fold(0u64, |value, &b| {
        let digit = char::from(b).to_digit(radix).unwrap_or(0);
        value.checked_mul(u64::from(radix))?.checked_add(u64::from(digit))
    });
    value.map(|value| (value, rest)).ok_or(Errno::ERANGE)
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b'\t'..=b'\r' | b' ')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_as_util_linux_reads_them() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("10K", 10240),
            ("10KiB", 10240),
            ("10Kib", 10240),
            ("1kiB", 1024),
            ("10KB", 10000),
            ("10kb", 10000),
            ("1KB", 1000),
            ("0.5MB", 500_000),
            ("0.5MiB", 524_288),
            ("1.5M", 1_572_864),
            ("1.5G", 1_610_612_736),
            ("0.05M", 52428),
            ("1.05M", 1_101_004),
            ("1.005M", 1_053_818),
            ("0.999K", 1126),
            ("1.010K", 1126),
            ("1.08K", 1109),
            ("1.9K", 2048),
            ("0.1K", 102),
            ("0.3K", 341),
            ("0.7K", 1024),
            ("3.33K", 3444),
            ("12.34M", 12_974_380),
            ("12.340M", 12_974_380),
            ("1.1234567890123456789K", 1149),
            ("1.0000000000000000000001K", 1024),
            ("1.0K", 1024),
            ("1.K", 1024),
            ("1.0KB", 1000),
            ("1.25MB", 1_250_000),
            ("0x10", 16),
            ("0x10K", 16384),
            ("0x1.8K", 2048),
            ("010", 8),
            ("010K", 8192),
            ("+8K", 8192),
            (" 8K", 8192),
            ("1..5K", 1536),
            ("1.0.5K", 1075),
            ("1.0.0.5K", 1029),
            ("1..K", 1024),
            ("15.9E", 0),
            ("15.900000000005E", 5_764_607),
            ("16EB", 16_000_000_000_000_000_000),
            ("0Z", 0),
            ("0.0Z", 0),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse(text.as_bytes(), "."), Ok(bytes), "{text:?}");
        }
    }

    #[test]
    fn refused_sizes() {
        for text in [
            "", " ", "x", "K", "+", "-1", " -1", "1 K", "1e3", "1.5", "0.5", "1.0", "1.", "1.x",
            ".5K", "1,5K", "1K5", "08", "0x", "0xK", "1B", "1b", "0B", "1bB", "1KIB", "1KiBx",
            "1Q", "1_000", "1.0x8K", "1.+5K", "1. 5K", "1.-5K", "1.5.5K", "1.5.K", "1..", "..5K",
            "100B",
        ] {
            assert_eq!(parse(text.as_bytes(), "."), Err(Errno::EINVAL), "{text:?}");
        }
        for text in [
            "17E",
            "16E",
            "1Z",
            "1ZB",
            "19EB",
            "18446744073709551616",
            "18446744073709551616K",
            "0x10000000000000000",
            "1.99999999999999999999K",
            "1.18446744073709551616K",
        ] {
            assert_eq!(parse(text.as_bytes(), "."), Err(Errno::ERANGE), "{text:?}");
        }
    }

    #[test]
    fn the_decimal_point_is_the_locales() {
        assert_eq!(parse(b"1,5K", ","), Ok(1536));
        assert_eq!(parse(b"1.5K", ","), Err(Errno::EINVAL));
        assert_eq!(human(1536, ","), "1,5K");
    }

    #[test]
    fn printed_sizes() {
        for (bytes, text) in [
            (0, "0B"),
            (1, "1B"),
            (1023, "1023B"),
            (1024, "1K"),
            (1075, "1K"),
            (1076, "1.1K"),
            (1229, "1.2K"),
            (4096, "4K"),
            (947_704_627, "903.8M"),
            ((1 << 30) - 1, "1024M"),
            (1 << 30, "1G"),
            (u64::MAX, "16E"),
        ] {
            assert_eq!(human(bytes, "."), text, "{bytes}");
        }
    }

    proptest! {
        #[test]
        fn any_size_in_bytes_is_read_back(bytes in any::<u64>()) {
            prop_assert_eq!(parse(bytes.to_string().as_bytes(), "."), Ok(bytes));
            prop_assert_eq!(parse(format!("{bytes:#x}").as_bytes(), "."), Ok(bytes));
        }

        /// What we print can be typed back: one decimal loses a twentieth of the unit, and reading
        /// it is coarser still (0.6 of a unit reads as a whole one, see `parse`).
        #[test]
        fn a_printed_size_is_read_back_nearly(bytes in 0u64..1 << 59) {
            let text = human(bytes, ".");
            let unit = 1u64 << (bytes.checked_ilog2().unwrap_or(0) / 10 * 10);
            let text = text.strip_suffix('B').unwrap_or(&text);
            let back = parse(text.as_bytes(), ".").expect("our own output");
            prop_assert!(back.abs_diff(bytes) <= unit * 9 / 20 + 1, "{bytes} -> {text} -> {back}");
        }

        #[test]
        fn no_input_panics(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            std::hint::black_box(parse(&text, ".").ok());
        }

        #[test]
        fn no_number_like_input_panics(text in "[ +]?[0-9x]{0,24}[.][0-9]{0,24}[KMGTPEZYkib]{0,3}") {
            std::hint::black_box(parse(text.as_bytes(), ".").ok());
        }
    }
}
