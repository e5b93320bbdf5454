//! The protocols of a slot, of a span and of the list of free spans, in every interleaving of two or
//! three threads.
//!
//! The protocols are the store's own; only the words are loom's. How the store uses them together is
//! checked in the same way in `src/space/interleavings.rs`.

#![expect(clippy::indexing_slicing, reason = "a panic is a test that fails")]
#![expect(clippy::print_stdout, reason = "how many interleavings there were")]

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use loom::cell::UnsafeCell;
use trueno_zram_store::Place;
use trueno_zram_store::slot::{Priority, Slot};
use trueno_zram_store::span::{Released, SpanTable, Stack, State};
use trueno_zram_store::table::SlotTable;
use trueno_zram_store::word::Word;

#[path = "interleavings/word.rs"]
mod word;

use word::{Modelled, explore};

/// One slot, and a place of three words for each of three objects.
struct Memory<W> {
    slot: Vec<W>,
    places: Vec<Vec<W>>,
}

/// What a place is filled with that was freed.
const POISON: u64 = u64::MAX;
const WORDS: usize = 2;

impl<const ORDERED: bool> Memory<Modelled<ORDERED>> {
    /// The slot points to the first place.
    fn new() -> Arc<Self> {
        let places = (0..3).map(|_| Modelled::zeros(WORDS)).collect();
        let memory = Arc::new(Self { slot: Modelled::zeros(1), places });
        memory.fill(0, 1);
        assert_eq!(memory.table().replace(0, slot(0)), Some(Slot::EMPTY));
        memory
    }
}

fn slot(place: u64) -> Slot {
    Slot::stored(Place::new(place), 8 * WORDS, Priority::PRIMARY)
}

impl<W: Word> Memory<W> {
    fn table(&self) -> SlotTable<'_, W> {
        SlotTable::new(&self.slot)
    }

    fn fill(&self, place: usize, value: u64) {
        self.places[place].iter().for_each(|word| word.store(value, Relaxed));
    }

    fn place(slot: Slot) -> usize {
        let (place, _) = slot.object().expect("always an object");
        usize::try_from(place.get()).expect("one of three")
    }

    /// As a write does it.
    fn write(&self, place: usize, value: u64) {
        self.fill(place, value);
        let old = self.table().replace(0, slot(place as u64)).expect("in the table");
        self.fill(Self::place(old), POISON);
    }

    /// As a read does it.
    fn read(&self) -> u64 {
        let held = self.table().hold(0).expect("in the table");
        let words: Vec<_> =
            self.places[Self::place(held.slot())].iter().map(|word| word.load(Relaxed)).collect();
        drop(held);
        assert!(words.iter().all(|word| *word == words[0]), "torn: {words:?}");
        assert!((1..=3).contains(&words[0]), "freed: {words:?}");
        words[0]
    }
}

/// Two writers and a reader of one page: what is read meanwhile, and in the end.
fn writers_and_reader<const ORDERED: bool>() -> (u64, u64) {
    let memory = Memory::<Modelled<ORDERED>>::new();
    let writers = [(1, 2), (2, 3)].map(|(place, value)| {
        let memory = Arc::clone(&memory);
        loom::thread::spawn(move || memory.write(place, value))
    });
    let meanwhile = memory.read();
    writers.into_iter().for_each(|thread| thread.join().expect("no panic"));
    (meanwhile, memory.read())
}

#[test]
fn a_reader_sees_one_write_or_the_other_whole() {
    let seen = explore(None, writers_and_reader::<true>);
    let all = [(1, 2), (1, 3), (2, 2), (2, 3), (3, 2), (3, 3)];
    assert_eq!(seen, all.into(), "every order of the three was tried, and both writes are done");
}

#[test]
#[should_panic(expected = "freed")]
fn without_orderings_it_would_not() {
    explore(None, writers_and_reader::<false>);
}

/// One span.
struct Life {
    words: Vec<Modelled>,
    /// What threads do to its objects, without doing it: loom objects where it is not certain what
    /// comes first.
    objects: [UnsafeCell<()>; 2],
}

/// How large the objects are that are in the span at first.
const OBJECTS: [u64; 2] = [5, 7];

impl Life {
    /// The span is closed, and in its first life.
    fn new() -> Rc<Self> {
        let life = Self::empty();
        life.spans().open(0);
        OBJECTS.into_iter().for_each(|granules| life.spans().fill(0, granules));
        assert!(matches!(life.spans().close(0, 0), Some(Released::Hole(_))));
        life
    }

    fn empty() -> Rc<Self> {
        Rc::new(Self { words: Modelled::zeros(1), objects: Default::default() })
    }

