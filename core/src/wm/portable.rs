//! The stages of the word-mask codec in plain Rust: the reference for the other backends.

use super::decode::{self, FIRST, RULES};
use super::state::{FIRST_DISTANCES, FRONT, HALF, Padded, PerWord, State, UNIT, WORDS};
use super::{Chosen, Effort, WORDS_TAG, dense, encode, link};
use crate::compressor::Buffer;
use crate::wm::tables::Tables;
use crate::{Page, Result};

/// Multiplier of all hashes: 2^32 divided by the golden ratio, a prime.
pub(super) const HASH: u64 = 2_654_435_761;

/// See [`super::dispatch::Backend::analyse`].
pub(super) fn analyse(page: &Page, state: &mut State, effort: Effort) -> Chosen {
    state.page.fill(page);
    match effort {
        Effort::Fast => {
            hash_fast(page, state);
            link::fast(state);
            choose::<1>(state)
        }
        Effort::Dense => {
            hash_dense(page, state);
            link::dense(state);
            choose::<2>(state)
        }
    }
}

/// Bits 24 to 31 of the product: as many bits as a table has entries, from where they are mixed
/// best.
#[inline(always)]
fn hash(low: u64) -> u8 {
    ((low & 0xffff_ffff).wrapping_mul(HASH)).to_le_bytes()[3]
}

pub(super) fn hash_fast(page: &Page, state: &mut State) {
    let [hashes, ..] = &mut state.hashes;
    for (word, slot) in page.as_chunks().0.iter().zip(hashes) {
        let word = u64::from_le_bytes(*word);
        // Byte 0 is left out, for it differs between pointers into one region.
        *slot = hash((word >> 8) ^ (word >> 40));
    }
}

pub(super) fn hash_dense(page: &Page, state: &mut State) {
    let [by_word, by_half, upper] = &mut state.hashes;
    let slots = by_word.iter_mut().zip(by_half).zip(upper);
    for (word, ((by_word, by_half), upper)) in page.as_chunks().0.iter().zip(slots) {
        let word = u64::from_le_bytes(*word);
        *by_word = hash((word >> 16) ^ (word >> 48));
        *by_half = hash(word);
        *upper = hash(word >> 32);
    }
}

/// Whether the format can express a distance: whole words up to the page, odd ones up to 513 units.
pub(super) const fn is_distance(units: u16) -> bool {
    units >= 2 && units <= 1024 && (units.is_multiple_of(2) || units <= 513)
}

/// Decides word by word what to refer to; see `docs/FORMAT-WM.md`, "How our encoder chooses".
fn choose<const TABLES: usize>(state: &mut State) -> Chosen {
    // More than half of all words repeat the one at the current distance: all that there is to do
    // for them is done here.
    state.kinds.fill(1);
    state.masks.fill(0);
    let new = [0, HALF].map(|start| {
        let mut half = Half::new(start);
        for at in start..start + HALF {
            let word = state.page.word(at);
            let repeated = word ^ state.page.back(at, half.current);
            if repeated == 0 {
                continue;
            }
            let (repeated, not_zero) = (bytes_set(repeated), bytes_set(word));
            let (by_repeat, by_zero) = (count(repeated), count(not_zero));
            let best = by_repeat.min(by_zero);
            let (mut kind, mut differing) =
                if by_repeat <= by_zero { (1, repeated) } else { (0, not_zero) };
            let (price, offered) = offer::<TABLES>(state, at, word);
            let by_recent = weight(word ^ state.page.back(at, half.recent));
            if by_recent.min(price) < best {
                kind = if by_recent <= price {
                    half.take_recent()
                } else {
                    half.take_new(offered, &mut state.new_distances)
                };
                differing = bytes_set(word ^ state.page.back(at, half.current));
            }
            set(&mut state.kinds, at, kind);
            set(&mut state.masks, at, gather(differing));
        }
        half.new - start
    });
    Chosen { literals: decode::count_bits(&state.masks), new }
}

/// What the words of a half can refer over, in units. The format remembers two distances more; our
/// encoder does not try them.
pub(super) struct Half {
    pub(super) current: u16,
    pub(super) recent: u16,
    /// Where the next byte of the distance stream goes.
    pub(super) new: usize,
}

