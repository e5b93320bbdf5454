//! Compressing stored pages again with another of the device's codecs, a few pages at a time.
//!
//! A slot cannot be held while a slow codec works: a thread that wants the page would wait for it. So
//! the slot gets a mark, which every write takes away with the slot itself, and the result is
//! installed only if the mark is still there: wherever the object was moved meanwhile, nobody has
//! written the page. One thread at a time may set marks, or another's might be taken for one's own.

use std::sync::PoisonError;

use trueno_zram_core::Encoded;

use crate::PAGE_SIZE;
use crate::arena::granules;
use crate::compact::Progress;
use crate::error::Error;
use crate::queue::QueueStore;
use crate::region::Region;
use crate::slot::{Content, Priority, Slot};
use crate::space::{Space, account, words_of};
use crate::word::Word;
use crate::write::{HUGE_FROM, Unplaced};

/// Which pages to compress again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// All.
    #[default]
    All,
    /// Idle ones.
    Idle,
    /// Incompressible ones.
    Huge,
    /// Those that are both.
    HugeIdle,
}

/// What to compress again, and with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recompress {
    /// The codec, 1 to 3.
    pub priority: Priority,
    /// Which pages.
    pub selection: Selection,
    /// Only pages of at least so many bytes, and only results below that.
    pub threshold: Option<usize>,
    /// At most so many pages.
    pub most_pages: Option<u64>,
}

/// Sizes are taken together by so many bytes, the largest first.
const BUCKET: usize = 64;

/// How far a recompression is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recompression {
    request: Recompress,
    /// The sizes that are looked for now, in units of [`BUCKET`].
    bucket: usize,
    next: u64,
    tried: u64,
    /// Which sizes the first look has seen.
    seen: [bool; PAGE_SIZE / BUCKET + 1],
    is_counting: bool,
    /// Pages that became smaller.
    pub recompressed: u64,
}

impl Recompression {
    /// At the beginning.
    #[must_use]
    pub fn new(request: Recompress) -> Self {
        let seen = [false; PAGE_SIZE / BUCKET + 1];
        let bucket = PAGE_SIZE / BUCKET;
        Self { request, bucket, next: 0, tried: 0, seen, is_counting: true, recompressed: 0 }
    }

    /// The size of the page if it is one to compress again.
    fn size(&self, slot: Slot) -> Option<usize> {
        let (len, is_huge) = match slot.content()? {
            Content::Stored { len, codec, .. } if codec < self.request.priority => (len, false),
            Content::Huge(_) => (PAGE_SIZE, true),
            _ => return None,
        };
        let is_chosen = match self.request.selection {
            Selection::All => true,
            Selection::Idle => slot.is_idle(),
            Selection::Huge => is_huge,
            Selection::HugeIdle => is_huge && slot.is_idle(),
        };
        let is_large = self.request.threshold.is_none_or(|threshold| len >= threshold);
        (is_chosen && is_large && !slot.is_incompressible()).then_some(len)
    }

    fn has_enough(&self) -> bool {
        self.request.most_pages.is_some_and(|most| self.tried >= most)
    }
}

impl<R: Region> QueueStore<R> {
    /// Looks at up to `slots` pages of the device and compresses those again that the request asks
    /// for, largest first, then comes back. Reads and writes go on meanwhile.
    ///
    /// A page that does not get smaller is marked incompressible, and not tried again until it is
    /// written, if no codec of a higher priority could make it so; one that does, but not to below the
    /// threshold, never is. Neither is idle any more. If empty spans have run out it comes back at once,
    /// and the next call goes on with the same page: call [`maintain`](crate::Device::maintain) before.
    ///
    /// # Errors
    ///
    /// The device has no such codec, or a page is damaged or cannot be placed; the pass may go on
    /// with the next call.
    pub fn recompress(&mut self, pass: &mut Recompression, slots: u64) -> Result<Progress, Error> {
        let priority = pass.request.priority;
        if priority == Priority::PRIMARY || self.shared.codecs.get(priority).is_none() {
            return Err(Error::NoCodec { priority: priority.get() });
        }
        for _ in 0..slots {
            if pass.has_enough() {
                return Ok(Progress::Done);
            }
            let Ok(page) = self.page(pass.next) else {
                if !pass.next_bucket() {
                    return Ok(Progress::Done);
                }
                continue;
            };
            pass.next += 1;
            let slot = self.shared.table().peek(page as usize).unwrap_or_default();
            let Some(len) = pass.size(slot) else { continue };
            if pass.is_counting {
                pass.seen.get_mut(len / BUCKET).into_iter().for_each(|seen| *seen = true);
            } else if len / BUCKET == pass.bucket {
                pass.tried += 1;
                let Some(is_smaller) = self.recompress_page(page, pass)? else {
                    pass.tried -= 1;
                    pass.next -= 1;
                    return Ok(Progress::More);
                };
                pass.recompressed += u64::from(is_smaller);
            }
        }
        Ok(Progress::More)
    }

