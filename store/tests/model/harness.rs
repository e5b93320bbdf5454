//! A device and the map, side by side.

use std::ops::Range;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;

use trueno_zram_store::{
    Compaction, Device, Errno, Error, GRANULE, Idle, Layout, MOST_PARAMETERS, MmStat, Overhead,
    Page, Progress, QueueStore, Region as _, Written, granules,
};

use super::common::{KINDS, Random};
use super::coverage::Coverage;
use super::failing::{ENOMEM, ENOSPC, Failing, Refusals};
use super::ops::{Case, Limit, Op};
use super::recompress::Pass;
use super::samples::{CodecSet, Kept, SAMPLES, Samples};
use super::state::{Expected, State};

/// Spans of devices below 1 GiB.
pub(crate) const SPAN: u64 = 32 << 10;
/// How many of them are kept at hand.
const HEADROOM: u64 = (256 << 10) / SPAN;
/// So many spans at hand are enough for any one write: one to fill, and for moving objects together.
const PLENTY: u64 = 4;
/// How many spans at hand are left for moving objects together: `RESERVE` of src/arena.rs.
const RESERVED: u64 = 1;

pub(crate) struct Harness {
    pub(crate) state: State,
    pub(crate) set: CodecSet,
    most_pages: usize,
    pub(crate) device: Option<Device<Failing>>,
    pub(crate) queues: Vec<QueueStore<Failing>>,
    /// What the last `maintain` was refused with.
    pub(crate) refused: Option<Errno>,
    pub(crate) compaction: Compaction,
    pub(crate) pass: Option<Pass>,
    /// The private memory of one queue store.
    pub(crate) private: u64,
    pub(crate) coverage: Coverage,
    pub(crate) steps: u64,
}

/// What a device said of its memory before an operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Before {
    pub(crate) mm: MmStat,
    pub(crate) overhead: Overhead,
    /// Bytes of spans that hold objects or are some thread's to fill, though nothing is in them yet.
    pub(crate) used: u64,
    /// How many spans are empty and nobody's.
    pub(crate) ready: u64,
}

impl Harness {
    pub(crate) fn new(case: &Case, samples: Rc<Samples>) -> Self {
        let pages = usize::from(case.pages);
        let state = State::new(samples, pages, case.has_times);
        let layout = Layout::new(pages as u64, true).expect("a size");
        let mut harness = Self {
            state,
            set: case.set,
            most_pages: pages,
            device: None,
            queues: Vec::new(),
            refused: None,
            compaction: Compaction::default(),
            pass: None,
            private: 0,
            coverage: Coverage::default(),
            steps: 0,
        };
        harness.format(&Failing::new(layout.region_bytes()));
        harness
    }

    pub(crate) fn device(&self) -> &Device<Failing> {
        self.device.as_ref().expect("one between operations")
    }

    pub(crate) fn before(&self) -> Before {
        Before {
            mm: self.device().mm_stat(),
            overhead: self.device().overhead(),
            used: SPAN * self.gauge(0),
            ready: self.gauge(3),
        }
    }

    /// One of the arena's numbers: src/layout.rs says where they are, src/arena.rs in which order.
    fn gauge(&self, at: usize) -> u64 {
        self.device().region().words()[(1024 + 64 * at) / 8].load(Relaxed)
    }

    fn queue(&mut self, queue: u8) -> &mut QueueStore<Failing> {
        let at = self.queue_at(queue);
        &mut self.queues[at]
    }

    /// The index of a queue store, of which there is one at least after this.
    pub(crate) fn queue_at(&mut self, queue: u8) -> usize {
        if self.queues.is_empty() {
            self.join();
        }
        usize::from(queue) % self.queues.len()
    }

    fn page(&self, page: u16) -> usize {
        usize::from(page) % self.state.pages.len()
    }

    /// `pages` pages from `page` on, fewer where the device ends.
    fn range(&self, page: u16, pages: u16) -> Range<usize> {
        let start = self.page(page);
        start..(start + usize::from(pages)).min(self.state.pages.len())
    }

