//! Subjects that misbehave, and sums that must add up.

use std::borrow::ToOwned as _;
use std::boxed::Box;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::string::ToString as _;
use std::time::Duration;
use std::vec::Vec;

use super::{BLOCK, Benchmark, Error, PageSet, Report, Row, SetReport, Subject, Synthetic};
use crate::{PAGE_SIZE, Page};

/// Keeps the first `kept` bytes of a page, and remembers which pages it saw.
struct Fake {
    kept: usize,
    /// Called this often, it makes one byte more.
    grows_after: usize,
    refuses: bool,
    seen: Vec<u64>,
}

impl Fake {
    const GOOD: Self = Self { kept: 64, grows_after: usize::MAX, refuses: false, seen: Vec::new() };
}

impl Subject for Fake {
    fn name(&self) -> &str {
        "fake"
    }

    fn compress(&mut self, page: &Page, out: &mut [u8]) -> Option<usize> {
        let word = u64::from_le_bytes(*page.first_chunk().unwrap());
        assert_ne!(self.seen.last(), Some(&word), "the same page twice in a row");
        self.seen.push(word);
        let len = self.kept + usize::from(self.seen.len() > self.grows_after);
        out[..len].copy_from_slice(&page[..len]);
        Some(len)
    }

    fn decompress(&mut self, data: &[u8], page: &mut Page) -> bool {
        page.fill(0);
        page[..data.len()].copy_from_slice(data);
        !self.refuses
    }

    fn kind(&self, data: &[u8]) -> Option<&'static str> {
        (self.kept < PAGE_SIZE).then_some(if data[0].is_multiple_of(2) { "even" } else { "odd" })
    }
}

/// Pages that start with their number and are zero after 64 bytes.
fn numbered(pages: u64) -> PageSet {
    let page = |number: u64| {
        let mut page = [0; PAGE_SIZE];
        page[..8].copy_from_slice(&number.to_le_bytes());
        page[8..64].fill(0x77);
        page
    };
    PageSet { name: "numbered".to_owned(), pages: (0..pages).map(page).collect(), same_filled: 3 }
}

fn run(benchmark: Benchmark, set: &PageSet, fake: Fake) -> Result<SetReport, Error> {
    let mut subjects: Vec<Box<dyn Subject>> = std::vec![Box::new(fake)];
    benchmark.run(set, &mut subjects, |_| ())
}

#[test]
fn every_page_is_counted_once() {
    let report = run(Benchmark::new().rounds(2), &numbered(100), Fake::GOOD).unwrap();
    let row = report.row("fake").unwrap();
    assert_eq!((report.pages, row.pages, row.stored_bytes), (100, 100, 6400));
    assert_eq!((report.same_filled, row.incompressible), (3, 0));
    assert_eq!((row.kinds["even"], row.kinds["odd"]), (50, 50));
    assert!((row.ratio() - 64.0).abs() < 1e-9, "{}", row.ratio());
    assert!(row.compress > Duration::ZERO && row.compress < Duration::from_secs(1));
    assert!(row.decompress > Duration::ZERO && row.decompress < Duration::from_secs(1));
}

#[test]
fn every_second_block_is_half_of_the_pages() {
    let pages = u64::try_from(4 * BLOCK + 3).unwrap();
    let report = run(Benchmark::new().rounds(1).every(2), &numbered(pages), Fake::GOOD).unwrap();
    // Blocks 0, 2, and the three pages of block 4.
    assert_eq!(report.pages, 2 * BLOCK + 3);
}

#[test]
fn what_does_not_get_smaller_counts_as_a_page() {
    let set = PageSet::synthetic(Synthetic::Random, 20);
    let fake = Fake { kept: PAGE_SIZE, ..Fake::GOOD };
    let report = run(Benchmark::new().rounds(1), &set, fake).unwrap();
    let row = report.row("fake").unwrap();
    assert_eq!((row.incompressible, row.stored_bytes), (20, 20 * PAGE_SIZE));
    assert!(row.kinds.is_empty(), "{:?}", row.kinds);
    assert!((row.incompressible_share() - 1.0).abs() < 1e-9);
}

#[test]
fn a_codec_that_loses_bytes_gets_no_times() {
    let mut set = numbered(40);
    set.pages[33][4000] = 1;
    let lossy = run(Benchmark::new(), &set, Fake::GOOD).unwrap_err();
    assert!(matches!(&lossy, Error::RoundTrip { page: 33, .. }), "{lossy}");
    assert_eq!(lossy.to_string(), "fake does not give page 33 of numbered back");
    let refusing = run(Benchmark::new(), &numbered(40), Fake { refuses: true, ..Fake::GOOD });
    assert!(matches!(refusing, Err(Error::RoundTrip { page: 0, .. })), "{refusing:?}");
}

