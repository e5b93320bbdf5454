//! How the data of requests get from the kernel and to it, whoever has made the buffers.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use trueno_zram_store::{PAGE_SIZE, Page};

use super::uapi;

/// Who copies data from and to the kernel's requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copying {
    /// The kernel, into and out of a buffer for each tag.
    Kernel,
    /// We, by pread and pwrite, through one buffer: a system call more, and less memory.
    User,
}

impl Copying {
    /// How many buffers a queue of `depth` tags has.
    pub(super) const fn buffers(self, depth: u16) -> u16 {
        match self {
            Self::Kernel => depth,
            Self::User => 1,
        }
    }

    /// Which of them is a tag's.
    pub(super) const fn buffer(self, tag: u16) -> usize {
        match self {
            Self::Kernel => tag as usize,
            Self::User => 0,
        }
    }
}

/// Carries the data of one queue's requests. Each function is given the buffer of the tag.
#[derive(Debug)]
pub(super) struct Carrier<'a> {
    pub(super) device: &'a File,
    pub(super) queue: u16,
    pub(super) copying: Copying,
}

impl Carrier<'_> {
    /// These pages of what the kernel wants written, in the buffer or brought there.
    pub(super) fn written<'b>(
        &self,
        buffer: &'b mut [Page],
        tag: u16,
        pages: Range<usize>,
    ) -> io::Result<&'b [Page]> {
        if self.copying == Copying::Kernel {
            return buffer.get(pages).ok_or(io::ErrorKind::InvalidInput.into());
        }
        let position = self.position(tag, pages.start);
        let data = buffer.get_mut(..pages.len()).ok_or(io::ErrorKind::InvalidInput)?;
        self.device.read_exact_at(data.as_flattened_mut(), position)?;
        Ok(data)
    }

    /// Gives the kernel the first pages of the buffer, unless it gets them by itself.
    pub(super) fn hand_over(&self, buffer: &[Page], tag: u16, pages: usize) -> io::Result<()> {
        if self.copying == Copying::Kernel {
            return Ok(());
        }
        let data = buffer.get(..pages).ok_or(io::ErrorKind::InvalidInput)?;
        self.device.write_all_at(data.as_flattened(), self.position(tag, 0))
    }

    fn position(&self, tag: u16, page: usize) -> u64 {
        uapi::data_position(self.queue, tag) + (page * PAGE_SIZE) as u64
    }
}

/// The first pages of a buffer, as many as it has at most.
pub(super) fn room(buffer: &mut [Page], pages: usize) -> &mut [Page] {
    let pages = pages.min(buffer.len());
    buffer.get_mut(..pages).unwrap_or(&mut [])
}

#[cfg(test)]
mod tests {
    use rustix::fs::{MemfdFlags, memfd_create};

    use super::*;

    #[test]
    fn what_we_copy_is_where_the_kernel_has_it() {
        let device = File::from(memfd_create("device", MemfdFlags::CLOEXEC).expect("memory"));
        let (queue, tag) = (1, 3);
        let carrier = |copying| Carrier { device: &device, queue, copying };
        let mut buffer = [[1; PAGE_SIZE], [2; PAGE_SIZE]];
        carrier(Copying::User).hand_over(&buffer, tag, 2).expect("there is room");
        let mut second = [0; PAGE_SIZE];
        let position = uapi::data_position(queue, tag) + PAGE_SIZE as u64;
        device.read_exact_at(&mut second, position).expect("written");
        assert_eq!(second, [2; PAGE_SIZE]);
        let written = carrier(Copying::User).written(&mut buffer, tag, 1..2).expect("is there");
        assert_eq!(written, [[2; PAGE_SIZE]], "into the beginning of the buffer");
        assert_eq!(buffer, [[2; PAGE_SIZE]; 2]);
        let beyond = carrier(Copying::User).written(&mut buffer, tag, 0..3);
        assert!(beyond.is_err(), "the buffer has two pages");
    }

    #[test]
    fn what_the_kernel_copies_is_in_the_tags_buffer() {
        let device = File::from(memfd_create("device", MemfdFlags::CLOEXEC).expect("memory"));
        let carrier = Carrier { device: &device, queue: 0, copying: Copying::Kernel };
        let mut buffer = [[1; PAGE_SIZE], [2; PAGE_SIZE]];
        carrier.hand_over(&buffer, 0, 2).expect("nothing to do");
        assert_eq!(device.metadata().expect("a file").len(), 0);
        assert_eq!(carrier.written(&mut buffer, 0, 1..2).expect("is there"), [[2; PAGE_SIZE]]);
        assert!(carrier.written(&mut buffer, 0, 1..3).is_err());
        assert_eq!(room(&mut buffer, 1).len(), 1);
        assert_eq!(room(&mut buffer, 9).len(), 2);
        assert_eq!((Copying::Kernel.buffers(64), Copying::Kernel.buffer(5)), (64, 5));
        assert_eq!((Copying::User.buffers(64), Copying::User.buffer(5)), (1, 0));
    }
}
