//! LZ4 block format, searched thoroughly by the C library; read back by [`lz4`].
//!
//! # Levels
//!
//! 1 to 12, and 9 if none is asked for, as in the kernel (`LZ4HC_DEFAULT_CLEVEL`). The library takes 1
//! for 2, and the kernel's 13 to 16 are its 12 under other names. From 10 on it looks for the best
//! parse.
//!
//! # Memory
//!
//! A scratch takes 256 KiB, from Rust's allocator, when it is made. Up to level 9 pages allocate
//! nothing; from 10 on the library, as it is built here (`LZ4HC_HEAPMODE`), takes 64 KiB from C's
//! `malloc` for each page and gives them back.

mod encoder;

use self::encoder::Encoder;
use crate::{Algorithm, Error, PAGE_SIZE, Page, Result, lz4};

/// The least level.
const MIN_LEVEL: i32 = 1;
/// The greatest level (`LZ4HC_CLEVEL_MAX`).
const MAX_LEVEL: i32 = 12;
/// The kernel's and the library's default (`LZ4HC_CLEVEL_DEFAULT`).
const DEFAULT_LEVEL: i32 = 9;

/// What a compressor knows: the level.
pub(crate) struct Codec {
    level: i32,
}

/// The library's tables.
pub(crate) struct State(Encoder);

impl Codec {
    pub(crate) fn new(level: Option<i32>) -> Result<Self> {
        let level = level.unwrap_or(DEFAULT_LEVEL);
        if (MIN_LEVEL..=MAX_LEVEL).contains(&level) {
            return Ok(Self { level });
        }
        let algorithm = Algorithm::Lz4Hc;
        Err(Error::Level { algorithm, level, min: MIN_LEVEL, max: MAX_LEVEL })
    }

    pub(crate) fn state(&self) -> State {
        State(Encoder::new(self.level))
    }

    /// Compresses `page` into the first bytes of `out`. What does not fit there is incompressible, as
    /// is what takes a page or more.
    pub(crate) fn compress(&self, page: &Page, state: &mut State, out: &mut [u8]) -> Result<usize> {
        if state.0.level() != self.level {
            return Err(Error::ForeignScratch);
        }
        Ok(state.0.compress(page, out).unwrap_or(PAGE_SIZE))
    }

    pub(crate) fn decompress(&self, data: &[u8], _: &mut State, page: &mut Page) -> Result<()> {
        lz4::decompress(data, page).map_err(|error| match error {
            Error::Corrupt { what, .. } => Error::Corrupt { algorithm: Algorithm::Lz4Hc, what },
            other => other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_of_the_library() {
        for level in [None, Some(1), Some(9), Some(12)] {
            assert!(Codec::new(level).is_ok(), "{level:?}");
        }
        for level in [0, 13, -1, i32::MIN, i32::MAX] {
            let error = Error::Level { algorithm: Algorithm::Lz4Hc, level, min: 1, max: 12 };
            assert_eq!(Codec::new(Some(level)).err(), Some(error));
        }
    }

    #[test]
    fn a_state_of_another_level_is_refused() {
        let new = |level| Codec::new(Some(level)).expect("a level");
        let result = new(1).compress(&[7; PAGE_SIZE], &mut new(2).state(), &mut [0; 5000]);
        assert_eq!(result, Err(Error::ForeignScratch));
    }
}
