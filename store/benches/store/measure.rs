//! Taking times: block by block, each block's fastest round.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_setaffinity};

use crate::Result;
use crate::lane::{Lane, Subject};

/// What is done with each block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// Block by block into an empty device.
    Fill,
    /// Each block of the image in place of the one so many blocks further on.
    Overwrite(usize),
    Read,
}

/// The fastest times so far, a block each.
#[derive(Clone, Debug)]
pub(crate) struct Fastest {
    blocks: Vec<Duration>,
    threads: usize,
}

impl Fastest {
    pub(crate) fn new(blocks: usize, threads: usize) -> Self {
        Self { blocks: vec![Duration::MAX; blocks], threads }
    }

    /// Does `op` with every block once, and keeps what was faster than before.
    pub(crate) fn round(&mut self, subject: &mut Subject<'_>, op: Op) -> Result {
        if op == Op::Fill {
            subject.lanes[0].clear()?;
        }
        let (threads, start) = (self.threads, Barrier::new(self.threads));
        let count = self.blocks.len();
        let lanes = subject.lanes.iter_mut().take(threads).enumerate();
        let work = |(thread, lane): (usize, &mut Box<dyn Lane + '_>)| -> Result<Vec<Duration>> {
            // Not to leave the others waiting, whoever fails fails later.
            let entered = pin(thread).and_then(|()| lane.enter(thread));
            start.wait();
            entered?;
            let blocks = (thread..count).step_by(threads);
            blocks.map(|block| time(lane.as_mut(), op, block, count)).collect()
        };
        let work = &work;
        let times: Vec<Vec<Duration>> = std::thread::scope(|scope| {
            let running: Vec<_> = lanes.map(|lane| scope.spawn(move || work(lane))).collect();
            running
                .into_iter()
                .map(|thread| thread.join().map_err(|_| "a thread has panicked")?)
                .collect::<Result<_>>()
        })?;
        for (thread, times) in times.iter().enumerate() {
            let blocks = self.blocks.iter_mut().skip(thread).step_by(threads);
            blocks.zip(times).for_each(|(fastest, time)| *fastest = *time.min(fastest));
        }
        Ok(())
    }

    /// Nanoseconds a page for each thread.
    pub(crate) fn nanoseconds(&self) -> f64 {
        self.seconds() * 1e9 / self.pages()
    }

    /// Pages a second, all threads together.
    pub(crate) fn rate(&self) -> f64 {
        self.threads as f64 * self.pages() / self.seconds()
    }

    fn pages(&self) -> f64 {
        (self.blocks.len() * crate::image::BLOCK) as f64
    }

    fn seconds(&self) -> f64 {
        self.blocks.iter().sum::<Duration>().as_secs_f64()
    }
}

/// Keeps this thread on one processor, so that a peer whose work is done by kernel threads cannot use
/// more of the machine than one that does its own.
pub(crate) fn pin(cpu: usize) -> Result {
    let mut set = CpuSet::new();
    set.set(cpu);
    Ok(sched_setaffinity(None, &set)?)
}

fn time(lane: &mut dyn Lane, op: Op, block: usize, blocks: usize) -> Result<Duration> {
    let start = Instant::now();
    match op {
        Op::Fill => lane.write(block, block)?,
        Op::Overwrite(shift) => lane.write((block + shift) % blocks, block)?,
        Op::Read => lane.read(block)?,
    }
    Ok(start.elapsed())
}
