//! The parameters that `algorithm_params` takes, as a text and as a compressor.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;
use core::num::{IntErrorKind, ParseIntError};
use core::str::FromStr;

use super::find;
use crate::{Algorithm, CompressorBuilder};

/// The greatest level of `lz4hc` here; the kernel's greater ones are this one under other names.
const LZ4HC_MAX_LEVEL: i32 = 12;

/// zlib's name for its default level, 6.
const Z_DEFAULT_COMPRESSION: i32 = -1;

/// What a line for `algorithm_params` says: `[algo=NAME] [priority=N] [level=N] [dict=PATH]
/// [deflate.winbits=N]`.
///
/// Read as the kernel reads it: blanks and newlines separate, double quotes keep blanks together, the
/// later of two equal keys counts, and unknown keys are passed over, as kernels come to know more of
/// them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Params {
    /// `algo`: which algorithm they are for, by its name.
    pub algorithm: Option<String>,
    /// `priority`: which one they are for, by its place, 0 for the primary one. A matter of devices: a
    /// compressor has no place.
    pub priority: Option<i32>,
    /// `level`: on the algorithm's own scale.
    pub level: Option<i32>,
    /// `dict`: the path of a dictionary.
    pub dictionary: Option<String>,
    /// `deflate.winbits`: the binary logarithm of deflate's window; negative for raw streams.
    pub winbits: Option<i32>,
}

/// Why a text has no parameters, or no compressor has them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParamsError {
    /// A key without a value (the kernel says `EINVAL`).
    NoValue {
        /// The key.
        key: String,
    },
    /// A value that should be a number (`EINVAL`).
    NotANumber {
        /// Its key.
        key: String,
    },
    /// A number beyond 32 bits (`ERANGE`).
    TooLarge {
        /// Its key.
        key: String,
    },
    /// Neither the kernel nor this crate has an algorithm of this name.
    UnknownAlgorithm {
        /// The name.
        name: String,
    },
    /// The kernel has the algorithm, and this crate has not.
    NotOffered {
        /// The name.
        name: &'static str,
        /// Why not.
        why: &'static str,
    },
    /// The algorithm has no such parameter here, or not this value of it.
    NotTaken {
        /// Which algorithm.
        algorithm: Algorithm,
        /// The parameter's key.
        key: &'static str,
        /// What it does take.
        why: &'static str,
    },
    /// A dictionary is named and its bytes were not given, or the other way round.
    Dictionary,
}

impl fmt::Display for ParamsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoValue { key } => write!(f, "{key} has no value"),
            Self::NotANumber { key } => write!(f, "the value of {key} is not a decimal number"),
            Self::TooLarge { key } => write!(f, "the value of {key} is beyond 32 bits"),
            Self::UnknownAlgorithm { name } => write!(f, "no algorithm has the name {name}"),
            Self::NotOffered { name, why } => write!(f, "{name} is {why}"),
            Self::NotTaken { algorithm, key, why } => {
                write!(f, "{} takes no such {key}: {why}", algorithm.name())
            }
            Self::Dictionary => f.write_str("`dict` and the bytes of a dictionary belong together"),
        }
    }
}

impl core::error::Error for ParamsError {}

impl FromStr for Params {
    type Err = ParamsError;

    fn from_str(text: &str) -> Result<Self, ParamsError> {
        let mut params = Self::default();
        // The kernel sees a C string.
        let mut rest = text.split('\0').next().unwrap_or_default().trim_start_matches(is_blank);
        while !rest.is_empty() {
            let (key, value, after) = next_argument(rest);
            rest = after.trim_start_matches(is_blank);
            if value.is_empty() {
                return Err(ParamsError::NoValue { key: key.to_owned() });
            }
            let number = || {
                value.parse().map_err(|error: ParseIntError| match error.kind() {
                    IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => {
                        ParamsError::TooLarge { key: key.to_owned() }
                    }
                    _ => ParamsError::NotANumber { key: key.to_owned() },
                })
            };
            match key {
                "algo" => params.algorithm = Some(value.to_owned()),
                "dict" => params.dictionary = Some(value.to_owned()),
                "priority" => params.priority = Some(number()?),
                "level" => params.level = Some(number()?),
                "deflate.winbits" => params.winbits = Some(number()?),
                _ => {}
            }
        }
        Ok(params)
    }
}

