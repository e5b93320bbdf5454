//! The static Huffman tables of the word-mask format, expanded for encoder and decoder.
//!
//! A table file holds code lengths only, four bits each; codes are canonical. See
//! `docs/FORMAT-WM.md`, "Tables".

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use crate::{Error, Result};

/// How many symbol tables a page can choose from.
pub const TABLES: usize = 8;
/// Kinds of references, times masks of eight bits.
pub const SYMBOLS: usize = 8 * 256;
/// Literal deltas have one table for byte 0 of a word and one for all others.
pub const CLASSES: usize = 2;
/// The longest code, in bits, of either sort.
pub const LONGEST: usize = 11;
/// Entries of a decoding table: one for each value of the next [`LONGEST`] bits.
pub(crate) const WINDOW: usize = 1 << LONGEST;

const MAGIC: [u8; 4] = *b"WMT1";
const SYMBOL_BYTES: usize = SYMBOLS / 2;
const CLASS_BYTES: usize = 256 / 2;
/// The size of a table file in bytes.
pub const FILE_SIZE: usize = MAGIC.len() + TABLES * SYMBOL_BYTES + CLASSES * CLASS_BYTES;

/// What the encoder writes for a symbol: `len | mask << 8 | code << 16`, the first bit of the code
/// lowest. The mask is the one that the code stands for: the symbol's own, or the cheapest one that
/// covers it.
pub(crate) type Code = u32;

/// What the decoder finds for the next bits: `len | name << 8`.
pub(crate) type Decoded = u16;

/// How many symbols of a table have a code, at most: a byte names them in the decoder, whose tables
/// are small for that and stay in the first cache.
pub const NAMES: usize = 256;

/// One number of sixteen bits for each table, four of them in a word, so that two additions sum all.
pub(crate) type Costs = [u64; TABLES / 4];

/// The tables of the word-mask format, ready for use: 142 KiB.
///
/// In parts, each small enough to be made on the stack of any thread.
#[derive(Clone)]
pub struct Tables {
    symbols: [Box<SymbolTable>; TABLES],
    /// Bits that each table takes for each symbol, literals included: sixteen bits for each table.
    pub(crate) cost: Box<[Costs]>,
    /// `len | code << 16`, indexed by `delta | class << 8`.
    pub(crate) literal_encode: [u32; 256 * CLASSES],
    /// `len | delta << 8`.
    pub(crate) literal_decode: [[u16; WINDOW]; CLASSES],
}

/// One of the tables that a page can choose from.
#[derive(Clone)]
#[repr(align(64))]
pub(crate) struct SymbolTable {
    pub(crate) encode: [Code; SYMBOLS],
    pub(crate) decode: [Decoded; WINDOW],
    /// Mask and kind of each name.
    pub(crate) masks: [u8; NAMES],
    pub(crate) kinds: [u8; NAMES],
}

impl core::fmt::Debug for Tables {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Tables").finish_non_exhaustive()
    }
}

impl Tables {
    /// The tables that this release writes pages with (version 1).
    #[must_use]
    pub fn shipped() -> Arc<Self> {
        let expand =
            || Self::from_bytes(include_bytes!("tables/v1.wmt")).unwrap_or_else(|_| Self::flat());
        #[cfg(feature = "std")]
        {
            static SHIPPED: std::sync::OnceLock<Arc<Tables>> = std::sync::OnceLock::new();
            SHIPPED.get_or_init(|| Arc::new(expand())).clone()
        }
        #[cfg(not(feature = "std"))]
        Arc::new(expand())
    }

