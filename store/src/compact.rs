//! Compaction on request: moving objects out of sparse spans, a few spans at a time.

use crate::arena::Gauge;
use crate::queue::QueueStore;
use crate::region::Region;
use crate::span::SpanIndex;

/// How far a [`compact`](QueueStore::compact) is; begin with the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compaction {
    next: SpanIndex,
}

/// Whether a pass over a device is at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Progress {
    /// Call again.
    More,
    /// All was seen.
    Done,
}

impl<R: Region> QueueStore<R> {
    /// Looks at up to `spans` spans and empties the sparse ones, then comes back, so that the calling
    /// thread can do other work in between. Reads and writes go on meanwhile.
    pub fn compact(&mut self, pass: &mut Compaction, spans: u32) -> Progress {
        let mut space = self.space();
        let grown = space.arena.gauges.get(Gauge::Grown);
        for _ in 0..spans {
            if u64::from(pass.next) >= grown {
                // What this thread has open and at hand is part of the waste.
                space.retire();
                return Progress::Done;
            }
            space.evacuate_if_sparse(pass.next);
            pass.next += 1;
        }
        Progress::More
    }
}