impl Params {
    /// A builder for the algorithm that the parameters name, or for `algorithm` if they name none,
    /// with the kernel's defaults for what they leave out.
    ///
    /// This crate opens no files: `dictionary` is what is in the file that
    /// [`dictionary`](Self::dictionary) names.
    ///
    /// # Errors
    ///
    /// There is no such algorithm, or it does not take one of the parameters. Parameters that would
    /// have no effect are errors too. Whether a level exists is for
    /// [`build`](CompressorBuilder::build) to say.
    pub fn builder(
        &self,
        algorithm: Algorithm,
        dictionary: Option<&[u8]>,
    ) -> Result<CompressorBuilder, ParamsError> {
        let algorithm = self.algorithm.as_deref().map_or(Ok(algorithm), named)?;
        self.check_window(algorithm)?;
        let mut builder = CompressorBuilder::new().algorithm(algorithm);
        if let Some(level) = self.level_of(algorithm)? {
            builder = builder.level(level);
        }
        match (&self.dictionary, dictionary) {
            (None, None) => Ok(builder),
            (Some(_), Some(bytes)) if matches!(algorithm, Algorithm::Zstd { .. }) => {
                Ok(builder.dictionary(bytes))
            }
            (Some(_), Some(_)) => Err(ParamsError::NotTaken {
                algorithm,
                key: "dict",
                why: "only zstd has them here",
            }),
            _ => Err(ParamsError::Dictionary),
        }
    }

    fn level_of(&self, algorithm: Algorithm) -> Result<Option<i32>, ParamsError> {
        let refused = |why| Err(ParamsError::NotTaken { algorithm, key: "level", why });
        match (algorithm, self.level) {
            (_, None) => Ok(None),
            (Algorithm::Zstd { .. }, level) => Ok(level),
            (Algorithm::Lz4Hc, Some(level)) => Ok(Some(match level {
                // The kernel's range; what is beyond is an error there and here.
                13..=16 => LZ4HC_MAX_LEVEL,
                other => other,
            })),
            (Algorithm::Deflate, Some(Z_DEFAULT_COMPRESSION)) => Ok(None),
            (Algorithm::Deflate, level) => Ok(level),
            // The kernel's lz4 takes an acceleration.
            (Algorithm::Lz4, Some(1)) => Ok(None),
            (Algorithm::Lz4, Some(_)) => refused("only the acceleration 1"),
            _ => refused("it has no levels"),
        }
    }

    /// A window that holds a page, of a raw stream: there is no other here.
    fn check_window(&self, algorithm: Algorithm) -> Result<(), ParamsError> {
        let why = match (algorithm, self.winbits) {
            (_, None) | (Algorithm::Deflate, Some(-15..=-12)) => return Ok(()),
            (Algorithm::Deflate, Some(_)) => "only raw streams with a window of a page, -15 to -12",
            _ => "only deflate has one",
        };
        Err(ParamsError::NotTaken { algorithm, key: "deflate.winbits", why })
    }
}

/// The kernel's names, and ours.
fn named(name: &str) -> Result<Algorithm, ParamsError> {
    if let Some(known) = find(name) {
        let why = known.difference;
        return known.ours.ok_or(ParamsError::NotOffered { name: known.name, why });
    }
    let ours = Algorithm::ALL.into_iter().find(|algorithm| algorithm.name() == name);
    ours.ok_or_else(|| ParamsError::UnknownAlgorithm { name: name.to_owned() })
}

/// The kernel's `isspace` for ASCII.
const fn is_blank(character: char) -> bool {
    matches!(character, '\t'..='\r' | ' ')
}

/// Splits `key=value` off, as the kernel's `next_arg`; a value is empty if there is none. Quotes are
/// dropped around a value and around a whole pair, and an equals sign in the first place is no sign.
fn next_argument(text: &str) -> (&str, &str, &str) {
    let (text, quoted) = match text.strip_prefix('"') {
        Some(inner) => (inner, true),
        None => (text, false),
    };
    let mut in_quotes = quoted;
    let end = text.find(|character| {
        in_quotes ^= character == '"';
        is_blank(character) && !in_quotes
    });
    let (pair, rest) = text.split_at(end.unwrap_or(text.len()));
    let equals = pair.char_indices().find(|&(at, character)| character == '=' && at > 0);
    let (key, value) = match equals {
        Some((at, _)) => pair.split_at(at),
        None => (pair, ""),
    };
    let value = value.strip_prefix('=').unwrap_or_default();
    let value = match value.strip_prefix('"') {
        Some(inner) => inner.strip_suffix('"').unwrap_or(inner),
        None if quoted => value.strip_suffix('"').unwrap_or(value),
        None => value,
    };
    (key, value, rest)
}

#[cfg(test)]
mod tests;
