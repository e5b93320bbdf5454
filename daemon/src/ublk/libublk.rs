#![expect(unsafe_code, reason = "libublk lends its descriptor as a number")]
//! A queue on the crate `libublk`, with the cargo feature of that name.
//!
//! What is libublk's: opening and mapping the device, the buffers, fetching, waiting, answering. What is
//! ours, as with [`super::queue`]: the ring's settings, because one of libublk's own has no room for
//! completions to spare, and all commands to `/dev/ublk-control`. `docs/DEPENDENCIES.md` says why, and
//! why this is not the default.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Range;
use std::os::fd::{BorrowedFd, FromRawFd as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ::libublk::ctrl::UblkCtrl;
use ::libublk::helpers::IoBuf;
use ::libublk::io::{BufDesc, BufDescList, UblkDev, UblkQueue};
use ::libublk::io::{with_task_io_ring, with_task_io_ring_mut};
use ::libublk::{UblkError, UblkIORes, ublk_init_task_ring};
use io_uring::cqueue;
use rustix::fs::MemfdFlags;
use trueno_zram_store::{PAGE_SIZE, Page};

use super::Bell;
use super::data::{Carrier, Copying, room};
use super::queue::{self, BELL, Event, Transport};
use super::uapi::{DevInfo, IoDesc};

/// `/dev/ublkcN`, opened by libublk.
pub struct Node {
    device: UblkDev,
    /// The same, for data that the kernel does not copy; closed with `device`.
    file: ManuallyDrop<File>,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("file", &*self.file).finish_non_exhaustive()
    }
}

/// Opens a device's node, which libublk finds by itself. There can be one opener.
///
/// # Errors
///
/// `path` is not there, or libublk does not know the device as `info` has it.
pub fn open(path: &Path, info: &DevInfo) -> io::Result<Node> {
    fs::metadata(path)?;
    let id = i32::try_from(info.dev_id).map_err(io::Error::other)?;
    let control = unheard(|| UblkCtrl::new_simple(id))?.map_err(io_error)?;
    // A command of libublk's that was interrupted is given once more in its older form, and what
    // that says counts.
    let told = control.dev_info();
    let is_same = (told.dev_id, told.nr_hw_queues, told.queue_depth, told.flags)
        == (info.dev_id, info.nr_hw_queues, info.queue_depth, info.flags);
    if !is_same {
        return Err(io::Error::other("libublk takes it for another device"));
    }
    let device = UblkDev::new(String::from("trueno"), |_| Ok(()), &control).map_err(io_error)?;
    let [descriptor, ..] = device.tgt.fds;
    // SAFETY: open for as long as `device`, which lives as long as the file and closes it in its stead.
    let file = ManuallyDrop::new(unsafe { File::from_raw_fd(descriptor) });
    Ok(Node { device, file })
}

/// Does something of libublk's that complains with `eprintln!` where there is nothing to complain about,
/// here about a file that only its own control part writes. That would end the process if nobody reads
/// what it says there any more.
fn unheard<T>(act: impl FnOnce() -> T) -> io::Result<T> {
    let nobody = rustix::fs::memfd_create("unheard", MemfdFlags::CLOEXEC)?;
    let stderr = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stderr(), 3)?;
    rustix::stdio::dup2_stderr(&nobody)?;
    let done = act();
    rustix::stdio::dup2_stderr(&stderr)?;
    Ok(done)
}

/// What a queue needs and a device is not needed for: made beforehand, by the thread that will serve.
/// libublk keeps the ring in that thread.
#[derive(Debug)]
pub struct Ring {
    buffers: Vec<IoBuf<u8>>,
    events: VecDeque<Event>,
    copying: Copying,
    is_listening: bool,
    _of_its_thread: PhantomData<*const ()>,
}

impl Ring {
    /// For a queue of `depth` tags and requests of up to `pages` pages. `bell` is an eventfd; what is
    /// written to it becomes an [`Event::Bell`]. libublk has buffers of its own, a process each.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn new(
        _id: u16,
        depth: u16,
        pages: usize,
        copying: Copying,
        _buffers: &File,
        bell: BorrowedFd<'_>,
    ) -> io::Result<Self> {
        let mut ring = queue::ring(depth)?;
        queue::listen(&mut ring, bell)?;
        let most_events = ring.params().cq_entries();
        let is_kept = |_| UblkError::OtherError(-libc::EEXIST);
        ublk_init_task_ring(|kept| kept.set(RefCell::new(ring)).map_err(is_kept))
            .map_err(io_error)?;
        let bytes = pages.checked_mul(PAGE_SIZE).filter(|bytes| *bytes > 0);
        let bytes = bytes.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(Self {
            buffers: (0..copying.buffers(depth))
                .map(|_| buffer(bytes))
                .collect::<io::Result<_>>()?,
            // As many as can be there at once, and an end for each tag.
            events: VecDeque::with_capacity(usize::try_from(most_events).unwrap_or(0) * 2),
            copying,
            is_listening: true,
            _of_its_thread: PhantomData,
        })
    }

    /// A queue of `device`. The kernel gets nothing to do yet.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn attach(self, device: &Node, id: u16, bell: Arc<Bell>) -> io::Result<Queue<'_>> {
        let buffers = (self.copying == Copying::Kernel).then_some(&self.buffers);
        // The fetches stand in the ring; what submits them is `fetch_last`.
        let queue = UblkQueue::new(id, &device.device)
            .and_then(|queue| queue.submit_fetch_commands_unified(BufDescList::Slices(buffers)))
            .map_err(io_error)?;
        let carrier = Carrier { device: &device.file, queue: id, copying: self.copying };
        Ok(Queue { queue, kernel: self, carrier, bell })
    }

    /// The pages of a tag. The kernel must not be copying into them.
    fn pages(&mut self, tag: u16) -> &mut [Page] {
        let buffer = self.buffers.get_mut(self.copying.buffer(tag));
        let buffer = buffer.map(|buffer| buffer.as_mut_slice());
        buffer.unwrap_or(&mut []).as_chunks_mut().0
    }
}

