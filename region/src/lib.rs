//! A [`Region`] that is a file on tmpfs, so that it outlives the process that has it mapped.
//!
//! tmpfs, because its pages are memory, holes can be punched into it, and `SEEK_DATA` tells them.
//! What must never be swapped out lies on one that is mounted with `noswap`; that is the caller's
//! choice.

mod mapping;
mod reader;

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};

use mapping::Mapping;
pub use reader::Reader;
use rustix::fs::{FallocateFlags, MemfdFlags, SeekFrom};
use trueno_zram_store::{Errno, Region};

/// A mapped file.
#[derive(Debug)]
pub struct FileRegion {
    file: File,
    mapping: Mapping,
    /// What this process has page tables for, in order.
    populated: Mutex<Vec<Range<u64>>>,
}

impl FileRegion {
    /// Makes the file, which must not exist, and maps it. It has no memory yet. If that fails there is
    /// no file.
    ///
    /// # Errors
    ///
    /// What the operating system says; a file system that has no holes.
    pub fn create(path: impl AsRef<Path>, bytes: u64) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        let made = file.set_len(bytes).and_then(|()| Self::map(file));
        if made.is_err() {
            // The error that counts is the first one.
            std::fs::remove_file(&path).ok();
        }
        made
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
        Ok(Self { file, mapping, populated: Mutex::default() })
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

    /// Makes the page tables of this process for all memory that is behind the file now, so that no
    /// later access has to wait for memory; how many bytes came to those of an earlier call. It changes none
    /// of them, so a process that waits to take a device over may do it while the other works. What that one
    /// gives back in the same moment may get memory again, which its next growth or a recovery uses.
    ///
    /// # Errors
    ///
    /// What the operating system says: there is no memory for page tables.
    pub fn populate_backed(&self) -> io::Result<u64> {
        let mut populated = self.populated.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut sum, mut from, mut backed) = (0, 0, Vec::new());
        while let Some(bytes) = self.backed_from(from)? {
            for bytes in without(&bytes, &populated) {
                self.mapping.populate(&bytes)?;
                sum += bytes.end - bytes.start;
            }
            from = bytes.end;
            backed.push(bytes);
        }
        // Where there was a hole meanwhile, the tables are still there.
        *populated = backed;
        Ok(sum)
    }

    fn backed_from(&self, from: u64) -> rustix::io::Result<Option<Range<u64>>> {
        backed_from(&self.file, from)
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

    fn next_backed(&self, from: u64) -> Result<Option<Range<u64>>, Errno> {
        self.backed_from(from).map_err(|errno| Errno(errno.raw_os_error()))
    }
}

/// The first stretch of data in a file that ends after `from`, cut to begin there.
fn backed_from(file: &File, from: u64) -> rustix::io::Result<Option<Range<u64>>> {
    let start = match rustix::fs::seek(file, SeekFrom::Data(from)) {
        // There is none, up to the end of the file.
        Err(rustix::io::Errno::NXIO) => return Ok(None),
        start => start?,
    };
    // The end of a file counts as a hole, so there is one.
    let end = rustix::fs::seek(file, SeekFrom::Hole(start))?;
    Ok(Some(start..end))
}

