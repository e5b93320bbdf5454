//! What a standby does while it waits: its page tables follow the arena as that grows, so that it needs
//! next to no memory when it takes over.
//!
//! Then there may be none. The worker's memory comes without swapping (`PR_SET_IO_FLUSHER`), for such
//! memory the kernel tries for ever and kills nobody, and whoever else could free some waits for this very
//! device: a machine that swapped fast stood still because tables for 80 MiB were missing.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use trueno_zram_region::FileRegion;

use super::armour::{self, Reserve, Work};
use crate::ublk::Bell;

/// How soon it looks again while the arena grows,
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// and how late, after ever longer pauses, while it does not.
const LAST_PAUSE: Duration = Duration::from_secs(2);
/// How many times as long as a look takes it rests.
const REST: u32 = 20;

/// An arena that somebody else serves.
#[derive(Debug)]
pub(crate) struct Warm {
    bell: Arc<Bell>,
    region: Receiver<FileRegion>,
    /// For the tables of what has come since the last look.
    reserve: Reserve,
}

impl Warm {
    /// Begins to follow it.
    pub(crate) fn begin(region: FileRegion) -> std::io::Result<Self> {
        let bell = Arc::new(Bell::new()?);
        let reserve = Reserve::new()?;
        let (give, region_back) = channel();
        let end = Arc::clone(&bell);
        armour::spawn("warm", Work::Chores, move || {
            follow(&region, &end);
            give.send(region).ok();
        })?;
        Ok(Self { bell, region: region_back, reserve })
    }

    /// Ends that, and gives the arena back.
    pub(crate) fn end(self) -> Option<FileRegion> {
        // First: it may be waiting for memory just now.
        drop(self.reserve);
        self.bell.strike();
        self.region.recv().ok()
    }
}

fn follow(region: &FileRegion, end: &Bell) {
    let mut populated = 0;
    let mut pause = FIRST_PAUSE;
    while !end.wait(Some(pause)) {
        let backed = region.backed_bytes().unwrap_or(0);
        // As much as before is taken for the same; a recovery populates the rest.
        pause = if backed == populated {
            (2 * pause).min(LAST_PAUSE)
        } else {
            let begin = Instant::now();
            // A failure leaves faults for later.
            region.populate_backed().ok();
            populated = backed;
            (REST * begin.elapsed()).clamp(FIRST_PAUSE, LAST_PAUSE)
        };
    }
}
