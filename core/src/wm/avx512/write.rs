//! A page as bytes.
#![allow(clippy::wildcard_imports, reason = "intrinsics, whose names say where they are from")]

use core::arch::x86_64::*;

use super::STEP;
use super::memory::{bytes, get8x64, get16x32, load, load_words, put16, store};
use crate::PAGE_SIZE;
use crate::compressor::Buffer;
use crate::wm::state::{PerWord, State, WORDS};
use crate::wm::tables::Tables;
use crate::wm::{Chosen, Effort, WORDS_TAG, dense, encode};

avx512! {

/// See [`crate::wm::portable::write`].
pub(in crate::wm) fn write(
    state: &mut State,
    tables: &Tables,
    chosen: Chosen,
    effort: Effort,
    out: &mut Buffer,
) -> usize {
    let start = encode::symbols(state, tables, chosen, WORDS_TAG, out);
    stand_ins(state);
    let count = count_bits(&state.masks);
    if effort == Effort::Dense {
        deltas(state);
        if let Some(end) = dense::write(state, tables, out, start, count) {
            return end;
        }
    }
    if start + count >= PAGE_SIZE {
        return PAGE_SIZE;
    }
    let mut end = start;
    for at in (0..WORDS).step_by(STEP) {
        let mask = u64::from_le_bytes(bytes(&state.masks, at));
        let packed = _mm512_maskz_compress_epi8(mask, load_words(&state.page, at, 0));
        store(out, end, packed);
        end += mask.count_ones() as usize;
    }
    end
}

/// The masked bytes of all words as differences to their references, and their classes.
fn deltas(state: &mut State) {
    let mut end = 0;
    for at in (0..WORDS).step_by(STEP) {
        let mask = u64::from_le_bytes(bytes(&state.masks, at));
        let references = get8x64(&state.keep, at);
        let differences = _mm512_sub_epi8(load_words(&state.page, at, 0), references);
        store(&mut state.literals, end, _mm512_maskz_compress_epi8(mask, differences));
        store(&mut state.classes, end, _mm512_maskz_compress_epi8(mask, word_classes()));
        end += mask.count_ones() as usize;
    }
}

/// The class of each byte of eight words: 0 for byte 0, else 1.
#[inline]
pub(super) fn word_classes() -> __m512i {
    _mm512_set1_epi64(0x0101_0101_0101_0100)
}

/// The masks that the codes of a page stand for.
fn stand_ins(state: &mut State) {
    for at in (0..WORDS).step_by(16) {
        let masks = _mm512_cvtepi32_epi8(_mm512_srli_epi32::<8>(get16x32(&state.codes, at)));
        put16(&mut state.masks, at, masks);
    }
}

/// How many literals the masks name.
#[inline]
pub(super) fn count_bits(masks: &PerWord<u8>) -> usize {
    let mut sum = _mm512_setzero_si512();
    for at in (0..WORDS).step_by(64) {
        let bits = _mm512_popcnt_epi8(load(masks, at));
        sum = _mm512_add_epi64(sum, _mm512_sad_epu8(bits, _mm512_setzero_si512()));
    }
    let [low, high, ..] = _mm512_reduce_add_epi64(sum).to_le_bytes();
    usize::from(u16::from_le_bytes([low, high]))
}

}
