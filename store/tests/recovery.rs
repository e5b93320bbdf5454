//! What recovery refuses, what damage it finds, and that damage stays where it is.
//!
//! `TRUENO_SEEDS=10000` asks for that many devices damaged at random.
#![expect(clippy::indexing_slicing, reason = "a panic is a test that fails")]

#[path = "common/mod.rs"]
mod common;
#[path = "recovery/damage.rs"]
mod damage;
#[path = "recovery/filled.rs"]
mod filled;
#[path = "crash/recount.rs"]
mod recount;
#[path = "recovery/refusing.rs"]
mod refusing;
#[path = "recovery/storm.rs"]
mod storm;

use std::fs::File;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use trueno_zram_region::FileRegion;
use trueno_zram_store::{Device, Errno, Error, Layout, Options, Region as _};

use crate::common::{Random, codecs, device};
use crate::filled::{Filled, PAGES};
use crate::recount::{expected_bytes, recount};
use crate::refusing::Refusing;

/// What recovering the device in this memory is refused with.
fn refusal(region: &FileRegion) -> (Error, String) {
    let region = FileRegion::map(region.file().try_clone().expect("a descriptor"));
    let refused = Device::recover(region.expect("mapped"), codecs()).expect_err("no device");
    (refused, refused.to_string())
}

#[test]
fn what_is_no_device_is_refused() {
    let empty = FileRegion::anonymous(1 << 20).expect("a memfd");
    let text = "this memory holds no device: it is empty".to_owned();
    assert_eq!(refusal(&empty), (Error::Foreign(0), text));
    assert_eq!(empty.backed_bytes().expect("a number"), 0, "looking has taken no memory");

    empty.grow(0..4096).expect("a page");
    assert_eq!(refusal(&empty).0, Error::Foreign(0));
    let word = u64::from_le_bytes(*b"LUKS\xba\xbe\0\x02");
    empty.words()[0].store(word, Relaxed);
    let text = "this memory holds something else than a device".to_owned();
    assert_eq!(refusal(&empty), (Error::Foreign(word), text));
}

#[test]
fn files_that_are_no_regions_are_refused() {
    let of_size = |bytes| {
        let region = FileRegion::anonymous(4096).expect("a memfd");
        let file: File = region.file().try_clone().expect("a descriptor");
        file.set_len(bytes).expect("another size");
        FileRegion::map(file).map(|_| ()).map_err(|error| error.to_string())
    };
    let text = |bytes| format!("a region has whole pages, and this file {bytes} bytes");
    assert_eq!(of_size(0), Err(text(0)));
    assert_eq!(of_size(4095), Err(text(4095)));
    assert_eq!(of_size(8192), Ok(()));
}

#[test]
fn a_device_that_was_cut_off_is_refused() {
    let device = device(PAGES);
    let needed = device.layout().region_bytes();
    for got in [4096, 16384, needed / 4096 / 2 * 4096, needed - 4096] {
        let file = device.region().file();
        file.set_len(got).expect("shorter");
        let text = format!("the device's memory has {got} bytes, and should have {needed}");
        assert_eq!(refusal(device.region()), (Error::Truncated { got, needed }, text));
        file.set_len(needed).expect("as long as before");
    }
}

#[test]
fn later_versions_are_refused() {
    let device = device(PAGES);
    for version in [2, 3, 1 << 40] {
        device.region().words()[1].store(version, Relaxed);
        let text = format!(
            "the device's memory has format {version}, of a later version of this program; this one \
             reads format 1"
        );
        assert_eq!(refusal(device.region()), (Error::Version(version), text));
    }
    device.region().words()[1].store(0, Relaxed);
    let text = "the first page of the device's memory: its check does not fit".to_owned();
    assert_eq!(refusal(device.region()), (Error::Header("its check does not fit"), text));
}

