//! The codecs that are libraries, on real pages: there and back, read by others, damaged.

#![cfg(feature = "std")]
#![expect(clippy::cast_possible_truncation, clippy::indexing_slicing, reason = "tests may panic")]

use std::fs;
use std::path::{Path, PathBuf};

use trueno_zram_core::{
    Algorithm, BUFFER_SIZE, CompressorBuilder, Encoded, Error, PAGE_SIZE, Page, PageCompressor,
    Scratch, entropy, fingerprint, zstd,
};

/// The four large files of the corpus.
fn files() -> [PathBuf; 4] {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus");
    ["py", "node", "java", "rustc"].map(|process| folder.join(process).with_extension("pages.zst"))
}

/// Pages of four processes.
fn corpus() -> Vec<Page> {
    let pages: Vec<_> = files().iter().flat_map(|file| pages(file)).collect();
    assert!(cfg!(debug_assertions) || pages.len() > 8000, "{} pages", pages.len());
    pages
}

/// Those pages of a file that are not one repeated word; in debug builds some of them.
fn pages(file: &Path) -> Vec<Page> {
    let step = if cfg!(debug_assertions) { 37 } else { 1 };
    whole(file).into_iter().step_by(step).collect()
}

/// All of them.
fn whole(file: &Path) -> Vec<Page> {
    let compressed = fs::read(file).expect("a file of the corpus");
    let mut bytes = Vec::with_capacity(16 << 20);
    zstd_safe::decompress(&mut bytes, &compressed).expect("a zstd file");
    let (all, rest) = bytes.as_chunks::<PAGE_SIZE>();
    assert!(!all.is_empty() && rest.is_empty(), "{}", file.display());
    all.iter().filter(|page| page[8..] != page[..PAGE_SIZE - 8]).copied().collect()
}

/// Every page that the corpus has, of all kinds of programs.
fn all_pages(folder: &Path) -> Vec<Page> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    let of_entry = |path: PathBuf| match path.extension() {
        _ if path.is_dir() => all_pages(&path),
        Some(extension) if extension == "zst" => pages(&path),
        _ => Vec::new(),
    };
    entries.flat_map(|entry| of_entry(entry.path())).collect()
}

/// Which algorithm, and its level where that is not part of it.
type Setting = (Algorithm, Option<i32>);

const ZSTD_1: Setting = (Algorithm::Zstd { level: 1 }, None);
const LZO: Setting = (Algorithm::Lzo, None);
const LZ4HC: Setting = (Algorithm::Lz4Hc, None);
const DEFLATE: Setting = (Algorithm::Deflate, None);

const SETTINGS: [Setting; 11] = [
    ZSTD_1,
    LZO,
    LZ4HC,
    DEFLATE,
    (Algorithm::Zstd { level: -7 }, None),
    (Algorithm::Zstd { level: -1 }, None),
    (Algorithm::Zstd { level: 3 }, None),
    (Algorithm::Zstd { level: 12 }, None),
    (Algorithm::Lz4Hc, Some(3)),
    (Algorithm::Deflate, Some(1)),
    (Algorithm::Deflate, Some(9)),
];

/// A compressor, its scratch and its output.
struct Codec {
    compressor: PageCompressor,
    scratch: Scratch,
    out: [u8; BUFFER_SIZE],
}

impl Codec {
    fn new((algorithm, level): Setting) -> Self {
        let builder = CompressorBuilder::new().algorithm(algorithm);
        let builder = level.into_iter().fold(builder, CompressorBuilder::level);
        Self::of(builder)
    }

    fn of(builder: CompressorBuilder) -> Self {
        let compressor = builder.build().expect("a compressor");
        Self { scratch: compressor.scratch(), compressor, out: [0; BUFFER_SIZE] }
    }

    /// The page as it is stored.
    fn compress(&mut self, page: &Page) -> Vec<u8> {
        let encoded = self.compressor.compress_into(page, &mut self.scratch, &mut self.out);
        match encoded.expect("compresses") {
            Encoded::Compressed(len) => self.out[..len].to_vec(),
            Encoded::Incompressible => page.to_vec(),
        }
    }

    fn decompress(&mut self, data: &[u8], page: &mut Page) -> Result<(), Error> {
        self.compressor.decompress_into(data, &mut self.scratch, page)
    }

    fn size(&mut self, pages: &[Page]) -> usize {
        pages.iter().map(|page| self.compress(page).len()).sum()
    }
}

