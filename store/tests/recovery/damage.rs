//! Ways in which a table and an arena can be damaged.

use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;

use trueno_zram_store::slot::{Content, Slot};
use trueno_zram_store::{Error, Options, Place, Region as _, granules};

use crate::filled::{Filled, content, write};

/// One of them.
pub(crate) struct Case {
    pub(crate) what: &'static str,
    /// Does it, and says which pages are lost.
    pub(crate) damage: fn(&Filled) -> Vec<u32>,
}

pub(crate) const CASES: &[Case] = &[
    Case { what: "kinds that are not known", damage: kinds },
    Case { what: "an empty slot that is not zero", damage: not_empty },
    Case { what: "places behind the end of the arena", damage: outside },
    Case { what: "a place across the end of a span", damage: across },
    Case { what: "a place in a span that was never used", damage: unbacked },
    Case { what: "another page's object", damage: anothers },
    Case { what: "the middle of an object", damage: middle },
    Case { what: "a length into the next object", damage: too_long },
    Case { what: "all slots the same", damage: all_one },
    Case { what: "headers without their page", damage: headers },
    Case { what: "an older object of the page, half overwritten", damage: older },
];

/// Pages that are compressed, in the order of their objects.
fn stored(filled: &Filled) -> Vec<u32> {
    let mut pages = filled.pages_at(|_| true);
    pages.retain(|page| matches!(filled.slot(*page).content(), Some(Content::Stored { .. })));
    pages.sort_unstable_by_key(|page| filled.slot(*page).object());
    pages
}

fn kinds(filled: &Filled) -> Vec<u32> {
    let lost: Vec<u32> = stored(filled).into_iter().step_by(20).collect();
    for (page, kind) in lost.iter().zip([5, 6, 7].into_iter().cycle()) {
        filled.set_slot(*page, Slot::from_bits(filled.slot(*page).to_bits() & !7 | kind));
    }
    lost
}

fn not_empty(filled: &Filled) -> Vec<u32> {
    let page = stored(filled)[30];
    filled.set_slot(page, Slot::from_bits(filled.slot(page).to_bits() & !7));
    vec![page]
}

fn move_to(filled: &Filled, page: u32, granule: u64) -> u32 {
    filled.set_slot(page, filled.slot(page).at(Place::new(granule)));
    page
}

fn outside(filled: &Filled) -> Vec<u32> {
    let layout = filled.device().layout();
    let end = layout.spans() * layout.span_granules();
    let places = [end - 1, end, end + 1, u64::MAX >> 24, 1 << 39];
    let pages = stored(filled);
    let larger = pages.iter().filter(|page| filled.slot(**page).object().is_some_and(is_larger));
    larger.zip(places).map(|(page, place)| move_to(filled, *page, place)).collect()
}

/// Whether it has more than one granule.
fn is_larger((_, len): (Place, usize)) -> bool {
    granules(len) > 1
}

fn across(filled: &Filled) -> Vec<u32> {
    let end = filled.device().layout().span_granules();
    let page =
        stored(filled).into_iter().find(|page| filled.slot(*page).object().is_some_and(is_larger));
    vec![move_to(filled, page.expect("large ones"), end - 1)]
}

fn unbacked(filled: &Filled) -> Vec<u32> {
    let layout = filled.device().layout();
    vec![move_to(filled, stored(filled)[7], (layout.spans() - 3) * layout.span_granules())]
}

fn anothers(filled: &Filled) -> Vec<u32> {
    let pages = stored(filled);
    let place = filled.slot(pages[50]).object().expect("an object").0;
    vec![move_to(filled, pages[9], place.get())]
}

fn middle(filled: &Filled) -> Vec<u32> {
    let page =
        stored(filled).into_iter().find(|page| filled.slot(*page).object().is_some_and(is_larger));
    let page = page.expect("large ones");
    let place = filled.slot(page).object().expect("an object").0;
    vec![move_to(filled, page, place.get() + 1)]
}

fn with_len(filled: &Filled, page: u32, change: impl Fn(usize) -> usize) {
    let Some(Content::Stored { place, len, codec }) = filled.slot(page).content() else {
        panic!("page {page} is compressed")
    };
    filled.set_slot(page, Slot::stored(place, change(len), codec));
}

