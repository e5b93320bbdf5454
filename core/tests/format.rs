//! The word-mask format as `docs/FORMAT-WM.md` has it, decoded by the letter of that document: bit by
//! bit, slowly, with nothing of the codec's own code. If this and the codec disagree, one of document
//! and codec is wrong.
//!
//! `core/tests/vectors/` pins what the encoder writes today. Other bytes for these pages are no error
//! in themselves: a better encoder or newly trained tables change them. But pages that are stored
//! somewhere are read back with the tables of their tags only, so after a release new tables are new
//! tags. `TRUENO_BLESS=1 cargo test -p trueno-zram-core --test format` writes the vectors anew, and
//! their copies in the document.
#![cfg(feature = "std")]
#![expect(clippy::indexing_slicing, reason = "a panic is a test that fails")]
#![expect(clippy::cast_possible_truncation, reason = "bytes of larger numbers")]

mod common;
#[path = "format/naive.rs"]
mod naive;
#[path = "format/vectors.rs"]
mod vectors;

use std::path::Path;

use common::random::Random;
use common::{backends, compressor, corpora, pages};
use naive::{Decoder, Rejected};
use trueno_zram_core::benchmark::load_pages;
use trueno_zram_core::{Algorithm, BUFFER_SIZE, PAGE_SIZE, Page, PageCompressor};

const TABLES: &[u8] = include_bytes!("../src/wm/tables/v1.wmt");
const FAMILY: [Algorithm; 3] = [Algorithm::Wm, Algorithm::WmHc, Algorithm::Adaptive];

/// Of so many pages a debug build takes one.
const SAMPLE: usize = if cfg!(debug_assertions) { 23 } else { 1 };

fn decoder() -> Decoder {
    Decoder::new(TABLES).expect("the shipped tables are as the document says")
}

/// What the codec makes of `data` on each backend.
fn by_codec(codecs: &[PageCompressor], data: &[u8]) -> Option<Page> {
    let mut results = codecs.iter().map(|codec| {
        let mut page = [0xa5; PAGE_SIZE];
        let result = codec.decompress_into(data, &mut codec.scratch(), &mut page);
        result.ok().map(|()| page)
    });
    let first = results.next().expect("a backend");
    assert!(results.all(|other| other == first), "backends disagree");
    first
}

fn codecs(algorithm: Algorithm) -> Vec<PageCompressor> {
    backends(algorithm).into_iter().map(|backend| compressor(algorithm, backend)).collect()
}

#[test]
fn real_pages_decode_by_the_document() {
    let decoder = decoder();
    let files = corpora::files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus"));
    assert!(files.len() > 10, "{files:?}");
    for algorithm in FAMILY {
        let codec = codecs(algorithm).pop().expect("a backend");
        let mut scratch = codec.scratch();
        let mut out = [0; BUFFER_SIZE];
        let mut seen = std::collections::BTreeMap::new();
        for path in &files {
            let pages = load_pages(path).expect("a file of the corpus").pages;
            for (number, page) in pages.iter().enumerate().step_by(SAMPLE) {
                let len =
                    codec.compress_into(page, &mut scratch, &mut out).expect("it works").len();
                let data = if len < PAGE_SIZE { &out[..len] } else { page };
                let decoded = decoder.decode(data).map(|decoded| decoded.page);
                let what = || format!("{algorithm}: {}, page {number}", path.display());
                assert!(decoded == Ok(*page), "{}: {:?}", what(), decoded.err());
                *seen.entry(trueno_zram_core::wm::inner_format(data)).or_insert(0) += 1;
            }
        }
        let has = |inner: &str| seen.contains_key(&Some(inner));
        let dense = algorithm == Algorithm::WmHc;
        assert!(has("words") && has("dense words") == dense, "{algorithm}: {seen:?}");
        assert!(has(if dense { "zstd" } else { "lz4" }), "{algorithm}: {seen:?}");
    }
}

#[test]
fn made_up_pages_decode_by_the_document() {
    let decoder = decoder();
    for algorithm in FAMILY {
        let codec = codecs(algorithm).pop().expect("a backend");
        for (number, page) in pages::built_in().iter().enumerate() {
            let data = codec.compress(page).expect("it works").data;
            let decoded = decoder.decode(&data).map(|decoded| decoded.page);
            assert!(decoded == Ok(*page), "{algorithm}, page {number}: {:?}", decoded.err());
        }
    }
}

