//! Vectors from and to arrays. All but the four functions at the end are checked: a place that is not
//! within its array reads as zeros and is not written, which costs a compared and predicted branch and
//! cannot happen.
#![expect(unsafe_code, reason = "vector loads and stores take pointers")]
#![allow(clippy::wildcard_imports, reason = "intrinsics, whose names say where they are from")]

use core::arch::x86_64::*;

use crate::Page;
use crate::wm::state::{FRONT, Padded, PerWord, WORDS};

/// `SIZE` entries, if they are within the list.
#[inline(always)]
fn at<T, const SIZE: usize>(list: &[T], at: usize) -> Option<&[T; SIZE]> {
    list.get(at..)?.first_chunk()
}

#[inline(always)]
fn at_mut<T, const SIZE: usize>(list: &mut [T], at: usize) -> Option<&mut [T; SIZE]> {
    list.get_mut(at..)?.first_chunk_mut()
}

const _: () = assert!(FRONT == 64 && size_of::<Padded>() >= FRONT + 8 * (WORDS + 16));

avx512! {

/// 64 bytes.
#[inline]
pub(super) fn load(list: &[u8], from: usize) -> __m512i {
    match at::<u8, 64>(list, from) {
        // SAFETY: 64 bytes of an array of 64.
        Some(bytes) => unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) },
        None => _mm512_setzero_si512(),
    }
}

#[inline]
pub(super) fn store(list: &mut [u8], to: usize, value: __m512i) {
    if let Some(bytes) = at_mut::<u8, 64>(list, to) {
        // SAFETY: 64 bytes of an array of 64.
        unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), value) };
    }
}

/// Eight words of a page.
#[inline]
pub(super) fn load_page(page: &Page, word: usize) -> __m512i {
    load(page, 8 * word)
}

/// Eight words of a page, `back` bytes before word number `word`.
#[inline]
pub(super) fn load_words(page: &Padded, word: usize, back: usize) -> __m512i {
    load(&page.0, (FRONT + 8 * word).wrapping_sub(back))
}

#[inline]
pub(super) fn store_words(page: &mut Padded, word: usize, words: __m512i) {
    store(&mut page.0, FRONT + 8 * word, words);
}

/// The words at eight positions in units.
#[inline]
pub(super) fn gather(page: &Padded, units: __m128i) -> __m512i {
    let last = _mm_set1_epi16(1022);
    let units = _mm512_cvtepu16_epi64(_mm_min_epu16(units, last));
    // SAFETY: eight bytes from unit 1022 at most are the end of the page in `Padded`.
    unsafe { _mm512_i64gather_epi64::<4>(units, page.0.as_ptr().add(FRONT).cast()) }
}

/// Eight entries.
#[inline]
pub(super) fn bytes(list: &PerWord<u8>, from: usize) -> [u8; 8] {
    at(list, from).copied().unwrap_or_default()
}

/// The low eight bytes as eight entries.
#[inline]
pub(super) fn put8(list: &mut PerWord<u8>, to: usize, values: __m128i) {
    if let Some(slot) = at_mut(list, to) {
        *slot = _mm_cvtsi128_si64(values).to_le_bytes();
    }
}

