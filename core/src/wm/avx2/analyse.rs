//! What a page is made of: hashes, candidates, references, masks.
#![allow(clippy::wildcard_imports, reason = "intrinsics, whose names say where they are from")]

use core::arch::x86_64::*;

use super::memory::{
    gather, get4, get4x64, get16, get16x16, get32, load_step, load_word, load_words, put4, put4x4,
    put4x64, put16, put16x16, put32,
};
use super::{STEP, VECTOR};
use crate::Page;
use crate::wm::portable::{HASH, new_distance};
use crate::wm::state::{FIRST_DISTANCES, FRONT, HALF, PerWord, SLACK, State, UNIT, WORDS};
use crate::wm::{Chosen, Effort, link};

avx2! {

/// See [`super::super::portable::analyse`].
pub(in crate::wm) fn analyse(page: &Page, state: &mut State, effort: Effort) -> Chosen {
    match effort {
        Effort::Fast => {
            hash_fast(page, state);
            weigh(state);
            link::fast(state);
            score_fast(state);
            choose::<false>(state)
        }
        Effort::Dense => {
            hash_dense(page, state);
            weigh(state);
            link::dense(state);
            score_dense(state);
            choose::<true>(state)
        }
    }
}

/// Copies the page, and for each word notes which bytes are not zero and one hash.
fn hash_fast(page: &Page, state: &mut State) {
    for at in (0..WORDS).step_by(8 * VECTOR) {
        macro_rules! folded {
            ($pair:expr) => {{
                let (low, high) = take_pair(page, state, at + $pair * 2 * VECTOR);
                let (low, high) = (_mm256_srli_epi64::<8>(low), _mm256_srli_epi64::<8>(high));
                _mm256_xor_si256(lower_halves(low, high), upper_halves(low, high))
            }};
        }
        let folded = [folded!(0), folded!(1), folded!(2), folded!(3)];
        put_hashes(&mut state.hashes[0], at, folded);
    }
}

/// As [`hash_fast`], with three hashes.
fn hash_dense(page: &Page, state: &mut State) {
    for at in (0..WORDS).step_by(8 * VECTOR) {
        macro_rules! halves {
            ($pair:expr) => {{
                let (low, high) = take_pair(page, state, at + $pair * 2 * VECTOR);
                let lower = lower_halves(low, high);
                let upper = upper_halves(low, high);
                let (low, high) = (_mm256_srli_epi64::<16>(low), _mm256_srli_epi64::<16>(high));
                (_mm256_xor_si256(lower_halves(low, high), upper_halves(low, high)), lower, upper)
            }};
        }
        let [a, b, c, d] = [halves!(0), halves!(1), halves!(2), halves!(3)];
        put_hashes(&mut state.hashes[0], at, [a.0, b.0, c.0, d.0]);
        put_hashes(&mut state.hashes[1], at, [a.1, b.1, c.1, d.1]);
        put_hashes(&mut state.hashes[2], at, [a.2, b.2, c.2, d.2]);
    }
}

/// Copies eight words and notes the masks of their bytes that are not zero.
#[inline]
fn take_pair(page: &Page, state: &mut State, at: usize) -> (__m256i, __m256i) {
    let (low, high) = (get32(page, 8 * at), get32(page, 8 * (at + VECTOR)));
    put32(&mut state.page.0, FRONT + 8 * at, low);
    put32(&mut state.page.0, FRONT + 8 * (at + VECTOR), high);
    let zero = _mm256_setzero_si256();
    put4(&mut state.masks, at, !equal_bytes(low, zero));
    put4(&mut state.masks, at + VECTOR, !equal_bytes(high, zero));
    (low, high)
}

/// Counts in `state.weight` what the masks of [`take_pair`] name.
fn weigh(state: &mut State) {
    for at in (0..WORDS).step_by(32) {
        put32(&mut state.weight, at, ones(get32(&state.masks, at)));
    }
}

/// The lower halves of eight words, in the order of [`IN_ORDER`].
#[inline]
fn lower_halves(low: __m256i, high: __m256i) -> __m256i {
    let (low, high) = (_mm256_castsi256_ps(low), _mm256_castsi256_ps(high));
    _mm256_castps_si256(_mm256_shuffle_ps::<0b10_00_10_00>(low, high))
}

/// The upper ones.
#[inline]
fn upper_halves(low: __m256i, high: __m256i) -> __m256i {
    let (low, high) = (_mm256_castsi256_ps(low), _mm256_castsi256_ps(high));
    _mm256_castps_si256(_mm256_shuffle_ps::<0b11_01_11_01>(low, high))
}

/// Hashes 32 times 32 bits.
#[inline]
fn put_hashes(list: &mut PerWord<u8>, at: usize, folded: [__m256i; 4]) {
    // The multiplier is below 2^32; of the product only bits 24 to 31 count.
    let factor = _mm256_set1_epi32(FACTOR);
    let [a, b, c, d] = folded;
    let a = _mm256_srli_epi32::<24>(_mm256_mullo_epi32(a, factor));
    let b = _mm256_srli_epi32::<24>(_mm256_mullo_epi32(b, factor));
    let c = _mm256_srli_epi32::<24>(_mm256_mullo_epi32(c, factor));
    let d = _mm256_srli_epi32::<24>(_mm256_mullo_epi32(d, factor));
    let packed = _mm256_packus_epi16(_mm256_packus_epi32(a, b), _mm256_packus_epi32(c, d));
    // Each lane has two words of each vector of four.
    let first = _mm256_castsi256_si128(packed);
    let second = _mm256_extracti128_si256::<1>(packed);
    put16(list, at, _mm_unpacklo_epi16(first, second));
    put16(list, at + 16, _mm_unpackhi_epi16(first, second));
}

/// The masks of bytes that are equal, of four words.
#[inline]
fn equal_bytes(a: __m256i, b: __m256i) -> u32 {
    _mm256_movemask_epi8(_mm256_cmpeq_epi8(a, b)).cast_unsigned()
}

/// How many bits are set in each byte.
#[inline]
fn ones(bytes: __m256i) -> __m256i {
    let of_four = _mm256_broadcastsi128_si256(_mm_setr_epi8(
        0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,
    ));
    let low = _mm256_set1_epi8(15);
    let upper = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), low);
    let lower = _mm256_and_si256(bytes, low);
    _mm256_add_epi8(_mm256_shuffle_epi8(of_four, lower), _mm256_shuffle_epi8(of_four, upper))
}

