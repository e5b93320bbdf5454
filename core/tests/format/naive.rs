//! A decoder that follows `docs/FORMAT-WM.md` sentence by sentence.

use super::common::random::Random;
use trueno_zram_core::{PAGE_SIZE, Page};

/// Why data is no page, or a file no file of tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rejected(pub(crate) &'static str);

type Result<T> = core::result::Result<T, Rejected>;

const WORDS: usize = 512;
const LONGEST: usize = 11;

/// A prefix code: what each sequence of bits stands for, with a 1 written in front of the sequence.
pub(crate) struct Code {
    symbols: Vec<Option<usize>>,
    /// The same the other way round; 0 for a symbol without code.
    sequences: Vec<usize>,
}

impl Code {
    fn new(lengths: &[u8]) -> Result<Self> {
        let mut symbols = vec![None; 2 << LONGEST];
        let mut sequences = vec![0; lengths.len()];
        let mut next = 0;
        for length in 1..=LONGEST {
            for symbol in (0..lengths.len()).filter(|symbol| lengths[*symbol] as usize == length) {
                if next >> length != 0 {
                    return Err(Rejected("a code has more sequences than there are"));
                }
                sequences[symbol] = 1 << length | next;
                symbols[sequences[symbol]] = Some(symbol);
                next += 1;
            }
            next <<= 1;
        }
        if next != 2 << LONGEST || lengths.iter().any(|length| *length as usize > LONGEST) {
            return Err(Rejected("a code is not complete"));
        }
        Ok(Self { symbols, sequences })
    }

    /// The next symbol, and its code as digits.
    fn read(&self, bits: &mut Bits<'_>) -> Result<(usize, String)> {
        let (mut sequence, mut digits) = (1, String::new());
        while digits.len() < LONGEST {
            let bit = bits.next()?;
            sequence = sequence << 1 | bit;
            digits.push(if bit == 1 { '1' } else { '0' });
            if let Some(symbol) = self.symbols[sequence] {
                return Ok((symbol, digits));
            }
        }
        Err(Rejected("no code"))
    }

    fn write(&self, symbol: usize, bits: &mut Vec<bool>) {
        let sequence = self.sequences[symbol];
        bits.extend((0..sequence.ilog2()).rev().map(|at| sequence >> at & 1 == 1));
    }
}

/// Bits of bytes, the lowest of each byte first.
struct Bits<'a> {
    bytes: &'a [u8],
    used: usize,
}

impl<'a> Bits<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, used: 0 }
    }

    fn next(&mut self) -> Result<usize> {
        let byte = self.bytes.get(self.used / 8).ok_or(Rejected("the bits end"))?;
        let bit = byte >> (self.used % 8) & 1;
        self.used += 1;
        Ok(usize::from(bit))
    }

    fn used_bytes(&self) -> usize {
        self.used.div_ceil(8)
    }
}

/// A part of a compressed page, for people.
pub(crate) struct Part {
    pub(crate) bytes: Vec<u8>,
    pub(crate) what: Vec<String>,
}

pub(crate) struct Decoded {
    pub(crate) page: Page,
    pub(crate) parts: Vec<Part>,
}

pub(crate) struct Decoder {
    pub(crate) words: Vec<Code>,
    pub(crate) literals: Vec<Code>,
}

/// The data that is not read yet, and the parts that were.
struct Input<'a> {
    rest: &'a [u8],
    parts: Vec<Part>,
}

impl<'a> Input<'a> {
    fn take(&mut self, count: usize, what: impl Into<String>) -> Result<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(count).ok_or(Rejected("cut off"))?;
        self.rest = rest;
        self.parts.push(Part { bytes: bytes.to_vec(), what: vec![what.into()] });
        Ok(bytes)
    }

    fn explain(&mut self, more: impl IntoIterator<Item = String>) {
        self.parts.last_mut().expect("a part").what.extend(more);
    }
}

