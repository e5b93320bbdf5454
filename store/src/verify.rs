//! Looking at everything that is stored.

use crate::PAGE_SIZE;
use crate::arena::{Place, granules};
use crate::error::Error;
use crate::queue::QueueStore;
use crate::region::Region;
use crate::slot::Slot;

/// What [`QueueStore::verify`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Pages that are stored.
    pub pages: u64,
    /// Pages that could not be read, and why, up to [`MOST_REPORTED`].
    pub damaged: Vec<Error>,
    /// How many there are in all.
    pub damaged_count: u64,
}

/// How many damaged pages are told one by one.
pub const MOST_REPORTED: usize = 64;

impl Verified {
    fn damage(&mut self, error: Error) {
        self.damaged_count += 1;
        if self.damaged.len() < MOST_REPORTED {
            self.damaged.push(error);
        }
    }
}

/// A page's object, as it was when the page was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Object {
    place: Place,
    page: u32,
    len: u32,
}

impl<R: Region> QueueStore<R> {
    /// Decodes every page, and looks for objects that overlap. Others may read and write meanwhile:
    /// what is damaged is found, and nothing else.
    ///
    /// It allocates 16 bytes of memory for each page that is stored.
    pub fn verify(&mut self) -> Verified {
        let mut found = Verified::default();
        let mut objects = Vec::new();
        for page in 0..self.shared.layout.pages() {
            let Ok(page) = self.page(page) else { break };
            match self.verify_page(page) {
                Ok(slot) if slot.is_empty() => {}
                Ok(slot) => {
                    found.pages += 1;
                    objects.extend(slot.object().and_then(|(place, len)| {
                        Some(Object { place, page, len: u32::try_from(len).ok()? })
                    }));
                }
                Err(error) => {
                    found.pages += 1;
                    found.damage(error);
                }
            }
        }
        objects.sort_unstable();
        let mut rest = objects.as_slice();
        while let Some((object, after)) = rest.split_first() {
            let end = object.place.after(granules(object.len as usize));
            let mut others = after.iter().take_while(|other| other.place < end);
            // The header of the other one is whole, so it was written later.
            if others.any(|other| self.are_there(object, other)) {
                let what = "another object has overwritten its own";
                found.damage(Error::Damaged { page: object.page, what });
            }
            rest = after;
        }
        found
    }

    fn verify_page(&mut self, page: u32) -> Result<Slot, Error> {
        let slot = self.fetch(page, false)?;
        self.restore(page, slot, &mut [0; PAGE_SIZE])?;
        Ok(slot)
    }

    /// Whether both objects are where they were, at the same time. One may have been put where the
    /// other was before.
    fn are_there(&self, one: &Object, other: &Object) -> bool {
        let table = self.shared.table();
        let is_at = |slot: Slot, object: &Object| {
            slot.object().is_some_and(|(place, len)| {
                place == object.place && u32::try_from(len) == Ok(object.len)
            })
        };
        // What is held is neither moved nor freed.
        let Some(held) = table.hold(one.page as usize) else { return false };
        is_at(held.slot(), one)
            && table.peek(other.page as usize).is_some_and(|slot| is_at(slot, other))
    }
}
