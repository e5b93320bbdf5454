//! Vectors from and to arrays. Everything is checked: a place that is not within its array reads as
//! zeros and is not written, which costs a compared and predicted branch and cannot happen.
#![expect(unsafe_code, reason = "vector loads and stores take pointers")]
#![allow(clippy::wildcard_imports, reason = "intrinsics, whose names say where they are from")]

use core::arch::x86_64::*;

use crate::wm::state::{FRONT, Padded, PerWord};

/// `SIZE` entries, if they are there.
#[inline(always)]
fn at<T, const SIZE: usize>(list: &[T], from: usize) -> Option<&[T; SIZE]> {
    list.get(from..)?.first_chunk()
}

#[inline(always)]
fn at_mut<T, const SIZE: usize>(list: &mut [T], to: usize) -> Option<&mut [T; SIZE]> {
    list.get_mut(to..)?.first_chunk_mut()
}

avx2! {

/// 32 bytes.
#[inline]
pub(super) fn get32(list: &[u8], from: usize) -> __m256i {
    match at::<u8, 32>(list, from) {
        // SAFETY: 32 bytes of an array of 32.
        Some(bytes) => unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) },
        None => _mm256_setzero_si256(),
    }
}

#[inline]
pub(super) fn put32(list: &mut [u8], to: usize, bytes: __m256i) {
    if let Some(slot) = at_mut::<u8, 32>(list, to) {
        // SAFETY: 32 bytes of an array of 32.
        unsafe { _mm256_storeu_si256(slot.as_mut_ptr().cast(), bytes) };
    }
}

/// Sixteen bytes.
#[inline]
pub(super) fn get16(list: &[u8], from: usize) -> __m128i {
    match at::<u8, 16>(list, from) {
        // SAFETY: sixteen bytes of an array of sixteen.
        Some(bytes) => unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) },
        None => _mm_setzero_si128(),
    }
}

#[inline]
pub(super) fn put16(list: &mut [u8], to: usize, bytes: __m128i) {
    if let Some(slot) = at_mut::<u8, 16>(list, to) {
        // SAFETY: sixteen bytes of an array of sixteen.
        unsafe { _mm_storeu_si128(slot.as_mut_ptr().cast(), bytes) };
    }
}

/// Eight bytes, the lower half of a vector.
#[inline]
pub(super) fn get8(list: &[u8], from: usize) -> __m128i {
    let bytes = at(list, from).copied().unwrap_or_default();
    _mm_cvtsi64_si128(i64::from_le_bytes(bytes))
}

#[inline]
pub(super) fn put8(list: &mut [u8], to: usize, bytes: __m128i) {
    if let Some(slot) = at_mut(list, to) {
        *slot = _mm_cvtsi128_si64(bytes).to_le_bytes();
    }
}

/// Four bytes.
#[inline]
pub(super) fn get4(list: &[u8], from: usize) -> __m128i {
    let bytes = at(list, from).copied().unwrap_or_default();
    _mm_cvtsi32_si128(i32::from_le_bytes(bytes))
}

#[inline]
pub(super) fn put4(list: &mut [u8], to: usize, bytes: u32) {
    if let Some(slot) = at_mut(list, to) {
        *slot = bytes.to_le_bytes();
    }
}

/// Four times four bytes.
#[inline]
pub(super) fn put4x4(list: &mut [u8], to: usize, bytes: [u32; 4]) {
    if let Some(slot) = at_mut::<u8, 16>(list, to) {
        let [a, b, c, d] = bytes;
        put4(slot, 0, a);
        put4(slot, 4, b);
        put4(slot, 8, c);
        put4(slot, 12, d);
    }
}

/// Sixteen entries of sixteen bits.
#[inline]
pub(super) fn get16x16(list: &PerWord<u16>, from: usize) -> __m256i {
    match at::<u16, 16>(list, from) {
        // SAFETY: sixteen entries of an array of sixteen.
        Some(list) => unsafe { _mm256_loadu_si256(list.as_ptr().cast()) },
        None => _mm256_setzero_si256(),
    }
}

#[inline]
pub(super) fn put16x16(list: &mut PerWord<u16>, to: usize, values: __m256i) {
    if let Some(slot) = at_mut::<u16, 16>(list, to) {
        // SAFETY: sixteen entries of an array of sixteen.
        unsafe { _mm256_storeu_si256(slot.as_mut_ptr().cast(), values) };
    }
}

/// Eight entries of sixteen bits.
#[inline]
pub(super) fn get8x16(list: &PerWord<u16>, from: usize) -> __m128i {
    match at::<u16, 8>(list, from) {
        // SAFETY: eight entries of an array of eight.
        Some(list) => unsafe { _mm_loadu_si128(list.as_ptr().cast()) },
        None => _mm_setzero_si128(),
    }
}

#[inline]
pub(super) fn put8x16(list: &mut PerWord<u16>, to: usize, values: __m128i) {
    if let Some(slot) = at_mut::<u16, 8>(list, to) {
        // SAFETY: eight entries of an array of eight.
        unsafe { _mm_storeu_si128(slot.as_mut_ptr().cast(), values) };
    }
}

/// Four words.
#[inline]
pub(super) fn get4x64(list: &PerWord<u64>, from: usize) -> __m256i {
    match at::<u64, 4>(list, from) {
        // SAFETY: four entries of an array of four.
        Some(list) => unsafe { _mm256_loadu_si256(list.as_ptr().cast()) },
        None => _mm256_setzero_si256(),
    }
}

#[inline]
pub(super) fn put4x64(list: &mut PerWord<u64>, to: usize, words: __m256i) {
    if let Some(slot) = at_mut::<u64, 4>(list, to) {
        // SAFETY: four entries of an array of four.
        unsafe { _mm256_storeu_si256(slot.as_mut_ptr().cast(), words) };
    }
}

/// Four words of a page, `back` bytes before word number `word`.
#[inline]
pub(super) fn load_words(page: &Padded, word: usize, back: usize) -> __m256i {
    get32(&page.0, (FRONT + 8 * word).wrapping_sub(back))
}

/// Sixteen of them.
#[inline]
pub(super) fn load_step(page: &Padded, word: usize, back: usize) -> [__m256i; 4] {
    match at::<u8, 128>(&page.0, (FRONT + 8 * word).wrapping_sub(back)) {
        Some(bytes) => [get32(bytes, 0), get32(bytes, 32), get32(bytes, 64), get32(bytes, 96)],
        None => [_mm256_setzero_si256(); 4],
    }
}

/// One word of a page, `back` bytes before word number `word`.
#[inline]
pub(super) fn load_word(page: &Padded, word: usize, back: usize) -> u64 {
    let bytes = at(&page.0, (FRONT + 8 * word).wrapping_sub(back));
    bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// The words at the four positions, in units, from entry `from` on.
///
/// Four loads: the gather instruction takes longer than those on most processors.
#[inline]
pub(super) fn gather(page: &Padded, positions: &PerWord<u16>, from: usize) -> __m256i {
    let positions: [u16; 4] = at(positions, from).copied().unwrap_or_default();
    // There is room for eight bytes from unit 1023, so that no check is needed.
    let word = |position: u16| {
        let bytes = at(&page.0, FRONT + 4 * usize::from(position & 1023));
        i64::from_le_bytes(bytes.copied().unwrap_or_default())
    };
    let [first, second, third, fourth] = positions;
    let low = _mm_set_epi64x(word(second), word(first));
    let high = _mm_set_epi64x(word(fourth), word(third));
    _mm256_set_m128i(high, low)
}

}