/// The masks of bytes in which four words differ from what is offered.
#[inline]
fn differing(state: &State, offers: &PerWord<u16>, at: usize) -> u32 {
    !equal_bytes(load_words(&state.page, at, 0), gather(&state.page, offers, at))
}

fn score_fast(state: &mut State) {
    for at in (0..WORDS).step_by(VECTOR) {
        let masks = differing(state, &state.offers[0], at);
        put4(&mut state.price, at, masks);
    }
    let mut place = first_positions();
    for at in (0..WORDS).step_by(32) {
        let price = _mm256_add_epi8(ones(get32(&state.price, at)), _mm256_set1_epi8(1));
        put32(&mut state.price, at, price);
        for at in [at, at + 16] {
            let distance = _mm256_sub_epi16(place, get16x16(&state.offers[0], at));
            put16x16(&mut state.distances, at, distance);
            place = _mm256_add_epi16(place, _mm256_set1_epi16(32));
        }
    }
    // The first word has nothing before it.
    let [price, ..] = &mut state.price;
    *price = u8::MAX;
}

/// Positions of the first sixteen words, in units.
#[inline]
fn first_positions() -> __m256i {
    _mm256_setr_epi16(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30)
}

fn score_dense(state: &mut State) {
    let mut by_half = [0; WORDS + SLACK];
    for at in (0..WORDS).step_by(VECTOR) {
        let masks = differing(state, &state.offers[0], at);
        put4(&mut state.price, at, masks);
        let masks = differing(state, &state.offers[1], at);
        put4(&mut by_half, at, masks);
    }
    let mut place = first_positions();
    let one = _mm256_set1_epi16(1);
    for at in (0..WORDS).step_by(16) {
        let word_distance = _mm256_sub_epi16(place, get16x16(&state.offers[0], at));
        let half_distance = _mm256_sub_epi16(place, get16x16(&state.offers[1], at));
        place = _mm256_add_epi16(place, _mm256_set1_epi16(32));
        let is_odd = _mm256_cmpeq_epi16(_mm256_and_si256(half_distance, one), one);
        let is_far = _mm256_cmpgt_epi16(half_distance, _mm256_set1_epi16(513));
        let refused = _mm256_and_si256(is_odd, is_far);
        let word_price = _mm256_cvtepu8_epi16(ones16(get16(&state.price, at)));
        let half_price = _mm256_cvtepu8_epi16(ones16(get16(&by_half, at)));
        let is_half = _mm256_andnot_si256(refused, _mm256_cmpgt_epi16(word_price, half_price));
        let price = _mm256_add_epi16(_mm256_blendv_epi8(word_price, half_price, is_half), one);
        let distance = _mm256_blendv_epi8(word_distance, half_distance, is_half);
        put16x16(&mut state.distances, at, distance);
        let (low, high) = (_mm256_castsi256_si128(price), _mm256_extracti128_si256::<1>(price));
        put16(&mut state.price, at, _mm_packus_epi16(low, high));
    }
    let [price, ..] = &mut state.price;
    *price = u8::MAX;
}

