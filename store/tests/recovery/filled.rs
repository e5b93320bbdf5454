//! A device in which every page is known.

use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;

use trueno_zram_region::FileRegion;
use trueno_zram_store::slot::Slot;
use trueno_zram_store::{
    Device, Error, GRANULE, Layout, Options, Page, QueueStore, Recovery, Region as _, Written,
    granules,
};

use crate::common::{KINDS, codecs, page};
use crate::recount::{expected_bytes, recount};

/// How many pages it has; every eleventh was never written.
pub(crate) const PAGES: u64 = 420;

/// A device and what was written to it.
pub(crate) struct Filled {
    /// None only while it changes hands.
    device: Option<Device<FileRegion>>,
}

/// What was written.
pub(crate) fn content(at: u64) -> Page {
    let kind = KINDS[usize::try_from(at).expect("small") % KINDS.len()];
    if at.is_multiple_of(11) { [0; 4096] } else { page(kind, at) }
}

impl Filled {
    pub(crate) fn new(options: Options<'_>) -> Self {
        let layout = Layout::new(PAGES, options.access_times).expect("a size");
        let region = FileRegion::anonymous(layout.region_bytes()).expect("a memfd");
        let device = Device::format(region, PAGES, options, codecs()).expect("a device");
        let mut queue = device.queue().expect("a thread");
        for at in (0..PAGES).filter(|at| !at.is_multiple_of(11)) {
            write(&mut queue, at, &content(at));
        }
        drop(queue);
        Self { device: Some(device) }
    }

    pub(crate) fn device(&self) -> &Device<FileRegion> {
        self.device.as_ref().expect("it does not change hands now")
    }

    /// How many pages were written.
    pub(crate) fn stored(&self) -> u64 {
        (0..PAGES).filter(|at| !at.is_multiple_of(11)).count() as u64
    }

    /// Which words are the table.
    pub(crate) fn table(&self) -> Range<usize> {
        let first = usize::try_from(self.device().layout().table().start / 8).expect("small");
        let pages = usize::try_from(PAGES).expect("small");
        first..first + pages
    }

    pub(crate) fn slot(&self, page: u32) -> Slot {
        self.device().slot(page).expect("inside").0
    }

    /// Puts a word into the table.
    pub(crate) fn set_slot(&self, page: u32, slot: Slot) {
        let at = self.table().start + page as usize;
        self.device().region().words()[at].store(slot.to_bits(), Relaxed);
    }

    /// The bytes of the region in which the page's object is.
    pub(crate) fn object(&self, page: u32) -> Option<Range<u64>> {
        let (place, len) = self.slot(page).object()?;
        let start = self.device().layout().arena().start + place.get() * GRANULE;
        Some(start..start + granules(len) * GRANULE)
    }

    /// The pages whose objects are there.
    pub(crate) fn pages_at(&self, is_there: impl Fn(Range<u64>) -> bool) -> Vec<u32> {
        let pages = 0..u32::try_from(PAGES).expect("small");
        pages.filter(|page| self.object(*page).is_some_and(&is_there)).collect()
    }

    /// Recovers from the same memory, as if the device that there is had been killed.
    pub(crate) fn recover(&self) -> (Device<FileRegion>, Recovery) {
        let file = self.device().region().file().try_clone().expect("a descriptor");
        Device::recover(FileRegion::map(file).expect("mapped"), codecs()).expect("a device")
    }

    pub(crate) fn goes_on_with(&mut self, device: Device<FileRegion>) {
        self.device = Some(device);
    }

    /// Recovers, and checks that these pages are damaged, that no others are, and that they heal.
    pub(crate) fn damaged(&mut self, lost: &[u32]) {
        let (device, found) = self.recover();
        assert_eq!(found.damaged, lost.len() as u64, "{found:?}");
        assert_eq!(found.first_damaged, lost.iter().min().copied());
        self.check_with(&device, lost);
        let (again, second) = self.recover();
        assert_eq!(second.damaged, found.damaged, "damage that was found stays known");
        drop(device);
        let mut queue = again.queue().expect("a thread");
        for (page, is_written) in lost.iter().zip([true, false].into_iter().cycle()) {
            if is_written {
                write(&mut queue, (*page).into(), &content((*page).into()));
            } else {
                queue.discard((*page).into()..u64::from(*page) + 1).expect("inside");
                write(&mut queue, (*page).into(), &content((*page).into()));
            }
        }
        drop(queue);
        self.goes_on_with(again);
        self.check(&[]);
        let mut queue = self.device().queue().expect("a thread");
        queue.discard(0..PAGES).expect("inside");
        drop(queue);
        assert_eq!(self.device().mm_stat().mem_used_total, 0, "nothing has leaked");
        check_books(self.device());
    }

    /// Checks every page; of the `lost` ones that they cannot be read.
    pub(crate) fn check(&self, lost: &[u32]) {
        self.check_with(self.device(), lost);
    }

    pub(crate) fn check_with(&self, device: &Device<FileRegion>, lost: &[u32]) {
        let mut queue = device.queue().expect("a thread");
        let mut out = [0; 4096];
        for (at, page) in (0..PAGES).zip(0..) {
            let read = queue.read(at, &mut out);
            if lost.contains(&page) {
                let what = "its slot is damaged";
                assert_eq!(read, Err(Error::Damaged { page, what }), "page {page}");
            } else {
                assert_eq!(read, Ok(()), "page {page}");
                assert!(out == content(at), "page {page}");
            }
        }
        let verified = queue.verify();
        assert_eq!(verified.damaged_count, lost.len() as u64, "{verified:?}");
        drop(queue);
        check_books(device);
    }

    /// Checks every page, of which some must be zero.
    pub(crate) fn check_pages(
        &self,
        device: &Device<impl trueno_zram_store::Region>,
        is_zero: impl Fn(u64) -> bool,
    ) {
        let mut queue = device.queue().expect("a thread");
        let mut out = [0; 4096];
        for at in 0..PAGES {
            queue.read(at, &mut out).expect("readable");
            let expected = if is_zero(at) { [0; 4096] } else { content(at) };
            assert!(out == expected, "page {at}");
        }
    }
}

/// Gauges are what a recount says, and memory what they say.
pub(crate) fn check_books(device: &Device<FileRegion>) {
    let stat = device.mm_stat();
    assert_eq!(stat, recount(device, stat));
    let backed = device.region().backed_bytes().expect("a number");
    assert_eq!(backed, expected_bytes(device));
}

/// Writes, growing the device as is needed.
pub(crate) fn write(queue: &mut QueueStore<FileRegion>, at: u64, data: &Page) {
    for _ in 0..100 {
        match queue.write(at, data).expect("memory") {
            Written::Done => return,
            Written::Parked => queue.device().maintain(),
        };
    }
    panic!("parked for ever");
}
