//! A [`Region`] that is a file on tmpfs, so that it outlives the process that has it mapped.
//!
//! tmpfs, because its pages are memory, holes can be punched into it, and `SEEK_DATA` tells them.
//! What must never be swapped out lies on one that is mounted with `noswap`; that is the caller's
//! choice.

mod mapping;

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::atomic::AtomicU64;

use mapping::Mapping;
use rustix::fs::{FallocateFlags, MemfdFlags, SeekFrom};
use trueno_zram_store::{Errno, Region};

/// A mapped file.
#[derive(Debug)]
pub struct FileRegion {
    file: File,
    mapping: Mapping,
}

impl FileRegion {
    /// Makes the file, which must not exist, and maps it. It has no memory yet.
    ///
    /// # Errors
    ///
    /// What the operating system says; a file system that has no holes.
    pub fn create(path: impl AsRef<Path>, bytes: u64) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).mode(0o600).open(path)?;
        file.set_len(bytes)?;
        Self::map(file)
    }

    /// Maps a file that there is.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::map(OpenOptions::new().read(true).write(true).open(path)?)
    }

    /// A file without a name, which lives as long as somebody has it open.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn anonymous(bytes: u64) -> io::Result<Self> {
        let file = File::from(rustix::fs::memfd_create("trueno-zram", MemfdFlags::CLOEXEC)?);
        file.set_len(bytes)?;
        Self::map(file)
    }

    /// Maps an open file.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn map(file: File) -> io::Result<Self> {
        let bytes = file.metadata()?.len();
        let mapping = Mapping::new(&file, bytes)?;
        Ok(Self { file, mapping })
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// How many bytes of memory are behind it now.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn backed_bytes(&self) -> io::Result<u64> {
        use std::os::unix::fs::MetadataExt as _;
        Ok(self.file.metadata()?.blocks() * 512)
    }

    fn allocate(&self, flags: FallocateFlags, bytes: &Range<u64>) -> Result<(), Errno> {
        loop {
            match rustix::fs::fallocate(&self.file, flags, bytes.start, bytes.end - bytes.start) {
                Ok(()) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(Errno(errno.raw_os_error())),
            }
        }
    }
}

impl Region for FileRegion {
    fn words(&self) -> &[AtomicU64] {
        self.mapping.words()
    }

    fn grow(&self, bytes: Range<u64>) -> Result<(), Errno> {
        self.allocate(FallocateFlags::empty(), &bytes)?;
        // In this process's page tables too, so that no access has to wait for the kernel.
        self.mapping.populate(&bytes).map_err(|errno| Errno(errno.raw_os_error()))
    }

    fn punch(&self, bytes: Range<u64>) -> Result<(), Errno> {
        self.allocate(FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, &bytes)
    }

    fn next_backed(&self, from: u64) -> Option<Range<u64>> {
        let start = rustix::fs::seek(&self.file, SeekFrom::Data(from)).ok()?;
        // The end of a file counts as a hole, so there is one.
        let end = rustix::fs::seek(&self.file, SeekFrom::Hole(start)).ok()?;
        Some(start..end)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;

    #[test]
    fn memory_comes_and_goes_and_outlives_the_mapping() {
        let region = FileRegion::anonymous(1 << 20).expect("a memfd");
        assert_eq!(region.words().len(), (1 << 20) / 8);
        assert_eq!(region.next_backed(0), None, "no memory yet");
        region.grow(65536..131_072).expect("64 KiB");
        region.grow(262_144..266_240).expect("a page");
        assert_eq!(region.next_backed(0), Some(65536..131_072));
        assert_eq!(region.next_backed(131_072), Some(262_144..266_240));
        assert_eq!(region.backed_bytes().expect("blocks"), 65536 + 4096);
        region.words()[8192].store(4711, Relaxed);
        let again = FileRegion::map(region.file().try_clone().expect("a descriptor"));
        drop(region);
        let again = again.expect("mapped");
        assert_eq!(again.words()[8192].load(Relaxed), 4711);
        again.punch(65536..131_072).expect("tmpfs has holes");
        assert_eq!(again.words()[8192].load(Relaxed), 0, "given back");
        again.grow(0..1 << 30).expect_err("behind the end of the file, which must not grow");
    }
}
