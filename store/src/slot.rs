//! What the table says of a page, in one 64-bit word.
//!
//! ```text
//!  63            24 23 21 20 19          8 7   6  5  4  3  2    0
//! +----------------+-----+--+-------------+-----+--+--+--+------+
//! |     place      |  0  | r| length - 1  |codec| n| i| L| kind |   stored, huge (length 4096)
//! |     place      |              0             | 0| 0| L| kind |   same, the word in the arena
//! |                value (56 bits)              | 0| 0| L| kind |   same, the word here
//! +---------------------------------------------+--+--+--+------+
//! L: somebody holds the slot   i: idle   n: the last codec did not make it smaller either
//! r: being recompressed, and not written since that began
//! ```
//!
//! All zero is the empty slot, so that memory fresh from the kernel is an empty table. A slot changes
//! only as a whole, by one store, which is why a process may be killed between any two instructions.

use crate::PAGE_SIZE;
use crate::arena::Place;

/// The table entry of one page.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Slot(u64);

/// What a [`Slot`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Nothing: reads as zeros.
    Empty,
    /// The page is this word again and again.
    Same(u64),
    /// The same, but the word has too many bits for the slot and lies in the arena.
    SameAt(Place),
    /// `len` bytes in the arena, 1 to 4095, compressed by the codec of that priority.
    Stored {
        /// Where.
        place: Place,
        /// How many bytes.
        len: usize,
        /// Which of the device's codecs.
        codec: Priority,
    },
    /// The page itself, 4096 bytes in the arena: no codec made it small enough.
    Huge(Place),
}

/// Which of a device's codecs: 0 is the primary one, 1 to 3 recompress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Priority(u8);

impl Priority {
    /// The codec that writes use.
    pub const PRIMARY: Self = Self(0);
    /// How many there are.
    pub const COUNT: usize = 4;

    /// `None` above 3.
    #[must_use]
    pub const fn new(priority: u8) -> Option<Self> {
        if priority < 4 { Some(Self(priority)) } else { None }
    }

    /// 0 to 3.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The same, to find a codec with.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

const KIND: u64 = 0b111;
const SAME: u64 = 1;
const SAME_AT: u64 = 2;
const STORED: u64 = 3;
const HUGE: u64 = 4;
const LOCKED: u64 = 1 << 3;
const IDLE: u64 = 1 << 4;
const INCOMPRESSIBLE: u64 = 1 << 5;
const RECOMPRESSING: u64 = 1 << 20;
const CODEC: u32 = 6;
const LENGTH: u32 = 8;
const LENGTH_BITS: u64 = 0xfff;
const PLACE: u32 = 24;
const VALUE: u32 = 8;
/// Set in the 56 bits of a value that is a 32-bit pattern twice.
const TWICE: u64 = 1 << 55;

const _: () = assert!(Place::BITS == 64 - PLACE, "every place fits");
const _: () = assert!(PAGE_SIZE as u64 - 1 == LENGTH_BITS, "every length fits");

impl Slot {
    /// Nothing stored.
    pub const EMPTY: Self = Self(0);

    /// A page that is `word` again and again, if that fits: words below 2^55, and any 32 bits twice,
    /// which covers every page filled with one byte.
    #[must_use]
    pub const fn same(word: u64) -> Option<Self> {
        let value = if word < TWICE {
            word
        } else if word >> 32 == word & 0xffff_ffff {
            TWICE | (word >> 32)
        } else {
            return None;
        };
        Some(Self(value << VALUE | SAME))
    }

    /// A page that is a word again and again, where the word lies in the arena.
    #[must_use]
    pub const fn same_at(place: Place) -> Self {
        Self(place.get() << PLACE | SAME_AT)
    }

    /// `len` compressed bytes, 1 to 4096.
    #[must_use]
    pub const fn stored(place: Place, len: usize, codec: Priority) -> Self {
        let length = (len as u64).wrapping_sub(1) & LENGTH_BITS;
        Self(place.get() << PLACE | length << LENGTH | (codec.0 as u64) << CODEC | STORED)
    }

    /// The page itself.
    #[must_use]
    pub const fn huge(place: Place) -> Self {
        Self(place.get() << PLACE | LENGTH_BITS << LENGTH | HUGE)
    }

    /// What it holds; `None` for one that recovery found damaged, and for any kind that is not known.
    #[must_use]
    pub const fn content(self) -> Option<Content> {
        let place = Place::new(self.0 >> PLACE);
        Some(match self.0 & KIND {
            0 => Content::Empty,
            SAME => {
                let value = self.0 >> VALUE;
                let half = value & 0xffff_ffff;
                Content::Same(if value & TWICE == 0 { value } else { half << 32 | half })
            }
            SAME_AT => Content::SameAt(place),
            STORED => Content::Stored {
                place,
                len: (self.0 >> LENGTH & LENGTH_BITS) as usize + 1,
                codec: Priority((self.0 >> CODEC & 3) as u8),
            },
            HUGE => Content::Huge(place),
            _ => return None,
        })
    }

    /// The same as one that nobody follows: its place is not the page's. Of no [`content`](
    /// Self::content), so that reading it is an error, and of no object to free.
    pub(crate) const fn lost(self) -> Self {
        Self(self.0 | KIND)
    }