impl Half {
    #[inline(always)]
    pub(super) const fn new(start: usize) -> Self {
        let [current, recent, ..] = FIRST_DISTANCES;
        Self { current, recent, new: start }
    }

    /// Takes the remembered distance; returns the kind that says so.
    #[inline(always)]
    pub(super) const fn take_recent(&mut self) -> u8 {
        (self.current, self.recent) = (self.recent, self.current);
        5
    }

    /// Takes another distance; returns its kind, and puts its byte into the distance stream.
    #[inline(always)]
    pub(super) fn take_new(&mut self, units: u16, stream: &mut PerWord<u8>) -> u8 {
        (self.current, self.recent) = (units, self.current);
        let (kind, byte) = new_distance(units);
        set(stream, self.new, byte);
        self.new += 1;
        kind
    }
}

/// The distance to the best of what the tables offer, and its price: the bytes that differ, and one
/// for the distance.
#[inline(always)]
fn offer<const TABLES: usize>(state: &State, at: usize, word: u64) -> (u8, u16) {
    let mut best = (u8::MAX, 0);
    for offers in state.offers.iter().take(TABLES) {
        let offer = get(offers, at);
        let units = as_unit(at).wrapping_sub(offer);
        let offered = bytes_at(&state.page.0, FRONT + UNIT * usize::from(offer));
        let price = weight(word ^ offered) + 1;
        // One table alone offers whole words, so all it can offer in vain is the word itself.
        let is_possible = if TABLES == 1 { units > 0 } else { is_distance(units) };
        if is_possible & (price < best.0) {
            best = (price, units);
        }
    }
    best
}

/// Kind and byte of a new distance.
#[inline(always)]
pub(super) const fn new_distance(units: u16) -> (u8, u8) {
    if units.is_multiple_of(2) {
        let [low, high] = (units / 2).wrapping_sub(1).to_le_bytes();
        (2 + (high & 1), low)
    } else {
        (4, (units.wrapping_sub(3) / 2).to_le_bytes()[0])
    }
}

/// See [`super::dispatch::Backend::write`].
pub(super) fn write(
    state: &mut State,
    tables: &Tables,
    chosen: Chosen,
    effort: Effort,
    out: &mut Buffer,
) -> usize {
    let start = encode::symbols(state, tables, chosen, WORDS_TAG, out);
    if effort == Effort::Dense {
        for (mask, code) in state.masks.iter_mut().zip(&state.codes) {
            [_, *mask, ..] = code.to_le_bytes();
        }
        deltas(state);
        let count = decode::count_bits(&state.masks);
        if let Some(end) = dense::write(state, tables, out, start, count) {
            return end;
        }
    }
    literals(state, out, start)
}

/// Writes the bytes of each word that its mask names; returns where they end.
pub(super) fn literals(state: &State, out: &mut Buffer, start: usize) -> usize {
    let mut end = start;
    for (word, code) in words(&state.page).zip(&state.codes) {
        let [_, mask, ..] = code.to_le_bytes();
        let run = Run::lowest(mask);
        put(out, end, run.pack(word));
        end += usize::from(run.count);
    }
    end
}

/// Differences of the masked bytes to their references, and their classes.
pub(super) fn deltas(state: &mut State) {
    let kinds = state.kinds.as_chunks::<HALF>().0.iter();
    let masks = state.masks.as_chunks::<HALF>().0.iter();
    let new = state.new_distances.as_chunks::<HALF>().0.iter();
    let mut words = words(&state.page);
    let (mut place, mut end) = (FRONT, 0);
    for ((kinds, masks), new) in kinds.zip(masks).zip(new) {
        let list = distances(kinds, &mut new.as_slice());
        let mut change = 0;
        for ((kind, mask), word) in kinds.iter().zip(masks).zip(&mut words) {
            change += usize::from(*kind >= 2);
            let back = list.get(change % WORDS).copied().map_or(0, usize::from);
            let reference = bytes_at(&state.page.0, place.wrapping_sub(back)) & refers(*kind);
            let run = Run::lowest(*mask);
            put(&mut state.literals, end, run.pack(sub_bytes(word, reference)));
            put(&mut state.classes, end, classes_of(*mask));
            end += usize::from(run.count);
            place += 8;
        }
    }
}

