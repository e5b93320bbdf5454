//! Zstandard for pages: what the C library does, without what a page has no use for.
//!
//! A stored page is one zstd frame in the library's *magicless* format, without content size,
//! checksum and dictionary number: 2 bytes of header in place of the 7 of `ZSTD_compress`. The window
//! is a page. Neither the kernel nor the `zstd` tool reads it without being told so. Frames with those
//! fields are read too; what is behind the frame is refused.
//!
//! # Levels
//!
//! From -7 to 22; 0 is the library's word for its default, 3. Negative ones leave literals as they
//! are. On the pages of four processes, against `ZSTD_compressCCtx` at level 1 (5.55, 1):
//!
//! | level | ratio | time to compress | to decompress |
//! |---|---|---|---|
//! | -7 | 2.63 | 0.58 | 0.58 |
//! | -1 | 5.05 | 0.66 | 0.63 |
//! | 1 | 5.58 | 1.00 | 1.00 |
//! | 3 | 5.64 | 1.06 | 0.95 |
//! | 9 | 5.9 | 9 | 0.90 |
//! | 19 | 6.4 | 200 | 1.1 |
//!
//! # Memory
//!
//! A [`Scratch`](crate::Scratch) takes 153 kB at level 1, 57 kB of it to compress; 186 kB at level 3,
//! 203 kB at 9, 376 kB at 22. All of it comes from Rust's allocator when the scratch is made; pages
//! allocate nothing.
//!
//! # Dictionaries
//!
//! [`CompressorBuilder::dictionary`](crate::CompressorBuilder::dictionary) takes any 8 bytes or more:
//! typical contents, or what [`train`] makes of sample pages, which also holds statistics. It is
//! prepared once for a compressor and shared by all its scratches.

mod contexts;

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use zstd_safe::zstd_sys::ZSTD_ErrorCode;

use self::contexts::{Contexts, Dictionary};
use crate::{Algorithm, Error, PAGE_SIZE, Page, Result};

/// The least level; the library has more below, which hardly compress pages any more.
pub const MIN_LEVEL: i32 = -7;

/// The greatest level.
pub const MAX_LEVEL: i32 = 22;

/// What the library takes for no dictionary at all, and uses silently as none
/// (`ZSTD_compress_insertDictionary`).
const SHORTEST_DICTIONARY: usize = 8;

/// What a compressor knows: the level and the dictionary, ready for use.
pub(crate) struct Codec {
    level: i32,
    dictionary: Option<Arc<Dictionary>>,
}

/// The library's working memory, or why there is none.
pub(crate) struct State(Result<Contexts>);

impl Codec {
    pub(crate) fn new(level: i32, dictionary: Option<&[u8]>) -> Result<Self> {
        if !(MIN_LEVEL..=MAX_LEVEL).contains(&level) {
            let algorithm = Algorithm::Zstd { level };
            return Err(Error::Level { algorithm, level, min: MIN_LEVEL, max: MAX_LEVEL });
        }
        let dictionary = match dictionary {
            Some(bytes) if bytes.len() < SHORTEST_DICTIONARY => {
                return Err(Error::Dictionary { what: "zstd takes none of less than 8 bytes" });
            }
            Some(bytes) => {
                let refused = "zstd refuses it: it begins as a trained one, but is none";
                let prepared = Dictionary::new(bytes, level);
                Some(Arc::new(prepared.ok_or(Error::Dictionary { what: refused })?))
            }
            None => None,
        };
        Ok(Self { level, dictionary })
    }

    pub(crate) fn state(&self) -> State {
        let failed = |code| self.error_of(code);
        State(Contexts::new(self.level, self.dictionary.clone()).map_err(failed))
    }

    /// Compresses `page` into the first bytes of `out`. What does not fit there is incompressible, as
    /// is what takes a page or more.
    pub(crate) fn compress(&self, page: &Page, state: &mut State, out: &mut [u8]) -> Result<usize> {
        match self.contexts(state)?.compress(page, out) {
            Ok(len) => Ok(len),
            Err(code) if is_too_small(code) => Ok(PAGE_SIZE),
            Err(code) => Err(self.error_of(code)),
        }
    }

    pub(crate) fn decompress(&self, data: &[u8], state: &mut State, page: &mut Page) -> Result<()> {
        let what = match self.contexts(state)?.decompress(data, page) {
            Ok(PAGE_SIZE) if frame_len(data) == Some(data.len()) => return Ok(()),
            Ok(PAGE_SIZE) => "something is behind the frame",
            Ok(_) => "the frame is shorter than a page",
            Err(code) => zstd_safe::get_error_name(code),
        };
        Err(Error::Corrupt { algorithm: self.algorithm(), what })
    }

