//! Inputs in numbered batches: each number always makes the same ones.

use trueno_zram_core::{Algorithm, PAGE_SIZE, Page, PageCompressor, SimdBackend, wm};

use crate::common::compressor;
use crate::common::lz4_blocks;
use crate::common::mutate::mutate;
use crate::common::random::Random;
use crate::{Kind, Target, sentences};

/// How many inputs a batch has. The first is valid, the others are damaged copies of it.
pub const INPUTS: u64 = 64;

/// How often a page is drawn before one is taken that the format does not suit.
const DRAWS: usize = 8;

/// Makes the batches of one target.
#[derive(Debug)]
pub struct Batches {
    target: Target,
    pages: Vec<Page>,
    writers: Vec<PageCompressor>,
}

/// Inputs to run one after the other.
#[derive(Debug)]
pub struct Batch {
    /// The inputs.
    pub inputs: Vec<Vec<u8>>,
    /// Whether the first of them is what an encoder wrote and no decoder may refuse.
    pub first_is_valid: bool,
}

impl Batches {
    /// From these pages, which must be the same ones for batches to be.
    #[must_use]
    pub fn new(target: Target, pages: Vec<Page>) -> Self {
        let backend = SimdBackend::Portable;
        let writers = match target.kind {
            // More than one encoder writes LZ4, and the thorough one finds what others do not.
            Kind::Decoder { algorithms: [Algorithm::Lz4], .. } => {
                vec![Algorithm::Lz4, Algorithm::Lz4, Algorithm::Lz4Hc]
            }
            Kind::Decoder { algorithms: [Algorithm::Zstd { .. }], .. } => {
                [-5, -1, 1, 3, 6, 19].map(|level| Algorithm::Zstd { level }).to_vec()
            }
            Kind::Decoder { algorithms, .. } => algorithms.to_vec(),
            Kind::RoundTrip(_) | Kind::Configuration => Vec::new(),
        };
        let writers = writers.into_iter().map(|algorithm| compressor(algorithm, backend)).collect();
        Self { target, pages, writers }
    }

    /// The batch of this number.
    ///
    /// # Panics
    ///
    /// If a page does not compress.
    #[must_use]
    pub fn make(&self, number: u64) -> Batch {
        // Targets get different pages for the same number.
        let name = self.target.name.bytes().fold(0, |sum: u64, byte| sum * 31 + u64::from(byte));
        let mut random = Random::new(number ^ name << 40);
        match self.target.kind {
            Kind::RoundTrip(_) => {
                let inputs = (0..INPUTS).map(|_| self.page(&mut random).to_vec()).collect();
                Batch { inputs, first_is_valid: false }
            }
            Kind::Configuration => {
                let valid = sentences::configuration(&mut random);
                let other = sentences::configuration(&mut random);
                let mut inputs = vec![valid; INPUTS as usize];
                inputs[1..].iter_mut().for_each(|input| mutate(&mut random, input, &other));
                Batch { inputs, first_is_valid: true }
            }
            Kind::Decoder { algorithms, inner } => {
                let is_lz4 = matches!(algorithms, [Algorithm::Lz4 | Algorithm::Lz4Hc]);
                let valid = if is_lz4 && random.is_one_in(4) {
                    lz4_blocks::random_block(&mut random)
                } else {
                    self.compressed(&mut random, inner)
                };
                let other = self.compressed(&mut random, inner);
                let first_is_valid = inner.is_none_or(|inner| is_of(&valid, inner));
                let mut inputs = vec![valid; INPUTS as usize];
                inputs[1..].iter_mut().for_each(|input| mutate(&mut random, input, &other));
                Batch { inputs, first_is_valid }
            }
        }
    }

    /// A page, half of the time with a part of another one or with other bytes in it.
    fn page(&self, random: &mut Random) -> Page {
        let draw = |random: &mut Random| self.pages[random.below(self.pages.len())];
        let mut page = draw(random);
        match random.below(8) {
            0 | 1 => {
                let from = random.below(PAGE_SIZE);
                let len = 1 + random.below(PAGE_SIZE - from);
                let to = random.below(PAGE_SIZE - len + 1);
                page[to..to + len].copy_from_slice(&draw(random)[from..from + len]);
            }
            2 | 3 => {
                for _ in 0..1 << random.below(7) {
                    page[random.below(PAGE_SIZE)] = random.byte();
                }
            }
            _ => {}
        }
        page
    }

    fn compressed(&self, random: &mut Random, inner: Option<&str>) -> Vec<u8> {
        let writer = &self.writers[random.below(self.writers.len())];
        let draw = |_| writer.compress(&self.page(random)).expect("it compresses").data;
        let mut drawn = (0..DRAWS).map(draw);
        let suits =
            |data: &Vec<u8>| data.len() < PAGE_SIZE && inner.is_none_or(|inner| is_of(data, inner));
        drawn.find(suits).unwrap_or_else(|| vec![0; 64])
    }
}

fn is_of(data: &[u8], inner: &str) -> bool {
    wm::inner_format(data) == Some(inner)
}