#[test]
fn every_page_of_the_corpus_round_trips() {
    let pages = all_pages(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus"));
    assert!(pages.len() >= corpus().len());
    for setting in SETTINGS {
        let (mut codec, mut back) = (Codec::new(setting), [0xa5; PAGE_SIZE]);
        for page in &pages {
            let data = codec.compress(page);
            codec.decompress(&data, &mut back).expect("decompresses");
            assert!(back == *page, "{setting:?}");
        }
    }
}

#[test]
fn sizes_are_in_order() {
    // Some of the levels take milliseconds for a page.
    let pages: Vec<_> = corpus().into_iter().step_by(8).collect();
    let size = |setting| Codec::new(setting).size(&pages);
    let zstd = |level| size((Algorithm::Zstd { level }, None));
    let sizes = [zstd(19), zstd(3), zstd(1), zstd(-1), zstd(-7)];
    assert!(sizes.is_sorted(), "zstd from dense to fast: {sizes:?}");
    for (algorithm, levels) in
        [(Algorithm::Lz4Hc, [12, 9, 3, 1]), (Algorithm::Deflate, [12, 6, 3, 1])]
    {
        let sizes = levels.map(|level| size((algorithm, Some(level))));
        assert!(sizes.is_sorted() && sizes[0] < sizes[3], "{algorithm:?}: {sizes:?}");
        assert_eq!(size((algorithm, None)), sizes[1], "the default level");
    }
    let all = pages.len() * PAGE_SIZE;
    assert!(size(LZO) * 3 < all, "lzo makes a third of them");
}

/// What `ZSTD_compressCCtx` makes of the same pages, which is what a first program would call.
#[test]
fn zstd_is_set_up_at_least_as_well_as_by_default() {
    let pages = corpus();
    let mut plain = zstd_safe::CCtx::create();
    for level in [-1, 1, 3] {
        let mut out = [0; BUFFER_SIZE];
        let mut plain = |page: &Page| {
            let len = plain.compress(out.as_mut_slice(), page, level).expect("compresses");
            len.min(PAGE_SIZE)
        };
        let plain: usize = pages.iter().map(&mut plain).sum();
        let ours = Codec::new((Algorithm::Zstd { level }, None)).size(&pages);
        assert!(ours < plain, "level {level}: {ours}, plain {plain}");
    }
}

#[test]
fn others_read_lz4hc_and_deflate() {
    let (mut lz4hc, mut deflate) = (Codec::new(LZ4HC), Codec::new(DEFLATE));
    for page in corpus().iter().step_by(7) {
        let block = lz4hc.compress(page);
        if block.len() < PAGE_SIZE {
            let read = lz4_flex::block::decompress(&block, PAGE_SIZE).expect("a block");
            assert_eq!(read, page);
        }
        let stream = deflate.compress(page);
        if stream.len() < PAGE_SIZE {
            let read = miniz_oxide::inflate::decompress_to_vec(&stream).expect("a stream");
            assert_eq!(read, page);
        }
    }
}

#[test]
fn streams_of_others_are_read() {
    let (mut lz4hc, mut deflate) = (Codec::new(LZ4HC), Codec::new(DEFLATE));
    let mut back = [0; PAGE_SIZE];
    for (at, page) in corpus().iter().step_by(7).enumerate() {
        let block = lz4_flex::block::compress(page);
        if block.len() < PAGE_SIZE {
            lz4hc.decompress(&block, &mut back).expect("a block");
            assert_eq!(&back, page);
        }
        let level = u8::try_from(at % 10).expect("a digit");
        let stream = miniz_oxide::deflate::compress_to_vec(page, level);
        if stream.len() < PAGE_SIZE {
            deflate.decompress(&stream, &mut back).expect("a stream");
            assert_eq!(&back, page);
        }
    }
}

#[test]
fn streams_of_another_length_are_refused() {
    for len in [0, 1, PAGE_SIZE - 1, PAGE_SIZE + 1, 2 * PAGE_SIZE, 100_000] {
        let bytes = vec![7; len];
        for (setting, stream) in [
            (DEFLATE, miniz_oxide::deflate::compress_to_vec(&bytes, 6)),
            (LZ4HC, lz4_flex::block::compress(&bytes)),
        ] {
            let result = Codec::new(setting).decompress(&stream, &mut [0; PAGE_SIZE]);
            assert!(matches!(result, Err(Error::Corrupt { .. })), "{setting:?}, {len} bytes");
        }
    }
}

/// Knuth's 64-bit generator.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.0 >> 33) as usize % end
    }
}

/// Bytes that no page of the corpus has eight of in a row.
const SECRET: [u8; 8] = *b"\xc3secret\x9d";

/// Damaged streams make an error or another page, and never show what was decoded before.
#[test]
fn damage_neither_panics_nor_shows_other_pages() {
    let (pages, mut random) = (corpus(), Random(1));
    let secret: Page = core::array::from_fn(|at| match at % 24 {
        at @ 0..8 => SECRET[at],
        at => (at * 7) as u8,
    });
    for setting in SETTINGS {
        let (mut codec, mut refused) = (Codec::new(setting), 0);
        let hidden = codec.compress(&secret);
        for _ in 0..2000 {
            let mut data = codec.compress(&pages[random.below(pages.len())]);
            for _ in 0..1 + random.below(4) {
                let at = random.below(data.len());
                data[at] ^= 1 << random.below(8);
            }
            if random.below(4) == 0 {
                data.truncate(random.below(data.len()));
            }
            if data.len() == PAGE_SIZE {
                continue;
            }
            let mut page = [0; PAGE_SIZE];
            codec.decompress(&hidden, &mut page).expect("decompresses");
            page.fill(0);
            refused += usize::from(codec.decompress(&data, &mut page).is_err());
            assert!(!page.windows(8).any(|bytes| bytes == SECRET), "{setting:?} shows the other");
        }
        assert!(refused > 200, "{setting:?} refuses only {refused}");
    }
}

