//! Writes: of any length, at any place, in parts.

use std::fs::{File, OpenOptions};
use std::io::{IoSlice, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;

use super::record::outcome;
use super::{Record, Side};

/// Longer than one request of FUSE's can be.
const LONGEST: usize = (2 << 20) + 1;

/// Pages that one request of FUSE's can take data from (`max_pages_limit`).
const BUFFERS: usize = 256;

pub(super) fn run(side: &Side, record: &mut Record) {
    lengths(side, record);
    places(side, record);
    parts(side, record);
    texts(side, record);
    syncs(side, record);
}

fn open(side: &Side, file: &str) -> File {
    OpenOptions::new().write(true).open(side.file(file)).expect("it opens")
}

/// A result, and where the file is after it.
fn note(record: &mut Record, what: String, file: &mut File, result: std::io::Result<usize>) {
    let place = file.stream_position();
    record.note(what, format!("{} at {}", outcome(result), outcome(place)));
}

/// One number, then blanks or digits.
fn lengths(side: &Side, record: &mut Record) {
    for length in [0, 1, 2, 4095, 4096, 4097, 8191, 8192, 8193, 65536, 1 << 20, LONGEST] {
        for (name, filler) in [("mem_limit", b' '), ("mem_used_max", b'0'), ("reset", b'1')] {
            let mut text = vec![filler; length];
            if let Some(first) = text.first_mut().filter(|first| **first == b' ') {
                *first = b'7';
            }
            let mut file = open(side, name);
            let result = file.write(&text);
            note(record, format!("write {length} bytes to {name}"), &mut file, result);
        }
    }
    record.result("mm_stat after it", std::fs::read_to_string(side.file("mm_stat")));
}

/// Offsets below and beyond what sysfs knows.
const PLACES: &[(&str, &[u64])] = &[
    ("", &[0, 1, 4095, 4096, (1 << 31) - 20]),
    ("beyond 2 GiB: ", &[1 << 40, i64::MAX as u64 - 4096]),
];

fn places(side: &Side, record: &mut Record) {
    let places = PLACES.iter().flat_map(|(name, places)| places.iter().map(move |at| (name, *at)));
    for (name, offset) in places {
        let mut file = open(side, "comp_algorithm");
        let result = file.write_at(b"lzo", offset);
        note(record, format!("pwrite at {offset}"), &mut file, result);
        let result = file.seek(SeekFrom::Start(offset)).and_then(|_| file.write(b"nonsense"));
        note(record, format!("{name}write after a seek to {offset}"), &mut file, result);
        let result = file.write(b"lzo-rle\n");
        note(record, format!("{name}and another behind it, {offset}"), &mut file, result);
    }
    let mut file = OpenOptions::new().append(true).open(side.file("disksize")).expect("it opens");
    for text in ["0", "4096", "8192"] {
        let result = file.write(text.as_bytes());
        note(record, format!("append {text} to disksize"), &mut file, result);
    }
    record.result("disksize after it", std::fs::read_to_string(side.file("disksize")));
    record.result("reset", open(side, "reset").write(b"1"));
}

fn parts(side: &Side, record: &mut Record) {
    let mut file = open(side, "mem_limit");
    for text in ["1", "M", "1M", "x", "", "2M"] {
        let result = file.write(text.as_bytes());
        note(record, format!("{text:?} through the same file"), &mut file, result);
    }
    for count in [1, 2, 15, 16, 17, 33, 256, 257, 1024] {
        let name = if count > BUFFERS { "many buffers: " } else { "" };
        let mut file = open(side, "reset");
        let digits: Vec<_> = (0..count).map(|_| IoSlice::new(b"0")).collect();
        let result = file.write_vectored(&digits);
        note(record, format!("{name}writev of {count} zeros, one number"), &mut file, result);
        let mut digits: Vec<_> = (1..count).map(|_| IoSlice::new(b"0")).collect();
        digits.push(IoSlice::new(b"7\n"));
        let result = file.write_vectored(&digits);
        note(record, format!("{name}writev of {count}, a 7 last"), &mut file, result);
    }
    let long = [vec![b'0'; 4095], b"1".to_vec(), b"x".to_vec()];
    let slices: Vec<_> = long.iter().map(|part| IoSlice::new(part)).collect();
    record.result("writev beyond a page", open(side, "reset").write_vectored(&slices));
}

/// The state machine's own errors come through.
fn texts(side: &Side, record: &mut Record) {
    for (file, text) in [
        ("comp_algorithm", &b"lzo\0behind"[..]),
        ("comp_algorithm", b"\0"),
        ("comp_algorithm", &[b'x'; 200]),
        ("disksize", b"0"),
        ("disksize", b"1E"),
        ("reset", b"65536"),
        ("reset", b"0\n"),
        ("compact", b"1"),
        ("idle", b"all"),
        ("mem_limit", b"-5"),
        ("disksize", b"1M\n"),
        ("disksize", b"1M\n"),
        ("comp_algorithm", b"lzo"),
        ("compact", b"1"),
        ("idle", b"all"),
        ("idle", b"nonsense"),
        ("reset", b"1"),
    ] {
        let text_shown = String::from_utf8_lossy(text);
        let result = open(side, file).write(text);
        record.result(format!("{text_shown:?} to {file}"), result);
    }
}

fn syncs(side: &Side, record: &mut Record) {
    let file = open(side, "mem_limit");
    record.result("fsync", file.sync_all());
    record.result("fdatasync", file.sync_data());
    record.result("ftruncate", file.set_len(5));
    let none = rustix::fs::FallocateFlags::empty();
    record.result("fallocate", rustix::fs::fallocate(&file, none, 0, 10));
    record.result("flock", file.try_lock().map_err(std::io::Error::other));
    record.result("poll", Ok::<_, std::io::Error>(super::reading::poll(&file)));
    record.result("read", file.read_at(&mut [0; 9], 0));
    let memory = rustix::fs::memfd_create("habits", rustix::fs::MemfdFlags::CLOEXEC);
    let source = File::from(memory.expect("memory for a few bytes"));
    source.write_all_at(b"3M", 0).expect("memory for a few bytes");
    record.result("sendfile to it", rustix::fs::sendfile(&file, &source, Some(&mut 0), 100));
    let copied = rustix::fs::copy_file_range(&source, Some(&mut 0), &file, None, 100);
    record.result("copy_file_range to it", copied);
    let reader = File::open(side.file("disksize")).expect("it opens");
    record.result("write to what is open for reading", (&reader).write(b"1"));
    record.result("ftruncate of it", reader.set_len(5));
    record.result("fsync of it", reader.sync_all());
    record.result("mm_stat after it", std::fs::read_to_string(side.file("mm_stat")));
}
