//! What a device stands on: the backend that keeps its pages, and what it is set up with.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::super::algorithm::{AlgorithmParams, PRIORITIES};
use super::super::errno::Errno;
use super::super::kernel::Kernel;
use super::super::request::{Idle, Recompress, Writeback};
use super::super::stat::{BdStat, DebugStat, IoStat, MmStat};

/// What the state machine needs from whatever keeps the pages.
pub trait Backend {
    /// Whether somebody has the block device open (a mount or a swap area counts).
    fn is_open(&self) -> bool;

    /// Makes room for `setup.disksize` bytes.
    ///
    /// # Errors
    /// See [`CreateError`]; nothing is left behind.
    fn create(&mut self, setup: &Setup) -> Result<(), CreateError>;

    /// Drops all pages, zeroes all statistics and lets go of the backing device.
    ///
    /// # Errors
    /// `EBUSY` when somebody has opened the block device since [`is_open`](Self::is_open) was asked;
    /// nothing has happened then.
    fn destroy(&mut self) -> Result<(), Errno>;

    /// `mm_stat`; the limit column is filled in by the caller.
    fn memory(&self) -> MmStat;

    /// `io_stat`.
    fn io(&self) -> IoStat;

    /// `debug_stat`.
    fn debug(&self) -> DebugStat;

    /// Memory may grow up to `bytes` from now on (0: without limit).
    ///
    /// # Errors
    /// The kernel has none; a device that is served by another process can fail to reach it.
    fn limit_memory(&mut self, bytes: u64) -> Result<(), Errno>;

    /// The peak of memory used starts again from what is used now.
    ///
    /// # Errors
    /// As [`limit_memory`](Self::limit_memory).
    fn reset_peak(&mut self) -> Result<(), Errno>;

    /// Gives back memory that fragmentation holds.
    ///
    /// # Errors
    /// As [`limit_memory`](Self::limit_memory).
    fn compact(&mut self) -> Result<(), Errno>;

    /// Marks pages idle, and unmarks those that are not when an age is given.
    ///
    /// # Errors
    /// As [`limit_memory`](Self::limit_memory).
    fn mark_idle(&mut self, idle: Idle) -> Result<(), Errno>;

    /// Compresses pages again with the algorithms of `slots`, in turn.
    ///
    /// # Errors
    /// The first one met; what was done before it stays.
    fn recompress(&mut self, request: &Recompress, slots: Range<usize>) -> Result<(), Errno>;

    /// Reads a dictionary.
    ///
    /// # Errors
    /// Any; all of them come out as `EINVAL`.
    fn dictionary(&mut self, path: &[u8]) -> Result<Vec<u8>, Errno>;

    /// Opens a backing device in place of the one before and returns the path to show.
    ///
    /// # Errors
    /// Those of open(2), `ENOTBLK`, `EINVAL`; the one before stays.
    fn attach(&mut self, path: &[u8]) -> Result<Vec<u8>, Errno>;

    /// `bd_stat`.
    fn backing(&self) -> BdStat;

    /// Moves pages to the backing device. `budget` is what may still be written, in units of
    /// 4 KiB, and is counted down; `None` is without limit.
    ///
    /// # Errors
    /// `EIO` when the budget is used up, `ENOSPC`; what was moved before stays moved.
    fn writeback(&mut self, items: &[Writeback], budget: Option<&mut u64>) -> Result<(), Errno>;
}

/// Handles of one backend, for devices that are cloned: each call has it for itself.
impl<B: Backend> Backend for Arc<Mutex<B>> {
    fn is_open(&self) -> bool {
        whole(self).is_open()
    }

    fn create(&mut self, setup: &Setup) -> Result<(), CreateError> {
        whole(self).create(setup)
    }

    fn destroy(&mut self) -> Result<(), Errno> {
        whole(self).destroy()
    }

    fn memory(&self) -> MmStat {
        whole(self).memory()
    }

    fn io(&self) -> IoStat {
        whole(self).io()
    }

    fn debug(&self) -> DebugStat {
        whole(self).debug()
    }

    fn limit_memory(&mut self, bytes: u64) -> Result<(), Errno> {
        whole(self).limit_memory(bytes)
    }

    fn reset_peak(&mut self) -> Result<(), Errno> {
        whole(self).reset_peak()
    }

    fn compact(&mut self) -> Result<(), Errno> {
        whole(self).compact()
    }

    fn mark_idle(&mut self, idle: Idle) -> Result<(), Errno> {
        whole(self).mark_idle(idle)
    }

    fn recompress(&mut self, request: &Recompress, slots: Range<usize>) -> Result<(), Errno> {
        whole(self).recompress(request, slots)
    }

    fn dictionary(&mut self, path: &[u8]) -> Result<Vec<u8>, Errno> {
        whole(self).dictionary(path)
    }

    fn attach(&mut self, path: &[u8]) -> Result<Vec<u8>, Errno> {
        whole(self).attach(path)
    }

    fn backing(&self) -> BdStat {
        whole(self).backing()
    }

    fn writeback(&mut self, items: &[Writeback], budget: Option<&mut u64>) -> Result<(), Errno> {
        whole(self).writeback(items, budget)
    }
}

/// A backend whose last user panicked is what it is; its next user gets it all the same.
fn whole<B>(shared: &Mutex<B>) -> MutexGuard<'_, B> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a device is made from when `disksize` is written.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Bytes, a multiple of the page size.
    pub disksize: u64,
    /// The primary algorithm and those to recompress with.
    pub algorithms: [Option<String>; PRIORITIES],
    /// Parameters of each; algorithm and slot in them have served their purpose.
    pub params: [AlgorithmParams; PRIORITIES],
    /// Dictionaries of each.
    pub dictionaries: [Vec<u8>; PRIORITIES],
    /// Whether pages are written back compressed.
    pub compressed_writeback: bool,
}

/// Why a device could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateError {
    /// No memory for the page table. The settings stay.
    Table,
    /// The compressor could not be set up: algorithms and parameters are forgotten.
    Compressor(Errno),
    /// Whoever serves the device could not make it. The kernel's driver has nothing of the kind. The
    /// settings stay.
    Served(Errno),
}

impl Setup {
    pub(super) fn fresh(kernel: &Kernel) -> Self {
        let mut algorithms = [const { None }; PRIORITIES];
        if let Some(primary) = algorithms.first_mut() {
            *primary = Some(kernel.default_algorithm.clone());
        }
        Setup {
            disksize: 0,
            algorithms,
            params: Default::default(),
            dictionaries: Default::default(),
            compressed_writeback: false,
        }
    }
}
