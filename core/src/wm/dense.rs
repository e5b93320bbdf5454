//! Literals of the dense form: differences to the reference, Huffman-coded with static tables, in
//! four lanes. Scalar by nature; compiled once for each backend.

use super::decode::Parts;
use super::opaque::opaque;
use super::state::{DENSE_LANE_BYTES, LANES, State};
use super::tables::{CLASSES, Tables, WINDOW};
use super::{DENSE_TAG, WORDS_TAG, corrupt};
use crate::compressor::Buffer;
use crate::{PAGE_SIZE, Result};

/// Literals that all lanes take between two stores: four each, so that at most 7 + 44 bits wait.
const ROUND: usize = 4 * LANES;

/// One lane while it is written.
#[derive(Clone, Copy, Default)]
struct Writer {
    end: usize,
    pending: u64,
    /// In its low six bits, how many bits are pending.
    bits: u32,
}

impl Writer {
    #[inline(always)]
    fn push(&mut self, code: u32) {
        self.pending |= u64::from(code >> 16) << (self.bits & 63);
        self.bits = self.bits.wrapping_add(code);
    }

    #[inline(always)]
    fn flush(&mut self, bytes: &mut [u8; DENSE_LANE_BYTES]) {
        // 1024 codes end within 1408 bytes: the mask is for the compiler.
        let at = self.end & (DENSE_LANE_BYTES - 1);
        if let Some(slot) = bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<8>()) {
            *slot = self.pending.to_le_bytes();
        }
        self.end += (self.bits & 56) as usize / 8;
        self.pending >>= self.bits & 56;
        self.bits &= 7;
    }

    fn len(self) -> usize {
        self.end + usize::from(self.bits > 0)
    }
}

/// Writes the `count` literals of `state.literals` and `state.classes` after the distances; `None`,
/// with nothing changed that counts, if that takes no fewer bytes than the literals as they are.
#[inline(always)]
pub(super) fn write(
    state: &mut State,
    tables: &Tables,
    out: &mut Buffer,
    start: usize,
    count: usize,
) -> Option<usize> {
    for ((index, delta), class) in state.deltas.iter_mut().zip(&state.literals).zip(&state.classes)
    {
        *index = u16::from(*delta) | u16::from(*class) << 8;
    }
    let (rounds, rest) = state.deltas.get(..count)?.as_chunks::<ROUND>();
    let codes = &tables.literal_encode;
    let code =
        |index: u16| codes.get(usize::from(index) & (256 * CLASSES - 1)).copied().unwrap_or(0);
    let [a, b, c, d] = &mut state.dense_lanes;
    let [mut first, mut second, mut third, mut fourth] = [Writer::default(); LANES];
    for round in rounds {
        for four in round.as_chunks::<LANES>().0 {
            first.push(code(four[0]));
            second.push(code(four[1]));
            third.push(code(four[2]));
            fourth.push(code(four[3]));
        }
        first.flush(a);
        second.flush(b);
        third.flush(c);
        fourth.flush(d);
    }
    for four in rest.chunks(LANES) {
        let lanes = [&mut first, &mut second, &mut third, &mut fourth];
        for (lane, index) in lanes.into_iter().zip(four) {
            lane.push(code(*index));
        }
    }
    first.flush(a);
    second.flush(b);
    third.flush(c);
    fourth.flush(d);
    let lens = [first.len(), second.len(), third.len(), fourth.len()];
    let mut end = start;
    for len in lens.iter().take(LANES - 1) {
        end += put_length(out.get_mut(end..)?, *len)?;
    }
    if end + lens.iter().sum::<usize>() >= (start + count).min(PAGE_SIZE) {
        return None;
    }
    for (bytes, len) in state.dense_lanes.iter().zip(lens) {
        out.get_mut(end..end + len)?.copy_from_slice(bytes.get(..len)?);
        end += len;
    }
    let [tag, ..] = out;
    *tag = *tag - WORDS_TAG + DENSE_TAG;
    Some(end)
}

/// Seven bits a byte, the lowest first, bit 7 set if there is another byte; returns how many bytes.
fn put_length(out: &mut [u8], len: usize) -> Option<usize> {
    let [low, high, ..] = len.to_le_bytes();
    if len < 128 {
        *out.first_mut()? = low;
        Some(1)
    } else {
        *out.first_chunk_mut()? = [low | 0x80, high << 1 | low >> 7];
        Some(2)
    }
}

