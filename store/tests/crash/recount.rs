//! What is stored, counted from the slots alone.

use std::collections::HashSet;

use trueno_zram_store::slot::Content;
use trueno_zram_store::{Device, GRANULE, MmStat, Region};

/// What `mm_stat` should be, from a look at every slot, and `now` in what no slot tells. Nobody may
/// be writing, and no thread may have a span for itself.
pub(crate) fn recount(device: &Device<impl Region>, now: MmStat) -> MmStat {
    let mut stat = MmStat {
        orig_data_size: 0,
        compr_data_size: 0,
        mem_used_total: 0,
        same_pages: 0,
        huge_pages: 0,
        ..now
    };
    let mut spans = HashSet::new();
    for page in 0..u32::try_from(device.pages()).expect("small") {
        let (slot, _) = device.slot(page).expect("inside");
        if slot.is_empty() {
            continue;
        }
        stat.orig_data_size += 4096;
        stat.same_pages += u64::from(slot.is_same());
        match slot.content() {
            Some(Content::Stored { len, .. }) => stat.compr_data_size += len as u64,
            Some(Content::Huge(_)) => {
                stat.compr_data_size += 4096;
                stat.huge_pages += 1;
            }
            _ => {}
        }
        if let Some((place, _)) = slot.object() {
            spans.insert(place.get() * GRANULE / device.layout().span_bytes());
        }
    }
    stat.mem_used_total = spans.len() as u64 * device.layout().span_bytes();
    stat
}

/// How many bytes of memory the file should have.
pub(crate) fn expected_bytes(device: &Device<impl Region>) -> u64 {
    let overhead = device.overhead();
    let table = overhead.table.next_multiple_of(4096);
    table + overhead.headroom + device.mm_stat().mem_used_total
}