    fn spans(&self) -> SpanTable<'_, Modelled> {
        SpanTable::new(&self.words)
    }

    /// Writes all over the span, as who has been given it may.
    fn write_everywhere(&self) -> u32 {
        self.objects.iter().for_each(|object| object.with_mut(|_| ()));
        1
    }

    fn spawn<T: 'static>(
        self: &Rc<Self>,
        run: impl FnOnce(&Self) -> T + 'static,
    ) -> loom::thread::JoinHandle<T> {
        let life = Rc::clone(self);
        loom::thread::spawn(move || run(&life))
    }
}

/// Reads an object, frees it, and fills a part of the hole again if it may: how often it gave the span
/// back, and whether the hole was granted.
fn free_and_reuse(life: &Life, which: usize) -> (u32, bool) {
    life.objects[which].with(|_| ());
    let generation = match life.spans().release(0, OBJECTS[which]) {
        Released::Emptied => return (life.write_everywhere(), false),
        Released::Hole(generation) => generation,
    };
    if !life.spans().reserve(0, generation, 2) {
        return (0, false);
    }
    let word = life.spans().get(0).expect("there");
    assert_eq!(word.generation(), generation, "given back while something is in it");
    assert!((2..=12).contains(&word.used()), "{word:?}");
    life.objects[which].with_mut(|_| ());
    match life.spans().release(0, 2) {
        Released::Emptied => (life.write_everywhere(), true),
        Released::Hole(_) => (0, true),
    }
}

fn evacuate(life: &Life) -> u32 {
    if !life.spans().begin_evacuation(0) {
        return 0;
    }
    let [before, after] = [(); 2].map(|()| life.spans().get(0).expect("there").used());
    assert!(after <= before, "filled while it is being emptied");
    if life.spans().end_evacuation(0) { life.write_everywhere() } else { 0 }
}

/// Two threads free and reuse, and one evacuates if `evacuates`: what each came to.
fn empty_a_span(evacuates: bool) -> ([(u32, bool); 2], u32) {
    let life = Life::new();
    let other = life.spawn(|life| free_and_reuse(life, 0));
    let evacuator = evacuates.then(|| life.spawn(evacuate));
    let mine = free_and_reuse(&life, 1);
    let freed = [other.join().expect("no panic"), mine];
    let evacuated = evacuator.map_or(0, |thread| thread.join().expect("no panic"));
    let word = life.spans().get(0).expect("there");
    let times = freed[0].0 + freed[1].0 + evacuated;
    assert_eq!((times, word.generation(), word.used()), (1, 1, 0), "{word:?}");
    assert_eq!(word.state(), State::Ready);
    (freed, evacuated)
}

#[test]
fn one_of_those_who_empty_a_span_gives_it_back() {
    let seen = explore(None, || empty_a_span(false));
    assert!(seen.iter().any(|(freed, _)| freed[0].1 && freed[1].1), "holes were reused");
    let seen = explore(Some(2), || empty_a_span(true));
    assert!(seen.iter().any(|(_, evacuated)| *evacuated == 1), "evacuation was the last");
}

/// Whoever empties the span begins its next life at once, and keeps it open.
fn reopen(spans: SpanTable<'_, Modelled>) {
    spans.open(0);
    spans.fill(0, 9);
}

#[test]
fn a_hole_of_an_earlier_life_is_never_granted() {
    let seen = explore(None, || {
        let life = Life::new();
        let other = life.spawn(|life| {
            let spans = life.spans();
            if spans.release(0, OBJECTS[1]) == Released::Emptied {
                reopen(spans);
            }
        });
        let spans = life.spans();
        let mut is_granted = false;
        match spans.release(0, OBJECTS[0]) {
            Released::Emptied => reopen(spans),
            Released::Hole(generation) => {
                is_granted = spans.reserve(0, generation, 5);
                let now = spans.get(0).expect("there").generation();
                assert_eq!(is_granted, now == 0, "granted in its own life only");
            }
        }
        other.join().expect("no panic");
        let word = spans.get(0).expect("there");
        let (used, lives) = if is_granted { (5, 0) } else { (9, 1) };
        assert_eq!((word.used(), word.generation()), (used, lives));
        is_granted
    });
    assert_eq!(seen.len(), 2, "both happen: {seen:?}");
}

#[test]
fn an_open_span_is_emptied_by_its_owner_alone() {
    let seen = explore(None, || {
        let life = Life::empty();
        life.spans().open(0);
        life.spans().fill(0, 4);
        let other = life.spawn(|life| life.spans().release(0, 4) == Released::Emptied);
        let spans = life.spans();
        spans.fill(0, 3);
        let mut times = u32::from(spans.release(0, 3) == Released::Emptied);
        assert_eq!(times, 0, "nobody but its owner while it is open");
        times += u32::from(spans.close(0, 0) == Some(Released::Emptied));
        let by_owner = times;
        times += u32::from(other.join().expect("no panic"));
        assert_eq!((times, spans.get(0).map(|word| word.generation())), (1, Some(1)));
        by_owner
    });
    assert_eq!(seen.len(), 2, "either may be the last: {seen:?}");
}

