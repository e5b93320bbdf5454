//! Nothing is made, renamed or taken away.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, RenameFlags};

use super::{Record, Side};

pub(super) fn run(side: &Side, record: &mut Record) {
    let (file, missing) = (side.file("disksize"), side.file("nonsense"));
    let directory = side.directory();
    let all: [(&str, &Path); 4] = [
        ("file", &file),
        ("missing", &missing),
        ("directory", &directory),
        ("control", side.control()),
    ];
    for (name, path) in all {
        record.result(format!("mkdir {name}"), fs::create_dir(path));
        record.result(format!("unlink {name}"), fs::remove_file(path));
        record.result(format!("rmdir {name}"), fs::remove_dir(path));
        record.result(format!("symlink {name}"), symlink("x", path));
        record.result(format!("readlink {name}"), fs::read_link(path));
        for (kind_name, kind) in [("file", FileType::RegularFile), ("fifo", FileType::Fifo)] {
            let made = rustix::fs::mknodat(CWD, path, kind, Mode::from(0o600), 0);
            record.result(format!("mknod {name} as a {kind_name}"), made);
        }
        record.result(format!("readdir {name}"), fs::read_dir(path).map(drop));
        let opened = fs::File::open(path);
        record.result(format!("fsync {name}"), opened.and_then(|opened| opened.sync_all()));
        let opened = fs::File::open(path);
        let mut buffer = [0; 9];
        let read = opened.and_then(|mut opened| std::io::Read::read(&mut opened, &mut buffer));
        record.result(format!("read {name}"), read);
    }
    for (from_name, from) in all {
        for (to_name, to) in all {
            let what = format!("{from_name} {to_name}");
            record.result(format!("link {what}"), fs::hard_link(from, to));
            for (flag_name, flags) in [
                ("", RenameFlags::empty()),
                ("noreplace", RenameFlags::NOREPLACE),
                ("exchange", RenameFlags::EXCHANGE),
            ] {
                let renamed = rustix::fs::renameat_with(CWD, from, CWD, to, flags);
                record.result(format!("rename {what} {flag_name}"), renamed);
            }
        }
    }
    record.result("and all is there", fs::read_to_string(&file));
}
