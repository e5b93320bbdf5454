//! The page from its bytes.
#![expect(
    unsafe_code,
    reason = "512 unchecked loads and stores; checked, reading takes 10 % longer"
)]
#![allow(clippy::wildcard_imports, reason = "intrinsics, whose names say where they are from")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "masks are as wide as their vectors, and places are within the arrays as stated"
)]

use core::arch::x86_64::*;

use super::STEP;
use super::memory::{bytes, get16x16, get32x16, load, load8x16, put8x16, put8x64, store};
use super::write::word_classes;
use crate::wm::decode::{self, FIRST, Parts, RULES};
use crate::wm::state::{FIRST_DISTANCES, HALF, SLACK, State, WORDS};
use crate::wm::tables::{SymbolTable, Tables};
use crate::wm::{corrupt, dense, portable};
use crate::{PAGE_SIZE, Page, Result};

avx512! {

/// See [`portable::read`].
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
    let is_inside =
        if is_dense { spread::<true>(state, parts) } else { spread::<false>(state, parts) };
    if !is_inside {
        // No encoder does that; it needs no speed.
        return portable::read(state, tables, data, is_dense, page);
    }
    // SAFETY: `spread` was just called.
    unsafe {
        if is_dense {
            rebuild::<true>(state, page);
        } else {
            rebuild::<false>(state, page);
        }
    }
    Ok(())
}

/// The class of each literal.
fn classes(state: &mut State) {
    let mut end = 0;
    for at in (0..WORDS).step_by(STEP) {
        let mask = u64::from_le_bytes(bytes(&state.masks, at));
        store(&mut state.classes, end, _mm512_maskz_compress_epi8(mask, word_classes()));
        end += mask.count_ones() as usize;
    }
}

/// Masks and kinds from the entries of the symbol table: names, looked up 64 at once.
fn unpack(state: &mut State, tables: &Tables, table: usize) {
    const ODD: [u8; 64] = {
        let mut odd = [0; 64];
        let mut at = 0;
        while at < 64 {
            odd[at] = 2 * at as u8 + 1;
            at += 1;
        }
        odd
    };
    let SymbolTable { masks, kinds, .. } = tables.symbols(table);
    let quarters = |list: &[u8; 256]| [0, 64, 128, 192].map(|at| load(list, at));
    let (masks, kinds) = (quarters(masks), quarters(kinds));
    let odd = load(&ODD, 0);
    for at in (0..WORDS).step_by(64) {
        let (low, high) = (get32x16(&state.entries, at), get32x16(&state.entries, at + 32));
        let names = _mm512_permutex2var_epi8(low, odd, high);
        let is_high = _mm512_movepi8_mask(names);
        let look_up = |list: &[__m512i; 4]| {
            let low = _mm512_permutex2var_epi8(list[0], names, list[1]);
            let high = _mm512_permutex2var_epi8(list[2], names, list[3]);
            _mm512_mask_mov_epi8(low, is_high, high)
        };
        store(&mut state.masks, at, look_up(&masks));
        store(&mut state.kinds, at, look_up(&kinds));
    }
}

/// Lists the distances of each half in their order in `state.distances`, the first one first; those of
/// the second half begin at [`SECOND`].
fn distances(state: &mut State, parts: Parts) {
    // Kinds of the words that change the distance, without the others.
    let mut changes = [0; 2];
    for (half, changes) in changes.iter_mut().enumerate() {
        for at in (half * HALF..(half + 1) * HALF).step_by(64) {
            let kinds = load(&state.kinds, at);
            let is_change = _mm512_cmpge_epu8_mask(kinds, _mm512_set1_epi8(2));
            let packed = _mm512_maskz_compress_epi8(is_change, kinds);
            store(&mut state.new_distances, half * HALF + *changes, packed);
            *changes += is_change.count_ones() as usize;
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
            known = (known & rule.stay) | (known << 16 & !rule.stay) | distance;
            state.distances[list + change + 1] = distance as u16;
            from += rule.step;
        }
    }
}