#[test]
fn what_is_timed_must_be_what_was_verified() {
    let fake = Fake { grows_after: 70, ..Fake::GOOD };
    let result = run(Benchmark::new().rounds(1), &numbered(40), fake);
    assert!(matches!(result, Err(Error::Unsteady { .. })), "{result:?}");
}

/// Notes each call, and is slow in one block of every round: in block `round % 2`.
struct Sluggish {
    name: &'static str,
    round: Rc<Cell<usize>>,
    calls: Rc<RefCell<Vec<&'static str>>>,
}

const PAUSE: Duration = Duration::from_millis(25);

impl Sluggish {
    fn call(&self, page: &Page) {
        self.calls.borrow_mut().push(self.name);
        let number = usize::from(page[0]);
        if number.is_multiple_of(BLOCK) && number / BLOCK == self.round.get() % 2 {
            std::thread::sleep(PAUSE);
        }
    }
}

impl Subject for Sluggish {
    fn name(&self) -> &str {
        self.name
    }

    fn compress(&mut self, page: &Page, out: &mut [u8]) -> Option<usize> {
        self.call(page);
        out[..64].copy_from_slice(&page[..64]);
        Some(64)
    }

    fn decompress(&mut self, data: &[u8], page: &mut Page) -> bool {
        page.fill(0);
        page[..data.len()].copy_from_slice(data);
        self.call(page);
        true
    }
}

#[test]
fn codecs_take_turns_and_each_block_counts_with_its_fastest_round() {
    let (round, calls) = (Rc::new(Cell::new(0)), Rc::new(RefCell::new(Vec::new())));
    let subject = |name| -> Box<dyn Subject> {
        Box::new(Sluggish { name, round: round.clone(), calls: calls.clone() })
    };
    let set = numbered(u64::try_from(2 * BLOCK).unwrap());
    let mut subjects = [subject("a"), subject("b")];
    let watch = |progress: super::Progress<'_>| round.set(progress.round);
    let report = Benchmark::new().rounds(4).run(&set, &mut subjects, watch).unwrap();
    for row in &report.rows {
        // No round was faster than that, but each block had two rounds that were.
        assert!(row.compress < PAUSE && row.decompress < PAUSE, "{row:?}");
    }
    let turns = calls.borrow().chunk_by(|a, b| a == b).map(|turn| turn[0]).collect::<Vec<_>>();
    assert_eq!(turns.concat(), "ab".repeat(1 + 4), "the round that verifies, and four");
}

#[test]
fn single_calls_are_all_there() {
    let mut subjects: Vec<Box<dyn Subject>> = std::vec![Box::new(Fake::GOOD)];
    let benchmark = Benchmark::new().rounds(3);
    let report = benchmark.latency(&numbered(50), &mut subjects, |_| ()).unwrap();
    let row = report.row("fake").unwrap();
    assert_eq!((row.compress_pages.calls, row.compress_calls.calls), (50, 150));
    assert_eq!((row.decompress_pages.calls, row.decompress_calls.calls), (50, 150));
    assert!(row.compress_pages.max <= row.compress_calls.max);
    assert!(report.to_string().contains("p99/p50"));
}

#[test]
fn the_total_is_of_codecs_that_ran_everywhere() {
    let row = |codec: &str, pages, stored_bytes, micros| Row {
        codec: codec.to_owned(),
        pages,
        stored_bytes,
        incompressible: 1,
        compress: Duration::from_micros(micros),
        decompress: Duration::from_micros(micros / 2),
        kinds: [("words".to_owned(), pages - 1)].into(),
    };
    let set =
        |name: &str, pages, rows| SetReport { name: name.to_owned(), pages, same_filled: 2, rows };
    let first = set("a", 100, std::vec![row("x", 100, 102_400, 100), row("y", 100, 409_600, 1)]);
    let second = set("b", 300, std::vec![row("x", 300, 1_126_400, 900)]);
    let report = Report { reference: "x".to_owned(), sets: std::vec![first, second] };
    let total = report.total();
    assert_eq!((total.pages, total.same_filled, total.rows.len()), (400, 4, 1));
    let sum = total.row("x").unwrap();
    assert_eq!((sum.pages, sum.stored_bytes, sum.incompressible), (400, 1_228_800, 2));
    assert!((sum.compress_ns() - 2500.0).abs() < 1e-6, "{}", sum.compress_ns());
    assert!((sum.decompress_ns() - 1250.0).abs() < 1e-6, "{}", sum.decompress_ns());
    assert!((sum.ratio() - 4.0 / 3.0).abs() < 1e-9, "{}", sum.ratio());
    assert_eq!(sum.kinds["words"], 398);
    #[cfg(feature = "serde")]
    {
        let json = serde_json::to_string(&report).unwrap();
        assert!(json.contains("\"compress_ns\":900000,"), "{json}");
        assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
    }
    let text = report.to_string();
    assert!(text.contains("total: 400 pages (4 same-filled ones left out)"), "{text}");
    assert!(text.contains("1.00x") && text.contains("words 99.5 %"), "{text}");
}
