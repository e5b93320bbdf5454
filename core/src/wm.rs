//! The word-mask format: a page as 512 words, each told by how it differs from an earlier one.
//!
//! Process memory is arrays of structures of 8-byte words. A word is written as a reference (to the
//! word one *distance* before it, mostly the same distance as for its neighbour), a mask of the bytes
//! that differ, and those bytes. `docs/FORMAT-WM.md` specifies every bit.
//!
//! Pages that are nothing of the kind (text, media) are noticed by the number of literals they would
//! take, and compressed by something else if that is smaller: the first byte of a page says how it
//! is written.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod decode;
mod dense;
mod dispatch;
mod encode;
mod link;
#[cfg(target_arch = "aarch64")]
mod neon;
mod opaque;
mod portable;
mod state;
mod tables;
#[cfg(test)]
mod tests;

pub(crate) use state::State;
pub use tables::{CLASSES, FILE_SIZE, LONGEST, NAMES, SYMBOLS, TABLES, Tables};

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use self::dispatch::Backend;
use crate::compressor::Buffer;
#[cfg(feature = "std")]
use crate::zstd;
use crate::{Algorithm, Error, PAGE_SIZE, Page, Result, SimdBackend, lz4, samefill};

/// First bytes of a page. Words and dense words have the number of their table in the low three bits.
const BYTE_TAG: u8 = 0x01;
const WORD_TAG: u8 = 0x02;
const LZ4_TAG: u8 = 0x03;
const ZSTD_TAG: u8 = 0x04;
const WORDS_TAG: u8 = 0x10;
const DENSE_TAG: u8 = 0x18;

/// The tag and the lengths of three lanes.
const HEADER: usize = 4;

/// More literal bytes than this, and a page is tried with another codec, which alone takes three to
/// five times as long as words do. Of the pages of process memory that were looked at 0 to 6 % have
/// more, of text 98 %. From 2200 on the worst calls would be fewer, and a text editor's pages 6 %
/// larger than LZ4 makes them.
const TEXT_LITERALS: usize = 1600;
/// What the symbols of a page with many literals take at least: six bits each. Nineteen of twenty such
/// pages need more.
const SYMBOL_BYTES: usize = 400;

/// How thoroughly references are searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// One hash table, one remembered distance, literals as they are.
    Fast,
    /// Two hash tables, one remembered distance, literals as coded differences.
    Dense,
}

/// What the first stages found out about a page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chosen {
    /// Bytes that differ from their references.
    literals: usize,
    /// New distances in each half.
    new: [usize; 2],
}

fn corrupt(what: &'static str) -> Error {
    Error::Corrupt { algorithm: Algorithm::Wm, what }
}

/// The codec of `wm`, `wmhc` and `adaptive`, which differ in what they write only.
pub(crate) struct Codec {
    effort: Effort,
    /// Look for same-filled pages first.
    fills: bool,
    backend: Backend,
    tables: Arc<Tables>,
    lz4: lz4::Codec,
    /// For the text-like pages of `wmhc`, and to read them.
    #[cfg(feature = "std")]
    zstd: Option<zstd::Codec>,
}

/// Working memory for a page.
pub(crate) struct Scratch {
    words: Box<State>,
    lz4: Box<lz4::State>,
    other: Box<Buffer>,
    #[cfg(feature = "std")]
    zstd: Option<zstd::State>,
}

impl Codec {
    pub(crate) fn new(
        algorithm: Algorithm,
        backend: SimdBackend,
        tables: Option<Arc<Tables>>,
    ) -> Result<Self> {
        let is_dense = algorithm == Algorithm::WmHc;
        let effort = if is_dense { Effort::Dense } else { Effort::Fast };
        Ok(Self {
            effort,
            fills: algorithm == Algorithm::Adaptive,
            backend: Backend::new(backend).unwrap_or(Backend::portable()),
            tables: tables.unwrap_or_else(Tables::shipped),
            lz4: lz4::Codec::new(backend),
            #[cfg(feature = "std")]
            zstd: if is_dense { Some(zstd::Codec::new(1, None)?) } else { None },
        })
    }

    pub(crate) fn scratch(&self) -> Scratch {
        Scratch {
            words: State::new(),
            lz4: lz4::State::new(),
            other: Box::new([0; crate::BUFFER_SIZE]),
            #[cfg(feature = "std")]
            zstd: self.zstd.as_ref().map(zstd::Codec::state),
        }
    }

    /// The backend whose code runs.
    pub(crate) const fn backend(&self) -> SimdBackend {
        self.backend.get()
    }

    /// Whether the scratch has all that is needed: without zstd, `wmhc` would make some pages larger, and
    /// refuse some that are valid.
    pub(crate) const fn takes(&self, scratch: &Scratch) -> bool {
        #[cfg(feature = "std")]
        return self.zstd.is_none() || scratch.zstd.is_some();
        #[cfg(not(feature = "std"))]
        {
            let _ = scratch;
            true
        }
    }

    pub(crate) fn compress(&self, page: &Page, scratch: &mut Scratch, out: &mut Buffer) -> usize {
        if self.fills
            && let Some(word) = samefill::page_same_filled(page)
        {
            return fill(word, out);
        }
        let chosen = self.backend.analyse(page, &mut scratch.words, self.effort);
        if chosen.literals > TEXT_LITERALS
            && let Some(len) = self.compress_as_text(page, scratch, chosen, out)
        {
            return len;
        }
        self.backend.write(&mut scratch.words, &self.tables, chosen, self.effort, out)
    }

