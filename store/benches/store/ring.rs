#![expect(unsafe_code, reason = "requests of io_uring carry addresses")]
//! Requests to a block device through io_uring, with its file and all its memory registered.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

use io_uring::{IoUring, opcode, squeue, types};

use crate::image::{BLOCK, Block, Image};

const PAGE: usize = 4096;
const BYTES: usize = BLOCK * PAGE;

/// A queue of requests to one file. Writes come from the image, reads go into a block of its own.
pub(crate) struct Ring<'a> {
    // Before the memory that the kernel was told of, so that it is gone first.
    ring: IoUring,
    depth: usize,
    image: &'a Image,
    pub(crate) out: Box<Block>,
}

/// A part of a block.
pub(crate) struct Part {
    /// Which block of the image is written; what is read goes into the ring's own.
    pub(crate) block: usize,
    /// How many bytes from the block's start.
    pub(crate) from: usize,
    pub(crate) len: usize,
    /// Where in the file.
    pub(crate) offset: u64,
}

impl<'a> Ring<'a> {
    /// A queue that is `depth` deep.
    pub(crate) fn new(file: &File, image: &'a Image, depth: u32) -> io::Result<Self> {
        let ring = IoUring::builder().setup_coop_taskrun().build(depth)?;
        let mut out = Block::boxed();
        let blocks = image.blocks.iter().map(|block| block.bytes().as_ptr().cast_mut());
        let memory: Vec<_> = blocks
            .chain([out.bytes_mut().as_mut_ptr()])
            .map(|start| libc::iovec { iov_base: start.cast(), iov_len: BYTES })
            .collect();
        // SAFETY: the image outlives the ring by its lifetime, `out` is on the heap, belongs to the same
        // value and is dropped after the ring; no request ever writes to the image's part of it.
        unsafe { ring.submitter().register_buffers(&memory) }?;
        ring.submitter().register_files(&[file.as_raw_fd()])?;
        Ok(Self { ring, depth: depth as usize, image, out })
    }

    /// Keeps the kernel's own threads that do this thread's requests on one processor.
    pub(crate) fn stay_on(&mut self, cpu: usize) -> io::Result<()> {
        // A thread has none before its first request.
        let nothing = opcode::Nop::new().build();
        // SAFETY: a request without memory.
        unsafe { self.ring.submission().push(&nothing) }.map_err(io::Error::other)?;
        self.ring.submit_and_wait(1)?;
        self.ring.completion().for_each(drop);
        // SAFETY: all zero is an empty set.
        let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
        // SAFETY: touches the bit of this processor if the set has it, and nothing else.
        unsafe { libc::CPU_SET(cpu, &mut set) };
        self.ring.submitter().register_iowq_aff(&set)
    }

    /// Writes parts of the image's blocks.
    pub(crate) fn write(&mut self, parts: impl Iterator<Item = Part>) -> io::Result<()> {
        let image = self.image;
        self.all(parts, |part| {
            let memory = &image.blocks[part.block].bytes()[part.from..part.from + part.len];
            let index = u16::try_from(part.block).expect("one of those that were registered");
            let request =
                opcode::WriteFixed::new(types::Fixed(0), memory.as_ptr(), length(part), index);
            request.offset(part.offset).build()
        })
    }

    /// Reads parts into a block.
    pub(crate) fn read(&mut self, parts: impl Iterator<Item = Part>) -> io::Result<()> {
        let index = u16::try_from(self.image.blocks.len()).map_err(io::Error::other)?;
        let start = self.out.bytes_mut().as_mut_ptr();
        self.all(parts, |part| {
            assert!(part.from + part.len <= BYTES, "inside the block");
            let memory = start.wrapping_add(part.from);
            let request = opcode::ReadFixed::new(types::Fixed(0), memory, length(part), index);
            request.offset(part.offset).build()
        })
    }

    /// Keeps the queue full until all parts are done, even if one has failed.
    fn all(
        &mut self,
        parts: impl Iterator<Item = Part>,
        request: impl Fn(&Part) -> squeue::Entry,
    ) -> io::Result<()> {
        let mut parts = parts.fuse();
        let (mut flying, mut failure) = (0, None);
        loop {
            while flying < self.depth && failure.is_none() {
                let Some(part) = parts.next() else { break };
                let entry = request(&part).user_data(part.len as u64);
                // SAFETY: the memory is registered, in bounds, and stays until this function returns, which
                // it does when nothing is in flight any more.
                unsafe { self.ring.submission().push(&entry) }.map_err(io::Error::other)?;
                flying += 1;
            }
            if flying == 0 {
                return failure.map_or(Ok(()), Err);
            }
            match self.ring.submit_and_wait(1) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // What is in flight cannot be waited for any more, so its memory must stay.
                Err(_) => std::process::abort(),
            }
            for done in self.ring.completion() {
                flying -= 1;
                match u64::try_from(done.result()) {
                    Ok(len) if len == done.user_data() => {}
                    Ok(_) => failure = Some(io::Error::other("a short transfer")),
                    Err(_) => failure = Some(io::Error::from_raw_os_error(-done.result())),
                }
            }
        }
    }
}

fn length(part: &Part) -> u32 {
    u32::try_from(part.len).expect("a part of a block")
}
