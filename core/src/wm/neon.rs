//! The stages of the word-mask codec with NEON: two words in a register.
//!
//! NEON counts and gathers bits of sixteen words in a tree of pairwise additions, and packs and
//! spreads the bytes of a word by a table lookup. Hashes are left to the compiler, which has NEON
//! for plain Rust too; what looks up one thing after the other is left to the portable stages.
#![expect(unsafe_code, reason = "loads and stores of vectors; each takes a reference to an array")]

use core::arch::aarch64::*;

use super::portable::{self, Half, Run};
use super::state::{FRONT, HALF, PerWord, State, UNIT, WORDS};
use super::tables::Tables;
use super::{Chosen, Effort, WORDS_TAG, corrupt, decode, dense, encode, link};
use crate::compressor::Buffer;
use crate::{Page, Result};

/// Words that are looked at together.
const STEP: usize = 16;
/// Those words, two in a register.
type Words = [uint8x16_t; STEP / 2];

macro_rules! neon {
    ($($(#[$doc:meta])* $visibility:vis fn $name:ident $(<const $generic:ident: $of:ty>)?
        ($($argument:tt)*) $(-> $result:ty)? $body:block)*) => {
        $($(#[$doc])*
        #[target_feature(enable = "neon")]
        $visibility fn $name $(<const $generic: $of>)? ($($argument)*) $(-> $result)? $body)*
    };
}

neon! {

/// See [`super::dispatch::Backend::analyse`].
pub(super) fn analyse(page: &Page, state: &mut State, effort: Effort) -> Chosen {
    state.page.fill(page);
    match effort {
        Effort::Fast => {
            portable::hash_fast(page, state);
            link::fast(state);
            score::<1>(state);
            choose(state)
        }
        Effort::Dense => {
            portable::hash_dense(page, state);
            link::dense(state);
            score::<2>(state);
            choose(state)
        }
    }
}

/// Compares each word with what the tables offer.
fn score<const TABLES: usize>(state: &mut State) {
    for at in (0..WORDS).step_by(STEP) {
        let words = load_words(state, at, 0);
        let mut price = vdupq_n_u8(u8::MAX);
        let mut distances = [vdupq_n_u16(0); 2];
        for table in 0..TABLES {
            let (units, is_distance) = distances_to(state, table, at);
            let differing = nonzero(differences(words, offered(state, table, at)));
            let differing = vaddq_u8(counts(differing), vdupq_n_u8(1));
            // What cannot be has the highest price.
            let differing = vornq_u8(differing, is_distance);
            let is_better = vcltq_u8(differing, price);
            price = vminq_u8(price, differing);
            let low = vreinterpretq_u16_u8(vzip1q_u8(is_better, is_better));
            let high = vreinterpretq_u16_u8(vzip2q_u8(is_better, is_better));
            distances = [
                vbslq_u16(low, units[0], distances[0]),
                vbslq_u16(high, units[1], distances[1]),
            ];
        }
        store16(&mut state.price, at, price);
        store16x16(&mut state.distances, at, distances);
    }
}

/// The distances of sixteen words to what a table offers, in units, and which of them the format
/// has; see [`portable::is_distance`].
#[inline]
fn distances_to(state: &State, table: usize, at: usize) -> ([uint16x8_t; 2], uint8x16_t) {
    let offers = state.offers.get(table);
    let offers = offers.map_or([vdupq_n_u16(0); 2], |offers| load16x16(offers, at));
    let first = vdupq_n_u16(portable::as_unit(at));
    let low = load8x16(&[0, 2, 4, 6, 8, 10, 12, 14]);
    let high = vaddq_u16(low, vdupq_n_u16(16));
    let units = [
        vsubq_u16(vaddq_u16(first, low), offers[0]),
        vsubq_u16(vaddq_u16(first, high), offers[1]),
    ];
    let [low, high] = [is_distance(units[0]), is_distance(units[1])];
    (units, vuzp1q_u8(vreinterpretq_u8_u16(low), vreinterpretq_u8_u16(high)))
}

/// Like [`portable::is_distance`]: an offer is never after its word, and only the first word is
/// offered to itself.
#[inline]
fn is_distance(units: uint16x8_t) -> uint16x8_t {
    let is_odd = vtstq_u16(units, vdupq_n_u16(1));
    let is_far = vcgtq_u16(units, vdupq_n_u16(513));
    vbicq_u16(vtstq_u16(units, units), vandq_u16(is_odd, is_far))
}

/// What a table offers to sixteen words.
#[inline]
fn offered(state: &State, table: usize, at: usize) -> Words {
    let offers = state.offers.get(table).and_then(|list| list.get(at..)?.first_chunk::<STEP>());
    let word = |offer: u16| {
        let place = FRONT + UNIT * usize::from(offer);
        vcreate_u8(portable::bytes_at(&state.page.0, place))
    };
    let mut words = [vdupq_n_u8(0); STEP / 2];
    for (pair, offers) in words.iter_mut().zip(offers.unwrap_or(&[0; STEP]).as_chunks::<2>().0) {
        *pair = vcombine_u8(word(offers[0]), word(offers[1]));
    }
    words
}

/// Decides sixteen words at a time what to refer to, up to the first one that takes another
/// distance; see [`portable::choose`].
fn choose(state: &mut State) -> Chosen {
    let new = [0, HALF].map(|start| {
        let end = start + HALF;
        let mut half = Half::new(start);
        let mut at = start;
        while at < end {
            let changes = settle(state, at, &half);
            // Four bits a word.
            let own = (changes.trailing_zeros() / 4) as usize;
            at += own;
            if own < STEP && at < end {
                change(state, at, &mut half);
                at += 1;
            }
        }
        half.new - start
    });
    Chosen { literals: decode::count_bits(&state.masks), new }
}

/// Writes the kinds and masks that sixteen words have if none of them takes another distance;
/// returns four bits for each of them, set if it should. What comes after the first such word, or
/// belongs to the other half, is to be written again.
#[inline]
fn settle(state: &mut State, at: usize, half: &Half) -> u64 {
    let words = load_words(state, at, 0);
    let repeated = nonzero(differences(words, load_words(state, at, half.current)));
    let not_zero = nonzero(words);
    let (by_repeat, by_zero) = (counts(repeated), counts(not_zero));
    let is_zero = vcltq_u8(by_zero, by_repeat);
    let kinds = vbicq_u8(vdupq_n_u8(1), is_zero);
    let masks = vbslq_u8(is_zero, gather(not_zero), gather(repeated));
    store16(&mut state.kinds, at, kinds);
    store16(&mut state.masks, at, masks);
    let recent = load_words(state, at, half.recent);
    let other = vminq_u8(load16(&state.price, at), counts(nonzero(differences(words, recent))));
    let changes = vcltq_u8(other, vminq_u8(by_repeat, by_zero));
    let nibbles = vshrn_n_u16::<4>(vreinterpretq_u16_u8(changes));
    vget_lane_u64::<0>(vreinterpret_u64_u8(nibbles))
}

/// Takes another distance for a word.
#[inline]
fn change(state: &mut State, at: usize, half: &mut Half) {
    let word = state.page.word(at);
    let by_recent = portable::weight(word ^ state.page.back(at, half.recent));
    let kind = if by_recent <= portable::get(&state.price, at) {
        half.take_recent()
    } else {
        half.take_new(portable::get(&state.distances, at), &mut state.new_distances)
    };
    portable::set(&mut state.kinds, at, kind);
    let differing = portable::bytes_set(word ^ state.page.back(at, half.current));
    portable::set(&mut state.masks, at, portable::gather(differing));
}

/// Sixteen words from `units` before word `at` on.
#[inline]
fn load_words(state: &State, at: usize, units: u16) -> Words {
    let from = (FRONT + 8 * at).wrapping_sub(UNIT * usize::from(units));
    // At word 511 this ends 120 bytes after the page, where zeros are.
    let bytes = state.page.0.get(from..).and_then(|rest| rest.first_chunk::<{ 8 * STEP }>());
    let mut words = [vdupq_n_u8(0); STEP / 2];
    for (pair, bytes) in words.iter_mut().zip(bytes.unwrap_or(&[0; 8 * STEP]).as_chunks().0) {
        *pair = load(bytes);
    }
    words
}

#[inline]
fn differences(words: Words, others: Words) -> Words {
    let mut pairs = words;
    for (pair, other) in pairs.iter_mut().zip(others) {
        *pair = veorq_u8(*pair, other);
    }
    pairs
}

/// All bits of each byte that is not zero.
#[inline]
fn nonzero(words: Words) -> Words {
    let mut pairs = words;
    for pair in &mut pairs {
        *pair = vtstq_u8(*pair, *pair);
    }
    pairs
}

/// How many bytes of each word [`nonzero`] has set.
#[inline]
fn counts(nonzero: Words) -> uint8x16_t {
    // The sum of eight times 0 or -1.
    let negative = vreinterpretq_s8_u8(sums(nonzero));
    vreinterpretq_u8_s8(vnegq_s8(negative))
}

/// Bit b for each byte b of each word that [`nonzero`] has set.
#[inline]
fn gather(nonzero: Words) -> uint8x16_t {
    let bits = load(&[1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128]);
    let mut pairs = nonzero;
    for pair in &mut pairs {
        *pair = vandq_u8(*pair, bits);
    }
    sums(pairs)
}

/// The sum of each word's bytes.
#[inline]
fn sums(words: Words) -> uint8x16_t {
    let [a, b, c, d, e, f, g, h] = words;
    let [ab, cd, ef, gh] =
        [vpaddq_u8(a, b), vpaddq_u8(c, d), vpaddq_u8(e, f), vpaddq_u8(g, h)];
    vpaddq_u8(vpaddq_u8(ab, cd), vpaddq_u8(ef, gh))
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
        let count = deltas(state);
        if let Some(end) = dense::write(state, tables, out, start, count) {
            return end;
        }
    }
    literals(state, out, start)
}

/// See [`portable::literals`].
fn literals(state: &State, out: &mut Buffer, start: usize) -> usize {
    let mut end = start;
    for (word, code) in portable::words(&state.page).zip(&state.codes) {
        let [_, mask, ..] = code.to_le_bytes();
        store8(out, end, pack(vcreate_u8(word), mask));
        end += usize::from(Run::lowest(mask).count);
    }
    end
}

/// See [`portable::deltas`]; returns how many there are.
fn deltas(state: &mut State) -> usize {
    let kinds = state.kinds.as_chunks::<HALF>().0.iter();
    let masks = state.masks.as_chunks::<HALF>().0.iter();
    let new = state.new_distances.as_chunks::<HALF>().0.iter();
    let mut words = portable::words(&state.page);
    let (mut place, mut end) = (FRONT, 0);
    for ((kinds, masks), new) in kinds.zip(masks).zip(new) {
        let list = portable::distances(kinds, &mut new.as_slice());
        let mut change = 0;
        for ((kind, mask), word) in kinds.iter().zip(masks).zip(&mut words) {
            change += usize::from(*kind >= 2);
            let back = list.get(change % WORDS).copied().map_or(0, usize::from);
            let reference = portable::bytes_at(&state.page.0, place.wrapping_sub(back));
            let reference = reference & portable::refers(*kind);
            let differences = vsub_u8(vcreate_u8(word), vcreate_u8(reference));
            store8(&mut state.literals, end, pack(differences, *mask));
            portable::put(&mut state.classes, end, portable::classes_of(*mask));
            end += usize::from(Run::lowest(*mask).count);
            place += 8;
        }
    }
    end
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
        portable::classes(state);
        dense::read(state, tables, parts)?;
        restore::<true>(state, parts, page);
    } else {
        if parts.end - parts.literals_start() != parts.literals {
            return Err(corrupt("the masks name another number of literals"));
        }
        restore::<false>(state, parts, page);
    }
    Ok(())
}

/// See [`portable::restore`].
fn restore<const DENSE: bool>(state: &State, parts: decode::Parts, page: &mut Page) {
    let mut new = state.input.get(parts.distances..).unwrap_or_default();
    let (literals, mut literal) =
        if DENSE { (&state.literals, 0) } else { (&state.input, parts.literals_start()) };
    let mut place = 0_usize;
    let halves = state.kinds.as_chunks::<HALF>().0.iter().zip(state.masks.as_chunks::<HALF>().0);
    for (kinds, masks) in halves {
        let list = portable::distances(kinds, &mut new);
        let mut change = 0;
        for (kind, mask) in kinds.iter().zip(masks) {
            change += usize::from(*kind >= 2);
            let back = list.get(change % WORDS).copied().map_or(0, usize::from);
            let packed = vcreate_u8(portable::bytes_at(literals, literal));
            let packed = vcombine_u8(packed, vdup_n_u8(0));
            literal += usize::from(Run::lowest(*mask).count);
            let places = load8(SPREAD.get(usize::from(*mask)).unwrap_or(&NOWHERE));
            // From here on each step waits for the one before, as a word's reference is often the
            // word just restored: it stays in a vector register.
            let bytes = page.get(place.wrapping_sub(back)..).and_then(|rest| rest.first_chunk());
            let reference = load8(bytes.unwrap_or(&[0; 8]));
            let reference = vand_u8(reference, vcreate_u8(portable::refers(*kind)));
            let word = if DENSE {
                vadd_u8(reference, vqtbl1_u8(packed, places))
            } else {
                // A byte that has no place among the literals stays as it is.
                vqtbx1_u8(reference, packed, places)
            };
            store8(page, place, word);
            place += 8;
        }
    }
}

/// The bytes of a word that a mask names, side by side.
#[inline]
fn pack(word: uint8x8_t, mask: u8) -> uint8x8_t {
    let word = vcombine_u8(word, vdup_n_u8(0));
    vqtbl1_u8(word, load8(PACK.get(usize::from(mask)).unwrap_or(&NOWHERE)))
}

#[inline]
fn load(bytes: &[u8; 16]) -> uint8x16_t {
    // SAFETY: sixteen bytes are read.
    unsafe { vld1q_u8(bytes.as_ptr()) }
}

#[inline]
fn load8(bytes: &[u8; 8]) -> uint8x8_t {
    // SAFETY: eight bytes are read.
    unsafe { vld1_u8(bytes.as_ptr()) }
}

#[inline]
fn load8x16(numbers: &[u16; 8]) -> uint16x8_t {
    // SAFETY: eight numbers are read.
    unsafe { vld1q_u16(numbers.as_ptr()) }
}

/// Stores eight bytes where there is room.
#[inline]
fn store8(list: &mut [u8], at: usize, bytes: uint8x8_t) {
    if let Some(slot) = list.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<8>()) {
        // SAFETY: eight bytes are written.
        unsafe { vst1_u8(slot.as_mut_ptr(), bytes) }
    }
}