/// As [`ones`], for sixteen bytes.
#[inline]
fn ones16(bytes: __m128i) -> __m128i {
    _mm256_castsi256_si128(ones(_mm256_castsi128_si256(bytes)))
}

/// Both halves at once, a step of one and a step of the other: each step waits for the one before
/// it, and the processor has room for two.
///
/// A step writes sixteen words, some of which the next one writes again. What it writes is a draft:
/// whether words refer to zero is settled for all of them at the end. Drafts take the place of the
/// hashes, which are not needed any more.
fn choose<const DENSE: bool>(state: &mut State) -> Chosen {
    let mut first_half = Half::new(0);
    let mut second_half = Half::new(HALF);
    // A macro, because a function is not inlined.
    macro_rules! step {
        ($half:ident) => {{
            let at = $half.at;
            let [current, recent] = $half.distances;
            let words = load_step(&state.page, at, 0);
            let back = |units| load_step(&state.page, at, UNIT * units);
            let repeated = equal(words, back(current));
            let differing = weigh_both(repeated, equal(words, back(recent)));
            // By repeating against by zero, and by a remembered distance against by a new one.
            let against = _mm256_set_m128i(get16(&state.price, at), get16(&state.weight, at));
            let least = _mm256_min_epu8(differing, against);
            let is_taken = _mm256_cmpeq_epi8(least, differing);
            let best = _mm256_castsi256_si128(least);
            let other = _mm256_extracti128_si256::<1>(least);
            let is_best = _mm_cmpeq_epi8(_mm_min_epu8(best, other), best);
            let own = (1 << ($half.end - at).min(STEP)) - 1;
            let changes = !_mm_movemask_epi8(is_best).cast_unsigned() & own;
            // What the words are if none of them takes another distance.
            let kinds = _mm_and_si128(_mm256_castsi256_si128(is_taken), _mm_set1_epi8(1));
            put16(&mut state.hashes[KINDS], $half.offset + at, kinds);
            let masks = repeated.map(|bytes| _mm256_movemask_epi8(bytes).cast_unsigned());
            put4x4(&mut state.hashes[MASKS], $half.offset + at, masks);
            if DENSE {
                put_references(state, &$half);
            }
            if changes == 0 {
                $half.at = (at + STEP).min($half.end);
            } else {
                let step = changes.trailing_zeros() as usize;
                let is = |set: u32| set >> step & 1 != 0;
                $half.at = at + step;
                change::<DENSE>(state, &mut $half, is(upper_mask(is_taken)));
                $half.at += 1;
            }
        }};
    }
    // A half that has come to its end stays there and writes nothing that counts.
    while first_half.at < HALF || second_half.at < WORDS {
        step!(first_half);
        step!(second_half);
    }
    let literals = settle(state, &first_half) + settle(state, &second_half);
    if DENSE {
        subtract(state, &first_half);
        subtract(state, &second_half);
    }
    Chosen { literals, new: [first_half.new, second_half.new - HALF] }
}

/// Has the word at `half.at` take another distance: the remembered one, if `is_recent`.
#[inline]
fn change<const DENSE: bool>(state: &mut State, half: &mut Half, is_recent: bool) {
    let at = half.at;
    let [current, recent] = half.distances;
    let offered = state.distances.get(at).copied().unwrap_or_default();
    let (new_kind, byte) = new_distance(offered);
    let (kind, units) = if is_recent { (5, recent) } else { (new_kind, usize::from(offered)) };
    if let Some(slot) = state.new_distances.get_mut(half.new) {
        *slot = byte;
    }
    half.new += usize::from(!is_recent);
    half.distances = [units, current];
    let word = load_word(&state.page, at, 0);
    let reference = load_word(&state.page, at, UNIT * units);
    let draft = half.offset + at;
    let [kinds, masks, _] = &mut state.hashes;
    if let (Some(kinds), Some(masks)) = (kinds.get_mut(draft), masks.get_mut(draft)) {
        *kinds = kind;
        *masks = equal_mask(word, reference);
    }
    if DENSE
        && let Some(slot) = state.keep.get_mut(draft)
    {
        *slot = reference;
    }
}

/// The bytes of sixteen words that equal those of others: 255, others 0.
#[inline]
fn equal(words: [__m256i; 4], others: [__m256i; 4]) -> [__m256i; 4] {
    let ([a, b, c, d], [e, f, g, h]) = (words, others);
    [
        _mm256_cmpeq_epi8(a, e),
        _mm256_cmpeq_epi8(b, f),
        _mm256_cmpeq_epi8(c, g),
        _mm256_cmpeq_epi8(d, h),
    ]
}

