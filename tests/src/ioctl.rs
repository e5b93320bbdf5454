//! Requests to files that no safe library has.
#![expect(unsafe_code, reason = "there is no safe binding of BLKDISCARD, nor of mmap")]

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::ptr;
use std::slice;

use rustix::fd::AsFd;
use rustix::ioctl::{Opcode, Setter, ioctl, opcode};
use rustix::mm::{MapFlags, MsyncFlags, ProtFlags, mmap, msync, munmap};
use sysfs_compat::abi::kernel::PAGE_SIZE;

const BLKDISCARD: Opcode = opcode::none(0x12, 119);

/// Discards pages of a block device.
///
/// # Errors
/// Those of ioctl(2).
pub fn discard(device: &File, first_page: u64, pages: u64) -> io::Result<()> {
    let range = [first_page * PAGE_SIZE, pages * PAGE_SIZE];
    // SAFETY: BLKDISCARD reads two 64-bit numbers, a start and a length in bytes, through its
    // argument, and writes nothing to memory; `Setter` passes the address of `range`.
    unsafe { ioctl(device.as_fd(), Setter::<BLKDISCARD, [u64; 2]>::new(range))? };
    Ok(())
}

/// Whether the first page of a file can be mapped for reading; it is not looked at.
///
/// # Errors
/// Those of mmap(2).
pub fn try_to_map(file: &File, is_shared: bool) -> io::Result<()> {
    let flags = if is_shared { MapFlags::SHARED } else { MapFlags::PRIVATE };
    Mapped::new(file, 4096, ProtFlags::READ, flags).map(drop)
}

/// Sets the first bytes of a file through a shared mapping.
///
/// # Errors
/// Those of mmap(2) and of msync(2), which waits until they are stored.
pub fn fill_mapped(file: &File, length: usize, byte: u8) -> io::Result<()> {
    let mapped = Mapped::new(file, length, ProtFlags::WRITE, MapFlags::SHARED)?;
    // SAFETY: the mapping has `length` bytes that can be written, and nothing refers to them.
    unsafe { ptr::write_bytes(mapped.place.cast::<u8>(), byte, length) };
    // SAFETY: these are the place and the length of the mapping.
    unsafe { msync(mapped.place, length, MsyncFlags::SYNC)? };
    Ok(())
}

/// How many of the first bytes of a file, seen through a private mapping, are that one. What cannot be
/// read ends the process with SIGBUS.
///
/// # Errors
/// Those of mmap(2).
pub fn count_mapped(file: &File, length: usize, byte: u8) -> io::Result<usize> {
    let mapped = Mapped::new(file, length, ProtFlags::READ, MapFlags::PRIVATE)?;
    // SAFETY: the mapping has `length` bytes that can be read, outlives the slice, and is of a file that
    // nobody writes to: each caller has made the device itself.
    let bytes = unsafe { slice::from_raw_parts(mapped.place.cast::<u8>(), length) };
    Ok(bytes.iter().filter(|&&found| found == byte).count())
}

/// The beginning of a file in memory, until it goes out of scope.
struct Mapped {
    place: *mut c_void,
    length: usize,
}

impl Mapped {
    fn new(file: &File, length: usize, access: ProtFlags, flags: MapFlags) -> io::Result<Self> {
        // SAFETY: the kernel chooses a place where nothing is.
        let place = unsafe { mmap(ptr::null_mut(), length, access, flags, file, 0)? };
        Ok(Mapped { place, length })
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: the place and the length are those of the mapping, to which nothing refers any more.
        let unmapped = unsafe { munmap(self.place, self.length) };
        debug_assert!(unmapped.is_ok(), "munmap of a mapping of our own");
    }
}
