//! Taking over what a killed process has left: one scan of the table, and one of the objects.
//!
//! The table alone is truth. Counted from it are the spans' words, the gauges and the lists of free
//! spans; the lock bits of the killed process are taken away. The second scan goes through the
//! objects of each span and finds for each its slot. What it finds must be as many granules as the
//! table said: objects that overlap, or a header that is not its slot's, come out as a difference.
//!
//! A kill leaves no damage. Where there is some all the same, the slots that cannot be true are
//! marked lost and everything is counted again without them: nothing may ever free, move or
//! overwrite the place that such a slot names, because it is another page's.

use core::ops::Range;
use core::sync::atomic::Ordering::Relaxed;
use std::collections::BTreeMap;

use crate::PAGE_SIZE;
use crate::arena::{Gauge, Place, granules, page_of};
use crate::counters::Stored;
use crate::device::{Codecs, Device, Shared};
use crate::error::Error;
use crate::header::{self, Header};
use crate::region::Region;
use crate::slot::{Content, Slot};
use crate::span::{SpanIndex, SpanWord};

/// What a recovery found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Pages that are stored, of whatever kind, damaged ones included.
    pub pages: u64,
    /// Slots that the killed process held.
    pub held: u64,
    /// Pages whose slot or object is damaged: reading them is an error until they are written or
    /// discarded. A kill leaves none.
    pub damaged: u64,
    /// The first of those.
    pub first_damaged: Option<u32>,
    /// Bytes of memory behind spans that were empty, and were given back.
    pub punched: u64,
}

#[derive(Default)]
struct Counted {
    bytes: u64,
    granules: u64,
    same: u64,
    huge: u64,
}

/// How many spans are gone through at once. From one object to the next it takes two words that are
/// in no cache: one span after the other takes 2.5 times as long.
const WALKS: usize = 16;

/// The way through the objects of a span.
struct Walk {
    span: SpanIndex,
    /// So many granules are behind it,
    at: u64,
    /// and so many of them are of objects.
    live: u64,
}

/// Spans in which the objects are not what the table says, and whether their memory is there.
type Doubtful = BTreeMap<SpanIndex, bool>;

impl<R: Region> Device<R> {
    /// Takes over the device in `region`. No other process may be using it any more: not before
    /// the kernel has said so.
    ///
    /// # Errors
    ///
    /// A region that holds no device, one of a later version, a damaged first page, a region that
    /// was cut off, or no memory for a table of which a part was missing.
    pub fn recover(region: R, codecs: Codecs) -> Result<(Self, Recovery), Error> {
        let Header { layout, id, .. } = Header::read(&region)?;
        let tables = layout.tables();
        if header::backed_start(&region)?.end < tables.end {
            region.grow(tables).map_err(Error::Memory)?;
        }
        let device = Self::around(region, layout, id, codecs);
        let shared = &*device.shared;
        let mut found = shared.count_slots();
        let doubtful = shared.check_objects()?;
        if !doubtful.is_empty() {
            shared.lose_untrue(&doubtful);
            found = Recovery { held: found.held, ..shared.count_slots() };
        }
        shared.list_spans(&mut found)?;
        shared.recover_clock();
        Ok((device, found))
    }
}

impl<R: Region> Shared<R> {
    /// Counts what the table says, in the spans' words and in the counters. Takes lock bits away,
    /// and loses slots that are wrong on their face.
    fn count_slots(&self) -> Recovery {
        let (table, spans) = (self.table(), self.arena().spans);
        for span in self.spans() {
            spans.recovered(span, 0);
        }
        let mut found = Recovery::default();
        let mut counted = Counted::default();
        for (at, page) in (0..table.len()).zip(0..) {
            let Some(slot) = table.peek(at).filter(|slot| *slot != Slot::EMPTY) else { continue };
            found.held += u64::from(slot.is_locked());
            let Some(mut slot) = table.unlock(at).filter(|slot| *slot != Slot::EMPTY) else {
                continue;
            };
            found.pages += 1;
            if !self.is_possible(slot) {
                slot = slot.lost();
                table.hold(at).into_iter().for_each(|held| held.install(slot));
                found.damaged += 1;
                found.first_damaged = found.first_damaged.or(Some(page));
            }
            self.count(slot, &mut counted);
        }
        let counters = self.counters();
        counters.forget_threads();
        counters.set(Stored::Pages, found.pages);
        counters.set(Stored::Bytes, counted.bytes);
        counters.set(Stored::Granules, counted.granules);
        counters.set(Stored::Same, counted.same);
        counters.set(Stored::Huge, counted.huge);
        found
    }