    /// The contexts of a state that this codec made.
    fn contexts<'a>(&self, state: &'a mut State) -> Result<&'a mut Contexts> {
        let contexts = state.0.as_mut().map_err(|error| error.clone())?;
        if contexts.are_for(self.level, self.dictionary.as_ref()) {
            Ok(contexts)
        } else {
            Err(Error::ForeignScratch)
        }
    }

    const fn algorithm(&self) -> Algorithm {
        Algorithm::Zstd { level: self.level }
    }

    fn error_of(&self, code: zstd_safe::ErrorCode) -> Error {
        let what = zstd_safe::get_error_name(code);
        Error::Library { algorithm: self.algorithm(), what }
    }
}

/// The library returns an error as its negative number.
const fn is_too_small(code: zstd_safe::ErrorCode) -> bool {
    code == (ZSTD_ErrorCode::ZSTD_error_dstSize_tooSmall as usize).wrapping_neg()
}

/// The length of the frame that `data` begins with; nothing if it is cut off.
///
/// The library takes frames without content for nothing, as many as there are behind a page. This looks
/// at lengths only: header and blocks of RFC 8878, 3.1.1.
fn frame_len(data: &[u8]) -> Option<usize> {
    let descriptor = *data.first()?;
    let is_single_segment = descriptor & 0x20 != 0;
    let window = usize::from(!is_single_segment);
    let dictionary = [0, 1, 2, 4].get(usize::from(descriptor & 3))?;
    let content_size = match descriptor >> 6 {
        0 => usize::from(is_single_segment),
        exponent => 1 << exponent,
    };
    let mut at = 1 + window + dictionary + content_size;
    loop {
        let &[low, middle, high] = data.get(at..)?.first_chunk()?;
        let header = u32::from_le_bytes([low, middle, high, 0]);
        let is_repeated_byte = header >> 1 & 3 == 1;
        let size = if is_repeated_byte { 1 } else { usize::try_from(header >> 3).ok()? };
        at += 3 + size;
        if header & 1 != 0 {
            let checksum = if descriptor & 4 != 0 { 4 } else { 0 };
            return Some(at + checksum).filter(|len| *len <= data.len());
        }
    }
}

/// Makes a dictionary of at most `size` bytes from pages that are like those to come.
///
/// 4 to 16 KiB is a good size, and a hundred times as many sample pages a good number. It pays only
/// where the pages to come really are like the samples; measure it. Training takes about as long as
/// compressing the samples ten times.
///
/// # Errors
///
/// [`Error::Dictionary`]: too few samples, samples with nothing in common, or a `size` below 256.
///
/// ```
/// use trueno_zram_core::{Algorithm, CompressorBuilder, zstd};
///
/// # let page = |seed: usize| {
/// #     let mut page = [0; 4096];
/// #     for (at, record) in page.chunks_exact_mut(32).enumerate() {
/// #         record[0] = at as u8;
/// #         record[8..16].copy_from_slice(&(0x7f00_0000_1000 + seed * at * 48).to_le_bytes());
/// #         record[20] = (seed * at * at) as u8;
/// #     }
/// #     page
/// # };
/// let samples: Vec<[u8; 4096]> = (0..200).map(page).collect();
/// let dictionary = zstd::train(&samples, 4096)?;
/// let zstd = Algorithm::Zstd { level: 1 };
/// let with = CompressorBuilder::new().algorithm(zstd).dictionary(dictionary).build()?;
/// let without = CompressorBuilder::new().algorithm(zstd).build()?;
/// let page = page(1000);
/// assert!(with.compress(&page)?.ratio() > without.compress(&page)?.ratio());
/// # Ok::<(), trueno_zram_core::Error>(())
/// ```
pub fn train(samples: &[Page], size: usize) -> Result<Vec<u8>> {
    let mut dictionary = Vec::with_capacity(size);
    let sizes = vec![PAGE_SIZE; samples.len()];
    let trained = zstd_safe::train_from_buffer(&mut dictionary, samples.as_flattened(), &sizes);
    trained.map_err(|code| Error::Dictionary { what: zstd_safe::get_error_name(code) })?;
    Ok(dictionary)
}

#[cfg(test)]
mod tests;
