//! The LZ4 block format for exactly one page: an encoder and a decoder of our own.
//!
//! The format is that of <https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md>, without frame,
//! length or checksum. Every decoder reads what this encoder writes, and this decoder reads what any
//! encoder makes of 4096 bytes, also where it ignores the format's rules for the end of a block.
//!
//! ```
//! use trueno_zram_core::lz4;
//!
//! let page = core::array::from_fn(|i| (i % 24) as u8);
//! let block = lz4::compress_tls(&page)?;
//! assert!(block.len() < 64);
//!
//! let mut restored = [0; 4096];
//! lz4::decompress(&block, &mut restored)?;
//! assert_eq!(restored, page);
//! # Ok::<(), trueno_zram_core::Error>(())
//! ```

mod decode;
mod encode;
mod place;
mod primitive;
#[cfg(test)]
mod tests;

use alloc::boxed::Box;
#[cfg(feature = "std")]
use alloc::{vec, vec::Vec};

#[cfg(target_arch = "aarch64")]
use self::primitive::Neon;
#[cfg(target_arch = "x86_64")]
use self::primitive::{Avx2, Avx512};
use self::primitive::{Code as _, Portable};
#[cfg(feature = "std")]
use crate::BUFFER_SIZE;
use crate::compressor::Buffer;
use crate::{Algorithm, Error, PAGE_SIZE, Page, Result, SimdBackend, simd};

/// The codec.
#[derive(Clone, Copy)]
pub(crate) struct Codec(Instructions);

/// Which code runs; decided once, when a codec is made.
#[derive(Clone, Copy)]
enum Instructions {
    Portable(Portable),
    #[cfg(target_arch = "aarch64")]
    Neon(Neon),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

/// Working memory: what the encoder remembers of a page while it reads it, and the decoder of a block.
pub(crate) struct State {
    table: place::Table,
    hops: decode::Hops,
}

impl State {
    pub(crate) fn new() -> Box<Self> {
        Box::new(Self { table: place::Table::new(), hops: [0; _] })
    }
}

impl Codec {
    /// The code for `backend`, or the portable code where the processor lacks it.
    pub(crate) fn new(backend: SimdBackend) -> Self {
        let found = match backend {
            #[cfg(target_arch = "x86_64")]
            SimdBackend::Avx2 => Avx2::new().map(Instructions::Avx2),
            #[cfg(target_arch = "x86_64")]
            SimdBackend::Avx512 => Avx512::new().map(Instructions::Avx512),
            #[cfg(target_arch = "aarch64")]
            SimdBackend::Neon => Some(Instructions::Neon(Neon)),
            _ => None,
        };
        Self(found.unwrap_or(Instructions::Portable(Portable)))
    }

    /// The backend whose code runs.
    pub(crate) const fn backend(&self) -> SimdBackend {
        match self.0 {
            Instructions::Portable(_) => SimdBackend::Portable,
            #[cfg(target_arch = "aarch64")]
            Instructions::Neon(_) => SimdBackend::Neon,
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2(_) => SimdBackend::Avx2,
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512(_) => SimdBackend::Avx512,
        }
    }

    /// Compresses `page` into the first bytes of `out` and returns how many: 4096 or more if the page
    /// does not get smaller.
    pub(crate) fn compress(&self, page: &Page, state: &mut State, out: &mut Buffer) -> usize {
        self.compress_below(PAGE_SIZE, page, state, out).unwrap_or(PAGE_SIZE)
    }

    /// Compresses `page` into the first bytes of `out`, or gives up when they would be `limit` or more:
    /// for a caller that has something else to store. It is asked about once a search.
    pub(crate) fn compress_below(
        &self,
        limit: usize,
        page: &Page,
        state: &mut State,
        out: &mut Buffer,
    ) -> Option<usize> {
        let table = &mut state.table;
        match self.0 {
            Instructions::Portable(simd) => simd.compress(page, table, out, limit),
            #[cfg(target_arch = "aarch64")]
            Instructions::Neon(simd) => simd.compress(page, table, out, limit),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2(simd) => simd.compress(page, table, out, limit),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512(simd) => simd.compress(page, table, out, limit),
        }
    }

    /// Restores the page that `block` was made from. If it was made from none, `page` is zero.
    pub(crate) fn decompress(
        &self,
        block: &[u8],
        state: &mut State,
        page: &mut Page,
    ) -> Result<()> {
        self.restore(block, &mut state.hops, page)
    }

    fn restore(self, block: &[u8], hops: &mut decode::Hops, page: &mut Page) -> Result<()> {
        let done = match self.0 {
            Instructions::Portable(simd) => simd.decompress(block, hops, page),
            #[cfg(target_arch = "aarch64")]
            Instructions::Neon(simd) => simd.decompress(block, hops, page),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2(simd) => simd.decompress(block, hops, page),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512(simd) => simd.decompress(block, hops, page),
        };
        done.map_err(|what| {
            // What was there before is nobody's business.
            page.fill(0);
            Error::Corrupt { algorithm: Algorithm::Lz4, what }
        })
    }
}

/// Compresses a page into an LZ4 block, on the [default backend](simd::default_backend) and with working
/// memory that belongs to the thread.
///
/// A page that does not get smaller yields a block too, of 4097 to 4114 bytes: never of 4096, which
/// [`PageCompressor`](crate::PageCompressor) takes for the page itself.
///
/// # Errors
///
/// `TRUENO_SIMD` names a backend that there is not.
#[cfg(feature = "std")]
pub fn compress_tls(page: &Page) -> Result<Vec<u8>> {
    std::thread_local! {
        static STATE: core::cell::RefCell<Box<State>> = core::cell::RefCell::new(State::new());
    }
    let codec = Codec::new(simd::default_backend()?);
    let mut out = [0; BUFFER_SIZE];
    let len = STATE.with_borrow_mut(|state| {
        codec.compress_below(usize::MAX, page, state, &mut out).unwrap_or(0)
    });
    if len == PAGE_SIZE {
        return Ok(literals_only(page));
    }
    Ok(out.get(..len).unwrap_or(&[]).to_vec())
}

/// The longest block that a page can have.
#[cfg(feature = "std")]
fn literals_only(page: &Page) -> Vec<u8> {
    // 4096 is 15, 16 times 255, and 1.
    let mut block = vec![0xf0];
    block.extend([255; 16]);
    block.push(1);
    block.extend(page);
    block
}

/// Restores a page from an LZ4 block that any encoder made from 4096 bytes.
///
/// Only blocks are read here: what [`PageCompressor`](crate::PageCompressor) stores as it is, exactly 4096
/// bytes, is none.
///
/// # Errors
///
/// The block is damaged, or does not decode to exactly 4096 bytes; or `TRUENO_SIMD` names a backend that
/// there is not. `page` is then all zero.
pub fn decompress(block: &[u8], page: &mut Page) -> Result<()> {
    match simd::default_backend() {
        Ok(backend) => Codec::new(backend).restore(block, &mut [0; _], page),
        Err(error) => {
            page.fill(0);
            Err(error)
        }
    }
}
