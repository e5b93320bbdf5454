//! Every page comes back, through every algorithm and every backend; all backends write the same bytes
//! and read each other's.
//!
//! Debug builds take a sample of the corpora. `TRUENO_ALL_PAGES=1` and `--release` take all pages;
//! `TRUENO_CORPUS=DIR` adds the files `*.pages.zst` and `*.pages` of a folder.

mod common;

use common::encoders::Encoders;
use common::random::Random;
use common::{Rigor, pages};
use trueno_zram_core::{Algorithm, PAGE_SIZE, Page};

/// Of so many pages a debug build takes one.
#[cfg(feature = "std")]
const SAMPLE: usize = 29;

const OURS: &[Algorithm] =
    &[Algorithm::Lz4, Algorithm::Wm, Algorithm::WmHc, Algorithm::Adaptive, Algorithm::Lzo];

#[cfg(feature = "std")]
const LIBRARIES: &[Algorithm] = &[
    Algorithm::Zstd { level: -1 },
    Algorithm::Zstd { level: 1 },
    Algorithm::Zstd { level: 3 },
    Algorithm::Deflate,
    Algorithm::Lz4Hc,
];
#[cfg(not(feature = "std"))]
const LIBRARIES: &[Algorithm] = &[];

fn takes_all_pages() -> bool {
    !cfg!(debug_assertions) || std::env::var_os("TRUENO_ALL_PAGES").is_some_and(|set| set == "1")
}

fn encoders() -> Encoders {
    Encoders::new(&[OURS, LIBRARIES].concat())
}

#[track_caller]
fn check(encoders: &mut Encoders, page: &Page, what: impl Fn() -> String) {
    if let Err(finding) = encoders.check(page, Rigor::Once) {
        panic!("{}: {finding}", what());
    }
}

#[test]
fn every_algorithm_is_tested() {
    for algorithm in Algorithm::ALL.iter().filter(|_| cfg!(feature = "std")) {
        assert!([OURS, LIBRARIES].concat().contains(algorithm), "{algorithm}");
    }
}

#[cfg(feature = "std")]
#[test]
fn pages_of_real_processes() {
    use common::corpora;
    use std::path::Path;
    use trueno_zram_core::benchmark::load_pages;

    let named = std::env::var_os("TRUENO_CORPUS").map(|folder| corpora::files(Path::new(&folder)));
    assert!(named.as_ref().is_none_or(|files| !files.is_empty()), "TRUENO_CORPUS has no pages");
    // A package of this crate alone has no corpora.
    let own = corpora::files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus"));
    let mut encoders = encoders();
    for path in own.into_iter().chain(named.into_iter().flatten()) {
        let name = path.display();
        let set = load_pages(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        let step = if takes_all_pages() { 1 } else { SAMPLE };
        for (number, page) in set.pages.iter().enumerate().step_by(step) {
            check(&mut encoders, page, || format!("{name}, page {number}"));
        }
    }
}

#[test]
fn made_up_pages() {
    let mut encoders = encoders();
    for (number, page) in pages::built_in().iter().enumerate() {
        if let Err(finding) = encoders.check(page, Rigor::Thrice) {
            panic!("built-in page {number}: {finding}");
        }
    }
    let mut random = Random::new(1);
    for number in 0..if takes_all_pages() { 500 } else { 20 } {
        let stride = 1 + random.below(64);
        let page = match number % 5 {
            0 => pages::of_words(|_| random.word()),
            1 => pages::text(&mut random),
            2 => pages::sparse(&mut random, 1 + number % 64),
            3 => pages::structures(&mut random, stride),
            _ => {
                let word = random.word();
                pages::of_words(|_| word)
            }
        };
        check(&mut encoders, &page, || format!("made-up page {number}"));
    }
}

#[test]
fn pages_of_one_byte() {
    let mut encoders = encoders();
    for byte in (0..=255).step_by(if takes_all_pages() { 1 } else { 51 }) {
        check(&mut encoders, &[byte; PAGE_SIZE], || format!("all {byte}"));
    }
}

/// Each place in a page has its own part in lanes, masks and distances.
#[test]
fn pages_with_a_single_byte_that_differs() {
    // The libraries are slow, and have one path for all places.
    let mut encoders = Encoders::new(OURS);
    let step = if takes_all_pages() { 1 } else { 61 };
    for (base, byte) in [(0, 1), (0, 0x80), (0x20, 0xff)] {
        for at in (0..PAGE_SIZE).step_by(step) {
            let mut page = [base; PAGE_SIZE];
            page[at] = byte;
            check(&mut encoders, &page, || format!("{byte} among {base} at {at}"));
        }
    }
}

/// As above, in a page of records, where the encoders take other ways.
#[test]
fn records_with_a_single_byte_that_differs() {
    let mut encoders = Encoders::new(OURS);
    let records = pages::structures(&mut Random::new(3), 4);
    for at in (0..PAGE_SIZE).step_by(if takes_all_pages() { 1 } else { 97 }) {
        let mut page = records;
        page[at] ^= 0x55;
        check(&mut encoders, &page, || format!("byte {at}"));
    }
}

#[cfg(feature = "std")]
#[test]
fn a_decoder_of_others_reads_our_lz4_and_ours_reads_theirs() {
    let lz4 = common::compressor(Algorithm::Lz4, trueno_zram_core::simd::detect().best());
    for page in pages::built_in() {
        let ours = lz4.compress(&page).expect("it compresses");
        if !ours.is_incompressible() {
            let restored = lz4_flex::block::decompress(&ours.data, PAGE_SIZE).expect("a block");
            assert_eq!(restored, page);
        }
        let theirs = lz4_flex::block::compress(&page);
        if theirs.len() != PAGE_SIZE {
            let page_of = trueno_zram_core::CompressedPage { data: theirs, ..ours };
            assert_eq!(lz4.decompress(&page_of), Ok(page));
        }
    }
}
