//! What the documentation of the store promises in numbers, one test a promise.

use trueno_zram_core::samefill::page_same_filled;
use trueno_zram_store::slot::{Content, Priority};
use trueno_zram_store::{
    Compaction, Device, Errno, Error, HUGE_FROM, Id, Idle, Layout, MOST_PAGES, MOST_PARAMETERS,
    MOST_THREADS, Options, Progress, QueueStore, Recompress, Recompression, Selection, Written,
};

use super::common::{self, Kind, codecs, page};
use super::failing::{ENOMEM, Failing};

const SPAN: u64 = 32 << 10;

fn device(pages: u64, access_times: bool) -> Device<Failing> {
    let layout = Layout::new(pages, access_times).expect("a size");
    let id = Id(0x0123_4567_89ab_cdef_fedc_ba98_7654_3210);
    let options = Options { access_times, id, ..Options::default() };
    let region = Failing::new(layout.region_bytes());
    Device::format(region, pages, options, codecs()).expect("a device")
}

fn queue(device: &Device<Failing>) -> QueueStore<Failing> {
    device.queue().expect("a thread")
}

/// Writes a page of this kind to each of the first so many pages.
fn fill(queue: &mut QueueStore<Failing>, pages: u64, kind: Kind) {
    for at in 0..pages {
        while queue.write(at, &page(kind, at)).expect("there is memory") == Written::Parked {
            assert!(queue.device().maintain().grown > 0);
        }
    }
}

#[test]
fn headroom_is_a_64th_of_the_device_within_bounds() {
    const MIB: u64 = 1 << 20;
    let cases = [(1, MIB / 4), (16 * MIB / 4096, MIB / 4), (32 * MIB / 4096, MIB / 2)];
    for (pages, headroom) in cases.into_iter().chain([(4096 * MIB / 4096, 16 * MIB)]) {
        let device = device(pages, false);
        assert!(device.wants_maintenance(), "nothing is at hand");
        let done = device.maintain();
        assert_eq!((done.grown, done.punched, done.refused), (headroom, 0, None), "{pages} pages");
        let overhead = device.overhead();
        assert_eq!(overhead.headroom, headroom);
        assert_eq!(overhead.table, device.region().backed_bytes() - headroom);
        assert!(!device.wants_maintenance());
        assert_eq!(device.maintain().grown, 0, "enough is at hand");
    }
}

fn at_hand(device: &Device<Failing>) -> u64 {
    device.overhead().headroom / SPAN
}

#[test]
fn maintenance_is_wanted_below_half_of_the_headroom() {
    let device = device(512, false);
    let mut queue = queue(&device);
    device.maintain();
    let mut pages = 0..512;
    let mut write = || {
        let at = pages.next().expect("more than spans hold");
        assert_eq!(queue.write(at, &page(Kind::Random(4096), at)), Ok(Written::Done));
    };
    while at_hand(&device) > 3 {
        assert!(!device.wants_maintenance(), "{} of 8 at hand", at_hand(&device));
        write();
    }
    assert!(device.wants_maintenance());
}

#[test]
fn maintenance_is_wanted_above_twice_the_headroom() {
    let device = device(512, false);
    let mut queue = queue(&device);
    // Seven of them fill a span.
    fill(&mut queue, 210, Kind::Random(4096));
    device.maintain();
    let mut first = 0;
    while at_hand(&device) <= 16 {
        assert!(!device.wants_maintenance(), "{} of 8 at hand", at_hand(&device));
        queue.discard(first..first + 7).expect("inside");
        first += 7;
    }
    assert!(device.wants_maintenance());
    let too_many = at_hand(&device) - 16;
    assert_eq!(device.maintain().punched, too_many * SPAN);
    assert!(!device.wants_maintenance());
}

