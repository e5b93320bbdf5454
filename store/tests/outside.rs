//! What is for whoever serves a device: what a region tells before it is recovered, errors as numbers,
//! requests that come back before they are done, listings.

#[path = "common/mod.rs"]
mod common;

use std::ops::Range;
use std::sync::atomic::AtomicU64;

use common::{Kind, codecs, device, page};
use trueno_zram_region::FileRegion;
use trueno_zram_store::slot::Priority;
use trueno_zram_store::{
    Device, Errno, Error, Header, Id, Idle, Layout, MOST_PARAMETERS, Options, QueueStore,
    Recompress, Recompression, Region, Selection, Statistics, Written,
};

const ID: Id = Id(0x0123_4567_89ab_cdef_fedc_ba98_7654_3210);

fn formatted(parameters: &str) -> Result<Device<FileRegion>, Error> {
    let layout = Layout::new(512, true).expect("a size");
    let options = Options { access_times: true, id: ID, parameters };
    Device::format(common::region(&layout), 512, options, codecs())
}

fn write(queue: &mut QueueStore<FileRegion>, at: u64, kind: Kind) {
    while queue.write(at, &page(kind, at)).expect("memory") == Written::Parked {
        queue.device().maintain();
    }
}

#[test]
fn a_region_tells_what_it_holds_before_it_is_recovered() {
    let device = formatted("comp_algorithm=wm").expect("a device");
    let layout = device.layout();
    let region = device.into_region().expect("nobody else has it");
    let header = Header::read(&region).expect("a device");
    assert_eq!(header, Header { layout, id: ID, parameters: "comp_algorithm=wm".to_owned() });
    let (device, _) = Device::recover(region, codecs()).expect("a device");
    assert_eq!((device.id(), device.parameters()), (ID, header.parameters));

    let longest = "x".repeat(MOST_PARAMETERS);
    assert_eq!(formatted(&longest).expect("there is room").parameters(), longest);
    let len = MOST_PARAMETERS + 1;
    assert_eq!(formatted(&"x".repeat(len)).err(), Some(Error::Parameters { len }));
    let empty = FileRegion::anonymous(layout.region_bytes()).expect("a memfd");
    assert_eq!(Header::read(&empty), Err(Error::Foreign(0)));
    assert_eq!(empty.backed_bytes().expect("blocks"), 0, "looking has taken no memory");
}

/// Memory of which it cannot be told what is backed.
#[derive(Debug)]
struct Unknown(FileRegion);

impl Region for Unknown {
    fn words(&self) -> &[AtomicU64] {
        self.0.words()
    }

    fn grow(&self, bytes: Range<u64>) -> Result<(), Errno> {
        self.0.grow(bytes)
    }

    fn punch(&self, bytes: Range<u64>) -> Result<(), Errno> {
        self.0.punch(bytes)
    }

    fn next_backed(&self, from: u64) -> Result<Option<Range<u64>>, Errno> {
        // The tables are known, and nothing behind them.
        if from == 0 { self.0.next_backed(from) } else { Err(Errno(5)) }
    }
}

#[test]
fn a_region_that_does_not_tell_what_is_backed_is_not_recovered() {
    let region = formatted("").expect("a device").into_region().expect("nobody else has it");
    let refused = Device::recover(Unknown(region), codecs()).expect_err("pages could be lost");
    assert_eq!(refused, Error::Backing(Errno(5)));
}

#[test]
fn errors_have_numbers() {
    let cases = [
        (Error::Size { pages: 0 }, 22),
        (Error::Foreign(0), 22),
        (Error::Version(2), 95),
        (Error::Header("damaged"), 117),
        (Error::Truncated { got: 1, needed: 2 }, 117),
        (Error::Parameters { len: 2033 }, 22),
        (Error::Threads, 16),
        (Error::NoTimes, 22),
        (Error::OutOfRange { page: 9 }, 5),
        (Error::Limit, 28),
        (Error::Memory(Errno(12)), 12),
        (Error::Backing(Errno(9)), 9),
        (Error::Damaged { page: 9, what: "torn" }, 5),
        (Error::NoCodec { priority: 2 }, 22),
        (Error::Codec, 5),
    ];
    for (error, errno) in cases {
        assert_eq!(error.errno(), errno, "{error}");
    }
}

#[test]
fn a_large_discard_comes_in_steps() {
    // More than one step has, most of it empty.
    let pages = 3 << 20;
    let device = device(pages);
    let mut queue = device.queue().expect("a thread");
    let stored = 40_000;
    for at in 0..stored {
        assert_eq!(queue.write(pages - 1 - at, &page(Kind::Bytes, at)), Ok(Written::Done));
    }
    let mut rest = 7..pages;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let left = queue.discard_step(rest.clone()).expect("inside");
        assert_eq!(left.end, rest.end);
        steps.push(left.start - rest.start);
        assert_eq!(device.io_stat().notify_free, left.start - 7, "each page once");
        rest = left;
    }
    assert_eq!(steps.iter().sum::<u64>(), pages - 7);
    assert_eq!(steps[..5], [1 << 19; 5], "nothing there");
    // Each of them costs as much as 32 empty ones.
    assert!(steps[6..].iter().all(|step| *step <= (1 << 19) / 32), "{steps:?}");
    assert_eq!(device.mm_stat().orig_data_size, 0);
    let outside = queue.discard_step(0..pages + 1);
    assert_eq!(outside, Err(Error::OutOfRange { page: pages }));
    assert_eq!(queue.discard_step(9..9), Ok(9..9));
}

#[test]
fn writes_that_are_given_up_are_counted() {
    let device = device(512);
    let mut queue = device.queue().expect("a thread");
    assert_eq!(queue.write(0, &page(Kind::Text, 0)), Ok(Written::Parked));
    assert_eq!(device.io_stat().failed_writes, 0);
    queue.give_up(3);
    assert_eq!(device.io_stat().failed_writes, 3);
}

/// The lines that the kernel would print, but for `w`.
#[test]
fn block_state_is_zrams() {
    let device = formatted("").expect("a device");
    let mut queue = device.queue().expect("a thread");
    device.set_clock(42);
    write(&mut queue, 3, Kind::Bytes);
    write(&mut queue, 5, Kind::Random(4096));
    write(&mut queue, 6, Kind::Random(1000));
    write(&mut queue, 500, Kind::Text);
    device.set_clock(4711);
    write(&mut queue, 511, Kind::FarWord);
    let request = |selection| Recompress {
        priority: Priority::new(1).expect("below 4"),
        selection,
        threshold: None,
        most_pages: None,
    };
    for selection in [Selection::Huge, Selection::All] {
        let mut pass = Recompression::new(request(selection));
        while queue.recompress(&mut pass, 100) != Ok(trueno_zram_store::Progress::Done) {
            device.maintain();
        }
    }
    device.mark_idle(Idle::OlderThan(100)).expect("access times");
    let words = device.region().words();
    let statistics = Statistics::of(words).expect("a device");
    let text: String = statistics.block_states(0..u64::MAX).map(|line| line.to_string()).collect();
    let expected = [
        "           3           42.000000 s.....\n",
        "           5           42.000000 ..hi.n\n",
        "           6           42.000000 ...ir.\n",
        "         500           42.000000 ...ir.\n",
        "         511         4711.000000 s.....\n",
    ];
    assert_eq!(text, expected.concat());
    let behind: Vec<_> = statistics.block_states(7..501).map(|line| line.page).collect();
    assert_eq!(behind, [500]);
}
