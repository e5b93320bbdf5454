//! What a standby does while it waits: its page tables follow the arena as that grows, so that it faults
//! for nothing after it has taken over.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use trueno_zram_region::FileRegion;

use super::armour::{self, Work};
use crate::ublk::Bell;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(5);

/// An arena that somebody else serves.
#[derive(Debug)]
pub(crate) struct Warm {
    bell: Arc<Bell>,
    region: Receiver<FileRegion>,
}

impl Warm {
    /// Begins to follow it.
    pub(crate) fn begin(region: FileRegion) -> std::io::Result<Self> {
        let bell = Arc::new(Bell::new()?);
        let (give, region_back) = channel();
        let end = Arc::clone(&bell);
        armour::spawn("warm", Work::Chores, move || {
            follow(&region, &end);
            give.send(region).ok();
        })?;
        Ok(Self { bell, region: region_back })
    }

    /// Ends that, and gives the arena back.
    pub(crate) fn end(self) -> Option<FileRegion> {
        self.bell.strike();
        self.region.recv().ok()
    }
}

fn follow(region: &FileRegion, end: &Bell) {
    let mut populated = 0;
    while !end.wait(Some(EVERY)) {
        let backed = region.backed_bytes().unwrap_or(0);
        // As much as before is taken for the same; a recovery populates the rest.
        if backed != populated {
            // A failure leaves faults for later.
            region.populate_backed().ok();
            populated = backed;
        }
    }
}
