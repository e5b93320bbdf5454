//! Writes, reads, evacuation, recompression and the arena's books, in every interleaving of two or
//! three threads.
//!
//! This is the code that a device runs, on words of the model checker loom and in an arena of a few
//! spans of four granules. What each thread counts for the statistics is not modelled: only its own
//! thread writes it. Where a scenario has too many interleavings to run them all in seconds it says
//! how many preemptions it is bounded to.

use std::sync::Arc;

use loom::thread::JoinHandle;

use super::*;
use crate::arena::Gauges;
use crate::recompress::Tried;
use crate::region::{Errno, Region};
use crate::slot::Priority;
use crate::span::SpanTable;

#[path = "../../tests/interleavings/word.rs"]
mod word;

use word::{Modelled, explore, explore_first};

const SPANS: SpanIndex = 4;
/// Two objects of [`LEN`] bytes fill a span.
const SPAN_GRANULES: u64 = SPAN_WORDS as u64 / 2;
const SPAN_WORDS: usize = 8;
/// Two words.
const LEN: usize = 16;
/// What a recompressed object has: one word, and so one granule.
const SMALL: usize = 8;
const PAGES: usize = 4;
const GAUGE_WORDS: usize = 72;
/// So many interleavings take seconds.
const MANY: usize = 3000;

/// Where threads count.
struct Plain(Vec<AtomicU64>);

impl Region for Plain {
    fn words(&self) -> &[AtomicU64] {
        &self.0
    }

    fn grow(&self, _: core::ops::Range<u64>) -> Result<(), Errno> {
        Ok(())
    }

    fn punch(&self, _: core::ops::Range<u64>) -> Result<(), Errno> {
        Ok(())
    }

    fn next_backed(&self, _: u64) -> Result<Option<core::ops::Range<u64>>, Errno> {
        Ok(None)
    }
}

/// The memory of a small device.
struct Memory {
    table: Vec<Modelled>,
    spans: Vec<Modelled>,
    gauges: Vec<Modelled>,
    data: Vec<Modelled>,
    counters: Plain,
}

/// One thread's part of it.
struct Thread {
    memory: Arc<Memory>,
    number: usize,
    allocator: Allocator,
}

impl Memory {
    fn new() -> Arc<Self> {
        let memory = Arc::new(Self {
            table: Modelled::zeros(PAGES),
            spans: Modelled::zeros(SPANS as usize),
            gauges: Modelled::zeros(GAUGE_WORDS),
            data: Modelled::zeros(SPANS as usize * SPAN_WORDS),
            counters: Plain((0..2048).map(|_| AtomicU64::new(0)).collect()),
        });
        memory.arena().gauges.set(Gauge::Grown, u64::from(SPANS));
        (0..SPANS).rev().for_each(|span| memory.arena().add_ready(span));
        memory
    }

    fn arena(&self) -> Arena<'_, Modelled> {
        let gauges = Gauges::new(&self.gauges).expect("nine lines");
        Arena::new(&self.data, SpanTable::new(&self.spans), gauges, SPAN_GRANULES)
    }

    fn table(&self) -> SlotTable<'_, Modelled> {
        SlotTable::new(&self.table)
    }

    fn thread(self: &Arc<Self>, number: usize) -> Thread {
        Thread { memory: Arc::clone(self), number, allocator: Allocator::new(number) }
    }

    /// Looks whether the books are right. All threads are done.
    fn audit(&self) {
        let arena = self.arena();
        let mut used = [0; SPANS as usize];
        for page in 0..PAGES {
            let slot = self.table().peek(page).expect("in the table");
            assert!(!slot.is_locked());
            let (place, len) = slot.object().unwrap_or_default();
            used[arena.span_of(place) as usize] += if len > 0 { granules(len) } else { 0 };
        }
        let mut ready = 0;
        for (span, used) in (0..).zip(used) {
            let word = arena.spans.get(span).expect("there");
            match word.state() {
                State::Ready => ready += 1,
                State::Open | State::Closed => assert_eq!(word.used(), used, "span {span}"),
                state => panic!("span {span} is left {state:?}"),
            }
            assert!(used == 0 || word.state() != State::Ready, "span {span} was given away");
        }
        assert_eq!(arena.gauges.get(Gauge::Ready), ready);
        assert_eq!(arena.gauges.get(Gauge::Used), u64::from(SPANS) - ready);
        let listed = core::iter::from_fn(|| arena.take_ready()).take(SPANS as usize + 1);
        assert_eq!(listed.count() as u64, ready, "spans were lost");
    }
}

