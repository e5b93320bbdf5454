#![expect(unsafe_code, reason = "submissions carry addresses that the kernel uses")]
//! One hardware queue: a ring, its descriptors, and memory for the data.

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use io_uring::types::{self, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode};
use trueno_zram_store::Page;

use super::control::is_transient;
use super::data::{Carrier, Copying, room};
use super::memory::{Buffers, Descriptors};
use super::uapi::{DevInfo, Io, IoCommand, IoDesc, RES_ABORT, RES_OK};

/// What has come for a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A request is there for this tag.
    Request(u16),
    /// The device goes away: this tag is at its end.
    Aborted(u16),
    /// The driver refused what was submitted for this tag. Requests to it would wait for ever, so the
    /// process must end, and another one take the device over.
    Refused {
        /// Which tag.
        tag: u16,
        /// Why.
        errno: i32,
    },
    /// The bell was rung.
    Bell,
}

impl Event {
    /// What a fetch has completed with.
    pub(super) fn of(tag: u16, result: i32) -> Self {
        match result {
            RES_OK => Self::Request(tag),
            RES_ABORT => Self::Aborted(tag),
            errno => Self::Refused { tag, errno },
        }
    }
}

/// The kernel's side of a queue, for the thread that serves it.
///
/// The order for a tag is: an [`Event::Request`], then [`descriptor`](Self::descriptor) and the data
/// as often as one likes, then one [`answer`](Self::answer), and nothing until the next event.
pub trait Transport {
    /// Asks for the first request of each tag but the last.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    fn fetch_most(&mut self) -> io::Result<()>;

    /// Asks for the first request of the last tag, with which the driver counts the queue as served.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    fn fetch_last(&mut self) -> io::Result<()>;

    /// Sends the answers that were given, and waits until there is an event, or for so long. May come
    /// back without one.
    ///
    /// # Errors
    ///
    /// What the operating system says; not that the wait was interrupted.
    fn wait(&mut self, at_most: Option<Duration>) -> io::Result<()>;

    /// The next event, if there is one.
    fn next(&mut self) -> Option<Event>;

    /// What the kernel wants done.
    fn descriptor(&self, tag: u16) -> IoDesc;

    /// These pages of what the kernel wants written, counted from the beginning of the request.
    ///
    /// # Errors
    ///
    /// The kernel's memory cannot be read.
    fn written(&mut self, tag: u16, pages: Range<usize>) -> io::Result<&[Page]>;

    /// Where to put the pages that the kernel wants to read.
    fn room(&mut self, tag: u16, pages: usize) -> &mut [Page];

    /// Gives the kernel what was put there.
    ///
    /// # Errors
    ///
    /// The kernel's memory cannot be written.
    fn hand_over(&mut self, tag: u16, pages: usize) -> io::Result<()>;

    /// Answers with a number of bytes or a negative errno, and asks for the tag's next request. It is
    /// sent with the next [`wait`](Self::wait).
    ///
    /// # Errors
    ///
    /// What the operating system says.
    fn answer(&mut self, tag: u16, result: i32) -> io::Result<()>;
}

/// User data of what is no tag: the bit that `libublk` keeps for such.
pub(super) const BELL: u64 = 1 << 63;

/// A ring for a queue of `depth` tags, for the thread that calls this.
pub(super) fn ring(depth: u16) -> io::Result<IoUring> {
    // Completions beyond the ring's size would cost the kernel an allocation each, which may fail:
    // there is room for four times as many as there can be.
    let entries = u32::from(depth) + 1;
    IoUring::builder()
        .setup_cqsize(entries * 4)
        .setup_single_issuer()
        .setup_defer_taskrun()
        .build(entries)
}

/// Has what is written to `bell` complete as [`BELL`].
pub(super) fn listen(ring: &mut IoUring, bell: BorrowedFd<'_>) -> io::Result<()> {
    let events = u32::from(rustix::event::PollFlags::IN.bits());
    let entry = opcode::PollAdd::new(types::Fd(bell.as_raw_fd()), events).multi(true);
    let entry = entry.build().user_data(BELL);
    // SAFETY: carries no address.
    unsafe { ring.submission().push(&entry) }.map_err(io::Error::other)?;
    ring.submit().map(drop)
}

/// Submits, and waits for a completion, but not for longer than this.
pub(super) fn wait_at_most(ring: &IoUring, at_most: Duration) -> io::Result<()> {
    let at_most = Timespec::from(at_most);
    let arguments = SubmitArgs::new().timespec(&at_most);
    match ring.submitter().submit_with_args(1, &arguments) {
        Err(error) if error.raw_os_error() == Some(libc::ETIME) => Ok(()),
        other => again(other),
    }
}

/// `/dev/ublkcN`.
pub type Node = File;

/// Opens a device's node. There can be one opener.
///
/// # Errors
///
/// What the operating system says.
pub fn open(path: &Path, _info: &DevInfo) -> io::Result<Node> {
    File::options().read(true).write(true).open(path)
}

/// What a queue needs and a device is not needed for: made beforehand, by the thread that will serve.
pub struct Ring {
    ring: IoUring,
    buffers: Buffers,
    depth: u16,
    copying: Copying,
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ring: _, buffers, depth, copying } = self;
        let mut out = f.debug_struct("Ring");
        out.field("buffers", buffers).field("depth", depth).field("copying", copying);
        out.finish_non_exhaustive()
    }
}

