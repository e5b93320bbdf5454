//! LZO1X for pages, for compatibility: what the kernel's `lzo` writes and reads.
//!
//! Written from the description of the bit stream in the kernel's `Documentation/staging/lzo.rst`.
//! `lzo-rle`, the kernel's default, extends the stream by runs of zeroes (the document's version 1) and
//! is not offered: a page of zeroes never gets to a compressor, and `lz4` and `wm` do better at
//! everything else.
//!
//! # Stream
//!
//! A stream is a sequence of instructions, each of which copies earlier output, and then up to three
//! literals, whose number is in the instruction's two lowest bits (`S`). More literals than these need
//! an instruction of their own. `D` is the distance less one, `L` the length (`L…` is completed by
//! zero bytes, 255 each, and a last byte, if it is 0 here):
//!
//! | first byte | bytes | means |
//! |---|---|---|
//! | `0000LLLL` | 1 | `3 + L` literals, if no literals came with the instruction before |
//! | `0000DDSS` | 2 | copy 2, distance to 1 KiB, if 1 to 3 literals came before (`D`: 2, then 8 bits) |
//! | `0000DDSS` | 2 | copy 3, distance from 2 KiB to 3 KiB, if 4 or more literals came before |
//! | `0001HLLL` | 3 | copy `2 + L`, distance from 16 KiB to 48 KiB: too far for pages; `11 00 00` ends the stream |
//! | `001LLLLL` | 3 | copy `2 + L`, distance to 16 KiB (`D`: 14 bits, above the `S` of a 16-bit number) |
//! | `01LDDDSS`, `1LLDDDSS` | 2 | copy 3 to 8, distance to 2 KiB (`D`: 3 bits, then 8) |
//!
//! As the first byte of a stream, 18 to 255 mean 1 to 238 literals, and 17 begins a stream of another
//! version.

mod decode;
mod encode;

use alloc::boxed::Box;

use crate::compressor::Buffer;
use crate::{Page, Result};

/// What ends a stream: a copy from distance 16384, which no other copy has.
const END_OF_STREAM: [u8; 3] = [0x11, 0, 0];

/// What a compressor knows: nothing, there is one way to do it.
pub(crate) struct Codec;

/// The encoder's hash table.
pub(crate) struct State(encode::Table);

impl State {
    pub(crate) fn new() -> Box<Self> {
        Box::new(Self(encode::Table::new()))
    }
}

impl Codec {
    pub(crate) const fn new() -> Self {
        Self
    }

    pub(crate) fn compress(&self, page: &Page, state: &mut State, out: &mut Buffer) -> usize {
        encode::compress(page, &mut state.0, out)
    }

    pub(crate) fn decompress(&self, data: &[u8], _: &mut State, page: &mut Page) -> Result<()> {
        decode::decompress(data, page)
    }
}

#[cfg(test)]
mod tests;
