//! Rounds, codecs, blocks: the loop that takes the times.

use core::hint::black_box;
use core::num::NonZeroUsize;
use core::ops::Range;
use std::borrow::ToOwned as _;
use std::boxed::Box;
use std::collections::BTreeMap;
use std::string::ToString as _;
use std::time::{Duration, Instant};
use std::vec::Vec;

use super::report::{Row, SetReport};
use super::{Error, PageSet, Subject};
use crate::{BUFFER_SIZE, PAGE_SIZE, Page};

/// How many pages are timed at a time: enough that reading the clock (some 30 ns) does not show
/// beside them, few enough that an interrupt spoils little.
pub const BLOCK: usize = 16;

/// How many bytes an output for [`Subject::compress`] has: some libraries refuse to start unless
/// there is room for much more than a page can become.
pub const OUTPUT_SIZE: usize = 2 * PAGE_SIZE;

const _: () = assert!(OUTPUT_SIZE >= BUFFER_SIZE);

/// The inner format of a page that is kept as it is.
const RAW: &str = "raw";

/// How a benchmark is run.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Benchmark {
    rounds: NonZeroUsize,
    every: NonZeroUsize,
}

/// Where a benchmark is, for those who watch it.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// The set of pages.
    pub set: &'a str,
    /// The codec whose turn begins.
    pub codec: &'a str,
    /// The round, counted from 1; 0 is the one that verifies every page.
    pub round: usize,
    /// How many rounds there will be.
    pub rounds: usize,
}

impl Default for Benchmark {
    fn default() -> Self {
        Self::new()
    }
}

impl Benchmark {
    /// Eight rounds over all pages: on a shared machine, fewer than six leave noise in the minima.
    pub const fn new() -> Self {
        const EIGHT: NonZeroUsize = NonZeroUsize::new(8).unwrap();
        Self { rounds: EIGHT, every: NonZeroUsize::MIN }
    }

    /// How many times every codec goes over the pages, timed; at least 1.
    pub fn rounds(mut self, rounds: usize) -> Self {
        self.rounds = NonZeroUsize::new(rounds).unwrap_or(NonZeroUsize::MIN);
        self
    }

    /// Takes only every so-manieth block of [`BLOCK`] pages, for a quick look.
    pub fn every(mut self, every: usize) -> Self {
        self.every = NonZeroUsize::new(every).unwrap_or(NonZeroUsize::MIN);
        self
    }

    /// Verifies, then times, all `subjects` on the pages of `set`.
    ///
    /// `progress` is called at the start of every turn, between what is timed.
    ///
    /// # Errors
    ///
    /// A codec does not give a page back, or is not [steady](Error::Unsteady).
    pub fn run(
        &self,
        set: &PageSet,
        subjects: &mut [Box<dyn Subject>],
        mut progress: impl FnMut(Progress<'_>),
    ) -> Result<SetReport, Error> {
        let mut lanes = self.lanes(set, subjects, &mut progress)?;
        for round in 1..=self.rounds.get() {
            for lane in &mut lanes {
                progress(self.progress(set, lane.subject.name(), round));
                lane.time_compress();
                lane.time_decompress();
                lane.check_steady(&set.name)?;
            }
        }
        Ok(SetReport {
            name: set.name.clone(),
            pages: lanes.first().map_or(0, Lane::pages),
            same_filled: set.same_filled,
            rows: lanes.iter().map(Lane::row).collect(),
        })
    }

    /// Round 0: every page through every codec and back.
    pub(super) fn lanes<'a>(
        &self,
        set: &'a PageSet,
        subjects: &'a mut [Box<dyn Subject>],
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Vec<Lane<'a>>, Error> {
        let mut lanes = Vec::with_capacity(subjects.len());
        for subject in subjects {
            progress(self.progress(set, subject.name(), 0));
            let blocks = set.pages.chunks(BLOCK).step_by(self.every.get()).collect();
            lanes.push(Lane::verified(subject.as_mut(), blocks, &set.name)?);
        }
        Ok(lanes)
    }

    pub(super) fn progress<'a>(
        &self,
        set: &'a PageSet,
        codec: &'a str,
        round: usize,
    ) -> Progress<'a> {
        Progress { set: &set.name, codec, round, rounds: self.rounds.get() }
    }

    pub(super) const fn round_count(&self) -> usize {
        self.rounds.get()
    }
}

/// One codec's way through the pages.
pub(super) struct Lane<'a> {
    pub(super) subject: &'a mut dyn Subject,
    blocks: Vec<Block<'a>>,
    /// The compressed pages, one behind the other as in a store.
    bytes: Vec<u8>,
    out: Box<[u8; OUTPUT_SIZE]>,
    page: Box<Page>,
    kinds: BTreeMap<&'static str, usize>,
    /// How many bytes the last timed round made, and whether it read all of them back.
    last_round: (usize, bool),
}

