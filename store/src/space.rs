//! Finding places for objects, taking freed ones back, and moving objects together.
//!
//! Each thread fills one open span from its start and reuses the holes that its own overwrites have
//! left. Both need no other thread. What neither can use again, because sizes or threads have
//! changed, is won back by evacuation: when a span is needed and more than a fourteenth of all spans
//! in use is dead, the sparsest of a few is emptied first. Compaction on request is the same, for all
//! sparse spans.

use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;

use crate::PAGE_SIZE;
use crate::arena::{
    Arena, Gauge, MOST_GRANULES, Place, RESERVE, Shortage, granules, header, page_of,
};
use crate::counters::{AllCounters, Counters, Event, Stored};
use crate::holes::{Hole, Holes};
use crate::slot::Slot;
use crate::span::{Released, SpanIndex, State};
use crate::table::SlotTable;
use crate::word::Word;

/// Evacuation begins when more than one part of so many of the spans in use is dead. With 10 in its
/// place a device of 50 spans wastes up to 17 % at times, and a write takes one part in 500 less.
const DEAD: u64 = 14;
/// At how many spans it looks for the sparsest: nearly as good as looking at all.
const PROBES: u32 = 16;
/// A span is not worth emptying if less than one part of so many is dead.
const WORTH: u64 = 16;
/// And how often it looks at so many if a write would fail without.
const TRIES_IN_NEED: u32 = 64;
/// How often it looks again for what another thread is just putting into a span that must become empty.
/// That takes a copy of a page at most, unless the other one was interrupted, for which it is given the
/// processor; it ends at last because a header that has lost a bit is never found.
const PATIENCE: u32 = 1000;
/// How many spans one allocation empties at most, which bounds how long it takes. With 2 in its place a
/// device that one thread writes and another one discards wastes up to 19 %, with 4 up to 13 %.
const EMPTIED_AT_ONCE: u32 = 4;
/// How many holes a thread may always remember: 64 KiB of them.
const LEAST_HOLES: u64 = 4096;
/// And beyond that: one part of so many of what is stored.
const HOLES: u64 = 32;

#[cfg(test)]
mod interleavings;

/// What one thread has for itself of the arena.
#[derive(Debug)]
pub(crate) struct Allocator {
    open: Option<Open>,
    holes: Holes,
    random: u64,
    /// How many evacuations this thread has begun.
    begun: u32,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    span: SpanIndex,
    /// Another one, and the span was taken back: nothing was in it any more.
    generation: u32,
    /// How many granules of it are taken.
    taken: u64,
}

impl Allocator {
    pub(crate) fn new(thread: usize) -> Self {
        let random = (thread as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self { open: None, holes: Holes::new(LEAST_HOLES), random, begun: 0 }
    }

    pub(crate) fn footprint(&self) -> u64 {
        self.holes.footprint()
    }

    /// A place that this thread can have at once.
    #[inline]
    fn fit<W: Word>(&mut self, arena: Arena<'_, W>, need: u64) -> Option<Place> {
        while let Some(hole) = self.holes.take(need) {
            if arena.spans.reserve(arena.span_of(hole.place), hole.generation, need) {
                return Some(hole.place);
            }
        }
        let open = self.open.as_mut()?;
        if open.taken + need > arena.span_granules()
            || !arena.spans.reserve(open.span, open.generation, need)
        {
            return None;
        }
        let place = arena.start_of(open.span).after(open.taken);
        open.taken += need;
        Some(place)
    }

    /// A number below `below`, which is above 0.
    fn random(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 32) % below
    }
}

/// The arena and the table as one thread works with them.
#[derive(Debug)]
pub(crate) struct Space<'a, W = AtomicU64> {
    pub(crate) arena: Arena<'a, W>,
    pub(crate) table: SlotTable<'a, W>,
    pub(crate) counters: Counters<'a>,
    pub(crate) all: AllCounters<'a>,
    pub(crate) allocator: &'a mut Allocator,
}