/// One that is there: libublk gives any, uninitialised.
fn buffer(bytes: usize) -> io::Result<IoBuf<u8>> {
    let mut buffer = IoBuf::<u8>::new(bytes);
    if buffer.as_ptr().is_null() {
        // Else it would be given back.
        std::mem::forget(buffer);
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    buffer.zero_buf();
    Ok(buffer)
}

/// A queue of a device.
pub struct Queue<'a> {
    queue: UblkQueue<'a>,
    kernel: Ring,
    carrier: Carrier<'a>,
    bell: Arc<Bell>,
}

impl fmt::Debug for Queue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { queue: _, kernel, carrier, bell } = self;
        let mut out = f.debug_struct("Queue");
        out.field("kernel", kernel).field("carrier", carrier).field("bell", bell);
        out.finish_non_exhaustive()
    }
}

impl Transport for Queue<'_> {
    fn fetch_most(&mut self) -> io::Result<()> {
        // libublk has all or none.
        Ok(())
    }

    fn fetch_last(&mut self) -> io::Result<()> {
        queue::again(with_task_io_ring(|ring| ring.submit()))
    }

    fn wait(&mut self, at_most: Option<Duration>) -> io::Result<()> {
        // libublk waits for twenty seconds or not at all.
        let wanted = match at_most {
            None => 1,
            Some(at_most) => {
                with_task_io_ring(|ring| queue::wait_at_most(ring, at_most))?;
                0
            }
        };
        // Its own loop leaves out completions that tell of a failure, and ends when it is interrupted.
        let Ring { events, is_listening, .. } = &mut self.kernel;
        let taken = self.queue.flush_and_wake_io_tasks(
            |user_data, done, _| {
                if user_data == BELL {
                    *is_listening &= cqueue::more(done.flags());
                }
                events.push_back(event(user_data, done.result()));
            },
            wanted,
        );
        match taken {
            // All tags were taken back.
            Ok(_) | Err(UblkError::QueueIsDown) => Ok(()),
            Err(error) => queue::again(Err::<(), _>(io_error(error))),
        }
    }

    fn next(&mut self) -> Option<Event> {
        let event = self.kernel.events.pop_front()?;
        if event == Event::Bell {
            self.bell.silence();
            if !self.kernel.is_listening {
                // Without it, what waits is tried again by the clock.
                let listening = with_task_io_ring_mut(|ring| queue::listen(ring, self.bell.fd()));
                self.kernel.is_listening = listening.is_ok();
            }
        }
        Some(event)
    }

    fn descriptor(&self, tag: u16) -> IoDesc {
        let descriptor = self.queue.get_iod(tag);
        IoDesc {
            op_flags: descriptor.op_flags,
            nr_sectors: descriptor.nr_sectors,
            start_sector: descriptor.start_sector,
            addr: descriptor.addr,
        }
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
        if self.queue.is_stopping() {
            // libublk would drop it and say nothing, and the tag would never be at its end.
            self.kernel.events.push_back(Event::Aborted(tag));
            return Ok(());
        }
        let buffer = self.kernel.buffers.get(usize::from(tag));
        let buffer = match self.kernel.copying {
            Copying::Kernel => buffer.ok_or(io::ErrorKind::InvalidInput)?.as_slice(),
            Copying::User => &[],
        };
        let result = Ok(UblkIORes::Result(result));
        let sent = self.queue.complete_io_cmd_unified(tag, BufDesc::Slice(buffer), result);
        sent.map_err(io_error)
    }
}

/// What a completion tells. The tag is in the lowest bits of libublk's user data.
fn event(user_data: u64, result: i32) -> Event {
    match user_data {
        BELL => Event::Bell,
        _ => Event::of((user_data & 0xffff) as u16, result),
    }
}

/// What the operating system has said, where it was it.
fn io_error(error: UblkError) -> io::Error {
    match error {
        UblkError::IOError(error) => error,
        UblkError::UringIOError(errno) | UblkError::OtherError(errno) => {
            io::Error::from_raw_os_error(-errno)
        }
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completions_are_told_apart() {
        let tagged = |tag: u16| u64::from(tag) | 0x21 << 16;
        assert_eq!(event(tagged(5), 0), Event::Request(5));
        assert_eq!(event(tagged(u16::MAX), -libc::ENODEV), Event::Aborted(u16::MAX));
        assert_eq!(
            event(tagged(7), -libc::ENOMEM),
            Event::Refused { tag: 7, errno: -libc::ENOMEM }
        );
        assert_eq!(event(BELL, 1), Event::Bell);
    }

    #[test]
    fn what_is_said_to_nobody_is_not_heard() {
        let said = unheard(|| {
            let stderr = rustix::stdio::stderr();
            rustix::io::write(stderr, b"nonsense").expect("a file");
            rustix::fs::fstat(stderr).expect("a file").st_size
        });
        assert_eq!(said.expect("redirected"), 8);
    }
}
