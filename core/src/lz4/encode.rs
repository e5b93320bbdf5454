//! The encoder: one pass over the page, at the distance of the last match first.
//!
//! A page of process memory is arrays of structures: what follows a match mostly goes on at the same
//! distance after a few bytes that differ. So a search by hash is the exception. After a match, 64
//! bytes are compared with the 64 at the match's distance at once; in the mask that results, every
//! run of six or more equal bytes that begins soon enough after the last one is a match, and one
//! comparison serves all matches of the 64 bytes. Only when none begins soon, the search goes on.
//!
//! Everything is decided from such masks and from plain arithmetic, hence every [`Simd`] writes the
//! same bytes.

#![expect(clippy::cast_possible_truncation, reason = "places and lengths of a page are below 4096")]

use super::place::{Place, Start, Table};
use super::primitive::Simd;
use crate::compressor::Buffer;
use crate::{PAGE_SIZE, Page};

/// The shortest match of the format.
const SHORTEST: usize = 4;
/// The format wants the last five bytes to be literals.
const MATCHES_END: usize = PAGE_SIZE - 5;

/// How many bytes are compared at once.
const WINDOW: usize = 64;
/// A place where a window may begin.
type Window = Place<WINDOW>;
/// How many literals may precede a match at the distance of the last one: more lose matches that the
/// search would find, fewer make it search for what it had.
const NEAR: usize = 4;
/// From this bit on a run of six that begins near enough may not fit into the window any more.
const LAST_RUN: usize = WINDOW - NEAR - 6;

/// After 2^6 probes in vain the search steps by two bytes, after as many more by three, and so on.
const SKIP_BITS: u32 = 6;

/// Compresses `page` into the first bytes of `out` and returns how many; `None` if they would be
/// `limit` or more, which is noticed soon after it is certain.
#[inline(always)]
pub(super) fn compress<S: Simd>(
    simd: S,
    page: &Page,
    table: &mut Table,
    out: &mut Buffer,
    limit: usize,
) -> Option<usize> {
    table.clear();
    let mut block = Block { page, out, len: 0, anchor: 0 };
    let mut at = 1;
    while let Some((found, candidate)) = search(page, table, at) {
        if block.len >= limit {
            return None;
        }
        let distance = found.at() - candidate.at();
        let backward = equal_before(page, found, candidate).min(found.at() - block.anchor);
        at = extend(simd, page, found.at() + SHORTEST, distance);
        block.sequence(found.at() - backward, distance, at);
        if distance <= Window::LAST {
            at = repeat(simd, table, &mut block, distance);
        }
    }
    let len = block.finish();
    (len < limit).then_some(len)
}

/// The next place from `at` on whose four bytes were seen before, and where.
#[inline(always)]
fn search(page: &Page, table: &mut Table, mut at: usize) -> Option<(Start, Start)> {
    let mut probes = 1 << SKIP_BITS;
    while let Some(start) = Start::new(at) {
        let bytes = start.load8(page);
        let candidate = table.exchange(bytes, start);
        if candidate.load4(page) == start.load4(page) && candidate.at() < at {
            return Some((start, candidate));
        }
        at += probes >> SKIP_BITS;
        probes += 1;
    }
    None
}

/// How many bytes, at most eight, are equal before two places.
#[inline(always)]
fn equal_before(page: &Page, at: Start, candidate: Start) -> usize {
    let (Some(at), Some(candidate)) = (at.before(8), candidate.before(8)) else { return 0 };
    let differ = at.load8(page) ^ candidate.load8(page);
    (differ.leading_zeros() / 8) as usize
}

/// Goes on at the distance of the match that `block` ends with, and returns where that ends.
#[inline(always)]
fn repeat<S: Simd>(simd: S, table: &mut Table, block: &mut Block<'_>, distance: usize) -> usize {
    let page = block.page;
    let mut at = block.anchor;
    while at <= Start::LAST {
        insert(table, page, at - 2);
        let base = at;
        let window = Window::new_or_last(base);
        let Some(earlier) = window.before(distance) else { break };
        let equal = simd.equal(window.load(page), earlier.load(page)) >> (base - window.at());
        let pairs = equal & (equal >> 1);
        let mut runs = pairs & (pairs >> 2) & (pairs >> 4);
        if base > Start::LAST - WINDOW {
            runs &= (1 << (Start::LAST - base)) - 1;
        }
        let mut done = 0;
        loop {
            let literals = (runs >> done).trailing_zeros() as usize;
            if literals > NEAR {
                if done > LAST_RUN {
                    break;
                }
                return at;
            }
            let start = done + literals;
            done = start + (!(equal >> start)).trailing_zeros() as usize;
            at = (base + done).min(MATCHES_END);
            if done >= WINDOW {
                at = extend(simd, page, at, distance);
                block.sequence(base + start, distance, at);
                break;
            }
            block.sequence(base + start, distance, at);
            // The last literal, with which the next search may find this match again, and the end.
            insert(table, page, base + start - 1);
            insert(table, page, at - 2);
        }
    }
    at
}

