//! Chooses the next step, by what state the device is in: so that every state is reached often, and
//! left again.

use std::collections::VecDeque;

use fastrand::Rng;
use sysfs_compat::abi::attr::Mode;
use sysfs_compat::abi::{ATTRIBUTES, Attr};

use super::pair::Pair;
use super::safety;
use super::step::{Age, Extra, FileName, Page, Step};
use super::stories;
use super::texts;

/// A source of steps that depends on nothing but its seed and what it has led to.
#[derive(Debug)]
pub(super) struct Generator {
    rng: Rng,
    /// Steps that have been decided on already.
    planned: VecDeque<Step>,
}

/// What kind of step, before the details.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Write(Attr),
    WriteAny,
    WriteAge,
    Open,
    Reread,
    WritePage,
    ReadPage,
    Discard,
    Hold,
    Release,
    HotAdd,
    HotRemove,
    Story,
}

/// Weights in every state.
const ALWAYS: &[(u32, Kind)] = &[
    (14, Kind::WriteAny),
    (5, Kind::Open),
    (4, Kind::Reread),
    (2, Kind::HotAdd),
    (4, Kind::HotRemove),
    (3, Kind::Write(Attr::MemLimit)),
    (3, Kind::Write(Attr::WritebackLimit)),
    (3, Kind::Write(Attr::WritebackLimitEnable)),
];

/// Weights before the device is initialised.
const FRESH: &[(u32, Kind)] = &[
    (10, Kind::Write(Attr::Disksize)),
    (7, Kind::Write(Attr::CompAlgorithm)),
    (7, Kind::Write(Attr::AlgorithmParams)),
    (30, Kind::Write(Attr::BackingDev)),
    (4, Kind::Write(Attr::CompressedWriteback)),
    (2, Kind::Write(Attr::WritebackBatchSize)),
    (3, Kind::Write(Attr::Reset)),
    (8, Kind::Story),
];

/// Weights after that.
const LIVE: &[(u32, Kind)] = &[
    (34, Kind::WritePage),
    (8, Kind::ReadPage),
    (4, Kind::Discard),
    (8, Kind::Write(Attr::Idle)),
    (4, Kind::WriteAge),
    (16, Kind::Write(Attr::Writeback)),
    (4, Kind::Write(Attr::MemUsedMax)),
    (1, Kind::Write(Attr::Compact)),
    (2, Kind::Write(Attr::Reset)),
];

impl Generator {
    pub(super) fn new(seed: u64, pair: &Pair) -> Self {
        Generator { rng: Rng::with_seed(seed), planned: stories::opening(pair).into() }
    }

    /// The next step that can be done.
    pub(super) fn next(&mut self, pair: &Pair) -> Step {
        loop {
            let planned = self.planned.pop_front();
            let step = planned.or_else(|| {
                let kind = self.kind(pair);
                self.step(kind, pair)
            });
            if let Some(step) = step.filter(|step| safety::is_safe(step, pair)) {
                return step;
            }
        }
    }

    fn kind(&mut self, pair: &Pair) -> Kind {
        let state = if pair.model().is_initialised() { LIVE } else { FRESH };
        let is_held = pair.real().held.is_some();
        let hold = if is_held { (12, Kind::Release) } else { (3, Kind::Hold) };
        let kinds = || ALWAYS.iter().chain(state).chain([&hold]);
        let total = kinds().map(|(weight, _)| weight).sum::<u32>();
        let mut roll = self.rng.u32(0..total);
        for &(weight, kind) in kinds() {
            match roll.checked_sub(weight) {
                Some(rest) => roll = rest,
                None => return kind,
            }
        }
        Kind::WriteAny
    }

