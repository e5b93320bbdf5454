//! hot_add and hot_remove, and open files of a device that goes.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::thread;
use std::time::Duration;

use super::reading::{self, PATTERNS};
use super::{Record, Side};

const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(20);

pub(super) fn run(side: &Side, record: &mut Record) {
    for pattern in PATTERNS {
        let before = side.numbers();
        reading::go(side, "hot_add", pattern, record);
        let mut made = side.numbers();
        made.retain(|number| !before.contains(number));
        record.result(format!("{pattern:?} makes"), Ok::<_, std::io::Error>(&made));
        for number in made {
            record.result(format!("zram{number} goes"), remove_in_time(side, number));
        }
    }
    removals(side, record);
    open_files(side, record);
}

fn remove(side: &Side, text: &[u8]) -> std::io::Result<usize> {
    OpenOptions::new().write(true).open(side.file("hot_remove"))?.write(text)
}

/// Device managers look into every new device for a moment, in which it is busy.
fn remove_in_time(side: &Side, number: u32) -> std::io::Result<usize> {
    let mut result = remove(side, number.to_string().as_bytes());
    for _ in 0..TRIES {
        match &result {
            Err(error) if error.kind() == ErrorKind::ResourceBusy => thread::sleep(PAUSE),
            _ => break,
        }
        result = remove(side, number.to_string().as_bytes());
    }
    result
}

fn removals(side: &Side, record: &mut Record) {
    for text in [
        &b""[..],
        b"x",
        b" 1",
        b"-1",
        b"99999",
        b"2147483647",
        b"2147483648",
        b"4294967296",
        b"1 ",
        b"1\n\n",
        b"0x1",
        b"+",
        b"\0",
    ] {
        let shown = String::from_utf8_lossy(text);
        record.result(format!("hot_remove {shown:?}"), remove(side, text));
    }
    let number = side.add().expect("a device is made");
    let text = format!("+000{number}\n");
    record.result("hot_remove", remove_in_time(side, number));
    record.result("hot_remove once more", remove(side, text.as_bytes()));
}

fn open_files(side: &Side, record: &mut Record) {
    let number = side.add().expect("a device is made");
    let mut begun = File::open(side.file_of(number, "mm_stat")).expect("it opens");
    let mut ended = File::open(side.file_of(number, "disksize")).expect("it opens");
    let fresh = File::open(side.file_of(number, "mm_stat")).expect("it opens");
    let mut writer =
        OpenOptions::new().write(true).open(side.file_of(number, "mem_limit")).expect("it opens");
    record.result("a byte", begun.read(&mut [0]));
    record.result("all", ended.read(&mut [0; 99]));
    record.result("it goes", remove_in_time(side, number));
    record.result("what is in the buffer", begun.read(&mut [0; 10]));
    record.result("and the rest of it", begun.read(&mut [0; 999]));
    record.result("and beyond", begun.read(&mut [0; 999]));
    record.result("the end of another", ended.read(&mut [0; 99]));
    record.result("a first read", fresh.read_at(&mut [0; 99], 0));
    record.result("one elsewhere", fresh.read_at(&mut [0; 99], 5));
    record.result("a write", writer.write(b"1M"));
    record.result("a write of nothing", writer.write(b""));
    record.result("fsync", writer.sync_all());
    record.result("fstat", fresh.metadata().map(|found| found.len()));
    record.result("ftruncate", writer.set_len(0));
    record.note("poll", reading::poll(&ended));
    record.note("poll of what was not read", reading::poll(&fresh));
    record.result("open", File::open(side.file_of(number, "mm_stat")).map(drop));
}
