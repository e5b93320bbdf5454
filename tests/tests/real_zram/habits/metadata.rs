//! stat(2), and what changes it.

use std::fs::{self, File, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{Access, XattrFlags};

use super::record::outcome;
use super::{Record, Side};

const FILES: &[&str] = &["mm_stat", "disksize", "reset", "hot_add", "hot_remove"];

pub(super) fn run(side: &Side, record: &mut Record) {
    for file in FILES {
        record.note(format!("stat {file}"), stat(&side.file(file)));
        for (name, access) in [
            ("read", Access::READ_OK),
            ("write", Access::WRITE_OK),
            ("exec", Access::EXEC_OK),
            ("exists", Access::EXISTS),
        ] {
            let result = rustix::fs::access(side.file(file), access);
            record.result(format!("access {file} {name}"), result);
        }
    }
    // How many directories there are in it is another question.
    let directory = fs::metadata(side.directory()).expect("is there");
    let size = (directory.mode(), directory.size(), directory.blocks(), directory.blksize());
    record.result("stat of the directory", Ok::<_, std::io::Error>(size));
    record.note("stat of zram-control", stat(side.control()));
    truncations(side, record);
    changes(side, record);
    extended(side, record);
}

fn stat(path: &Path) -> String {
    outcome(fs::metadata(path).map(|found| {
        let size = (found.size(), found.blocks(), found.blksize());
        (format!("{:o}", found.mode()), found.nlink(), found.uid(), found.gid(), found.rdev(), size)
    }))
}

fn truncations(side: &Side, record: &mut Record) {
    for file in ["mm_stat", "disksize", "reset", ""] {
        for length in [0, 1, 4095, 4096, 4097, i64::from(i32::MAX), 1 << 31, i64::MAX] {
            let beyond = if length > i64::from(i32::MAX) { "beyond 2 GiB: " } else { "" };
            let what = format!("{beyond}truncate {file} to {length}");
            // There is no safe truncate(2): open and ftruncate, which differ in permissions only.
            let opened = fs::OpenOptions::new().write(true).open(side.file(file));
            let length = u64::try_from(length).expect("not negative");
            record.result(what, opened.and_then(|opened| opened.set_len(length)));
        }
        record.note(format!("stat {file} after it"), size(&side.file(file)));
    }
}

fn size(path: &Path) -> String {
    outcome(fs::metadata(path).map(|found| (found.size(), found.blocks())))
}

/// Changed and changed back, with a look at what it makes of open(2).
fn changes(side: &Side, record: &mut Record) {
    for (file, mode) in [("mm_stat", 0o444), ("disksize", 0o644), ("reset", 0o200)] {
        let path = side.file(file);
        for changed in [0o666, 0o200, 0o040, 0o002, 0, 0o7777, mode] {
            let result = fs::set_permissions(&path, Permissions::from_mode(changed));
            record.result(format!("chmod {file} {changed:o}"), result);
            record.note(format!("stat {file} after {changed:o}"), stat(&path));
            let read = File::open(&path).map(|mut open| outcome(open.read(&mut [0; 99])));
            record.result(format!("{file} {changed:o} read"), read);
            let write = fs::OpenOptions::new().write(true).open(&path);
            let write = write.map(|mut open| outcome(open.write(b"0")));
            record.result(format!("{file} {changed:o} write"), write);
        }
        record.result(format!("chown {file}"), chown(&path, Some(7), Some(8)));
        record.note(format!("stat {file} after chown"), stat(&path));
        record.result(format!("chown {file} back"), chown(&path, Some(0), Some(0)));
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let times = fs::FileTimes::new().set_accessed(then).set_modified(then);
        let reach = rustix::fs::OFlags::PATH;
        let handle = rustix::fs::open(&path, reach, rustix::fs::Mode::empty());
        record.result(format!("{file} by path only"), handle.map(drop));
        let times = match File::open(&path).or_else(|_| File::create(&path)) {
            Ok(open) => open.set_times(times),
            Err(error) => Err(error),
        };
        record.result(format!("utimes {file}"), times);
        let found = fs::metadata(&path).map(|found| (found.atime(), found.mtime()));
        record.result(format!("times of {file}"), found);
    }
}

fn extended(side: &Side, record: &mut Record) {
    let path = side.file("disksize");
    for name in ["user.x", "kept: trusted.x", "kept: security.x", "system.x", "nonsense", ""] {
        let attribute = name.trim_start_matches("kept: ");
        let set = rustix::fs::setxattr(&path, attribute, b"1", XattrFlags::empty());
        record.result(format!("{name} setxattr"), set);
        let got = rustix::fs::getxattr(&path, attribute, &mut [0; 9]);
        record.result(format!("{name} getxattr"), got);
        record.result(format!("{name} removexattr"), rustix::fs::removexattr(&path, attribute));
        let got = rustix::fs::getxattr(&path, attribute, &mut [0; 9]);
        record.result(format!("{name} is gone"), got);
    }
    record.result("listxattr", rustix::fs::listxattr(&path, &mut [0_u8; 99]));
    let nothing: &mut [u8] = &mut [];
    record.result("length of listxattr", rustix::fs::listxattr(&path, nothing));
}