#[test]
fn a_change_of_any_word_of_the_first_page_is_refused_or_does_no_harm() {
    let mut filled = Filled::new(Options::default());
    let before = filled.device().mm_stat();
    for at in 0..512 {
        for change in [1, 1 << 20, 1 << 63, u64::MAX] {
            let region = filled.device().region();
            let word = &region.words()[at];
            let original = word.fetch_xor(change, Relaxed);
            if at < 8 {
                let (refused, _) = refusal(region);
                let changed = original ^ change;
                match at {
                    0 => assert_eq!(refused, Error::Foreign(changed)),
                    1 if changed > 1 => assert_eq!(refused, Error::Version(changed)),
                    _ => assert_eq!(refused, Error::Header("its check does not fit"), "word {at}"),
                }
                word.store(original, Relaxed);
                continue;
            }
            let (next, found) = filled.recover();
            assert_eq!((found.damaged, found.pages), (0, filled.stored()), "word {at}");
            // Only the limit cannot be found out otherwise.
            let stat = next.mm_stat();
            let limit = stat.mem_limit;
            assert!(limit == 0 || at == 144, "word {at} is the limit: {limit}");
            next.set_limit(0);
            assert_eq!(recount(&next, stat), stat, "word {at}");
            assert_eq!(stat.mem_used_total, before.mem_used_total);
            filled.goes_on_with(next);
        }
    }
    filled.check(&[]);
}

#[test]
fn what_the_killed_process_held_is_let_go() {
    let filled = Filled::new(Options::default());
    let table = filled.table();
    table.clone().for_each(|at| {
        filled.device().region().words()[at].fetch_or(1 << 3, Relaxed);
    });
    let (next, found) = filled.recover();
    assert_eq!((found.held, found.damaged), (table.count() as u64, 0));
    filled.check_with(&next, &[]);
}

#[test]
fn memory_that_cannot_be_given_back_is_kept_at_hand() {
    let filled = Filled::new(Options::default());
    let (device, _) = filled.recover();
    let mut queue = device.queue().expect("a thread");
    queue.discard(0..PAGES / 2).expect("inside");
    drop(queue);
    device.maintain();
    let headroom = device.overhead().headroom;
    let region = Refusing::new(device.region());
    region.refuses_to_punch.store(true, Relaxed);
    drop(device);
    let (device, found) = Device::recover(region, codecs()).expect("recovers all the same");
    assert_eq!((found.punched, found.damaged), (0, 0));
    assert!(device.overhead().headroom >= headroom, "{:?}", device.overhead());
    let backed = || device.region().file.backed_bytes().expect("a number");
    assert_eq!(backed(), expected_bytes(&device));
    let ready = device.overhead().headroom;
    device.region().refuses_to_punch.store(false, Relaxed);
    assert!(device.maintain().punched > 0 || device.overhead().headroom == ready);
    assert_eq!(backed(), expected_bytes(&device));
    filled.check_pages(&device, |page| page < PAGES / 2);
}

#[test]
fn memory_that_was_got_and_never_touched_is_given_back() {
    use rustix::fs::{FallocateFlags, fallocate};
    let mut filled = Filled::new(Options::default());
    let layout = filled.device().layout();
    let spans = [layout.spans() / 2, layout.spans() - 1];
    for span in spans {
        let bytes = layout.span(u32::try_from(span).expect("small"));
        let (region, len) = (filled.device().region(), layout.span_bytes());
        fallocate(region.file(), FallocateFlags::empty(), bytes.start, len).expect("memory");
        assert_eq!(region.next_backed(bytes.start), Ok(None), "tmpfs does not tell of it");
    }
    let (device, found) = filled.recover();
    assert_eq!(found.damaged, 0);
    filled.goes_on_with(device);
    filled.check(&[]);
}