    /// Does it, and compares.
    pub(crate) fn apply(&mut self, op: &Op) {
        let mut before = self.before();
        let mut touched = 0..0;
        match *op {
            Op::Write { queue, page, sample } => {
                let page = self.page(page);
                touched = page..page + 1;
                self.write(queue, page, usize::from(sample) % SAMPLES);
            }
            Op::Fill { queue, page, pages, sample, is_mixed } => {
                touched = self.range(page, pages);
                let step = if is_mixed { 5 } else { KINDS.len() };
                self.fill(queue, touched.clone(), usize::from(sample), step);
            }
            Op::Read { queue, page } => {
                let page = self.page(page);
                self.read(queue, page);
            }
            Op::ReadAll { queue } => {
                (0..self.state.pages.len()).for_each(|page| self.read(queue, page));
            }
            Op::Discard { queue, page, pages } => {
                touched = self.range(page, pages);
                self.discard(queue, touched.clone());
            }
            Op::Thin { queue, page, pages } => {
                touched = self.range(page, pages);
                touched.clone().step_by(2).for_each(|page| self.discard(queue, page..page + 1));
            }
            Op::Ebb { queue } => {
                touched = 0..self.state.pages.len();
                self.discard(queue, touched.clone());
                self.maintain();
            }
            Op::Outside { queue, by } => self.outside(queue, by.into()),
            Op::Compact { queue, spans, to_the_end } => {
                self.compact(queue, spans.into(), to_the_end);
            }
            Op::Recompress { queue, what, slots, to_the_end } => {
                touched = 0..self.state.pages.len();
                self.recompress(queue, what, slots.into(), to_the_end);
            }
            Op::Limit(limit) => self.limit(limit),
            Op::Idle { older_than } => self.mark_idle(older_than.map(u32::from)),
            Op::Tick(by) => {
                self.state.clock += u32::from(by);
                self.device().set_clock(self.state.clock);
            }
            Op::ResetPeak => {
                self.device().reset_peak();
                let stat = self.device().mm_stat();
                self.coverage.saw_if("a peak reset", stat != before.mm);
                assert_eq!(stat.mem_used_max, before.used);
            }
            Op::Maintain => self.maintain(),
            Op::Join => {
                if self.queues.len() < 4 {
                    self.join();
                }
                self.coverage.saw_if("four queue stores", self.queues.len() == 4);
            }
            Op::Leave { queue } => {
                let at = self.queue_at(queue);
                drop(self.queues.swap_remove(at));
            }
            Op::Crash { held, salt } => self.crash(held.into(), salt.into()),
            Op::Format { pages, has_times, is_refused } => {
                let pages = 1 + usize::from(pages) % self.most_pages;
                self.format_again(pages, has_times, is_refused);
            }
            Op::Parameters { len } => self.set_parameters(len.into()),
            Op::Refuse { grow_one_in, punch_one_in, budget, seed } => {
                let tables = before.overhead.table;
                *self.device().region().refusals() = Refusals {
                    grow_one_in: grow_one_in.into(),
                    punch_one_in: punch_one_in.into(),
                    budget: budget.map(|spans| tables + u64::from(spans) * SPAN),
                    random: Random::new(seed.into()),
                };
            }
            Op::Verify { queue } => self.verify(queue),
        }
        if matches!(op, Op::Compact { .. }) {
            // The one span beyond the limit that moving needs stays if memory runs out meanwhile.
            before.used += SPAN;
        }
        let is_of_one_device = !matches!(op, Op::Crash { .. } | Op::Format { .. });
        self.agree(&touched, is_of_one_device.then_some(before));
    }

    /// The end of a list: every page is read.
    pub(crate) fn finish(mut self) -> Coverage {
        self.apply(&Op::ReadAll { queue: 0 });
        self.verify(0);
        self.check_objects();
        self.coverage
    }

    /// Whether the write was parked.
    fn write(&mut self, queue: u8, page: usize, sample: usize) -> bool {
        let data: Page = *self.state.samples.page(sample);
        let kept = self.state.samples.written(sample);
        let before = self.before();
        let written = self.queue(queue).write(page as u64, &data);
        match written {
            Ok(Written::Done) => {
                let is_new = before.used + SPAN > self.state.limit;
                let is_at_limit = self.state.limit != 0 && is_new;
                self.state.wrote(page, sample);
                self.saw_written(page, kept, is_at_limit);
            }
            Ok(Written::Parked) => {
                self.coverage.saw("a write that was parked");
                self.assert_parked();
            }
            Err(error) => {
                self.state.io.failed_writes += 1;
                self.assert_short(error);
                let name = if error == Error::Limit {
                    "a write at its limit"
                } else {
                    "a write without memory"
                };
                self.coverage.saw(name);
                let is_kept = kept == Kept::Huge && self.state.pages[page].kept != Kept::Empty;
                self.coverage.saw_if("a huge page without memory keeps what was there", is_kept);
            }
        }
        let is_done = written == Ok(Written::Done);
        assert!(is_done || kept.object().is_some(), "what is in the slot needs no memory");
        let (room, below) = (before.ready, before.used + PLENTY * SPAN);
        let is_easy = room >= PLENTY && (self.state.limit == 0 || below <= self.state.limit);
        assert!(is_done || !is_easy, "{written:?} with {room} spans at hand");
        let highest = before.mm.mem_used_max.max(below);
        assert!(self.device().mm_stat().mem_used_max <= highest, "too many spans for a write");
        written == Ok(Written::Parked)
    }

