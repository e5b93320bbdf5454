//! Compressed pages in memory that outlives the process.
//!
//! A [`Device`] keeps pages of 4 KiB by their index in a [`Region`] of memory that the caller hands
//! in. Each thread that moves pages has a [`QueueStore`]. Its reads, writes and discards allocate
//! nothing and wait for nobody but a thread that is copying a page: the one they want, or at the limit
//! of memory one that is on its way into a span they must empty. The one system call among them gives
//! the processor away when that takes long.
//!
//! A process that works on a device may be killed between any two instructions. Whoever opens the
//! region afterwards with [`Device::recover`] finds every page for which [`QueueStore::write`] has
//! answered [`Written::Done`].
//!
//! ```
//! use std::ops::Range;
//! use std::sync::atomic::{AtomicU64, Ordering};
//!
//! use trueno_zram_core::{Algorithm, CompressorBuilder};
//! use trueno_zram_store::{Codecs, Device, Errno, Layout, Options, Region, Written};
//!
//! /// Plain memory: it does not outlive the process, and all of it is there from the start.
//! struct Plain(Vec<AtomicU64>);
//!
//! impl Region for Plain {
//!     fn words(&self) -> &[AtomicU64] {
//!         &self.0
//!     }
//!     fn grow(&self, _: Range<u64>) -> Result<(), Errno> {
//!         Ok(())
//!     }
//!     fn punch(&self, bytes: Range<u64>) -> Result<(), Errno> {
//!         let words = &self.0[bytes.start as usize / 8..bytes.end as usize / 8];
//!         words.iter().for_each(|word| word.store(0, Ordering::Relaxed));
//!         Ok(())
//!     }
//!     fn next_backed(&self, from: u64) -> Result<Option<Range<u64>>, Errno> {
//!         Ok(Some(from..self.0.len() as u64 * 8).filter(|bytes| !bytes.is_empty()))
//!     }
//! }
//!
//! let pages = 1024;
//! let words = Layout::new(pages, false)?.region_bytes() / 8;
//! let region = Plain((0..words).map(|_| AtomicU64::new(0)).collect());
//! let codec = CompressorBuilder::new().algorithm(Algorithm::Wm).build().expect("a codec");
//! let device = Device::format(region, pages, Options::default(), Codecs::new(codec))?;
//! device.maintain();
//!
//! let mut queue = device.queue()?;
//! let page = [7; 4096];
//! assert_eq!(queue.write(5, &page)?, Written::Done);
//! let mut back = [0; 4096];
//! queue.read(5, &mut back)?;
//! assert_eq!(back, page);
//! assert_eq!(device.mm_stat().same_pages, 1);
//! # Ok::<(), trueno_zram_store::Error>(())
//! ```
//!
//! ```text
//! write.rs   same-filled? -> compress -> place -> slot -> free the old     the way of a page
//! read.rs    slot -> copy -> decompress                                    and back
//! slot.rs, table.rs      what the table says of a page; how it changes
//! arena.rs, span.rs      where objects lie; which part is whose
//! space.rs, holes.rs     finding a place, taking one back, moving objects together
//! device.rs, queue.rs    what is shared, what is a thread's own
//! statistics.rs          what its memory says of a device, to any process
//! recover.rs, verify.rs  after a kill; looking at everything
//! ```

#![forbid(unsafe_code)]

mod arena;
mod compact;
mod counters;
mod device;
mod discard;
mod error;
mod header;
mod holes;
mod layout;
mod queue;
mod read;
mod recompress;
mod recover;
mod region;
pub mod slot;
mod space;
pub mod span;
mod statistics;
pub mod table;
mod verify;
pub mod word;
mod write;

pub use arena::{GRANULE, Place, granules};
pub use compact::{Compaction, Progress};
pub use device::{Codecs, Device, Idle, Maintained, Options};
pub use error::Error;
pub use header::{Header, Id, MOST_PARAMETERS};
pub use layout::{Layout, MOST_PAGES, MOST_THREADS};
pub use queue::QueueStore;
pub use recompress::{Recompress, Recompression, Selection};
pub use recover::Recovery;
pub use region::{Errno, Region};
pub use statistics::{BlockState, IoStat, MmStat, Overhead, Statistics};
pub use trueno_zram_core::{PAGE_SIZE, Page};
pub use verify::{MOST_REPORTED, Verified};
pub use write::{HUGE_FROM, Written};