struct Block<'a> {
    pages: &'a [Page],
    /// Where each page's bytes are; none for a page that is stored as it is.
    stored: Vec<Option<Range<usize>>>,
    compress: Duration,
    decompress: Duration,
}

impl<'a> Lane<'a> {
    fn verified(
        subject: &'a mut dyn Subject,
        blocks: Vec<&'a [Page]>,
        set: &str,
    ) -> Result<Self, Error> {
        let mut lane = Self {
            subject,
            blocks: Vec::with_capacity(blocks.len()),
            bytes: Vec::new(),
            out: Box::new([0; OUTPUT_SIZE]),
            page: Box::new([0; PAGE_SIZE]),
            kinds: BTreeMap::new(),
            last_round: (0, true),
        };
        for pages in blocks {
            let mut stored = Vec::with_capacity(pages.len());
            for page in pages {
                stored.push(lane.store(page).map_err(|()| Error::RoundTrip {
                    codec: lane.subject.name().to_owned(),
                    set: set.to_owned(),
                    page: lane.pages() + stored.len(),
                })?);
            }
            let never = Duration::MAX;
            lane.blocks.push(Block { pages, stored, compress: never, decompress: never });
        }
        Ok(lane)
    }

    /// Compresses the page, keeps the bytes, and reads them back.
    fn store(&mut self, page: &Page) -> Result<Option<Range<usize>>, ()> {
        // Nothing of an earlier page may help.
        self.out.fill(0xa5);
        self.page.fill(0x5a);
        let len = self.subject.compress(page, self.out.as_mut_slice()).ok_or(())?;
        if len >= PAGE_SIZE {
            *self.kinds.entry(RAW).or_default() += 1;
            return Ok(None);
        }
        let data = self.out.get(..len).ok_or(())?;
        let start = self.bytes.len();
        self.bytes.extend_from_slice(data);
        if let Some(kind) = self.subject.kind(data) {
            *self.kinds.entry(kind).or_default() += 1;
        }
        let accepted = self.subject.decompress(data, &mut self.page);
        if accepted && *self.page == *page { Ok(Some(start..self.bytes.len())) } else { Err(()) }
    }

    fn time_compress(&mut self) {
        let mut made = 0;
        for block in &mut self.blocks {
            let start = Instant::now();
            for page in block.pages {
                let len = self.subject.compress(black_box(page), self.out.as_mut_slice());
                made += len.map_or(0, |len| len.min(PAGE_SIZE));
            }
            block.compress = start.elapsed().min(block.compress);
        }
        self.last_round.0 = made;
    }

    fn time_decompress(&mut self) {
        let mut all = true;
        for block in &mut self.blocks {
            let start = Instant::now();
            for (page, stored) in block.pages.iter().zip(&block.stored) {
                match stored.clone().and_then(|range| self.bytes.get(range)) {
                    Some(data) => all &= self.subject.decompress(black_box(data), &mut self.page),
                    None => *self.page = *black_box(page),
                }
                black_box(&mut self.page);
            }
            block.decompress = start.elapsed().min(block.decompress);
        }
        self.last_round.1 = all;
    }

    /// What was timed must be what was verified.
    fn check_steady(&self, set: &str) -> Result<(), Error> {
        if self.last_round == (self.stored_bytes(), true) {
            return Ok(());
        }
        Err(Error::Unsteady { codec: self.subject.name().to_owned(), set: set.to_owned() })
    }

    /// Calls `each` for every page, with its compressed bytes unless it is stored as it is.
    pub(super) fn for_each_page(
        &mut self,
        mut each: impl FnMut(&mut dyn Subject, &Page, Option<&[u8]>, &mut [u8], &mut Page),
    ) {
        for block in &self.blocks {
            for (page, stored) in block.pages.iter().zip(&block.stored) {
                let data = stored.clone().and_then(|range| self.bytes.get(range));
                each(self.subject, page, data, self.out.as_mut_slice(), &mut self.page);
            }
        }
    }

    pub(super) fn pages(&self) -> usize {
        self.blocks.iter().map(|block| block.pages.len()).sum()
    }

    fn incompressible(&self) -> usize {
        self.blocks.iter().flat_map(|block| &block.stored).filter(|range| range.is_none()).count()
    }

    fn stored_bytes(&self) -> usize {
        self.bytes.len() + self.incompressible() * PAGE_SIZE
    }

    fn row(&self) -> Row {
        // "raw" alone says nothing that the share of incompressible pages does not.
        let is_mixed = self.kinds.keys().any(|kind| *kind != RAW);
        let kinds = self.kinds.iter().filter(|_| is_mixed);
        Row {
            codec: self.subject.name().to_owned(),
            pages: self.pages(),
            stored_bytes: self.stored_bytes(),
            incompressible: self.incompressible(),
            compress: self.blocks.iter().map(|block| block.compress).sum(),
            decompress: self.blocks.iter().map(|block| block.decompress).sum(),
            kinds: kinds.map(|(kind, pages)| (kind.to_string(), *pages)).collect(),
        }
    }
}
