//! The expressions of `zram-size` and `zram-resident-limit`: the language of fasteval without its
//! optional words, in which all of zram-generator's configurations are written.
//!
//! It has traps that are part of the contract: suffixes are decimal (`2k` is 2000) and multiply a
//! number that is in MiB already, `-2^2` is 4, and every comparison is 0 or 1.

use std::collections::BTreeMap;

use crate::notes::printable;
use fasteval::{Error, EvalNamespace, Evaler, ExpressionI, Parser, Slab};

/// The bytes of a mebibyte.
const MIB: f64 = 1024.0 * 1024.0;

/// Variables by name, as `set!` made them.
pub type Variables = BTreeMap<String, f64>;

/// One that was read without a fault.
#[derive(Debug)]
pub struct Expression {
    slab: Slab,
    root: ExpressionI,
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut slab = Slab::new();
        let root = Parser::new().parse(text, &mut slab.ps).map_err(|error| explain(&error))?;
        Ok(Expression { slab, root })
    }

    /// Its value on a machine with `ram` MiB.
    ///
    /// # Errors
    /// A variable that does not exist.
    pub fn value(&self, ram: u64, variables: &Variables) -> Result<f64, String> {
        let mut names = Names { ram, variables };
        let root = self.root.from(&self.slab.ps);
        root.eval(&self.slab, &mut names).map_err(|error| explain(&error))
    }
}

/// A number of MiB in bytes. What is too large becomes the largest number.
///
/// # Errors
/// A negative number, or none (0 / 0).
pub fn bytes(mebibytes: f64) -> Result<u64, String> {
    if mebibytes.is_nan() || mebibytes < 0.0 {
        return Err(format!("the size is {mebibytes} MiB"));
    }
    Ok(saturate(mebibytes * MIB))
}

/// Without its fraction.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the conversion that saturates is what is wanted, and has no other name"
)]
pub(crate) fn saturate(number: f64) -> u64 {
    number as u64
}

/// The nearest number that has a fraction.
#[expect(clippy::cast_precision_loss, reason = "2^53 MiB are enough")]
pub(crate) fn float(number: u64) -> f64 {
    number as f64
}

struct Names<'a> {
    ram: u64,
    variables: &'a Variables,
}

impl EvalNamespace for Names<'_> {
    fn lookup(&mut self, name: &str, args: Vec<f64>, _: &mut String) -> Option<f64> {
        match name {
            _ if !args.is_empty() => None,
            "ram" => Some(float(self.ram)),
            _ => self.variables.get(name).copied(),
        }
    }
}

/// fasteval's errors are for programmers.
fn explain(error: &Error) -> String {
    match error {
        Error::Undefined(name) => format!("there is no variable or function `{name}`"),
        Error::UnparsedTokensRemaining(rest) => {
            format!("cannot make sense of `{}`", printable(rest))
        }
        Error::EOF | Error::EofWhileParsing(_) | Error::InvalidValue => {
            "a number, a name or a parenthesis is missing".to_owned()
        }
        Error::ParseF64(text) => format!("`{text}` is not a number"),
        Error::Expected(what) => format!("`{what}` is missing"),
        Error::WrongArgs(text) => text.clone(),
        Error::TooLong => "it has more than 4096 characters".to_owned(),
        Error::TooDeep => "it is nested more than 32 deep".to_owned(),
        Error::SlabOverflow => "it has more than 64 parts".to_owned(),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(text: &str) -> Result<f64, String> {
        let variables = Variables::from([("max".to_owned(), 7.0)]);
        Expression::parse(text)?.value(4000, &variables)
    }

    #[test]
    fn the_language_and_its_traps() {
        for (text, expected) in [
            ("min(ram / 2, 4096)", 2000.0),
            ("ram * 0.75", 3000.0),
            ("max + 1", 8.0),
            ("2K", 2000.0),
            ("1.5G", 1.5e9),
            ("-2^2", 4.0),
            ("2^3^2", 512.0),
            ("7 % 4", 3.0),
            ("(ram > 1000) * 100", 100.0),
            ("ram > 1000 && 512 || 256", 512.0),
            ("round(modulus, 7)", f64::NAN),
            ("round(4, 7)", 8.0),
            ("log(2, 8)", 3.0),
            ("int(7.9) + ceil(0.1) + floor[0.9]", 8.0),
            ("500m", 0.5),
        ] {
            match value(text) {
                Ok(number) => assert!((number - expected).abs() < 1e-9, "{text} is {number}"),
                Err(why) => assert!(expected.is_nan(), "{text}: {why}"),
            }
        }
    }

    #[test]
    fn faults_are_explained() {
        for (text, why) in [
            ("", "a number, a name or a parenthesis is missing"),
            ("ram /", "a number, a name or a parenthesis is missing"),
            ("ram 2", "cannot make sense of `2`"),
            ("50%", "a number, a name or a parenthesis is missing"),
            ("hotplug", "there is no variable or function `hotplug`"),
            ("ram(1)", "there is no variable or function `ram`"),
            ("min()", "min: expected one or more args"),
            ("1.2.3", "`1.2.3` is not a number"),
            ("(1", "a number, a name or a parenthesis is missing"),
            ("(1]", "`)` is missing"),
        ] {
            assert_eq!(value(text), Err(why.to_owned()), "{text:?}");
        }
        assert_eq!(value(&"(".repeat(40)), Err("it is nested more than 32 deep".to_owned()));
        assert!(value(&"1+".repeat(3000)).is_err_and(|why| why.contains("4096")));
        assert!(
            value(&format!("min({}1)", "(1),".repeat(80))).is_err_and(|why| why.contains("64"))
        );
    }

    #[test]
    fn sizes_saturate() {
        assert_eq!(bytes(1.5), Ok(3 << 19));
        assert_eq!(bytes(f64::INFINITY), Ok(u64::MAX));
        assert_eq!(bytes(-0.0), Ok(0));
        assert_eq!(bytes(-1.0), Err("the size is -1 MiB".to_owned()));
        assert!(bytes(f64::NAN).is_err());
    }

    proptest! {
        #[test]
        fn no_input_panics(text in "\\PC*|[-+*/%^<>=!&|()\\[\\],;.a-z0-9 ]{0,80}") {
            drop(value(&text));
        }
    }
}
