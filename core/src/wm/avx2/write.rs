//! A page as bytes.
#![allow(clippy::wildcard_imports, reason = "intrinsics, whose names say where they are from")]

use core::arch::x86_64::*;

use super::GROUP;
use super::memory::put8;
use super::shuffles::PACK;
use crate::PAGE_SIZE;
use crate::compressor::Buffer;
use crate::wm::state::{FRONT, State, WORDS};
use crate::wm::tables::{Code, Tables};
use crate::wm::{Chosen, Effort, WORDS_TAG, dense, encode};

avx2! {

/// See [`super::super::portable::write`].
pub(in crate::wm) fn write(
    state: &mut State,
    tables: &Tables,
    chosen: Chosen,
    effort: Effort,
    out: &mut Buffer,
) -> usize {
    let start = encode::symbols(state, tables, chosen, WORDS_TAG, out);
    if effort == Effort::Dense {
        let count = deltas(state);
        if let Some(end) = dense::write(state, tables, out, start, count) {
            return end;
        }
    }
    literals(state, out, start)
}

/// Writes the bytes of each word that the mask of its code names; returns where they end, or the
/// size of a page if that is not before.
fn literals(state: &State, out: &mut Buffer, start: usize) -> usize {
    let (_, words) = state.page.0.as_chunks::<8>().0.split_at(FRONT / 8);
    let words = words.as_chunks::<GROUP>().0.iter();
    let codes = state.codes.as_chunks::<GROUP>().0.iter();
    let mut end = start;
    for (words, codes) in words.zip(codes).take(WORDS / GROUP) {
        // What comes after the end of a page is of no use, so it may go anywhere. With the
        // remainder the compiler sees that there is room, and leaves out checks.
        let base = end % PAGE_SIZE;
        let mut to = base;
        for (word, code) in words.iter().zip(codes) {
            let mask = mask_of(*code);
            let word = _mm_cvtsi64_si128(i64::from_le_bytes(*word));
            put8(out, to, packed(word, mask));
            to += mask.count_ones() as usize;
        }
        end += to - base;
    }
    end.min(PAGE_SIZE)
}

/// The same bytes of the words' differences to their references, which are in `state.put`, and
/// their classes; returns how many.
fn deltas(state: &mut State) -> usize {
    let words = state.put.as_chunks::<GROUP>().0.iter();
    let codes = state.codes.as_chunks::<GROUP>().0.iter();
    let mut end = 0;
    for (words, codes) in words.zip(codes).take(WORDS / GROUP) {
        // Less than a page until the last group has been done; so the compiler needs no checks.
        let base = end % PAGE_SIZE;
        let mut to = base;
        for (word, code) in words.iter().zip(codes) {
            let mask = mask_of(*code);
            let word = _mm_cvtsi64_si128(word.cast_signed());
            put8(&mut state.literals, to, packed(word, mask));
            put8(&mut state.classes, to, classes_of(mask));
            to += mask.count_ones() as usize;
        }
        end += to - base;
    }
    end
}

/// The bytes of a word that the mask names.
#[inline]
fn packed(word: __m128i, mask: u8) -> __m128i {
    let order = PACK.get(usize::from(mask)).copied().unwrap_or(0);
    _mm_shuffle_epi8(word, _mm_cvtsi64_si128(order.cast_signed()))
}

/// The classes of a word's literals: 0 for byte 0, which is the first one if it is there, else 1.
#[inline]
pub(super) fn classes_of(mask: u8) -> __m128i {
    _mm_cvtsi64_si128(0x0101_0101_0101_0101 ^ i64::from(mask & 1))
}

}

/// The mask that a code stands for.
#[inline(always)]
fn mask_of(code: Code) -> u8 {
    let [_, mask, ..] = code.to_le_bytes();
    mask
}