/// The end of a match whose bytes before `at` are known to be equal.
#[inline(always)]
fn extend<S: Simd>(simd: S, page: &Page, mut at: usize, distance: usize) -> usize {
    while let Some(window) = Window::new(at)
        && let Some(earlier) = window.before(distance)
    {
        let equal = simd.equal(window.load(page), earlier.load(page));
        let run = (!equal).trailing_zeros() as usize;
        at += run;
        if run < WINDOW {
            return at.min(MATCHES_END);
        }
    }
    while at < MATCHES_END && page.get(at) == page.get(at - distance) {
        at += 1;
    }
    at.min(MATCHES_END)
}

/// Remembers a place. Nothing is searched after the last start, so that may stand for all behind it.
#[inline(always)]
fn insert(table: &mut Table, page: &Page, at: usize) {
    let start = Start::new_or_last(at);
    table.exchange(start.load8(page), start);
}

/// The most literals whose number fits into a token.
const FEW: usize = 14;
/// What [`Block::sequence`] writes at once: token, 16 bytes from which the literals are taken, offset
/// and one byte of the match's length (which lie within the 16 if there are few).
const SHORT_SEQUENCE: usize = 1 + 16 + 2 + 1;

/// A block while it is written.
///
/// # Its size
///
/// A sequence has at least four bytes of match and, apart from literals and what tells their number,
/// takes three bytes, and a byte for each 255 of the match. So a block is never longer than the page, a
/// byte for each 255 literals, and one token: 4096 + 17 + 1. A short sequence stores 20 bytes where at
/// least 3 count, so no store ends behind byte 4131 of the 4352 of a [`Buffer`].
struct Block<'a> {
    page: &'a Page,
    out: &'a mut Buffer,
    /// How many bytes of `out` are written.
    len: usize,
    /// How many bytes of the page they stand for.
    anchor: usize,
}

impl Block<'_> {
    /// Appends what lies before `start` as literals, and a match from there to `end`.
    #[inline(always)]
    fn sequence(&mut self, start: usize, distance: usize, end: usize) {
        let literals = start - self.anchor;
        let Some(anchor) = Place::<16>::new(self.anchor).filter(|_| literals <= FEW) else {
            return self.long_sequence(start, distance, end);
        };
        let more = end - start - SHORTEST;
        let room = self.out.get_mut(self.len..).and_then(|rest| rest.first_chunk_mut());
        let Some::<&mut [u8; SHORT_SEQUENCE]>([token, bytes @ ..]) = room else { return };
        *token = ((literals << 4) | more.min(15)) as u8;
        if let Some(slot) = bytes.first_chunk_mut() {
            *slot = *anchor.load::<16>(self.page);
        }
        let [low, high] = (distance as u16).to_le_bytes();
        if let Some(slot) = bytes.get_mut(literals..).and_then(|rest| rest.first_chunk_mut()) {
            // The last counts for lengths of 15 and more only.
            *slot = [low, high, more.wrapping_sub(15) as u8];
        }
        self.len += 3 + literals + usize::from(more >= 15);
        if more >= 15 + 255 {
            self.len -= 1;
            self.length(more - 15);
        }
        self.anchor = end;
    }

    #[cold]
    #[inline(never)]
    fn long_sequence(&mut self, start: usize, distance: usize, end: usize) {
        let more = end - start - SHORTEST;
        self.literals(start - self.anchor, more.min(15));
        self.append(&(distance as u16).to_le_bytes());
        if more >= 15 {
            self.length(more - 15);
        }
        self.anchor = end;
    }

    /// Appends what is left of the page as literals and returns the block's length.
    fn finish(mut self) -> usize {
        self.literals(PAGE_SIZE - self.anchor, 0);
        self.len
    }

    /// Appends a token and so many literals.
    fn literals(&mut self, count: usize, low: usize) {
        self.append(&[((count.min(15) << 4) | low) as u8]);
        if count >= 15 {
            self.length(count - 15);
        }
        let page = self.page;
        self.append(page.get(self.anchor..self.anchor + count).unwrap_or(&[]));
    }

    /// Appends the bytes of a length, of which 15 are in the token.
    #[cold]
    #[inline(never)]
    fn length(&mut self, rest: usize) {
        for _ in 0..rest / 255 {
            self.append(&[255]);
        }
        self.append(&[(rest % 255) as u8]);
    }

    fn append(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        if let Some(slot) = self.out.get_mut(self.len..end) {
            slot.copy_from_slice(bytes);
        }
        self.len = end;
    }
}
