//! Blocks written by hand from the specification, what must be refused, and limits.
#![expect(clippy::cast_possible_truncation, reason = "numbers below 256")]

use std::boxed::Box;
use std::vec;
use std::vec::Vec;

use super::{Codec, State};
use crate::{Algorithm, BUFFER_SIZE, Error, Page, SimdBackend};

/// Numbers that are the same in every run (xorshift64).
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % bound
    }
}

fn codecs() -> impl Iterator<Item = Codec> {
    SimdBackend::ALL.into_iter().filter(|backend| backend.is_available()).map(Codec::new)
}

/// Decodes with every code that this processor can run. All have to agree.
fn decode(block: &[u8]) -> Result<Page, &'static str> {
    let mut answers = codecs().map(|codec| {
        let mut page = [0xaa; 4096];
        match codec.decompress(block, &mut State::new(), &mut page) {
            Ok(()) => Ok(page),
            Err(Error::Corrupt { algorithm: Algorithm::Lz4, what }) => {
                assert_eq!(page, [0; 4096], "what was in memory before does not stay");
                Err(what)
            }
            Err(other) => panic!("{other}"),
        }
    });
    let first = answers.next().expect("there is the portable code");
    answers.for_each(|answer| assert_eq!(answer, first));
    first
}

/// Encodes with every code that this processor can run. All have to write the same.
fn encode(page: &Page) -> Vec<u8> {
    let mut blocks = codecs().map(|codec| {
        let mut out = [0xaa; BUFFER_SIZE];
        let len = codec.compress_below(usize::MAX, page, &mut State::new(), &mut out);
        out[..len.expect("there is no limit")].to_vec()
    });
    let first = blocks.next().expect("there is the portable code");
    blocks.for_each(|block| assert_eq!(block, first));
    assert_eq!(decode(&first).as_ref(), Ok(page));
    first
}

/// A length as the specification writes it, less the nibble.
fn length(rest: usize) -> Vec<u8> {
    let mut bytes = vec![255; rest / 255];
    bytes.push((rest % 255) as u8);
    bytes
}

/// A literal, a match of `4091 - 1` bytes at offset 1, five literals.
fn zeros() -> Vec<u8> {
    let mut block = vec![0x1f, 0, 1, 0];
    block.extend(length(4090 - 4 - 15));
    block.extend([0x50, 0, 0, 0, 0, 0]);
    block
}

#[test]
fn blocks_from_the_specification() {
    assert_eq!(decode(&zeros()), Ok([0; 4096]));

    // Literals only.
    let page: Page = core::array::from_fn(|i| ((i * i) >> 4) as u8);
    let mut block = vec![0xf0];
    block.extend(length(4096 - 15));
    block.extend(page);
    assert_eq!(decode(&block), Ok(page));

    // Every offset up to 40, a match that ends with the page, and no last literals: against the rules
    // for the end of a block, but clear in what it says.
    for offset in 1..=40_usize {
        let page: Page = core::array::from_fn(|i| (i % offset) as u8 + 1);
        let mut block = vec![((offset.min(15) << 4) | 15) as u8];
        if offset >= 15 {
            block.extend(length(offset - 15));
        }
        block.extend(&page[..offset]);
        block.extend([offset as u8, 0]);
        block.extend(length(4096 - offset - 4 - 15));
        block.push(0);
        assert_eq!(decode(&block), Ok(page), "{offset}");
    }
}

#[test]
fn the_last_literals_end_block_and_page_together() {
    // With matches of every length before them, so that they begin anywhere in what is read last.
    for (count, short) in (0..=60).flat_map(|count| (4..=36).map(move |short| (count, short))) {
        let page: Page = core::array::from_fn(|i| {
            let last = i.saturating_sub(4095 - count) as u8;
            if last > 0 { last } else { 200 }
        });
        let mut block = vec![0x1f, 200, 1, 0];
        block.extend(length(4095 - count - short - 4 - 15));
        let more = short - 4;
        block.extend([more.min(15) as u8, 9, 0]);
        if more >= 15 {
            block.extend(length(more - 15));
        }
        block.push((count.min(15) << 4) as u8);
        if count >= 15 {
            block.extend(length(count - 15));
        }
        block.extend(&page[4096 - count..]);
        assert_eq!(decode(&block), Ok(page), "{count} after {short}");
    }
}

