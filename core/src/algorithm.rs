//! The algorithms and their names.

use alloc::borrow::ToOwned as _;
use core::fmt;
use core::str::FromStr;

use crate::Error;

/// How a page is compressed.
///
/// Names are the kernel's where the kernel has the algorithm ([`FromStr`] and [`Display`](fmt::Display)):
/// `lz4`, `lz4hc`, `zstd`, `deflate`, `lzo`; ours are `wm`, `wmhc` and `adaptive`. `zstd` may carry a
/// level: `zstd:1`. With the feature `serde` it is written by the same name. Other parameters are the business of [`CompressorBuilder`](crate::CompressorBuilder).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// LZ4 block format, by our own encoder and decoder for one page.
    Lz4,
    /// LZ4 block format, searched thoroughly by the C library.
    Lz4Hc,
    /// Zstandard, magicless frames, by the C library.
    Zstd {
        /// From -7 to 22; negative ones leave literals uncompressed, 3 is the kernel's default.
        level: i32,
    },
    /// Raw deflate, by libdeflate.
    Deflate,
    /// LZO1X, for compatibility.
    Lzo,
    /// The word-mask format, fast: about the ratio of `zstd -1` (0.75 to 1.25 of it, by program), and
    /// with AVX2 or AVX-512 about half of LZ4's time (0.4 to 0.8 of it; 1.2 for text).
    Wm,
    /// The word-mask format, dense: the ratio of `zstd 1` and often better (0.8 to 1.4 of it, by
    /// program), and with AVX2 or AVX-512 about LZ4's time (0.7 to 2 of it; 3 for text).
    WmHc,
    /// Same-filled pages in two to nine bytes, everything else as [`Algorithm::Wm`].
    #[default]
    Adaptive,
}

impl Algorithm {
    /// Every algorithm, `zstd` at the kernel's default level, in the order that a device lists them.
    pub const ALL: [Self; 8] = [
        Self::Wm,
        Self::WmHc,
        Self::Lz4,
        Self::Lz4Hc,
        Self::Zstd { level: 3 },
        Self::Deflate,
        Self::Lzo,
        Self::Adaptive,
    ];

    /// The name without parameters, as `comp_algorithm` shows it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lz4 => "lz4",
            Self::Lz4Hc => "lz4hc",
            Self::Zstd { .. } => "zstd",
            Self::Deflate => "deflate",
            Self::Lzo => "lzo",
            Self::Wm => "wm",
            Self::WmHc => "wmhc",
            Self::Adaptive => "adaptive",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zstd { level } => write!(f, "zstd:{level}"),
            other => f.pad(other.name()),
        }
    }
}

#[cfg(feature = "serde")]
crate::names::serialized_by_name!(Algorithm);

impl FromStr for Algorithm {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let found = match text.strip_prefix("zstd:") {
            Some(level) => level.parse().ok().map(|level| Self::Zstd { level }),
            None => Self::ALL.into_iter().find(|algorithm| algorithm.name() == text),
        };
        found.ok_or_else(|| Error::UnknownAlgorithm { name: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn names_are_read_back() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.name().parse(), Ok(algorithm));
            assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
        }
        assert_eq!("zstd:-1".parse(), Ok(Algorithm::Zstd { level: -1 }));
        for wrong in ["", "LZ4", "zstd:", "zstd:x", "lz4 ", "lz4hc:9", "842", "lzo-rle"] {
            let error = Error::UnknownAlgorithm { name: wrong.into() };
            assert_eq!(wrong.parse::<Algorithm>(), Err(error));
        }
    }
}
