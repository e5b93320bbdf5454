//! Places of a page that have enough bytes behind them, so that no load or store needs a check:
//! a place is checked, or known to be right, where it is made.
//!
//! With a check before each load and store instead, the encoder takes 6 % longer and the decoder 8 %.
#![expect(
    unsafe_code,
    reason = "loads and stores within bounds that the type of the place vouches for"
)]
#![expect(clippy::cast_possible_truncation, reason = "places of a page are below 4096")]

use crate::{PAGE_SIZE, Page};

/// A place of a page with at least `ROOM` bytes from it on.
///
/// Its number is never above `PAGE_SIZE - ROOM`: every function here that makes one sees to that.
#[derive(Clone, Copy)]
pub(super) struct Place<const ROOM: usize>(usize);

impl<const ROOM: usize> Place<ROOM> {
    /// The last one.
    pub(super) const LAST: usize = PAGE_SIZE - ROOM;

    /// The place with this number, if it has the room.
    #[inline(always)]
    pub(super) fn new(at: usize) -> Option<Self> {
        (at <= Self::LAST).then_some(Self(at))
    }

    /// The place with this number, or the last one if that lies behind.
    #[inline(always)]
    pub(super) fn new_or_last(at: usize) -> Self {
        Self(at.min(Self::LAST))
    }

    /// The place that lies `distance` before, if the page does not begin behind it.
    #[inline(always)]
    pub(super) fn before(self, distance: usize) -> Option<Self> {
        self.0.checked_sub(distance).map(Self)
    }

    /// The same as [`before`](Self::before), but none for the place itself.
    #[inline(always)]
    pub(super) fn earlier(self, offset: usize) -> Option<Self> {
        (offset.wrapping_sub(1) < self.0).then(|| Self(self.0 - offset))
    }

    /// The place that lies `count` behind, if that leaves it the room.
    #[inline(always)]
    pub(super) fn skip<const LEFT: usize>(self, count: usize) -> Option<Place<LEFT>> {
        const { assert!(LEFT <= ROOM, "there is room to spare") };
        (count <= ROOM - LEFT).then_some(Place(self.0 + count))
    }

    /// Its number.
    #[inline(always)]
    pub(super) fn at(self) -> usize {
        self.0
    }

    /// The first `N` bytes of its room.
    #[inline(always)]
    pub(super) fn load<const N: usize>(self, page: &Page) -> &[u8; N] {
        const { assert!(N <= ROOM && ROOM <= PAGE_SIZE, "the room is what was promised") };
        // SAFETY: the number is at most PAGE_SIZE - ROOM, as is said above, and N at most ROOM, so the
        // bytes lie within the page, which is borrowed as long as they are. Bytes need no alignment.
        unsafe { &*page.as_ptr().add(self.0).cast() }
    }

    /// Overwrites the first `N` bytes of its room.
    #[inline(always)]
    pub(super) fn store<const N: usize>(self, page: &mut Page, bytes: &[u8; N]) {
        const { assert!(N <= ROOM && ROOM <= PAGE_SIZE, "the room is what was promised") };
        // SAFETY: the bytes lie within the page, as in `load`, and the page is borrowed exclusively.
        unsafe { page.as_mut_ptr().add(self.0).cast::<[u8; N]>().write(*bytes) }
    }

    #[inline(always)]
    pub(super) fn load4(self, page: &Page) -> u32 {
        u32::from_le_bytes(*self.load(page))
    }

    #[inline(always)]
    pub(super) fn load8(self, page: &Page) -> u64 {
        u64::from_le_bytes(*self.load(page))
    }
}

/// A place where a match may start: the format wants twelve bytes from there on.
pub(super) type Start = Place<12>;

/// Twice the entries of a page's 4096 places: collisions cost machine code and text 0.3 % of their ratio,
/// clearing the larger table 1 % of the time.
const HASH_BITS: u32 = 13;

/// Multiplier of the hash of five bytes, as in the reference implementation on 64-bit machines: the
/// golden ratio, 2^64 / 1.618.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Where the five bytes of a hash were last seen. Zero, which all begin as, is a place like any other,
/// and only places that are starts are ever entered.
pub(super) struct Table([u16; 1 << HASH_BITS]);

impl Table {
    pub(super) const fn new() -> Self {
        Self([0; _])
    }

    pub(super) fn clear(&mut self) {
        self.0.fill(0);
    }

    /// Enters `start` for the first five of the eight `bytes` there, and returns what was entered before.
    #[inline(always)]
    pub(super) fn exchange(&mut self, bytes: u64, start: Start) -> Start {
        let hash = (bytes << 24).wrapping_mul(GOLDEN) >> (u64::BITS - HASH_BITS);
        // There is a slot for every hash; the compiler knows.
        let Some(slot) = self.0.get_mut(hash as usize) else { return start };
        Place(usize::from(core::mem::replace(slot, start.at() as u16)))
    }
}
