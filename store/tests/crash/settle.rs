//! Which version of a page is there.

use std::fmt::Debug;

use trueno_zram_region::FileRegion;
use trueno_zram_store::QueueStore;

use crate::journal::{Journal, Version};

/// Which of the two that a kill may leave was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// There was nothing to choose.
    Sure,
    /// The write that was not acknowledged is there.
    New,
    /// It is not.
    Old,
}

/// Reads a page and tells what it is. What was intended is either there or given up from now on.
///
/// # Errors
///
/// The page is neither what was acknowledged nor what was intended afterwards.
pub(crate) fn settle(
    queue: &mut QueueStore<FileRegion>,
    journal: &Journal,
    page: u64,
) -> Result<Settled, String> {
    let (acknowledged, intended) = (journal.acknowledged(page), journal.intended(page));
    let mut data = [0; 4096];
    if let Err(error) = queue.read(page, &mut data) {
        return Err(format!("lost: {error} ({acknowledged:?})"));
    }
    if acknowledged == intended {
        let is_it = data == acknowledged.content(page);
        return if is_it { Ok(Settled::Sure) } else { Err(wrong(page, acknowledged, &data)) };
    }
    if data == intended.content(page) {
        journal.acknowledge(page, intended);
        return Ok(Settled::New);
    }
    if data == acknowledged.content(page) {
        journal.intend(page, acknowledged);
        return Ok(Settled::Old);
    }
    Err(wrong(page, (acknowledged, intended), &data))
}

fn wrong(page: u64, expected: impl Debug, data: &[u8; 4096]) -> String {
    let what = if *data == Version::NEVER.content(page) { "zero" } else { "torn or another" };
    format!("lost: page {page} is {what}, and not {expected:?}")
}
