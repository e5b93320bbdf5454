//! The error numbers the contract speaks of, without a system call in sight.

use std::fmt;

/// A positive `errno` value, as a failed read or write of an attribute reports it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Errno(i32);

/// Generates the constants and the look-up table from one list: number, name, `strerror` text.
/// Numbers are those of `asm-generic/errno{-base,}.h`; texts are what glibc prints for them.
macro_rules! errnos {
    ($($number:literal $name:ident $text:literal)*) => {
        impl Errno {
            $(#[doc = concat!("`", stringify!($name), "`: ", $text, ".")]
            pub const $name: Errno = Errno($number);)*
        }
        const TABLE: &[(i32, &str, &str)] = &[$(($number, stringify!($name), $text)),*];
    };
}

errnos! {
    1 EPERM "Operation not permitted"
    2 ENOENT "No such file or directory"
    5 EIO "Input/output error"
    6 ENXIO "No such device or address"
    7 E2BIG "Argument list too long"
    11 EAGAIN "Resource temporarily unavailable"
    12 ENOMEM "Cannot allocate memory"
    13 EACCES "Permission denied"
    15 ENOTBLK "Block device required"
    16 EBUSY "Device or resource busy"
    17 EEXIST "File exists"
    19 ENODEV "No such device"
    20 ENOTDIR "Not a directory"
    21 EISDIR "Is a directory"
    22 EINVAL "Invalid argument"
    27 EFBIG "File too large"
    28 ENOSPC "No space left on device"
    30 EROFS "Read-only file system"
    34 ERANGE "Numerical result out of range"
    36 ENAMETOOLONG "File name too long"
    40 ELOOP "Too many levels of symbolic links"
    95 EOPNOTSUPP "Operation not supported"
    103 ECONNABORTED "Software caused connection abort"
    107 ENOTCONN "Transport endpoint is not connected"
    110 ETIMEDOUT "Connection timed out"
}

impl Errno {
    /// Wraps a raw value; the sign is dropped, so both `22` and the kernel's `-22` are `EINVAL`.
    #[must_use]
    pub const fn from_raw(value: i32) -> Self {
        Errno(value.saturating_abs())
    }

    /// The positive number.
    #[must_use]
    pub const fn raw(self) -> i32 {
        self.0
    }

    /// The symbolic name (`"EBUSY"`), or `None` for a number the contract never meets.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        self.row().map(|&(_, name, _)| name)
    }

    fn row(self) -> Option<&'static (i32, &'static str, &'static str)> {
        TABLE.iter().find(|(number, _, _)| *number == self.0)
    }
}

/// The `strerror` text, which is what util-linux prints after its own words.
impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.row() {
            Some((_, _, text)) => f.write_str(text),
            None => write!(f, "Unknown error {}", self.0),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "Errno({})", self.0),
        }
    }
}

impl std::error::Error for Errno {}

impl From<Errno> for std::io::Error {
    fn from(errno: Errno) -> Self {
        std::io::Error::from_raw_os_error(errno.0)
    }
}

impl From<&std::io::Error> for Errno {
    /// An error that did not come from the system (none does, in this crate) counts as `EIO`.
    fn from(error: &std::io::Error) -> Self {
        error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table against the C library of the machine: number -> text.
    #[test]
    fn texts_are_the_c_librarys() {
        for &(number, name, text) in TABLE {
            let system = std::io::Error::from_raw_os_error(number).to_string();
            assert_eq!(system, format!("{text} (os error {number})"), "{name}");
        }
    }

    #[test]
    fn both_signs_name_the_same_error() {
        assert_eq!(Errno::from_raw(-16), Errno::EBUSY);
        assert_eq!(Errno::from_raw(16).name(), Some("EBUSY"));
        assert_eq!(Errno::from_raw(i32::MIN).raw(), i32::MAX);
        assert_eq!(Errno::from_raw(9999).to_string(), "Unknown error 9999");
    }
}
