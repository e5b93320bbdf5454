//! Input that no encoder wrote: damaged, cut short, made longer, random. Every decoder gives an error
//! or some page, on every backend the same, and never a byte of another page.
#![expect(clippy::indexing_slicing, reason = "a panic is a test that fails")]

mod common;

use common::decoders::Decoders;
use common::mutate::mutate;
use common::random::Random;
use common::{Rigor, Verdict, backends, compressor, lz4_blocks, pages};
use trueno_zram_core::{
    Algorithm, BUFFER_SIZE, CompressedPage, Encoded, Error, PAGE_SIZE, SimdBackend,
};

/// Inputs for each format; optimised decoders are twenty times as fast.
const INPUTS: usize = if cfg!(debug_assertions) { 10_000 } else { 200_000 };

/// What is not random in a run of a test: nothing, it is the same every time.
const SEED: u64 = 2026;

fn algorithms() -> impl Iterator<Item = Algorithm> {
    let is_built = |algorithm: &Algorithm| {
        cfg!(feature = "std")
            || !matches!(algorithm, Algorithm::Zstd { .. } | Algorithm::Lz4Hc | Algorithm::Deflate)
    };
    Algorithm::ALL.into_iter().filter(is_built)
}

/// The built-in pages as `algorithm` writes them, without those that it does not make smaller.
fn compressed_pages(algorithm: Algorithm) -> Vec<Vec<u8>> {
    let compressor = compressor(algorithm, SimdBackend::Portable);
    let compress = |page| compressor.compress(page).expect("it compresses").data;
    let all = pages::built_in();
    all.iter().map(compress).filter(|data| data.len() < PAGE_SIZE).collect()
}

