//! What can go wrong.

use alloc::string::String;
use core::fmt;

use crate::{Algorithm, SimdBackend, simd};

/// A result of this crate.
pub type Result<T> = core::result::Result<T, Error>;

/// Why a page was not compressed or not decompressed, or a compressor not built.
///
/// No input makes this crate panic: what cannot be decoded ends here.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are not a page that `algorithm` could have written.
    Corrupt {
        /// Which decoder refused.
        algorithm: Algorithm,
        /// What was wrong, for a log: "an offset points before the page".
        what: &'static str,
    },
    /// The output has fewer bytes than [`BUFFER_SIZE`](crate::BUFFER_SIZE).
    BufferTooSmall {
        /// How many it has.
        got: usize,
    },
    /// The scratch was made by a compressor of another algorithm, level or dictionary.
    ForeignScratch,
    /// The page was compressed by another algorithm than the compressor's.
    OtherAlgorithm {
        /// What the compressor reads.
        algorithm: Algorithm,
        /// What compressed the page.
        made_by: Algorithm,
    },
    /// There is no algorithm of this name.
    UnknownAlgorithm {
        /// The name.
        name: String,
    },
    /// There is no SIMD backend of this name.
    UnknownBackend {
        /// The name.
        name: String,
    },
    /// This processor, or this build, does not have the SIMD backend.
    BackendUnavailable(SimdBackend),
    /// The environment variable `TRUENO_SIMD` names no backend that this processor has.
    Variable {
        /// Its value.
        value: String,
    },
    /// The algorithm has nothing to do with a setting of the builder.
    NotTaken {
        /// Which algorithm.
        algorithm: Algorithm,
        /// "level", "dictionary" or "tables".
        setting: &'static str,
    },
    /// The algorithm has no such level.
    Level {
        /// Which algorithm.
        algorithm: Algorithm,
        /// The level that was asked for.
        level: i32,
        /// The least it has.
        min: i32,
        /// The most it has.
        max: i32,
    },
    /// The dictionary, or the file of tables, cannot be used.
    Dictionary {
        /// What was wrong.
        what: &'static str,
    },
    /// This build has no such codec: it needs the cargo feature `std`.
    NotBuilt(Algorithm),
    /// The library behind the algorithm failed for another reason (memory, usually).
    Library {
        /// Which algorithm.
        algorithm: Algorithm,
        /// What the library calls it.
        what: &'static str,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt { algorithm, what } => {
                write!(f, "not a page of {}: {what}", algorithm.name())
            }
            Self::BufferTooSmall { got } => {
                write!(f, "the output has {got} bytes and needs {}", crate::BUFFER_SIZE)
            }
            Self::ForeignScratch => f.write_str("the scratch belongs to another compressor"),
            Self::OtherAlgorithm { algorithm, made_by } => {
                let (reads, made) = (algorithm.name(), made_by.name());
                write!(f, "a page of {made}, which a compressor for {reads} does not read")
            }
            Self::UnknownAlgorithm { name } => {
                write!(f, "no algorithm has the name {name:?}; there are ")?;
                list(f, Algorithm::ALL.map(Algorithm::name))?;
                f.write_str(", and zstd with its level as zstd:3")
            }
            Self::UnknownBackend { name } => {
                write!(f, "no SIMD backend has the name {name:?}; there are ")?;
                list(f, SimdBackend::ALL.map(SimdBackend::name))
            }
            Self::BackendUnavailable(backend) => {
                write!(f, "this processor or this build has no {backend}")
            }
            Self::Variable { value } => {
                let has = SimdBackend::ALL.into_iter().filter(|backend| backend.is_available());
                write!(f, "{} is {value:?}; this processor has ", simd::VARIABLE)?;
                list(f, has.map(SimdBackend::name))
            }
            Self::NotTaken { algorithm, setting } => {
                write!(f, "{} takes no {setting}", algorithm.name())
            }
            Self::Level { algorithm, level, min, max } => {
                write!(f, "{} has levels from {min} to {max}, not {level}", algorithm.name())
            }
            Self::Dictionary { what } => write!(f, "the dictionary cannot be used: {what}"),
            Self::NotBuilt(algorithm) => {
                write!(f, "built without {}: it needs the cargo feature `std`", algorithm.name())
            }
            Self::Library { algorithm, what } => write!(f, "{algorithm}: {what}"),
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, names: impl IntoIterator<Item = &'static str>) -> fmt::Result {
    let mut names = names.into_iter();
    names.next().map_or(Ok(()), |first| f.write_str(first))?;
    names.try_for_each(|name| write!(f, ", {name}"))
}

impl core::error::Error for Error {}
