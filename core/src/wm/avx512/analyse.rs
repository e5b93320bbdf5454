//! What a page is made of: hashes, candidates, references, masks.
#![expect(unsafe_code, reason = "unchecked loads where each waits for the one before it")]
#![allow(clippy::wildcard_imports, reason = "intrinsics, whose names say where they are from")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::indexing_slicing,
    reason = "masks are as wide as their vectors, and places are within the arrays as stated"
)]

use core::arch::x86_64::*;

use super::STEP;
use super::memory::{
    gather, get8x16, load_page, load_words, one_word, put_sixteen, put8, put8x16, put8x64, sixteen,
    sixteen_words, store_words,
};
use super::write::count_bits;
use crate::Page;
use crate::wm::portable::{HASH, new_distance};
use crate::wm::state::{FIRST_DISTANCES, HALF, Padded, State, UNIT, WORDS};
use crate::wm::{Chosen, Effort, link};

avx512! {

/// See [`crate::wm::portable::analyse`].
pub(in crate::wm) fn analyse(page: &Page, state: &mut State, effort: Effort) -> Chosen {
    match effort {
        Effort::Fast => {
            hash_fast(page, state);
            link::fast(state);
            score_fast(state);
            choose::<false>(state)
        }
        Effort::Dense => {
            hash_dense(page, state);
            link::dense(state);
            score_dense(state);
            choose::<true>(state)
        }
    }
}

/// Hashes the lower 32 bits of each word.
#[inline]
fn hash(low: __m512i) -> __m128i {
    let product = _mm512_mul_epu32(low, _mm512_set1_epi64(HASH.cast_signed()));
    _mm512_cvtepi64_epi8(_mm512_srli_epi64::<24>(product))
}

/// In each word, how many of its bytes are not zero.
#[inline]
fn weights(words: __m512i) -> __m512i {
    // 254 for a zero, 255 for anything else. (The minimum with 1 would be one instruction too, but the
    // compiler makes two of it.)
    let base = _mm512_set1_epi8(-2);
    _mm512_sad_epu8(_mm512_adds_epu8(words, base), base)
}

fn hash_fast(page: &Page, state: &mut State) {
    for at in (0..WORDS).step_by(STEP) {
        let words = load_page(page, at);
        store_words(&mut state.page, at, words);
        put8(&mut state.weight, at, _mm512_cvtepi64_epi8(weights(words)));
        let bytes = _mm512_xor_si512(_mm512_srli_epi64::<8>(words), _mm512_srli_epi64::<40>(words));
        put8(&mut state.hashes[0], at, hash(bytes));
    }
}

fn hash_dense(page: &Page, state: &mut State) {
    for at in (0..WORDS).step_by(STEP) {
        let words = load_page(page, at);
        store_words(&mut state.page, at, words);
        put8(&mut state.weight, at, _mm512_cvtepi64_epi8(weights(words)));
        let bytes =
            _mm512_xor_si512(_mm512_srli_epi64::<16>(words), _mm512_srli_epi64::<48>(words));
        put8(&mut state.hashes[0], at, hash(bytes));
        put8(&mut state.hashes[1], at, hash(words));
        put8(&mut state.hashes[2], at, hash(_mm512_srli_epi64::<32>(words)));
    }
}

/// Positions of eight words, in units.
#[inline]
fn positions(at: usize) -> __m128i {
    let first = _mm_set1_epi16((2 * at) as i16);
    _mm_add_epi16(first, _mm_setr_epi16(0, 2, 4, 6, 8, 10, 12, 14))
}

/// In each word, how many bytes differ from what is offered.
#[inline]
fn differing(state: &State, words: __m512i, offers: __m128i) -> __m512i {
    weights(_mm512_xor_si512(words, gather(&state.page, offers)))
}

fn score_fast(state: &mut State) {
    for at in (0..WORDS).step_by(STEP) {
        let words = load_words(&state.page, at, 0);
        let offers = get8x16(&state.offers[0], at);
        let differing = _mm512_cvtepi64_epi8(differing(state, words, offers));
        put8(&mut state.price, at, _mm_add_epi8(differing, _mm_set1_epi8(1)));
        put8x16(&mut state.distances, at, _mm_sub_epi16(positions(at), offers));
    }
    // The first word has nothing before it.
    state.price[0] = u8::MAX;
}

fn score_dense(state: &mut State) {
    for at in (0..WORDS).step_by(STEP) {
        let words = load_words(&state.page, at, 0);
        let (by_word, by_half) = (get8x16(&state.offers[0], at), get8x16(&state.offers[1], at));
        let word_distance = _mm_sub_epi16(positions(at), by_word);
        let half_distance = _mm_sub_epi16(positions(at), by_half);
        let one = _mm_set1_epi8(1);
        let word_price = _mm_add_epi8(_mm512_cvtepi64_epi8(differing(state, words, by_word)), one);
        let half_price = _mm_add_epi8(_mm512_cvtepi64_epi8(differing(state, words, by_half)), one);
        let is_odd = _mm_test_epi16_mask(half_distance, _mm_set1_epi16(1));
        let is_far = _mm_cmpgt_epu16_mask(half_distance, _mm_set1_epi16(513));
        let refused = u16::from(is_odd & is_far);
        let half_price = _mm_mask_set1_epi8(half_price, refused, -1);
        let is_half = _mm_cmplt_epu8_mask(half_price, word_price);
        put8(&mut state.price, at, _mm_min_epu8(half_price, word_price));
        let distance = _mm_mask_blend_epi16(is_half as u8, word_distance, half_distance);
        put8x16(&mut state.distances, at, distance);
    }
    state.price[0] = u8::MAX;
}

/// Both halves at once, a step of one and a step of the other: each step waits for the one before it,
/// and the processor has room for two.
fn choose<const DENSE: bool>(state: &mut State) -> Chosen {
    let mut first_half = Half::new(0);
    let mut second_half = Half::new(HALF);
    macro_rules! step {
        ($half:ident) => {{
            let at = $half.at;
            let [current, recent] = $half.distances;
            // SAFETY: a half ends at or before WORDS. A distance is one of the first four, 64 bytes at
            // most, or was offered to a word at or before `at` by an earlier one, and so does not
            // reach before the page.
            let words = unsafe { sixteen_words(&state.page, at, 0) };
            // SAFETY: as above.
            let repeated = unsafe { differences(&state.page, at, current, words) };
            let by_repeat = repeated.map(|words| weights(words));
            // SAFETY: as above.
            let by_zero = unsafe { sixteen(&state.weight, at) };
            // SAFETY: as above.
            let price = unsafe { sixteen(&state.price, at) };
            // SAFETY: as above.
            let by_recent = unsafe { differences(&state.page, at, recent, words) };
            let by_recent = by_recent.map(|words| weights(words));
            let best = min(by_repeat, by_zero);
            let other = min(by_recent, price);
            let changes = both(other, best, |a, b| _mm512_cmplt_epu64_mask(a, b));
            let is_recent = both(by_recent, price, |a, b| _mm512_cmple_epu64_mask(a, b));
            // What the words are if none of them takes another distance.
            let is_zero = [
                _mm512_cmplt_epu64_mask(by_zero[0], by_repeat[0]),
                _mm512_cmplt_epu64_mask(by_zero[1], by_repeat[1]),
            ];
            let low = _mm512_mask_mov_epi64(repeated[0], is_zero[0], words[0]);
            let high = _mm512_mask_mov_epi64(repeated[1], is_zero[1], words[1]);
            let masks = _mm_set_epi64x(
                _mm512_test_epi8_mask(high, high).cast_signed(),
                _mm512_test_epi8_mask(low, low).cast_signed(),
            );
            let kinds =
                _mm_maskz_set1_epi8(!(u16::from(is_zero[0]) | u16::from(is_zero[1]) << 8), 1);
            let own = _bzhi_u32(0xffff, ($half.end - at).min(16) as u32) as u16;
            // SAFETY: as above.
            unsafe {
                put_sixteen(&mut state.masks, at, own, masks);
                put_sixteen(&mut state.kinds, at, own, kinds);
            }
            if DENSE {
                // The dense form needs the references themselves.
                let [own_low, own_high] = own.to_le_bytes();
                put8x64(&mut state.keep, at, own_low, _mm512_xor_si512(words[0], low));
                put8x64(&mut state.keep, at + STEP, own_high, _mm512_xor_si512(words[1], high));
            }
            let changes = changes & u32::from(own);
            if changes == 0 {
                $half.at = (at + 2 * STEP).min($half.end);
            } else {
                let step = changes.trailing_zeros() as usize;
                let at = at + step;
                let is = |set: u32| set >> step & 1 != 0;
                let offered = state.distances[at];
                let (new_kind, byte) = new_distance(offered);
                let taken = is(is_recent);
                let (kind, distance) =
                    if taken { (5, recent) } else { (new_kind, usize::from(offered)) };
                state.new_distances[$half.new] = byte;
                $half.new += usize::from(!taken);
                $half.distances = [distance, current];
                state.kinds[at] = kind;
                // SAFETY: as above.
                state.masks[at] = unsafe { difference_mask(&state.page, at, distance) };
                if DENSE {
                    state.keep[at] = state.page.back(at, distance as u16);
                }
                $half.at = at + 1;
            }
        }};
    }
    // A half that has come to its end stays there and writes nothing.
    while first_half.at < HALF || second_half.at < WORDS {
        step!(first_half);
        step!(second_half);
    }
    Chosen { literals: count_bits(&state.masks), new: [first_half.new, second_half.new - HALF] }
}

#[inline]
fn min(a: [__m512i; 2], b: [__m512i; 2]) -> [__m512i; 2] {
    [_mm512_min_epu8(a[0], b[0]), _mm512_min_epu8(a[1], b[1])]
}

}