#[track_caller]
fn check(decoders: &mut Decoders, input: &[u8]) -> Verdict {
    decoders.check(input, Rigor::Thrice).unwrap_or_else(|finding| {
        panic!("{finding}\nfor {} bytes: {}", input.len(), hex(input));
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Damages valid pages; some must still be taken for pages, or the decoder was hardly entered.
#[track_caller]
fn survives_damage(algorithm: Algorithm) {
    let mut random = Random::new(SEED);
    let mut decoders = Decoders::new(&[algorithm], None);
    let valid = compressed_pages(algorithm);
    for data in &valid {
        assert_eq!(check(&mut decoders, data), Verdict::Accepted, "{algorithm}: {}", hex(data));
    }
    let mut accepted = 0;
    for _ in 0..INPUTS {
        let mut data = valid[random.below(valid.len())].clone();
        let other = &valid[random.below(valid.len())];
        mutate(&mut random, &mut data, other);
        accepted += usize::from(check(&mut decoders, &data) == Verdict::Accepted);
    }
    assert!(accepted > INPUTS / 100, "{algorithm}: only {accepted} of {INPUTS} accepted");
    assert!(accepted < INPUTS, "{algorithm}: all accepted");
}

#[test]
fn damage_to_lz4() {
    survives_damage(Algorithm::Lz4);
}

#[test]
fn damage_to_wm() {
    survives_damage(Algorithm::Wm);
}

#[test]
fn damage_to_wmhc() {
    survives_damage(Algorithm::WmHc);
}

#[test]
fn damage_to_adaptive() {
    survives_damage(Algorithm::Adaptive);
}

#[test]
fn damage_to_lzo() {
    survives_damage(Algorithm::Lzo);
}

#[cfg(feature = "std")]
#[test]
fn damage_to_zstd() {
    survives_damage(Algorithm::Zstd { level: 1 });
}

#[cfg(feature = "std")]
#[test]
fn damage_to_deflate() {
    survives_damage(Algorithm::Deflate);
}

#[cfg(feature = "std")]
#[test]
fn damage_to_lz4hc() {
    survives_damage(Algorithm::Lz4Hc);
}

/// Sequences of all lengths and offsets, which no encoder writes like that.
#[test]
fn any_valid_block_of_lz4_is_read() {
    let mut random = Random::new(SEED);
    let mut decoders = Decoders::new(&[Algorithm::Lz4], None);
    for _ in 0..INPUTS / 8 {
        let block = lz4_blocks::random_block(&mut random);
        let mut page = [0; PAGE_SIZE];
        let len = lz4_flex::block::decompress_into(&block, &mut page);
        assert_eq!(len.ok(), Some(PAGE_SIZE), "not a valid block: {}", hex(&block));
        // 4096 bytes would be the page itself.
        if block.len() != PAGE_SIZE {
            assert_eq!(check(&mut decoders, &block), Verdict::Accepted, "{}", hex(&block));
        }
    }
}

/// No part of a page is a page.
#[test]
fn pages_cut_short_are_refused() {
    for algorithm in algorithms() {
        let mut decoders = Decoders::new(&[algorithm], None);
        for data in compressed_pages(algorithm) {
            let step = if cfg!(debug_assertions) { 1 + data.len() / 60 } else { 1 };
            for len in (0..data.len()).step_by(step).chain([data.len() - 1]) {
                let verdict = check(&mut decoders, &data[..len]);
                assert_eq!(verdict, Verdict::Rejected, "{algorithm}: {len} bytes");
            }
        }
    }
}

/// Nor is a page with something behind it, except behind a stream of deflate, which says itself where
/// it ends: libdeflate does not look further.
#[test]
fn pages_made_longer_are_refused() {
    for algorithm in algorithms().filter(|algorithm| *algorithm != Algorithm::Deflate) {
        let mut decoders = Decoders::new(&[algorithm], None);
        for data in compressed_pages(algorithm) {
            for more in [1, 2, 8, 100] {
                let longer = [data.as_slice(), &[0; 100][..more]].concat();
                assert_eq!(check(&mut decoders, &longer), Verdict::Rejected, "{algorithm}");
            }
        }
    }
}

/// Found by fuzzing: the library copies literals in blocks of 16 bytes, also from behind the literals
/// of a frame, where those of an earlier one may be.
#[cfg(feature = "std")]
#[test]
fn a_refused_frame_of_zstd_leaves_nothing_of_another_page() {
    let frame = b"\x65\x00\x052-\x00\x00\x001\x00\x60\x05\x00\x0a\x00";
    let zstd = compressor(Algorithm::Zstd { level: 1 }, SimdBackend::Portable);
    let left_behind = |earlier: &[u8]| {
        let (mut scratch, mut page) = (zstd.scratch(), [0; PAGE_SIZE]);
        zstd.decompress_into(earlier, &mut scratch, &mut page).expect("a page");
        page.fill(0xee);
        let refused = zstd.decompress_into(frame, &mut scratch, &mut page);
        assert!(matches!(refused, Err(Error::Corrupt { .. })), "{refused:?}");
        page
    };
    for earlier in &compressed_pages(Algorithm::Zstd { level: 1 }) {
        let left = left_behind(earlier).iter().position(|byte| *byte != 0);
        assert_eq!(left, None, "the first byte that is left");
    }
}

#[test]
fn random_bytes() {
    for algorithm in algorithms() {
        let mut random = Random::new(SEED);
        let mut decoders = Decoders::new(&[algorithm], None);
        for number in 0..INPUTS / 4 {
            let len = match number % 3 {
                0 => random.below(20),
                1 => random.below(400),
                _ => random.below(5000),
            };
            let mut input: Vec<u8> = (0..len).map(|_| random.byte()).collect();
            // Small values reach more than large ones.
            let shift = if number % 2 == 0 { random.below(8) } else { 0 };
            input.iter_mut().for_each(|byte| *byte >>= shift);
            check(&mut decoders, &input);
        }
    }
}

#[test]
fn four_thousand_and_ninety_six_bytes_are_the_page() {
    let mut random = Random::new(SEED);
    let page = core::array::from_fn(|_| random.byte());
    for algorithm in algorithms() {
        for backend in backends(algorithm) {
            let compressor = compressor(algorithm, backend);
            let data = compressor.compress(&page).expect("it compresses");
            assert_eq!(data.data, page, "{algorithm} on {backend}");
            assert!(data.is_incompressible());
            assert_eq!(compressor.decompress(&data), Ok(page), "{algorithm} on {backend}");
        }
    }
}

#[test]
fn a_scratch_of_another_algorithm_is_refused() {
    let compressors: Vec<_> =
        algorithms().map(|algorithm| compressor(algorithm, SimdBackend::Portable)).collect();
    // These have one format and one kind of scratch, but only `wmhc` has all of it.
    let is_wm =
        |algorithm| matches!(algorithm, Algorithm::Wm | Algorithm::WmHc | Algorithm::Adaptive);
    let is_enough = |theirs, ours| {
        theirs == ours
            || (is_wm(theirs)
                && is_wm(ours)
                && (ours != Algorithm::WmHc || cfg!(not(feature = "std"))))
    };
    let page = [7; PAGE_SIZE];
    for ours in &compressors {
        let data = ours.compress(&page).expect("it compresses").data;
        for theirs in &compressors {
            let is_taken = is_enough(theirs.algorithm(), ours.algorithm());
            let expected = if is_taken { Ok(()) } else { Err(Error::ForeignScratch) };
            let mut scratch = theirs.scratch();
            let mut out = [0; BUFFER_SIZE];
            let compressed = ours.compress_into(&page, &mut scratch, &mut out).map(|_| ());
            assert_eq!(compressed, expected, "{ours:?} {theirs:?}");
            let decompressed = ours.decompress_into(&data, &mut scratch, &mut [0; PAGE_SIZE]);
            assert_eq!(decompressed, expected, "{ours:?} {theirs:?}");
        }
    }
}

#[test]
fn an_output_that_is_too_small_is_refused() {
    for algorithm in algorithms() {
        let compressor = compressor(algorithm, SimdBackend::Portable);
        let mut scratch = compressor.scratch();
        for got in [0, 1, PAGE_SIZE, BUFFER_SIZE - 1] {
            let mut out = vec![0; got];
            let result = compressor.compress_into(&[0; PAGE_SIZE], &mut scratch, &mut out);
            assert_eq!(result, Err(Error::BufferTooSmall { got }), "{algorithm}");
        }
        let mut longer = [0xee; BUFFER_SIZE + 10];
        let encoded = compressor.compress_into(&[0; PAGE_SIZE], &mut scratch, &mut longer);
        assert!(matches!(encoded, Ok(Encoded::Compressed(1..200))), "{algorithm}: {encoded:?}");
        assert_eq!(longer[BUFFER_SIZE..], [0xee; 10], "{algorithm} writes beyond BUFFER_SIZE");
    }
}

#[test]
fn a_page_of_another_algorithm_is_refused_by_name() {
    let lz4 = compressor(Algorithm::Lz4, SimdBackend::Portable);
    let page = lz4.compress(&[1; PAGE_SIZE]).expect("it compresses");
    let renamed = CompressedPage { algorithm: Algorithm::Wm, ..page.clone() };
    assert!(lz4.decompress(&page).is_ok());
    let error = Error::OtherAlgorithm { algorithm: Algorithm::Lz4, made_by: Algorithm::Wm };
    assert_eq!(lz4.decompress(&renamed), Err(error));
}
