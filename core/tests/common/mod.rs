//! What tests of whole codecs share, and the fuzz targets (`fuzz/`) with them.
#![allow(dead_code, reason = "each test uses a part")]
#![allow(unreachable_pub, reason = "a module of tests here, of a library there")]
#![allow(clippy::indexing_slicing, reason = "a panic is a test that fails")]
#![allow(clippy::cast_possible_truncation, reason = "bytes of larger numbers")]

pub mod corpora;
pub mod decoders;
pub mod encoders;
pub mod lz4_blocks;
pub mod mutate;
pub mod pages;
pub mod random;

use trueno_zram_core::{Algorithm, CompressorBuilder, PageCompressor, SimdBackend};

/// What is wrong, for people.
pub type Finding = String;

/// How much is asked of one input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rigor {
    /// Every backend once, on what earlier inputs left in its scratch.
    Once,
    /// Then every backend twice more, with other contents in scratch and output each time. Of refused
    /// inputs a part only: they are most, and refused sooner than a scratch is filled.
    Thrice,
}

/// What became of an input that is no finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was decoded to a page; or it is a page that got smaller.
    Accepted,
    /// It was refused; or it is a page that did not get smaller.
    Rejected,
}

/// The backends that this machine can run. The codecs that are libraries have one.
pub fn backends(algorithm: Algorithm) -> Vec<SimdBackend> {
    let is_ours = matches!(
        algorithm,
        Algorithm::Lz4 | Algorithm::Lz4Hc | Algorithm::Wm | Algorithm::WmHc | Algorithm::Adaptive
    );
    let backends = SimdBackend::ALL.into_iter().filter(|backend| backend.is_available());
    backends.take(if is_ours { SimdBackend::ALL.len() } else { 1 }).collect()
}

pub fn compressor(algorithm: Algorithm, backend: SimdBackend) -> PageCompressor {
    let builder = CompressorBuilder::new().algorithm(algorithm).prefer_backend(backend);
    builder.build().unwrap_or_else(|error| panic!("{algorithm} on {backend}: {error}"))
}
