//! The first page of a region: what it is, and for whom.
//!
//! ```text
//! word 0   "TRUENO-A"
//! word 1   version of the format, 1
//! word 2   pages of the device
//! word 3   bytes of a span
//! word 4   1 if access times are kept
//! word 5,6 id: 128 bits by which the owner knows it again
//! word 7   check of the words before
//! ```
//!
//! The parameters on the second page are text that the store keeps and does not read. There is room
//! for two; the one that counts is changed by one store, so a process killed in between leaves the
//! old one.

use core::ops::Range;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::Error;
use crate::arena::part;
use crate::layout::{COUNTERS, Layout, PARAMETERS};
use crate::region::Region;

const MAGIC: u64 = u64::from_le_bytes(*b"TRUENO-A");
const VERSION: u64 = 1;
const WORDS: usize = 8;

/// By which the owner of a region knows it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Id(pub u128);

/// What a region says of the device in it: what one must know before its codecs can be chosen and
/// [`Device::recover`](crate::Device::recover) be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Where things are, and how many pages the device has.
    pub layout: Layout,
    /// By which its owner knows it again.
    pub id: Id,
    /// The text kept with it.
    pub parameters: String,
}

impl Header {
    /// Reads it. This changes nothing and asks for no memory, so it may be done before the process
    /// that owns the device is gone.
    ///
    /// # Errors
    ///
    /// A region that holds no device, one of a later version, a damaged first page, or a region
    /// that was cut off.
    pub fn read(region: &impl Region) -> Result<Self, Error> {
        let backed = backed_start(region)?;
        let (layout, id) = read(region.words())?;
        // Where a part of it has lost its memory there is nothing to be read.
        let is_whole = backed.end >= COUNTERS;
        let parameters = if is_whole { parameters(region.words()) } else { String::new() };
        Ok(Self { layout, id, parameters })
    }
}

/// The first stretch of backed memory, with which the region begins.
pub(crate) fn backed_start(region: &impl Region) -> Result<Range<u64>, Error> {
    // To look at memory that is not there would be to ask for some.
    let backed = region.next_backed(0).map_err(Error::Backing)?;
    backed.filter(|bytes| bytes.start == 0).ok_or(Error::Foreign(0))
}

fn check(words: &[u64]) -> u64 {
    // FNV-1a over words: it has to catch damage, not malice.
    words.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, word| {
        (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(29)
    })
}

/// Writes the identity; the last store makes the region one of ours.
#[expect(clippy::cast_possible_truncation, reason = "the two halves of an id")]
pub(crate) fn write(words: &[AtomicU64], layout: &Layout, id: Id) {
    let mut identity = [
        MAGIC,
        VERSION,
        layout.pages(),
        layout.span_bytes(),
        u64::from(layout.has_times()),
        id.0 as u64,
        (id.0 >> 64) as u64,
        0,
    ];
    let [rest @ .., last] = &mut identity;
    *last = check(rest);
    for (word, value) in words.iter().zip(identity).skip(1) {
        word.store(value, Relaxed);
    }
    if let Some(first) = words.first() {
        first.store(MAGIC, Release);
    }
}

/// Reads the identity and compares it with the region's size.
fn read(words: &[AtomicU64]) -> Result<(Layout, Id), Error> {
    let (layout, id) = identity(words)?;
    enough(words, layout.region_bytes())?;
    Ok((layout, id))
}

/// Reads the identity alone: of a region of which only the beginning may be there.
pub(crate) fn identity(words: &[AtomicU64]) -> Result<(Layout, Id), Error> {
    let foreign = Error::Foreign;
    let first: &[_; WORDS] = words.first_chunk().ok_or(foreign(0))?;
    let identity = first.each_ref().map(|word| word.load(Acquire));
    let [magic, version, pages, span_bytes, has_times, low, high, sum] = identity;
    if magic != MAGIC {
        return Err(foreign(magic));
    }
    if version > VERSION {
        return Err(Error::Version(version));
    }
    if sum != check(identity.split_last().map_or(&[], |(_, rest)| rest)) || has_times > 1 {
        return Err(Error::Header("its check does not fit"));
    }
    let layout = Layout::new(pages, has_times == 1)?;
    if layout.span_bytes() != span_bytes {
        return Err(Error::Header("spans of a size that its pages do not have"));
    }
    Ok((layout, Id(u128::from(high) << 64 | u128::from(low))))
}

/// Whether the region has so many bytes.
pub(crate) fn enough(words: &[AtomicU64], needed: u64) -> Result<(), Error> {
    let got = size_of_val(words) as u64;
    if got < needed { Err(Error::Truncated { got, needed }) } else { Ok(()) }
}

/// Makes what is no longer wanted none of ours.
pub(crate) fn erase(words: &[AtomicU64]) {
    if let Some(first) = words.first() {
        first.store(0, Release);
    }
}

/// How many bytes of text there is room for.
pub const MOST_PARAMETERS: usize = 2032;
/// The word that says which text counts, and a text: its length and its bytes.
const TEXT_WORDS: usize = 1 + MOST_PARAMETERS / 8;

/// The two texts of a region.
struct Texts<'a> {
    which: &'a AtomicU64,
    texts: [&'a [AtomicU64]; 2],
}

impl<'a> Texts<'a> {
    fn of(words: &'a [AtomicU64]) -> Option<Self> {
        let (which, rest) = part(words, PARAMETERS..COUNTERS).split_first()?;
        let (one, rest) = rest.split_at_checked(TEXT_WORDS)?;
        let (two, _) = rest.split_at_checked(TEXT_WORDS)?;
        Some(Self { which, texts: [one, two] })
    }
}

/// The text that [`set_parameters`] has put there last; empty if none was.
#[expect(clippy::cast_possible_truncation, reason = "a length is cut to what there is")]
pub(crate) fn parameters(words: &[AtomicU64]) -> String {
    let Some(Texts { which, texts: [one, two] }) = Texts::of(words) else { return String::new() };
    loop {
        let before = which.load(Acquire);
        let text = if before.is_multiple_of(2) { one } else { two };
        let Some((len, words)) = text.split_first() else { return String::new() };
        let len = len.load(Relaxed) as usize;
        let bytes: Vec<u8> =
            words.iter().flat_map(|word| word.load(Relaxed).to_le_bytes()).take(len).collect();
        // A writer has gone round twice meanwhile, or not touched this text.
        core::sync::atomic::fence(Acquire);
        if which.load(Relaxed) == before {
            return String::from_utf8_lossy(&bytes).into_owned();
        }
    }
}

/// Whether there is room for a text.
pub(crate) fn has_room(text: &str) -> Result<(), Error> {
    let len = text.len();
    if len > MOST_PARAMETERS { Err(Error::Parameters { len }) } else { Ok(()) }
}

/// Keeps a text with the device. One thread at a time.
pub(crate) fn set_parameters(words: &[AtomicU64], text: &str) -> Result<(), Error> {
    has_room(text)?;
    let Some(Texts { which, texts: [one, two] }) = Texts::of(words) else { return Ok(()) };
    let count = which.load(Relaxed);
    let other = if count.is_multiple_of(2) { two } else { one };
    let Some((len, words)) = other.split_first() else { return Ok(()) };
    // The last change of `which` comes before anything of the text that it has set free.
    core::sync::atomic::fence(Release);
    len.store(text.len() as u64, Relaxed);
    for (word, bytes) in words.iter().zip(text.as_bytes().chunks(8)) {
        let mut whole = [0; 8];
        whole.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        word.store(u64::from_le_bytes(whole), Relaxed);
    }
    which.store(count.wrapping_add(1), Release);
    Ok(())
}
