//! The stages of the decoder that are scalar by nature; compiled once for each backend.

use super::opaque::opaque;
use super::state::{FIRST_DISTANCES, HALF, LANE_WORDS, PerWord, State, WORDS};
use super::tables::{Decoded, SymbolTable, Tables, WINDOW};
use super::{HEADER, corrupt};
use crate::{PAGE_SIZE, Result};

/// Where the parts of a page are, in `state.input`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts {
    /// Bytes that the masks name.
    pub(super) literals: usize,
    /// Where the new distances begin, and how many each half has; then come the literals.
    pub(super) distances: usize,
    pub(super) new: [usize; 2],
    /// Where the page ends.
    pub(super) end: usize,
}

impl Parts {
    pub(super) const fn literals_start(self) -> usize {
        self.distances + self.new[0] + self.new[1]
    }
}

/// A lane while it is read.
#[derive(Clone, Copy)]
struct Lane {
    /// Where the next bytes come from.
    at: usize,
    /// Bits that have been loaded and not been used, the next one lowest.
    bits: u64,
    /// In its low six bits, how many of them are certain; there are more in `bits`, which the next
    /// load brings again.
    certain: u32,
}

impl Lane {
    const fn new(at: usize) -> Self {
        Self { at, bits: 0, certain: 0 }
    }

    /// Has at least 56 bits ready afterwards: enough for five symbols.
    ///
    /// Where the bytes are does not depend on the symbols since the last load, so the processor can
    /// load them ahead.
    #[inline(always)]
    fn refill(&mut self, input: &[u8; PAGE_SIZE + 256]) {
        // The last lane begins below 4 + 3 * 255, and a lane is refilled 32 times by seven bytes at
        // most: the mask changes nothing, and with it the compiler needs no bounds check.
        let at = self.at & 0x3ff;
        let bytes = input.get(at..).and_then(|rest| rest.first_chunk::<8>());
        let certain = self.certain & 63;
        self.bits |= bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes)) << certain;
        self.at = at + ((63 - certain) / 8) as usize;
        self.certain = certain | 56;
    }

    #[inline(always)]
    fn next(&mut self, table: &[Decoded; WINDOW]) -> Decoded {
        self.bits = opaque(self.bits);
        let [low, high, ..] = self.bits.to_le_bytes();
        let window = usize::from(u16::from_le_bytes([low, high])) & (WINDOW - 1);
        let entry = table.get(window).copied().unwrap_or(0);
        // The length is in the low six bits: as much as a shift looks at. What is above them in
        // `certain` is of no use and of no harm, for four lengths fit.
        self.bits >>= entry & 63;
        self.certain = self.certain.wrapping_sub(u32::from(entry));
        entry
    }

    /// Where the lane ends: the byte after the last one used.
    fn end(self) -> usize {
        self.at.wrapping_sub((self.certain & 63) as usize / 8)
    }
}

/// Reads header and lanes of `data` to `state.entries`; returns where the distances begin.
///
/// # Errors
///
/// The lanes do not fit each other. Nothing has been written to the page then.
#[inline(always)]
pub(super) fn lanes(state: &mut State, tables: &Tables, data: &[u8]) -> Result<Lanes> {
    let Some([tag, lens @ ..]) = data.first_chunk::<HEADER>() else {
        return Err(corrupt("the header is cut off"));
    };
    let end = data.len();
    match state.input.get_mut(..end) {
        Some(input) if end < PAGE_SIZE => input.copy_from_slice(data),
        _ => return Err(corrupt("longer than a page")),
    }
    let table = usize::from(tag & 7);
    let [first, second, third] = lens.map(usize::from);
    let starts = [HEADER, HEADER + first, HEADER + first + second, HEADER + first + second + third];
    let [mut first, mut second, mut third, mut fourth] = starts.map(Lane::new);
    let codes = &tables.symbols(table).decode;
    let entries = state.entries.first_chunk_mut::<WORDS>();
    let entries = entries.map(|entries| entries.as_chunks_mut::<LANE_WORDS>().0);
    let Some([a, b, c, d]) = entries else { return Err(corrupt("no room")) };
    let [a, b, c, d] = [a, b, c, d].map(|lane| lane.as_chunks_mut::<4>().0.iter_mut());
    for (((a, b), c), d) in a.zip(b).zip(c).zip(d) {
        first.refill(&state.input);
        second.refill(&state.input);
        third.refill(&state.input);
        fourth.refill(&state.input);
        for (((a, b), c), d) in a.iter_mut().zip(b).zip(c).zip(d) {
            *a = first.next(codes);
            *b = second.next(codes);
            *c = third.next(codes);
            *d = fourth.next(codes);
        }
    }
    let [_, b, c, d] = starts;
    if (first.end(), second.end(), third.end()) != (b, c, d) {
        return Err(corrupt("a lane of symbols ends elsewhere"));
    }
    Ok(Lanes { table, distances: fourth.end(), end })
}