impl Thread {
    fn space(&mut self) -> Space<'_, Modelled> {
        let all = AllCounters::of(self.memory.counters.words());
        let counters = all.thread(self.number);
        let (arena, table) = (self.memory.arena(), self.memory.table());
        Space { arena, table, counters, all, allocator: &mut self.allocator }
    }

    /// What the page holds: a value, which its object has in each of its words.
    fn write(&mut self, page: u32, value: u64) {
        let mut space = self.space();
        let place = space.put(page, LEN, [value; LEN / 8].into_iter()).expect("a span is left");
        space.install(page, Slot::stored(place, LEN, Priority::PRIMARY)).expect("in the table");
    }

    /// The same, again as often as it is parked.
    fn write_at_limit(&mut self, page: u32, value: u64) {
        let mut parked = 0;
        loop {
            let mut space = self.space();
            match space.put(page, LEN, [value; LEN / 8].into_iter()) {
                Ok(place) => {
                    let slot = Slot::stored(place, LEN, Priority::PRIMARY);
                    space.install(page, slot).expect("in the table");
                    return;
                }
                Err(shortage) => assert_eq!(shortage, Shortage::Headroom),
            }
            Modelled::<true>::pause(parked);
            parked += 1;
        }
    }

    fn discard(&mut self, page: u32) {
        self.space().install(page, Slot::EMPTY).expect("in the table");
    }

    /// The value of a page, 0 if there is none, and its slot.
    fn fetch(&mut self, page: u32, is_access: bool) -> (u64, Slot) {
        let mut buffer = [0; LEN];
        let slot = self.space().fetch(page, is_access, &mut buffer).expect("not damaged");
        let (words, _) = buffer.as_chunks::<8>();
        let count = slot.object().map_or(0, |(_, len)| len / 8);
        let value = words.first().map_or(0, |word| u64::from_le_bytes(*word));
        assert!(words.iter().take(count).all(|word| *word == value.to_le_bytes()), "{words:?}");
        (value, slot)
    }

    fn read(&mut self, page: u32) -> u64 {
        self.fetch(page, true).0
    }

    /// Moves everything out of the span.
    fn evacuate(&mut self, span: SpanIndex) {
        self.space().evacuate(span);
    }

    /// As `recompress_page` does it, with a codec that makes one word of a page; whether that was
    /// installed.
    fn recompress(&mut self, page: u32) -> bool {
        if !self.space().mark(page, |_| true) {
            return false;
        }
        let (value, slot) = self.fetch(page, false);
        let is_installed = slot.is_recompressing() && {
            let mut space = self.space();
            let place = space.put(page, SMALL, [value].into_iter()).expect("a span is left");
            let codec = Priority::new(1).expect("below 4");
            space.settle(page, Tried::Smaller(Slot::stored(place, SMALL, codec)))
        };
        self.space().unmark(page);
        is_installed
    }

    fn spawn<T: 'static>(mut self, run: impl FnOnce(&mut Self) -> T + 'static) -> JoinHandle<T> {
        loom::thread::spawn(move || run(&mut self))
    }
}

fn end<T>(thread: JoinHandle<T>) -> T {
    thread.join().expect("a thread that does not panic")
}

/// A closed span with page 0's object in it and a hole. It is the last thing to prepare: who opens a
/// span looks for one to evacuate.
fn closed_span(memory: &Arc<Memory>) -> SpanIndex {
    let mut thread = memory.thread(5);
    thread.write(0, 1);
    thread.space().retire();
    let (place, _) = memory.table().peek(0).and_then(Slot::object).expect("an object");
    memory.arena().span_of(place)
}

