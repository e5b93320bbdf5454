//! The way of a page that is read: slot -> copy its bytes -> decompress.

use core::sync::atomic::Ordering::Relaxed;

use trueno_zram_core::Page;
use trueno_zram_core::samefill::fill_page_word;

use crate::arena::header;
use crate::counters::Event;
use crate::error::Error;
use crate::queue::QueueStore;
use crate::region::Region;
use crate::slot::{Content, Slot};
use crate::space::Space;
use crate::word::Word;

impl<R: Region> QueueStore<R> {
    /// Reads the page of this index into `out`; a page that was never written is zero.
    ///
    /// # Errors
    ///
    /// An index behind the end, or damage: `out` is zero or of no meaning then.
    pub fn read(&mut self, page: u64, out: &mut Page) -> Result<(), Error> {
        let read = self.page(page).and_then(|page| self.load(page, out));
        let counters = self.space().counters;
        match read {
            Ok(()) => counters.count(Event::Reads, 1),
            Err(Error::OutOfRange { .. }) => counters.count(Event::InvalidIo, 1),
            Err(_) => counters.count(Event::FailedReads, 1),
        }
        read
    }

    #[inline]
    fn load(&mut self, page: u32, out: &mut Page) -> Result<(), Error> {
        let outside = Error::OutOfRange { page: page.into() };
        let slot = self.shared.table().peek(page as usize).ok_or(outside)?;
        // Before the mark of an idle page is taken away: who sets it meanwhile sees this time.
        self.shared.touch(page);
        // What lies in the slot itself needs no holding.
        let slot = match slot.content() {
            Some(Content::Empty | Content::Same(_)) => slot,
            _ => self.fetch(page, true)?,
        };
        self.restore(page, slot, out)
    }

    /// Copies the bytes of the page's object into the buffer, and tells which slot it was of.
    #[inline]
    pub(crate) fn fetch(&mut self, page: u32, is_access: bool) -> Result<Slot, Error> {
        let (_, space, working) = self.parts();
        space.fetch(page, is_access, &mut *working.buffer)
    }

    /// Makes the page of its slot and of what [`fetch`](Self::fetch) has copied.
    #[inline]
    pub(crate) fn restore(&mut self, page: u32, slot: Slot, out: &mut Page) -> Result<(), Error> {
        let (shared, _, working) = self.parts();
        let damaged = |what| Error::Damaged { page, what };
        match slot.content().ok_or(damaged("its slot is damaged"))? {
            Content::Empty => fill_page_word(out, 0),
            Content::Same(word) => fill_page_word(out, word),
            Content::SameAt(_) => {
                let word = working.buffer.first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
                fill_page_word(out, word);
            }
            Content::Huge(_) => {
                if let Some(bytes) = working.buffer.first_chunk() {
                    *out = *bytes;
                }
            }
            Content::Stored { len, codec, .. } => {
                let missing = Error::NoCodec { priority: codec.get() };
                let (Some(codec), (Some(scratch), buffer)) =
                    (shared.codecs.get(codec), working.scratch(codec))
                else {
                    return Err(missing);
                };
                let bytes = buffer.get(..len).unwrap_or(&[]);
                let decoded = codec.decompress_into(bytes, scratch, out);
                decoded.map_err(|_| damaged("its bytes are not what the codec writes"))?;
            }
        }
        Ok(())
    }
}

impl<W: Word> Space<'_, W> {
    /// Copies the bytes of the page's object into `buffer`, and tells which slot it was of. The mark
    /// of an idle page is taken away by an access.
    #[inline]
    pub(crate) fn fetch(
        &self,
        page: u32,
        is_access: bool,
        buffer: &mut [u8],
    ) -> Result<Slot, Error> {
        let outside = Error::OutOfRange { page: page.into() };
        let held = self.table.hold(page as usize).ok_or(outside)?;
        let slot = held.slot();
        let mut damage = None;
        if let Some((place, len)) = slot.object() {
            let object = self.arena.object(place, len);
            match object.split_first() {
                Some((first, words)) if first.load(Relaxed) == header(page, place) => {
                    let (bytes, _) = buffer.as_chunks_mut::<8>();
                    bytes.iter_mut().zip(words).for_each(|(to, from)| {
                        *to = from.load(Relaxed).to_le_bytes();
                    });
                }
                Some(_) => damage = Some("another page's object is in its place"),
                None => damage = Some("its place is behind the end of the arena"),
            }
        }
        match is_access && slot.is_idle() {
            true => held.install(slot.idle(false)),
            false => drop(held),
        }
        match damage {
            Some(what) => Err(Error::Damaged { page, what }),
            None => Ok(slot),
        }
    }
}
