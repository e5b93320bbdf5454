//! A block device, the kernel's zram above all, driven in several ways.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::FallocateFlags;

use trueno_zram_store::Page;

use crate::Result;
use crate::image::{BLOCK, Block, Image};
use crate::lane::{Lane, Subject};
use crate::ring::{Part, Ring};

const PAGE: usize = 4096;

/// How requests are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    /// Pages in a request. Single pages are moved in the shuffled order, more in their own.
    pub(crate) pages: usize,
    /// How deep io_uring's queue is; `None` for pread and pwrite.
    pub(crate) depth: Option<u32>,
}

impl Way {
    const fn calls(pages: usize) -> Self {
        Self { pages, depth: None }
    }

    const fn ring(pages: usize, depth: u32) -> Self {
        Self { pages, depth: Some(depth) }
    }

    /// Those for single pages, which is what our store is called with.
    pub(crate) const SINGLE: [Self; 5] =
        [Self::calls(1), Self::ring(1, 1), Self::ring(1, 8), Self::ring(1, 32), Self::ring(1, 128)];
    /// Those for many pages at once, which spare the kernel most of its way.
    pub(crate) const LARGE: [Self; 5] = [
        Self::calls(16),
        Self::calls(BLOCK),
        Self::ring(16, 1),
        Self::ring(16, 16),
        Self::ring(BLOCK, 1),
    ];
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pages * 4 {
            kib @ ..1024 => write!(f, "{kib} KiB, ")?,
            kib => write!(f, "{} MiB, ", kib / 1024)?,
        }
        match self.depth {
            Some(depth) => write!(f, "io_uring depth {depth}"),
            None => f.write_str("pread, pwrite"),
        }
    }
}

/// A device that may be overwritten.
pub(crate) struct BlockDevice {
    path: PathBuf,
    file: File,
}

impl BlockDevice {
    /// Opens one that holds at least the image.
    pub(crate) fn open(path: &Path, image: &Image) -> Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).custom_flags(libc::O_DIRECT).open(path)?;
        let bytes = rustix::fs::seek(&file, rustix::fs::SeekFrom::End(0))?;
        match bytes < (image.pages() * PAGE) as u64 {
            true => Err(format!("{} is too small", path.display()).into()),
            false => Ok(Self { path: path.to_owned(), file }),
        }
    }

    /// Frees all pages.
    pub(crate) fn clear(&self) -> Result {
        let bytes = rustix::fs::seek(&self.file, rustix::fs::SeekFrom::End(0))?;
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        Ok(rustix::fs::fallocate(&self.file, flags, 0, bytes)?)
    }

    /// Writes one page, which lies as O_DIRECT wants it.
    pub(crate) fn write_page(&self, at: u64, data: &Page) -> Result {
        Ok(self.file.write_all_at(data, at * PAGE as u64)?)
    }

    /// The numbers of zram's `mm_stat`.
    pub(crate) fn mm_stat(&self) -> Result<Vec<u64>> {
        let name = self.path.file_name().unwrap_or_default();
        let text = fs::read_to_string(Path::new("/sys/block").join(name).join("mm_stat"))?;
        Ok(text.split_whitespace().map(str::parse).collect::<std::result::Result<_, _>>()?)
    }

    /// Lanes that write in one way and read in another; both with requests of the same size, or there
    /// would be two orders of pages.
    pub(crate) fn subject<'a>(
        &'a self,
        name: impl fmt::Display,
        image: &'a Image,
        [write, read]: [Way; 2],
        threads: usize,
    ) -> Result<Subject<'a>> {
        let end = |way: Way| {
            Ok::<_, crate::Failure>(match way.depth {
                Some(depth) => End::Ring(way.pages, Box::new(Ring::new(&self.file, image, depth)?)),
                None => End::Calls(way.pages, &self.file),
            })
        };
        let lane = |_| -> Result<Box<dyn Lane + 'a>> {
            let (write, read) = (end(write)?, end(read)?);
            Ok(Box::new(DeviceLane { device: self, image, write, read, out: Block::boxed() }))
        };
        let lanes = (0..threads).map(lane).collect::<Result<_>>()?;
        Ok(Subject::new(name.to_string(), lanes))
    }
}

/// One direction of a lane: how many pages a request has, and what takes it.
enum End<'a> {
    Calls(usize, &'a File),
    Ring(usize, Box<Ring<'a>>),
}

impl End<'_> {
    fn pages(&self) -> usize {
        match self {
            Self::Calls(pages, _) | Self::Ring(pages, _) => *pages,
        }
    }
}

struct DeviceLane<'a> {
    device: &'a BlockDevice,
    image: &'a Image,
    write: End<'a>,
    read: End<'a>,
    out: Box<Block>,
}

/// The requests for the block `at`, with the image's `block` to write there.
fn parts(image: &Image, at: usize, block: usize, pages: usize) -> impl Iterator<Item = Part> {
    (0..BLOCK).step_by(pages).map(move |first| {
        let page = match pages {
            1 => image.order[at * BLOCK + first] as usize,
            _ => at * BLOCK + first,
        };
        Part { block, from: first * PAGE, len: pages * PAGE, offset: (page * PAGE) as u64 }
    })
}

impl Lane for DeviceLane<'_> {
    fn image(&self) -> &Image {
        self.image
    }

    fn enter(&mut self, cpu: usize) -> Result {
        for end in [&mut self.write, &mut self.read] {
            if let End::Ring(_, ring) = end {
                ring.stay_on(cpu)?;
            }
        }
        Ok(())
    }

    fn clear(&mut self) -> Result {
        self.device.clear()
    }

    fn write_page(&mut self, at: usize, from: usize) -> Result {
        let offset = u64::from(self.image.order[at]) * PAGE as u64;
        Ok(self.device.file.write_all_at(self.image.page(from), offset)?)
    }

    fn read_page(&mut self, at: usize, into: usize) -> Result {
        let offset = u64::from(self.image.order[at]) * PAGE as u64;
        Ok(self.device.file.read_exact_at(&mut self.out.0[into], offset)?)
    }

    fn write(&mut self, at: usize, from: usize) -> Result {
        let parts = parts(self.image, at, from, self.write.pages());
        match &mut self.write {
            End::Ring(_, ring) => ring.write(parts)?,
            End::Calls(_, file) => {
                for Part { block, from, len, offset } in parts {
                    let bytes = self.image.blocks[block].bytes();
                    file.write_all_at(&bytes[from..from + len], offset)?;
                }
            }
        }
        Ok(())
    }

    fn read(&mut self, at: usize) -> Result {
        let parts = parts(self.image, at, at, self.read.pages());
        match &mut self.read {
            End::Ring(_, ring) => ring.read(parts)?,
            End::Calls(_, file) => {
                for Part { from, len, offset, .. } in parts {
                    file.read_exact_at(&mut self.out.bytes_mut()[from..from + len], offset)?;
                }
            }
        }
        Ok(())
    }

    fn out(&self) -> &Block {
        match &self.read {
            End::Ring(_, ring) => &ring.out,
            End::Calls(..) => &self.out,
        }
    }
}