/// What of `bytes` is in none of these ranges, which are in order.
fn without(bytes: &Range<u64>, known: &[Range<u64>]) -> Vec<Range<u64>> {
    let first = known.partition_point(|known| known.end <= bytes.start);
    let known = known.get(first..).unwrap_or_default();
    let mut rest = Vec::new();
    let mut from = bytes.start;
    for known in known.iter().take_while(|known| known.start < bytes.end) {
        if from < known.start {
            rest.push(from..known.start);
        }
        from = known.end;
    }
    if from < bytes.end {
        rest.push(from..bytes.end);
    }
    rest
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;

    #[test]
    fn populating_is_for_what_is_backed() {
        let region = FileRegion::anonymous(1 << 20).expect("a memfd");
        assert_eq!(region.populate_backed().expect("nothing to do"), 0);
        region.grow(65536..131_072).expect("64 KiB");
        region.grow(262_144..266_240).expect("a page");
        region.words()[8192].store(4711, Relaxed);
        let standby = FileRegion::map(region.file().try_clone().expect("a descriptor"));
        let standby = standby.expect("mapped");
        assert_eq!(resident(&standby), 0);
        assert_eq!(standby.populate_backed().expect("populated"), 65536 + 4096);
        assert_eq!(resident(&standby), 65536 + 4096);
        assert_eq!(standby.backed_bytes().expect("blocks"), 65536 + 4096, "no more than there was");
        assert_eq!(standby.words()[8192].load(Relaxed), 4711);
        region.grow(131_072..139_264).expect("8 KiB behind what there was");
        assert_eq!(standby.populate_backed().expect("populated"), 8192, "only what is new");
        assert_eq!(resident(&standby), 65536 + 4096 + 8192);
        assert_eq!(standby.populate_backed().expect("nothing to do"), 0);
    }

    #[test]
    fn what_is_new_is_what_was_in_no_range() {
        let known = [10..20, 30..40];
        for (bytes, new) in [
            (0..5, &[(0, 5)][..]),
            (0..10, &[(0, 10)]),
            (0..15, &[(0, 10)]),
            (10..20, &[]),
            (12..18, &[]),
            (5..50, &[(5, 10), (20, 30), (40, 50)]),
            (20..30, &[(20, 30)]),
            (35..45, &[(40, 45)]),
            (40..50, &[(40, 50)]),
        ] {
            let found = without(&bytes, &known);
            let found: Vec<_> = found.into_iter().map(|range| (range.start, range.end)).collect();
            assert_eq!(found, new, "{bytes:?}");
        }
    }

    /// How many bytes of the region are in this process's page tables.
    fn resident(region: &FileRegion) -> u64 {
        let smaps = std::fs::read_to_string("/proc/self/smaps").expect("proc");
        let start = format!("{:x}-", region.words().as_ptr().addr());
        let mut lines = smaps.lines().skip_while(|line| !line.starts_with(&start));
        let line = lines.find_map(|line| line.strip_prefix("Rss:")).expect("its size in memory");
        let kib = line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number");
        kib * 1024
    }

    #[test]
    fn a_file_that_cannot_be_mapped_does_not_stay() {
        let path = std::env::temp_dir().join(format!("trueno-region-{}", std::process::id()));
        let error = FileRegion::create(&path, 1000).expect_err("no whole pages");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(!path.exists());
        drop(FileRegion::create(&path, 4096).expect("a file"));
        let error = FileRegion::create(&path, 4096).expect_err("there is one");
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert!(path.exists(), "and it is not ours to remove");
        std::fs::remove_file(&path).expect("our own");
    }

    #[test]
    fn memory_comes_and_goes_and_outlives_the_mapping() {
        let region = FileRegion::anonymous(1 << 20).expect("a memfd");
        assert_eq!(region.words().len(), (1 << 20) / 8);
        assert_eq!(region.next_backed(0), Ok(None), "no memory yet");
        region.grow(65536..131_072).expect("64 KiB");
        region.grow(262_144..266_240).expect("a page");
        assert_eq!(region.next_backed(0), Ok(Some(65536..131_072)));
        assert_eq!(region.next_backed(131_072), Ok(Some(262_144..266_240)));
        assert_eq!(region.backed_bytes().expect("blocks"), 65536 + 4096);
        region.words()[8192].store(4711, Relaxed);
        let again = FileRegion::map(region.file().try_clone().expect("a descriptor"));
        drop(region);
        let again = again.expect("mapped");
        assert_eq!(again.words()[8192].load(Relaxed), 4711);
        again.punch(65536..131_072).expect("tmpfs has holes");
        assert_eq!(again.words()[8192].load(Relaxed), 0, "given back");
        let reading = Mapping::read_only(again.file(), 1 << 20).expect("mapped");
        let backed = again.backed_bytes().expect("blocks");
        assert_eq!(reading.words()[0].load(Relaxed), 0);
        let now = again.backed_bytes().expect("blocks");
        assert_eq!(now, backed + 4096, "why a reader looks at no hole");
        again.grow(0..1 << 30).expect_err("behind the end of the file, which must not grow");
    }
}