    /// The details, or nothing where the kernel or the state has no such step.
    fn step(&mut self, kind: Kind, pair: &Pair) -> Option<Step> {
        let pages = pair.pages();
        Some(match kind {
            Kind::Write(attr) => self.write(attr, pair)?,
            Kind::WriteAny => {
                let attr = self.attribute(pair, Mode::writes);
                self.write(attr, pair)?
            }
            Kind::WriteAge => {
                Step::WriteAge(if self.rng.bool() { Age::BeforeBoot } else { Age::BeforeTheRun })
            }
            Kind::Open => self.open(pair),
            Kind::Reread => self.reread(pair),
            Kind::WritePage => Step::WritePage { index: self.rng.u64(0..pages), page: self.page() },
            Kind::ReadPage => Step::ReadPage { index: self.rng.u64(0..pages) },
            Kind::Discard => {
                let first = self.rng.u64(0..pages);
                Step::Discard { first, pages: self.rng.u64(1..=(pages - first).min(8)) }
            }
            Kind::Hold => Step::Hold,
            Kind::Release => Step::Release,
            Kind::HotAdd if pair.real().spare.is_none() => Step::HotAdd,
            Kind::HotAdd => return None,
            Kind::Story => {
                self.planned.extend(stories::any(&mut self.rng, pair));
                return None;
            }
            Kind::HotRemove => {
                // A device that is open is refused; one that is not has had a long life before.
                let rarely = if pair.real().held.is_some() { 2 } else { 8 };
                let spare = pair.real().spare.as_ref().filter(|_| self.rng.u8(0..rarely) > 0);
                let number = spare.unwrap_or(&pair.real().device).number();
                Step::HotRemove { text: texts::hot_remove(&mut self.rng, number) }
            }
        })
    }

    fn write(&mut self, attr: Attr, pair: &Pair) -> Option<Step> {
        if !attr.info().exists(&pair.kernel) {
            return None;
        }
        let count = if self.rng.u8(0..16) == 0 { 2 } else { 1 };
        let texts = (0..count).map(|_| texts::text(&mut self.rng, attr, pair)).collect();
        let open = match self.rng.u8(0..16) {
            0 => Extra::Truncate,
            1 => Extra::Append,
            2 => Extra::Create,
            _ => Extra::None,
        };
        Some(Step::Write { attr, open, texts })
    }

    fn open(&mut self, pair: &Pair) -> Step {
        let (read, write) = match self.rng.u8(0..4) {
            0 => (true, true),
            1 => (true, false),
            _ => (false, true),
        };
        let extras = [Extra::None, Extra::Create, Extra::CreateNew, Extra::Truncate];
        // Without the right to write they would be the caller's mistake, not the kernel's answer.
        let open = if write { self.any(&extras) } else { Extra::None };
        let file = match self.rng.u8(0..8) {
            0 => FileName::Missing(self.any(&["use_dedup", "Disksize", "reset ", "queue_depth"])),
            1 => FileName::HotAdd,
            2 => FileName::HotRemove,
            _ => FileName::Attribute(self.attribute(pair, |_| true)),
        };
        Step::Open { file, open, read, write }
    }

    fn reread(&mut self, pair: &Pair) -> Step {
        let attr = self.attribute(pair, Mode::reads);
        let between = self.rng.bool().then(|| {
            let attr = self.attribute(pair, Mode::writes);
            (attr, texts::text(&mut self.rng, attr, pair))
        });
        Step::Reread { attr, first: self.rng.usize(1..40), between }
    }

    fn page(&mut self) -> Page {
        match self.rng.u8(0..8) {
            0 => Page::Filled([0; 8]),
            1 => Page::Filled(*b"abcdefgh"),
            2 => Page::Filled([self.rng.u8(..); 8]),
            _ => Page::Random(self.rng.u64(..)),
        }
    }

    fn attribute(&mut self, pair: &Pair, has: impl Fn(Mode) -> bool) -> Attr {
        let rows = ATTRIBUTES.iter().filter(|row| row.exists(&pair.kernel) && has(row.mode));
        let attrs = rows.map(|row| row.attr).collect::<Vec<_>>();
        self.any(&attrs)
    }

    fn any<T: Copy>(&mut self, choices: &[T]) -> T {
        texts::any(&mut self.rng, choices)
    }
}
