//! Holes that one thread remembers: places that its own overwrites and discards have left.
//!
//! A device that is full is overwritten page by page, and what comes is about as long as what goes. A
//! new object takes a hole of its size, or of up to a sixteenth more; only if there is none, the end
//! of the thread's open span. With eight holes for each size, 96 to 99 of 100 writes find one where
//! there are ten thousand pages or more, simulated on the sizes of our corpora, and objects hardly ever
//! need to be moved to get free space together.

use crate::arena::{MOST_GRANULES, Place};
use crate::word::index;

/// How many holes of one size are remembered.
const EACH: usize = 8;
/// How much larger than the object a hole may be: a sixteenth, 1 << 4.
const LARGER: u32 = 4;

/// Free space that a thread knows of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Hole {
    pub(crate) place: Place,
    /// The span's when the hole was made.
    pub(crate) generation: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    len: u8,
    holes: [Hole; EACH],
}

/// The holes of one thread, by their size in granules.
#[derive(Debug)]
pub(crate) struct Holes {
    buckets: Box<[Bucket]>,
    granules: u64,
    /// How many granules they may have together: what is remembered here nobody else can use.
    pub(crate) most: u64,
}

impl Holes {
    pub(crate) fn new(most: u64) -> Self {
        let buckets = vec![Bucket::default(); index(MOST_GRANULES) + 1].into_boxed_slice();
        Self { buckets, granules: 0, most }
    }

    /// Remembers a hole, if there is room for it.
    #[inline]
    pub(crate) fn put(&mut self, hole: Hole, granules: u64) {
        if self.granules + granules > self.most {
            return;
        }
        let Some(bucket) = self.buckets.get_mut(index(granules)) else { return };
        if let Some(slot) = bucket.holes.get_mut(usize::from(bucket.len)) {
            *slot = hole;
            bucket.len += 1;
            self.granules += granules;
        }
    }

    /// Takes out a hole of at least so many granules; whether it still is one, the span tells.
    #[inline]
    pub(crate) fn take(&mut self, granules: u64) -> Option<Hole> {
        let largest = granules + (granules >> LARGER);
        let buckets = self.buckets.get_mut(index(granules)..)?;
        for (size, bucket) in (granules..=largest).zip(buckets) {
            if bucket.len > 0 {
                bucket.len -= 1;
                self.granules -= size;
                return bucket.holes.get(usize::from(bucket.len)).copied();
            }
        }
        None
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        for bucket in &mut self.buckets {
            bucket.len = 0;
        }
        self.granules = 0;
    }

    /// How many bytes of memory this takes, all threads' together being part of the overhead.
    pub(crate) fn footprint(&self) -> u64 {
        size_of_val::<[Bucket]>(&self.buckets) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hole(place: u64) -> Hole {
        Hole { place: Place::new(place), generation: 1 }
    }

    #[test]
    fn the_nearest_size_is_taken_and_nothing_much_larger() {
        let mut holes = Holes::new(10_000);
        for size in [34, 33, 32, 31, 35] {
            holes.put(hole(size), size);
        }
        let mut taken = || holes.take(32).map(|hole| hole.place.get());
        assert_eq!([taken(), taken(), taken(), taken()], [Some(32), Some(33), Some(34), None]);
        assert_eq!(holes.take(MOST_GRANULES), None);
        assert_eq!(holes.take(31), Some(hole(31)));
    }

    #[test]
    fn no_more_is_remembered_than_allowed() {
        let mut holes = Holes::new(100);
        for place in 0..20 {
            holes.put(hole(place), 9);
        }
        assert_eq!(std::iter::from_fn(|| holes.take(9)).count(), EACH);
        holes.put(hole(1), 60);
        holes.put(hole(2), 60);
        assert_eq!((holes.take(60), holes.take(60)), (Some(hole(1)), None), "120 are too many");
        holes.put(hole(3), 60);
        holes.clear();
        assert_eq!(holes.take(60), None);
        holes.put(hole(4), 100);
        assert_eq!(holes.take(100), Some(hole(4)));
    }
}
