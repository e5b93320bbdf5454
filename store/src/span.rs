//! Spans: the equal parts of the arena, and the word that each has.
//!
//! ```text
//!  63                      32 31  29 28                        0
//! +--------------------------+------+---------------------------+
//! |        generation        |state | granules in use, or next  |
//! +--------------------------+------+---------------------------+
//! ```
//!
//! A span is filled from its start by the one thread that has it open, and by whoever has a hole in it
//! at hand. Both remember the span's generation, which counts how often the span was given back:
//! [`SpanTable::reserve`] refuses those of an earlier one. So a span can be emptied and reused without
//! asking who remembers a hole in it, and one that is open and empty without asking its owner.
//!
//! ```text
//! unbacked -> ready -> open -> closed -> (evacuating ->) ready -> ... -> unbacked
//! ```

use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use crate::word::Word;

/// Which span, counted from the start of the arena.
pub type SpanIndex = u32;

/// In which part of its life a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum State {
    /// No memory behind it.
    Unbacked = 0,
    /// Memory, and nothing in it.
    Ready = 1,
    /// One thread fills it from its start.
    Open = 2,
    /// Filled once; holes may be filled again.
    Closed = 3,
    /// Objects are being moved out, none is put in.
    Evacuating = 4,
}

const STATE: u32 = 29;
const USED: u64 = (1 << STATE) - 1;
const GENERATION: u32 = 32;

/// The word of a span, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanWord(u64);

impl SpanWord {
    fn new(generation: u32, state: State, low: u64) -> Self {
        Self(u64::from(generation) << GENERATION | (state as u64) << STATE | low)
    }

    /// How many granules objects occupy; of no meaning for an unbacked or ready span.
    #[must_use]
    pub const fn used(self) -> u64 {
        self.0 & USED
    }

    /// How often it was given back.
    #[must_use]
    pub const fn generation(self) -> u32 {
        (self.0 >> GENERATION) as u32
    }

    /// Which part of its life.
    #[must_use]
    pub const fn state(self) -> State {
        match self.0 >> STATE & 7 {
            1 => State::Ready,
            2 => State::Open,
            3 => State::Closed,
            4 => State::Evacuating,
            _ => State::Unbacked,
        }
    }

    /// Whether there is no memory behind it.
    #[must_use]
    pub const fn is_unbacked(self) -> bool {
        matches!(self.state(), State::Unbacked)
    }

    fn with(self, state: State) -> Self {
        Self::new(self.generation(), state, self.used())
    }

    /// Given back: what remembers a hole in it is wrong from now on.
    fn emptied(self) -> Self {
        Self::new(self.generation().wrapping_add(1), State::Ready, 0)
    }
}

/// What a release left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Released {
    /// Other objects; the hole may be filled under this generation.
    Hole(u32),
    /// Nothing: the span is the caller's to give back.
    Emptied,
}

/// The words of all spans.
#[derive(Debug)]
pub struct SpanTable<'a, W> {
    words: &'a [W],
}

impl<W> Clone for SpanTable<'_, W> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<W> Copy for SpanTable<'_, W> {}

impl<'a, W: Word> SpanTable<'a, W> {
    /// A table over `words`, one a span.
    #[must_use]
    pub const fn new(words: &'a [W]) -> Self {
        Self { words }
    }

    /// The span as it is now.
    #[must_use]
    pub fn get(self, span: SpanIndex) -> Option<SpanWord> {
        self.words.get(span as usize).map(|word| SpanWord(word.load(Acquire)))
    }

    /// Changes a span as `change` says, until nobody came between or `change` says no.
    #[inline]
    fn update(
        self,
        span: SpanIndex,
        change: impl Fn(SpanWord) -> Option<SpanWord>,
    ) -> Option<SpanWord> {
        let word = self.words.get(span as usize)?;
        let mut now = SpanWord(word.load(Acquire));
        loop {
            let next = change(now)?;
            match word.compare_exchange_weak(now.0, next.0, AcqRel, Acquire) {
                Ok(_) => return Some(next),
                Err(other) => now = SpanWord(other),
            }
        }
    }