/// How many bytes of sixteen words differ, from what was compared in two ways: a byte a word, those
/// of the first comparison in the lower half.
#[inline]
fn weigh_both(first: [__m256i; 4], second: [__m256i; 4]) -> __m256i {
    // Equal bytes are 255. One sum has both counts: 1 for each byte that differs in the first
    // comparison, 16 in the second.
    let sums = |first: __m256i, second: __m256i| {
        let sixteen = _mm256_and_si256(second, _mm256_set1_epi8(16));
        _mm256_sad_epu8(_mm256_sub_epi8(sixteen, first), _mm256_set1_epi8(17))
    };
    let ([a, b, c, d], [e, f, g, h]) = (first, second);
    let (low, high) = (lower_halves(sums(a, e), sums(b, f)), lower_halves(sums(c, g), sums(d, h)));
    let both = _mm256_packus_epi32(low, high);
    let first = _mm256_and_si256(both, _mm256_set1_epi16(15));
    let second = _mm256_srli_epi16::<4>(both);
    let lanes = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packus_epi16(first, second));
    // Words 0 and 1 of each four, then words 2 and 3 of each.
    let order = _mm_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15);
    _mm256_shuffle_epi8(lanes, _mm256_broadcastsi128_si256(order))
}

/// Bit b set for each byte b of the upper half that is 255.
#[inline]
fn upper_mask(bytes: __m256i) -> u32 {
    _mm256_movemask_epi8(bytes).cast_unsigned() >> 16
}

/// Makes the draft of a half final; returns the number of its literals.
fn settle(state: &mut State, half: &Half) -> usize {
    let mut sums = _mm256_setzero_si256();
    for at in (half.start..half.end).step_by(32) {
        let kinds = get32(&state.hashes[KINDS], half.offset + at);
        let equal = get32(&state.hashes[MASKS], half.offset + at);
        let is_zero = _mm256_cmpeq_epi8(kinds, _mm256_setzero_si256());
        let repeated = _mm256_xor_si256(equal, _mm256_set1_epi8(-1));
        let masks = _mm256_blendv_epi8(repeated, get32(&state.masks, at), is_zero);
        put32(&mut state.kinds, at, kinds);
        put32(&mut state.masks, at, masks);
        sums = _mm256_add_epi64(sums, _mm256_sad_epu8(ones(masks), _mm256_setzero_si256()));
    }
    let (low, high) = (_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
    let sums = _mm_add_epi64(low, high);
    let sum = _mm_add_epi64(sums, _mm_unpackhi_epi64(sums, sums));
    let [low, high, ..] = _mm_cvtsi128_si32(sum).to_le_bytes();
    usize::from(u16::from_le_bytes([low, high]))
}

/// Notes what sixteen words refer to if they repeat.
#[inline]
fn put_references(state: &mut State, half: &Half) {
    let [current, ..] = half.distances;
    for at in [0, 1, 2, 3].map(|vector| half.at + vector * VECTOR) {
        let words = load_words(&state.page, at, UNIT * current);
        put4x64(&mut state.keep, half.offset + at, words);
    }
}

/// The words of a half as differences to their references, byte by byte, in `state.put`.
#[inline]
fn subtract(state: &mut State, half: &Half) {
    for at in (half.start..half.end).step_by(VECTOR) {
        let is_zero = _mm_cmpeq_epi8(get4(&state.kinds, at), _mm_setzero_si128());
        let references = get4x64(&state.keep, half.offset + at);
        let references = _mm256_andnot_si256(_mm256_cvtepi8_epi64(is_zero), references);
        let differences = _mm256_sub_epi8(load_words(&state.page, at, 0), references);
        put4x64(&mut state.put, at, differences);
    }
}

/// Bit b set for each byte of the word that equals the reference.
#[inline]
fn equal_mask(word: u64, reference: u64) -> u8 {
    let word = _mm_cvtsi64_si128(word.cast_signed());
    let equal = _mm_cmpeq_epi8(word, _mm_cvtsi64_si128(reference.cast_signed()));
    let [mask, ..] = _mm_movemask_epi8(equal).to_le_bytes();
    mask
}

}

/// The multiplier of the hashes.
const FACTOR: i32 = {
    let [a, b, c, d, ..] = HASH.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
};

/// Which of the hashes the drafts of kinds and masks replace. A mask is of the bytes that equal the
/// reference; for words that refer to zero, that by the current distance.
const KINDS: usize = 0;
const MASKS: usize = 1;

/// A half of the page while its references are chosen.
struct Half {
    start: usize,
    at: usize,
    end: usize,
    /// How much further on the half's drafts are, so that the first half may overshoot.
    offset: usize,
    /// The current distance and the one before it, in units.
    distances: [usize; 2],
    /// Where the next byte of the distance stream goes.
    new: usize,
}

impl Half {
    #[inline(always)]
    fn new(start: usize) -> Self {
        let [current, recent, ..] = FIRST_DISTANCES;
        Self {
            start,
            at: start,
            end: start + HALF,
            offset: start * SLACK / WORDS,
            distances: [current, recent].map(usize::from),
            new: start,
        }
    }
}
