//! Deflate for pages, by libdeflate.
//!
//! A stored page is one raw deflate stream (RFC 1951) without header and checksum, as the kernel's
//! zram writes it. libdeflate refers back as far as a page reaches, so a stream needs a window of
//! 2¹² bytes. zlib inflates it with any smaller one too (`winbits` of 9, and the kernel's default of
//! 11), as long as it writes the page in one call: it looks into its window only for what an earlier
//! call wrote. Streams of the kernel are read whatever their `winbits`, if these are negative (raw).
//!
//! # Levels
//!
//! 1 to 12, and 6 if none is asked for, which is also zlib's default; 10 to 12 search for the best
//! parse. zlib's 0 is not taken, it stores.
//!
//! # Memory
//!
//! A scratch takes 0.2 MB at level 1, 0.7 MB up to level 9 and 9 MB above; libdeflate makes its tables
//! for windows of 32 KiB. They come from C's `malloc`, when the scratch is made; pages allocate
//! nothing.

use libdeflater::{CompressionError, CompressionLvl, Compressor, DecompressionError, Decompressor};

use crate::{Algorithm, Error, PAGE_SIZE, Page, Result};

/// The least level that compresses.
const MIN_LEVEL: i32 = 1;
/// The greatest level of libdeflate.
const MAX_LEVEL: i32 = 12;
/// What zlib and libdeflate take if nothing is said.
const DEFAULT_LEVEL: i32 = 6;

/// What a compressor knows: the level.
pub(crate) struct Codec {
    level: CompressionLvl,
}

/// libdeflate's tables, for both directions.
pub(crate) struct State {
    level: CompressionLvl,
    compressor: Compressor,
    decompressor: Decompressor,
}

impl Codec {
    pub(crate) fn new(level: Option<i32>) -> Result<Self> {
        let level = level.unwrap_or(DEFAULT_LEVEL);
        let algorithm = Algorithm::Deflate;
        let unknown = Error::Level { algorithm, level, min: MIN_LEVEL, max: MAX_LEVEL };
        match CompressionLvl::new(level) {
            Ok(known) if level >= MIN_LEVEL => Ok(Self { level: known }),
            _ => Err(unknown),
        }
    }

    pub(crate) fn state(&self) -> State {
        State {
            level: self.level,
            compressor: Compressor::new(self.level),
            decompressor: Decompressor::new(),
        }
    }

    /// Compresses `page` into the first bytes of `out`. What does not fit there is incompressible, as
    /// is what takes a page or more.
    pub(crate) fn compress(&self, page: &Page, state: &mut State, out: &mut [u8]) -> Result<usize> {
        if state.level != self.level {
            return Err(Error::ForeignScratch);
        }
        match state.compressor.deflate_compress(page, out) {
            Ok(len) => Ok(len),
            Err(CompressionError::InsufficientSpace) => Ok(PAGE_SIZE),
        }
    }

    pub(crate) fn decompress(&self, data: &[u8], state: &mut State, page: &mut Page) -> Result<()> {
        let what = match state.decompressor.deflate_decompress(data, page) {
            Ok(PAGE_SIZE) => return Ok(()),
            Ok(_) => "the stream is shorter than a page",
            Err(DecompressionError::BadData) => "not a deflate stream",
            // libdeflate goes on with zeroes where a stream is cut off.
            Err(DecompressionError::InsufficientSpace) => {
                "the stream is longer than a page, or cut off"
            }
        };
        Err(Error::Corrupt { algorithm: Algorithm::Deflate, what })
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "test data")]
mod tests {
    use super::*;

    #[test]
    fn levels_that_compress() {
        for level in [None, Some(1), Some(6), Some(12)] {
            assert!(Codec::new(level).is_ok(), "{level:?}");
        }
        for level in [-1, 0, 13, i32::MIN, i32::MAX] {
            let error = Error::Level { algorithm: Algorithm::Deflate, level, min: 1, max: 12 };
            assert_eq!(Codec::new(Some(level)).err(), Some(error));
        }
    }

    #[test]
    fn a_state_of_another_level_is_refused() {
        let new = |level| Codec::new(Some(level)).expect("a level");
        let result = new(1).compress(&[7; PAGE_SIZE], &mut new(2).state(), &mut [0; 5000]);
        assert_eq!(result, Err(Error::ForeignScratch));
    }

    #[test]
    fn a_short_output_is_no_error() {
        let codec = Codec::new(None).expect("the default level");
        let page = core::array::from_fn(|at| (at * at / 7) as u8);
        let len = codec.compress(&page, &mut codec.state(), &mut [0; 10]);
        assert_eq!(len, Ok(PAGE_SIZE));
    }
}
