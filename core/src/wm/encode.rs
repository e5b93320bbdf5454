//! Third stage of the encoder: which table, and the symbols in their lanes.
//!
//! Scalar by nature; it is compiled once for each backend.

use super::state::{HALF, LANE_BYTES, LANE_WORDS, LANES, State, WORDS};
use super::tables::{Code, Costs, SYMBOLS, TABLES, Tables};
use super::{Chosen, HEADER};
use crate::compressor::Buffer;

/// Writes header, symbols and distances to `out`, and the codes of the symbols, with the masks that
/// they stand for, to `state.codes`; returns where the literals begin.
///
/// `tag` is the first byte of the page for table 0.
#[inline(always)]
pub(super) fn symbols(
    state: &mut State,
    tables: &Tables,
    chosen: Chosen,
    tag: u8,
    out: &mut Buffer,
) -> usize {
    for ((symbol, kind), mask) in state.symbols.iter_mut().zip(&state.kinds).zip(&state.masks) {
        *symbol = u16::from(*kind) << 8 | u16::from(*mask);
    }
    let table = pick(state, tables);
    let lens = lanes(state, &tables.symbols(table).encode);
    let [first, second, third, _] = lens;
    let header = [tag | table.to_le_bytes()[0], first, second, third];
    let mut end = HEADER;
    if let Some(slot) = out.first_chunk_mut() {
        *slot = header;
    }
    for (lane, len) in state.lanes.iter().zip(lens) {
        // A copy of fixed size is a few vectors; what it writes too much the next one overwrites.
        if let Some(slot) = out.get_mut(end..).and_then(|rest| rest.first_chunk_mut::<LANE_BYTES>())
        {
            *slot = *lane;
        }
        end += usize::from(len);
    }
    for (new, bytes) in chosen.new.into_iter().zip(state.new_distances.chunks(HALF)) {
        if let (Some(slot), Some(bytes)) = (out.get_mut(end..end + new), bytes.get(..new)) {
            slot.copy_from_slice(bytes);
        }
        end += new;
    }
    end
}

/// The table that takes the fewest bits for a quarter of the words, which loses 0.1 % against asking
/// all of them.
#[inline(always)]
fn pick(state: &State, tables: &Tables) -> usize {
    let Some(symbols) = state.symbols.first_chunk::<WORDS>() else { return 0 };
    let Some(costs) = tables.cost.first_chunk::<SYMBOLS>() else { return 0 };
    let mut sums: Costs = [0; TABLES / 4];
    for symbols in symbols.as_chunks::<16>().0 {
        // One word of each four, each time another: the fields of a structure come round every 2, 4
        // or 8 words.
        let [a, _, _, _, _, b, _, _, _, _, c, _, _, _, _, d] = *symbols;
        for symbol in [a, b, c, d] {
            let symbol = usize::from(symbol) & (SYMBOLS - 1);
            let [low, high] = costs.get(symbol).copied().unwrap_or_default();
            // 128 times 75 bits: no sum reaches into the next.
            let [low_sum, high_sum] = sums;
            sums = [low_sum + low, high_sum + high];
        }
    }
    let sums = sums.iter().flat_map(|four| [0, 16, 32, 48].map(|shift| four >> shift & 0xffff));
    sums.zip(0_usize..).min().map_or(0, |(_, table)| table)
}

/// One lane while it is written.
#[derive(Clone, Copy, Default)]
struct Lane {
    end: usize,
    pending: u64,
    /// In its low six bits, how many bits are pending.
    bits: u32,
}

impl Lane {
    #[inline(always)]
    fn push(&mut self, code: Code) {
        self.pending |= u64::from(code >> 16) << (self.bits & 63);
        self.bits = self.bits.wrapping_add(code);
    }

    /// Stores the whole bytes. At most seven bits stay, so five codes fit between two calls.
    #[inline(always)]
    fn flush(&mut self, bytes: &mut [u8; LANE_BYTES]) {
        // A lane of 128 codes ends within 176 bytes; the minimum is for the compiler.
        let at = self.end.min(LANE_BYTES - 8);
        if let Some(slot) = bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<8>()) {
            *slot = self.pending.to_le_bytes();
        }
        self.end += (self.bits & 56) as usize / 8;
        self.pending >>= self.bits & 56;
        self.bits &= 7;
    }

    #[inline(always)]
    fn len(self) -> u8 {
        let len = self.end + usize::from(self.bits > 0);
        len.to_le_bytes()[0]
    }
}

/// Writes the code of each word's symbol to its lane; returns the lanes' lengths in bytes.
#[inline(always)]
fn lanes(state: &mut State, codes: &[Code; SYMBOLS]) -> [u8; LANES] {
    let [a, b, c, d] = &mut state.lanes;
    let [mut first, mut second, mut third, mut fourth] = [Lane::default(); LANES];
    let symbols = state.symbols.first_chunk::<WORDS>();
    let symbols = symbols.map(|symbols| symbols.as_chunks::<LANE_WORDS>().0);
    let written = state.codes.first_chunk_mut::<WORDS>();
    let written = written.map(|codes| codes.as_chunks_mut::<LANE_WORDS>().0);
    let (Some([s0, s1, s2, s3]), Some([e0, e1, e2, e3])) = (symbols, written) else {
        return [0; LANES];
    };
    // Two lanes at a time, because four need more registers than there are.
    two_lanes(codes, [&mut first, &mut second], [s0, s1], [e0, e1], [a, b]);
    two_lanes(codes, [&mut third, &mut fourth], [s2, s3], [e2, e3], [c, d]);
    [first.len(), second.len(), third.len(), fourth.len()]
}

#[inline(always)]
fn two_lanes(
    codes: &[Code; SYMBOLS],
    [x, y]: [&mut Lane; 2],
    symbols: [&[u16; LANE_WORDS]; 2],
    written: [&mut [Code; LANE_WORDS]; 2],
    [x_bytes, y_bytes]: [&mut [u8; LANE_BYTES]; 2],
) {
    let code = |symbol: u16| codes.get(usize::from(symbol) & (SYMBOLS - 1)).copied().unwrap_or(0);
    let [x_symbols, y_symbols] = symbols.map(|lane| lane.as_chunks::<4>().0.iter());
    let [x_written, y_written] = written.map(|lane| lane.as_chunks_mut::<4>().0.iter_mut());
    let fours = x_symbols.zip(y_symbols).zip(x_written.zip(y_written));
    for ((x_symbols, y_symbols), (x_written, y_written)) in fours {
        for ((x_symbol, y_symbol), (x_code, y_code)) in
            x_symbols.iter().zip(y_symbols).zip(x_written.iter_mut().zip(y_written))
        {
            *x_code = code(*x_symbol);
            x.push(*x_code);
            *y_code = code(*y_symbol);
            y.push(*y_code);
        }
        x.flush(x_bytes);
        y.flush(y_bytes);
    }
}
