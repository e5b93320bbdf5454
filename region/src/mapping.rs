#![expect(unsafe_code, reason = "maps memory that other processes may have mapped too")]
//! Memory mapped for as long as a value lives.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, munmap};
use trueno_zram_store::PAGE_SIZE;

/// A shared mapping of a whole file.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<AtomicU64>,
    words: usize,
}

// SAFETY: what it points to is mapped until it is dropped, is touched as atomic words only, and
// belongs to no thread.
unsafe impl Send for Mapping {}
// SAFETY: as above; all its functions take `&self` and hand out atomic words.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// For reading and writing.
    pub(crate) fn new(file: &File, bytes: u64) -> io::Result<Self> {
        Self::with(file, bytes, ProtFlags::READ | ProtFlags::WRITE)
    }

    /// For reading: to write one of its [`words`](Self::words) is a signal, so they are not for handing
    /// out.
    pub(crate) fn read_only(file: &File, bytes: u64) -> io::Result<Self> {
        Self::with(file, bytes, ProtFlags::READ)
    }

    fn with(file: &File, bytes: u64, protection: ProtFlags) -> io::Result<Self> {
        let len = usize::try_from(bytes).map_err(io::Error::other)?;
        if len == 0 || !len.is_multiple_of(PAGE_SIZE) {
            let what = format!("a region has whole pages, and this file {len} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        let flags = MapFlags::SHARED;
        // SAFETY: the kernel chooses where, so nothing that there is gets replaced.
        let start = unsafe { mmap(std::ptr::null_mut(), len, protection, flags, file, 0) }?;
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, words: len / size_of::<AtomicU64>() })
    }

    #[inline]
    pub(crate) fn words(&self) -> &[AtomicU64] {
        // SAFETY: mapped at `start`, which is page-aligned, for that many words until `self` is
        // dropped. Any bytes are an `AtomicU64`, and whoever else has the file mapped may change
        // them. An access where the file has no memory and none is to be had is a signal: `Region`
        // says to touch only what was grown.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.words) }
    }

    /// Makes the page tables for these bytes.
    pub(crate) fn populate(&self, bytes: &Range<u64>) -> Result<(), Errno> {
        let words = usize::try_from(bytes.start / 8).ok().zip(usize::try_from(bytes.end / 8).ok());
        let words = words.and_then(|(start, end)| self.words().get(start..end));
        let words = words.ok_or(Errno::INVAL)?;
        let start = words.as_ptr().cast_mut().cast();
        // SAFETY: inside the mapping; this advice changes no byte.
        unsafe { madvise(start, size_of_val(words), Advice::LinuxPopulateWrite) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this length, and nobody has a reference into it any more.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), self.words * 8) };
        debug_assert!(unmapped.is_ok(), "munmap of what mmap has given");
    }
}