#[test]
fn an_empty_span_is_filled_by_its_owner_or_taken_back() {
    let seen = explore(None, || {
        let life = Life::empty();
        let generation = life.spans().open(0);
        let other = life.spawn(|life| {
            let is_taken = life.spans().retract(0);
            if is_taken {
                reopen(life.spans());
                life.write_everywhere();
            }
            is_taken
        });
        let spans = life.spans();
        let is_filled = spans.reserve(0, generation, 4);
        if is_filled {
            life.objects[0].with_mut(|_| ());
        }
        let closed = spans.close(0, generation);
        let is_taken = other.join().expect("no panic");
        assert_ne!(is_filled, is_taken, "one of them has it");
        let word = spans.get(0).expect("there");
        assert_eq!((word.used(), word.generation()), if is_taken { (9, 1) } else { (4, 0) });
        assert_eq!(closed.is_none(), is_taken, "{closed:?}");
        is_taken
    });
    assert_eq!(seen.len(), 2, "either may be first");
}

/// Another thread empties the span right after it was closed, and opens it again.
#[test]
fn the_end_of_a_span_is_a_hole_of_the_life_it_was_closed_in() {
    let seen = explore(None, || {
        let life = Life::empty();
        life.spans().open(0);
        life.spans().fill(0, 4);
        let other = life.spawn(|life| {
            let is_emptied = life.spans().release(0, 4) == Released::Emptied;
            if is_emptied {
                life.spans().open(0);
                life.spans().fill(0, 9);
            }
            is_emptied
        });
        let closed = life.spans().close(0, 0);
        let is_reopened = other.join().expect("no panic");
        if let Some(Released::Hole(generation)) = closed {
            assert_eq!(life.spans().reserve(0, generation, 2), !is_reopened);
        }
        is_reopened
    });
    assert_eq!(seen.len(), 2, "either may be first: {seen:?}");
}

/// What a thread does with the list of free spans; it returns the spans that it has in the end.
type Work = fn(&Stack<'_, Modelled>, SpanTable<'_, Modelled>) -> Vec<u32>;

/// The head of a list, and the words of all spans.
struct FreeSpans(Vec<Modelled>);

impl FreeSpans {
    fn with<T>(&self, work: impl FnOnce(&Stack<'_, Modelled>, SpanTable<'_, Modelled>) -> T) -> T {
        let (head, words) = self.0.split_first().expect("the head");
        let spans = SpanTable::new(words);
        work(&Stack::new(head, spans, State::Ready), spans)
    }
}

/// Lists spans 0 to `count`, lets the threads work, and looks for each span.
fn work_on_list(count: u32, threads: &[Work]) {
    let free = Arc::new(FreeSpans(Modelled::zeros(count as usize + 1)));
    free.with(|stack, _| (0..count).for_each(|span| stack.push(span)));
    let spawn = |work: &Work| {
        let (free, work) = (Arc::clone(&free), *work);
        loom::thread::spawn(move || free.with(work))
    };
    let handles: Vec<_> = threads.iter().map(spawn).collect();
    let taken = handles.into_iter().flat_map(|thread| thread.join().expect("no panic"));
    let mut all: Vec<_> = taken.collect();
    // Should the list have become a ring, it still ends.
    free.with(|stack, _| all.extend(std::iter::from_fn(|| stack.pop()).take(9)));
    all.sort_unstable();
    assert_eq!(all, Vec::from_iter(0..count), "each span once");
}

/// Takes one and uses it.
fn take(stack: &Stack<'_, Modelled>, spans: SpanTable<'_, Modelled>) -> Vec<u32> {
    let span = stack.pop();
    if let Some(span) = span {
        spans.open(span);
    }
    Vec::from_iter(span)
}

/// Takes two, uses both, and gives the first back: who has looked at the list before must not believe
/// that nothing has changed, though its first span is the same.
fn take_two_give_one(stack: &Stack<'_, Modelled>, spans: SpanTable<'_, Modelled>) -> Vec<u32> {
    let mut taken = take(stack, spans);
    taken.extend(take(stack, spans));
    if !taken.is_empty() {
        stack.push(taken.remove(0));
    }
    taken
}

#[test]
fn no_span_is_handed_out_twice_or_lost() {
    explore(None, || work_on_list(3, &[take, take_two_give_one]));
    explore(None, || work_on_list(1, &[take_two_give_one, take_two_give_one]));
    explore(Some(2), || work_on_list(2, &[take, take_two_give_one, take]));
}