#[test]
fn an_incompressible_page_is_one_that_saves_less_than_a_sixteenth() {
    assert_eq!(HUGE_FROM, 3840);
    let device = device(512, false);
    let mut queue = queue(&device);
    device.maintain();
    let lz4 = common::codec(trueno_zram_core::Algorithm::Lz4);
    let (mut longest, mut shortest) = (0, 4096);
    for random in 3700..3900 {
        let data = page(Kind::Random(random), 7);
        let len = lz4.compress(&data).expect("lz4 does not fail").data.len();
        while queue.write(0, &data) == Ok(Written::Parked) {
            device.maintain();
        }
        match device.slot(0).expect("inside").0.content() {
            Some(Content::Stored { len: stored, .. }) => {
                assert_eq!(stored, len);
                longest = longest.max(len);
            }
            Some(Content::Huge(_)) => shortest = shortest.min(len),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((longest, shortest), (HUGE_FROM - 1, HUGE_FROM));
}

#[test]
fn words_below_2_to_55_and_32_bits_twice_need_no_memory() {
    let device = device(16, false);
    let mut queue = queue(&device);
    for word in [0, 1, (1 << 55) - 1, u64::MAX, 0x8000_0000_8000_0000, 0xabab_abab_abab_abab] {
        let mut data = [0; 4096];
        data.as_chunks_mut().0.fill(u64::to_ne_bytes(word));
        assert_eq!(page_same_filled(&data), Some(word));
        assert_eq!(queue.write(3, &data), Ok(Written::Done), "{word:#x}, without any span");
    }
    for word in [1 << 55, 0xffff_8000_1234_5678, 0x8000_0000_8000_0001] {
        let mut data = [0; 4096];
        data.as_chunks_mut().0.fill(u64::to_ne_bytes(word));
        assert_eq!(queue.write(3, &data), Ok(Written::Parked), "{word:#x}");
    }
    assert_eq!(device.mm_stat().mem_used_total, 0);
}

#[test]
fn so_many_threads_and_no_more() {
    let device = device(16, false);
    let mut queues: Vec<_> = (0..MOST_THREADS).map(|_| queue(&device)).collect();
    assert_eq!(device.queue().err(), Some(Error::Threads));
    let each = device.overhead().buffers / MOST_THREADS as u64;
    assert!(each > 4096, "a buffer at least");
    // Any one that leaves makes room, and takes its memory with it.
    drop(queues.swap_remove(17));
    assert_eq!(device.overhead().buffers, each * (MOST_THREADS as u64 - 1));
    queues.push(queue(&device));
    assert_eq!(device.queue().err(), Some(Error::Threads));
}

#[test]
fn accesses_behind_the_end_change_nothing_but_invalid_io() {
    let device = device(100, true);
    let mut queue = queue(&device);
    device.maintain();
    fill(&mut queue, 100, Kind::Text);
    let (mm, mut data) = (device.mm_stat(), page(Kind::Text, 1));
    for beyond in [100, 1 << 32, u64::MAX - 1] {
        let outside = Err(Error::OutOfRange { page: beyond });
        assert_eq!(queue.write(beyond, &data).map(|_| ()), outside);
        assert_eq!(queue.read(beyond, &mut data), outside);
        assert_eq!(queue.discard(99..beyond + 1), outside, "not even page 99");
    }
    let io = device.io_stat();
    assert_eq!((io.invalid_io, io.failed_reads, io.failed_writes, io.notify_free), (9, 0, 0, 0));
    assert_eq!((io.reads, io.writes), (0, 100));
    assert_eq!(device.mm_stat(), mm);
    assert_eq!(device.slot(99).map(|(slot, _)| slot.is_empty()), Some(false));
    assert_eq!(device.slot(100), None);
}

#[test]
fn every_discarded_page_counts_whether_stored_or_not() {
    let device = device(100, false);
    let mut queue = queue(&device);
    fill(&mut queue, 50, Kind::Bytes);
    queue.discard(40..100).expect("inside");
    assert_eq!(device.io_stat().notify_free, 60);
    queue.discard(100..100).expect("nothing, at the end");
    queue.discard(7..7).expect("nothing");
    assert_eq!((device.io_stat().notify_free, device.io_stat().invalid_io), (60, 0));
    assert_eq!(device.mm_stat().same_pages, 40);
}

#[test]
fn the_limit_is_rounded_up_to_pages_and_spans_fit_into_it_or_not() {
    let device = device(512, false);
    for (asked, kept) in [(0, 0), (1, 4096), (4096, 4096), (SPAN + 1, SPAN + 4096)] {
        device.set_limit(asked);
        assert_eq!(device.mm_stat().mem_limit, kept);
    }
    for (limit, room) in [(SPAN - 1, 7), (SPAN - 4096, 0), (2 * SPAN, 14), (3 * SPAN - 4096, 14)] {
        let device = self::device(512, false);
        let mut queue = queue(&device);
        device.maintain();
        device.set_limit(limit);
        let mut write = |at| queue.write(at, &page(Kind::Random(4096), at));
        (0..room).for_each(|at| assert_eq!(write(at), Ok(Written::Done), "{limit} bytes"));
        assert_eq!(write(room), Err(Error::Limit), "{limit} bytes");
        assert_eq!(device.io_stat().failed_writes, 1);
        assert!(device.mm_stat().mem_used_total <= limit.next_multiple_of(4096));
        device.set_limit(0);
        assert_eq!(write(room), Ok(Written::Done), "no limit any more");
    }
}

#[test]
fn compaction_wins_memory_back_under_a_lowered_limit() {
    let device = device(512, false);
    let mut queue = queue(&device);
    fill(&mut queue, 512, Kind::Random(2000));
    (0..512).step_by(2).for_each(|at| queue.discard(at..at + 1).expect("inside"));
    device.maintain();
    device.set_limit(4096);
    let before = device.mm_stat().mem_used_total;
    let mut pass = Compaction::default();
    while queue.compact(&mut pass, 7) == Progress::More {}
    let stat = device.mm_stat();
    assert!(stat.mem_used_total <= before * 5 / 8, "{} of {before}", stat.mem_used_total);
    let (told, freed) = (stat.pages_compacted * 4096, before - stat.mem_used_total);
    // An open span counts for what is in it only.
    assert!(told.abs_diff(freed) <= SPAN, "{told} for {freed}");
    assert_eq!(queue.write(0, &page(Kind::Text, 0)), Err(Error::Limit), "still beyond it");
}

#[test]
fn no_memory_is_an_error_as_long_as_it_is_refused() {
    let device = device(512, false);
    let mut queue = queue(&device);
    let data = page(Kind::Text, 1);
    assert_eq!(queue.write(0, &data), Ok(Written::Parked), "not refused yet");
    device.region().refusals().grow_one_in = 1;
    let done = device.maintain();
    assert_eq!((done.grown, done.refused), (0, Some(ENOMEM)));
    assert_eq!(queue.write(0, &data), Err(Error::Memory(Errno(12))));
    device.region().refusals().grow_one_in = 0;
    assert_eq!(device.maintain().refused, None);
    assert_eq!(queue.write(0, &data), Ok(Written::Done));
    let io = device.io_stat();
    assert_eq!((io.writes, io.failed_writes), (1, 1), "a parked write is neither");
    let _others = use_up_spans(&mut queue);
    assert_eq!(queue.write(0, &data), Ok(Written::Parked), "not refused any more");
}

#[test]
fn a_page_is_idle_from_its_age_on() {
    let device = device(16, true);
    let mut queue = queue(&device);
    device.set_clock(100);
    fill(&mut queue, 3, Kind::Text);
    device.set_clock(110);
    fill(&mut queue, 2, Kind::Text);
    device.set_clock(120);
    queue.read(0, &mut [0; 4096]).expect("written");
    let idle = |age| {
        device.mark_idle(Idle::OlderThan(age)).expect("access times");
        [0, 1, 2].map(|page| device.slot(page).expect("inside").0.is_idle())
    };
    assert_eq!(idle(0), [true, true, true]);
    assert_eq!(idle(1), [false, true, true]);
    assert_eq!(idle(10), [false, true, true]);
    assert_eq!(idle(11), [false, false, true]);
    assert_eq!((idle(20), idle(21)), ([false, false, true], [false; 3]));
    assert_eq!([0, 1, 2].map(|page| device.slot(page).expect("inside").1), [120, 110, 100]);
}

#[test]
fn parameters_have_room_for_so_many_bytes() {
    let device = device(16, false);
    assert_eq!(device.parameters(), "");
    let longest = "x".repeat(MOST_PARAMETERS);
    for text in ["comp_algorithm=zstd", &longest, "", "mem_limit=1M"] {
        device.set_parameters(text).expect("there is room");
        assert_eq!(device.parameters(), text);
    }
    let len = MOST_PARAMETERS + 1;
    assert_eq!(device.set_parameters(&"x".repeat(len)), Err(Error::Parameters { len }));
    assert_eq!(device.parameters(), "mem_limit=1M");
}

#[test]
fn a_region_is_handed_back_when_nobody_else_uses_it() {
    let device = device(16, false);
    let queue = queue(&device);
    let id = device.id();
    let device = device.into_region().expect_err("the queue store uses it");
    drop(queue);
    let region = device.into_region().expect("nobody uses it");
    let (device, found) = Device::recover(region, codecs()).expect("a device");
    assert_eq!((device.id(), device.pages(), found.pages), (id, 16, 0));
}

#[test]
fn a_device_has_a_size() {
    for pages in [0, MOST_PAGES + 1] {
        let formatted = Device::format(Failing::new(4096), pages, Options::default(), codecs());
        assert_eq!(formatted.err(), Some(Error::Size { pages }));
    }
    let needed = Layout::new(16, false).expect("a size").region_bytes();
    let got = needed - 4096;
    let formatted = Device::format(Failing::new(got), 16, Options::default(), codecs());
    assert_eq!(formatted.err(), Some(Error::Truncated { got, needed }));
}

#[test]
fn what_recompression_cannot_place_it_leaves_as_it_was() {
    let device = device(64, false);
    let mut queue = queue(&device);
    fill(&mut queue, 64, Kind::Text);
    device.region().refusals().budget = Some(0);
    let _others = use_up_spans(&mut queue);
    device.mark_idle(Idle::All).expect("all");
    let slots = || (0..64).map(|at| device.slot(at).expect("inside").0).collect::<Vec<_>>();
    let before = slots();
    let second = Priority::new(1).expect("below 4");
    let request = Recompress {
        priority: second,
        selection: Selection::Idle,
        threshold: None,
        most_pages: None,
    };
    let mut pass = Recompression::new(request);
    // To look at all pages once takes 64 slots, the bucket of the largest comes next.
    for _ in 0..3 {
        assert_eq!(queue.recompress(&mut pass, 1000), Ok(Progress::More), "parked");
        assert_eq!(slots(), before, "neither marked nor touched");
    }
    device.maintain();
    assert_eq!(queue.recompress(&mut pass, 1000), Err(Error::Memory(super::failing::ENOSPC)));
    assert_eq!(slots(), before);
    device.region().refusals().budget = None;
    device.maintain();
    let mut pass = Recompression::new(request);
    while queue.recompress(&mut pass, 1000) == Ok(Progress::More) {}
    assert_eq!(pass.recompressed, 64);
}

/// Puts a page into each empty span, so that there is none for another object, and who has them now.
fn use_up_spans(queue: &mut QueueStore<Failing>) -> Vec<QueueStore<Failing>> {
    // Lets go of what it has at hand itself.
    let mut pass = Compaction::default();
    while queue.compact(&mut pass, 1000) == Progress::More {}
    let mut others = Vec::new();
    loop {
        let mut other = queue.device().queue().expect("fewer spans than threads");
        let at = others.len() as u64;
        if other.write(at, &page(Kind::Text, at)) == Ok(Written::Parked) {
            return others;
        }
        others.push(other);
    }
}

#[test]
fn spans_full_of_incompressible_pages_are_left_alone() {
    // Seven fill a span up to an eighth, which no page fits into.
    let device = device(512, false);
    let mut queue = queue(&device);
    fill(&mut queue, 512, Kind::Random(4096));
    assert_eq!(device.mm_stat().pages_compacted, 0, "there is nothing to win");
    assert_eq!(device.mm_stat().mem_used_total, 512_u64.div_ceil(7) * SPAN);
}

#[test]
fn errors_say_what_is_wrong() {
    let cases = [
        (Error::Size { pages: 0 }, "a device has 1 to 2147483648 pages, not 0"),
        (Error::Foreign(0), "this memory holds no device: it is empty"),
        (Error::Foreign(7), "this memory holds something else than a device"),
        (
            Error::Version(2),
            "the device's memory has format 2, of a later version of this program; this one reads \
             format 1",
        ),
        (Error::Header("damaged"), "the first page of the device's memory: damaged"),
        (
            Error::Truncated { got: 1, needed: 2 },
            "the device's memory has 1 bytes, and should have 2",
        ),
        (
            Error::Parameters { len: 2033 },
            "the device's parameters have 2033 bytes; there is room for 2032",
        ),
        (Error::Threads, "the device has 64 threads already"),
        (Error::NoTimes, "the device keeps no access times"),
        (Error::OutOfRange { page: 9 }, "page 9 is behind the device's end"),
        (Error::Limit, "the device's memory limit is reached"),
        (Error::Memory(Errno(28)), "no more memory for the device (error 28)"),
        (
            Error::Backing(Errno(5)),
            "it cannot be told which of the device's memory is there (error 5)",
        ),
        (Error::Damaged { page: 9, what: "torn" }, "page 9 is damaged: torn"),
        (Error::NoCodec { priority: 2 }, "the device has no codec of priority 2"),
        (Error::Codec, "a codec failed"),
    ];
    for (error, text) in cases {
        assert_eq!(error.to_string(), text);
    }
}