    fn count(&self, slot: Slot, counted: &mut Counted) {
        counted.same += u64::from(slot.is_same());
        match slot.content() {
            Some(Content::Stored { len, .. }) => counted.bytes += len as u64,
            Some(Content::Huge(_)) => {
                counted.huge += 1;
                counted.bytes += PAGE_SIZE as u64;
            }
            _ => {}
        }
        let Some((place, len)) = slot.object() else { return };
        let (arena, need) = (self.arena(), granules(len));
        counted.granules += need;
        // A span that is more than full is in doubt already, and its word has no room for more.
        let span = arena.span_of(place);
        if arena.spans.get(span).is_some_and(|word| word.used() <= arena.span_granules()) {
            arena.spans.fill(span, need);
        }
    }

    /// Whether a slot that is not empty may be one of ours, as far as it tells itself: a kind there
    /// is, and a place inside a span of the arena.
    fn is_possible(&self, slot: Slot) -> bool {
        let arena = self.arena();
        match (slot.content(), slot.object()) {
            // The empty slot is zero, and this one is not.
            (None | Some(Content::Empty), _) => false,
            (_, None) => true,
            (_, Some((place, len))) => {
                let last = place.after(granules(len) - 1);
                arena.span_of(place) == arena.span_of(last)
                    && u64::from(arena.span_of(place)) < self.layout.spans()
            }
        }
    }

    /// Goes through the objects of each span that the table has counted something in.
    fn check_objects(&self) -> Result<Doubtful, Error> {
        let stretches = self.backed()?;
        let mut backed = self.spans_in(&stretches).peekable();
        let mut doubtful = Doubtful::new();
        let mut walks = Vec::with_capacity(WALKS);
        for span in self.spans() {
            let is_whole = backed.next_if(|(there, _)| *there == span).is_some_and(|(_, is)| is);
            if self.counted(span) == 0 {
                continue;
            }
            if is_whole || self.region.grow(self.layout.span(span)).is_ok() {
                walks.push(Walk { span, at: 0, live: 0 });
            } else {
                doubtful.insert(span, false);
            }
            if walks.len() == WALKS {
                doubtful.extend(self.untrue(&mut walks));
            }
        }
        doubtful.extend(self.untrue(&mut walks));
        Ok(doubtful)
    }

    /// How many granules of a span the table has counted.
    fn counted(&self, span: SpanIndex) -> u64 {
        self.arena().spans.get(span).map_or(0, SpanWord::used)
    }

    /// Those of the spans in which the objects are not what the table says.
    fn untrue(&self, walks: &mut Vec<Walk>) -> impl Iterator<Item = (SpanIndex, bool)> {
        self.walk(walks);
        let untrue = walks.drain(..).filter(|walk| walk.live != self.counted(walk.span));
        untrue.map(|walk| (walk.span, true))
    }

    /// Counts the granules of objects that do not overlap and to which a slot points, for several
    /// spans at once: the memory that each is waiting for is waited for together.
    fn walk(&self, walks: &mut [Walk]) {
        let (table, arena) = (self.table(), self.arena());
        let end = arena.span_granules();
        while walks.iter().any(|walk| walk.at < end) {
            let mut pages = [None; WALKS];
            for (walk, page) in walks.iter().zip(&mut pages) {
                if walk.at < end {
                    *page = self.page_at(arena.start_of(walk.span).after(walk.at));
                }
            }
            for (walk, page) in walks.iter_mut().zip(pages) {
                let place = arena.start_of(walk.span).after(walk.at);
                let slot = page.and_then(|page| table.peek(page as usize));
                let object = slot.and_then(Slot::object).filter(|(there, _)| *there == place);
                let need = object.map_or(0, |(_, len)| granules(len));
                walk.live += need;
                walk.at += need.max(1);
            }
        }
    }

    /// The page of which there is a header at `place`.
    fn page_at(&self, place: Place) -> Option<u32> {
        let first = self.arena().object(place, 0).first()?;
        page_of(first.load(Relaxed), place)
    }

    /// Loses the slots that point into these spans and are not true.
    fn lose_untrue(&self, doubtful: &Doubtful) {
        let (table, arena) = (self.table(), self.arena());
        let lose = |page: u32| {
            let held = table.hold(page as usize);
            held.into_iter().for_each(|held| {
                let lost = held.slot().lost();
                held.install(lost);
            });
        };
        let mut objects = Vec::new();
        for (at, page) in (0..table.len()).zip(0..) {
            let Some((place, len)) = table.peek(at).and_then(Slot::object) else { continue };
            match doubtful.get(&arena.span_of(place)) {
                None => {}
                Some(true) if self.page_at(place) == Some(page) => {
                    objects.push((place, granules(len), page));
                }
                Some(_) => lose(page),
            }
        }
        objects.sort_unstable();
        for (one, next) in objects.iter().zip(objects.iter().skip(1)) {
            // Writing the first one would have destroyed the header of the second: so it came
            // before, and what is in its place is no longer its own.
            if one.0.after(one.1) > next.0 {
                lose(one.2);
            }
        }
    }