#[inline]
pub(super) fn put16(list: &mut PerWord<u8>, to: usize, values: __m128i) {
    if let Some(slot) = at_mut::<u8, 16>(list, to) {
        // SAFETY: sixteen bytes of an array of sixteen.
        unsafe { _mm_storeu_si128(slot.as_mut_ptr().cast(), values) };
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
pub(super) fn load8x16(list: &[u16; 8]) -> __m128i {
    // SAFETY: eight entries of an array of eight.
    unsafe { _mm_loadu_si128(list.as_ptr().cast()) }
}

#[inline]
pub(super) fn put8x16(list: &mut PerWord<u16>, to: usize, values: __m128i) {
    if let Some(slot) = at_mut::<u16, 8>(list, to) {
        // SAFETY: eight entries of an array of eight.
        unsafe { _mm_storeu_si128(slot.as_mut_ptr().cast(), values) };
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

/// 32 entries of sixteen bits.
#[inline]
pub(super) fn get32x16(list: &PerWord<u16>, from: usize) -> __m512i {
    match at::<u16, 32>(list, from) {
        // SAFETY: 32 entries of an array of 32.
        Some(list) => unsafe { _mm512_loadu_si512(list.as_ptr().cast()) },
        None => _mm512_setzero_si512(),
    }
}

/// Sixteen entries of 32 bits.
#[inline]
pub(super) fn get16x32(list: &PerWord<u32>, from: usize) -> __m512i {
    match at::<u32, 16>(list, from) {
        // SAFETY: sixteen entries of an array of sixteen.
        Some(list) => unsafe { _mm512_loadu_si512(list.as_ptr().cast()) },
        None => _mm512_setzero_si512(),
    }
}

/// Eight words.
#[inline]
pub(super) fn get8x64(list: &PerWord<u64>, from: usize) -> __m512i {
    match at::<u64, 8>(list, from) {
        // SAFETY: eight entries of an array of eight.
        Some(list) => unsafe { _mm512_loadu_si512(list.as_ptr().cast()) },
        None => _mm512_setzero_si512(),
    }
}

/// Those of eight words that `which` names.
#[inline]
pub(super) fn put8x64(list: &mut PerWord<u64>, to: usize, which: u8, words: __m512i) {
    if let Some(slot) = at_mut::<u64, 8>(list, to) {
        // SAFETY: eight entries of an array of eight.
        unsafe { _mm512_mask_storeu_epi64(slot.as_mut_ptr().cast(), which, words) };
    }
}

}

/// What the unchecked loads of words are promised.
const fn is_readable(word: usize, back: usize) -> bool {
    word <= WORDS && (back <= FRONT || back <= 8 * word)
}

/// Sixteen words of a page, `back` bytes before word number `word`, unchecked: the loop that chooses
/// references takes 1.3 times as long with a check in the way from one distance to the next.
///
/// # Safety
///
/// `word` is at most [`WORDS`], and `back` at most 64 or at most `8 * word`.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
pub(super) unsafe fn sixteen_words(page: &Padded, word: usize, back: usize) -> [__m512i; 2] {
    debug_assert!(is_readable(word, back), "{back} bytes before word {word}");
    // SAFETY: the caller's promise: from FRONT - 64 to FRONT + 8 * (WORDS + 16), which the array has.
    unsafe {
        let from = page.0.as_ptr().add(FRONT + 8 * word - back);
        [_mm512_loadu_si512(from.cast()), _mm512_loadu_si512(from.add(64).cast())]
    }
}

/// Sixteen entries, each widened to a word.
///
/// # Safety
///
/// `from` is at most [`WORDS`].
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
pub(super) unsafe fn sixteen(list: &PerWord<u8>, from: usize) -> [__m512i; 2] {
    debug_assert!(from <= WORDS, "{from}");
    // SAFETY: the caller's promise; a list has 64 entries after the last word's.
    let eight = |from: usize| unsafe { _mm_loadl_epi64(list.as_ptr().add(from).cast()) };
    [_mm512_cvtepu8_epi64(eight(from)), _mm512_cvtepu8_epi64(eight(from + 8))]
}

/// Word number `word`, or the eight bytes `back` bytes before it.
///
/// # Safety
///
/// As for [`sixteen_words`].
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
pub(super) unsafe fn one_word(page: &Padded, word: usize, back: usize) -> __m128i {
    debug_assert!(is_readable(word, back), "{back} bytes before word {word}");
    // SAFETY: the caller's promise.
    unsafe { _mm_loadl_epi64(page.0.as_ptr().add(FRONT + 8 * word - back).cast()) }
}

/// Stores those of sixteen entries that `which` names.
///
/// # Safety
///
/// `to` is at most [`WORDS`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
#[inline]
pub(super) unsafe fn put_sixteen(list: &mut PerWord<u8>, to: usize, which: u16, values: __m128i) {
    debug_assert!(to <= WORDS, "{to}");
    // SAFETY: the caller's promise; a list has 64 entries after the last word's.
    unsafe { _mm_mask_storeu_epi8(list.as_mut_ptr().add(to).cast(), which, values) };
}
