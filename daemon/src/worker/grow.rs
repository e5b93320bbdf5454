//! The thread that gets memory ahead of need, and the only one that waits for it.

use std::sync::Arc;
use std::time::Duration;

use trueno_zram_region::FileRegion;
use trueno_zram_store::Device;

use crate::ublk::Bell;

/// How soon it tries again when it was refused memory,
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// and how late, after ever longer pauses.
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// What it is given when there is a device.
#[derive(Debug)]
pub(crate) struct Grower {
    pub(crate) device: Device<FileRegion>,
    /// Its own, which queues ring when memory runs low.
    pub(crate) bell: Arc<Bell>,
    /// Those of queues that wait for memory.
    pub(crate) queues: Vec<Arc<Bell>>,
}

impl Grower {
    /// Keeps memory ready for as long as the process lives.
    pub(crate) fn run(&self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let is_refused = self.grow();
            if is_refused {
                // Nobody may ring: queues would, with every request, and it would not help.
                self.bell.wait(Some(pause));
                pause = (2 * pause).min(LAST_PAUSE);
                continue;
            }
            pause = FIRST_PAUSE;
            self.bell.expect();
            if !self.device.wants_maintenance() {
                self.bell.wait(None);
            }
        }
    }

    /// Whether memory that is wanted was refused.
    fn grow(&self) -> bool {
        let maintained = self.device.maintain();
        // Refused or not: writes that wait are to be tried again.
        self.queues.iter().for_each(|queue| queue.ring());
        maintained.refused.is_some() && self.device.wants_maintenance()
    }
}
