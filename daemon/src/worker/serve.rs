//! The loop of one queue: waiting in one place, and everything that has come worked off after it.
//!
//! Nothing here allocates, logs, or takes a lock. A write that finds no memory ready is parked: its tag
//! is kept and the loop goes on. When the grow thread rings, and every few milliseconds, those that wait
//! are tried in turn until one finds no memory; each goes on with the page where it stopped.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use rustix::io::Errno;
use trueno_zram_store::{Error, PAGE_SIZE, Written};

use super::pages::Pages;
use crate::ublk::Bell;
use crate::ublk::queue::{Event, Transport};
use crate::ublk::request::Request;

/// How often what is parked is tried again, should nobody ring.
const RETRY: Duration = Duration::from_millis(5);
/// How long a swap-out may be parked. The kernel keeps the page when it fails, and goes on; while it
/// waits, whoever needs memory waits with it.
const SWAP_PATIENCE: Duration = Duration::from_millis(50);
/// How long other writes may be: a file system takes a failure for the loss of data. The kernel's
/// own timeout of a request; when memory can be had at all it comes sooner.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request and how far it is.
#[derive(Debug)]
struct Job {
    request: Request,
    /// Pages done.
    done: u64,
    /// Since when it waits for memory, for the page that it has come to.
    parked: Option<Instant>,
}

/// What a job has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
enum Step {
    /// Its end, with this answer.
    Answer(i32),
    /// There is no memory ready.
    Parked,
    /// There is more to do, when others have had their turn.
    More,
}

/// A tag that was not answered yet.
#[derive(Debug)]
struct Waiting {
    tag: u16,
    job: Job,
    is_parked: bool,
}

/// Serves one queue.
#[derive(Debug)]
pub(crate) struct Server<T, P> {
    pub(crate) transport: T,
    pub(crate) pages: P,
    /// Pages of the device.
    pub(crate) device_pages: u64,
    /// The most pages of a request.
    pub(crate) most_pages: u64,
    /// The grow thread's.
    pub(crate) growing: Arc<Bell>,
    /// Its own, which the grow thread rings.
    pub(crate) bell: Arc<Bell>,
    waiting: VecDeque<Waiting>,
    /// When what is parked is to be tried again.
    retry: Option<Instant>,
    /// Tags that the device has not taken back.
    live: u16,
}

impl<T: Transport, P: Pages> Server<T, P> {
    pub(crate) fn new(
        transport: T,
        pages: P,
        limits: Limits,
        growing: Arc<Bell>,
        bell: Arc<Bell>,
    ) -> Self {
        let Limits { device_pages, most_pages, depth } = limits;
        // A tag is in it once at most.
        let waiting = VecDeque::with_capacity(usize::from(depth));
        Self {
            transport,
            pages,
            device_pages,
            most_pages,
            growing,
            bell,
            waiting,
            retry: None,
            live: depth,
        }
    }

    /// Answers requests until the device has gone away.
    ///
    /// # Errors
    ///
    /// The queue does not work any more. The process must end then: while it lives, nobody else can
    /// take the device over.
    pub(crate) fn run(mut self) -> anyhow::Result<()> {
        while self.live > 0 {
            self.turn()?;
        }
        Ok(())
    }

    /// Waits once, and works off what has come.
    fn turn(&mut self) -> anyhow::Result<()> {
        self.transport.wait(self.patience())?;
        self.take_events()?;
        self.take_waiting()?;
        if self.pages.want_memory() {
            self.growing.ring();
        }
        Ok(())
    }

    /// How long to wait for events.
    fn patience(&self) -> Option<Duration> {
        match self.waiting.iter().any(|waiting| !waiting.is_parked) {
            true => Some(Duration::ZERO),
            false => self.retry.map(|at| at.saturating_duration_since(Instant::now())),
        }
    }

    fn take_events(&mut self) -> anyhow::Result<()> {
        while let Some(event) = self.transport.next() {
            match event {
                Event::Request(tag) => {
                    let descriptor = self.transport.descriptor(tag);
                    match Request::parse(descriptor, self.device_pages, self.most_pages) {
                        Ok(request) => {
                            self.work(tag, Job { request, done: 0, parked: None })?;
                        }
                        Err(errno) => self.transport.answer(tag, -errno.raw_os_error())?,
                    }
                }
                Event::Aborted(_) => self.live = self.live.saturating_sub(1),
                Event::Refused { tag, errno } => {
                    bail!(
                        "the driver refused the answer to tag {tag}: {}",
                        Errno::from_raw_os_error(-errno)
                    )
                }
                Event::Bell => self.retry = self.retry.map(|_| Instant::now()),
            }
        }
        Ok(())
    }