/// All that the format can say, most of which no encoder does: any kinds one behind the other,
/// distances that reach before the page, any masks.
#[test]
fn random_streams_mean_the_same_to_both() {
    let decoder = decoder();
    let codecs = codecs(Algorithm::WmHc);
    let mut random = Random::new(11);
    for number in 0..if cfg!(debug_assertions) { 300 } else { 5000 } {
        let is_dense = number % 2 == 1;
        let data = naive::random_stream(&decoder, &mut random, is_dense);
        let decoded = decoder.decode(&data).map(|decoded| decoded.page);
        if data.len() < PAGE_SIZE {
            assert!(decoded.is_ok(), "stream {number}: {decoded:?}");
        }
        let by_codec = by_codec(&codecs, &data);
        assert!(by_codec == decoded.ok(), "stream {number} of {} bytes", data.len());
    }
}

/// Damaged pages: both refuse, or both make the same page of it.
#[test]
fn damage_means_the_same_to_both() {
    let decoder = decoder();
    let codecs = codecs(Algorithm::WmHc);
    let mut random = Random::new(12);
    let valid: Vec<Vec<u8>> = pages::built_in()
        .iter()
        .flat_map(|page| {
            FAMILY.map(|algorithm| compressor(algorithm, codecs[0].backend()).compress(page))
        })
        .map(|compressed| compressed.expect("it works").data)
        .filter(|data| data.len() < PAGE_SIZE)
        .collect();
    let mut accepted = 0;
    let inputs = if cfg!(debug_assertions) { 3000 } else { 100_000 };
    for _ in 0..inputs {
        let mut data = valid[random.below(valid.len())].clone();
        let other = &valid[random.below(valid.len())];
        common::mutate::mutate(&mut random, &mut data, other);
        let decoded = decoder.decode(&data).map(|decoded| decoded.page);
        let same = by_codec(&codecs, &data) == decoded.clone().ok();
        assert!(same, "{:?}: {data:02x?}", decoded.err());
        accepted += usize::from(decoded.is_ok());
    }
    assert!(accepted > inputs / 100 && accepted < inputs, "{accepted}");
}

#[test]
fn what_must_be_refused_is_refused_by_both() {
    let decoder = decoder();
    let codecs = codecs(Algorithm::WmHc);
    let words =
        codecs[0].compress(&pages::of_words(|at| at as u64 * 0x1001)).expect("it works").data;
    assert!(words[0] >= 0x10);
    let mut cases: Vec<(Vec<u8>, &str)> = vec![
        (vec![], "nothing"),
        (vec![0x00], "tag 0"),
        (vec![0x05; 9], "tag 5"),
        (vec![0x20; 100], "tag 0x20"),
        (vec![0x01], "a byte fill without its byte"),
        (vec![0x01, 2, 3], "a byte fill of two bytes"),
        (vec![0x02; 8], "a word fill of seven bytes"),
        (vec![0x02; 10], "a word fill of nine bytes"),
        (words[..3].to_vec(), "a header cut off"),
        (words[..words.len() - 1].to_vec(), "a byte less"),
        ([&words[..], &[0]].concat(), "a byte more"),
        ([&words[..], &[0; PAGE_SIZE]].concat(), "more than a page"),
    ];
    for lane in 1..4 {
        let mut other = words.clone();
        other[lane] = other[lane].wrapping_add(1);
        cases.push((other, "another length of a lane"));
    }
    for (data, what) in cases {
        assert!(decoder.decode(&data).is_err(), "{what}: by the document it is a page");
        assert!(by_codec(&codecs, &data).is_none(), "{what}: the codec takes it");
    }
}

#[test]
fn files_of_tables_are_refused_as_the_document_says() {
    use trueno_zram_core::wm::Tables;
    let mut random = Random::new(13);
    let files = if cfg!(debug_assertions) { 100 } else { 5000 };
    let mut refused = 0;
    for _ in 0..files {
        let mut file = TABLES.to_vec();
        for _ in 0..=random.below(2) {
            let at = random.below(file.len());
            file[at] = file[at].rotate_left(random.below(8) as u32);
        }
        let by_document = Decoder::new(&file).map(|_| ());
        assert_eq!(
            by_document.is_ok(),
            Tables::from_bytes(&file).is_ok(),
            "{:?}",
            by_document.err()
        );
        refused += usize::from(by_document.is_err());
    }
    assert!((1..files).contains(&refused), "{refused}");
    assert_eq!(Decoder::new(&TABLES[1..]).err(), Some(Rejected("not a file of tables")));
}