#[test]
fn a_table_without_memory_is_an_error_and_no_signal() {
    let filled = Filled::new(Options::default());
    let region = filled.device().region();
    region.punch(16384..20480).expect("a page of the table");
    let refusing = Refusing::new(region);
    refusing.refuses_to_grow.store(true, Relaxed);
    let refused = Device::recover(refusing, codecs()).expect_err("no memory");
    assert_eq!(refused, Error::Memory(Errno(28)));
    assert_eq!(refused.to_string(), "no more memory for the device (error 28)");
    let (_, found) = filled.recover();
    assert_eq!(found.damaged, 0, "the pages in it are gone, and nothing can tell");
}

#[test]
fn a_file_that_was_cut_off_and_made_long_again_keeps_what_is_left() {
    let mut filled = Filled::new(Options::default());
    let layout = Layout::new(PAGES, false).expect("a size");
    let span = layout.span(11);
    // In the middle of a span, and not of an object: its first half would look as if it were all.
    let end = span.start + layout.span_bytes() / 2;
    let mut queue = filled.device().queue().expect("a thread");
    for page in filled.pages_at(|bytes| (bytes.start..bytes.end).contains(&end)) {
        filled::write(&mut queue, page.into(), &filled::content(page.into()));
    }
    drop(queue);
    let file = filled.device().region().file();
    file.set_len(end).expect("shorter");
    file.set_len(layout.region_bytes()).expect("as long as before");
    let lost = filled.pages_at(|bytes| bytes.end > end);
    assert!(lost.len() > 10 && lost.len() < 200, "{}", lost.len());
    filled.damaged(&lost);
}

#[test]
fn spans_without_memory_lose_their_pages_and_no_others() {
    let mut filled = Filled::new(Options::default());
    let span = filled.device().layout().span(1);
    filled.device().region().punch(span.clone()).expect("punched");
    let lost = filled.pages_at(|bytes| bytes.start >= span.start && bytes.end <= span.end);
    assert!(lost.len() > 10, "{}", lost.len());
    filled.damaged(&lost);
}

#[test]
fn damage_is_found_and_stays_where_it_is() {
    for case in damage::CASES {
        let mut filled = Filled::new(Options { access_times: true, ..Options::default() });
        let lost = (case.damage)(&filled);
        println!("{}: {lost:?}", case.what);
        assert!(!lost.is_empty());
        filled.damaged(&lost);
    }
}

#[test]
fn a_length_that_is_too_short_is_found_by_verify() {
    damage::too_short();
}

#[test]
fn verify_finds_objects_that_overlap() {
    let mut filled = Filled::new(Options::default());
    let page = damage::overwritten(&filled);
    let mut queue = filled.device().queue().expect("a thread");
    assert_eq!(queue.read(page.into(), &mut [0; 4096]), Ok(()), "it looks like any page");
    let what = "another object has overwritten its own";
    assert_eq!(queue.verify().damaged, [Error::Damaged { page, what }]);
    drop(queue);
    filled.damaged(&[page]);
}

#[test]
fn verify_finds_nothing_while_others_write() {
    let filled = Filled::new(Options::default());
    let (mut writer, mut verifier) = (filled.device().queue(), filled.device().queue());
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (queue, mut random) = (writer.as_mut().expect("a thread"), Random::new(1));
            let pages: Vec<_> = (0..PAGES).map(filled::content).collect();
            while !is_done.load(Relaxed) {
                let at = random.below(PAGES);
                let other = usize::try_from(random.below(PAGES)).expect("small");
                filled::write(queue, at, &pages[other]);
            }
        });
        let verifier = verifier.as_mut().expect("a thread");
        let damaged: Vec<_> = (0..40).flat_map(|_| verifier.verify().damaged).collect();
        is_done.store(true, Relaxed);
        assert_eq!(damaged.first(), None, "of {}", damaged.len());
    });
}

#[test]
fn no_damage_makes_it_panic_or_hang_and_all_heals() {
    let seeds = std::env::var("TRUENO_SEEDS").map_or(45, |seeds| seeds.parse().expect("seeds"));
    for seed in 0..seeds {
        println!("seed {seed}");
        storm::run(seed);
    }
}