impl<W: Word> Space<'_, W> {
    /// Writes an object of `len` bytes, which `words` yields, and returns where. No slot points to
    /// it yet.
    #[inline]
    pub(crate) fn put(
        &mut self,
        page: u32,
        len: usize,
        words: impl Iterator<Item = u64>,
    ) -> Result<Place, Shortage> {
        let place = self.place(granules(len))?;
        if let Some((first, rest)) = self.arena.object(place, len).split_first() {
            first.store(header(page, place), Relaxed);
            rest.iter().zip(words).for_each(|(to, word)| to.store(word, Relaxed));
        }
        Ok(place)
    }

    #[inline]
    fn place(&mut self, need: u64) -> Result<Place, Shortage> {
        // What is moved may fill the span that was opened; the next one stays empty, so that this ends.
        let mut empties = EMPTIED_AT_ONCE;
        let place = loop {
            match self.allocator.fit(self.arena, need) {
                Some(place) => break place,
                None => self.refill(core::mem::take(&mut empties))?,
            }
        };
        self.counters.more(Stored::Granules, need);
        Ok(place)
    }

    /// Makes `new` the page's slot, keeps the books, and frees what was there. `None` outside the
    /// table.
    #[inline]
    pub(crate) fn install(&mut self, page: u32, new: Slot) -> Option<()> {
        let old = self.table.replace(page as usize, new)?;
        account(self.counters, old, new);
        if let Some((place, len)) = old.object() {
            self.free(place, len);
        }
        Some(())
    }

    /// Takes back the place of an object that no slot points to any more.
    #[inline]
    pub(crate) fn free(&mut self, place: Place, len: usize) {
        let need = granules(len);
        self.counters.less(Stored::Granules, need);
        let span = self.arena.span_of(place);
        match self.arena.spans.release(span, need) {
            Released::Emptied => self.arena.give_back(span),
            Released::Hole(generation) => {
                self.allocator.holes.put(Hole { place, generation }, need)
            }
        }
    }

    /// Closes the open span and opens another; empties up to so many sparse ones into it.
    #[cold]
    fn refill(&mut self, empties: u32) -> Result<(), Shortage> {
        self.close();
        let live = self.live();
        self.allocator.holes.most = LEAST_HOLES.max(live / HOLES);
        let (before, begun) = (self.arena.gauges.moves(), self.allocator.begun);
        match self.arena.take_span(false).or_else(|shortage| self.retract(shortage)) {
            Ok(span) => self.open(span),
            Err(Shortage::Headroom) => return Err(Shortage::Headroom),
            Err(shortage) => {
                let squeezed = self.squeeze(shortage);
                // What others were moving meanwhile was in the way, and may have left room.
                let own = self.allocator.begun.wrapping_sub(begun);
                let is_alone = self.arena.gauges.is_undisturbed(before, own);
                return squeezed.map_err(|s| if is_alone { s } else { Shortage::Headroom });
            }
        }
        for _ in 0..empties {
            let granules = self.arena.gauges.get(Gauge::Used) * self.arena.span_granules();
            if granules - granules / DEAD <= self.live() {
                break;
            }
            let Some(span) = self.sparse(self.average()) else { break };
            self.evacuate(span);
        }
        Ok(())
    }

    /// How many granules objects occupy, of all threads.
    fn live(&self) -> u64 {
        self.all.stored(Stored::Granules)
    }

    /// How many granules an object has. Emptying a span in which less is dead gains nothing: spans full
    /// of incompressible pages have ends that no page fits into.
    fn average(&self) -> u64 {
        let same = self.all.stored(Stored::Same);
        let objects = self.all.stored(Stored::Pages).saturating_sub(same);
        self.live() / objects.max(1)
    }

    /// Takes a span where there is none to be had, by taking back those that others have open and in
    /// which nothing is.
    fn retract(&self, mut shortage: Shortage) -> Result<SpanIndex, Shortage> {
        for (span, _) in self.all.open_spans() {
            if shortage == Shortage::Headroom {
                break;
            }
            if self.arena.spans.retract(span) {
                self.arena.give_back(span);
                match self.arena.take_span(false) {
                    Ok(span) => return Ok(span),
                    Err(other) => shortage = other,
                }
            }
        }
        Err(shortage)
    }

    /// Gets room where there is none to be had, by emptying a sparse span into one beyond the limit, or
    /// into the one that is reserved for this.
    fn squeeze(&mut self, shortage: Shortage) -> Result<(), Shortage> {
        let gauges = self.arena.gauges;
        // Those beyond the limit that others empty spans into are no reason to give up.
        let used = gauges.get(Gauge::Used).saturating_sub(gauges.moves().under_way.into());
        if self.arena.is_beyond_limit(used) {
            return Err(Shortage::Limit);
        }
        // So much must be dead that what is moved leaves room for whatever is to be written.
        let dead = MOST_GRANULES.min(self.arena.span_granules() / 2);
        let mut tries = 0..TRIES_IN_NEED;
        let victim = tries.find_map(|_| self.sparse(dead)).ok_or(shortage)?;
        self.begin_move();
        let squeezed = self.arena.take_span(true).and_then(|span| {
            self.open(span);
            // A span for a span: then this one may be used, whatever others do at the limit.
            let is_paid =
                self.evacuate(victim) || !self.arena.is_beyond_limit(gauges.get(Gauge::Used));
            if is_paid { Ok(()) } else { Err(shortage) }
        });
        if squeezed.is_err() {
            self.close();
        }
        gauges.end_move();
        squeezed
    }

    fn begin_move(&mut self) {
        self.allocator.begun = self.allocator.begun.wrapping_add(1);
        self.arena.gauges.begin_move();
    }

    /// Begins to fill a span that was taken.
    fn open(&mut self, span: SpanIndex) {
        let generation = self.arena.spans.open(span);
        self.allocator.open = Some(Open { span, generation, taken: 0 });
        self.counters.open(Some((span, generation)));
    }

    /// Closes the open span. Its end becomes a hole.
    pub(crate) fn close(&mut self) {
        let Some(Open { span, generation, taken }) = self.allocator.open.take() else { return };
        self.counters.open(None);
        match self.arena.spans.close(span, generation) {
            None => {}
            Some(Released::Emptied) => self.arena.give_back(span),
            Some(Released::Hole(generation)) => {
                let place = self.arena.start_of(span).after(taken);
                let hole = Hole { place, generation };
                self.allocator.holes.put(hole, self.arena.span_granules() - taken);
            }
        }
    }

    /// Lets go of everything that this thread has for itself.
    pub(crate) fn retire(&mut self) {
        self.close();
        self.allocator.holes.clear();
    }

    /// The sparsest of a few closed spans, if it is worth emptying.
    fn sparse(&mut self, dead: u64) -> Option<SpanIndex> {
        let grown = self.arena.gauges.get(Gauge::Grown);
        if grown == 0 {
            return None;
        }
        let mut best = None;
        for _ in 0..PROBES {
            let span = u32::try_from(self.allocator.random(grown)).ok()?;
            let used = self.sparseness(span, dead);
            if used.is_some() && (best.is_none() || used < best.map(|(used, _)| used)) {
                best = used.map(|used| (used, span));
            }
        }
        best.map(|(_, span)| span)
    }

    /// How many granules of a closed span are used, if so many are dead and a part that is worth it.
    fn sparseness(&self, span: SpanIndex, dead: u64) -> Option<u64> {
        let word = self.arena.spans.get(span).filter(|word| word.state() == State::Closed)?;
        let all = self.arena.span_granules();
        (word.used() <= all.saturating_sub(dead.max(all / WORTH))).then_some(word.used())
    }

    /// Empties the span if it is closed and worth it.
    pub(crate) fn evacuate_if_sparse(&mut self, span: SpanIndex) {
        if self.sparseness(span, 0).is_some() {
            self.evacuate(span);
        }
    }

    /// Moves all objects out of a closed span, and gives it back if that emptied it; whether it did.
    fn evacuate(&mut self, span: SpanIndex) -> bool {
        self.begin_move();
        let is_emptied = self.arena.spans.begin_evacuation(span) && self.empty(span);
        self.arena.gauges.end_move();
        is_emptied
    }

    fn empty(&mut self, span: SpanIndex) -> bool {
        let mut moved = 0;
        for round in 0..PATIENCE {
            let is_moved = self.move_objects(span, &mut moved).is_ok();
            let is_empty = self.arena.spans.get(span).is_none_or(|word| word.used() == 0);
            if is_empty || !is_moved || !self.is_in_need() {
                break;
            }
            // What is left another thread has just put there, or is about to free.
            W::pause(round);
        }
        let is_emptied = self.arena.spans.end_evacuation(span);
        if is_emptied {
            self.arena.give_back(span);
            // What was moved takes the same memory elsewhere; what was dead is free now.
            self.counters.count(Event::Compacted, self.arena.span_granules() - moved);
        }
        is_emptied
    }

    /// Whether a span is in use for moving objects that nobody could have otherwise, and must come back.
    fn is_in_need(&self) -> bool {
        let gauges = self.arena.gauges;
        self.arena.is_beyond_limit(gauges.get(Gauge::Used)) || gauges.get(Gauge::Ready) < RESERVE
    }

    /// Moves the objects of a span elsewhere to which slots point, and counts their granules.
    fn move_objects(&mut self, span: SpanIndex, moved: &mut u64) -> Result<(), Shortage> {
        let (start, all) = (self.arena.start_of(span), self.arena.span_granules());
        let mut at = 0;
        while at < all {
            let place = start.after(at);
            let Some(first) = self.arena.object(place, 0).first() else { break };
            let page = page_of(first.load(Relaxed), place);
            let granules = page.map_or(Ok(0), |page| self.move_object(page, place))?;
            *moved += granules;
            at += granules.max(1);
        }
        Ok(())
    }

    /// Moves the object at `place` elsewhere if the page's slot points to it. How many granules it
    /// has; 0 if it is not there.
    fn move_object(&mut self, page: u32, place: Place) -> Result<u64, Shortage> {
        let Some(held) = self.table.hold(page as usize) else { return Ok(0) };
        let Some((_, len)) = held.slot().object().filter(|(there, _)| *there == place) else {
            return Ok(0);
        };
        let need = granules(len);
        let to = loop {
            match self.allocator.fit(self.arena, need) {
                Some(to) => break to,
                None => {
                    self.close();
                    let span = self.arena.take_span(true)?;
                    self.open(span);
                }
            }
        };
        let (from, into) = (self.arena.object(place, len), self.arena.object(to, len));
        from.iter().zip(into).for_each(|(from, to)| to.store(from.load(Relaxed), Relaxed));
        if let Some(first) = into.first() {
            first.store(header(page, to), Relaxed);
        }
        let moved = held.slot().at(to);
        held.install(moved);
        // Nobody puts anything into a span that is being emptied, so this hole is not remembered.
        match self.arena.spans.release(self.arena.span_of(place), need) {
            Released::Hole(_) | Released::Emptied => {}
        }
        Ok(need)
    }
}