/// Where the lanes end and the page ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lanes {
    pub(super) table: usize,
    distances: usize,
    end: usize,
}

/// Masks and kinds from the entries that [`lanes`] found.
#[inline(always)]
pub(super) fn unpack(state: &mut State, tables: &Tables, table: usize) {
    let SymbolTable { masks, kinds, .. } = tables.symbols(table);
    let entries = state.entries.first_chunk::<WORDS>();
    let words = (state.masks.first_chunk_mut(), state.kinds.first_chunk_mut());
    let (Some(entries), (Some(masks_out), Some(kinds_out))) = (entries, words) else { return };
    let (masks_out, kinds_out): (&mut [u8; WORDS], &mut [u8; WORDS]) = (masks_out, kinds_out);
    for ((entry, mask), kind) in entries.iter().zip(masks_out).zip(kinds_out) {
        // Opaque, or else the compiler takes the names out of vectors one by one.
        let [name, ..] = opaque(u64::from(entry >> 8)).to_le_bytes();
        *mask = masks.get(usize::from(name)).copied().unwrap_or(0);
        *kind = kinds.get(usize::from(name)).copied().unwrap_or(0);
    }
}

/// Finds the other parts, from the kinds and masks.
///
/// # Errors
///
/// There are more distances than bytes.
#[inline(always)]
pub(super) fn parts(state: &State, lanes: Lanes) -> Result<Parts> {
    let Lanes { distances, end, .. } = lanes;
    let (first, second) = state.kinds.split_at(HALF);
    let new = [count_new(first), count_new(second)];
    if distances + new[0] + new[1] > end {
        return Err(corrupt("the distances are cut off"));
    }
    Ok(Parts { literals: count_bits(&state.masks), distances, new, end })
}

/// How many words of a half have a new distance: kinds 2, 3 and 4.
#[inline(always)]
fn count_new(kinds: &[u8]) -> usize {
    let words = kinds.as_chunks::<8>().0.iter().take(HALF / 8);
    // Bit 7 of 126 + kind is set from kind 2 on, that of 123 + kind from kind 5 on.
    let from = |kinds: &[u8; 8], add: u64| u64::from_le_bytes(*kinds) + add * 0x0101_0101_0101_0101;
    let new = |kinds| (from(kinds, 126) & !from(kinds, 123) & 0x8080_8080_8080_8080).count_ones();
    words.map(|kinds| new(kinds) as usize).sum()
}

#[inline(always)]
pub(super) fn count_bits(masks: &PerWord<u8>) -> usize {
    let words = masks.as_chunks::<8>().0.iter().take(WORDS / 8);
    words.map(|bytes| u64::from_le_bytes(*bytes).count_ones() as usize).sum()
}

/// How a change of kind k makes a distance and what is known afterwards. Four distances are one
/// number, the current one lowest, so that no change needs a branch.
#[derive(Clone, Copy)]
pub(super) struct Rule {
    /// Bits of the byte of the distance stream, doubled, that count.
    pub(super) new: u64,
    pub(super) base: u64,
    /// Bits of a remembered distance that count, and where it is.
    pub(super) old: u64,
    pub(super) place: u32,
    /// What is known and does not move.
    pub(super) stay: u64,
    /// Bytes taken from the distance stream.
    pub(super) step: usize,
}

const fn new_rule(base: u64) -> Rule {
    Rule { new: 0x1fe, base, old: 0, place: 0, stay: 0, step: 1 }
}

const fn old_rule(place: u32, stay: u64) -> Rule {
    Rule { new: 0, base: 0, old: 0xffff, place, stay, step: 0 }
}

pub(super) const RULES: [Rule; 8] = [
    new_rule(0),
    new_rule(0),
    new_rule(2),
    new_rule(514),
    new_rule(3),
    old_rule(16, !0xffff_ffff),
    old_rule(32, !0xffff_ffff_ffff),
    old_rule(48, 0),
];

/// [`FIRST_DISTANCES`] as one number.
pub(super) const FIRST: u64 = {
    let [current, first, second, third] = FIRST_DISTANCES;
    current as u64 | (first as u64) << 16 | (second as u64) << 32 | (third as u64) << 48
};