    /// Expands a table file of [`FILE_SIZE`] bytes.
    ///
    /// Pages can be read back only with the tables that they were written with, so tables of one's
    /// own are for measurements.
    ///
    /// # Errors
    ///
    /// The bytes are not a table file, a code is not complete (every sequence of bits must begin
    /// with exactly one code), or a kind of reference lacks the full mask.
    pub fn from_bytes(file: &[u8]) -> Result<Self> {
        let wrong = |what| Error::Dictionary { what };
        let body = file.strip_prefix(&MAGIC).ok_or(wrong("not a file of word-mask tables"))?;
        if file.len() != FILE_SIZE {
            return Err(wrong("a file of word-mask tables has another size"));
        }
        let (symbols, literals) = body.split_at(TABLES * SYMBOL_BYTES);
        let mut tables = Self::empty();
        for (table, packed) in symbols.chunks_exact(SYMBOL_BYTES).enumerate() {
            let lens = unpack(packed);
            let codes = canonical(&lens).ok_or(wrong("a symbol code is not complete"))?;
            if lens.iter().skip(0xff).step_by(0x100).any(|len| *len == 0) {
                return Err(wrong("a symbol table lacks a full mask"));
            }
            if lens.iter().filter(|len| **len > 0).count() > NAMES {
                return Err(wrong("a symbol table has more than 256 codes"));
            }
            tables.set_symbols(table, &lens, &codes);
        }
        for (class, packed) in literals.chunks_exact(CLASS_BYTES).enumerate() {
            let lens = unpack(packed);
            let codes = canonical(&lens).ok_or(wrong("a literal code is not complete"))?;
            if lens.contains(&0) {
                return Err(wrong("a literal has no code"));
            }
            tables.set_literals(class, &lens, &codes);
        }
        Ok(tables)
    }

    /// The bytes of a table file with these code lengths: `symbols` of [`SYMBOLS`] each, `literals`
    /// of 256 each. Whether they make complete codes is for [`from_bytes`](Self::from_bytes) to say.
    #[must_use]
    pub fn file(symbols: &[[u8; SYMBOLS]; TABLES], literals: &[[u8; 256]; CLASSES]) -> Vec<u8> {
        let all = symbols.as_flattened().iter().chain(literals.as_flattened());
        let all: Vec<u8> = all.copied().collect();
        let pairs = all.as_chunks::<2>().0.iter().map(|[low, high]| (low & 15) | (high << 4));
        MAGIC.into_iter().chain(pairs).collect()
    }

    /// The table with this number, of which three bits count.
    #[inline(always)]
    pub(crate) fn symbols(&self, number: usize) -> &SymbolTable {
        let [first, ..] = &self.symbols;
        self.symbols.get(number % TABLES).unwrap_or(first)
    }

    fn empty() -> Self {
        Self {
            symbols: core::array::from_fn(|_| Box::new(SymbolTable::EMPTY)),
            cost: vec![Costs::default(); SYMBOLS].into_boxed_slice(),
            literal_encode: [0; 256 * CLASSES],
            literal_decode: [[0; WINDOW]; CLASSES],
        }
    }

    /// A full mask of every kind in three bits, every literal in eight.
    fn flat() -> Self {
        let mut tables = Self::empty();
        let (symbols, literals) = (full_masks_only(), [8; 256]);
        for table in 0..TABLES {
            tables.set_symbols(table, &symbols, &canonical(&symbols).unwrap_or_default());
        }
        for class in 0..CLASSES {
            tables.set_literals(class, &literals, &canonical(&literals).unwrap_or_default());
        }
        tables
    }

    fn set_symbols(&mut self, number: usize, lens: &[u8], codes: &[u16]) {
        let stand_ins = stand_ins(lens);
        for (costs, stand_in) in self.cost.iter_mut().zip(&stand_ins) {
            if let Some(four) = costs.get_mut(number / 4) {
                *four |= u64::from(price(lens, usize::from(*stand_in))) << (16 * (number % 4));
            }
        }
        if let Some(table) = self.symbols.get_mut(number) {
            table.set(lens, codes, &stand_ins);
        }
    }

