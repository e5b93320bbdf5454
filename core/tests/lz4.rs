//! LZ4 against the C library and lz4_flex, both ways, on real pages and made-up ones, with every SIMD
//! backend that this processor has.
#![cfg(feature = "std")]
#![expect(unsafe_code, reason = "the C library is called as C calls it")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    reason = "lengths of a page, and numbers below 256"
)]

mod common;

use std::path::Path;

use common::corpora;
use trueno_zram_core::benchmark::load_pages;
use trueno_zram_core::{
    Algorithm, BUFFER_SIZE, CompressorBuilder, Encoded, Page, PageCompressor, SimdBackend, lz4,
};

/// What LZ4_compressBound says of 4096.
const BOUND: usize = 4096 + 4096 / 255 + 16;

fn c_compress(page: &Page) -> Vec<u8> {
    let mut block = vec![0; BOUND];
    // SAFETY: the page has 4096 bytes and the block BOUND, and nobody else uses them.
    let len = unsafe {
        lz4_sys::LZ4_compress_default(
            page.as_ptr().cast(),
            block.as_mut_ptr().cast(),
            4096,
            BOUND as _,
        )
    };
    assert!(len > 0);
    block.truncate(len as usize);
    block
}

fn c_decompress(block: &[u8]) -> Option<Page> {
    let mut page = [0xcc; 4096];
    // SAFETY: the library reads the block's bytes only and writes the page's only.
    let len = unsafe {
        lz4_sys::LZ4_decompress_safe(
            block.as_ptr().cast(),
            page.as_mut_ptr().cast(),
            block.len() as _,
            4096,
        )
    };
    (len == 4096).then_some(page)
}

fn flex_decompress(block: &[u8]) -> Option<Page> {
    let mut page = [0xcc; 4096];
    let len = lz4_flex::block::decompress_into(block, &mut page).ok()?;
    (len == 4096).then_some(page)
}

fn ours(block: &[u8]) -> Option<Page> {
    let mut page = [0xaa; 4096];
    lz4::decompress(block, &mut page).ok().map(|()| page)
}

fn compressors() -> Vec<PageCompressor> {
    let backends = SimdBackend::ALL.into_iter().filter(|backend| backend.is_available());
    let builder = CompressorBuilder::new().algorithm(Algorithm::Lz4);
    backends.map(|b| builder.clone().prefer_backend(b).build().expect("available")).collect()
}

/// Checks one page every way there is; returns the lengths of our block and of the C library's.
fn check(compressors: &[PageCompressor], page: &Page) -> (usize, usize) {
    let block = lz4::compress_tls(page).expect("no backend is asked for wrongly");
    assert!(block.len() <= 4114);
    assert_eq!(c_decompress(&block).as_ref(), Some(page), "C reads ours");
    assert_eq!(flex_decompress(&block).as_ref(), Some(page), "lz4_flex reads ours");
    assert_eq!(ours(&block).as_ref(), Some(page), "we read ours");
    let foreign = [c_compress(page), lz4_flex::block::compress(page)];
    for compressor in compressors {
        let mut scratch = compressor.scratch();
        let mut out = [0; BUFFER_SIZE];
        match compressor.compress_into(page, &mut scratch, &mut out).expect("LZ4 cannot fail") {
            Encoded::Compressed(len) => assert_eq!(out[..len], block, "{}", compressor.backend()),
            Encoded::Incompressible => assert!(block.len() >= 4096),
        }
        for block in foreign.iter().chain([&block]).filter(|block| block.len() != 4096) {
            let mut restored = [0xaa; 4096];
            compressor.decompress_into(block, &mut scratch, &mut restored).expect("a block");
            assert_eq!(restored, *page, "{}", compressor.backend());
        }
    }
    (block.len(), foreign[0].len())
}

fn corpus(name: &str) -> Vec<Page> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../corpus/{name}.pages.zst"));
    let compressed = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut bytes = Vec::with_capacity(16 << 20);
    zstd_safe::decompress(&mut bytes, &compressed).expect("a corpus of at most 16 MiB");
    let (pages, rest) = bytes.as_chunks();
    assert!(pages.len() > 1000 && rest.is_empty());
    pages.to_vec()
}

/// Real pages: also the ratio, which is what the encoder must not lose while it gets faster.
#[test]
fn pages_of_processes() {
    let compressors = compressors();
    let mut total = (0, 0);
    for name in ["py", "node", "java", "rustc"] {
        let pages = corpus(name);
        let sizes = pages.iter().map(|page| check(&compressors, page));
        let (we, c) =
            sizes.fold((0, 0), |sum, len| (sum.0 + len.0.min(4096), sum.1 + len.1.min(4096)));
        println!("{name}: {} pages, {we} bytes, C {c}", pages.len());
        assert!(c as f64 / we as f64 >= 0.98, "{name}: ours {we}, C {c}");
        total = (total.0 + we, total.1 + c);
    }
    assert!(total.0 <= total.1, "ours {}, C {}", total.0, total.1);
}

