#![doc = include_str!("../README.md")]
#![no_std]
#![warn(missing_docs)]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

mod algorithm;
mod compressor;
#[cfg(feature = "std")]
mod deflate;
mod error;
#[cfg(feature = "std")]
mod lz4hc;
mod lzo;
#[cfg(feature = "serde")]
mod names;

pub mod compat;
pub mod entropy;
pub mod fingerprint;
pub mod lz4;
pub mod samefill;
pub mod simd;
pub mod wm;
#[cfg(feature = "std")]
pub mod zstd;

#[cfg(feature = "std")]
pub mod benchmark;

pub use algorithm::Algorithm;
pub use compressor::{
    BUFFER_SIZE, CompressedPage, CompressorBuilder, Encoded, PageCompressor, Scratch,
};
pub use error::{Error, Result};
pub use simd::SimdBackend;

/// The size of a page in bytes, here and in everything that builds on it.
pub const PAGE_SIZE: usize = 4096;

/// The contents of a page.
pub type Page = [u8; PAGE_SIZE];
