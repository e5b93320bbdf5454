//! NEON, which every AArch64 processor has.
#![expect(unsafe_code, reason = "vector loads and stores take pointers")]

use core::arch::aarch64::{
    vaddv_u8, vandq_u8, vceqq_u8, vget_high_u8, vget_low_u8, vld1q_u8, vqtbl1q_u8, vst1q_u8,
};

use super::{Code, PATTERNS, Simd};
use crate::Page;
use crate::compressor::Buffer;
use crate::lz4::decode::{self, Hops, What};
use crate::lz4::encode;
use crate::lz4::place::Table;

/// AArch64.
#[derive(Clone, Copy)]
pub(in crate::lz4) struct Neon;

/// One bit for each byte of half a vector.
const BITS: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];

#[inline(always)]
fn equal(a: &[u8; 16], b: &[u8; 16]) -> u64 {
    // SAFETY: the arrays have the 16 bytes that are loaded, unaligned; NEON is part of the target.
    let (low, high) = unsafe {
        let equal = vceqq_u8(vld1q_u8(a.as_ptr()), vld1q_u8(b.as_ptr()));
        let bits = vandq_u8(equal, vld1q_u8(BITS.as_ptr()));
        (vaddv_u8(vget_low_u8(bits)), vaddv_u8(vget_high_u8(bits)))
    };
    u64::from(u16::from_le_bytes([low, high]))
}

impl Simd for Neon {
    #[inline(always)]
    fn equal(self, a: &[u8; 64], b: &[u8; 64]) -> u64 {
        let parts = a.as_chunks().0.iter().zip(b.as_chunks().0);
        parts.fold(0, |mask, (a, b)| mask >> 16 | equal(a, b) << 48)
    }

    #[inline(always)]
    fn repeat(self, bytes: &[u8; 16], period: usize) -> [u8; 16] {
        let pattern = PATTERNS.get(period).unwrap_or(bytes);
        let mut out = [0; 16];
        // SAFETY: the arrays have the 16 bytes that are loaded or stored, unaligned; NEON is part of
        // the target.
        unsafe {
            let repeated = vqtbl1q_u8(vld1q_u8(bytes.as_ptr()), vld1q_u8(pattern.as_ptr()));
            vst1q_u8(out.as_mut_ptr(), repeated);
        }
        out
    }
}

impl Code for Neon {
    fn compress(
        self,
        page: &Page,
        table: &mut Table,
        out: &mut Buffer,
        limit: usize,
    ) -> Option<usize> {
        encode::compress(self, page, table, out, limit)
    }

    fn decompress(self, block: &[u8], hops: &mut Hops, page: &mut Page) -> Result<(), What> {
        decode::decompress(self, block, hops, page)
    }
}
