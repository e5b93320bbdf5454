//! What encoder and decoder need of a processor: two operations, which every processor's code does in
//! its own way and with the same result.

mod portable;

#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "aarch64")]
pub(super) use self::neon::Neon;
pub(super) use self::portable::Portable;
#[cfg(target_arch = "x86_64")]
pub(super) use self::x86::{Avx2, Avx512};

use super::decode::{Hops, What};
use super::place::Table;
use crate::Page;
use crate::compressor::Buffer;

/// A set of instructions. A value of such a type is the proof that the processor has them.
pub(super) trait Simd: Copy {
    /// Bit `i` is set if byte `i` of both is equal.
    fn equal(self, a: &[u8; 64], b: &[u8; 64]) -> u64;

    /// The first `period` of `bytes`, 1 to 16, again and again.
    fn repeat(self, bytes: &[u8; 16], period: usize) -> [u8; 16];
}

/// Encoder and decoder, compiled for a set of instructions.
pub(super) trait Code: Simd {
    /// As [`encode::compress`](super::encode::compress).
    fn compress(
        self,
        page: &Page,
        table: &mut Table,
        out: &mut Buffer,
        limit: usize,
    ) -> Option<usize>;

    /// As [`decode::decompress`](super::decode::decompress).
    fn decompress(self, block: &[u8], hops: &mut Hops, page: &mut Page) -> Result<(), What>;
}

/// For each period the indices of the bytes that [`Simd::repeat`] takes.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
static PATTERNS: [[u8; 16]; 17] = {
    let identity: u128 = 0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100;
    let mut patterns = [[0; 16]; 17];
    let mut rest = patterns.as_mut_slice();
    let mut period = 0;
    while let Some((pattern, others)) = rest.split_first_mut() {
        *pattern = portable::repeat(identity, period).to_le_bytes();
        rest = others;
        period += 1;
    }
    patterns
};

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "numbers below 256")]
mod tests {
    use super::*;

    fn check(simd: impl Simd) {
        let mut random = crate::lz4::tests::Random::new(7);
        let mut a = [0; 64];
        for round in 0..20_000 {
            a.fill_with(|| random.below(256) as u8);
            let b = a.map(|byte| {
                if random.below(round % 7 + 2) == 0 { byte } else { byte ^ (1 << random.below(8)) }
            });
            let equal = (0..64).fold(0, |mask, i| mask | u64::from(a[i] == b[i]) << i);
            assert_eq!(simd.equal(&a, &b), equal);
            let period = random.below(16) + 1;
            let bytes = *a.first_chunk().expect("16 bytes");
            let repeated = core::array::from_fn(|i| bytes[i % period]);
            assert_eq!(simd.repeat(&bytes, period), repeated, "{period}");
        }
    }

    #[test]
    fn every_processor_agrees() {
        check(Portable);
        #[cfg(target_arch = "x86_64")]
        {
            Avx2::new().into_iter().for_each(check);
            Avx512::new().into_iter().for_each(check);
        }
        #[cfg(target_arch = "aarch64")]
        check(Neon);
    }
}