    /// Looks at where a page was put that was just written.
    fn saw_written(&mut self, page: usize, kept: Kept, is_at_limit: bool) {
        self.coverage.saw(match kept {
            Kept::Same(_) | Kept::Empty => "a same-filled page in its slot",
            Kept::FarSame(_) => "a same-filled page in the arena",
            Kept::Stored { .. } => "a compressed page",
            Kept::Huge => "a huge page",
        });
        let places = self.places();
        let span = |place: u64| place * GRANULE / SPAN;
        // A span is filled from its start: what has an object behind it was put into a hole.
        let is_behind = |place: u64| {
            let mut others = self.state.pages.iter().enumerate().filter(|(at, _)| *at != page);
            others.any(|(_, other)| {
                let other = other.place.map_or(0, |place| place.get());
                other > place && span(other) == span(place)
            })
        };
        let is_in_hole = places[page].is_some_and(is_behind);
        self.coverage.saw_if("a hole reused", is_in_hole);
        let has_moved = |(at, other): (usize, &Expected)| {
            let place = other.place.map(|place| place.get());
            at != page && place.is_some() && place != places[at]
        };
        let has_moved = self.state.pages.iter().enumerate().any(has_moved);
        self.coverage.saw_if("a span emptied by a write", has_moved && self.state.limit == 0);
        self.coverage.saw_if("a write that got room at the limit", has_moved && is_at_limit);
        // From the next write on these are the places to compare with.
        for (at, place) in places.into_iter().enumerate() {
            if place != self.state.pages[at].place.map(|place| place.get()) || at == page {
                let slot = self.slot(at).0;
                self.state.pages[at].agree(at, slot);
                self.check_object(at);
            }
        }
    }

    fn places(&self) -> Vec<Option<u64>> {
        let place = |page| self.slot(page).0.object().map(|(place, _)| place.get());
        (0..self.state.pages.len()).map(place).collect()
    }

    fn fill(&mut self, queue: u8, pages: Range<usize>, sample: usize, step: usize) {
        for page in pages {
            let sample = (sample + step * page) % SAMPLES;
            for _ in 0..3 {
                if !self.write(queue, page, sample) {
                    break;
                }
                self.maintain();
            }
        }
    }

    fn read(&mut self, queue: u8, page: usize) {
        let mut out = [0x5a; 4096];
        self.queue(queue).read(page as u64, &mut out).expect("no damage");
        let expected = self.state.pages[page];
        let is_there = match expected.kept {
            Kept::Empty => out == [0; 4096],
            _ => out == *self.state.samples.page(expected.sample),
        };
        assert!(is_there, "page {page} reads as something else");
        self.coverage.saw_if("an idle page read", expected.is_idle);
        self.state.read(page);
    }

    fn discard(&mut self, queue: u8, pages: Range<usize>) {
        let many = self.state.pages[pages.clone()].iter().filter(|page| page.kept != Kept::Empty);
        self.coverage.saw_if("a discard of many pages", many.count() > 20);
        let range = pages.start as u64..pages.end as u64;
        self.queue(queue).discard(range).expect("inside the device");
        self.state.discarded(pages);
    }

    fn outside(&mut self, queue: u8, by: u64) {
        let (page, mut data) = (self.state.pages.len() as u64 + by, [1; 4096]);
        let outside = Error::OutOfRange { page };
        let queue = self.queue(queue);
        assert_eq!(queue.write(page, &data), Err(outside));
        assert_eq!(queue.read(page, &mut data), Err(outside));
        assert_eq!(queue.discard(0..page + 1), Err(outside));
        self.state.io.invalid_io += 3;
        self.coverage.saw("an access outside");
    }

    fn compact(&mut self, queue: u8, spans: u32, to_the_end: bool) {
        let at = self.queue_at(queue);
        let before = self.before();
        if to_the_end {
            self.compaction = Compaction::default();
        }
        let mut progress = self.queues[at].compact(&mut self.compaction, spans);
        while to_the_end && progress == Progress::More {
            progress = self.queues[at].compact(&mut self.compaction, spans);
        }
        let after = self.before();
        let freed = after.mm.pages_compacted - before.mm.pages_compacted;
        self.coverage.saw_if("a compaction that freed memory", freed > 0);
        if progress == Progress::Done {
            self.compaction = Compaction::default();
        }
        let limit = self.state.limit;
        let is_free = before.ready >= PLENTY && (limit == 0 || before.used <= limit);
        if to_the_end && is_free && self.queues.len() == 1 {
            // All spans are full up to less than the largest object, but the last one, and the one
            // that was open when it was looked at.
            let full = SPAN - GRANULE * granules(4096);
            let most = (self.state.live() / full + 2) * SPAN;
            let used = after.mm.mem_used_total;
            assert!(used <= most, "{used} bytes for {} after compaction", self.state.live());
        }
    }