/// See [`super::dispatch::Backend::read`].
pub(super) fn read(
    state: &mut State,
    tables: &Tables,
    data: &[u8],
    is_dense: bool,
    page: &mut Page,
) -> Result<()> {
    let lanes = decode::lanes(state, tables, data)?;
    decode::unpack(state, tables, lanes.table);
    let parts = decode::parts(state, lanes)?;
    if is_dense {
        classes(state);
        dense::read(state, tables, parts)?;
        restore::<true>(state, parts, page);
    } else {
        if parts.end - parts.literals_start() != parts.literals {
            return Err(super::corrupt("the masks name another number of literals"));
        }
        restore::<false>(state, parts, page);
    }
    Ok(())
}

/// The classes of a word's literals: 0 for byte 0, which is the first one if it is there, else 1.
#[inline(always)]
pub(super) fn classes_of(mask: u8) -> u64 {
    0x0101_0101_0101_0101 ^ u64::from(mask & 1)
}

/// The class of each literal.
pub(super) fn classes(state: &mut State) {
    let mut end = 0;
    for mask in state.masks.iter().take(WORDS) {
        put(&mut state.classes, end, classes_of(*mask));
        end += usize::from(Run::lowest(*mask).count);
    }
}

/// Puts the words together: reference, kept bytes and literals.
fn restore<const DENSE: bool>(state: &State, parts: decode::Parts, page: &mut Page) {
    let mut new = state.input.get(parts.distances..).unwrap_or_default();
    let (literals, mut literal) =
        if DENSE { (&state.literals, 0) } else { (&state.input, parts.literals_start()) };
    let mut place = 0_usize;
    let halves = state.kinds.as_chunks::<HALF>().0.iter().zip(state.masks.as_chunks::<HALF>().0);
    for (kinds, masks) in halves {
        let list = distances(kinds, &mut new);
        let mut change = 0;
        for (kind, mask) in kinds.iter().zip(masks) {
            change += usize::from(*kind >= 2);
            let back = list.get(change % WORDS).copied().map_or(0, usize::from);
            let run = Run::lowest(*mask);
            let (literals, bytes) = run.spread(bytes_at(literals, literal));
            literal += usize::from(run.count);
            let keep = if DENSE { refers(*kind) } else { refers(*kind) & !bytes };
            // From here on each step waits for the one before, as a word's reference is often the
            // word just restored.
            let kept = bytes_at(page, place.wrapping_sub(back)) & keep;
            let word = if DENSE { add_bytes(kept, literals) } else { kept | literals };
            put(page, place, word);
            place += 8;
        }
    }
}

/// The distances of a half in bytes: the first one, and that after each change. There are more
/// entries than changes, so that an index of nine bits always finds one.
pub(super) type Distances = [u16; WORDS];

/// Lists the distances of a half from the kinds of its words. `new` is what is left of the distance
/// stream, before and after.
///
/// Whether a word changes its distance is hard to foresee, and a wrong guess takes longer than the
/// word: nothing here, and nothing where the list is used, branches on it.
pub(super) fn distances(kinds: &[u8; HALF], new: &mut &[u8]) -> Distances {
    let mut changes = [0; HALF];
    let mut len = 0;
    for kind in kinds {
        if let Some(slot) = changes.get_mut(len % HALF) {
            *slot = *kind;
        }
        len += usize::from(*kind >= 2);
    }
    let mut known = FIRST;
    let mut list = [in_bytes(known); WORDS];
    let mut taken = 0;
    for (kind, slot) in changes.iter().take(len).zip(list.iter_mut().skip(1)) {
        let rule = RULES.get(usize::from(*kind % 8)).unwrap_or(&RULES[0]);
        let byte = u64::from(new.get(taken).copied().unwrap_or(0));
        taken += rule.step;
        let distance = ((2 * byte) & rule.new) + rule.base + ((known >> rule.place) & rule.old);
        known = (known & rule.stay) | ((known << 16) & !rule.stay) | distance;
        *slot = in_bytes(known);
    }
    *new = new.get(taken..).unwrap_or_default();
    list
}

/// The current one of four distances: 1024 units at most, 4096 bytes.
#[inline(always)]
fn in_bytes(known: u64) -> u16 {
    let [low, high, ..] = ((known & 0xffff) * UNIT as u64).to_le_bytes();
    u16::from_le_bytes([low, high])
}