/// A thread that has a span open already.
fn with_open_span(memory: &Arc<Memory>, number: usize, page: u32) -> Thread {
    let mut thread = memory.thread(number);
    thread.write(page, 99);
    thread
}

#[test]
fn a_reader_sees_one_of_two_writes_whole() {
    let seen = explore(Some(3), || {
        let memory = Memory::new();
        let mut reader = memory.thread(0);
        let (one, other) = (with_open_span(&memory, 1, 0), with_open_span(&memory, 2, 0));
        let writers = [(one, 1), (other, 2)]
            .map(|(thread, value)| thread.spawn(move |thread| thread.write(0, value)));
        let meanwhile = reader.read(0);
        writers.into_iter().for_each(end);
        let at_last = reader.read(0);
        memory.audit();
        (meanwhile, at_last)
    });
    let all = [(1, 1), (1, 2), (2, 1), (2, 2), (99, 1), (99, 2)];
    assert_eq!(seen, all.into(), "every order of the three");
}

#[test]
fn a_place_is_reused_when_nobody_reads_it_any_more() {
    let seen = explore(None, || {
        let memory = Memory::new();
        let (mut reader, writer) = (memory.thread(0), with_open_span(&memory, 1, 0));
        // The second write goes to the place that the first one has freed.
        let writer = writer.spawn(|writer| [1, 2].into_iter().for_each(|v| writer.write(0, v)));
        let meanwhile = reader.read(0);
        end(writer);
        assert_eq!(reader.read(0), 2);
        memory.audit();
        meanwhile
    });
    assert_eq!(seen, [1, 2, 99].into());
}

#[test]
fn evacuation_loses_no_write() {
    let seen = explore(None, || {
        let memory = Memory::new();
        let mut writer = with_open_span(&memory, 1, 1);
        let evacuator = with_open_span(&memory, 2, 2);
        let span = closed_span(&memory);
        let evacuator = evacuator.spawn(move |evacuator| evacuator.evacuate(span));
        writer.write(0, 2);
        let before = writer.memory.arena().spans.get(span).map(|word| word.state());
        end(evacuator);
        assert_eq!(writer.read(0), 2);
        memory.audit();
        before == Some(State::Evacuating)
    });
    assert_eq!(seen.len(), 2, "the one and the other came first");
}

#[test]
fn evacuation_is_not_seen_by_a_reader() {
    let seen = explore(None, || {
        let memory = Memory::new();
        let mut reader = memory.thread(0);
        let evacuator = with_open_span(&memory, 2, 2);
        let span = closed_span(&memory);
        let evacuator = evacuator.spawn(move |evacuator| {
            evacuator.evacuate(span);
            // What was given back is filled again at once.
            let mut space = evacuator.space();
            space.close();
            let again = space.arena.take_span(false).expect("one was given back");
            space.open(again);
            evacuator.write(1, 3);
            again
        });
        assert_eq!(reader.read(0), 1);
        let again = end(evacuator);
        assert_eq!((reader.read(0), reader.read(1)), (1, 3));
        memory.audit();
        again == span
    });
    assert_eq!(seen, [true].into(), "it is the same span");
}

#[test]
fn a_hole_in_a_span_that_is_evacuated_is_filled_before_or_not_at_all() {
    let seen = explore(Some(2), || {
        let memory = Memory::new();
        let mut owner = with_open_span(&memory, 1, 1);
        let evacuator = with_open_span(&memory, 2, 2);
        // Of two objects the owner frees one, and may fill its place again.
        let mut thread = memory.thread(5);
        [0, 3].into_iter().for_each(|page| thread.write(page, 1));
        thread.space().retire();
        let span = 2;
        let evacuator = evacuator.spawn(move |evacuator| evacuator.evacuate(span));
        owner.discard(0);
        owner.write(0, 4);
        end(evacuator);
        assert_eq!((owner.read(0), owner.read(3)), (4, 1));
        memory.audit();
        memory.arena().spans.get(span).map(|word| word.state() == State::Closed)
    });
    assert_eq!(seen.len(), 2, "emptied, or closed with an object put in meanwhile: {seen:?}");
}