    fn set_literals(&mut self, class: usize, lens: &[u8], codes: &[u16]) {
        if let Some(encode) = self.literal_encode.chunks_exact_mut(256).nth(class) {
            for ((slot, len), code) in encode.iter_mut().zip(lens).zip(codes) {
                *slot = u32::from(*len) | u32::from(*code) << 16;
            }
        }
        if let Some(decode) = self.literal_decode.get_mut(class) {
            spread(lens, codes, |at, delta, len| {
                if let Some(entry) = decode.get_mut(at) {
                    *entry = u16::from(len) | delta << 8;
                }
            });
        }
    }
}

impl SymbolTable {
    const EMPTY: Self =
        Self { encode: [0; SYMBOLS], decode: [0; WINDOW], masks: [0; NAMES], kinds: [0; NAMES] };

    fn set(&mut self, lens: &[u8], codes: &[u16], stand_ins: &[u16]) {
        for (slot, stand_in) in self.encode.iter_mut().zip(stand_ins) {
            let at = usize::from(*stand_in);
            let bits = codes.get(at).copied().unwrap_or(0);
            let len = lens.get(at).copied().unwrap_or(0);
            let [mask, _] = stand_in.to_le_bytes();
            *slot = u32::from(len) | u32::from(mask) << 8 | u32::from(bits) << 16;
        }
        let named: Vec<u16> =
            (0_u16..).zip(lens).filter(|(_, len)| **len > 0).map(|(symbol, _)| symbol).collect();
        for ((mask, kind), symbol) in self.masks.iter_mut().zip(&mut self.kinds).zip(&named) {
            [*mask, *kind] = symbol.to_le_bytes();
        }
        spread(lens, codes, |at, symbol, len| {
            let name = named.binary_search(&symbol).unwrap_or(0);
            if let Some(entry) = self.decode.get_mut(at) {
                *entry = u16::from(len) | u16::from(name.to_le_bytes()[0]) << 8;
            }
        });
    }
}

/// The least that a symbol table can have.
fn full_masks_only() -> [u8; SYMBOLS] {
    let mut lens = [0; SYMBOLS];
    lens.iter_mut().skip(0xff).step_by(0x100).for_each(|len| *len = 3);
    lens
}

fn unpack(packed: &[u8]) -> Vec<u8> {
    packed.iter().flat_map(|byte| [byte & 15, byte >> 4]).collect()
}

/// The canonical code of these lengths, shorter codes first and equal lengths in order of their
/// symbols, each with its first bit lowest; `None` if the code is not complete.
fn canonical(lens: &[u8]) -> Option<Vec<u16>> {
    let mut codes = vec![0; lens.len()];
    let mut next = 0_u32;
    for len in 1..=LONGEST {
        for (code, _) in codes.iter_mut().zip(lens).filter(|(_, own)| usize::from(**own) == len) {
            let reversed = next.reverse_bits() >> (u32::BITS as usize - len);
            *code = u16::try_from(reversed).ok()?;
            next += 1;
        }
        next = if len == LONGEST { next } else { next.checked_mul(2)? };
        if next > 1 << (len + 1).min(LONGEST) {
            return None;
        }
    }
    let within = lens.iter().all(|len| usize::from(*len) <= LONGEST);
    (within && next == 1 << LONGEST).then_some(codes)
}

/// Calls `set(window, symbol, len)` for every value of the next [`LONGEST`] bits.
fn spread(lens: &[u8], codes: &[u16], mut set: impl FnMut(usize, u16, u8)) {
    for ((symbol, len), code) in (0_u16..).zip(lens).zip(codes).filter(|((_, len), _)| **len > 0) {
        for at in (usize::from(*code)..WINDOW).step_by(1 << *len) {
            set(at, symbol, *len);
        }
    }
}

/// Bits that a coded symbol takes, literals included.
fn price(lens: &[u8], symbol: usize) -> u16 {
    let literals = u16::try_from((symbol & 0xff).count_ones()).unwrap_or(0);
    u16::from(lens.get(symbol).copied().unwrap_or(0)) + 8 * literals
}

