//! What can go wrong.

use core::fmt;

use crate::{Algorithm, SimdBackend};

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
    /// The scratch was made by a compressor of another algorithm or another dictionary.
    ForeignScratch,
    /// There is no algorithm of this name.
    UnknownAlgorithm,
    /// There is no SIMD backend of this name (also when `TRUENO_SIMD` says so).
    UnknownBackend,
    /// This processor, or this build, does not have the SIMD backend.
    BackendUnavailable(SimdBackend),
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
    /// The dictionary cannot be used: the algorithm takes none, or the library refused it.
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
            Self::Corrupt { algorithm, what } => write!(f, "not a page of {algorithm}: {what}"),
            Self::BufferTooSmall { got } => {
                write!(f, "the output has {got} bytes and needs {}", crate::BUFFER_SIZE)
            }
            Self::ForeignScratch => f.write_str("the scratch belongs to another compressor"),
            Self::UnknownAlgorithm => f.write_str("no algorithm of this name"),
            Self::UnknownBackend => {
                f.write_str("no such SIMD backend; there are portable, avx2, avx512 and neon")
            }
            Self::BackendUnavailable(backend) => {
                write!(f, "this processor or this build has no {backend}")
            }
            Self::Level { algorithm, level, min, max } => {
                write!(f, "{algorithm} has levels from {min} to {max}, not {level}")
            }
            Self::Dictionary { what } => write!(f, "the dictionary cannot be used: {what}"),
            Self::NotBuilt(algorithm) => {
                write!(f, "built without {algorithm}: it needs the cargo feature `std`")
            }
            Self::Library { algorithm, what } => write!(f, "{algorithm}: {what}"),
        }
    }
}

impl core::error::Error for Error {}
