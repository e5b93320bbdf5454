//! The encoder: greedy, one candidate for each position, like the kernel's (LZO1X-1).

use super::END_OF_STREAM;
use crate::compressor::Buffer;
use crate::{PAGE_SIZE, Page};

/// Shorter matches are not looked for.
const MIN_MATCH: usize = 4;
/// The longest match that takes two bytes, and the farthest.
const NEAR_LENGTH: usize = 8;
const NEAR_DISTANCE: usize = 2048;
/// The longest match whose length is in its first byte, where that is farther away.
const FAR_LENGTH: usize = 33;
/// The longest run of literals whose length is in its first byte.
const LITERALS: usize = 18;
/// The longest run of literals that comes with the instruction before.
const FEW_LITERALS: usize = 3;

/// After so many bytes without a match the search takes longer and longer steps (a power of two).
const PATIENCE_LOG: usize = 5;

const HASH_LOG: u32 = 12;

/// Where in the page four bytes with a given hash were last seen; 0 also where they were not.
pub(super) struct Table([u16; 1 << HASH_LOG]);

impl Table {
    pub(super) const fn new() -> Self {
        Self([0; 1 << HASH_LOG])
    }

    /// Where these bytes may have been before `at`, where they are now.
    fn replace(&mut self, bytes: u32, at: u16) -> usize {
        // Knuth's multiplicative hash: 2^32 over the golden ratio.
        let hash = bytes.wrapping_mul(0x9e37_79b1) >> (u32::BITS - HASH_LOG);
        match self.0.get_mut(hash as usize) {
            Some(slot) => usize::from(core::mem::replace(slot, at)),
            None => 0,
        }
    }
}

/// The length of the stream in `out`, or a page's if it would not be less.
pub(super) fn compress(page: &Page, table: &mut Table, out: &mut Buffer) -> usize {
    table.0.fill(0);
    let mut out = Writer { out, len: 0, literals_at: None };
    compress_page(page, table, &mut out).unwrap_or(PAGE_SIZE)
}

/// `None` if the output has come to an end.
fn compress_page(page: &Page, table: &mut Table, out: &mut Writer<'_>) -> Option<usize> {
    let mut anchor = 0;
    let mut at = 1;
    while let Some(bytes) = read_u32(page, at) {
        let candidate = table.replace(bytes, u16::try_from(at).ok()?);
        if read_u32(page, candidate) != Some(bytes) {
            at += 1 + ((at - anchor) >> PATIENCE_LOG);
            continue;
        }
        let length = MIN_MATCH + common_prefix(page, candidate + MIN_MATCH, at + MIN_MATCH);
        out.literals(page.get(anchor..at)?)?;
        out.copy(at - candidate, length)?;
        at += length;
        anchor = at;
    }
    out.literals(page.get(anchor..)?)?;
    out.bytes(&END_OF_STREAM)?;
    Some(out.len)
}

fn read_u32(page: &Page, at: usize) -> Option<u32> {
    page.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

/// How many bytes from `late` on, up to the page's end, are those from `early` on, which is before.
fn common_prefix(page: &Page, early: usize, late: usize) -> usize {
    let (Some(early), Some(late)) = (page.get(early..), page.get(late..)) else { return 0 };
    let (early_words, _) = early.as_chunks::<8>();
    let (late_words, late_rest) = late.as_chunks::<8>();
    for (at, (one, other)) in early_words.iter().zip(late_words).enumerate() {
        let differ = u64::from_le_bytes(*one) ^ u64::from_le_bytes(*other);
        if differ != 0 {
            return at * 8 + differ.trailing_zeros() as usize / 8;
        }
    }
    let whole = late.len() - late_rest.len();
    let early_rest = early.get(whole..).unwrap_or_default();
    whole + early_rest.iter().zip(late_rest).take_while(|(one, other)| one == other).count()
}

/// Writes instructions; every method returns `None` when the output is full.
struct Writer<'a> {
    out: &'a mut Buffer,
    len: usize,
    /// Where the number of literals that come with the last instruction goes; `None` at the start.
    literals_at: Option<usize>,
}

impl Writer<'_> {
    fn byte(&mut self, byte: u8) -> Option<()> {
        *self.out.get_mut(self.len)? = byte;
        self.len += 1;
        Some(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Option<()> {
        self.out.get_mut(self.len..self.len + bytes.len())?.copy_from_slice(bytes);
        self.len += bytes.len();
        Some(())
    }

    /// What exceeds the length that fits into an instruction: 255 for each zero, and a last byte.
    fn excess(&mut self, mut length: usize) -> Option<()> {
        loop {
            match u8::try_from(length) {
                Ok(last) => return self.byte(last),
                Err(_) => self.byte(0)?,
            }
            length -= 255;
        }
    }

    fn literals(&mut self, literals: &[u8]) -> Option<()> {
        let length = literals.len();
        match self.literals_at {
            _ if length == 0 => {}
            Some(at) if length <= FEW_LITERALS => {
                *self.out.get_mut(at)? |= u8::try_from(length).ok()?;
            }
            // The first byte of a stream counts up from 17.
            None if length <= FEW_LITERALS => self.byte(17 + u8::try_from(length).ok()?)?,
            _ if length <= LITERALS => self.byte(u8::try_from(length).ok()? - 3)?,
            _ => {
                self.byte(0)?;
                self.excess(length - LITERALS)?;
            }
        }
        self.bytes(literals)
    }

    /// A distance is 1 to 4095 and a length at least 4 here.
    fn copy(&mut self, distance: usize, length: usize) -> Option<()> {
        let back = u16::try_from(distance - 1).ok()?;
        if length <= NEAR_LENGTH && distance <= NEAR_DISTANCE {
            self.literals_at = Some(self.len);
            let length = u16::try_from(length).ok()? - 1;
            let [low, high] = ((back >> 3) << 8 | length << 5 | (back & 7) << 2).to_le_bytes();
            return self.bytes(&[low, high]);
        }
        match u8::try_from(length - 2) {
            Ok(short) if length <= FAR_LENGTH => self.byte(0x20 | short)?,
            _ => {
                self.byte(0x20)?;
                self.excess(length - FAR_LENGTH)?;
            }
        }
        self.literals_at = Some(self.len);
        self.bytes(&(back << 2).to_le_bytes())
    }
}