impl Decoder {
    /// Expands a table file ("The table file").
    pub(crate) fn new(file: &[u8]) -> Result<Self> {
        let body = file.strip_prefix(b"WMT1").ok_or(Rejected("not a file of tables"))?;
        let lengths: Vec<u8> = body.iter().flat_map(|byte| [byte & 15, byte >> 4]).collect();
        if lengths.len() != 8 * 2048 + 2 * 256 {
            return Err(Rejected("another size"));
        }
        let (words, literals) = lengths.split_at(8 * 2048);
        for table in words.chunks(2048) {
            if (0..8).any(|kind| table[kind << 8 | 0xff] == 0) {
                return Err(Rejected("a kind has no full mask"));
            }
            if table.iter().filter(|length| **length > 0).count() > 256 {
                return Err(Rejected("more than 256 symbols"));
            }
        }
        if literals.contains(&0) {
            return Err(Rejected("a difference has no code"));
        }
        let words: Result<_> = words.chunks(2048).map(Code::new).collect();
        let literals: Result<_> = literals.chunks(256).map(Code::new).collect();
        Ok(Self { words: words?, literals: literals? })
    }

    /// Decodes a page ("Container").
    pub(crate) fn decode(&self, data: &[u8]) -> Result<Decoded> {
        let mut input = Input { rest: data, parts: Vec::new() };
        if data.len() == PAGE_SIZE {
            let page = input.take(PAGE_SIZE, "the page itself")?.try_into().expect("its size");
            return Ok(Decoded { page, parts: input.parts });
        }
        if data.len() > PAGE_SIZE {
            return Err(Rejected("longer than a page"));
        }
        let tag = input.take(1, "tag: ")?[0];
        let name = match tag {
            1 => "one byte fills the page",
            2 => "eight bytes fill the page",
            3 => "LZ4",
            4 => "zstd",
            0x10..0x18 => "words",
            0x18..0x20 => "dense words",
            _ => return Err(Rejected("an unknown tag")),
        };
        input.parts[0].what[0] += name;
        let page = match tag {
            1 | 2 => fill(&mut input, if tag == 1 { 1 } else { 8 })?,
            3 => lz4(input.take(input.rest.len(), "an LZ4 block")?)?,
            4 => zstd(input.take(input.rest.len(), "a zstd frame without magic number")?)?,
            _ => {
                input.parts[0].what[0] += &format!(", table {}", tag & 7);
                self.words(tag, &mut input)?
            }
        };
        Ok(Decoded { page, parts: input.parts })
    }

    /// "Words" and "Dense words".
    fn words(&self, tag: u8, input: &mut Input<'_>) -> Result<Page> {
        let code = &self.words[usize::from(tag & 7)];
        let lengths = input.take(3, "bytes of lanes 0, 1 and 2")?;
        let mut symbols = Vec::new();
        for lane in 0..4 {
            let available = match lengths.get(lane) {
                Some(length) => usize::from(*length),
                None => input.rest.len(),
            };
            let bytes = input.rest.get(..available).ok_or(Rejected("a lane is cut off"))?;
            let mut bits = Bits::of(bytes);
            let mut read = Vec::new();
            for _ in 0..128 {
                read.push(code.read(&mut bits)?);
            }
            let used = bits.used_bytes();
            if lane < 3 && used != available {
                return Err(Rejected("a lane has another length"));
            }
            input
                .take(used, format!("lane {lane}: words {} to {}", 128 * lane, 128 * lane + 127))?;
            input.explain(runs(128 * lane, &read));
            symbols.extend(read.into_iter().map(|(symbol, _)| symbol));
        }
        let mut distances = Vec::new();
        for half in 0..2 {
            let own = &symbols[256 * half..256 * half + 256];
            let count = own.iter().filter(|symbol| matches!(*symbol >> 8, 2..=4)).count();
            distances.push(input.take(count, format!("new distances of half {half}"))?);
        }
        let literals = if tag >= 0x18 {
            self.differences(&symbols, input)?
        } else {
            let count: u32 = symbols.iter().map(|symbol| (symbol & 0xff).count_ones()).sum();
            let literals = input.take(count as usize, format!("{count} literals"))?.to_vec();
            if !input.rest.is_empty() {
                return Err(Rejected("there is more than the literals"));
            }
            literals
        };
        Ok(restore(&symbols, &distances, &literals, tag >= 0x18))
    }

