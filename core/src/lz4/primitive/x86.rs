//! AVX2 and AVX-512.
#![expect(unsafe_code, reason = "vector loads and stores, and calls of code for a processor")]

use core::arch::x86_64::{
    _mm_loadu_si128, _mm_shuffle_epi8, _mm_storeu_si128, _mm256_cmpeq_epi8, _mm256_loadu_si256,
    _mm256_movemask_epi8, _mm512_cmpeq_epi8_mask, _mm512_loadu_si512,
};

use super::{Code, PATTERNS, Simd};
use crate::compressor::Buffer;
use crate::lz4::decode::{self, Hops, What};
use crate::lz4::encode;
use crate::lz4::place::Table;
use crate::{Page, SimdBackend};

/// AVX2 with bit manipulation, as [`SimdBackend::Avx2`] demands them.
#[derive(Clone, Copy)]
pub(in crate::lz4) struct Avx2(());

/// AVX-512, as [`SimdBackend::Avx512`] demands it.
#[derive(Clone, Copy)]
pub(in crate::lz4) struct Avx512(());

#[target_feature(enable = "avx2")]
#[inline]
fn half_equal(a: &[u8; 32], b: &[u8; 32]) -> u32 {
    // SAFETY: both arrays have the 32 bytes that are loaded, and the loads are unaligned ones.
    let (a, b) =
        unsafe { (_mm256_loadu_si256(a.as_ptr().cast()), _mm256_loadu_si256(b.as_ptr().cast())) };
    _mm256_movemask_epi8(_mm256_cmpeq_epi8(a, b)).cast_unsigned()
}

#[target_feature(enable = "avx512bw")]
#[inline]
fn equal(a: &[u8; 64], b: &[u8; 64]) -> u64 {
    // SAFETY: both arrays have the 64 bytes that are loaded, and the loads are unaligned ones.
    let (a, b) =
        unsafe { (_mm512_loadu_si512(a.as_ptr().cast()), _mm512_loadu_si512(b.as_ptr().cast())) };
    _mm512_cmpeq_epi8_mask(a, b)
}

#[target_feature(enable = "ssse3")]
#[inline]
fn repeat(bytes: &[u8; 16], period: usize) -> [u8; 16] {
    let pattern = PATTERNS.get(period).unwrap_or(bytes);
    let mut out = [0; 16];
    // SAFETY: the three arrays have the 16 bytes that are loaded or stored, unaligned.
    unsafe {
        let bytes = _mm_loadu_si128(bytes.as_ptr().cast());
        let pattern = _mm_loadu_si128(pattern.as_ptr().cast());
        _mm_storeu_si128(out.as_mut_ptr().cast(), _mm_shuffle_epi8(bytes, pattern));
    }
    out
}

impl Simd for Avx2 {
    #[inline(always)]
    fn equal(self, a: &[u8; 64], b: &[u8; 64]) -> u64 {
        let halves = a.as_chunks().0.iter().zip(b.as_chunks().0);
        halves.fold(0, |mask, (a, b)| {
            // SAFETY: a value of this type exists only where the processor has AVX2.
            mask >> 32 | u64::from(unsafe { half_equal(a, b) }) << 32
        })
    }

    #[inline(always)]
    fn repeat(self, bytes: &[u8; 16], period: usize) -> [u8; 16] {
        // SAFETY: a value of this type exists only where the processor has AVX2, and so SSSE3.
        unsafe { repeat(bytes, period) }
    }
}

impl Simd for Avx512 {
    #[inline(always)]
    fn equal(self, a: &[u8; 64], b: &[u8; 64]) -> u64 {
        // SAFETY: a value of this type exists only where the processor has AVX-512 BW.
        unsafe { equal(a, b) }
    }

    #[inline(always)]
    fn repeat(self, bytes: &[u8; 16], period: usize) -> [u8; 16] {
        // SAFETY: a value of this type exists only where the processor has AVX-512, and so SSSE3.
        unsafe { repeat(bytes, period) }
    }
}

/// Compiles encoder and decoder for the instructions that a value of the type proves.
macro_rules! code {
    ($simd:ident, $features:literal) => {
        impl $simd {
            /// The proof, if this processor gives it.
            pub(in crate::lz4) fn new() -> Option<Self> {
                SimdBackend::$simd.is_available().then_some(Self(()))
            }
        }

        impl Code for $simd {
            fn compress(
                self,
                page: &Page,
                table: &mut Table,
                out: &mut Buffer,
                limit: usize,
            ) -> Option<usize> {
                #[target_feature(enable = $features)]
                fn compress(
                    simd: $simd,
                    page: &Page,
                    table: &mut Table,
                    out: &mut Buffer,
                    limit: usize,
                ) -> Option<usize> {
                    encode::compress(simd, page, table, out, limit)
                }
                // SAFETY: a value of this type exists only where its backend is available, which
                // asks for all of these features.
                unsafe { compress(self, page, table, out, limit) }
            }

            fn decompress(
                self,
                block: &[u8],
                hops: &mut Hops,
                page: &mut Page,
            ) -> Result<(), What> {
                // The decoder has no use for AVX-512: with it compiled in, it is 4 % slower.
                #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
                fn decompress(
                    simd: $simd,
                    block: &[u8],
                    hops: &mut Hops,
                    page: &mut Page,
                ) -> Result<(), What> {
                    decode::decompress(simd, block, hops, page)
                }
                // SAFETY: a value of this type exists only where its backend is available, which
                // asks for all of these features.
                unsafe { decompress(self, block, hops, page) }
            }
        }
    };
}

code!(Avx2, "avx2,bmi1,bmi2,lzcnt,popcnt");
code!(Avx512, "avx2,bmi1,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512vl");
