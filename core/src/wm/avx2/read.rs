//! The page from its bytes.
#![allow(clippy::wildcard_imports, reason = "intrinsics, whose names say where they are from")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    reason = "bytes index tables of 256, words arrays of one entry a word"
)]

use core::arch::x86_64::*;

use super::memory::{get8, get8x16, get16x16, get32, put4x64, put8, put8x16, put32};
use super::shuffles::{PACK, RANKS, SPREAD};
use super::write::classes_of;
use super::{GROUP, VECTOR};
use crate::wm::decode::{self, FIRST, Parts, RULES};
use crate::wm::opaque::opaque;
use crate::wm::state::{FIRST_DISTANCES, HALF, SLACK, State, WORDS};
use crate::wm::tables::{NAMES, SymbolTable, Tables};
use crate::wm::{corrupt, dense, portable};
use crate::{PAGE_SIZE, Page, Result};

avx2! {

/// See [`super::super::portable::read`].
pub(in crate::wm) fn read(
    state: &mut State,
    tables: &Tables,
    data: &[u8],
    is_dense: bool,
    page: &mut Page,
) -> Result<()> {
    let lanes = decode::lanes(state, tables, data)?;
    unpack(state, tables, lanes.table);
    let parts = decode::parts(state, lanes)?;
    if is_dense {
        classes(state);
        dense::read(state, tables, parts)?;
    } else if parts.end - parts.literals_start() != parts.literals {
        return Err(corrupt("the masks name another number of literals"));
    }
    distances(state, parts);
    let is_inside = if is_dense { spread::<true>(state) } else { spread::<false>(state) };
    if !is_inside {
        // No encoder does that; it needs no speed.
        return portable::read(state, tables, data, is_dense, page);
    }
    if is_dense {
        rebuild::<true>(state, parts, page);
    } else {
        rebuild::<false>(state, parts, page);
    }
    Ok(())
}

/// The class of each literal.
fn classes(state: &mut State) {
    let mut end = 0;
    // As in `write::deltas`.
    for masks in state.masks.as_chunks::<GROUP>().0.iter().take(WORDS / GROUP) {
        let base = end % PAGE_SIZE;
        let mut to = base;
        for mask in masks {
            put8(&mut state.classes, to, classes_of(*mask));
            to += mask.count_ones() as usize;
        }
        end += to - base;
    }
}

/// Kinds and masks from the entries of the symbol table, which have names for them.
fn unpack(state: &mut State, tables: &Tables, table: usize) {
    let SymbolTable { masks, kinds, .. } = tables.symbols(table);
    let symbols: [u16; NAMES] =
        core::array::from_fn(|name| u16::from_le_bytes([masks[name], kinds[name]]));
    let entries = state.entries.as_chunks::<GROUP>().0.iter();
    let slots = state.symbols.as_chunks_mut::<GROUP>().0.iter_mut();
    for (entries, slots) in entries.zip(slots).take(WORDS / GROUP) {
        for (entry, slot) in entries.iter().zip(slots) {
            let [_, name] = entry.to_le_bytes();
            // Opaque, or else the compiler takes names out of vectors, one by one.
            *slot = symbols[opaque(u64::from(name)) as usize & (NAMES - 1)];
        }
    }
    let low = _mm256_set1_epi16(0xff);
    for at in (0..WORDS).step_by(32) {
        let (first, second) = (get16x16(&state.symbols, at), get16x16(&state.symbols, at + 16));
        let masks =
            _mm256_packus_epi16(_mm256_and_si256(first, low), _mm256_and_si256(second, low));
        let kinds =
            _mm256_packus_epi16(_mm256_srli_epi16::<8>(first), _mm256_srli_epi16::<8>(second));
        put32(&mut state.masks, at, _mm256_permute4x64_epi64::<0b11_01_10_00>(masks));
        put32(&mut state.kinds, at, _mm256_permute4x64_epi64::<0b11_01_10_00>(kinds));
    }
}

/// Lists the distances of each half in their order in `state.distances`, the first one first; those
/// of the second half begin at [`SECOND`].
fn distances(state: &mut State, parts: Parts) {
    // Kinds of the words that change the distance, without the others.
    let mut changes = [0; 2];
    for (half, changes) in changes.iter_mut().enumerate() {
        for at in (half * HALF..(half + 1) * HALF).step_by(32) {
            let kinds = get32(&state.kinds, at);
            let is_change = _mm256_cmpgt_epi8(kinds, _mm256_set1_epi8(1));
            let is_change = _mm256_movemask_epi8(is_change).to_le_bytes();
            for (eight, is_change) in is_change.into_iter().enumerate() {
                let kinds = get8(&state.kinds, at + 8 * eight);
                let packed = shuffled(kinds, PACK[usize::from(is_change)]);
                put8(&mut state.new_distances, half * HALF + *changes, packed);
                *changes += is_change.count_ones() as usize;
            }
        }
    }
    let from = [parts.distances, parts.distances + parts.new[0]];
    for half in 0..2 {
        let mut from = from[half];
        let mut known = FIRST;
        let list = half * SECOND;
        state.distances[list] = FIRST_DISTANCES[0];
        for change in 0..changes[half] {
            let rule = &RULES[usize::from(state.new_distances[half * HALF + change] & 7)];
            let byte = u64::from(state.input[from.min(PAGE_SIZE)]);
            let distance = ((2 * byte) & rule.new) + rule.base + ((known >> rule.place) & rule.old);
            known = (known & rule.stay) | ((known << 16) & !rule.stay) | distance;
            state.distances[list + change + 1] = distance as u16;
            from += rule.step;
        }
    }
}

/// Per word: which bytes of the reference stay, and where that is.
///
/// Returns whether all references are within the page, those of the first eight words aside, for
/// which one before the page is zero.
fn spread<const DENSE: bool>(state: &mut State) -> bool {
    let mut change = 0;
    let mut place = _mm_setr_epi16(0, 8, 16, 24, 32, 40, 48, 56);
    let mut outside = _mm_setzero_si128();
    for at in (0..WORDS).step_by(8) {
        if at == HALF {
            change = SECOND;
        }
        let (units, changes) = ranked(state, at, change);
        change += changes;
        let back = _mm_slli_epi16::<2>(units);
        let beyond = _mm_subs_epu16(back, place);
        put8x16(&mut state.from, at, _mm_subs_epu16(place, back));
        place = _mm_add_epi16(place, _mm_set1_epi16(64));
        // Kind 0 refers to zero: nothing stays of it.
        let kinds = get8(&state.kinds, at);
        let mut is_zero = _mm_cmpeq_epi8(kinds, _mm_setzero_si128());
        if at == 0 {
            let is_inside = _mm_cmpeq_epi16(beyond, _mm_setzero_si128());
            let is_inside = _mm_packs_epi16(is_inside, is_inside);
            is_zero = _mm_or_si128(is_zero, _mm_xor_si128(is_inside, _mm_set1_epi8(-1)));
        } else {
            outside = _mm_or_si128(outside, beyond);
        }
        // A word that refers to nothing keeps as little as one with all its bytes as literals.
        let gone = if DENSE { is_zero } else { _mm_or_si128(is_zero, get8(&state.masks, at)) };
        let gone = _mm256_broadcastq_epi64(gone);
        put4x64(&mut state.keep, at, kept::<0>(gone));
        put4x64(&mut state.keep, at + VECTOR, kept::<4>(gone));
    }
    _mm_testz_si128(outside, outside) == 1
}

/// The distances of eight words, in units, and how many of the words change it. Entry `change` of
/// the list is the distance before them.
#[inline]
fn ranked(state: &State, at: usize, change: usize) -> (__m128i, usize) {
    let kinds = get8(&state.kinds, at);
    let is_change = _mm_movemask_epi8(_mm_cmpgt_epi8(kinds, _mm_set1_epi8(1)));
    let (first, second) = (is_change as usize & 15, is_change as usize >> 4 & 15);
    let middle = change + first.count_ones() as usize;
    let low = shuffled(get8x16(&state.distances, change), RANKS[first]);
    let high = shuffled(get8x16(&state.distances, middle), RANKS[second]);
    let units = _mm_unpacklo_epi64(low, high);
    (units, is_change.count_ones() as usize)
}

/// Eight bytes in another order.
#[inline]
fn shuffled(bytes: __m128i, order: u64) -> __m128i {
    _mm_shuffle_epi8(bytes, _mm_cvtsi64_si128(order.cast_signed()))
}

/// Bytes FIRST to FIRST + 3 of `gone`, eight bytes for each: 255 where a bit is not set.
#[inline]
fn kept<const FIRST: i8>(gone: __m256i) -> __m256i {
    let order = _mm256_add_epi8(
        _mm256_setr_epi64x(0, 0x0101_0101_0101_0101, 0x0202_0202_0202_0202, 0x0303_0303_0303_0303),
        _mm256_set1_epi8(FIRST),
    );
    let bits = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64.cast_signed());
    let bytes = _mm256_and_si256(_mm256_shuffle_epi8(gone, order), bits);
    _mm256_cmpeq_epi8(bytes, _mm256_setzero_si256())
}