/// The entries of sixteen words.
#[inline]
fn load16(list: &PerWord<u8>, at: usize) -> uint8x16_t {
    load(list.get(at..).and_then(|rest| rest.first_chunk()).unwrap_or(&[0; 16]))
}

#[inline]
fn store16(list: &mut PerWord<u8>, at: usize, bytes: uint8x16_t) {
    if let Some(slot) = list.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<16>()) {
        // SAFETY: sixteen bytes are written.
        unsafe { vst1q_u8(slot.as_mut_ptr(), bytes) }
    }
}

#[inline]
fn load16x16(list: &PerWord<u16>, at: usize) -> [uint16x8_t; 2] {
    let numbers = list.get(at..).and_then(|rest| rest.first_chunk::<STEP>());
    match numbers.unwrap_or(&[0; STEP]).as_chunks().0 {
        [low, high] => [load8x16(low), load8x16(high)],
        _ => [vdupq_n_u16(0); 2],
    }
}

#[inline]
fn store16x16(list: &mut PerWord<u16>, at: usize, numbers: [uint16x8_t; 2]) {
    if let Some(slot) = list.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<STEP>()) {
        // SAFETY: sixteen numbers are written.
        unsafe {
            vst1q_u16(slot.as_mut_ptr(), numbers[0]);
            vst1q_u16(slot.as_mut_ptr().add(8), numbers[1]);
        }
    }
}

}

/// An index that a table lookup finds nothing at.
const NOWHERE: [u8; 8] = [0xff; 8];

/// For each mask the indices that bring the bytes that it names together.
static PACK: [[u8; 8]; 256] = tables().0;

/// For each mask the index of the literal that goes to each byte, if one does.
static SPREAD: [[u8; 8]; 256] = tables().1;

#[expect(clippy::indexing_slicing, reason = "the compiler evaluates it")]
const fn tables() -> ([[u8; 8]; 256], [[u8; 8]; 256]) {
    let (mut pack, mut spread) = ([NOWHERE; 256], [NOWHERE; 256]);
    let mut mask = 0;
    while mask < 256 {
        let (mut bit, mut end) = (0_u8, 0_u8);
        while bit < 8 {
            if mask >> bit & 1 == 1 {
                pack[mask][end as usize] = bit;
                spread[mask][bit as usize] = end;
                end += 1;
            }
            bit += 1;
        }
        mask += 1;
    }
    (pack, spread)
}