/// The words at a distance of `units`, subtracted without carry from sixteen words.
///
/// # Safety
///
/// As for [`sixteen_words`], with four bytes for each of `units`.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
unsafe fn differences(page: &Padded, at: usize, units: usize, words: [__m512i; 2]) -> [__m512i; 2] {
    // SAFETY: the caller's promise.
    let [low, high] = unsafe { sixteen_words(page, at, UNIT * units) };
    [_mm512_xor_si512(words[0], low), _mm512_xor_si512(words[1], high)]
}

/// Bit b set for each byte of the word that differs from the one `units` before.
///
/// # Safety
///
/// As for [`sixteen_words`], with four bytes for each of `units`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
#[inline]
unsafe fn difference_mask(page: &Padded, at: usize, units: usize) -> u8 {
    // SAFETY: the caller's promise.
    let [word, reference] = unsafe { [one_word(page, at, 0), one_word(page, at, UNIT * units)] };
    _mm_cmpneq_epi8_mask(word, reference) as u8
}

/// A half of the page while its references are chosen.
struct Half {
    at: usize,
    end: usize,
    /// The current distance and the one before it, in units.
    distances: [usize; 2],
    /// Where the next byte of the distance stream goes.
    new: usize,
}

impl Half {
    #[inline(always)]
    fn new(at: usize) -> Self {
        let [current, recent, ..] = FIRST_DISTANCES;
        let distances = [current, recent].map(usize::from);
        Self { at, end: at + HALF, distances, new: at }
    }
}

/// A comparison of sixteen words as sixteen bits.
#[inline(always)]
fn both(a: [__m512i; 2], b: [__m512i; 2], compare: impl Fn(__m512i, __m512i) -> u8) -> u32 {
    u32::from(compare(a[0], b[0])) | u32::from(compare(a[1], b[1])) << 8
}