#[test]
fn what_is_emptied_beyond_the_limit_comes_back() {
    explore(Some(2), || {
        let memory = Memory::new();
        let mut owner = with_open_span(&memory, 1, 1);
        let mut thread = memory.thread(5);
        [0, 3].into_iter().for_each(|page| thread.write(page, 1));
        thread.space().retire();
        memory.arena().gauges.set(Gauge::Limit, 2 * SPAN_GRANULES * crate::arena::GRANULE);
        let evacuator = memory.thread(2).spawn(move |evacuator| evacuator.evacuate(1));
        owner.discard(0);
        owner.write(0, 4);
        end(evacuator);
        assert_eq!((owner.read(0), owner.read(3)), (4, 1));
        assert!(memory.arena().gauges.get(Gauge::Used) <= 2, "beyond the limit for good");
        memory.audit();
    });
}

#[test]
fn writer_evacuator_and_reader() {
    explore(Some(2), || {
        let memory = Memory::new();
        let mut reader = memory.thread(0);
        let writer = with_open_span(&memory, 1, 1);
        let evacuator = with_open_span(&memory, 2, 2);
        let span = closed_span(&memory);
        let evacuator = evacuator.spawn(move |evacuator| evacuator.evacuate(span));
        let writer = writer.spawn(|writer| writer.write(0, 2));
        assert!((1..=2).contains(&reader.read(0)));
        end(writer);
        end(evacuator);
        assert_eq!(reader.read(0), 2);
        memory.audit();
    });
}

#[test]
fn recompression_installs_nothing_stale() {
    let seen = explore(Some(2), || {
        let memory = Memory::new();
        let mut writer = with_open_span(&memory, 1, 0);
        let recompressor = with_open_span(&memory, 2, 1);
        let recompressor = recompressor.spawn(|recompressor| recompressor.recompress(0));
        // The second of these has the place and the length of what was there at first.
        writer.write(0, 1);
        writer.write(0, 2);
        let is_installed = end(recompressor);
        assert_eq!(writer.read(0), 2);
        memory.audit();
        is_installed
    });
    assert_eq!(seen.len(), 2, "either comes first");
}

#[test]
fn recompression_does_not_mind_a_reader() {
    let seen = explore(None, || {
        let memory = Memory::new();
        let mut reader = with_open_span(&memory, 1, 0);
        let held = memory.table().hold(0).expect("in the table");
        let idle = held.slot().idle(true);
        held.install(idle);
        let recompressor = with_open_span(&memory, 2, 1);
        let recompressor = recompressor.spawn(|recompressor| recompressor.recompress(0));
        let (value, slot) = reader.fetch(0, true);
        assert_eq!(value, 99);
        assert!(end(recompressor), "an access is no change");
        assert_eq!(reader.read(0), 99);
        memory.audit();
        slot.is_idle()
    });
    assert_eq!(seen.len(), 2, "either comes first");
}

#[test]
fn recompression_and_evacuation_do_not_undo_each_other() {
    let seen = explore(Some(2), || {
        let memory = Memory::new();
        let mut recompressor = with_open_span(&memory, 1, 1);
        let evacuator = with_open_span(&memory, 2, 2);
        let span = closed_span(&memory);
        let evacuator = evacuator.spawn(move |evacuator| evacuator.evacuate(span));
        assert!(recompressor.recompress(0), "a page that was moved is the same page");
        end(evacuator);
        let (value, slot) = recompressor.fetch(0, false);
        assert_eq!((value, slot.is_recompressing()), (1, false));
        memory.audit();
        slot.object().map(|(place, _)| memory.arena().span_of(place) == span)
    });
    assert_eq!(seen, [Some(false)].into(), "nothing stays in the span");
}