    /// "Dense words": the literals as differences.
    fn differences(&self, symbols: &[usize], input: &mut Input<'_>) -> Result<Vec<u8>> {
        let classes: Vec<usize> = symbols
            .iter()
            .flat_map(|symbol| (0..8).filter(move |byte| symbol >> byte & 1 == 1))
            .map(|byte| usize::from(byte > 0))
            .collect();
        let mut lengths = Vec::new();
        for lane in 0..3 {
            let first = usize::from(*input.rest.first().ok_or(Rejected("a length is cut off"))?);
            let count = if first < 128 { 1 } else { 2 };
            let bytes = input.take(count, format!("bytes of literal lane {lane}"))?;
            let high = bytes.get(1).map_or(0, |byte| usize::from(*byte));
            let length = first % 128 + 128 * high;
            input.explain([format!("{length}")]);
            lengths.push(length);
        }
        let mut literals = vec![0; classes.len()];
        for lane in 0..4 {
            let available = lengths.get(lane).copied().unwrap_or(input.rest.len());
            let bytes = input.take(available, format!("literal lane {lane}"))?;
            let mut bits = Bits::of(bytes);
            for at in (lane..classes.len()).step_by(4) {
                literals[at] = self.literals[classes[at]].read(&mut bits)?.0 as u8;
            }
            if bits.used_bytes() != available {
                return Err(Rejected("a literal lane has another length"));
            }
            let own: Vec<u8> = literals.iter().copied().skip(lane).step_by(4).collect();
            input.explain([format!("differences {own:02x?}")]);
        }
        Ok(literals)
    }
}

/// Runs of equal symbols, for people.
fn runs(first: usize, read: &[(usize, String)]) -> Vec<String> {
    let mut at = first;
    let line = |run: &[(usize, String)]| {
        let (symbol, code) = &run[0];
        let (from, to) = (at, at + run.len() - 1);
        at += run.len();
        let words =
            if from == to { format!("word {from}") } else { format!("words {from} to {to}") };
        format!("{words}: code {code}, kind {}, mask {:#04x}", symbol >> 8, symbol & 0xff)
    };
    read.chunk_by(|a, b| a == b).map(line).collect()
}

/// "References": the words one after the other.
fn restore(symbols: &[usize], distances: &[&[u8]], literals: &[u8], is_dense: bool) -> Page {
    let mut page = [0; PAGE_SIZE];
    let mut literals = literals.iter();
    for (half, distances) in distances.iter().enumerate() {
        let mut distances = distances.iter();
        // The current distance and the three that are remembered, in units of four bytes.
        let mut known = vec![2, 4, 8, 16];
        for at in 256 * half..256 * half + 256 {
            let (kind, mask) = (symbols[at] >> 8, symbols[at] & 0xff);
            if let 2..=4 = kind {
                let byte = usize::from(*distances.next().expect("they were counted"));
                known.insert(0, [2 * (byte + 1), 2 * (byte + 257), 2 * byte + 3][kind - 2]);
                known.pop();
            }
            if let 5..=7 = kind {
                let distance = known.remove(kind - 4);
                known.insert(0, distance);
            }
            let mut word = [0_u8; 8];
            if let (true, Some(from)) = (kind > 0, (8 * at).checked_sub(4 * known[0])) {
                word.copy_from_slice(&page[from..from + 8]);
            }
            for byte in (0..8).filter(|byte| mask >> byte & 1 == 1) {
                let literal = *literals.next().expect("they were counted");
                word[byte] = if is_dense { word[byte].wrapping_add(literal) } else { literal };
            }
            page[8 * at..8 * at + 8].copy_from_slice(&word);
        }
    }
    page
}

