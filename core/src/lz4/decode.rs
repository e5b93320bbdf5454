//! The decoder.
//!
//! Most sequences of a page are short, so nearly every one is read by [`Decoder::sequences`]: 16
//! literals are copied whatever their number, and 16 bytes of the match or more whatever its length.
//! What is written too much is overwritten by the next sequence. For the last sequences of block and
//! page, and for lengths of 270 and more, [`Decoder::careful`] takes a sequence and copies exactly.
//!
//! What a match copies was often written a moment ago, and a load that needs bytes of two stores waits
//! until both have left the processor's store buffer. Hence [`short`] loads a match before it stores the
//! literals, eight bytes at a time. That saves 6 % of the time, and 15 % with pages of a node process,
//! where often one byte of every eight differs.
//!
//! Where a sequence begins is known only from the one before. To have that chain short, [`Hops`] are
//! made for every byte of the block first, whether a sequence begins there or not: vectors do that in
//! no time, and finding the next sequence is then a load and an addition. It saves 3 % of a page's time.
//!
//! # What a page is made of
//!
//! Every byte before `end` is a literal of the block, or a copy of a byte before it: a match is
//! refused when its offset is zero or larger than what there is, and of what is loaded at once no more
//! counts than the offset's bytes: [`Simd::repeat`] takes no others, and [`short`] is only for matches
//! that copy nothing of their own sequence. What it copies beyond a match is overwritten by the sequences
//! that follow, up to the page's end. So a page that was restored holds nothing of what its memory held
//! before.

use super::place::Place;
use super::primitive::Simd;
use crate::{BUFFER_SIZE, PAGE_SIZE, Page};

/// Why a block is none.
pub(super) type What = &'static str;

const CUT_TOKEN: What = "the block ends before its last literals";
const CUT_LITERALS: What = "literals are cut off";
const CUT_OFFSET: What = "an offset is cut off";
const CUT_LENGTH: What = "a length is cut off";
const LONG_LITERALS: What = "literals end behind the page";
const LONG_MATCH: What = "a match ends behind the page";
const OFFSET: What = "an offset is zero or points before the page";
const NOT_FILLED: What = "the block ends before the page";

/// Bytes that are copied at once.
const STEP: usize = 16;
/// A place where a step may be copied to or from.
type Step = Place<STEP>;

/// The shortest match.
const SHORTEST: usize = 4;
/// What a token's four bits say when more bytes of the length follow.
const MORE: usize = 15;

/// Token, up to 14 literals (or one byte of their length), offset and one byte of the length.
const SHORT_SEQUENCE: usize = 1 + 14 + 2 + 1 + 1;
/// The longest match whose length is in the token.
const LONGEST_SHORT: usize = MORE - 1 + SHORTEST;
/// A place where such a match can be written to or read from.
type Short = Place<LONGEST_SHORT>;
/// A place where up to 14 literals and after them a match of that length can be written.
type Roomy = Place<{ MORE - 1 + LONGEST_SHORT }>;
/// How much of a block's end is read from a padded copy. It is more than a short sequence, so the copy
/// is reached before there is too little behind a sequence to be read without.
const TAIL: usize = 32;

/// The least multiple of an offset that is a step or more, for offsets up to a step: bytes that
/// repeat at the offset repeat at that distance too.
static STRIDES: [u8; STEP + 1] =
    [16, 16, 16, 18, 16, 20, 18, 21, 16, 18, 20, 22, 24, 26, 28, 30, 16];

/// For each byte of a block how far behind it the next sequence begins, if one of fewer than 15 literals
/// begins with it and no length takes more than a byte. Blocks that are longer than any that an encoder
/// makes of a page are read without.
pub(super) type Hops = [u8; BUFFER_SIZE];

/// Restores the page that `block` was made from.
#[inline(always)]
pub(super) fn decompress<S: Simd>(
    simd: S,
    block: &[u8],
    hops: &mut Hops,
    page: &mut Page,
) -> Result<(), What> {
    for (hop, byte) in hops.iter_mut().zip(block) {
        *hop = (byte >> 4) + 3 + u8::from(byte & 15 == 15);
    }
    let hops = hops.get(..block.len()).unwrap_or(hops);
    let mut decoder = Decoder { simd, block, hops, page, at: 0, end: 0 };
    loop {
        decoder.fast()?;
        decoder.tail()?;
        if decoder.careful()? {
            return Ok(());
        }
    }
}