    /// Opens a span that [`Stack::pop`] gave; its generation, under which the caller may fill it.
    pub fn open(self, span: SpanIndex) -> u32 {
        let open = |word: SpanWord| Some(SpanWord::new(word.generation(), State::Open, 0));
        self.update(span, open).map_or(0, SpanWord::generation)
    }

    /// Claims a hole that was remembered under `generation`, or the next part of an open span.
    #[inline]
    #[must_use]
    pub fn reserve(self, span: SpanIndex, generation: u32, granules: u64) -> bool {
        let claimed = self.update(span, |word| {
            let takes = matches!(word.state(), State::Open | State::Closed);
            (takes && word.generation() == generation).then_some(SpanWord(word.0 + granules))
        });
        claimed.is_some()
    }

    /// Counts granules in a span that nobody can take from the caller.
    #[inline]
    pub fn fill(self, span: SpanIndex, granules: u64) {
        if let Some(word) = self.words.get(span as usize) {
            word.fetch_add(granules, Relaxed);
        }
    }

    /// Gives granules back.
    #[inline]
    pub fn release(self, span: SpanIndex, granules: u64) -> Released {
        let Some(word) = self.words.get(span as usize) else { return Released::Hole(0) };
        // Release: what the caller read there comes before what the next owner writes.
        let left = SpanWord(word.fetch_add(granules.wrapping_neg(), AcqRel).wrapping_sub(granules));
        if left.used() == 0 && left.state() == State::Closed && self.try_empty(word, left) {
            return Released::Emptied;
        }
        Released::Hole(left.generation())
    }

    /// Closes a span that the caller has opened under `generation`; its end is a hole of that
    /// generation then. `None` if the span was taken back meanwhile.
    pub fn close(self, span: SpanIndex, generation: u32) -> Option<Released> {
        self.settle(span, |word| word.generation() == generation)
    }

    /// Takes a span back that some thread has open and in which nothing is: whether it is the caller's
    /// now, to give back.
    #[must_use]
    pub fn retract(self, span: SpanIndex) -> bool {
        let is_empty = |word: SpanWord| word.state() == State::Open && word.used() == 0;
        self.update(span, |word| is_empty(word).then(|| word.emptied())).is_some()
    }

    /// Keeps others from filling holes in a closed span, so that the caller can empty it.
    #[must_use]
    pub fn begin_evacuation(self, span: SpanIndex) -> bool {
        let closed = |word: SpanWord| (word.state() == State::Closed).then_some(word);
        self.update(span, |word| closed(word).map(|word| word.with(State::Evacuating))).is_some()
    }

    /// Ends that; true if the span is empty and the caller's to give back.
    #[must_use]
    pub fn end_evacuation(self, span: SpanIndex) -> bool {
        self.settle(span, |_| true) == Some(Released::Emptied)
    }

    /// Leaves a span closed, or emptied if nothing is in it, as long as it is the caller's.
    fn settle(self, span: SpanIndex, is_own: impl Fn(SpanWord) -> bool) -> Option<Released> {
        let next = self.update(span, |word| {
            let next = if word.used() == 0 { word.emptied() } else { word.with(State::Closed) };
            is_own(word).then_some(next)
        })?;
        Some(match next.state() {
            State::Ready => Released::Emptied,
            _ => Released::Hole(next.generation()),
        })
    }

    fn try_empty(self, word: &W, seen: SpanWord) -> bool {
        let mut now = seen.0;
        // Of several that saw it empty, one wins; if somebody has put something in, nobody.
        while now == seen.0 {
            match word.compare_exchange_weak(now, seen.emptied().0, AcqRel, Relaxed) {
                Ok(_) => return true,
                Err(other) => now = other,
            }
        }
        false
    }

    /// Sets what recovery has counted. Nobody else may be using the table.
    pub(crate) fn recovered(self, span: SpanIndex, used: u64) {
        let state = if used == 0 { State::Unbacked } else { State::Closed };
        if let Some(word) = self.words.get(span as usize) {
            word.store(SpanWord::new(0, state, used).0, Relaxed);
        }
    }
}

/// Spans that wait to be used: a list through their words, the last one first.
#[derive(Debug)]
pub struct Stack<'a, W> {
    /// Above a count that changes with every change, below the first span's index and one.
    head: &'a W,
    spans: SpanTable<'a, W>,
    state: State,
}