/// The lowest run of set bits of a mask, which is all of it in most words.
#[derive(Clone, Copy)]
pub(super) struct Run {
    /// Those bytes of a word that the run names.
    bytes: u64,
    /// How many bits of a word are below them.
    shift: u8,
    /// How many bits they are.
    len: u8,
    /// How many bytes the mask names.
    pub(super) count: u8,
    /// The mask without the run.
    rest: u8,
}

impl Run {
    const NONE: Self = Self { bytes: 0, shift: 0, len: 0, count: 0, rest: 0 };

    #[inline(always)]
    pub(super) fn lowest(mask: u8) -> Self {
        #[expect(clippy::indexing_slicing, reason = "the compiler evaluates it")]
        static RUNS: [Run; 256] = {
            let mut runs = [Run::NONE; 256];
            let mut mask = 1_u8;
            loop {
                let first = mask.trailing_zeros();
                let bits = (mask >> first).trailing_ones();
                let bytes = u64::MAX >> (64 - 8 * bits) << (8 * first);
                runs[mask as usize] = Run {
                    bytes,
                    shift: (8 * first).to_le_bytes()[0],
                    len: (8 * bits).to_le_bytes()[0],
                    count: mask.count_ones().to_le_bytes()[0],
                    rest: mask & mask.wrapping_add(1 << first),
                };
                if mask == u8::MAX {
                    break runs;
                }
                mask += 1;
            }
        };
        RUNS.get(usize::from(mask)).copied().unwrap_or(Self::NONE)
    }

    /// The bytes of the mask, moved together.
    #[inline(always)]
    fn pack(self, word: u64) -> u64 {
        let mut packed = (word & self.bytes) >> self.shift;
        let (mut run, mut len) = (self, 0);
        while run.rest != 0 {
            len += run.len;
            run = Self::lowest(run.rest);
            packed |= (word & run.bytes) >> run.shift << len;
        }
        packed
    }

    /// The lowest of `bytes`, moved to the places that the mask names, and those places.
    #[inline(always)]
    fn spread(self, packed: u64) -> (u64, u64) {
        let mut spread = packed << self.shift & self.bytes;
        let (mut run, mut bytes, mut packed) = (self, self.bytes, packed);
        while run.rest != 0 {
            packed >>= run.len;
            run = Self::lowest(run.rest);
            spread |= packed << run.shift & run.bytes;
            bytes |= run.bytes;
        }
        (spread, bytes)
    }
}

/// All bits for the kinds that refer to a word, none for the kind that refers to zero.
#[inline(always)]
pub(super) fn refers(kind: u8) -> u64 {
    u64::from(kind == 0).wrapping_sub(1)
}

/// The words of the page.
#[inline(always)]
pub(super) fn words(page: &Padded) -> impl Iterator<Item = u64> {
    let words = page.0.as_chunks::<8>().0.iter().skip(FRONT / 8).take(WORDS);
    words.map(|bytes| u64::from_le_bytes(*bytes))
}

/// Eight bytes; zeros where there are none.
#[inline(always)]
pub(super) fn bytes_at(list: &[u8], at: usize) -> u64 {
    let bytes = list.get(at..).and_then(|rest| rest.first_chunk());
    bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// Stores eight bytes where there is room.
#[inline(always)]
pub(super) fn put(list: &mut [u8], at: usize, word: u64) {
    if let Some(slot) = list.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
        *slot = word.to_le_bytes();
    }
}

#[inline(always)]
pub(super) fn get<T: Copy + Default>(list: &PerWord<T>, at: usize) -> T {
    list.get(at).copied().unwrap_or_default()
}

#[inline(always)]
pub(super) fn set<T>(list: &mut PerWord<T>, at: usize, value: T) {
    if let Some(slot) = list.get_mut(at) {
        *slot = value;
    }
}

/// A position in units.
#[inline(always)]
pub(super) fn as_unit(at: usize) -> u16 {
    let [low, high, ..] = (2 * at).to_le_bytes();
    u16::from_le_bytes([low, high])
}

/// The high bit of each byte.
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Adds byte by byte.
#[inline(always)]
const fn add_bytes(a: u64, b: u64) -> u64 {
    ((a & !HIGH) + (b & !HIGH)) ^ ((a ^ b) & HIGH)
}

