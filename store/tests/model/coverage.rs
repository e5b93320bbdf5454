//! What a run has seen: a test that never gets to the difficult parts shows nothing.

use std::collections::BTreeMap;

/// What must have happened at least once.
const NEEDED: [&str; 39] = [
    "a compressed page",
    "a huge page",
    "a same-filled page in its slot",
    "a same-filled page in the arena",
    "a hole reused",
    "a span emptied by a write",
    "a write that got room at the limit",
    "a write at its limit",
    "a write that was parked",
    "a write without memory",
    "a huge page without memory keeps what was there",
    "maintain refused with ENOMEM",
    "maintain refused with ENOSPC",
    "maintain that gave memory back",
    "maintain whose punch was refused",
    "a discard of many pages",
    "an access outside",
    "a compaction that freed memory",
    "a page compressed again",
    "a page compressed a second time again",
    "a page that no codec made smaller",
    "a page left to a higher codec or another threshold",
    "a recompression that ran out of memory",
    "a recompression that was parked",
    "a recompression at the limit",
    "a recompression of some pages only",
    "a recompression of idle pages",
    "no such codec",
    "an idle page read",
    "pages idle by age",
    "pages too young",
    "a peak reset",
    "a recovery of many pages",
    "a recovery of pages that were held",
    "a recovery whose punch was refused",
    "a device formatted again",
    "a format without memory",
    "parameters that are too long",
    "four queue stores",
];

#[derive(Clone, Debug, Default)]
pub(crate) struct Coverage(BTreeMap<&'static str, u64>);

impl Coverage {
    pub(crate) fn saw(&mut self, what: &'static str) {
        debug_assert!(NEEDED.contains(&what), "{what}");
        *self.0.entry(what).or_default() += 1;
    }

    pub(crate) fn saw_if(&mut self, what: &'static str, is_so: bool) {
        if is_so {
            self.saw(what);
        }
    }

    pub(crate) fn assert_complete(&self) {
        for (what, times) in &self.0 {
            println!("{times:>10} {what}");
        }
        let missing: Vec<_> = NEEDED.iter().filter(|what| !self.0.contains_key(*what)).collect();
        assert!(missing.is_empty(), "never happened: {missing:#?}");
    }
}
