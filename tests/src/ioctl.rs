//! Requests to block devices that no safe library has.
#![expect(unsafe_code, reason = "there is no safe binding of BLKDISCARD")]

use std::fs::File;
use std::io;

use rustix::fd::AsFd;
use rustix::ioctl::{Opcode, Setter, ioctl, opcode};
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
