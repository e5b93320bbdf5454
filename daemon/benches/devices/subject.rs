//! A device, and how it is driven.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::Result;
use crate::image::{BLOCK, Block, Image};
use crate::record::Records;
use crate::ring::{Part, Ring};
use crate::work::{self, PAGE, Work};

/// How requests are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// io_uring, as deep as the work says.
    Ring,
    /// pread and pwrite, one after the other whatever the depth: how the kernel's zram is fastest from
    /// one thread, because it does the work within the call.
    Calls,
}

/// One thing to measure.
pub(crate) struct Subject<'a> {
    pub(crate) name: &'static str,
    file: File,
    way: Way,
    image: &'a Image,
    pages: u64,
    rings: BTreeMap<u32, Ring<'a>>,
    out: Box<Block>,
    /// The process that serves it.
    worker: Option<u32>,
}

/// Opens a block device past the cache.
pub(crate) fn open(node: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).custom_flags(libc::O_DIRECT).open(node);
    Ok(file.map_err(|error| format!("{}: {error}", node.display()))?)
}

impl<'a> Subject<'a> {
    pub(crate) fn new(
        name: &'static str,
        node: &Path,
        way: Way,
        image: &'a Image,
        worker: Option<u32>,
    ) -> Result<Self> {
        let file = open(node)?;
        let pages = rustix::fs::seek(&file, rustix::fs::SeekFrom::End(0))? / PAGE as u64;
        let (rings, out) = (BTreeMap::new(), Block::boxed());
        Ok(Self { name, file, way, image, pages, rings, out, worker })
    }

    /// Writes the image again and again until `pages` pages are full.
    pub(crate) fn fill(&mut self, pages: u64) -> Result {
        for block in 0..pages / BLOCK as u64 {
            let parts = parts(self.image, block);
            self.drive(work::pass(true), parts)?;
        }
        Ok(())
    }

    /// Fills all of it and reads it back; where it keeps anything, that must be what was written.
    pub(crate) fn pass(&mut self, keeps: bool) -> Result {
        self.fill(self.pages)?;
        for block in 0..self.pages / BLOCK as u64 {
            self.drive(work::pass(false), parts(self.image, block))?;
            let image = self.image;
            let written = &image.blocks[block_of_image(image, block)];
            let there = match self.way {
                Way::Calls => &self.out,
                Way::Ring => &self.ring(work::pass(false).depth)?.out,
            };
            if keeps && there.bytes() != written.bytes() {
                return Err(format!("{}: block {block} comes back changed", self.name).into());
            }
        }
        Ok(())
    }

    /// Does such work for a time.
    pub(crate) fn measure(
        &mut self,
        work: Work,
        round: u32,
        time: Duration,
        records: &mut Records,
    ) -> Result {
        let requests = work.requests(self.image, self.pages, u64::from(round));
        let mut count = 0;
        if self.way == Way::Ring {
            // Made before the clock starts.
            self.ring(work.depth)?;
        }
        let before = self.processor_time()?;
        let start = Instant::now();
        self.drive(work, work::for_a_time(requests, time, &mut count))?;
        let seconds = start.elapsed().as_secs_f64();
        let after = self.processor_time()?;
        records.put(serde_json::json!({
            "part": "speed",
            "subject": self.name,
            "work": work.name,
            "round": round,
            "requests": count,
            "seconds": seconds,
            "driver": (after.0 - before.0).as_secs_f64(),
            "worker": self.worker.map(|_| (after.1 - before.1).as_secs_f64()),
        }))
    }

    fn ring(&mut self, depth: u32) -> Result<&mut Ring<'a>> {
        if !self.rings.contains_key(&depth) {
            self.rings.insert(depth, Ring::new(&self.file, self.image, depth)?);
        }
        Ok(self.rings.get_mut(&depth).ok_or("there is none")?)
    }

    fn drive(&mut self, work: Work, parts: impl Iterator<Item = Part>) -> Result {
        if self.way == Way::Ring {
            let ring = self.ring(work.depth)?;
            return Ok(if work.is_write { ring.write(parts) } else { ring.read(parts) }?);
        }
        for Part { block, from, len, offset } in parts {
            if work.is_write {
                let data = &self.image.blocks[block].bytes()[from..from + len];
                self.file.write_all_at(data, offset)?;
            } else {
                self.file.read_exact_at(&mut self.out.bytes_mut()[from..from + len], offset)?;
            }
        }
        Ok(())
    }

    /// Of this process, with what the kernel does in its name, and of the worker.
    fn processor_time(&self) -> Result<(Duration, Duration)> {
        let driver = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        let worker = self.worker.map_or(Ok(Duration::ZERO), worker_time);
        Ok((Duration::try_from(driver)?, worker?))
    }
}

/// The requests that move one block of a device, eight of 128 KiB.
fn parts(image: &Image, block: u64) -> impl Iterator<Item = Part> + use<> {
    let len = work::pass(true).pages;
    let first = block_of_image(image, block) * BLOCK;
    (0..BLOCK).step_by(len).map(move |page| {
        let offset = block * (BLOCK * PAGE) as u64 + (page * PAGE) as u64;
        work::part(first + page, len, offset)
    })
}

fn block_of_image(image: &Image, block: u64) -> usize {
    usize::try_from(block % image.blocks.len() as u64).unwrap_or_default()
}

/// Processor time of all threads of a process: the first number of `/proc/PID/task/TID/schedstat`, in
/// nanoseconds. Those of a worker live as long as it does.
fn worker_time(pid: u32) -> Result<Duration> {
    let mut sum = 0;
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
        let first = text.split(' ').next().unwrap_or_default();
        sum += first.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(sum))
}