/// Text and media are not made of words, and still no program's pages take much more than in LZ4.
#[test]
fn nowhere_is_wm_much_larger_than_c_lz4() {
    let files = corpora::files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus"));
    assert!(files.len() > 40, "{files:?}");
    let wm = CompressorBuilder::new().algorithm(Algorithm::Wm).build().expect("it builds");
    let (mut scratch, mut out) = (wm.scratch(), [0; BUFFER_SIZE]);
    let mut worst = Vec::new();
    for file in &files {
        let pages = load_pages(file).expect("a file of the corpus").pages;
        let (mut ours, mut c) = (0, 0);
        for page in &pages {
            ours += wm.compress_into(page, &mut scratch, &mut out).expect("it compresses").len();
            c += c_compress(page).len().min(4096);
        }
        worst.push((ours as f64 / c as f64, file.display()));
    }
    worst.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    worst.truncate(3);
    println!("{worst:.3?}");
    assert!(worst[0].0 <= 1.02, "bytes of wm over those of C lz4: {worst:.3?}");
}

/// Numbers that are the same in every run (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % bound
    }
}

fn text() -> Vec<Page> {
    let text = include_bytes!("../LICENSE-APACHE").repeat(4);
    // Steps that are no multiple of anything, so that pages begin anywhere in it.
    (0..8).map(|i| *text[i * 1237..].first_chunk().expect("a page")).collect()
}

#[test]
fn pages_made_up() {
    let compressors = compressors();
    let mut random = Random(1);
    let mut pages = text();
    for byte in [0, 1, 0x5a, 0xff] {
        pages.push([byte; 4096]);
    }
    for _ in 0..16 {
        pages.push(std::array::from_fn(|_| random.below(256) as u8));
        let mut sparse = [0; 4096];
        (0..40).for_each(|_| sparse[random.below(4096)] = random.below(256) as u8);
        pages.push(sparse);
        let period = 1 + random.below(4000);
        let noise: Page = std::array::from_fn(|_| random.below(256) as u8);
        pages.push(std::array::from_fn(|i| noise[i % period]));
        pages.push(std::array::from_fn(|i| if i % 24 < 17 { 0x40 } else { noise[i] }));
    }
    for page in &pages {
        check(&compressors, page);
    }
}

#[test]
fn a_single_byte_that_differs() {
    let compressors = compressors();
    for mut page in [[0; 4096], text()[0]] {
        for at in 0..4096 {
            page[at] ^= 0xff;
            check(&compressors, &page);
            page[at] ^= 0xff;
        }
    }
}

/// Damaged blocks: no panic, all backends give the same answer, and where the C library takes a block
/// too, it reads the same page.
///
/// Each side may refuse what the other takes: the format forbids an offset of zero, which this decoder
/// checks, and has rules for the end of a block, which this decoder does not insist on.
#[test]
fn damaged_blocks() {
    let compressors = compressors();
    let mut scratches: Vec<_> = compressors.iter().map(PageCompressor::scratch).collect();
    let mut pages: Vec<_> = corpus("java").into_iter().step_by(40).collect();
    pages.extend(corpus("rustc").into_iter().step_by(40));
    pages.extend(text());
    let blocks: Vec<_> = pages
        .iter()
        .flat_map(|page| [lz4::compress_tls(page).expect("a block"), c_compress(page)])
        .collect();
    let mut random = Random(2);
    let (mut both, mut refused) = (0, 0);
    for round in 0..200_000 {
        let mut block = blocks[round % blocks.len()].clone();
        for _ in 0..1 + random.below(3) {
            let at = random.below(block.len());
            match random.below(5) {
                0 => block[at] ^= 1 << random.below(8),
                1 => block[at] = [0, 1, 15, 16, 127, 240, 254, 255][random.below(8)],
                2 => block[at] = random.below(256) as u8,
                3 => block.truncate(at.max(1)),
                _ => block.insert(at, random.below(256) as u8),
            }
        }
        if block.len() == 4096 {
            continue;
        }
        let mut answers = compressors.iter().zip(&mut scratches).map(|(compressor, scratch)| {
            let mut page = [0xaa; 4096];
            let taken = compressor.decompress_into(&block, scratch, &mut page).is_ok();
            assert!(taken || page == [0; 4096], "nothing stays of what was in memory");
            taken.then_some(page)
        });
        let answer = answers.next().expect("there is the portable code");
        answers.for_each(|other| assert!(other == answer, "backends agree: {block:?}"));
        match (answer, c_decompress(&block)) {
            (Some(ours), Some(theirs)) => {
                assert!(ours == theirs, "the same page: {block:?}");
                both += 1;
            }
            (None, _) => refused += 1,
            (Some(_), None) => {}
        }
    }
    println!("{both} blocks taken by both, {refused} refused by us");
    assert!(both > 1000 && refused > 1000);
}
