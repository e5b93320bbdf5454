//! The code of one table: which symbols have one, and how long it is.
#![expect(clippy::indexing_slicing, reason = "symbols and tables are below the sizes of all lists")]
#![expect(
    clippy::cast_possible_truncation,
    reason = "symbols are below 2048, codes at most 11 bits, words of a page 512"
)]

use trueno_zram_core::wm::{LONGEST, NAMES, SYMBOLS};

use super::huffman;

/// Kinds of references: each needs a code for the full mask.
const KINDS: usize = SYMBOLS / 256;
/// Rounds of choosing the alphabet; afterwards hardly any symbol comes or goes.
const ROUNDS: usize = 4;
const LIMIT: u8 = LONGEST as u8;

/// How often each symbol is there, in any unit.
pub(super) type Histogram = [u64; SYMBOLS];

/// A table in the making.
#[derive(Clone)]
pub(super) struct Code {
    pub(super) lengths: [u8; SYMBOLS],
    /// For each symbol the one that is written in its place, and its price.
    pub(super) covers: Box<[Cover; SYMBOLS]>,
}

/// A symbol that has a code and stands in for others of its kind: its mask covers theirs. In front of
/// the symbol is its price, so that the least of several is the cheapest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cover(u32);

impl Cover {
    const NONE: Self = Self(u32::MAX);

    fn new(symbol: usize, length: u8) -> Self {
        Self((u32::from(length) + 8 * literals(symbol)) * SYMBOLS as u32 + symbol as u32)
    }

    /// Bits of the code and of the literals that the mask names.
    pub(super) fn price(self) -> u32 {
        self.0 / SYMBOLS as u32
    }

    pub(super) fn symbol(self) -> usize {
        self.0 as usize % SYMBOLS
    }
}

impl Code {
    /// The code that suits a histogram.
    ///
    /// Which symbols are worth a code depends on what stands in for them otherwise, and on how long
    /// their codes are; these again depend on the alphabet. So it is found in rounds, from full
    /// masks alone.
    pub(super) fn of(histogram: &Histogram) -> Self {
        let total: u64 = histogram.iter().sum();
        let mut lengths = [0; SYMBOLS];
        full_masks().for_each(|symbol| lengths[symbol] = estimate(histogram[symbol], total));
        for _ in 0..ROUNDS {
            choose_alphabet(histogram, total, &mut lengths);
            huffman(histogram, &mut lengths);
        }
        // The covers of these lengths need not be those that the lengths were made for.
        huffman(histogram, &mut lengths);
        let covers = covers(&lengths);
        Self { lengths, covers }
    }
}

fn full_masks() -> impl Iterator<Item = usize> {
    (0xff..SYMBOLS).step_by(0x100)
}

fn literals(symbol: usize) -> u32 {
    (symbol & 0xff).count_ones()
}

/// What a Huffman code would give a symbol, about.
fn estimate(count: u64, total: u64) -> u8 {
    // Rounded to the nearest: 181 / 128 is the square root of 2.
    let one_in = 181 * total / 128 / count.max(1);
    u8::try_from(one_in.max(2).ilog2()).unwrap_or(LIMIT).min(LIMIT)
}

/// Gives codes to the symbols that save most by having one, and takes those of others away.
fn choose_alphabet(histogram: &Histogram, total: u64, lengths: &mut [u8; SYMBOLS]) {
    let covers = covers(lengths);
    let written = written(histogram, &covers);
    let mut savings = Vec::new();
    let rare =
        |symbol: &usize| *symbol & 0xff == 0xff || written[*symbol] + histogram[*symbol] == 0;
    for symbol in (0..SYMBOLS).filter(|symbol| !rare(symbol)) {
        let (own, count) = match lengths[symbol] {
            0 => (estimate(histogram[symbol], total), histogram[symbol]),
            length => (length, written[symbol]),
        };
        let other = wider(symbol).map(|wider| covers[wider]).min().unwrap_or(Cover::NONE);
        let saved = other.price().saturating_sub(Cover::new(symbol, own).price());
        let saved = count * u64::from(saved);
        // A code of `LONGEST` bits takes 1 / 2048 of the room that all others have.
        if saved > total >> LONGEST {
            savings.push((saved, symbol, own));
        }
    }
    savings.sort_by(|a, b| b.cmp(a));
    *lengths =
        core::array::from_fn(|symbol| if symbol & 0xff == 0xff { lengths[symbol] } else { 0 });
    for (_, symbol, length) in savings.into_iter().take(NAMES - KINDS) {
        lengths[symbol] = length;
    }
}

/// The Huffman code of the symbols that have one and are written.
fn huffman(histogram: &Histogram, lengths: &mut [u8; SYMBOLS]) {
    let mut weights = written(histogram, &covers(lengths));
    full_masks().for_each(|symbol| weights[symbol] = weights[symbol].max(1));
    lengths.copy_from_slice(&huffman::lengths(&weights, LIMIT));
}

/// How often each symbol is written, for itself and for those that it stands in for.
fn written(histogram: &Histogram, covers: &[Cover; SYMBOLS]) -> Histogram {
    let mut written = [0; SYMBOLS];
    for (count, cover) in histogram.iter().zip(covers) {
        written[cover.symbol()] += count;
    }
    written
}

/// Symbols of the same kind with one more byte in their masks.
fn wider(symbol: usize) -> impl Iterator<Item = usize> {
    (0..8).map(move |bit| symbol | 1 << bit).filter(move |wider| *wider != symbol)
}

/// The encoder's rule: of all symbols of the same kind that have a code, and whose mask covers this
/// one's, the cheapest stands in.
fn covers(lengths: &[u8; SYMBOLS]) -> Box<[Cover; SYMBOLS]> {
    let mut covers = Box::new([Cover::NONE; SYMBOLS]);
    for (symbol, length) in lengths.iter().enumerate().filter(|(_, length)| **length > 0) {
        covers[symbol] = Cover::new(symbol, *length);
    }
    // What covers a mask covers it without its byte 0 too, without its byte 1, and so on.
    for bit in (0..8).map(|bit| 1 << bit) {
        for block in covers.chunks_exact_mut(2 * bit) {
            let (without, with) = block.split_at_mut(bit);
            without.iter_mut().zip(with).for_each(|(own, wider)| *own = *wider.min(own));
        }
    }
    covers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequent_symbols_have_codes_and_others_a_cover() {
        let mut histogram = [0; SYMBOLS];
        (histogram[0x100], histogram[0x101], histogram[0x102], histogram[0x1ff]) =
            (500_000, 300_000, 1, 90_000);
        let code = Code::of(&histogram);
        assert_eq!(code.lengths.iter().filter(|len| **len > 0).count(), KINDS + 2);
        assert!(full_masks().all(|symbol| code.lengths[symbol] > 0));
        assert_eq!(code.covers[0x100].symbol(), 0x100);
        assert_eq!(code.covers[0x102].symbol(), 0x1ff);
        assert_eq!(code.covers[0x101].price(), u32::from(code.lengths[0x101]) + 8);
    }

    #[test]
    fn the_alphabet_is_as_large_as_names_allow() {
        let code = Code::of(&[100; SYMBOLS]);
        assert!(code.lengths.iter().filter(|len| **len > 0).count() <= NAMES);
    }
}