/// Subtracts byte by byte.
#[inline(always)]
const fn sub_bytes(a: u64, b: u64) -> u64 {
    ((a | HIGH) - (b & !HIGH)) ^ ((a ^ !b) & HIGH)
}

/// The high bit of each byte that is not zero.
#[inline(always)]
pub(super) const fn bytes_set(word: u64) -> u64 {
    (((word & !HIGH) + !HIGH) | word) & HIGH
}

/// How many of the bits that [`bytes_set`] returns are set.
#[inline(always)]
fn count(bytes_set: u64) -> u8 {
    (bytes_set >> 7).wrapping_mul(0x0101_0101_0101_0101).to_le_bytes()[7]
}

/// How many bytes are not zero.
#[inline(always)]
pub(super) fn weight(word: u64) -> u8 {
    count(bytes_set(word))
}

/// The bits that [`bytes_set`] returns, side by side: bit b for byte b.
#[inline(always)]
pub(super) fn gather(bytes_set: u64) -> u8 {
    (bytes_set >> 7).wrapping_mul(0x0102_0408_1020_4080).to_le_bytes()[7]
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    const WORD: [u8; 8] = [0x10, 0x80, 0xff, 0x01, 0x7f, 0x81, 0xfe, 0x02];

    fn bits(mask: u8) -> Vec<usize> {
        (0..8).filter(|bit| mask >> bit & 1 == 1).collect()
    }

    #[test]
    fn every_mask_packs_and_spreads() {
        for mask in 0..=u8::MAX {
            let run = Run::lowest(mask);
            let places = bits(mask);
            assert_eq!(usize::from(run.count), places.len());
            let packed = run.pack(u64::from_le_bytes(WORD)).to_le_bytes();
            let named: Vec<u8> = places.iter().map(|bit| WORD[*bit]).collect();
            assert_eq!(packed[..places.len()], named, "{mask:#b}");
            let (mut spread, mut bytes) = ([0; 8], [0; 8]);
            for (bit, byte) in places.iter().zip(WORD) {
                (spread[*bit], bytes[*bit]) = (byte, 0xff);
            }
            let expected = (u64::from_le_bytes(spread), u64::from_le_bytes(bytes));
            assert_eq!(run.spread(u64::from_le_bytes(WORD)), expected, "{mask:#b}");
            let classes: Vec<u8> = places.iter().map(|bit| u8::from(*bit > 0)).collect();
            assert_eq!(classes_of(mask).to_le_bytes()[..places.len()], classes, "{mask:#b}");
        }
    }

    #[test]
    fn bytes_are_counted_added_and_subtracted_apart() {
        for mask in 0..=u8::MAX {
            let mut bytes = [0; 8];
            for (bit, byte) in bits(mask).into_iter().zip([0x80, 1, 0xff, 0x7f, 2, 0x81, 3, 4]) {
                bytes[bit] = byte;
            }
            let word = u64::from_le_bytes(bytes);
            assert_eq!(
                (u32::from(weight(word)), gather(bytes_set(word))),
                (mask.count_ones(), mask)
            );
            let pairs = || bytes.into_iter().zip(WORD);
            let sums: Vec<u8> = pairs().map(|(a, b)| a.wrapping_add(b)).collect();
            let differences: Vec<u8> = pairs().map(|(a, b)| a.wrapping_sub(b)).collect();
            let other = u64::from_le_bytes(WORD);
            assert_eq!(add_bytes(word, other).to_le_bytes()[..], sums);
            assert_eq!(sub_bytes(word, other).to_le_bytes()[..], differences);
        }
    }

    #[test]
    fn distances_are_taken_and_remembered() {
        let mut kinds = [1; HALF];
        kinds[1..12].copy_from_slice(&[5, 0, 2, 1, 3, 4, 7, 6, 5, 2, 7]);
        let bytes = [0, 255, 9, 7, 99];
        let mut stream = &bytes[..];
        let list = distances(&kinds, &mut stream);
        // In units; the first ones are 2, then 4, 8 and 16.
        let expected = [2, 4, 2, 1024, 21, 4, 1024, 4, 16, 21];
        assert_eq!(list[..10], expected.map(|units| 4 * units));
        assert_eq!(stream, [99]);
        // A stream that has come to its end gives zeros.
        let list = distances(&[3; HALF], &mut &[][..]);
        assert_eq!(list[1..=HALF], [4 * 514; HALF]);
    }
}
