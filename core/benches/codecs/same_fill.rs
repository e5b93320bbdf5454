//! Same-filled pages, which no codec should see: what finding and restoring them costs.

use std::fmt;
use std::hint::black_box;
use std::time::{Duration, Instant};

use trueno_zram_core::benchmark::{Error, PageSet, Synthetic};
use trueno_zram_core::samefill::{fill_page_word, page_same_filled};
use trueno_zram_core::{
    Algorithm, BUFFER_SIZE, CompressorBuilder, PAGE_SIZE, Page, PageCompressor, Scratch,
};

/// 256 KiB, and as much for the output: in the second-level cache, so that instructions count and not
/// the memory.
const PAGES: usize = 64;

/// Pages timed at a time: some microseconds, beside which reading the clock does not show.
const BLOCK: usize = 32;

/// Rounds; there is time for many, because they take microseconds.
const ROUNDS: usize = 2000;

/// One kind of same-filled pages; times in nanoseconds a page.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub(crate) struct SameFillRow {
    pub(crate) kind: &'static str,
    /// Adding up the words of the page: what any look at all of it costs at least.
    pub(crate) read: f64,
    /// `page_same_filled`.
    pub(crate) detect: f64,
    /// `[u8]::fill`, which is memset.
    pub(crate) memset: f64,
    /// `fill_page_word`.
    pub(crate) fill: f64,
    /// The same through a compressor built with `Algorithm::Adaptive`, there and back.
    pub(crate) adaptive_compress: f64,
    pub(crate) adaptive_decompress: f64,
    /// The most bytes that it makes of such a page.
    pub(crate) adaptive_bytes: usize,
}

/// Measures pages of zeros, of one byte, and of one word.
pub(crate) fn measure() -> Result<Vec<SameFillRow>, Error> {
    let kinds = [Synthetic::Zero, Synthetic::ByteFilled, Synthetic::WordFilled];
    kinds.into_iter().map(measure_kind).collect()
}

fn measure_kind(kind: Synthetic) -> Result<SameFillRow, Error> {
    let set = PageSet::synthetic(kind, PAGES);
    let adaptive = CompressorBuilder::new().algorithm(Algorithm::Adaptive).build()?;
    let mut adaptive = Adaptive { scratch: adaptive.scratch(), compressor: adaptive };
    let compressed: Vec<Vec<u8>> =
        set.pages.iter().map(|page| adaptive.compressed(page)).collect::<Result<_, _>>()?;
    // One page's word and bytes for all: they are not what is measured, but fetching them would be.
    let word = set.pages.iter().find_map(page_same_filled).unwrap_or_default();
    let data = compressed.first().map_or(&[][..], Vec::as_slice);
    let mut filled = set.pages.clone();
    let mut out = [0; BUFFER_SIZE];

    let mut best = [(); 6].map(|()| vec![Duration::MAX; PAGES / BLOCK]);
    let [read, detect, memset, fill, compress, decompress] = &mut best;
    for _ in 0..ROUNDS {
        time(read, &mut set.pages.chunks(BLOCK), |page| {
            black_box(sum_of_words(black_box(page)));
        });
        // Every writing pass comes after a reading one, so that none finds the cache full of lines that
        // have yet to be written back.
        time(memset, &mut filled.chunks_mut(BLOCK), |page| black_box(page).fill(black_box(0x5a)));
        time(detect, &mut set.pages.chunks(BLOCK), |page| {
            black_box(page_same_filled(black_box(page)));
        });
        time(fill, &mut filled.chunks_mut(BLOCK), |page| {
            fill_page_word(black_box(page), black_box(word));
        });
        time(compress, &mut set.pages.chunks(BLOCK), |page| {
            let encoded =
                adaptive.compressor.compress_into(black_box(page), &mut adaptive.scratch, &mut out);
            // The sizes were looked at above.
            black_box(encoded.is_ok());
        });
        time(decompress, &mut filled.chunks_mut(BLOCK), |page| {
            let restored =
                adaptive.compressor.decompress_into(black_box(data), &mut adaptive.scratch, page);
            black_box(restored.is_ok());
        });
    }
    let [read, detect, memset, fill, adaptive_compress, adaptive_decompress] =
        best.map(|blocks| blocks.iter().sum::<Duration>().as_secs_f64() * 1e9 / PAGES as f64);
    Ok(SameFillRow {
        kind: kind.name(),
        read,
        detect,
        memset,
        fill,
        adaptive_compress,
        adaptive_decompress,
        adaptive_bytes: compressed.iter().map(Vec::len).max().unwrap_or_default(),
    })
}

/// Runs `work` on every page and keeps each block's fastest time.
fn time<B: IntoIterator>(
    fastest: &mut [Duration],
    blocks: &mut dyn Iterator<Item = B>,
    mut work: impl FnMut(B::Item),
) {
    for (fastest, block) in fastest.iter_mut().zip(blocks) {
        let start = Instant::now();
        for page in block {
            work(page);
        }
        *fastest = start.elapsed().min(*fastest);
    }
}

fn sum_of_words(page: &Page) -> u64 {
    let words = page.as_chunks::<8>().0.iter();
    words.fold(0, |sum, word| sum.wrapping_add(u64::from_ne_bytes(*word)))
}

struct Adaptive {
    compressor: PageCompressor,
    scratch: Scratch,
}

impl Adaptive {
    /// The page's bytes, which give the page back.
    fn compressed(&mut self, page: &Page) -> Result<Vec<u8>, Error> {
        let compressed = self.compressor.compress(page)?;
        let mut restored = [0xa5; PAGE_SIZE];
        self.compressor.decompress_into(&compressed.data, &mut self.scratch, &mut restored)?;
        if restored == *page {
            return Ok(compressed.data);
        }
        let (codec, set) = ("adaptive".to_owned(), "same-filled pages".to_owned());
        Err(Error::RoundTrip { codec, set, page: 0 })
    }
}

/// The rows as a table.
pub(crate) struct Table<'a>(pub(crate) &'a [SameFillRow]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "same-filled pages, ns a page")?;
        writeln!(
            f,
            "{:11} {:>9} {:>17} {:>9} {:>15}  adaptive: compress decompress bytes",
            "", "read pass", "page_same_filled", "memset", "fill_page_word"
        )?;
        for row in self.0 {
            writeln!(
                f,
                "{:11} {:>9.1} {:>9.1} {:>6.2}x {:>9.1} {:>7.1} {:>6.2}x {:>19.1} {:>10.1} {:>5}",
                row.kind,
                row.read,
                row.detect,
                row.detect / row.read,
                row.memset,
                row.fill,
                row.fill / row.memset,
                row.adaptive_compress,
                row.adaptive_decompress,
                row.adaptive_bytes,
            )?;
        }
        Ok(())
    }
}