fn fill(input: &mut Input<'_>, count: usize) -> Result<Page> {
    if input.rest.len() != count {
        return Err(Rejected("a fill of another length"));
    }
    let bytes = input.take(count, "what fills it")?;
    Ok(core::array::from_fn(|at| bytes[at % count]))
}

/// An LZ4 block: sequences of literals and a match.
fn lz4(block: &[u8]) -> Result<Page> {
    let page =
        lz4_flex::block::decompress(block, PAGE_SIZE).map_err(|_| Rejected("no LZ4 block"))?;
    page.try_into().map_err(|_| Rejected("an LZ4 block of another size"))
}

/// With the magic number in front of it, it is a frame like any other.
fn zstd(frame: &[u8]) -> Result<Page> {
    let frame = [&[0x28, 0xb5, 0x2f, 0xfd], frame].concat();
    let mut page = Vec::with_capacity(PAGE_SIZE + 1);
    zstd_safe::decompress(&mut page, &frame).map_err(|_| Rejected("no zstd frame"))?;
    page.try_into().map_err(|_| Rejected("a zstd frame of another size"))
}

/// A stream of words that makes sense to nobody and is valid.
pub(crate) fn random_stream(decoder: &Decoder, random: &mut Random, is_dense: bool) -> Vec<u8> {
    let table = random.below(8);
    let code = &decoder.words[table];
    let alphabet: Vec<usize> = (0..2048).filter(|symbol| code.sequences[*symbol] > 0).collect();
    let light: Vec<usize> =
        alphabet.iter().copied().filter(|symbol| (symbol & 0xff).count_ones() < 2).collect();
    let symbols: Vec<usize> = (0..WORDS)
        .map(|_| {
            let list = if random.is_one_in(6) { &alphabet } else { &light };
            list[random.below(list.len())]
        })
        .collect();
    let bytes_of = |bits: &[bool]| -> Vec<u8> {
        let byte =
            |bits: &[bool]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
        bits.chunks(8).map(byte).collect()
    };
    let lanes = symbols.chunks(128).map(|symbols| {
        let mut bits = Vec::new();
        symbols.iter().for_each(|symbol| code.write(*symbol, &mut bits));
        bytes_of(&bits)
    });
    let lanes: Vec<Vec<u8>> = lanes.collect();
    let mut data = vec![if is_dense { 0x18 } else { 0x10 } | table as u8];
    data.extend(lanes[..3].iter().map(|lane| lane.len() as u8));
    data.extend(lanes.concat());
    let new = symbols.iter().filter(|symbol| matches!(*symbol >> 8, 2..=4)).count();
    // Mostly near, so that references are inside the page.
    data.extend((0..new).map(|_| random.byte() >> random.below(8)));
    let masked = symbols.iter().flat_map(|symbol| (0..8).filter(move |at| symbol >> at & 1 == 1));
    if !is_dense {
        data.extend(masked.map(|_| random.byte()));
        return data;
    }
    let mut lanes = vec![Vec::new(); 4];
    for (number, byte) in masked.enumerate() {
        let difference = usize::from(random.byte());
        decoder.literals[usize::from(byte > 0)].write(difference, &mut lanes[number % 4]);
    }
    let lanes: Vec<Vec<u8>> = lanes.iter().map(|bits| bytes_of(bits)).collect();
    for lane in &lanes[..3] {
        match lane.len() {
            length @ 0..128 => data.push(length as u8),
            length => data.extend([length as u8 | 0x80, (length >> 7) as u8]),
        }
    }
    data.extend(lanes.concat());
    data
}