#[test]
fn the_encoder_keeps_the_rules_for_the_end() {
    assert_eq!(encode(&[0; 4096]), zeros());

    // After zeros the search looks at every byte: it finds a match that begins twelve bytes before the
    // end, and must not find one of eleven.
    for (room, is_taken) in [(12, true), (11, false)] {
        let mut page = [0; 4096];
        page.iter_mut()
            .zip(1_usize..)
            .skip(4040)
            .for_each(|(byte, at)| *byte = (at % 251) as u8 | 1 << 7);
        page[4050..].iter_mut().step_by(3).for_each(|byte| *byte ^= 0x55);
        page.copy_within(4041..4041 + room, 4096 - room);
        let block = encode(&page);
        assert_eq!(block.ends_with(&page[4040..]), !is_taken, "{room}");
    }

    let mut random = Random::new(3);
    let page: Page = core::array::from_fn(|_| random.below(256) as u8);
    let block = encode(&page);
    assert_eq!(block.len(), 1 + 17 + 4096, "the most that a block takes");
    assert_eq!(block[18..], page);
}

#[test]
fn short_sequences_of_every_shape() {
    let shapes = (0..=16).flat_map(|count| (4..=36).map(move |short| (count, short)));
    for ((count, short), offset) in shapes.flat_map(|shape| (1..=56).map(move |at| (shape, at))) {
        let mut page: Page = core::array::from_fn(|i| (i * i / 7) as u8);
        // Two of them, so that one may copy what the other has written.
        let mut block = vec![0xf1, 64 - 15];
        block.extend(&page[..64]);
        block.extend([64, 0]);
        page.copy_within(0..5, 64);
        let mut at = 69;
        for _ in 0..2 {
            block.push(((count.min(15) << 4) | (short - 4).min(15)) as u8);
            if count >= 15 {
                block.push((count - 15) as u8);
            }
            block.extend(&page[at..at + count]);
            block.extend([offset as u8, 0]);
            if short >= 19 {
                block.push((short - 19) as u8);
            }
            at += count;
            (at..at + short).for_each(|to| page[to] = page[to - offset]);
            at += short;
        }
        block.push(0xf0);
        block.extend(length(4096 - at - 15));
        block.extend(&page[at..]);
        assert_eq!(decode(&block), Ok(page), "{count} literals, {short} from {offset} before");
    }
}

#[test]
fn what_is_no_block_is_refused() {
    assert_eq!(decode(&[]), Err("the block ends before its last literals"));
    assert_eq!(decode(&[0]), Err("the block ends before the page"));
    assert_eq!(decode(&[0x10]), Err("literals are cut off"));
    assert_eq!(decode(&[0x10, 7, 1]), Err("an offset is cut off"));
    assert_eq!(decode(&[0xf0]), Err("a length is cut off"));
    assert_eq!(decode(&[0x1f, 7, 1, 0, 255]), Err("a length is cut off"));
    assert_eq!(decode(&[0x00, 1, 0]), Err("an offset is zero or points before the page"));

    let mut long = vec![0xf0];
    long.extend(length(4097 - 15));
    long.extend([1; 4097]);
    assert_eq!(decode(&long), Err("literals end behind the page"));

    // The same deep inside a page, where the fast path reads it.
    for (offset, answer) in [(0_u16, false), (1, true), (32, true), (33, false), (u16::MAX, false)]
    {
        let mut block = vec![0xf6, 32 - 15];
        block.extend(0..32);
        block.extend(offset.to_le_bytes());
        block.extend([0x1f, 7, 1, 0]);
        block.extend(length(4096 - 32 - 10 - 1 - 9 - 4 - 15));
        block.push(0x90);
        block.extend([9; 9]);
        let page = decode(&block);
        assert_eq!(page.is_ok(), answer, "{offset} {page:?}");
        if !answer {
            assert_eq!(page, Err("an offset is zero or points before the page"));
        }
    }

    // The same near the end of a block that is read from a padded copy: padding is no offset.
    let block: Vec<u8> =
        [0xf0, 32 - 15].into_iter().chain(0..32).chain([1, 0, 0x10, 7, 1]).collect();
    assert_eq!(decode(&block), Err("an offset is cut off"));

    for extra in 1..40 {
        let mut block = vec![0x1f, 0, 1, 0];
        block.extend(length(4095 + extra - 4 - 15));
        block.push(0);
        assert_eq!(decode(&block), Err("a match ends behind the page"), "{extra}");
    }
}