    /// Whether the page became smaller; `None` if there was no empty span for it.
    fn recompress_page(&mut self, page: u32, pass: &Recompression) -> Result<Option<bool>, Error> {
        let shared = std::sync::Arc::clone(&self.shared);
        let _one = shared.recompressing.lock().unwrap_or_else(PoisonError::into_inner);
        let is_chosen = |slot| pass.size(slot).is_some();
        if !self.space().mark(page, is_chosen) {
            return Ok(Some(false));
        }
        let tried = self.try_page(page, pass);
        self.space().unmark(page);
        match tried {
            Ok(is_smaller) => Ok(Some(is_smaller)),
            Err(Unplaced::Short(shortage)) => self.shortage(shortage).map(|()| None),
            Err(Unplaced::Failed(error)) => Err(error),
        }
    }

    fn try_page(&mut self, page: u32, pass: &Recompression) -> Result<bool, Unplaced> {
        let slot = self.fetch(page, false)?;
        if !slot.is_recompressing() {
            return Ok(false);
        }
        let mut data = [0; PAGE_SIZE];
        self.restore(page, slot, &mut data)?;
        let tried = self.try_codec(page, slot, &data, pass)?;
        Ok(self.space().settle(page, tried))
    }

    fn try_codec(
        &mut self,
        page: u32,
        slot: Slot,
        data: &[u8; PAGE_SIZE],
        pass: &Recompression,
    ) -> Result<Tried, Unplaced> {
        let (shared, mut space, working) = self.parts();
        let priority = pass.request.priority;
        let (Some(codec), (Some(scratch), buffer)) =
            (shared.codecs.get(priority), working.scratch(priority))
        else {
            return Err(Error::NoCodec { priority: priority.get() }.into());
        };
        let len = match codec.compress_into(data, scratch, buffer) {
            Ok(Encoded::Compressed(len)) => len,
            Ok(Encoded::Incompressible) => PAGE_SIZE,
            Err(_) => return Err(Error::Codec.into()),
        };
        let old = slot.object().map_or(0, |(_, len)| granules(len));
        let is_smaller = granules(len) < old && len < HUGE_FROM;
        if !is_smaller && shared.codecs.is_last(priority) {
            return Ok(Tried::InVain);
        }
        if !is_smaller || pass.request.threshold.is_some_and(|threshold| len >= threshold) {
            return Ok(Tried::TooLarge);
        }
        let place = space.put(page, len, words_of(buffer, len))?;
        Ok(Tried::Smaller(Slot::stored(place, len, priority)))
    }
}

/// What a codec has made of a page.
pub(crate) enum Tried {
    /// Fewer bytes: a slot for them, whose object is written.
    Smaller(Slot),
    /// Not few enough for this request or this codec.
    TooLarge,
    /// The last codec makes it no smaller either.
    InVain,
}

impl<W: Word> Space<'_, W> {
    /// Marks the slot if it is chosen; whether it is.
    pub(crate) fn mark(&self, page: u32, is_chosen: impl Fn(Slot) -> bool) -> bool {
        let Some(held) = self.table.hold(page as usize) else { return false };
        let slot = held.slot();
        let is_chosen = is_chosen(slot);
        if is_chosen {
            held.install(slot.recompressing(true));
        }
        is_chosen
    }

    /// Takes the mark away where it still is.
    pub(crate) fn unmark(&self, page: u32) {
        if let Some(held) = self.table.hold(page as usize) {
            let now = held.slot();
            if now.is_recompressing() {
                held.install(now.recompressing(false));
            }
        }
    }

    /// Puts what was made in place of the marked slot, if nobody has written the page meanwhile; whether
    /// it did.
    pub(crate) fn settle(&mut self, page: u32, tried: Tried) -> bool {
        let Some(held) = self.table.hold(page as usize) else { return false };
        let now = held.slot();
        let is_unwritten = now.is_recompressing();
        let unused = match tried {
            Tried::Smaller(new) if is_unwritten => {
                held.install(new);
                account(self.counters, now, new);
                now.object()
            }
            Tried::Smaller(new) => {
                drop(held);
                new.object()
            }
            Tried::TooLarge | Tried::InVain => {
                if is_unwritten {
                    let touched = now.idle(false);
                    let is_in_vain = matches!(tried, Tried::InVain);
                    held.install(if is_in_vain { touched.incompressible() } else { touched });
                }
                return false;
            }
        };
        unused.into_iter().for_each(|(place, len)| self.free(place, len));
        is_unwritten
    }
}

impl Recompression {
    /// Goes on with the next smaller sizes that there are.
    fn next_bucket(&mut self) -> bool {
        if self.is_counting {
            self.is_counting = false;
        } else if let Some(bucket) = self.bucket.checked_sub(1) {
            self.bucket = bucket;
        } else {
            return false;
        }
        while !self.seen.get(self.bucket).is_some_and(|seen| *seen) {
            let Some(bucket) = self.bucket.checked_sub(1) else { return false };
            self.bucket = bucket;
        }
        self.next = 0;
        true
    }
}
