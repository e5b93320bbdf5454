//! The memory under a device, which the caller hands in.

use core::ops::Range;
use core::sync::atomic::AtomicU64;

/// A number that the operating system gave for a failure: `ENOSPC`, `ENOMEM`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Errno(pub i32);

/// Mapped memory that outlives the process, and how to get more of it and to give some back.
///
/// The store touches only what it has grown (and, when it recovers, what is backed), so that an
/// absence of memory is an error of [`grow`](Self::grow) and never a signal.
pub trait Region: Send + Sync {
    /// All of it, mapped for reading and writing, always the same. Never-written memory is zero.
    fn words(&self) -> &[AtomicU64];

    /// Gets memory behind these bytes and keeps what is in it. Multiples of the page size. If it fails,
    /// some of them may have memory; [`punch`](Self::punch) gives that back.
    ///
    /// # Errors
    ///
    /// What the operating system said: there is no more memory.
    fn grow(&self, bytes: Range<u64>) -> Result<(), Errno>;

    /// Gives the memory behind these bytes back; they read as zeros when they are grown again.
    ///
    /// # Errors
    ///
    /// What the operating system said; the memory stays then.
    fn punch(&self, bytes: Range<u64>) -> Result<(), Errno>;

    /// The first stretch of backed memory that ends after `from`, cut to begin there; `None` if there
    /// is no more. Memory that was got and never touched may be left out, as `SEEK_DATA` does.
    ///
    /// # Errors
    ///
    /// What the operating system said: it is not known what is backed.
    fn next_backed(&self, from: u64) -> Result<Option<Range<u64>>, Errno>;
}