    fn limit(&mut self, limit: Limit) {
        let used = self.before().used;
        let bytes = match limit {
            Limit::None => 0,
            Limit::Spans(more) => used.saturating_add_signed(i64::from(more) * SPAN.cast_signed()),
            Limit::Bytes(more) => used + u64::from(more),
        };
        self.device().set_limit(bytes);
        self.state.limit = bytes.next_multiple_of(4096);
    }

    fn mark_idle(&mut self, older_than: Option<u32>) {
        let which = older_than.map_or(Idle::All, Idle::OlderThan);
        if older_than.is_some() && !self.state.has_times {
            assert_eq!(self.device().mark_idle(which), Err(Error::NoTimes));
            return;
        }
        self.device().mark_idle(which).expect("there are access times");
        self.state.marked_idle(older_than);
        let of_age = |is: bool| {
            let mut pages = self.state.pages.iter();
            older_than.is_some()
                && pages.any(|page| page.kept.is_compressible() && page.is_idle == is)
        };
        let (old, young) = (of_age(true), of_age(false));
        self.coverage.saw_if("pages idle by age", old);
        self.coverage.saw_if("pages too young", young);
    }

    pub(crate) fn maintain(&mut self) {
        let (before, backed) = (self.before(), self.device().region().backed_bytes());
        let got = self.device().maintain();
        self.refused = got.refused;
        self.coverage.saw_if("maintain refused with ENOMEM", got.refused == Some(ENOMEM));
        self.coverage.saw_if("maintain refused with ENOSPC", got.refused == Some(ENOSPC));
        self.coverage.saw_if("maintain that gave memory back", got.punched > 0);
        let after = self.before();
        let headroom = before.overhead.headroom + got.grown - got.punched;
        assert_eq!(after.overhead.headroom, headroom);
        let now = self.device().region().backed_bytes();
        assert_eq!(now, backed + got.grown - got.punched);
        let can_punch = self.device().region().refusals().punch_one_in == 0;
        let is_too_much = after.ready > 2 * HEADROOM;
        assert!(!is_too_much || !can_punch, "too much is kept");
        self.coverage.saw_if("maintain whose punch was refused", is_too_much);
        if got.refused.is_none() {
            assert!(after.ready >= HEADROOM, "too little is at hand");
            assert!(!self.device().wants_maintenance() || !can_punch);
        }
    }

    fn join(&mut self) {
        let queue = self.device().queue().expect("fewer than 64");
        self.queues.push(queue);
    }

    fn set_parameters(&mut self, len: usize) {
        let text: String = "lz4 priority=1 algo=zstd\n".chars().cycle().take(len).collect();
        let set = self.device().set_parameters(&text);
        if len > MOST_PARAMETERS {
            assert_eq!(set, Err(Error::Parameters { len }));
            self.coverage.saw("parameters that are too long");
        } else {
            set.expect("there is room");
            self.state.parameters = text;
        }
        assert_eq!(self.device().parameters(), self.state.parameters);
    }

    fn verify(&mut self, queue: u8) {
        let found = self.queue(queue).verify();
        assert_eq!(found.damaged, []);
        assert_eq!((found.pages, found.damaged_count), (self.state.stored(), 0));
    }

    /// Nothing was written because there is no memory at hand, and none was refused.
    pub(crate) fn assert_parked(&self) {
        assert_eq!(self.refused, None, "growing was refused");
        assert!(self.before().ready <= RESERVED, "parked with memory at hand");
    }

    pub(crate) fn is_out_of_spans(&self) -> bool {
        self.before().ready <= RESERVED
    }

    /// The error is one that there may be now.
    pub(crate) fn assert_short(&self, error: Error) {
        let Before { used, ready, .. } = self.before();
        match error {
            Error::Limit => {
                let limit = self.state.limit;
                assert!(limit != 0 && used + SPAN > limit, "{used} bytes are not at {limit}");
            }
            Error::Memory(errno) => {
                assert_eq!(Some(errno), self.refused);
                assert!(ready <= RESERVED, "no memory with {ready} spans at hand");
            }
            other => panic!("{other}"),
        }
    }

    pub(crate) fn slot(&self, page: usize) -> (trueno_zram_store::slot::Slot, u32) {
        self.device().slot(u32::try_from(page).expect("small")).expect("inside")
    }
}
