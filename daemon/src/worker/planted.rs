//! A bug on purpose, for the test that must find it: writes are acknowledged out of a batch that dies
//! with the process. Built by the feature `planted-early-acknowledgement` only.

use std::collections::VecDeque;
use std::ops::Range;

use trueno_zram_store::{Error, Page, Written};

use super::pages::Pages;

/// How many acknowledged pages nobody can find.
const BATCH: usize = 64;

/// Pages that are written a little later than they are acknowledged.
#[derive(Debug)]
pub(crate) struct Batched<P> {
    pages: P,
    /// Oldest first.
    batch: VecDeque<(u64, Page)>,
}

impl<P: Pages> Batched<P> {
    pub(crate) fn new(pages: P) -> Self {
        Self { pages, batch: VecDeque::with_capacity(BATCH) }
    }
}

impl<P: Pages> Pages for Batched<P> {
    fn read(&mut self, page: u64, out: &mut Page) -> Result<(), Error> {
        match self.batch.iter().rev().find(|(index, _)| *index == page) {
            Some((_, data)) => *out = *data,
            None => self.pages.read(page, out)?,
        }
        Ok(())
    }

    fn write(&mut self, page: u64, data: &Page) -> Result<Written, Error> {
        if self.batch.len() == BATCH
            && let Some((index, oldest)) = self.batch.front()
        {
            if self.pages.write(*index, oldest)? == Written::Parked {
                return Ok(Written::Parked);
            }
            self.batch.pop_front();
        }
        self.batch.push_back((page, *data));
        Ok(Written::Done)
    }

    fn discard(&mut self, pages: Range<u64>) -> Result<Range<u64>, Error> {
        self.batch.retain(|(index, _)| !pages.contains(index));
        self.pages.discard(pages)
    }

    fn give_up(&mut self, pages: u64) {
        self.pages.give_up(pages);
    }

    fn want_memory(&self) -> bool {
        self.pages.want_memory()
    }
}