struct Decoder<'a, S> {
    simd: S,
    block: &'a [u8],
    hops: &'a [u8],
    page: &'a mut Page,
    /// How much of the block was read.
    at: usize,
    /// How much of the page was written.
    end: usize,
}

impl<S: Simd> Decoder<'_, S> {
    /// Sequences, until one needs care.
    #[inline(always)]
    fn fast(&mut self) -> Result<(), What> {
        self.at = self.sequences::<false>(self.block, self.hops, self.at)?;
        Ok(())
    }

    /// The same near the end of the block, from a copy with bytes behind it that may be loaded.
    #[inline(always)]
    fn tail(&mut self) -> Result<(), What> {
        let Some((before, last)) = self.block.split_last_chunk::<TAIL>() else { return Ok(()) };
        let Some(at) = self.at.checked_sub(before.len()) else { return Ok(()) };
        let mut padded = [0; TAIL + SHORT_SEQUENCE];
        if let Some(start) = padded.first_chunk_mut() {
            *start = *last;
        }
        let hops = self.hops.get(before.len()..).unwrap_or(&[]);
        self.at = before.len() + self.sequences::<true>(&padded, hops, at)?;
        Ok(())
    }

    /// Sequences of `block` from `at` on, until one needs care, whose place is returned. Where it is a
    /// `PADDED` tail, one of which something may be padding needs care.
    #[inline(always)]
    fn sequences<const PADDED: bool>(
        &mut self,
        block: &[u8],
        hops: &[u8],
        mut at: usize,
    ) -> Result<usize, What> {
        let Self { simd, ref mut page, mut end, .. } = *self;
        while let Some(place) = Roomy::new(end)
            && let Some(sequence) = first::<SHORT_SEQUENCE>(block, at)
        {
            let [token, rest @ ..] = sequence;
            let mut literals = usize::from(token >> 4);
            let mut length = usize::from(token & 15) + SHORTEST;
            let Some(hop) = hops.get(at) else { break };
            let mut next = at + usize::from(*hop);
            let (to, after) = if literals < MORE {
                // At most 14 + 3 bytes, which there are.
                let after = first::<3>(rest, literals);
                if let (Some(to), Some(&[low, high, _])) = (place.skip(literals), after)
                    && (!PADDED || next <= TAIL)
                {
                    let offset = usize::from(u16::from_le_bytes([low, high]));
                    let from = to.earlier(offset).ok_or(OFFSET)?;
                    if length < MORE + SHORTEST && literals + length <= offset {
                        short(page, place, rest, to, from);
                        at = next;
                        end = to.at() + length;
                        continue;
                    }
                }
                if let Some(bytes) = rest.first_chunk::<STEP>() {
                    place.store(page, bytes);
                }
                (place.skip::<STEP>(literals), after)
            } else {
                let [more, ..] = *rest;
                literals += usize::from(more);
                next += 1 + usize::from(more);
                if more == 255 {
                    break;
                }
                let Some(bytes) = block.get(at + 2..).and_then(|rest| rest.get(..literals + STEP))
                else {
                    break;
                };
                for (index, bytes) in bytes.as_chunks::<STEP>().0.iter().enumerate() {
                    let Some(to) = Step::new(end + index * STEP) else { break };
                    to.store(page, bytes);
                }
                (Step::new(end + literals), first::<3>(bytes, literals))
            };
            let (Some(to), Some(&[low, high, more])) = (to, after) else { break };
            if PADDED && next > TAIL {
                break;
            }
            let offset = usize::from(u16::from_le_bytes([low, high]));
            let from = to.earlier(offset).ok_or(OFFSET)?;
            if length <= STEP {
                to.store(page, &simd.repeat(from.load(page), offset.min(STEP)));
            } else {
                if length == MORE + SHORTEST {
                    length += usize::from(more);
                    if more == 255 {
                        break;
                    }
                }
                if to.at() + length > Step::LAST {
                    break;
                }
                repeat(simd, page, to, from, to.at() + length);
            }
            at = next;
            end = to.at() + length;
        }
        self.end = end;
        Ok(at)
    }

    /// One sequence, to the byte. True if it was the last.
    #[inline(always)]
    fn careful(&mut self) -> Result<bool, What> {
        let token = *self.block.get(self.at).ok_or(CUT_TOKEN)?;
        self.at += 1;
        let literals = self.length(usize::from(token >> 4))?;
        self.literals(literals)?;
        let Some(&[low, high]) = first(self.block, self.at) else {
            return match (self.at == self.block.len(), self.end == PAGE_SIZE) {
                (false, _) => Err(CUT_OFFSET),
                (_, false) => Err(NOT_FILLED),
                _ => Ok(true),
            };
        };
        self.at += 2;
        let offset = usize::from(u16::from_le_bytes([low, high]));
        let length = self.length(usize::from(token & 15))? + SHORTEST;
        if offset.wrapping_sub(1) >= self.end {
            return Err(OFFSET);
        }
        let end = self.end + length;
        if end > PAGE_SIZE {
            return Err(LONG_MATCH);
        }
        let whole = end - length % STEP;
        if whole > self.end
            && let Some(to) = Step::new(self.end)
            && let Some(from) = to.earlier(offset)
        {
            repeat(self.simd, self.page, to, from, whole);
        }
        repeat_bytes(self.page, whole, offset, end);
        self.end = end;
        Ok(false)
    }

    /// A length whose first four bits are `nibble`.
    #[inline(always)]
    fn length(&mut self, nibble: usize) -> Result<usize, What> {
        let mut length = nibble;
        if nibble == MORE {
            loop {
                let byte = *self.block.get(self.at).ok_or(CUT_LENGTH)?;
                self.at += 1;
                length += usize::from(byte);
                if byte < 255 {
                    break;
                }
            }
        }
        Ok(length)
    }

    #[inline(always)]
    fn literals(&mut self, count: usize) -> Result<(), What> {
        let from = self.block.get(self.at..).unwrap_or(&[]);
        let to = self.page.get_mut(self.end..).unwrap_or(&mut []);
        if count <= STEP
            && let (Some(from), Some(to)) = (from.first_chunk::<STEP>(), to.first_chunk_mut())
        {
            *to = *from;
        } else {
            let from = from.get(..count).ok_or(CUT_LITERALS)?;
            to.get_mut(..count).ok_or(LONG_LITERALS)?.copy_from_slice(from);
        }
        self.at += count;
        self.end += count;
        Ok(())
    }
}