/// A page with short and long literals, matches at many distances, and something at its end.
fn mixed() -> Page {
    let mut random = Random::new(11);
    let mut page = [0; 4096];
    let mut at = 64;
    while at < 4096 {
        let count = (1 + random.below(90)).min(4096 - at);
        if random.below(3) > 0 {
            let distance = 1 + random.below(at.min(200));
            (at..at + count).for_each(|to| page[to] = page[to - distance]);
        } else {
            page[at..at + count].fill_with(|| random.below(256) as u8);
        }
        at += count;
    }
    page
}

#[test]
fn a_block_cut_short_is_refused_at_every_length() {
    let block = encode(&mixed());
    assert!(block.len() > 1000);
    for len in 0..block.len() {
        // An allocation of exactly that length: reading on would be noticed by a sanitizer.
        let short: Box<[u8]> = block[..len].into();
        assert!(decode(&short).is_err(), "{len}");
    }
    let longer = [block.as_slice(), &[0]].concat();
    assert!(decode(&longer).is_err());
}

#[test]
fn single_bytes_that_differ() {
    let mut page = mixed();
    for at in 0..page.len() {
        page[at] ^= 0x10;
        encode(&page);
        page[at] ^= 0x10;
    }
}

#[test]
fn a_limit_is_kept() {
    let page = mixed();
    let block = encode(&page);
    for codec in codecs() {
        let mut out = [0; BUFFER_SIZE];
        let state = &mut State::new();
        for limit in [0, 1, 100, block.len() - 1, block.len()] {
            assert_eq!(codec.compress_below(limit, &page, state, &mut out), None);
        }
        let len = codec.compress_below(block.len() + 1, &page, state, &mut out);
        assert_eq!(len, Some(block.len()));
        assert_eq!(out[..block.len()], block);
        assert_eq!(codec.compress(&page, state, &mut out), block.len());

        let mut random = Random::new(5);
        let noise: Page = core::array::from_fn(|_| random.below(256) as u8);
        assert_eq!(codec.compress(&noise, state, &mut out), 4096);
    }
}

/// Where [`crate::PageCompressor`] is asked, 4096 bytes are the page itself.
#[cfg(feature = "std")]
#[test]
fn no_block_is_as_long_as_a_page() {
    let mut random = Random::new(17);
    let noise: Page = core::array::from_fn(|_| random.below(256) as u8);
    let mut exact = 0;
    for len in 8..40 {
        let mut page = noise;
        page.copy_within(100..100 + len, 2000);
        exact += usize::from(encode(&page).len() == 4096);
        let block = crate::lz4::compress_tls(&page).unwrap();
        assert_ne!(block.len(), 4096);
        assert_eq!(decode(&block), Ok(page), "{len}");
    }
    assert!(exact > 0, "no page to try it on");
}

#[test]
fn the_table_of_one_page_is_not_that_of_the_next() {
    let page = mixed();
    for codec in codecs() {
        let state = &mut State::new();
        let [mut first, mut second] = [[0; BUFFER_SIZE]; 2];
        let len = codec.compress(&page, state, &mut first);
        codec.compress(&[7; 4096], state, &mut second);
        assert_eq!(codec.compress(&page, state, &mut second), len);
        assert_eq!(first[..len], second[..len]);
    }
}
