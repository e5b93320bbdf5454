//! Device and map agree: exactly in what follows from what was done, within bounds in what only the
//! store decides.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;

use trueno_zram_store::{GRANULE, MmStat, Region as _, granules};

use super::harness::{Before, Harness, SPAN};
use super::state::Expected;

/// After so many operations the bytes of all objects are looked at, not only of those that moved.
const THOROUGH: u64 = 32;

impl Harness {
    pub(crate) fn agree(&mut self, touched: &Range<usize>, before: Option<Before>) {
        self.steps += 1;
        for page in 0..self.state.pages.len() {
            let (slot, time) = self.slot(page);
            let has_moved = self.state.pages[page].agree(page, slot);
            assert_eq!(time, self.state.pages[page].time, "access time of page {page}");
            if has_moved || touched.contains(&page) {
                self.check_object(page);
            }
        }
        let mm = self.device().mm_stat();
        assert_eq!(mm, self.state.mm_stat(mm));
        assert_eq!(self.device().io_stat(), self.state.io);
        self.check_memory(mm, before);
        if self.steps.is_multiple_of(THOROUGH) {
            self.check_objects();
        }
    }

    fn check_memory(&self, mm: MmStat, before: Option<Before>) {
        let span = |page: &Expected| page.place.map(|place| place.get() * GRANULE / SPAN);
        let occupied: BTreeSet<u64> = self.state.pages.iter().filter_map(span).collect();
        assert_eq!(mm.mem_used_total, SPAN * occupied.len() as u64);
        // What is used but holds nothing is the open span of some queue store.
        let (now, open) = (self.before(), self.queues.len() as u64);
        let empty = now.used - mm.mem_used_total;
        assert!(empty <= SPAN * open, "{empty} bytes empty, {open} queue stores");
        assert_eq!(now.overhead.headroom, SPAN * now.ready + empty);
        assert!(mm.mem_used_total >= self.state.live());
        assert!(mm.mem_used_max >= mm.mem_used_total);
        let overhead = self.device().overhead();
        let backed = self.device().region().backed_bytes();
        assert_eq!(backed, overhead.table + overhead.headroom + mm.mem_used_total, "no leak");
        assert_eq!(overhead.buffers, self.private * open);
        let Some(before) = before else { return };
        assert!(mm.pages_compacted >= before.mm.pages_compacted);
        let highest = self.state.limit.max(before.used);
        assert!(self.state.limit == 0 || now.used <= highest, "beyond the limit");
    }

    /// Looks at the bytes of every object.
    pub(crate) fn check_objects(&self) {
        (0..self.state.pages.len()).for_each(|page| self.check_object(page));
        let mut objects: Vec<_> = self
            .state
            .pages
            .iter()
            .filter_map(|page| Some((page.place?.get(), granules(page.kept.object()?))))
            .collect();
        objects.sort_unstable();
        for pair in objects.windows(2) {
            assert!(pair[0].0 + pair[0].1 <= pair[1].0, "objects overlap: {pair:?}");
        }
    }

    /// Looks at the bytes of a page's object.
    pub(crate) fn check_object(&self, page: usize) {
        let expected = self.state.pages[page];
        let Some(place) = expected.place else { return };
        let bytes = self.state.samples.object(expected.sample, expected.kept);
        let start = self.device().layout().arena().start + place.get() * GRANULE;
        let words = &self.device().region().words()[usize::try_from(start / 8).expect("mapped")..];
        let owner = words[0].load(Relaxed) & 0xffff_ffff;
        assert_eq!(owner, page as u64, "the header of page {page}'s object");
        for (at, (word, bytes)) in words[1..].iter().zip(bytes.chunks(8)).enumerate() {
            let word = word.load(Relaxed).to_le_bytes();
            assert_eq!(&word[..bytes.len()], bytes, "page {page}: word {at} of its object");
        }
    }
}
