//! The decoder: reads every stream of version 0 that makes a page, whoever wrote it.

use super::END_OF_STREAM;
use crate::{Algorithm, Error, PAGE_SIZE, Page, Result};

/// What a processor copies at once: most copies are shorter.
const WIDE: usize = 16;

/// Which literals came last; the meaning of the lowest instructions depends on it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Literals {
    /// None, after a copy.
    None,
    /// One to three, with a copy.
    Few,
    /// An instruction of their own.
    Many,
}

pub(super) fn decompress(data: &[u8], page: &mut Page) -> Result<()> {
    let mut input = Reader { rest: data };
    let mut output = Writer { page, len: 0 };
    let mut before = first_literals(&mut input, &mut output)?;
    loop {
        let instruction = input.byte()?;
        let (distance, length, literals) = match instruction {
            0..16 => match before {
                Literals::None => {
                    let literals = input.length(instruction, 4)? + 3;
                    output.literals(literals, &mut input)?;
                    before = Literals::Many;
                    continue;
                }
                Literals::Few => (short_distance(instruction, &mut input)? + 1, 2, instruction),
                Literals::Many => (short_distance(instruction, &mut input)? + 2049, 3, instruction),
            },
            // The distance is beyond a page: this can only be the end.
            16..32 => {
                let end = [instruction, input.byte()?, input.byte()?];
                return finish(end, &input, &output);
            }
            32..64 => {
                let length = input.length(instruction, 5)? + 2;
                let operand = [input.byte()?, input.byte()?];
                (usize::from(u16::from_le_bytes(operand) >> 2) + 1, length, operand[0])
            }
            64.. => {
                let high = usize::from(input.byte()?) << 3;
                let distance = high + usize::from(instruction >> 2 & 7) + 1;
                (distance, usize::from(instruction >> 5) + 1, instruction)
            }
        };
        output.copy(distance, length)?;
        let literals = usize::from(literals & 3);
        output.literals(literals, &mut input)?;
        before = if literals == 0 { Literals::None } else { Literals::Few };
    }
}

/// The first byte may be a number of literals, in a notation of its own.
fn first_literals(input: &mut Reader<'_>, output: &mut Writer<'_>) -> Result<Literals> {
    match input.rest.first() {
        Some(&17) => Err(corrupt("a stream of another version")),
        Some(&first @ 18..) => {
            input.byte()?;
            let literals = usize::from(first) - 17;
            output.literals(literals, input)?;
            Ok(if literals < 4 { Literals::Few } else { Literals::Many })
        }
        _ => Ok(Literals::None),
    }
}

/// 10 bits: two of the instruction, and a byte.
fn short_distance(instruction: u8, input: &mut Reader<'_>) -> Result<usize> {
    Ok((usize::from(input.byte()?) << 2) + usize::from(instruction >> 2))
}

fn finish(end: [u8; 3], input: &Reader<'_>, output: &Writer<'_>) -> Result<()> {
    if end != END_OF_STREAM {
        return Err(corrupt("a distance points before the page"));
    }
    if !input.rest.is_empty() {
        return Err(corrupt("bytes follow the end of the stream"));
    }
    if output.len < PAGE_SIZE {
        return Err(corrupt("the stream is shorter than a page"));
    }
    Ok(())
}

const fn corrupt(what: &'static str) -> Error {
    Error::Corrupt { algorithm: Algorithm::Lzo, what }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn bytes(&mut self, len: usize) -> Result<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(corrupt("the stream ends"))?;
        self.rest = rest;
        Ok(bytes)
    }

    fn byte(&mut self) -> Result<u8> {
        let (&byte, rest) = self.rest.split_first().ok_or(corrupt("the stream ends"))?;
        self.rest = rest;
        Ok(byte)
    }

    /// The number in the lowest `bits` of the instruction, which goes on in the bytes that follow if
    /// it is 0. Cannot overflow: the input would have to have 2^56 bytes.
    fn length(&mut self, instruction: u8, bits: u32) -> Result<usize> {
        let mask = (1 << bits) - 1;
        let short = usize::from(instruction & mask);
        if short > 0 {
            return Ok(short);
        }
        let mut length = usize::from(mask);
        loop {
            match self.byte()? {
                0 => length += 255,
                last => return Ok(length + usize::from(last)),
            }
        }
    }
}

struct Writer<'a> {
    page: &'a mut Page,
    len: usize,
}

impl Writer<'_> {
    fn literals(&mut self, length: usize, input: &mut Reader<'_>) -> Result<()> {
        let room = self.page.get_mut(self.len..).unwrap_or_default();
        if let (0..=WIDE, Some(target), Some(source)) =
            (length, room.first_chunk_mut::<WIDE>(), input.rest.first_chunk())
        {
            *target = *source;
            input.bytes(length)?;
        } else {
            let target =
                room.get_mut(..length).ok_or(corrupt("the stream is longer than a page"))?;
            target.copy_from_slice(input.bytes(length)?);
        }
        self.len += length;
        Ok(())
    }

    fn copy(&mut self, distance: usize, length: usize) -> Result<()> {
        let early = corrupt("a distance points before the page");
        let start = self.len.checked_sub(distance).ok_or(early)?;
        let end = self.len + length;
        if end > PAGE_SIZE {
            return Err(corrupt("the stream is longer than a page"));
        }
        if length <= WIDE && distance >= WIDE && self.copy_wide(start) {
            self.len = end;
            return Ok(());
        }
        // A distance below the length repeats what is being written: the copy doubles each time.
        while self.len < end {
            let step = (end - self.len).min(self.len - start);
            self.page.copy_within(start..start + step, self.len);
            self.len += step;
        }
        Ok(())
    }

    /// Copies more than needed, where the page has room for it: the bytes behind are yet to come.
    fn copy_wide(&mut self, start: usize) -> bool {
        let (earlier, later) = self.page.split_at_mut(self.len);
        let source = earlier.get(start..).and_then(|bytes| bytes.first_chunk::<WIDE>());
        let (Some(source), Some(target)) = (source, later.first_chunk_mut()) else { return false };
        *target = *source;
        true
    }
}