    /// Whether there is nothing.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 & KIND == 0
    }

    /// Whether the page is one word again and again.
    #[must_use]
    pub const fn is_same(self) -> bool {
        matches!(self.0 & KIND, SAME | SAME_AT)
    }

    /// Where the object is, and how many bytes it has, if there is one.
    #[must_use]
    pub const fn object(self) -> Option<(Place, usize)> {
        match self.content() {
            Some(Content::SameAt(place)) => Some((place, 8)),
            Some(Content::Stored { place, len, .. }) => Some((place, len)),
            Some(Content::Huge(place)) => Some((place, PAGE_SIZE)),
            _ => None,
        }
    }

    /// The same with its object elsewhere.
    #[must_use]
    pub const fn at(self, place: Place) -> Self {
        Self(self.0 & ((1 << PLACE) - 1) | place.get() << PLACE)
    }

    /// Not accessed since idle pages were marked: zram's `i`.
    #[must_use]
    pub const fn is_idle(self) -> bool {
        self.0 & IDLE != 0
    }

    /// The same with that mark set or not.
    #[must_use]
    pub const fn idle(self, idle: bool) -> Self {
        Self(if idle { self.0 | IDLE } else { self.0 & !IDLE })
    }

    /// Recompression did not make it smaller: zram's `n`.
    #[must_use]
    pub const fn is_incompressible(self) -> bool {
        self.0 & INCOMPRESSIBLE != 0
    }

    /// The same with that mark set.
    #[must_use]
    pub const fn incompressible(self) -> Self {
        Self(self.0 | INCOMPRESSIBLE)
    }

    /// Whether a codec other than the primary one has compressed it: zram's `r`.
    #[must_use]
    pub const fn is_recompressed(self) -> bool {
        matches!(self.content(), Some(Content::Stored { codec, .. }) if codec.0 > 0)
    }

    /// Whether [`recompressing`](Self::recompressing) set its mark and nobody has written since.
    pub(crate) const fn is_recompressing(self) -> bool {
        self.0 & RECOMPRESSING != 0 && matches!(self.0 & KIND, STORED | HUGE)
    }

    /// The same with that mark set or not.
    pub(crate) const fn recompressing(self, is: bool) -> Self {
        Self(if is { self.0 | RECOMPRESSING } else { self.0 & !RECOMPRESSING })
    }

    /// Whether somebody holds it.
    #[must_use]
    pub const fn is_locked(self) -> bool {
        self.0 & LOCKED != 0
    }

    pub(crate) const fn locked(self) -> Self {
        Self(self.0 | LOCKED)
    }

    pub(crate) const fn unlocked(self) -> Self {
        Self(self.0 & !LOCKED)
    }

    /// The word in the table.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// What a word in a table means; any word will do, see [`content`](Self::content).
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

impl core::fmt::Debug for Slot {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let mut out = f.debug_struct("Slot");
        match self.content() {
            Some(content) => out.field("content", &content),
            None => out.field("bits", &format_args!("{:#x}", self.0)),
        };
        out.field("idle", &self.is_idle()).field("locked", &self.is_locked()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_fit_come_back() {
        let words = [0, 1, u64::MAX, 0x5a5a_5a5a_5a5a_5a5a, TWICE - 1, 0xffff_fff0_ffff_fff0];
        for word in words {
            let slot = Slot::same(word).expect("fits");
            assert_eq!(slot.content(), Some(Content::Same(word)), "{word:#x}");
            assert!(!slot.is_empty());
        }
        for word in [TWICE, 0xffff_8000_0000_0000, 0xffff_fff0_ffff_fff1] {
            assert_eq!(Slot::same(word), None, "{word:#x}");
        }
    }

    #[test]
    fn every_length_place_and_codec_comes_back_whatever_the_marks() {
        for len in 1..=PAGE_SIZE {
            for place in [0, 1, 0x12_3456_789a, (1 << Place::BITS) - 1] {
                let codec =
                    Priority::new(u8::try_from(len % 4).expect("below 4")).expect("below 4");
                let place = Place::new(place);
                let content = Content::Stored { place, len, codec };
                let slot = Slot::stored(place, len, codec);
                assert_eq!(slot.content(), Some(content));
                assert_eq!(slot.object(), Some((place, len)));
                let marked = slot.idle(true).incompressible().locked();
                assert!(marked.is_idle() && marked.is_incompressible() && marked.is_locked());
                assert_eq!(marked.content(), Some(content));
                assert_eq!(marked.idle(false).unlocked(), slot.incompressible());
                assert_eq!(slot.at(Place::new(7)).object(), Some((Place::new(7), len)));
            }
        }
        assert_eq!(Slot::huge(Place::new(9)).object(), Some((Place::new(9), PAGE_SIZE)));
        assert_eq!(Slot::same_at(Place::new(9)).object(), Some((Place::new(9), 8)));
    }

    #[test]
    fn fresh_memory_is_empty_and_unknown_kinds_are_told() {
        assert_eq!(Slot::from_bits(0), Slot::EMPTY);
        assert_eq!(Slot::EMPTY.content(), Some(Content::Empty));
        assert!((5..8).all(|kind| Slot::from_bits(kind).content().is_none()));
        assert_eq!(Slot::huge(Place::new(9)).lost().content(), None);
    }
}
