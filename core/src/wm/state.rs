//! The working memory of encoder and decoder, and the page as both see it.

use alloc::boxed::Box;

use crate::{PAGE_SIZE, Page};

/// Words of a page.
pub(crate) const WORDS: usize = PAGE_SIZE / 8;
/// Words of a half: the two halves of a page are told apart from each other, each with its own
/// distances, so that a processor works on both at once.
pub(crate) const HALF: usize = WORDS / 2;
/// How many distances a half's state remembers beside the current one.
pub(crate) const RECENT: usize = 3;
/// Distances are counted in units of four bytes: 32-bit data repeats at odd ones.
pub(crate) const UNIT: usize = 4;
/// The current distance and the remembered ones when a half begins: 1, 2, 4 and 8 words.
pub(crate) const FIRST_DISTANCES: [u16; 1 + RECENT] = [2, 4, 8, 16];
/// Lanes that symbols, and dense literals, are spread over, so that a processor decodes four at once.
pub(crate) const LANES: usize = 4;
/// Symbols of a lane.
pub(crate) const LANE_WORDS: usize = WORDS / LANES;

/// Zeros before the page: the farthest distance of [`FIRST_DISTANCES`] reaches 64 bytes back.
pub(crate) const FRONT: usize = 64;
/// Zeros after the page: what a step that begins at the last word reads, two vectors of eight words.
const BACK: usize = 192;
/// Entries after the last word that a step of sixteen words may write.
pub(crate) const SLACK: usize = 64;
/// Room for a lane: 128 symbols of eleven bits, and stores of eight bytes.
pub(crate) const LANE_BYTES: usize = 256;

/// Room for a lane of dense literals: 1024 of eleven bits, and stores of eight bytes.
pub(crate) const DENSE_LANE_BYTES: usize = 2048;

/// A page between zeros, so that no reference and no vector leaves the array.
#[repr(C, align(64))]
pub(crate) struct Padded(pub(crate) [u8; FRONT + PAGE_SIZE + BACK]);

impl Padded {
    pub(crate) fn fill(&mut self, page: &Page) {
        if let Some(inner) = self.0.get_mut(FRONT..FRONT + PAGE_SIZE) {
            inner.copy_from_slice(page);
        }
    }

    /// The word `units` times four bytes before word `at`; zero where that is before the page.
    #[inline(always)]
    pub(crate) fn back(&self, at: usize, units: u16) -> u64 {
        let from = (FRONT + 8 * at).wrapping_sub(UNIT * usize::from(units));
        let bytes = self.0.get(from..).and_then(|rest| rest.first_chunk::<8>());
        bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }

    #[inline(always)]
    pub(crate) fn word(&self, at: usize) -> u64 {
        self.back(at, 0)
    }
}

/// One entry a word, and room for vectors that overshoot.
pub(crate) type PerWord<T> = [T; WORDS + SLACK];

/// Working memory of the word-mask codec; about 58 KiB.
///
/// Nothing in it is input of the next page: what a stage reads, an earlier stage of the same page
/// has written, or nobody ever writes (the padding).
#[repr(C, align(64))]
pub(crate) struct State {
    pub(crate) page: Padded,
    /// Hashes of each word: for the fast table, or for the two dense ones and, third, of its upper half.
    /// AVX2 drafts kinds and masks here when the hashes are done with.
    pub(crate) hashes: [PerWord<u8>; 3],
    /// The last position, in units, with each hash, per table.
    pub(crate) last: [[u16; 256]; 2],
    /// The position, in units, that each table offers for each word.
    pub(crate) offers: [PerWord<u16>; 2],
    /// Distance to the better offer, in units.
    pub(crate) distances: PerWord<u16>,
    /// Bytes that differ from the better offer, and one more, as its distance costs about a byte.
    pub(crate) price: PerWord<u8>,
    /// Bytes that are not zero.
    pub(crate) weight: PerWord<u8>,
    pub(crate) kinds: PerWord<u8>,
    pub(crate) masks: PerWord<u8>,
    /// Bytes of the distance stream, those of the second half from [`HALF`] on.
    pub(crate) new_distances: PerWord<u8>,
    /// Kind and mask of each word, as the symbol that is coded.
    pub(crate) symbols: PerWord<u16>,
    /// Encoder: what was written for each word.
    pub(crate) codes: PerWord<u32>,
    /// Decoder: what was read for each word.
    pub(crate) entries: PerWord<u16>,
    pub(crate) lanes: [[u8; LANE_BYTES]; LANES],
    /// Decoder: bytes to keep of the reference, and bytes to put in, per word. Dense encoders: the
    /// reference itself, and (AVX2) the differences to it.
    pub(crate) keep: PerWord<u64>,
    pub(crate) put: PerWord<u64>,
    /// Decoder: where each word's reference is, in bytes from the start of the page.
    pub(crate) from: PerWord<u16>,
    /// Literal bytes (as differences, in the dense form), and the class of each.
    pub(crate) literals: [u8; PAGE_SIZE + 256],
    pub(crate) classes: [u8; PAGE_SIZE + 256],
    /// Encoder: `delta | class << 8` of each literal.
    pub(crate) deltas: [u16; PAGE_SIZE + 256],
    /// Lanes of dense literals: at most 1024 of eleven bits each.
    pub(crate) dense_lanes: [[u8; DENSE_LANE_BYTES]; LANES],
    /// A compressed page with room to read past its end.
    pub(crate) input: [u8; PAGE_SIZE + 256],
}

impl State {
    pub(crate) fn new() -> Box<Self> {
        Box::new(Self {
            page: Padded([0; FRONT + PAGE_SIZE + BACK]),
            hashes: [[0; WORDS + SLACK]; 3],
            last: [[0; 256]; 2],
            offers: [[0; WORDS + SLACK]; 2],
            distances: [0; WORDS + SLACK],
            price: [u8::MAX; WORDS + SLACK],
            weight: [0; WORDS + SLACK],
            kinds: [0; WORDS + SLACK],
            masks: [0; WORDS + SLACK],
            new_distances: [0; WORDS + SLACK],
            symbols: [0; WORDS + SLACK],
            codes: [0; WORDS + SLACK],
            entries: [0; WORDS + SLACK],
            lanes: [[0; LANE_BYTES]; LANES],
            keep: [0; WORDS + SLACK],
            put: [0; WORDS + SLACK],
            from: [0; WORDS + SLACK],
            literals: [0; PAGE_SIZE + 256],
            classes: [0; PAGE_SIZE + 256],
            deltas: [0; PAGE_SIZE + 256],
            dense_lanes: [[0; DENSE_LANE_BYTES]; LANES],
            input: [0; PAGE_SIZE + 256],
        })
    }
}
