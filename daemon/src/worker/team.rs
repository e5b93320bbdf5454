//! The threads of the queues. They are made, with everything of theirs that needs memory, before there
//! is a device for them.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use trueno_zram_region::FileRegion;
use trueno_zram_store::Device;

use super::armour::{self, Work};
use super::pages::{Nowhere, Pages, Stored};
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

/// What a thread is given to serve from.
#[derive(Debug)]
struct Load {
    engine: Engine,
    limits: Limits,
    growing: Arc<Bell>,
}

/// A thread, and what it is told, in this order; after each it says whether that is done.
#[derive(Debug)]
struct Member {
    bell: Arc<Bell>,
    load: Sender<Load>,
    attach: Sender<Arc<Node>>,
    fetch_last: Sender<()>,
    is_done: Receiver<anyhow::Result<()>>,
    thread: JoinHandle<()>,
}

/// The thread's side of that.
#[derive(Debug)]
struct Orders {
    load: Receiver<Load>,
    attach: Receiver<Arc<Node>>,
    fetch_last: Receiver<()>,
    done: Sender<anyhow::Result<()>>,
}

impl Orders {
    /// Says what has become of an order. If nobody listens, the next order does not come.
    fn say(&self, done: anyhow::Result<()>) {
        self.done.send(done).ok();
    }
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
            let (load, to_load) = channel();
            let (attach, to_attach) = channel();
            let (fetch_last, to_fetch_last) = channel();
            let (done, is_done) = channel();
            let orders = Orders {
                load: to_load,
                attach: to_attach,
                fetch_last: to_fetch_last,
                done: done.clone(),
            };
            let (own, buffers, ended) = (Arc::clone(&bell), Arc::clone(&buffers), ended.clone());
            let thread = armour::spawn(&format!("queue-{id}"), Work::Pages, move || {
                let ring = Ring::new(id, depth, pages, copying, &buffers, own.fd());
                let ring = match ring {
                    Ok(ring) => ring,
                    Err(error) => return orders.say(Err(error.into())),
                };
                orders.say(Ok(()));
                match serve(id, ring, &orders, own) {
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
            let member = Member { bell, load, attach, fetch_last, is_done, thread };
            member.has_done().with_context(|| {
                format!("queue {id}: a ring and {depth} buffers of {io_pages} pages")
            })?;
            members.push(member);
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

    /// Gives the threads what they serve from. What takes time or may fail is done then.
    pub(crate) fn load(
        &self,
        device_pages: u64,
        engine: &Engine,
        growing: &Arc<Bell>,
    ) -> anyhow::Result<()> {
        let (most_pages, depth) = (self.io_pages.into(), self.depth);
        let limits = Limits { device_pages, most_pages, depth };
        self.each(|member| {
            let (engine, growing) = (engine.clone(), Arc::clone(growing));
            member.load.send(Load { engine, limits, growing }).is_ok()
        })
    }

    /// Gives them the device. Comes back when all tags were fetched.
    pub(crate) fn attach(&self, device: Node) -> anyhow::Result<()> {
        let device = Arc::new(device);
        self.each(|member| member.attach.send(Arc::clone(&device)).is_ok())?;
        // With its last tag a queue is taken. When some are and others are not, nobody may be killed:
        // Linux 6.12 crashes at the next START_USER_RECOVERY. So the last tags come together.
        self.each(|member| member.fetch_last.send(()).is_ok())
    }

    /// Tells all threads something, and waits until each has done it.
    fn each(&self, tell: impl Fn(&Member) -> bool) -> anyhow::Result<()> {
        let are_told = self.members.iter().map(tell).fold(true, |all, one| all & one);
        ensure!(are_told, "a queue's thread has ended");
        self.members.iter().try_for_each(Member::has_done)
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

impl Member {
    /// Waits until it has done what it was told.
    fn has_done(&self) -> anyhow::Result<()> {
        self.is_done.recv().context("a queue's thread has ended")?
    }
}

/// Waits for a device and serves a queue of it; `false` if none came.
fn serve(id: u16, ring: Ring, orders: &Orders, bell: Arc<Bell>) -> anyhow::Result<bool> {
    let Ok(Load { engine, limits, growing }) = orders.load.recv() else { return Ok(false) };
    match engine {
        Engine::Store(store) => {
            let pages = match Stored::new(store) {
                Ok(pages) => pages,
                Err(error) => {
                    orders.say(Err(error).with_context(|| format!("queue {id}")));
                    return Ok(false);
                }
            };
            #[cfg(feature = "planted-early-acknowledgement")]
            let pages = super::planted::Batched::new(pages);
            serve_from(pages, id, ring, orders, (limits, growing, bell))
        }
        Engine::Null => serve_from(Nowhere, id, ring, orders, (limits, growing, bell)),
    }
}

fn serve_from(
    pages: impl Pages,
    id: u16,
    ring: Ring,
    orders: &Orders,
    (limits, growing, bell): (Limits, Arc<Bell>, Arc<Bell>),
) -> anyhow::Result<bool> {
    orders.say(Ok(()));
    let Ok(device) = orders.attach.recv() else { return Ok(false) };
    let told = || format!("queue {id}");
    let attached = ring.attach(&device, id, Arc::clone(&bell)).and_then(|mut queue| {
        queue.fetch_most()?;
        Ok(queue)
    });
    let mut queue = match attached {
        Ok(queue) => queue,
        Err(error) => {
            orders.say(Err(error).with_context(told));
            return Ok(false);
        }
    };
    orders.say(Ok(()));
    if orders.fetch_last.recv().is_err() {
        return Ok(false);
    }
    let has_fetched = queue.fetch_last();
    let is_served = has_fetched.is_ok();
    orders.say(has_fetched.with_context(told));
    if is_served {
        Server::new(queue, pages, limits, growing, bell).run()?;
    }
    Ok(is_served)
}