fn too_long(filled: &Filled) -> Vec<u32> {
    let pages = stored(filled);
    let is_followed = |page: &&u32| {
        let end = filled.object(**page).expect("an object").end;
        !filled.pages_at(|bytes| bytes.start == end).is_empty()
    };
    let lost: Vec<u32> = pages.iter().filter(is_followed).step_by(40).copied().collect();
    lost.iter().for_each(|page| with_len(filled, *page, |len| len + 17));
    lost
}

fn all_one(filled: &Filled) -> Vec<u32> {
    let page = stored(filled)[3];
    let slot = filled.slot(page);
    let all = filled.pages_at(|_| true);
    all.iter().for_each(|other| filled.set_slot(*other, slot));
    all.into_iter().filter(|other| *other != page).collect()
}

fn headers(filled: &Filled) -> Vec<u32> {
    let lost: Vec<u32> = stored(filled).into_iter().step_by(30).collect();
    for (page, change) in lost.iter().zip([1, 1 << 40, u64::MAX].into_iter().cycle()) {
        let at =
            usize::try_from(filled.object(*page).expect("an object").start / 8).expect("small");
        filled.device().region().words()[at].fetch_xor(change, Relaxed);
    }
    lost
}

/// As if an object had been written anew elsewhere, its hole filled by another page from its third
/// granule on, and the slot pointed to the hole again.
fn older(filled: &Filled) -> Vec<u32> {
    let page = with_bytes(filled, 900..4096);
    overwrite(filled, page);
    vec![page]
}

/// A page that is not compressed, overwritten in part: reading it finds nothing wrong.
pub(crate) fn overwritten(filled: &Filled) -> u32 {
    let pages = filled.pages_at(|_| true);
    let huge = |page: &&u32| matches!(filled.slot(**page).content(), Some(Content::Huge(_)));
    let page = *pages.iter().find(huge).expect("huge ones");
    overwrite(filled, page);
    page
}

/// A page whose object has so many bytes.
fn with_bytes(filled: &Filled, bytes: Range<usize>) -> u32 {
    let len = |page: &u32| filled.slot(*page).object().map_or(0, |(_, len)| len);
    let page = stored(filled).into_iter().find(|page| bytes.contains(&len(page)));
    page.expect("pages of all sizes")
}

/// Moves a small object into that of the page.
fn overwrite(filled: &Filled, page: u32) {
    let (place, _) = filled.slot(page).object().expect("an object");
    let victim = with_bytes(filled, 1..200);
    let at =
        |page: u32| usize::try_from(filled.object(page).expect("one").start / 8).expect("small");
    let (from, words) = (at(victim), filled.device().region().words());
    let (_, len) = filled.slot(victim).object().expect("an object");
    let inside = Place::new(place.get() + 2);
    filled.set_slot(victim, filled.slot(victim).at(inside));
    for word in 1..1 + len.div_ceil(8) {
        words[at(victim) + word].store(words[from + word].load(Relaxed), Relaxed);
    }
    words[at(victim)].store(header(victim, inside), Relaxed);
}

/// The first word of an object: the arena's own rule, written down a second time.
fn header(page: u32, place: Place) -> u64 {
    let mixed = (u64::from(page) << 40 ^ place.get()).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed & !0xffff_ffff | u64::from(page)
}

/// Nothing contradicts such a slot, but what it points to cannot be decoded.
pub(crate) fn too_short() {
    let mut filled = Filled::new(Options::default());
    let page = with_bytes(&filled, 900..4096);
    with_len(&filled, page, |len| len / 2);
    let (device, found) = filled.recover();
    // Its second half is free space now, and in nobody's way.
    assert_eq!(found.damaged, 0);
    let mut queue = device.queue().expect("a thread");
    let damaged = Error::Damaged { page, what: "its bytes are not what the codec writes" };
    assert_eq!(queue.read(page.into(), &mut [0; 4096]), Err(damaged));
    let verified = queue.verify();
    assert_eq!((verified.damaged, verified.damaged_count), (vec![damaged], 1));
    write(&mut queue, page.into(), &content(page.into()));
    drop(queue);
    filled.goes_on_with(device);
    filled.check(&[]);
}
