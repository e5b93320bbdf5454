//! A request, parsed once from the kernel's descriptor.

use std::ops::Range;

use rustix::io::Errno;
use trueno_zram_store::PAGE_SIZE;

use super::uapi::{self, IoDesc};

/// Bytes of the block layer's unit.
pub const SECTOR: u64 = 512;
const SECTORS: u64 = PAGE_SIZE as u64 / SECTOR;

/// What the kernel wants done, with indices of pages of 4 KiB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// To be read.
    Read(Range<u64>),
    /// To be written.
    Write {
        /// Which pages.
        pages: Range<u64>,
        /// The kernel swaps: it keeps a page whose write fails, and goes on.
        is_swap: bool,
    },
    /// To be forgotten.
    Discard(Range<u64>),
    /// Nothing is held back, so there is nothing to do.
    Flush,
}

impl Request {
    /// Reads a descriptor for a device of `device_pages` pages whose requests carry up to
    /// `most_pages`.
    ///
    /// # Errors
    ///
    /// What to answer to a request that the device's parameters do not allow: `EINVAL` if it is not of
    /// whole pages inside the device or carries too many, `EOPNOTSUPP` for another operation.
    pub fn parse(desc: IoDesc, device_pages: u64, most_pages: u64) -> Result<Self, Errno> {
        let operation = desc.op_flags & 0xff;
        if operation == uapi::OP_FLUSH {
            return Ok(Self::Flush);
        }
        let (first, count) = (desc.start_sector, u64::from(desc.nr_sectors));
        let end = first.checked_add(count).ok_or(Errno::INVAL)?;
        let pages = first / SECTORS..end / SECTORS;
        let is_whole = first.is_multiple_of(SECTORS) && end.is_multiple_of(SECTORS);
        if !is_whole || pages.is_empty() || pages.end > device_pages {
            return Err(Errno::INVAL);
        }
        let fits = pages.end - pages.start <= most_pages;
        match operation {
            uapi::OP_READ if fits => Ok(Self::Read(pages)),
            uapi::OP_WRITE if fits => {
                Ok(Self::Write { pages, is_swap: desc.op_flags & uapi::IO_F_SWAP != 0 })
            }
            uapi::OP_READ | uapi::OP_WRITE => Err(Errno::INVAL),
            uapi::OP_DISCARD | uapi::OP_WRITE_ZEROES => Ok(Self::Discard(pages)),
            _ => Err(Errno::OPNOTSUPP),
        }
    }

    /// The pages that it is about.
    #[must_use]
    pub fn pages(&self) -> Range<u64> {
        match self {
            Self::Read(pages) | Self::Write { pages, .. } | Self::Discard(pages) => pages.clone(),
            Self::Flush => 0..0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn desc(op_flags: u32, start_sector: u64, nr_sectors: u32) -> IoDesc {
        IoDesc { op_flags, nr_sectors, start_sector, addr: 0 }
    }

    #[test]
    fn what_the_kernel_sends_is_understood() {
        let parse = |op, start, count| Request::parse(desc(op, start, count), 100, 16);
        assert_eq!(parse(uapi::OP_READ, 8, 16), Ok(Request::Read(1..3)));
        let write = |is_swap| Ok(Request::Write { pages: 0..16, is_swap });
        assert_eq!(parse(uapi::OP_WRITE | 1 << 11, 0, 128), write(false));
        assert_eq!(parse(uapi::OP_WRITE | uapi::IO_F_SWAP, 0, 128), write(true));
        assert_eq!(parse(uapi::OP_DISCARD, 0, 800), Ok(Request::Discard(0..100)));
        assert_eq!(parse(uapi::OP_WRITE_ZEROES, 792, 8), Ok(Request::Discard(99..100)));
        assert_eq!(parse(uapi::OP_FLUSH, 0, 0), Ok(Request::Flush));
    }

    #[test]
    fn what_the_device_does_not_allow_is_refused() {
        let refused = |op, start, count, errno| {
            assert_eq!(Request::parse(desc(op, start, count), 100, 16), Err(errno));
        };
        refused(uapi::OP_READ, 0, 136, Errno::INVAL);
        refused(uapi::OP_READ, 0, 0, Errno::INVAL);
        refused(uapi::OP_READ, 1, 8, Errno::INVAL);
        refused(uapi::OP_WRITE, 0, 7, Errno::INVAL);
        refused(uapi::OP_WRITE, 800, 8, Errno::INVAL);
        refused(uapi::OP_DISCARD, 792, 16, Errno::INVAL);
        refused(uapi::OP_READ, !7, 8, Errno::INVAL);
        refused(4, 0, 8, Errno::OPNOTSUPP);
        refused(255, 0, 8, Errno::OPNOTSUPP);
    }

    #[test]
    fn whatever_comes_is_inside_the_device_or_refused() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut accepted = 0;
        for _ in 0..200_000 {
            let most = |bits: u32, random: &mut fastrand::Rng| random.u64(..) >> (64 - bits);
            let bits = random.u32(1..=64);
            let start = most(bits, &mut random);
            let count = most(random.u32(1..=32), &mut random);
            let random_desc = IoDesc {
                op_flags: random.u32(..8) | random.u32(..) & !0xff,
                nr_sectors: u32::try_from(count).expect("32 bits"),
                start_sector: start & if random.bool() { !7 } else { !0 },
                addr: random.u64(..),
            };
            let Ok(request) = Request::parse(random_desc, 1 << 20, 16) else { continue };
            let pages = request.pages();
            assert!(pages.start <= pages.end && pages.end <= 1 << 20, "{random_desc:?}");
            let carries = matches!(request, Request::Read(_) | Request::Write { .. });
            assert!(!carries || pages.end - pages.start <= 16, "{random_desc:?}");
            accepted += 1;
        }
        assert!(accepted > 1000, "only {accepted} were accepted");
    }
}