    /// Which spans are in use, and that the others have no memory.
    fn list_spans(&self, found: &mut Recovery) -> Result<(), Error> {
        let arena = self.arena();
        let (gauges, spans) = (arena.gauges, arena.spans);
        use Gauge::{Moving, PunchedHead, Ready, ReadyHead, Refused};
        for gauge in [Ready, ReadyHead, PunchedHead, Refused, Moving] {
            gauges.set(gauge, 0);
        }
        let is_used = |span: &SpanIndex| spans.get(*span).is_some_and(|word| word.used() > 0);
        let used = self.spans().filter(is_used).count() as u64;
        let kept = self.punch_unused(is_used, found)?;
        let last = self.spans().rev().find(is_used).max(kept.last().copied());
        let grown = last.map_or(0, |span| span + 1);
        gauges.set(Gauge::Used, used);
        gauges.set(Gauge::Grown, grown.into());
        let peak = gauges.get(Gauge::Peak);
        let is_possible = (used..=self.layout.spans()).contains(&peak);
        gauges.set(Gauge::Peak, if is_possible { peak } else { used });
        // Backwards, so that what is at the start of the arena is used first.
        for span in (0..grown).rev() {
            if is_used(&span) {
                spans.recovered(span, spans.get(span).map_or(0, SpanWord::used));
            } else if kept.binary_search(&span).is_ok() {
                arena.add_ready(span);
            } else {
                arena.add_unbacked(span);
            }
        }
        Ok(())
    }

    /// Gives the memory of spans back that nothing is in. Where that is refused the spans are kept at
    /// hand: which ones.
    fn punch_unused(
        &self,
        is_used: impl Fn(&SpanIndex) -> bool,
        found: &mut Recovery,
    ) -> Result<Vec<SpanIndex>, Error> {
        let backed = self.backed()?;
        let unused = |stretches| self.spans_in(stretches).filter(|(span, _)| !is_used(span));
        let bytes = |count: usize| count as u64 * self.layout.span_bytes();
        found.punched = bytes(unused(&backed).count());
        // All of the arena, and not what is known to be backed: a process that is killed while it
        // grows leaves memory that tmpfs does not tell of, because nobody has touched it.
        let mut start = self.layout.arena().start;
        let mut is_refused = false;
        let mut punch = |until: u64| {
            is_refused |= start < until && self.region.punch(start..until).is_err();
            start = until + self.layout.span_bytes();
        };
        self.spans().filter(&is_used).for_each(|span| punch(self.layout.span(span).start));
        punch(self.layout.arena().end);
        let mut kept = Vec::new();
        if is_refused {
            let left = self.backed()?;
            kept.extend(unused(&left).filter(|(_, is_whole)| *is_whole).map(|(span, _)| span));
            found.punched -= bytes(kept.len());
        }
        Ok(kept)
    }

    fn spans(&self) -> impl DoubleEndedIterator<Item = SpanIndex> + use<R> {
        0..SpanIndex::try_from(self.layout.spans()).unwrap_or(SpanIndex::MAX)
    }

    /// Which parts of the arena have memory, in order.
    fn backed(&self) -> Result<Vec<Range<u64>>, Error> {
        let arena = self.layout.arena();
        let mut stretches = Vec::new();
        let mut from = arena.start;
        while let Some(bytes) = self.region.next_backed(from).map_err(Error::Backing)? {
            if bytes.start >= arena.end {
                break;
            }
            from = bytes.end;
            stretches.push(bytes);
        }
        Ok(stretches)
    }

    /// The spans that these stretches touch, in order, and whether all of their memory is there.
    fn spans_in(&self, stretches: &[Range<u64>]) -> impl Iterator<Item = (SpanIndex, bool)> {
        let arena = self.layout.arena();
        let mut from = arena.start;
        let mut stretches = stretches.iter().peekable();
        core::iter::from_fn(move || {
            let mut stretch = stretches.peek()?;
            while from >= stretch.end {
                stretches.next();
                stretch = stretches.peek()?;
            }
            let first = from.max(stretch.start) - arena.start;
            let span = SpanIndex::try_from(first / self.layout.span_bytes()).ok()?;
            let bytes = self.layout.span(span);
            from = bytes.end;
            let is_whole = stretch.start <= bytes.start && bytes.end <= stretch.end;
            (bytes.start < arena.end).then_some((span, is_whole))
        })
    }
}
