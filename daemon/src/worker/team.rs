//! The threads of the queues. They are made, with everything of theirs that needs memory, before there
//! is a device for them.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use trueno_zram_region::FileRegion;
use trueno_zram_store::Device;

use super::armour::{self, Work};
use super::pages::{Nowhere, Stored};
use super::serve::{Limits, Server};
use crate::directory::{Directory, Settings};
use crate::ublk::queue::Transport as _;
use crate::ublk::{Bell, Copying, Node, Ring};

/// Where pages are.
#[derive(Clone, Debug)]
pub(crate) enum Engine {
    /// In the store.
    Store(Device<FileRegion>),
    /// Nowhere.
    Null,
}

/// How long a process whose queue has failed lives on, to say why.
const LAST_WORDS: Duration = Duration::from_millis(50);

/// How long threads may take to end once the device was stopped.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a thread is given when there is a device.
#[derive(Debug)]
struct Start {
    device: Arc<Node>,
    engine: Engine,
    limits: Limits,
    growing: Arc<Bell>,
    has_fetched: Sender<anyhow::Result<()>>,
}

#[derive(Debug)]
struct Member {
    bell: Arc<Bell>,
    start: Sender<Start>,
    thread: JoinHandle<()>,
}

/// Threads that wait for a device, or serve it.
#[derive(Debug, Default)]
pub(crate) struct Team {
    members: Vec<Member>,
    depth: u16,
    io_pages: u32,
}

impl Team {
    /// A thread for each queue. `ended` is called by each of them when the device has taken all its
    /// tags back.
    pub(crate) fn prepare(
        directory: &Directory,
        settings: &Settings,
        ended: impl Fn(anyhow::Result<()>) + Clone + Send + 'static,
    ) -> anyhow::Result<Self> {
        let (depth, io_pages) = (settings.depth, settings.io_pages());
        let copying = if settings.user_copy { Copying::User } else { Copying::Kernel };
        let pages = usize::try_from(io_pages)?;
        let buffers = Arc::new(directory.buffers()?);
        let mut members = Vec::new();
        for id in 0..settings.queues {
            let bell = Arc::new(Bell::new()?);
            let (start, started) = channel();
            let (ready, is_ready) = channel();
            let (own, buffers, ended) = (Arc::clone(&bell), Arc::clone(&buffers), ended.clone());
            let thread = armour::spawn(&format!("queue-{id}"), Work::Pages, move || {
                let ring = Ring::new(id, depth, pages, copying, &buffers, own.fd());
                let ring = match ring {
                    Ok(ring) => ring,
                    Err(error) => return drop(ready.send(Err(error))),
                };
                ready.send(Ok(())).ok();
                match serve(id, ring, &started, own) {
                    Ok(true) => ended(Ok(())),
                    Ok(false) => {}
                    Err(error) => {
                        // Another thread says so, if it can without waiting: where it is said may be
                        // swapped out, to this very device. The process ends in any case.
                        ended(Err(error.context(format!("queue {id}"))));
                        std::thread::sleep(LAST_WORDS);
                        std::process::abort();
                    }
                }
            })?;
            is_ready.recv().context("a queue's thread has ended")?.with_context(|| {
                format!("queue {id}: a ring and {depth} buffers of {io_pages} pages")
            })?;
            members.push(Member { bell, start, thread });
        }
        Ok(Self { members, depth, io_pages })
    }

    /// What the grow thread rings.
    pub(crate) fn bells(&self) -> Vec<Arc<Bell>> {
        self.members.iter().map(|member| Arc::clone(&member.bell)).collect()
    }

    /// Lets all threads go but the first `queues`: the driver takes no more than there are processors.
    pub(crate) fn truncate(&mut self, queues: u16) {
        self.members.truncate(usize::from(queues));
    }

    /// Gives the threads the device. Comes back when all tags were fetched.
    pub(crate) fn start(
        &mut self,
        device: Node,
        device_pages: u64,
        engine: &Engine,
        growing: &Arc<Bell>,
    ) -> anyhow::Result<()> {
        let device = Arc::new(device);
        let (most_pages, depth) = (self.io_pages.into(), self.depth);
        let limits = Limits { device_pages, most_pages, depth };
        let (has_fetched, fetched) = channel();
        for member in &self.members {
            let (device, engine) = (Arc::clone(&device), engine.clone());
            let (growing, has_fetched) = (Arc::clone(growing), has_fetched.clone());
            let start = Start { device, engine, limits, growing, has_fetched };
            member.start.send(start).ok().context("a queue's thread has ended")?;
        }
        drop(has_fetched);
        for _ in &self.members {
            fetched.recv().context("a queue's thread has ended")??;
        }
        Ok(())
    }

    /// How many threads serve.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// Waits for their end, but not for ever; whether they have ended.
    pub(crate) fn end(self) -> bool {
        let begin = Instant::now();
        let mut threads = self.members.into_iter().map(|member| member.thread).collect::<Vec<_>>();
        while begin.elapsed() < PATIENCE && !threads.is_empty() {
            std::thread::sleep(Duration::from_millis(1));
            threads.retain(|thread| !thread.is_finished());
        }
        threads.is_empty()
    }
}

/// Waits for a device and serves a queue of it; `false` if none came.
fn serve(id: u16, ring: Ring, start: &Receiver<Start>, bell: Arc<Bell>) -> anyhow::Result<bool> {
    let Ok(Start { device, engine, limits, growing, has_fetched }) = start.recv() else {
        return Ok(false);
    };
    let attached = ring.attach(&device, id, Arc::clone(&bell)).and_then(|mut queue| {
        queue.fetch_all()?;
        Ok(queue)
    });
    let queue = match attached {
        Ok(queue) => queue,
        Err(error) => {
            has_fetched.send(Err(error).with_context(|| format!("queue {id}"))).ok();
            return Ok(false);
        }
    };
    match engine {
        Engine::Store(store) => {
            let pages = Stored::new(store)?;
            #[cfg(feature = "planted-early-acknowledgement")]
            let pages = super::planted::Batched::new(pages);
            has_fetched.send(Ok(())).ok();
            Server::new(queue, pages, limits, growing, bell).run()?;
        }
        Engine::Null => {
            has_fetched.send(Ok(())).ok();
            Server::new(queue, Nowhere, limits, growing, bell).run()?;
        }
    }
    Ok(true)
}