/// Per word: the literals in their places, which bytes of the reference stay, and where that is.
///
/// Returns whether all references are within the page, those of the first eight words aside, for
/// which one before the page is zero.
fn spread<const DENSE: bool>(state: &mut State, parts: Parts) -> bool {
    let mut literal = if DENSE { 0 } else { parts.literals_start() };
    let mut change = 0;
    let mut place = _mm_setr_epi16(0, 8, 16, 24, 32, 40, 48, 56);
    let mut outside = _mm_setzero_si128();
    for at in (0..WORDS).step_by(STEP) {
        if at == HALF {
            change = SECOND;
        }
        let mask = u64::from_le_bytes(bytes(&state.masks, at));
        let kinds = u64::from_le_bytes(bytes(&state.kinds, at));
        let source = if DENSE { &state.literals } else { &state.input };
        let literals = load(source, literal);
        let put = _mm512_maskz_expand_epi8(mask, literals);
        literal += mask.count_ones() as usize;
        // Which entry of the list is a word's: one more with each change so far. A kind is a change
        // from 2 on, and 126 more make bit 7 of it.
        let is_change = _pext_u64(kinds + 126 * ONES, 128 * ONES) as usize;
        let list = get16x16(&state.distances, change);
        let ranks = _mm256_castsi128_si256(load8x16(&RANKS.0[is_change & 0xff]));
        let units = _mm256_castsi256_si128(_mm256_permutexvar_epi16(ranks, list));
        change += is_change.count_ones() as usize;
        let back = _mm_slli_epi16::<2>(units);
        let beyond = _mm_subs_epu16(back, place);
        put8x16(&mut state.from, at, _mm_subs_epu16(place, back));
        place = _mm_add_epi16(place, _mm_set1_epi16(64));
        // Kind 0 refers to zero: nothing stays of it.
        let refers = ((kinds + 127 * ONES) & (128 * ONES)) >> 7;
        let mut kept = refers * 0xff;
        if at == 0 {
            let inside = _mm_cmpeq_epi16_mask(beyond, _mm_setzero_si128());
            kept &= _pdep_u64(u64::from(inside), ONES) * 0xff;
        } else {
            outside = _mm_or_si128(outside, beyond);
        }
        let kept = _mm512_movm_epi8(if DENSE { kept } else { kept & !mask });
        put8x64(&mut state.put, at, u8::MAX, put);
        put8x64(&mut state.keep, at, u8::MAX, kept);
    }
    _mm_testz_si128(outside, outside) == 1
}

}

/// Puts the words together, one after the other: each may be the next one's reference.
///
/// # Safety
///
/// [`spread`] was called on `state` before, and nothing has written to `state.from` since.
#[target_feature(enable = "avx512f,avx512bw,bmi1,bmi2,lzcnt,popcnt")]
unsafe fn rebuild<const DENSE: bool>(state: &State, page: &mut Page) {
    let base = page.as_mut_ptr();
    for at in 0..WORDS {
        let (keep, put) = (state.keep[at], state.put[at]);
        let from = usize::from(state.from[at]);
        debug_assert!(from <= 8 * at, "a reference is not behind its word");
        // SAFETY: `spread` wrote all of `from`, each the place of its word less a distance, which a
        // subtraction that stops at zero made: at most `8 * at`, and eight bytes from there are within
        // the page.
        let reference = unsafe { base.add(from).cast::<u64>().read_unaligned() };
        let word = if DENSE { add_bytes(reference & keep, put) } else { (reference & keep) | put };
        // SAFETY: `at` is below WORDS.
        unsafe { base.add(8 * at).cast::<u64>().write_unaligned(word) };
    }
}

/// Adds byte by byte.
#[inline(always)]
fn add_bytes(a: u64, b: u64) -> u64 {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    ((a & !HIGH) + (b & !HIGH)) ^ ((a ^ b) & HIGH)
}

/// A bit in each byte.
const ONES: u64 = 0x0101_0101_0101_0101;

#[repr(align(16))]
struct Ranks([[u16; STEP]; 256]);

/// For each set of eight words that change the distance: how many have done so up to each word.
static RANKS: Ranks = {
    let mut ranks = [[0; STEP]; 256];
    let mut set = 0;
    while set < 256 {
        let (mut at, mut rank) = (0, 0);
        while at < STEP {
            rank += (set >> at & 1) as u16;
            ranks[set][at] = rank;
            at += 1;
        }
        set += 1;
    }
    Ranks(ranks)
};

/// Where the list of the second half's distances begins.
const SECOND: usize = (WORDS + SLACK) / 2;