/// Copies up to 14 literals to `place` and a short match to `to`, of whose bytes none is a literal of the
/// same sequence.
#[inline(always)]
fn short(
    page: &mut Page,
    place: Roomy,
    literals: &[u8; SHORT_SEQUENCE - 1],
    to: Short,
    from: Short,
) {
    let (Some(from8), Some(from16)) = (from.skip::<8>(8), from.skip::<2>(16)) else { return };
    let (Some(to8), Some(to16)) = (to.skip::<8>(8), to.skip::<2>(16)) else { return };
    let (first, second, third): ([u8; 8], [u8; 8], [u8; 2]) =
        (*from.load(page), *from8.load(page), *from16.load(page));
    if let Some(bytes) = literals.first_chunk::<STEP>() {
        place.store(page, bytes);
    }
    to.store(page, &first);
    to8.store(page, &second);
    to16.store(page, &third);
}

/// Repeats at `to` what lies between `from` and `to`, in whole steps until `end` is reached. There must
/// be a step of room behind `end`, less one byte, unless it is reached exactly.
#[inline(always)]
fn repeat<S: Simd>(simd: S, page: &mut Page, to: Step, from: Step, end: usize) {
    let offset = to.at() - from.at();
    let small = offset.min(STEP);
    to.store(page, &simd.repeat(from.load(page), small));
    let stride = STRIDES.get(small).map_or(STEP, |stride| usize::from(*stride)).max(offset);
    let mut at = to.at() + STEP;
    while at < end
        && let Some(to) = Step::new(at)
        && let Some(from) = to.earlier(stride)
    {
        let bytes = *from.load::<STEP>(page);
        to.store(page, &bytes);
        at += STEP;
    }
}

/// The same by bytes, for less than a step. Returning early keeps the compiler from making vectors of it.
#[inline(never)]
fn repeat_bytes(page: &mut Page, to: usize, offset: usize, end: usize) {
    for to in to..end {
        let Some(&byte) = page.get(to - offset) else { return };
        let Some(slot) = page.get_mut(to) else { return };
        *slot = byte;
    }
}

#[inline(always)]
fn first<const N: usize>(bytes: &[u8], at: usize) -> Option<&[u8; N]> {
    bytes.get(at..).and_then(|rest| rest.first_chunk())
}
