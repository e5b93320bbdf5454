//! What the tests of the store share: codecs, a device, pages of every kind.
#![allow(dead_code, reason = "each test uses a part")]
#![allow(clippy::indexing_slicing, reason = "a panic is a test that fails")]

use std::sync::OnceLock;

use trueno_zram_core::benchmark::load_pages;
use trueno_zram_core::{Algorithm, CompressorBuilder, PageCompressor};
use trueno_zram_region::FileRegion;
use trueno_zram_store::slot::Priority;
use trueno_zram_store::{Codecs, Device, Layout, Options, Page};

pub(crate) fn codec(algorithm: Algorithm) -> PageCompressor {
    CompressorBuilder::new().algorithm(algorithm).build().expect("every algorithm is built in")
}

/// `lz4`, and `zstd` to recompress with at priority 1.
pub(crate) fn codecs() -> Codecs {
    let second = Priority::new(1).expect("below 4");
    Codecs::new(codec(Algorithm::Lz4)).with(second, codec(Algorithm::Zstd { level: 1 }))
}

/// An empty device without access times, in memory that goes with it.
pub(crate) fn device(pages: u64) -> Device<FileRegion> {
    let region = region(&Layout::new(pages, false).expect("a size"));
    Device::format(region, pages, Options::default(), codecs()).expect("a device")
}

/// Memory of the size that the layout needs.
pub(crate) fn region(layout: &Layout) -> FileRegion {
    FileRegion::anonymous(layout.region_bytes()).expect("a memfd")
}

/// What kind of page to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Zero,
    /// One byte everywhere.
    Bytes,
    /// One word everywhere that fits into a slot.
    NearWord,
    /// One word everywhere that does not.
    FarWord,
    /// So many random bytes, then zeros: compresses to a little more than that.
    Random(usize),
    /// Short words of text.
    Text,
    /// A page of a real process.
    Real,
}

/// Kinds in all sizes: 0 to 3 are same-filled, the last one is incompressible.
pub(crate) const KINDS: [Kind; 21] = [
    Kind::Zero,
    Kind::Bytes,
    Kind::NearWord,
    Kind::FarWord,
    Kind::Random(1),
    Kind::Random(40),
    Kind::Random(130),
    Kind::Random(400),
    Kind::Random(900),
    Kind::Random(1300),
    Kind::Random(2000),
    Kind::Random(2700),
    Kind::Random(3300),
    Kind::Random(3700),
    // About where a page begins to count as incompressible.
    Kind::Random(3800),
    Kind::Random(3820),
    Kind::Text,
    Kind::Real,
    Kind::Real,
    Kind::Real,
    Kind::Random(4096),
];

/// The page of this kind with this number: other numbers, other pages ([`Kind::Zero`] has one, and
/// [`Kind::Bytes`] 255 of them).
pub(crate) fn page(kind: Kind, number: u64) -> Page {
    let mut random = Random::new(number);
    match kind {
        Kind::Zero => [0; 4096],
        Kind::Bytes => [u8::try_from(number % 255 + 1).expect("a byte"); 4096],
        Kind::NearWord => of_word(number + 1),
        Kind::FarWord => of_word(0xffff_8000_1234_5678 + number),
        Kind::Random(len) => {
            let mut page = [0; 4096];
            page.iter_mut().take(len).for_each(|byte| *byte = random.byte());
            page
        }
        Kind::Text => {
            let words = ["page ", "slot ", "span ", "hole ", "of ", "the ", "arena\n", "is "];
            let text = core::iter::from_fn(|| Some(words[usize::from(random.byte()) % 8].bytes()));
            let mut text = text.flatten();
            core::array::from_fn(|_| text.next().expect("endless"))
        }
        Kind::Real => {
            let pages = real_pages();
            let at = usize::try_from(number % pages.len() as u64).expect("an index");
            let mut page = pages[at];
            // No page twice, even when all were used.
            page[..8].copy_from_slice(&random.word().to_le_bytes());
            page
        }
    }
}

fn of_word(word: u64) -> Page {
    let mut page = [0; 4096];
    page.as_chunks_mut().0.fill(word.to_ne_bytes());
    page
}

/// Pages of a Python process, those that are not same-filled.
pub(crate) fn real_pages() -> &'static [Page] {
    static PAGES: OnceLock<Vec<Page>> = OnceLock::new();
    PAGES.get_or_init(|| {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../corpus/py.pages.zst");
        load_pages(path).expect("a file of pages").pages
    })
}

/// Numbers that only look random: SplitMix64.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.word().to_le_bytes()[0]
    }

    /// A number below `below`, which is above 0.
    pub(crate) fn below(&mut self, below: u64) -> u64 {
        self.word() % below
    }
}
