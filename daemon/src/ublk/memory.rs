#![expect(unsafe_code, reason = "memory that the kernel reads and writes too")]
//! The memory that a queue shares with the kernel: a buffer for each tag, and the descriptors.

use std::fs::File;
use std::io;
use std::ptr::NonNull;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, munmap};
use trueno_zram_store::{PAGE_SIZE, Page};

use super::uapi::{IoDesc, MAX_QUEUE_DEPTH};

/// Mapped for as long as it lives.
#[derive(Debug)]
struct Mapped {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the mapping belongs to no thread, and is touched through its owner only.
unsafe impl Send for Mapped {}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: mapped with this length by this module, and nobody has a reference into it any more.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), self.bytes) };
        debug_assert!(unmapped.is_ok(), "munmap of what mmap has given");
    }
}

/// Buffers of some pages each. All of their memory is there from the start, in a file: whoever waits
/// to take over has the same pages mapped, not as many again. Nobody but the kernel and the one that
/// serves touches them.
#[derive(Debug)]
pub(super) struct Buffers {
    mapped: Mapped,
    /// Pages of each.
    pages: usize,
    count: usize,
}

impl Buffers {
    /// The `at`th lot of `count` buffers of `pages` pages in the file, which grows as needed. What is in
    /// them was left by whoever had them before.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub(super) fn new(file: &File, at: u16, count: usize, pages: usize) -> io::Result<Self> {
        let bytes = count.checked_mul(pages).and_then(|pages| pages.checked_mul(PAGE_SIZE));
        let bytes = bytes.filter(|bytes| *bytes > 0).ok_or(io::ErrorKind::InvalidInput)?;
        let offset = (bytes as u64).checked_mul(at.into()).ok_or(io::ErrorKind::InvalidInput)?;
        // Never makes it shorter, whoever else does this at the same time.
        fallocate(file, FallocateFlags::empty(), offset, bytes as u64)?;
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        let address = std::ptr::null_mut();
        // SAFETY: the kernel chooses where, so nothing that there is gets replaced.
        let start = unsafe { mmap(address, bytes, protection, MapFlags::SHARED, file, offset) }?;
        let start: NonNull<u8> = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        let mapped = Mapped { start, bytes };
        // MAP_POPULATE does nothing under MCL_ONFAULT and does not say when it fails. A buffer without
        // memory is one that the kernel looks for memory for, while it swaps to get some; and from
        // Linux 7.3 on a write whose data found no place is completed as if it were whole.
        // SAFETY: our own new mapping, of which the contents stay.
        unsafe { madvise(start.as_ptr().cast(), bytes, Advice::LinuxPopulateWrite) }?;
        Ok(Self { mapped, pages, count })
    }

    fn start(&self, at: usize) -> *mut Page {
        // There are no more tags than buffers; what is behind would be the last one's.
        let at = at.min(self.count - 1);
        self.mapped.start.as_ptr().cast::<Page>().wrapping_add(at * self.pages)
    }

    /// The address of a buffer, for the kernel.
    #[must_use]
    pub(super) fn address(&self, at: usize) -> u64 {
        self.start(at).expose_provenance() as u64
    }

    /// A buffer. The kernel must not be copying into it.
    #[must_use]
    pub(super) fn get(&mut self, at: usize) -> &mut [Page] {
        // SAFETY: inside the mapping, which is of `count` times `pages` pages of initialised bytes.
        // The kernel touches a tag's buffer only while it has the tag, which the caller rules out; a
        // process that waits has it mapped and looks away until it serves, when this one is dead.
        unsafe { std::slice::from_raw_parts_mut(self.start(at), self.pages) }
    }
}

/// What the kernel says about each tag's request, mapped from `/dev/ublkcN`.
#[derive(Debug)]
pub(super) struct Descriptors {
    mapped: Mapped,
    depth: u16,
}

impl Descriptors {
    /// Those of a queue of `depth` tags.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub(super) fn map(device: &File, queue: u16, depth: u16) -> io::Result<Self> {
        let depth = depth.clamp(1, MAX_QUEUE_DEPTH);
        let bytes = (usize::from(depth) * size_of::<IoDesc>()).next_multiple_of(PAGE_SIZE);
        let each = u64::from(MAX_QUEUE_DEPTH) * size_of::<IoDesc>() as u64;
        let offset = u64::from(queue) * each;
        let flags = MapFlags::SHARED | MapFlags::POPULATE;
        let address = std::ptr::null_mut();
        // SAFETY: the kernel chooses where, so nothing that there is gets replaced.
        let start = unsafe { mmap(address, bytes, ProtFlags::READ, flags, device, offset) }?;
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { mapped: Mapped { start, bytes }, depth })
    }

    /// The descriptor of a tag whose request is there.
    #[must_use]
    pub(super) fn get(&self, tag: u16) -> IoDesc {
        let at = usize::from(tag.min(self.depth - 1));
        let descriptor = self.mapped.start.as_ptr().cast::<IoDesc>().wrapping_add(at);
        // SAFETY: inside the mapping, which is of `depth` descriptors and aligned to a page. Volatile,
        // because the kernel writes there whenever the tag is its own.
        unsafe { descriptor.read_volatile() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_lie_side_by_side_and_are_zero() {
        let file = memory();
        let mut buffers = Buffers::new(&file, 0, 3, 2).expect("six pages");
        assert_eq!(buffers.address(2) - buffers.address(0), 4 * PAGE_SIZE as u64);
        assert_eq!(buffers.address(3), buffers.address(2), "nothing behind the last one");
        buffers.get(1).fill([7; PAGE_SIZE]);
        assert_eq!(buffers.get(1), [[7; PAGE_SIZE]; 2]);
        assert_eq!(buffers.get(0), [[0; PAGE_SIZE]; 2]);
        assert_eq!(buffers.get(2), [[0; PAGE_SIZE]; 2]);
        for count in [0, usize::MAX] {
            assert!(Buffers::new(&file, 0, count, 2).is_err());
        }
    }

    #[test]
    fn each_queue_has_its_own_and_the_next_process_the_same() {
        let file = memory();
        let bytes = || file.metadata().expect("a file").len();
        let mut second = Buffers::new(&file, 1, 3, 2).expect("six pages");
        let mut first = Buffers::new(&file, 0, 3, 2).expect("six more");
        assert_eq!(bytes(), 12 * PAGE_SIZE as u64);
        second.get(0).fill([2; PAGE_SIZE]);
        first.get(2).fill([1; PAGE_SIZE]);
        let mut again = Buffers::new(&file, 1, 3, 2).expect("those there are");
        assert_eq!(again.get(0), [[2; PAGE_SIZE]; 2]);
        assert_eq!(bytes(), 12 * PAGE_SIZE as u64);
    }

    fn memory() -> File {
        let file = rustix::fs::memfd_create("buffers", rustix::fs::MemfdFlags::CLOEXEC);
        File::from(file.expect("a file in memory"))
    }
}
