//! What pages are filled with, and how they get to a block device and back past the page cache.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

use fastrand::Rng;
use rustix::fs::OFlags;
use sysfs_compat::abi::kernel::PAGE_SIZE;

/// Bytes of a page.
pub const PAGE: usize = 4096;

/// A page, aligned as direct I/O wants it.
#[repr(C, align(4096))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame(pub [u8; PAGE]);

impl Frame {
    /// One 64-bit word throughout.
    #[must_use]
    pub fn filled(word: u64) -> Self {
        let mut frame = Frame([0; PAGE]);
        frame.0.chunks_exact_mut(8).for_each(|bytes| bytes.copy_from_slice(&word.to_le_bytes()));
        frame
    }

    /// A page that no algorithm makes smaller, another one for every seed.
    #[must_use]
    pub fn noise(seed: u64) -> Self {
        let mut frame = Frame([0; PAGE]);
        Rng::with_seed(seed).fill(&mut frame.0);
        frame
    }

    /// A page that shrinks to about a third: a quarter of it is noise, the rest repeats a few words
    /// of it. Another one for every seed.
    #[must_use]
    pub fn mixed(seed: u64) -> Self {
        let mut frame = Frame([0; PAGE]);
        let (noise, rest) = frame.0.split_at_mut(PAGE / 4);
        Rng::with_seed(seed).fill(noise);
        if let Some(repeated) = noise.first_chunk::<16>() {
            rest.chunks_exact_mut(16).for_each(|chunk| chunk.copy_from_slice(repeated));
        }
        frame
    }
}

/// A block device past the page cache: what is read and written reaches its driver at once.
#[derive(Debug)]
pub struct Direct(File);

impl Direct {
    /// Opens one for reading and writing.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn open(node: &Path) -> io::Result<Self> {
        let direct = i32::try_from(OFlags::DIRECT.bits()).map_err(io::Error::other)?;
        let mut options = OpenOptions::new();
        Ok(Direct(options.read(true).write(true).custom_flags(direct).open(node)?))
    }

    /// The device's file.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.0
    }

    /// Writes one page.
    ///
    /// # Errors
    /// Those of pwrite(2), and a short write.
    pub fn write(&self, index: u64, frame: &Frame) -> io::Result<()> {
        self.0.write_all_at(&frame.0, index * PAGE_SIZE)
    }

    /// Reads one page.
    ///
    /// # Errors
    /// Those of pread(2), and a short read.
    pub fn read(&self, index: u64) -> io::Result<Frame> {
        // What is not a page's content in any test shows that nothing was read.
        let mut frame = Frame::filled(0x5555_5555_5555_5555);
        self.0.read_exact_at(&mut frame.0, index * PAGE_SIZE)?;
        Ok(frame)
    }
}

/// The pages of `corpus/NAME.pages.zst`.
///
/// # Errors
/// When the file or the program `zstd` is missing.
pub fn corpus(name: &str) -> io::Result<Vec<Frame>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let path = root.join("corpus").join(format!("{name}.pages.zst"));
    let mut zstd = Command::new("zstd");
    let mut child = zstd.args(["-dcq"]).arg(path).stdout(Stdio::piped()).spawn()?;
    let mut bytes = Vec::new();
    if let Some(mut stdout) = child.stdout.take() {
        stdout.read_to_end(&mut bytes)?;
    }
    if !child.wait()?.success() || bytes.is_empty() {
        return Err(io::Error::other(format!("zstd cannot read the corpus {name}")));
    }
    let (pages, _) = bytes.as_chunks::<PAGE>();
    Ok(pages.iter().map(|page| Frame(*page)).collect())
}
