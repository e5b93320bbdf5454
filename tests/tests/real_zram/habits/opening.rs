//! open(2): every access mode with every flag, on a file of every mode.

use rustix::fs::{Mode, OFlags, open};

use super::{Record, Side};

/// A file of every mode, two directories, and what does not exist.
const FILES: &[&str] =
    &["mm_stat", "disksize", "mem_limit", "hot_add", "hot_remove", "", "nonsense", "mm_stat/below"];

/// No direction at all is an access mode too.
const NOTHING: OFlags = OFlags::from_bits_retain(3);

const ACCESS: &[(&str, OFlags)] = &[
    ("rdonly", OFlags::RDONLY),
    ("wronly", OFlags::WRONLY),
    ("rdwr", OFlags::RDWR),
    ("neither", NOTHING),
];

const FLAGS: &[(&str, OFlags)] = &[
    ("", OFlags::empty()),
    ("trunc", OFlags::TRUNC),
    ("append", OFlags::APPEND),
    ("creat", OFlags::CREATE),
    ("creat,trunc", OFlags::CREATE.union(OFlags::TRUNC)),
    ("creat,excl", OFlags::CREATE.union(OFlags::EXCL)),
    ("directory", OFlags::DIRECTORY),
    ("direct", OFlags::DIRECT),
    ("sync", OFlags::SYNC),
    ("nonblock", OFlags::NONBLOCK),
    ("noatime", OFlags::NOATIME),
    ("path", OFlags::PATH),
    ("tmpfile", OFlags::TMPFILE),
];

pub(super) fn run(side: &Side, record: &mut Record) {
    for file in FILES {
        for (access, mode) in ACCESS {
            for (name, flags) in FLAGS {
                let opened = open(side.file(file), *mode | *flags, Mode::from(0o600));
                record.result(format!("open {file} {access} {name}"), opened.map(drop));
            }
        }
    }
    record.result("no device is made", Ok::<_, std::io::Error>(side.numbers()));
}