/// Puts the words together, one after the other: each may be the next one's reference.
fn rebuild<const DENSE: bool>(state: &State, parts: Parts, page: &mut Page) {
    let (source, mut literal) =
        if DENSE { (&state.literals, 0) } else { (&state.input, parts.literals_start()) };
    for group in (0..WORDS).step_by(GROUP) {
        // Less than a page, unless no more literals come; so the compiler needs no checks.
        let base = literal % PAGE_SIZE;
        let mut from = base;
        for at in group..group + GROUP {
            let mask = state.masks[at];
            let put = shuffled(get8(source, from), SPREAD[usize::from(mask)]);
            let put = _mm_cvtsi128_si64(put).cast_unsigned();
            from += mask.count_ones() as usize;
            let reference = page.get(usize::from(state.from[at])..);
            let reference = reference.and_then(|rest| rest.first_chunk());
            let kept = reference.map_or(0, |bytes| u64::from_le_bytes(*bytes)) & state.keep[at];
            let word = if DENSE { add_bytes(kept, put) } else { kept | put };
            if let Some(slot) = page.get_mut(8 * at..).and_then(|rest| rest.first_chunk_mut()) {
                *slot = word.to_le_bytes();
            }
        }
        literal += from - base;
    }
}

/// Adds byte by byte.
#[inline]
fn add_bytes(a: u64, b: u64) -> u64 {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    ((a & !HIGH) + (b & !HIGH)) ^ ((a ^ b) & HIGH)
}

}

/// Where the list of the second half's distances begins.
const SECOND: usize = (WORDS + SLACK) / 2;