/// The bytes of an object as words: `bytes` and, to the end of the last word, what follows.
#[inline]
pub(crate) fn words_of(bytes: &[u8], len: usize) -> impl Iterator<Item = u64> {
    let (words, _) = bytes.as_chunks::<8>();
    words.iter().take(len.div_ceil(8)).map(|word| u64::from_le_bytes(*word))
}

/// What a slot adds to the sums of what is stored.
pub(crate) fn account(counters: Counters<'_>, old: Slot, new: Slot) {
    use crate::slot::Content;
    let parts = |slot: Slot| -> (u64, u64, u64, u64) {
        match slot.content() {
            Some(Content::Same(_) | Content::SameAt(_)) => (1, 0, 1, 0),
            Some(Content::Stored { len, .. }) => (1, len as u64, 0, 0),
            Some(Content::Huge(_)) => (1, PAGE_SIZE as u64, 0, 1),
            // Damaged: recovery has counted it as a page and nothing else.
            None => (1, 0, 0, 0),
            Some(Content::Empty) => (0, 0, 0, 0),
        }
    };
    let (gone, come) = (parts(old), parts(new));
    let change = |stored, gone: u64, come: u64| {
        if gone != come {
            counters.more(stored, come.wrapping_sub(gone));
        }
    };
    change(Stored::Pages, gone.0, come.0);
    change(Stored::Bytes, gone.1, come.1);
    change(Stored::Same, gone.2, come.2);
    change(Stored::Huge, gone.3, come.3);
}