#[test]
fn no_truncated_page_is_taken() {
    let pages = corpus();
    for setting in SETTINGS {
        let mut codec = Codec::new(setting);
        for page in pages.iter().step_by(pages.len() / 5) {
            let data = codec.compress(page);
            for len in 0..data.len() {
                let result = codec.decompress(&data[..len], &mut [0; PAGE_SIZE]);
                // A last byte that is all padding may be missing.
                assert!(result.is_err() || len + 1 == data.len(), "{setting:?}: {len}");
            }
        }
    }
}

/// A dictionary made of half of a process's pages helps with the other half.
#[test]
fn a_dictionary_of_like_pages_helps() {
    let pages = corpus();
    let quarter = &pages[..pages.len() / 4];
    let (samples, rest): (Vec<_>, Vec<_>) =
        quarter.iter().enumerate().partition(|(at, _)| at / 8 % 2 == 0);
    let pages = |pages: Vec<(usize, &Page)>| -> Vec<Page> {
        pages.into_iter().map(|(_, page)| *page).collect()
    };
    let dictionary = zstd::train(&pages(samples), 16 << 10).expect("a dictionary");
    let rest = pages(rest);
    for level in [-1, 1] {
        let builder = CompressorBuilder::new().algorithm(Algorithm::Zstd { level });
        let with = Codec::of(builder.clone().dictionary(dictionary.clone())).size(&rest);
        let without = Codec::of(builder).size(&rest);
        assert!(with < without, "level {level}: {with} with the dictionary, {without} without");
    }
}

/// Pearson's correlation.
fn correlation(pairs: &[(f64, f64)]) -> f64 {
    let count = pairs.len() as f64;
    let mean = |value: fn(&(f64, f64)) -> f64| pairs.iter().map(value).sum::<f64>() / count;
    let (x, y) = (mean(|pair| pair.0), mean(|pair| pair.1));
    let sum = |term: &dyn Fn(f64, f64) -> f64| -> f64 {
        pairs.iter().map(|pair| term(pair.0 - x, pair.1 - y)).sum()
    };
    sum(&|a, b| a * b) / (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt()
}

/// The claims in the documentation of `entropy`.
#[test]
fn what_entropy_predicts() {
    let mut codec = Codec::new(ZSTD_1);
    let mut measured = Vec::new();
    for page in files().iter().flat_map(|file| whole(file)) {
        let len = codec.compress(&page).len() as f64;
        measured.push((entropy::shannon(&page), entropy::estimate(&page), len));
    }
    let by = |value: fn(&(f64, f64, f64)) -> (f64, f64)| {
        correlation(&measured.iter().map(value).collect::<Vec<_>>())
    };
    let (whole, sampled) = (by(|page| (page.0, page.2)), by(|page| (page.1, page.2)));
    let wrong = measured.iter().filter(|page| page.1 >= entropy::INCOMPRESSIBLE).count();
    println!(
        "correlation with zstd 1: {whole:.2} whole, {sampled:.2} sampled; {wrong} of {} pages taken \
         for incompressible",
        measured.len(),
    );
    assert!((0.15..0.45).contains(&whole) && (0.1..0.4).contains(&sampled));
    assert!(measured.iter().all(|page| page.2 < 0.7 * PAGE_SIZE as f64), "none is incompressible");
    assert_eq!(measured.len(), 8111);
    assert!(wrong <= 1, "{wrong} taken for incompressible");
}

/// The compressed corpus is not to be compressed once more.
#[test]
fn entropy_finds_compressed_data() {
    for file in files() {
        let bytes = fs::read(file).expect("a file of the corpus");
        let (pages, _) = bytes.as_chunks();
        let is_found = |page: &&Page| entropy::estimate(page) >= entropy::INCOMPRESSIBLE;
        let found = pages.iter().filter(is_found).count();
        assert!(found * 100 >= pages.len() * 95, "{found} of {} found", pages.len());
    }
}

#[test]
fn fingerprints_tell_pages_apart() {
    let mut pages = corpus();
    let hash = fingerprint::page_hash(&[0; PAGE_SIZE]);
    // XXH3_64bits of 4096 zeroes by the reference implementation.
    assert_eq!(hash, 0x93d7_6fe1_48c6_89ba);
    pages.sort_unstable();
    pages.dedup();
    let mut hashes: Vec<_> = pages.iter().map(fingerprint::page_hash).collect();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), pages.len());
}
