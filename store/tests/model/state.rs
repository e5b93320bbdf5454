//! The plain map that a device is compared with.

use std::rc::Rc;

use trueno_zram_store::slot::{Content, Slot};
use trueno_zram_store::{IoStat, MmStat, Place, granules};

use super::samples::{Kept, Samples};

/// What is known of one page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    /// Which sample it holds; of no meaning if it is empty.
    pub(crate) sample: usize,
    pub(crate) kept: Kept,
    pub(crate) is_idle: bool,
    pub(crate) is_incompressible: bool,
    /// When it was written or read last.
    pub(crate) time: u32,
    /// Where its object was when it was looked at last: what only the store decides.
    pub(crate) place: Option<Place>,
}

impl Expected {
    pub(crate) const EMPTY: Self = Self {
        sample: 0,
        kept: Kept::Empty,
        is_idle: false,
        is_incompressible: false,
        time: 0,
        place: None,
    };

    /// The slot that it should have, but for the place, as text that tells a difference.
    fn describe(&self) -> String {
        let marks = (self.is_idle, self.is_incompressible);
        format!("{:?}, idle and incompressible {marks:?}", self.kept)
    }

    /// Compares it with its slot and takes the place over; whether that is another one.
    pub(crate) fn agree(&mut self, page: usize, slot: Slot) -> bool {
        let kept = match slot.content().expect("a kind that there is") {
            Content::Empty => Kept::Empty,
            Content::Same(word) => Kept::Same(word),
            Content::SameAt(_) => match self.kept {
                // The word is looked at with the object.
                Kept::FarSame(word) => Kept::FarSame(word),
                _ => Kept::FarSame(0),
            },
            Content::Stored { len, codec, .. } => Kept::Stored { len, codec },
            Content::Huge(_) => Kept::Huge,
        };
        let (is_idle, is_incompressible) = (slot.is_idle(), slot.is_incompressible());
        let found = Self { kept, is_idle, is_incompressible, ..*self };
        assert_eq!(found.describe(), self.describe(), "page {page}");
        assert!(!slot.is_locked(), "page {page} is held by nobody");
        if kept.is_compressible() {
            assert_eq!(slot.to_bits() >> 20 & 1, 0, "page {page}: nobody recompresses it any more");
        }
        let place = slot.object().map(|(place, _)| place);
        std::mem::replace(&mut self.place, place) != place
    }
}

/// What is known of a device.
pub(crate) struct State {
    pub(crate) samples: Rc<Samples>,
    pub(crate) pages: Vec<Expected>,
    pub(crate) has_times: bool,
    pub(crate) io: IoStat,
    pub(crate) huge_since: u64,
    /// Bytes, 0 for none.
    pub(crate) limit: u64,
    pub(crate) clock: u32,
    pub(crate) parameters: String,
}

impl State {
    pub(crate) fn new(samples: Rc<Samples>, pages: usize, has_times: bool) -> Self {
        Self {
            samples,
            pages: vec![Expected::EMPTY; pages],
            has_times,
            io: IoStat::default(),
            huge_since: 0,
            limit: 0,
            clock: 0,
            parameters: String::new(),
        }
    }

    pub(crate) fn wrote(&mut self, page: usize, sample: usize) {
        let kept = self.samples.written(sample);
        self.io.writes += 1;
        self.huge_since += u64::from(kept == Kept::Huge);
        let place = self.pages[page].place;
        self.pages[page] = Expected { sample, kept, place, ..Expected::EMPTY };
        self.touched(page);
    }

    pub(crate) fn read(&mut self, page: usize) {
        self.io.reads += 1;
        self.pages[page].is_idle = false;
        self.touched(page);
    }

    fn touched(&mut self, page: usize) {
        self.pages[page].time = if self.has_times { self.clock } else { 0 };
    }

    pub(crate) fn discarded(&mut self, pages: std::ops::Range<usize>) {
        self.io.notify_free += pages.len() as u64;
        for page in &mut self.pages[pages] {
            *page = Expected { time: page.time, place: page.place, ..Expected::EMPTY };
        }
    }

    pub(crate) fn marked_idle(&mut self, older_than: Option<u32>) {
        for page in self.pages.iter_mut().filter(|page| page.kept.is_compressible()) {
            page.is_idle = older_than.is_none_or(|age| self.clock.saturating_sub(page.time) >= age);
        }
    }

    pub(crate) fn stored(&self) -> u64 {
        self.count(|page| page.kept != Kept::Empty)
    }

    fn count(&self, is_counted: impl Fn(&Expected) -> bool) -> u64 {
        self.pages.iter().filter(|page| is_counted(page)).count() as u64
    }

    /// Bytes of the arena that objects occupy.
    pub(crate) fn live(&self) -> u64 {
        self.pages.iter().filter_map(|page| page.kept.object()).map(|len| 16 * granules(len)).sum()
    }

    /// The statistics that follow from what is stored; what the store decides is taken from `got`.
    pub(crate) fn mm_stat(&self, got: MmStat) -> MmStat {
        MmStat {
            orig_data_size: 4096 * self.stored(),
            compr_data_size: self.pages.iter().map(|page| page.kept.compressed()).sum(),
            same_pages: self.count(|page| page.kept.is_same()),
            huge_pages: self.count(|page| page.kept == Kept::Huge),
            huge_pages_since: self.huge_since,
            mem_limit: self.limit,
            ..got
        }
    }
}
