//! What a running device is asked to do, and the thread that does it: requests by `socket.rs`.

use std::sync::Arc;

use rustix::io::Errno;
use trueno_zram_region::FileRegion;
use trueno_zram_store::{Compaction, Device, Idle, Progress, QueueStore};

use crate::ublk::Bell;

/// A request, as its text says: `name=value`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    /// `mem_limit=BYTES`.
    MemLimit(u64),
    /// `mem_used_max=0`: the peak is what is used now.
    ResetPeak,
    /// `compact=1`.
    Compact,
    /// `idle=all`.
    MarkIdle,
    /// `verify=1`.
    Verify,
}

impl Job {
    /// # Errors
    ///
    /// `EINVAL` for a name that is not known or a value that it does not take.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, Errno> {
        let text = std::str::from_utf8(text).map_err(|_| Errno::INVAL)?;
        match text.split_once('=').ok_or(Errno::INVAL)? {
            ("mem_limit", bytes) => bytes.parse().map(Self::MemLimit).map_err(|_| Errno::INVAL),
            ("mem_used_max", "0") => Ok(Self::ResetPeak),
            ("compact", "1") => Ok(Self::Compact),
            ("idle", "all") => Ok(Self::MarkIdle),
            ("verify", "1") => Ok(Self::Verify),
            _ => Err(Errno::INVAL),
        }
    }
}

/// How many spans are looked at before the grow thread gets a chance to give back what came free.
const SPANS_AT_ONCE: u32 = 64;

/// Does jobs, one after the other.
#[derive(Debug)]
pub(crate) struct Workbench {
    device: Device<FileRegion>,
    queue: QueueStore<FileRegion>,
    growing: Arc<Bell>,
}

impl Workbench {
    pub(crate) fn new(
        device: Device<FileRegion>,
        growing: Arc<Bell>,
    ) -> Result<Self, trueno_zram_store::Error> {
        let queue = device.queue()?;
        Ok(Self { device, queue, growing })
    }

    /// Does a job; the text says what came of it, if there is something to say.
    pub(crate) fn work(&mut self, job: Job) -> Result<String, Errno> {
        let errno = |error: trueno_zram_store::Error| Errno::from_raw_os_error(error.errno());
        match job {
            Job::MemLimit(bytes) => {
                self.device.set_limit(bytes);
                // Growth that was refused may not be any more.
                self.growing.strike();
            }
            Job::ResetPeak => self.device.reset_peak(),
            Job::Compact => {
                let mut pass = Compaction::default();
                while self.queue.compact(&mut pass, SPANS_AT_ONCE) == Progress::More {
                    self.growing.ring();
                }
                self.growing.strike();
            }
            Job::MarkIdle => self.device.mark_idle(Idle::All).map_err(errno)?,
            Job::Verify => {
                let found = self.queue.verify();
                return Ok(format!("pages={} damaged={}", found.pages, found.damaged_count));
            }
        }
        Ok(String::new())
    }
}

#[cfg(test)]
mod tests {
    use trueno_zram_core::{Algorithm, CompressorBuilder};
    use trueno_zram_store::{Codecs, Layout, Options, Written};

    use super::*;

    #[test]
    fn requests_are_read_to_the_letter() {
        assert_eq!(Job::parse(b"mem_limit=4096"), Ok(Job::MemLimit(4096)));
        assert_eq!(Job::parse(b"mem_limit=0"), Ok(Job::MemLimit(0)));
        assert_eq!(Job::parse(b"mem_used_max=0"), Ok(Job::ResetPeak));
        assert_eq!(Job::parse(b"compact=1"), Ok(Job::Compact));
        assert_eq!(Job::parse(b"idle=all"), Ok(Job::MarkIdle));
        assert_eq!(Job::parse(b"verify=1"), Ok(Job::Verify));
        for text in
            ["", "compact", "compact=", "compact=1\n", "mem_limit=1G", "mem_limit=-1", "x=1"]
        {
            assert_eq!(Job::parse(text.as_bytes()), Err(Errno::INVAL), "{text:?}");
        }
        assert_eq!(Job::parse(b"\xff=1"), Err(Errno::INVAL));
    }

    const PAGES: u64 = 4096;

    fn bench() -> Workbench {
        let bytes = Layout::new(PAGES, false).expect("a size").region_bytes();
        let region = FileRegion::anonymous(bytes).expect("a memfd");
        let codec = CompressorBuilder::new().algorithm(Algorithm::Lz4).build().expect("a codec");
        let device = Device::format(region, PAGES, Options::default(), Codecs::new(codec));
        let device = device.expect("a device");
        device.maintain();
        let growing = Arc::new(Bell::new().expect("an eventfd"));
        Workbench::new(device, growing).expect("a thread")
    }

    #[test]
    fn each_request_has_its_effect() {
        let mut bench = bench();
        let done = Ok(String::new());
        let mut random = fastrand::Rng::with_seed(1);
        let mut queue = bench.device.queue().expect("a thread");
        for page in 0..2000 {
            bench.device.maintain();
            let mut data = [0; 4096];
            data[..1500].fill_with(|| random.u8(..));
            assert_eq!(queue.write(page, &data), Ok(Written::Done));
        }
        assert_eq!(bench.work(Job::Verify), Ok("pages=2000 damaged=0".to_owned()));
        assert_eq!(bench.work(Job::MarkIdle), done);
        let (slot, _) = bench.device.slot(7).expect("a page");
        assert!(slot.is_idle());
        assert_eq!(bench.work(Job::MemLimit(12288)), done);
        assert_eq!(bench.device.mm_stat().mem_limit, 12288);
        // Three of four go: what is left lies far apart.
        (0..2000).filter(|page| page % 4 > 0).for_each(|page| {
            queue.discard(page..page + 1).expect("inside the device");
        });
        drop(queue);
        let before = bench.device.mm_stat();
        assert_eq!(bench.work(Job::Compact), done);
        let after = bench.device.mm_stat();
        assert!(after.mem_used_total < before.mem_used_total / 2, "{before:?} {after:?}");
        assert!(after.mem_used_max > after.mem_used_total);
        assert_eq!(bench.work(Job::ResetPeak), done);
        let peak = bench.device.mm_stat().mem_used_max;
        assert!(peak < before.mem_used_max, "{peak} after {}", before.mem_used_max);
        assert_eq!(bench.work(Job::Verify), Ok("pages=500 damaged=0".to_owned()));
    }
}