/// Two spans are all there may be, and each is half dead. Another object fits in only when everything
/// of one of them has been moved; both threads do that at once, and neither may take the span that the
/// other one uses meanwhile for the limit. A search for a sparse span looks at sixteen words, each of
/// which may be an older one, so there are too many interleavings to see them all.
#[test]
fn at_the_limit_a_writer_waits_for_another_and_does_not_fail() {
    explore_first(Some(MANY), Some(2), || {
        let memory = Memory::new();
        let mut thread = memory.thread(5);
        [0, 2, 1, 3].into_iter().for_each(|page| thread.write(page, 1));
        thread.space().close();
        [2, 3].into_iter().for_each(|page| thread.discard(page));
        thread.space().retire();
        memory.arena().gauges.set(Gauge::Limit, 2 * SPAN_GRANULES * crate::arena::GRANULE);
        let other = memory.thread(1).spawn(|other| other.write_at_limit(2, 7));
        memory.thread(2).write_at_limit(3, 8);
        end(other);
        let mut reader = memory.thread(0);
        assert_eq!([0, 1, 2, 3].map(|page| reader.read(page)), [1, 1, 7, 8]);
        assert_eq!(memory.arena().gauges.get(Gauge::Used), 2);
        assert_eq!(memory.arena().gauges.moves().under_way, 0);
        memory.audit();
    });
}

/// What looks like the limit while another thread moves objects is told from the limit.
#[test]
fn a_span_in_use_for_an_evacuation_is_not_taken_for_the_limit() {
    let seen = explore(Some(2), || {
        let memory = Memory::new();
        let arena = memory.arena();
        let full = arena.take_span(false).expect("no limit yet");
        arena.gauges.set(Gauge::Limit, 2 * SPAN_GRANULES * crate::arena::GRANULE);
        let evacuator = memory.thread(1).spawn(move |evacuator| {
            let arena = evacuator.memory.arena();
            arena.gauges.begin_move();
            arena.take_span(true).expect("one beyond the limit, if need be");
            arena.give_back(full);
            arena.gauges.end_move();
        });
        let before = arena.gauges.moves();
        let taken = arena.take_span(false).map(|_| ());
        let is_alone = arena.gauges.is_undisturbed(before, 0);
        end(evacuator);
        assert!(taken.is_ok() || !is_alone, "two spans are allowed, and nobody else wants one");
        (taken, is_alone)
    });
    assert!(seen.contains(&(Ok(()), true)) && seen.contains(&(Err(Shortage::Limit), false)));
}

#[test]
fn the_arena_counts_its_spans() {
    /// Takes a span and gives it back, looking at the gauges meanwhile.
    fn use_a_span(arena: Arena<'_, Modelled>) -> Option<SpanIndex> {
        let span = arena.take_span(false).ok()?;
        look(arena);
        let generation = arena.spans.open(span);
        let closed = arena.spans.close(span, generation);
        assert_eq!(closed, Some(Released::Emptied), "nobody else has it");
        arena.give_back(span);
        Some(span)
    }
    fn look(arena: Arena<'_, Modelled>) {
        // Too high for a moment, by one a thread, is by design.
        for gauge in [Gauge::Ready, Gauge::Used] {
            assert!(arena.gauges.get(gauge) <= u64::from(SPANS) + 2, "{gauge:?} is below zero");
        }
    }
    explore(Some(2), || {
        let memory = Memory::new();
        // Two are left, of which one is kept back.
        let taken: Vec<_> = (2..SPANS).map(|_| memory.arena().take_span(false)).collect();
        let user = memory.thread(1).spawn(|user| use_a_span(user.memory.arena()));
        let arena = memory.arena();
        let punched = arena.take_ready();
        look(arena);
        punched.into_iter().for_each(|span| {
            arena.add_unbacked(span);
            arena.add_ready(arena.take_unbacked(u64::from(SPANS)).expect("just added"));
        });
        let mine = use_a_span(arena);
        assert!(end(user).is_some() || mine.is_some() || punched.is_some());
        for span in taken.into_iter().flatten() {
            let generation = arena.spans.open(span);
            assert_eq!(arena.spans.close(span, generation), Some(Released::Emptied));
            arena.give_back(span);
        }
        memory.audit();
    });
}
