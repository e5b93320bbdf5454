//! Devices that come and go: made, formatted again, killed and recovered.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;

use trueno_zram_store::{Compaction, Device, Error, Layout, MmStat, Options, Region as _};

use super::common::Random;
use super::failing::{ENOMEM, Failing, Refusals};
use super::harness::Harness;
use super::state::State;

impl Harness {
    /// Makes a device of as many pages as the map has, empty.
    pub(crate) fn format(&mut self, region: &Failing) {
        let options = Options { access_times: self.state.has_times, ..Options::default() };
        let (pages, codecs) = (self.state.pages.len() as u64, self.set.codecs());
        let device = Device::format(region.clone(), pages, options, codecs).expect("memory");
        self.start(device);
    }

    fn start(&mut self, device: Device<Failing>) {
        self.queues.push(device.queue().expect("the first"));
        self.private = device.overhead().buffers;
        self.device = Some(device);
        self.refused = None;
        self.compaction = Compaction::default();
        self.pass = None;
        self.state.clock = 0;
    }

    pub(crate) fn format_again(&mut self, pages: usize, has_times: bool, is_refused: bool) {
        self.queues.clear();
        let region = self.device().region().clone();
        let old = self.device.take().expect("one between operations");
        drop(old.into_region().expect("nobody else has it"));
        let kept = std::mem::replace(&mut *region.refusals(), Refusals::none());
        if is_refused {
            region.refusals().grow_one_in = 1;
            let (options, codecs) = (Options::default(), self.set.codecs());
            let formatted = Device::format(region.clone(), pages as u64, options, codecs);
            assert_eq!(formatted.err(), Some(Error::Memory(ENOMEM)));
            let recovered = Device::recover(region.clone(), self.set.codecs());
            assert_eq!(recovered.err(), Some(Error::Foreign(0)), "half a device is none");
            region.refusals().grow_one_in = 0;
            self.coverage.saw("a format without memory");
        }
        self.state = State::new(Rc::clone(&self.state.samples), pages, has_times);
        self.format(&region);
        *region.refusals() = kept;
        assert_eq!(self.device().mm_stat(), MmStat::default());
        assert_eq!(self.device().parameters(), "");
        self.coverage.saw("a device formatted again");
    }

    pub(crate) fn crash(&mut self, held: u64, salt: u64) {
        let image = self.device().region().image();
        let layout = self.device().layout();
        let before = self.before();
        let backed = image.backed_bytes();
        self.queues.clear();
        self.device = None;
        let held = deface(&image, &layout, held, &mut Random::new(salt));
        let recovered = Device::recover(image, self.set.codecs());
        let (device, found) = recovered.expect("a device");
        assert_eq!((found.pages, found.held), (self.state.stored(), held));
        assert_eq!((found.damaged, found.first_damaged), (0, None));
        assert_eq!(device.layout(), layout);
        assert_eq!(device.parameters(), self.state.parameters);
        assert_eq!(device.region().backed_bytes(), backed - found.punched);
        let mm = device.mm_stat();
        assert_eq!(mm.mem_used_max, before.mm.mem_used_max.max(mm.mem_used_total));
        assert_eq!(mm.pages_compacted, before.mm.pages_compacted);
        let headroom = device.overhead().headroom;
        let can_punch = device.region().refusals().punch_one_in == 0;
        assert!(headroom == 0 || !can_punch, "empty spans are given back");
        self.coverage.saw_if("a recovery whose punch was refused", headroom > 0);
        self.coverage.saw_if("a recovery of many pages", found.pages > 100);
        self.coverage.saw_if("a recovery of pages that were held", held > 1);
        self.start(device);
        let last = self.state.pages.iter().map(|page| page.time).max();
        self.state.clock = last.expect("a page at least");
        // Before anything else is done, `agree` compares everything with what it was.
        self.check_objects();
    }
}

/// Makes everything that recovery must not believe nonsense: words of spans, gauges but for limit
/// and peak, what the threads have counted as stored and as their own memory. Locks some slots; how many.
fn deface(image: &Failing, layout: &Layout, held: u64, random: &mut Random) -> u64 {
    let words = image.words();
    let word = |byte: u64| &words[usize::try_from(byte / 8).expect("mapped")];
    for at in layout.span_words().step_by(8) {
        word(at).store(random.word(), Relaxed);
    }
    // Used, ready, two list heads, grown, refused: src/arena.rs has their order.
    for gauge in [0, 3, 4, 5, 6, 7] {
        word(1024 + 64 * gauge).store(random.word(), Relaxed);
    }
    for thread in 0..64 {
        for counter in 8..14 {
            word(8192 + 128 * thread + 8 * counter).store(random.word(), Relaxed);
        }
    }
    let held: BTreeSet<u64> = (0..held).map(|_| random.below(layout.pages())).collect();
    for page in &held {
        word(layout.table().start + 8 * page).fetch_or(1 << 3, Relaxed);
    }
    held.len() as u64
}