impl Ring {
    /// For queue `id`, with `depth` tags and requests of up to `pages` pages. `buffers` is a file in memory
    /// that all queues and processes of a device share; `bell` is an eventfd: what is written to it becomes
    /// an [`Event::Bell`].
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn new(
        id: u16,
        depth: u16,
        pages: usize,
        copying: Copying,
        buffers: &File,
        bell: BorrowedFd<'_>,
    ) -> io::Result<Self> {
        let mut ring = ring(depth)?;
        listen(&mut ring, bell)?;
        // Room for the device, so that nothing can fail for want of it later.
        ring.submitter().register_files_sparse(1)?;
        let count = usize::from(copying.buffers(depth));
        Ok(Self { ring, buffers: Buffers::new(buffers, id, count, pages)?, depth, copying })
    }

    /// A queue of `device`. The kernel gets nothing to do yet.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn attach<'a>(
        self,
        device: &'a Node,
        id: u16,
        bell: Arc<super::Bell>,
    ) -> io::Result<Queue<'a>> {
        self.ring.submitter().register_files_update(0, &[device.as_raw_fd()])?;
        // Last: a worker that ends when it has mapped a queue and does not serve it leaves the driver of
        // Linux 6.12 with a device that nobody can take over.
        let descriptors = Descriptors::map(device, id, self.depth)?;
        let carrier = Carrier { device, queue: id, copying: self.copying };
        Ok(Queue { kernel: self, carrier, descriptors, bell })
    }

    /// The pages of a tag. The kernel must not be copying into them.
    fn pages(&mut self, tag: u16) -> &mut [Page] {
        self.buffers.get(self.copying.buffer(tag))
    }
}

/// A queue of a device.
#[derive(Debug)]
pub struct Queue<'a> {
    kernel: Ring,
    carrier: Carrier<'a>,
    descriptors: Descriptors,
    bell: Arc<super::Bell>,
}

impl Queue<'_> {
    fn push(&mut self, what: Io, tag: u16, result: i32) -> io::Result<()> {
        let addr = match self.kernel.copying {
            Copying::Kernel => self.kernel.buffers.address(usize::from(tag)),
            Copying::User => 0,
        };
        let command = IoCommand { q_id: self.carrier.queue, tag, result, addr };
        let entry = opcode::UringCmd16::new(types::Fixed(0), what.code()).cmd(command.bytes());
        let entry = entry.build().user_data(u64::from(tag));
        loop {
            // SAFETY: the tag's buffer lives as long as the ring, and is the kernel's from here on:
            // `room` and `written` are for tags whose request is there.
            match unsafe { self.kernel.ring.submission().push(&entry) } {
                Ok(()) => return Ok(()),
                // Cannot be, with an entry for each tag and one more.
                Err(_) => again(self.kernel.ring.submit())?,
            }
        }
    }
}

impl Transport for Queue<'_> {
    fn fetch_most(&mut self) -> io::Result<()> {
        for tag in 0..self.kernel.depth.saturating_sub(1) {
            self.push(Io::Fetch, tag, 0)?;
        }
        again(self.kernel.ring.submit())
    }

    fn fetch_last(&mut self) -> io::Result<()> {
        self.push(Io::Fetch, self.kernel.depth.saturating_sub(1), 0)?;
        again(self.kernel.ring.submit())
    }

    fn wait(&mut self, at_most: Option<Duration>) -> io::Result<()> {
        match at_most {
            Some(at_most) => wait_at_most(&self.kernel.ring, at_most),
            None => again(self.kernel.ring.submit_and_wait(1)),
        }
    }

    fn next(&mut self) -> Option<Event> {
        let done = self.kernel.ring.completion().next()?;
        let Ok(tag) = u16::try_from(done.user_data()) else {
            self.bell.silence();
            if !cqueue::more(done.flags()) {
                // Without it, what waits is tried again by the clock.
                listen(&mut self.kernel.ring, self.bell.fd()).ok();
            }
            return Some(Event::Bell);
        };
        Some(Event::of(tag, done.result()))
    }

    fn descriptor(&self, tag: u16) -> IoDesc {
        self.descriptors.get(tag)
    }

    fn written(&mut self, tag: u16, pages: Range<usize>) -> io::Result<&[Page]> {
        self.carrier.written(self.kernel.pages(tag), tag, pages)
    }

    fn room(&mut self, tag: u16, pages: usize) -> &mut [Page] {
        room(self.kernel.pages(tag), pages)
    }

    fn hand_over(&mut self, tag: u16, pages: usize) -> io::Result<()> {
        self.carrier.hand_over(self.kernel.pages(tag), tag, pages)
    }

    fn answer(&mut self, tag: u16, result: i32) -> io::Result<()> {
        self.push(Io::CommitAndFetch, tag, result)
    }
}

/// An interrupted call goes on with the next one.
pub(super) fn again<T>(submitted: io::Result<T>) -> io::Result<()> {
    match submitted {
        Ok(_) => Ok(()),
        Err(error) if is_transient(&error) => Ok(()),
        Err(error) => Err(error),
    }
}