    /// Compresses a page that is not made of words; `None` if that is likely to get larger than words.
    fn compress_as_text(
        &self,
        page: &Page,
        scratch: &mut Scratch,
        chosen: Chosen,
        out: &mut Buffer,
    ) -> Option<usize> {
        // What it takes as words is known well enough without writing them. Dense literals of such a
        // page are hardly fewer.
        let limit = SYMBOL_BYTES + chosen.literals + chosen.new[0] + chosen.new[1];
        let (tag, len) = self.compress_other(page, scratch, limit)?;
        let (slot, rest) = out.split_first_mut()?;
        *slot = tag;
        rest.get_mut(..len)?.copy_from_slice(scratch.other.get(..len)?);
        Some(1 + len)
    }

    /// Compresses a page with another codec to `scratch.other`, to fewer than `limit` bytes.
    fn compress_other(
        &self,
        page: &Page,
        scratch: &mut Scratch,
        limit: usize,
    ) -> Option<(u8, usize)> {
        #[cfg(feature = "std")]
        if let (Some(zstd), Some(state)) = (&self.zstd, &mut scratch.zstd) {
            let len = zstd.compress(page, state, scratch.other.as_mut_slice()).ok()?;
            return (len < limit).then_some((ZSTD_TAG, len));
        }
        let len = self.lz4.compress_below(limit, page, &mut scratch.lz4, &mut scratch.other)?;
        Some((LZ4_TAG, len))
    }

    pub(crate) fn decompress(
        &self,
        data: &[u8],
        scratch: &mut Scratch,
        page: &mut Page,
    ) -> Result<()> {
        if !self.takes(scratch) {
            return Err(Error::ForeignScratch);
        }
        let Some((tag, rest)) = data.split_first() else {
            return Err(corrupt("no bytes at all"));
        };
        if rest.len() >= PAGE_SIZE {
            return Err(corrupt("longer than a page"));
        }
        match *tag {
            BYTE_TAG => match rest {
                [byte] => page.fill(*byte),
                _ => return Err(corrupt("a byte fill has another length")),
            },
            WORD_TAG => match rest.try_into() {
                Ok(word) => samefill::fill_page_word(page, u64::from_ne_bytes(word)),
                Err(_) => return Err(corrupt("a word fill has another length")),
            },
            LZ4_TAG => return self.lz4.decompress(rest, &mut scratch.lz4, page),
            ZSTD_TAG => return self.read_zstd(rest, scratch, page),
            WORDS_TAG..DENSE_TAG => {
                return self.backend.read(&mut scratch.words, &self.tables, data, false, page);
            }
            DENSE_TAG..0x20 => {
                return self.backend.read(&mut scratch.words, &self.tables, data, true, page);
            }
            _ => return Err(corrupt("an unknown tag")),
        }
        Ok(())
    }

    /// Only `wmhc` writes such pages, and only it has the memory to read them.
    fn read_zstd(&self, frame: &[u8], scratch: &mut Scratch, page: &mut Page) -> Result<()> {
        #[cfg(feature = "std")]
        if let (Some(zstd), Some(state)) = (&self.zstd, &mut scratch.zstd) {
            return zstd.decompress(frame, state, page);
        }
        let _ = (frame, scratch, page);
        Err(corrupt("a page of wmhc that is zstd inside, which this codec does not read"))
    }
}

/// Writes a same-filled page.
fn fill(word: u64, out: &mut Buffer) -> usize {
    let bytes = word.to_ne_bytes();
    let [first, rest @ ..] = bytes;
    if rest == [first; 7] {
        if let Some(slot) = out.first_chunk_mut() {
            *slot = [BYTE_TAG, first];
        }
        2
    } else {
        if let Some((tag, slot)) = out.split_first_chunk_mut::<1>() {
            *tag = [WORD_TAG];
            if let Some(slot) = slot.first_chunk_mut() {
                *slot = bytes;
            }
        }
        9
    }
}

/// What a page of `wm`, `wmhc` or `adaptive` is inside: "words", "dense words", "lz4", "zstd", "fill",
/// or "raw" for a page of 4096 bytes; `None` if it cannot be any.
#[must_use]
pub fn inner_format(data: &[u8]) -> Option<&'static str> {
    match data.first()? {
        _ if data.len() == PAGE_SIZE => Some("raw"),
        &(BYTE_TAG | WORD_TAG) => Some("fill"),
        &LZ4_TAG => Some("lz4"),
        &ZSTD_TAG => Some("zstd"),
        WORDS_TAG..DENSE_TAG => Some("words"),
        DENSE_TAG..0x20 => Some("dense words"),
        _ => None,
    }
}

/// What the encoder makes of a page before it is written, for training tables and for study.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// Kind and mask of each word: `kind << 8 | mask`.
    pub symbols: Vec<u16>,
    /// Each literal byte as class (0 for byte 0 of a word, else 1) and difference to its reference.
    pub deltas: Vec<(u8, u8)>,
}

impl Model {
    /// Models a page as [`Algorithm::Wm`] does, or as [`Algorithm::WmHc`] does.
    #[must_use]
    pub fn of(page: &Page, is_dense: bool) -> Self {
        let mut state = State::new();
        let effort = if is_dense { Effort::Dense } else { Effort::Fast };
        portable::analyse(page, &mut state, effort);
        let words = state.kinds.iter().zip(&state.masks).take(state::WORDS);
        let symbols: Vec<u16> =
            words.map(|(kind, mask)| u16::from(*kind) << 8 | u16::from(*mask)).collect();
        portable::deltas(&mut state);
        let literals = symbols.iter().map(|symbol| (symbol & 0xff).count_ones() as usize).sum();
        let deltas = state.classes.iter().copied().zip(state.literals).take(literals).collect();
        Self { symbols, deltas }
    }
}
