//! The encoder: one pass over the page, at the distance of the last match first.
//!
//! A page of process memory is arrays of structures: what follows a match mostly goes on at the same
//! distance after a few bytes that differ. So a search by hash is the exception. Where it finds
//! something, 64 bytes are compared with the 64 at the match's distance at once. In the mask that
//! results, the first run of equal bytes is the match itself, and every run of eight or more that
//! begins soon enough after the last one is another: one comparison serves all of them. Only when none
//! begins soon, the search goes on.
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
/// The last five bytes are literals, and a match of eight that ends a byte before them begins where one
/// may. So where a window's mask ends here, its runs need no more checks.
const WINDOWS_END: usize = MATCHES_END - 1;
/// A place where a window may begin that is full before that.
type FullWindow = Place<{ PAGE_SIZE - WINDOWS_END + WINDOW }>;
/// How many literals may precede a match at the distance of the last one: more lose matches that the
/// search would find, fewer make it search for what it had.
const NEAR: usize = 4;
/// How many bytes are a match at the distance of the last one. Six take a tenth less time, and some
/// processes' pages a tenth more memory, because the search would find a longer one.
const RUN: usize = 8;
/// From this bit on a run that begins near enough may not fit into the window any more.
const LAST_RUN: usize = WINDOW - NEAR - RUN;

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
        at = matches(simd, table, &mut block, found, candidate);
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

/// Writes the match of `found` and those that follow at its distance. Returns where the last one ends.
#[inline(always)]
fn matches<S: Simd>(
    simd: S,
    table: &mut Table,
    block: &mut Block<'_>,
    found: Start,
    candidate: Start,
) -> usize {
    let page = block.page;
    let distance = found.at() - candidate.at();
    let backward = equal_before(page, found, candidate).min(found.at() - block.anchor);
    let mut base = found.at();
    let mut equal = compare(simd, page, base, distance).unwrap_or((1 << SHORTEST) - 1);
    let mut runs = runs(equal);
    let mut start = base - backward;
    let mut first = 1;
    loop {
        // The sum carries through the run: the bit behind it, or none if it ends with the window.
        let end = equal.wrapping_add(first) & !equal;
        let mut at = base + end.trailing_zeros() as usize;
        if end == 0 {
            at = extend(simd, page, at, distance);
        }
        block.sequence(start, distance, at);
        insert(table, page, at - 2);
        let mut next = runs & near(end);
        if next == 0 {
            if end.wrapping_sub(1) < 1 << LAST_RUN || at > Start::LAST {
                return at;
            }
            base = at;
            let Some(mask) = compare(simd, page, base, distance) else { return at };
            equal = mask;
            runs = self::runs(equal);
            next = runs & near(1);
            if next == 0 {
                return at;
            }
        }
        start = base + next.trailing_zeros() as usize;
        first = next & next.wrapping_neg();
    }
}

/// The bits from this one on at which a run begins near enough.
#[inline(always)]
fn near(bit: u64) -> u64 {
    (bit << (NEAR + 1)).wrapping_sub(bit)
}

/// Which of the bytes from `base` on are equal to those at the distance; none if there are not enough
/// before them to compare a whole window.
#[inline(always)]
fn compare<S: Simd>(simd: S, page: &Page, base: usize, distance: usize) -> Option<u64> {
    if let Some(window) = FullWindow::new(base) {
        let earlier = window.before(distance)?;
        return Some(simd.equal(window.load(page), earlier.load(page)));
    }
    let window = Window::new_or_last(base);
    let earlier = window.before(distance)?;
    let equal = simd.equal(window.load(page), earlier.load(page)) >> (base - window.at());
    Some(equal & ((1 << WINDOWS_END.saturating_sub(base)) - 1))
}

/// Where runs of [`RUN`] or more set bits go on for as many.
#[inline(always)]
fn runs(equal: u64) -> u64 {
    let pairs = equal & (equal >> 1);
    (pairs & (pairs >> 2)) & ((pairs >> 4) & (pairs >> 6))
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
