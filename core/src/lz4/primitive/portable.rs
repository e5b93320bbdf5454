//! Plain Rust, eight and sixteen bytes at a time.

use super::{Code, Simd};
use crate::Page;
use crate::compressor::Buffer;
use crate::lz4::decode::{self, Hops, What};
use crate::lz4::encode;
use crate::lz4::place::Table;

/// Any processor.
#[derive(Clone, Copy)]
pub(in crate::lz4) struct Portable;

impl Simd for Portable {
    #[inline(always)]
    fn equal(self, a: &[u8; 64], b: &[u8; 64]) -> u64 {
        let words = a.as_chunks().0.iter().zip(b.as_chunks().0);
        words.fold(0, |mask, (a, b)| {
            mask >> 8 | zero_bytes(u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b)) << 56
        })
    }

    #[inline(always)]
    fn repeat(self, bytes: &[u8; 16], period: usize) -> [u8; 16] {
        if period >= 16 {
            return *bytes;
        }
        repeat(u128::from_le_bytes(*bytes), period).to_le_bytes()
    }
}

impl Code for Portable {
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

/// Eight bits that say which bytes of `word` are zero.
#[inline(always)]
const fn zero_bytes(word: u64) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    // The sum sets the top bit of each byte whose low bits are not zero, and never carries into the
    // next byte.
    let zero = !(((word & LOW) + LOW) | word) & !LOW;
    // Bit 7 of byte i goes to bit 56 + i; no two of the products' bits meet.
    (zero >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

/// The first `period` bytes of `bytes` again and again: the repeated part is doubled until it fills 16.
pub(super) const fn repeat(bytes: u128, period: usize) -> u128 {
    let mut bits = period * 8;
    if bits == 0 || bits >= 128 {
        return bytes;
    }
    let mut bytes = bytes & ((1 << bits) - 1);
    while bits < 128 {
        bytes |= bytes << bits;
        bits *= 2;
    }
    bytes
}