    /// Goes on with what was not answered yet. When one has found no memory, the others do not look for
    /// any: to try all of a queue again and again takes the processor from whoever gets memory.
    fn take_waiting(&mut self) -> anyhow::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let now = Instant::now();
        let mut is_worth_a_try = self.retry.is_some_and(|at| at <= now);
        if is_worth_a_try {
            self.retry = None;
        }
        for _ in 0..self.waiting.len() {
            let Some(Waiting { tag, job, is_parked }) = self.waiting.pop_front() else { break };
            match is_parked && !is_worth_a_try {
                true => self.conclude(tag, job, Step::Parked, now)?,
                false => is_worth_a_try &= !self.work(tag, job)?,
            }
        }
        Ok(())
    }

    /// Does what can be done for a job now; whether it was parked.
    fn work(&mut self, tag: u16, mut job: Job) -> anyhow::Result<bool> {
        let step = self.step(tag, &mut job);
        self.conclude(tag, job, step, Instant::now())?;
        Ok(step == Step::Parked)
    }

    /// Answers it, or keeps it for later.
    fn conclude(
        &mut self,
        tag: u16,
        mut job: Job,
        mut step: Step,
        now: Instant,
    ) -> anyhow::Result<()> {
        if step == Step::Parked {
            let since = *job.parked.get_or_insert(now);
            if now.duration_since(since) >= patience_for(&job.request) {
                let pages = job.request.pages();
                self.pages.give_up((pages.end - pages.start).saturating_sub(job.done));
                step = Step::Answer(-FAILED.raw_os_error());
            } else {
                self.retry = self.retry.or(Some(now + RETRY));
                self.bell.expect();
            }
        }
        match step {
            Step::Answer(result) => self.transport.answer(tag, result)?,
            Step::Parked | Step::More => {
                self.waiting.push_back(Waiting { tag, job, is_parked: step == Step::Parked });
            }
        }
        Ok(())
    }

    fn step(&mut self, tag: u16, job: &mut Job) -> Step {
        let done = match &job.request {
            Request::Flush => Ok(true),
            Request::Read(_) => self.read(tag, job),
            Request::Write { .. } => match self.write(tag, job) {
                Ok(Written::Done) => Ok(true),
                Ok(Written::Parked) => return Step::Parked,
                Err(errno) => Err(errno),
            },
            Request::Discard(_) => self.discard(job),
        };
        match done {
            Ok(true) => Step::Answer(answer(&job.request)),
            Ok(false) => Step::More,
            Err(errno) => Step::Answer(-errno.raw_os_error()),
        }
    }

    fn read(&mut self, tag: u16, job: &Job) -> Result<bool, Errno> {
        let pages = job.request.pages();
        let count = count(pages.end - pages.start);
        let room = self.transport.room(tag, count);
        for (page, out) in pages.zip(room) {
            self.pages.read(page, out).map_err(failed)?;
        }
        self.transport.hand_over(tag, count).map_err(io_errno)?;
        Ok(true)
    }

    fn write(&mut self, tag: u16, job: &mut Job) -> Result<Written, Errno> {
        let pages = job.request.pages();
        let (from, to) = (count(job.done), count(pages.end - pages.start));
        let data = self.transport.written(tag, from..to).map_err(io_errno)?;
        for (page, data) in (pages.start + job.done..pages.end).zip(data) {
            match self.pages.write(page, data).map_err(failed)? {
                Written::Done => {
                    job.done += 1;
                    job.parked = None;
                }
                Written::Parked => return Ok(Written::Parked),
            }
        }
        Ok(Written::Done)
    }

    fn discard(&mut self, job: &mut Job) -> Result<bool, Errno> {
        let pages = job.request.pages();
        let rest = self.pages.discard(pages.start + job.done..pages.end).map_err(failed)?;
        job.done = rest.start - pages.start;
        Ok(rest.is_empty())
    }
}

/// What a queue's requests keep to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) device_pages: u64,
    pub(crate) most_pages: u64,
    pub(crate) depth: u16,
}

fn patience_for(request: &Request) -> Duration {
    match request {
        Request::Write { is_swap: true, .. } => SWAP_PATIENCE,
        _ => PATIENCE,
    }
}

/// What to answer to a request that was done: the bytes that were carried.
fn answer(request: &Request) -> i32 {
    match request {
        Request::Read(pages) | Request::Write { pages, .. } => {
            let bytes = (pages.end - pages.start).saturating_mul(PAGE_SIZE as u64);
            i32::try_from(bytes).unwrap_or(i32::MAX)
        }
        Request::Discard(_) | Request::Flush => 0,
    }
}

/// Pages of one request, which a buffer holds.
fn count(pages: u64) -> usize {
    usize::try_from(pages).unwrap_or(usize::MAX)
}

/// What the block layer is told of a page that cannot be stored or read, for want of memory or whatever
/// else: what the kernel's zram tells it. `ENOSPC` would be the end of the device to those who write
/// until there is one, and no file system makes more of it.
const FAILED: Errno = Errno::IO;

fn failed(_: Error) -> Errno {
    FAILED
}

fn io_errno(error: io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

#[cfg(test)]
mod tests;
