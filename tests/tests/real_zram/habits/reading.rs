//! Reads, in patterns: from a buffer, from the start, from elsewhere, with a store in between.

use std::fs::{self, File, OpenOptions};
use std::io::{IoSliceMut, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;

use rustix::event::{PollFd, PollFlags, Timespec};

use super::record::outcome;
use super::{Record, Side};

/// One step of a pattern.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// read(2) of so many bytes.
    Read(usize),
    /// readv(2) into buffers of 3 and 100 bytes.
    ReadVector,
    /// pread(2) of so many bytes at that offset.
    At(usize, u64),
    /// lseek(2).
    Seek(SeekFrom),
    /// poll(2) for everything.
    Poll,
    /// A write to `comp_algorithm`, or whatever the file is, through another open file.
    Store(&'static str),
}

use Step::{At, Poll, Read, ReadVector, Seek, Store};

const START: Step = Seek(SeekFrom::Start(0));

pub(super) const PATTERNS: &[&[Step]] = &[
    &[Read(100), Read(100), Read(100)],
    &[Read(1), Read(1), Read(1), Read(100), Read(1), Read(1)],
    &[Read(100), START, Read(100), START, Read(3), Read(100)],
    &[Read(0), Read(100), Read(0)],
    &[Read(1 << 20), Read(1 << 20)],
    &[ReadVector, ReadVector, START, ReadVector],
    &[At(100, 0), At(100, 0), At(100, 1), At(100, 1), At(1, 1), At(100, 2)],
    &[At(100, 5), Read(100), Read(100)],
    &[At(100, 4096), At(100, 4096), At(100, 4095), Read(2)],
    &[At(100, 1 << 40), At(100, i64::MAX as u64), At(100, u64::MAX)],
    &[Read(2), At(100, 2), At(100, 2), Read(100)],
    &[Seek(SeekFrom::Start(3)), Read(2), Read(100)],
    &[Seek(SeekFrom::End(0)), Read(9), Seek(SeekFrom::End(-4094)), Read(9)],
    &[Seek(SeekFrom::Current(-1)), Seek(SeekFrom::End(-4097)), Read(9)],
    &[Poll, Read(1), Poll, Read(100), Poll, START, Poll],
    &[Poll, At(1, 3), Poll],
];

/// The same with stores in between, on a file whose text they change.
const WITH_STORES: &[&[Step]] = &[
    &[Read(3), Store("lzo"), Read(100), Read(100), START, Read(100)],
    &[Store("lzo-rle"), Read(100), Store("lzo"), Read(100), At(100, 0)],
    &[Store("lzo-rle"), Read(1), Store("lzo"), At(100, 1), At(100, 1), At(100, 0)],
    &[Store("lzo-rle"), Poll, Read(1), Store("lzo"), Poll],
    &[Store("nonsense"), Read(100)],
];

pub(super) fn run(side: &Side, record: &mut Record) {
    for file in ["disksize", "mm_stat", "comp_algorithm", "io_stat"] {
        for pattern in PATTERNS {
            go(side, file, pattern, record);
        }
    }
    for pattern in WITH_STORES {
        go(side, "comp_algorithm", pattern, record);
    }
    others(side, record);
}

/// Takes the steps on one open file.
pub(super) fn go(side: &Side, file: &str, pattern: &[Step], record: &mut Record) {
    let mut open = match File::open(side.file(file)) {
        Ok(open) => open,
        Err(error) => return record.result(format!("{file} {pattern:?}"), Err::<(), _>(error)),
    };
    for (number, step) in pattern.iter().enumerate() {
        let outcome = take(side, file, &mut open, *step);
        record.note(format!("{file} {pattern:?} step {number}"), outcome);
    }
}

fn take(side: &Side, name: &str, file: &mut File, step: Step) -> String {
    let mut buffer = Vec::new();
    let result = match step {
        Read(size) => {
            buffer.resize(size, 0);
            file.read(&mut buffer)
        }
        At(size, offset) => {
            buffer.resize(size, 0);
            file.read_at(&mut buffer, offset)
        }
        ReadVector => {
            let mut buffers = [[0; 3].to_vec(), vec![0; 100]];
            let mut slices = buffers.each_mut().map(|buffer| IoSliceMut::new(buffer));
            let result = file.read_vectored(&mut slices);
            buffer = buffers.concat();
            result
        }
        Seek(to) => return outcome(file.seek(to)),
        Poll => return poll(file),
        Store(text) => {
            let store = OpenOptions::new().write(true).open(side.file(name));
            return outcome(store.and_then(|mut store| store.write(text.as_bytes())));
        }
    };
    let text = result.map(|length| {
        buffer.truncate(length);
        String::from_utf8_lossy(&buffer).into_owned()
    });
    let place = file.stream_position();
    format!("{} at {}", outcome(text), outcome(place))
}

/// What poll(2) says at once.
pub(super) fn poll(file: &File) -> String {
    let all = PollFlags::IN
        | PollFlags::OUT
        | PollFlags::PRI
        | PollFlags::RDNORM
        | PollFlags::WRNORM
        | PollFlags::RDBAND
        | PollFlags::WRBAND;
    let mut set = [PollFd::new(file, all)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    let ready = rustix::event::poll(&mut set, Some(&at_once));
    outcome(ready.map(|_| set[0].revents()))
}

/// Calls that read in another way, and those that a text file does not have.
fn others(side: &Side, record: &mut Record) {
    let path = side.file("disksize");
    let open = || OpenOptions::new().read(true).write(true).open(&path).expect("it opens");
    record.result("a copy", fs::read(&path));
    let target = tempfile();
    let sent = rustix::fs::sendfile(&target, open().as_fd(), None, 100);
    record.result("sendfile from it", sent);
    record.result("how much was sent", target.metadata().map(|found| found.len()));
    record.result("fionread", rustix::io::ioctl_fionread(open()));
    for is_shared in [true, false] {
        let mapped = trueno_tests::ioctl::try_to_map(&open(), is_shared);
        record.result(format!("mmap shared={is_shared}"), mapped);
    }
    record.result("beyond 2 GiB: a seek", open().seek(SeekFrom::Start(1 << 31)));
    record.result("seek_data", rustix::fs::seek(open(), rustix::fs::SeekFrom::Data(10)));
    record.result("seek_hole", rustix::fs::seek(open(), rustix::fs::SeekFrom::Hole(10)));
    let advice = rustix::fs::Advice::WillNeed;
    record.result("fadvise", rustix::fs::fadvise(open(), 0, None, advice));
}

/// A file without a name.
fn tempfile() -> File {
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    File::from(rustix::fs::memfd_create("habits", flags).expect("memory for a few bytes"))
}
