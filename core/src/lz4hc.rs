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
//! A scratch takes 276 KiB, from Rust's allocator, when it is made. Up to level 9 pages allocate
//! nothing; from 10 on the library, as it is built here (`LZ4HC_HEAPMODE`), takes 64 KiB from C's
//! `malloc` for each page and gives them back.

mod encoder;

use alloc::boxed::Box;

use self::encoder::Encoder;
use crate::{Algorithm, Error, PAGE_SIZE, Page, Result, SimdBackend, lz4};

/// The least level.
const MIN_LEVEL: i32 = 1;
/// The greatest level (`LZ4HC_CLEVEL_MAX`).
const MAX_LEVEL: i32 = 12;
/// The kernel's and the library's default (`LZ4HC_CLEVEL_DEFAULT`).
const DEFAULT_LEVEL: i32 = 9;

/// What a compressor knows: the level, and which code reads blocks.
pub(crate) struct Codec {
    level: i32,
    decoder: lz4::Codec,
}

/// The library's tables, and those of our decoder.
pub(crate) struct State {
    encoder: Encoder,
    decoder: Box<lz4::State>,
}

impl Codec {
    pub(crate) fn new(level: Option<i32>, backend: SimdBackend) -> Result<Self> {
        let level = level.unwrap_or(DEFAULT_LEVEL);
        if (MIN_LEVEL..=MAX_LEVEL).contains(&level) {
            return Ok(Self { level, decoder: lz4::Codec::new(backend) });
        }
        let algorithm = Algorithm::Lz4Hc;
        Err(Error::Level { algorithm, level, min: MIN_LEVEL, max: MAX_LEVEL })
    }

    /// The backend that reads blocks; the library that writes them chooses its code itself.
    pub(crate) const fn backend(&self) -> SimdBackend {
        self.decoder.backend()
    }

    pub(crate) fn state(&self) -> State {
        State { encoder: Encoder::new(self.level), decoder: lz4::State::new() }
    }

    /// Compresses `page` into the first bytes of `out`. What does not fit there is incompressible, as
    /// is what takes a page or more.
    pub(crate) fn compress(&self, page: &Page, state: &mut State, out: &mut [u8]) -> Result<usize> {
        if state.encoder.level() != self.level {
            return Err(Error::ForeignScratch);
        }
        Ok(state.encoder.compress(page, out).unwrap_or(PAGE_SIZE))
    }

    pub(crate) fn decompress(&self, data: &[u8], state: &mut State, page: &mut Page) -> Result<()> {
        self.decoder.decompress(data, &mut state.decoder, page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codec(level: Option<i32>) -> Result<Codec> {
        Codec::new(level, SimdBackend::Portable)
    }

    #[test]
    fn levels_of_the_library() {
        for level in [None, Some(1), Some(9), Some(12)] {
            assert!(codec(level).is_ok(), "{level:?}");
        }
        for level in [0, 13, -1, i32::MIN, i32::MAX] {
            let error = Error::Level { algorithm: Algorithm::Lz4Hc, level, min: 1, max: 12 };
            assert_eq!(codec(Some(level)).err(), Some(error));
        }
    }

    #[test]
    fn a_state_of_another_level_is_refused() {
        let new = |level| codec(Some(level)).expect("a level");
        let result = new(1).compress(&[7; PAGE_SIZE], &mut new(2).state(), &mut [0; 5000]);
        assert_eq!(result, Err(Error::ForeignScratch));
    }
}