impl<'a, W: Word> Stack<'a, W> {
    /// The list that starts at `head`, of spans in `state`.
    #[must_use]
    pub const fn new(head: &'a W, spans: SpanTable<'a, W>, state: State) -> Self {
        Self { head, spans, state }
    }

    /// Puts a span first. It must be the caller's.
    pub fn push(&self, span: SpanIndex) {
        let mut head = self.head.load(Acquire);
        loop {
            let next = head & u64::from(u32::MAX);
            self.spans.update(span, |word| {
                Some(SpanWord::new(word.generation(), self.state, next & USED))
            });
            let new = Self::changed(head) | (u64::from(span) + 1);
            match self.head.compare_exchange_weak(head, new, Release, Acquire) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Takes the first one; it is the caller's then.
    #[must_use]
    pub fn pop(&self) -> Option<SpanIndex> {
        let mut head = self.head.load(Acquire);
        loop {
            let span = u32::try_from((head & u64::from(u32::MAX)).checked_sub(1)?).ok()?;
            // If another thread takes the span now, this is nonsense; the count has moved on then.
            let next = self.spans.get(span)?.used();
            let new = Self::changed(head) | next;
            match self.head.compare_exchange_weak(head, new, AcqRel, Acquire) {
                Ok(_) => return Some(span),
                Err(now) => head = now,
            }
        }
    }

    fn changed(head: u64) -> u64 {
        ((head >> GENERATION).wrapping_add(1)) << GENERATION
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::AtomicU64;

    use super::*;

    fn words(count: usize) -> Vec<AtomicU64> {
        (0..count).map(|_| AtomicU64::new(0)).collect()
    }

    #[test]
    fn a_stack_gives_back_what_it_was_given() {
        let (words, head) = (words(5), AtomicU64::new(0));
        let stack = Stack::new(&head, SpanTable::new(&words), State::Ready);
        assert_eq!(stack.pop(), None);
        for span in [3, 0, 4] {
            stack.push(span);
        }
        assert_eq!([stack.pop(), stack.pop()], [Some(4), Some(0)]);
        stack.push(1);
        assert_eq!([stack.pop(), stack.pop(), stack.pop()], [Some(1), Some(3), None]);
    }

    #[test]
    fn a_hole_of_an_earlier_life_is_refused() {
        let words = words(1);
        let spans = SpanTable::new(&words);
        spans.open(0);
        spans.fill(0, 5);
        spans.fill(0, 7);
        let Released::Hole(generation) = spans.release(0, 5) else { panic!("7 are left") };
        assert!(spans.reserve(0, generation, 3));
        assert_eq!(spans.close(0, generation), Some(Released::Hole(generation)), "in use");
        assert_eq!(spans.release(0, 3), Released::Hole(generation));
        assert_eq!(spans.release(0, 7), Released::Emptied);
        assert!(!spans.reserve(0, generation, 3), "given back");
        spans.open(0);
        assert!(!spans.reserve(0, generation, 3), "reused");
    }

    #[test]
    fn an_open_span_is_taken_back_if_it_is_empty() {
        let words = words(1);
        let spans = SpanTable::new(&words);
        let generation = spans.open(0);
        assert!(spans.reserve(0, generation, 5));
        assert!(!spans.retract(0), "something is in it");
        assert_eq!(spans.release(0, 5), Released::Hole(generation), "whoever has it open goes on");
        assert!(spans.retract(0));
        assert!(!spans.reserve(0, generation, 5), "taken back");
        assert_eq!(spans.close(0, generation), None);
        assert_ne!(spans.open(0), generation, "another life");
        assert!(!spans.reserve(0, generation, 5) && spans.close(0, generation).is_none());
    }

    #[test]
    fn nothing_is_put_into_a_span_that_is_being_emptied() {
        let words = words(1);
        let spans = SpanTable::new(&words);
        spans.open(0);
        assert!(!spans.begin_evacuation(0), "somebody fills it");
        spans.fill(0, 9);
        assert_eq!(spans.close(0, 0), Some(Released::Hole(0)));
        assert!(spans.begin_evacuation(0));
        assert!(!spans.reserve(0, 0, 1));
        assert_eq!(spans.release(0, 9), Released::Hole(0), "whoever empties it gives it back");
        assert!(spans.end_evacuation(0));
    }
}