/// For every symbol the coded one that is written in its place: of the same kind, with a mask that
/// covers its mask, at the least price.
///
/// Rare masks have no code of their own. A mask that covers them costs some literals that would not
/// have been needed, and saves an escape and the branch that reads it.
fn stand_ins(lens: &[u8]) -> Vec<u16> {
    let mut best: Vec<u16> = (0_u16..).zip(lens).map(|(symbol, _)| symbol | 0xff).collect();
    for symbol in (0..lens.len()).rev() {
        let is_coded = lens.get(symbol).is_some_and(|len| *len > 0);
        let own = is_coded.then_some(symbol);
        // The covers of a mask are itself and the covers of every mask with one bit more.
        let wider = (0..8).map(|bit| symbol | 1 << bit).filter(|wider| *wider != symbol);
        let covers = wider.filter_map(|wider| best.get(wider).copied()).map(usize::from);
        let choice = own.into_iter().chain(covers).min_by_key(|cover| price(lens, *cover));
        if let (Some(slot), Some(choice)) = (best.get_mut(symbol), choice) {
            *slot = u16::try_from(choice).unwrap_or(*slot);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is enough without optimisation; with it, half of that is.
    const STACK: usize = 256 << 10;

    #[test]
    fn only_complete_codes_are_taken() {
        assert_eq!(canonical(&[1, 2, 2]), Some(vec![0, 1, 3]));
        assert_eq!(canonical(&[2, 1, 0, 2]), Some(vec![1, 0, 0, 3]));
        for wrong in [&[1, 1, 1][..], &[1, 2], &[], &[12, 1], &[0, 0]] {
            assert_eq!(canonical(wrong), None, "{wrong:?}");
        }
        assert_eq!(canonical(&[11; SYMBOLS]).map(|codes| codes.len()), Some(SYMBOLS));
    }

    #[test]
    fn a_stand_in_covers_and_is_the_cheapest() {
        let mut lens = [0; 256];
        (lens[0xff], lens[0x0f], lens[0x03]) = (2, 2, 1);
        let best = stand_ins(&lens);
        assert_eq!((best[0x01], best[0x03], best[0x04], best[0x10]), (0x03, 0x03, 0x0f, 0xff));
    }

    /// 142 KiB in one piece would need two or three times as much stack, depending on the compiler.
    #[test]
    fn small_stacks_are_enough() {
        let codecs = || {
            for algorithm in [crate::Algorithm::Wm, crate::Algorithm::WmHc] {
                let tables = Tables::from_bytes(include_bytes!("tables/v1.wmt")).unwrap();
                let builder = crate::CompressorBuilder::new().algorithm(algorithm);
                let codec = builder.tables(Arc::new(tables)).build().unwrap();
                let compressed = codec.compress(&[7; crate::PAGE_SIZE]).unwrap();
                assert_eq!(codec.decompress(&compressed), Ok([7; crate::PAGE_SIZE]));
            }
        };
        let thread = std::thread::Builder::new().stack_size(STACK);
        thread.spawn(codecs).unwrap().join().unwrap();
    }

    #[test]
    fn a_table_file_is_read_back() {
        let shipped = include_bytes!("tables/v1.wmt");
        assert!(Tables::from_bytes(shipped).is_ok());
        let file = Tables::file(&[full_masks_only(); TABLES], &[[8; 256]; CLASSES]);
        assert_eq!(file.len(), FILE_SIZE);
        assert!(Tables::from_bytes(&file).is_ok());
        for at in [0, 3 + 256 / 2, FILE_SIZE - 1] {
            let mut damaged = file.clone();
            damaged[at] ^= 1;
            assert!(Tables::from_bytes(&damaged).is_err(), "byte {at}");
        }
        assert!(Tables::from_bytes(&file[1..]).is_err());
        assert!(Tables::from_bytes(&[]).is_err());
        let many = Tables::file(&[[11; SYMBOLS]; TABLES], &[[8; 256]; CLASSES]);
        assert!(Tables::from_bytes(&many).is_err(), "more names than a byte has");
    }
}
