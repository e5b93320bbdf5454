//! What can go wrong.

use core::fmt;

use crate::region::Errno;

/// Why a device was not made or taken over, or a page neither written nor read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A device of so many pages cannot be.
    Size {
        /// How many were asked for.
        pages: u64,
    },
    /// The region does not begin with our mark, but with this word.
    Foreign(u64),
    /// The region was written by a later version of this program, with a format of this number.
    Version(u64),
    /// The region's first page is damaged.
    Header(&'static str),
    /// The region is smaller than its first page says that it is.
    Truncated {
        /// How many bytes it has.
        got: u64,
        /// How many it should have.
        needed: u64,
    },
    /// The text of parameters is longer than [`MOST_PARAMETERS`](crate::MOST_PARAMETERS).
    Parameters {
        /// How many bytes it has.
        len: usize,
    },
    /// All of the [`MOST_THREADS`](crate::MOST_THREADS) threads that a device may have are taken.
    Threads,
    /// The device keeps no access times.
    NoTimes,
    /// The page is behind the device's end.
    OutOfRange {
        /// Its index.
        page: u64,
    },
    /// The memory limit is reached; the page is as it was.
    Limit,
    /// Growing was refused; the page is as it was.
    Memory(Errno),
    /// It cannot be told which of the region has memory.
    Backing(Errno),
    /// What is stored for the page is damaged.
    Damaged {
        /// The page.
        page: u32,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The device has no codec of this priority.
    NoCodec {
        /// The priority.
        priority: u8,
    },
    /// A codec failed.
    Codec,
}

impl Error {
    /// The error number of Linux, positive, with which a request or a store of an attribute is
    /// answered that failed in this way.
    ///
    /// | errors | number |
    /// |---|---|
    /// | `Size`, `Parameters`, `NoTimes`, `NoCodec`, `Foreign` | 22, `EINVAL` |
    /// | `Version` | 95, `EOPNOTSUPP` |
    /// | `Header`, `Truncated` | 117, `EUCLEAN`: what file systems say of damage |
    /// | `Threads` | 16, `EBUSY` |
    /// | `OutOfRange`, `Damaged`, `Codec` | 5, `EIO` |
    /// | `Limit` | 28, `ENOSPC` |
    /// | `Memory`, `Backing` | what the operating system said |
    #[must_use]
    pub const fn errno(&self) -> i32 {
        match *self {
            Self::Size { .. }
            | Self::Parameters { .. }
            | Self::NoTimes
            | Self::NoCodec { .. }
            | Self::Foreign(_) => EINVAL,
            Self::Version(_) => EOPNOTSUPP,
            Self::Header(_) | Self::Truncated { .. } => EUCLEAN,
            Self::Threads => EBUSY,
            Self::OutOfRange { .. } | Self::Damaged { .. } | Self::Codec => EIO,
            Self::Limit => ENOSPC,
            Self::Memory(Errno(errno)) | Self::Backing(Errno(errno)) => errno,
        }
    }
}

// The numbers of asm-generic/errno-base.h and errno.h, which x86-64 and AArch64 use.
const EIO: i32 = 5;
const EBUSY: i32 = 16;
const EINVAL: i32 = 22;
/// What the operating system would say if it were its memory that is used up, not the arena.
pub(crate) const ENOSPC: i32 = 28;
const EOPNOTSUPP: i32 = 95;
const EUCLEAN: i32 = 117;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Size { pages } => {
                write!(f, "a device has 1 to {} pages, not {pages}", crate::MOST_PAGES)
            }
            Self::Foreign(0) => f.write_str("this memory holds no device: it is empty"),
            Self::Foreign(_) => f.write_str("this memory holds something else than a device"),
            Self::Version(version) => write!(
                f,
                "the device's memory has format {version}, of a later version of this program; \
                 this one reads format 1"
            ),
            Self::Header(what) => write!(f, "the first page of the device's memory: {what}"),
            Self::Truncated { got, needed } => {
                write!(f, "the device's memory has {got} bytes, and should have {needed}")
            }
            Self::Parameters { len } => write!(
                f,
                "the device's parameters have {len} bytes; there is room for {}",
                crate::MOST_PARAMETERS
            ),
            Self::Threads => {
                write!(f, "the device has {} threads already", crate::MOST_THREADS)
            }
            Self::NoTimes => f.write_str("the device keeps no access times"),
            Self::OutOfRange { page } => write!(f, "page {page} is behind the device's end"),
            Self::Limit => f.write_str("the device's memory limit is reached"),
            Self::Memory(errno) => {
                write!(f, "no more memory for the device (error {})", errno.0)
            }
            Self::Backing(errno) => write!(
                f,
                "it cannot be told which of the device's memory is there (error {})",
                errno.0
            ),
            Self::Damaged { page, what } => write!(f, "page {page} is damaged: {what}"),
            Self::NoCodec { priority } => {
                write!(f, "the device has no codec of priority {priority}")
            }
            Self::Codec => f.write_str("a codec failed"),
        }
    }
}

impl std::error::Error for Error {}
