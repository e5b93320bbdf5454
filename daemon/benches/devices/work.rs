//! What a device is asked to do.

use std::time::{Duration, Instant};

use crate::image::{BLOCK, Image};
use crate::ring::Part;

pub(crate) const PAGE: usize = 4096;
/// Every how many requests the clock is looked at, which in an emulated machine costs as much as a
/// request does.
const REQUESTS_A_LOOK: u64 = 16;

/// Requests of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Work {
    /// What the tables call it.
    pub(crate) name: &'static str,
    pub(crate) is_write: bool,
    /// Pages of a request. Single ones are anywhere, larger ones one behind the other.
    pub(crate) pages: usize,
    /// How many are under way at once.
    pub(crate) depth: u32,
}

const fn work(name: &'static str, is_write: bool, pages: usize, depth: u32) -> Work {
    Work { name, is_write, pages, depth }
}

/// All that is measured, in the order of the tables.
pub(crate) const WORKS: [Work; 8] = [
    work("4 KiB read, depth 1", false, 1, 1),
    work("4 KiB read, depth 32", false, 1, 32),
    work("4 KiB read, depth 128", false, 1, 128),
    work("4 KiB write, depth 1", true, 1, 1),
    work("4 KiB write, depth 32", true, 1, 32),
    work("4 KiB write, depth 128", true, 1, 128),
    work("128 KiB read, depth 4", false, 32, 4),
    work("128 KiB write, depth 4", true, 32, 4),
];

/// What fills a device from its beginning to its end, and reads it back.
pub(crate) const fn pass(is_write: bool) -> Work {
    work("pass", is_write, 32, 4)
}

impl Work {
    /// Requests without an end, on a device of so many pages. The same `seed`, the same requests.
    pub(crate) fn requests(
        self,
        image: &Image,
        pages: u64,
        seed: u64,
    ) -> impl Iterator<Item = Part> {
        let mut random = fastrand::Rng::with_seed(seed);
        let (len, each) = (self.pages, self.pages as u64);
        let chunks = pages / each;
        let image_chunks = image.pages() / len;
        let (mut at, mut from) = (random.u64(..chunks), random.usize(..image_chunks));
        let mut room = 0;
        std::iter::from_fn(move || {
            if len == 1 {
                (at, from) = (random.u64(..chunks), random.usize(..image_chunks));
            } else {
                (at, from) = ((at + 1) % chunks, (from + 1) % image_chunks);
            }
            let offset = at * each * PAGE as u64;
            if self.is_write {
                return Some(part(from * len, len, offset));
            }
            // What is under way at once goes to different places.
            room = (room + len) % BLOCK;
            Some(part(room, len, offset))
        })
    }
}

/// A request of `len` pages, with the image's from page `page` on.
pub(crate) fn part(page: usize, len: usize, offset: u64) -> Part {
    Part { block: page / BLOCK, from: page % BLOCK * PAGE, len: len * PAGE, offset }
}

/// Lets requests through until the time is over, and counts them.
pub(crate) fn for_a_time<'a>(
    requests: impl Iterator<Item = Part> + 'a,
    time: Duration,
    count: &'a mut u64,
) -> impl Iterator<Item = Part> + 'a {
    let end = Instant::now() + time;
    requests.take_while(move |_| {
        let goes_on = !count.is_multiple_of(REQUESTS_A_LOOK) || Instant::now() < end;
        *count += u64::from(goes_on);
        goes_on
    })
}
