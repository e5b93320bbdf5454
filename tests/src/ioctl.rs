//! Requests to files that no safe library has.
#![expect(unsafe_code, reason = "there is no safe binding of BLKDISCARD, nor of mmap")]

use std::fs::File;
use std::io;
use std::ptr;

use rustix::fd::AsFd;
use rustix::ioctl::{Opcode, Setter, ioctl, opcode};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
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
    const LENGTH: usize = 4096;
    let flags = if is_shared { MapFlags::SHARED } else { MapFlags::PRIVATE };
    // SAFETY: the kernel chooses a place where nothing is, and nothing is read there.
    let place = unsafe { mmap(ptr::null_mut(), LENGTH, ProtFlags::READ, flags, file, 0)? };
    // SAFETY: the place and the length are those of the mapping above, to which nothing refers.
    unsafe { munmap(place, LENGTH)? };
    Ok(())
}