/// Reads what [`put_length`] wrote: the length, and how many bytes it took.
fn get_length(bytes: &[u8]) -> Result<(usize, usize)> {
    match *bytes {
        [low, ..] if low < 0x80 => Ok((usize::from(low), 1)),
        [low, high, ..] => Ok((usize::from(low & 0x7f) | usize::from(high) << 7, 2)),
        _ => Err(corrupt("the lengths of the literals are cut off")),
    }
}

/// One lane while it is read; see [`super::decode`] for the same thing with symbols.
#[derive(Clone, Copy)]
struct Reader {
    at: usize,
    bits: u64,
    certain: u32,
}

impl Reader {
    #[inline(always)]
    fn refill(&mut self, input: &[u8; PAGE_SIZE + 256]) {
        // Corrupt lanes run on, but not out of the array.
        let at = self.at.min(PAGE_SIZE + 248);
        let bytes = input.get(at..).and_then(|rest| rest.first_chunk::<8>());
        let certain = self.certain & 63;
        self.bits |= bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes)) << certain;
        self.at = at + ((63 - certain) / 8) as usize;
        self.certain = certain | 56;
    }

    #[inline(always)]
    fn next(&mut self, tables: &[[u16; WINDOW]; CLASSES], class: u8) -> u8 {
        self.bits = opaque(self.bits);
        let [first, other] = tables;
        let table = if class == 0 { first } else { other };
        let [low, high, ..] = self.bits.to_le_bytes();
        let window = usize::from(u16::from_le_bytes([low, high])) & (WINDOW - 1);
        let entry = table.get(window).copied().unwrap_or(0);
        self.bits >>= entry & 63;
        self.certain = self.certain.wrapping_sub(u32::from(entry));
        entry.to_le_bytes()[1]
    }

    fn end(self) -> usize {
        self.at.wrapping_sub((self.certain & 63) as usize / 8)
    }
}

/// Decodes the literals of a dense page, whose classes are in `state.classes`, to `state.literals`.
///
/// # Errors
///
/// The lanes do not end where they should.
#[inline(always)]
pub(super) fn read(state: &mut State, tables: &Tables, parts: Parts) -> Result<()> {
    let mut at = parts.literals_start();
    let mut lens = [0; LANES - 1];
    for len in &mut lens {
        let bytes = state.input.get(at..parts.end).unwrap_or_default();
        let (value, used) = get_length(bytes)?;
        *len = value;
        at += used;
    }
    let [b, c, d] = lens.map(|len| {
        at += len;
        at
    });
    let a = b - lens[0];
    if d > parts.end {
        return Err(corrupt("the literals are cut off"));
    }
    let tables = &tables.literal_decode;
    let [mut first, mut second, mut third, mut fourth] =
        [a, b, c, d].map(|at| Reader { at, bits: 0, certain: 0 });
    let (Some(literals), Some(classes)) =
        (state.literals.get_mut(..parts.literals), state.classes.get(..parts.literals))
    else {
        return Err(corrupt("the masks name another number of literals"));
    };
    let (rounds, rest) = literals.as_chunks_mut::<ROUND>();
    let (class_rounds, rest_classes) = classes.as_chunks::<ROUND>();
    for (round, classes) in rounds.iter_mut().zip(class_rounds) {
        first.refill(&state.input);
        second.refill(&state.input);
        third.refill(&state.input);
        fourth.refill(&state.input);
        let fours = round.as_chunks_mut::<LANES>().0.iter_mut();
        for (four, classes) in fours.zip(classes.as_chunks::<LANES>().0) {
            four[0] = first.next(tables, classes[0]);
            four[1] = second.next(tables, classes[1]);
            four[2] = third.next(tables, classes[2]);
            four[3] = fourth.next(tables, classes[3]);
        }
    }
    for lane in [&mut first, &mut second, &mut third, &mut fourth] {
        lane.refill(&state.input);
    }
    for (four, classes) in rest.chunks_mut(LANES).zip(rest_classes.chunks(LANES)) {
        let lanes = [&mut first, &mut second, &mut third, &mut fourth];
        for ((literal, class), lane) in four.iter_mut().zip(classes).zip(lanes) {
            *literal = lane.next(tables, *class);
        }
    }
    if [first.end(), second.end(), third.end(), fourth.end()] != [b, c, d, parts.end] {
        return Err(corrupt("a lane of literals ends elsewhere"));
    }
    Ok(())
}
