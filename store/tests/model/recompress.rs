//! Compressing again, as the map sees it: every page that is asked for becomes smaller, is marked, or
//! is at least not idle any more, the largest first, and nothing else changes.

use std::cmp::Reverse;

use trueno_zram_store::slot::{Content, Priority, Slot};
use trueno_zram_store::{
    Error, HUGE_FROM, Progress, Recompress, Recompression, Selection, granules,
};

use super::harness::Harness;
use super::ops::Again;
use super::samples::Kept;
use super::state::{Expected, State};

/// A pass that may go on with a later operation.
pub(crate) struct Pass {
    pass: Recompression,
    request: Recompress,
}

/// What has become of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Untouched,
    Smaller(usize),
    /// Marked as not to be tried again.
    Marked,
    /// As it was, but not idle any more.
    Left,
    /// As it was, which says nothing: it may have been tried and left.
    Unseen,
}

/// What is to become of a page that is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Smaller(usize),
    Marked,
    Left,
}

fn is_chosen(request: &Recompress, page: &Expected) -> Option<usize> {
    let (len, is_huge) = match page.kept {
        Kept::Stored { len, codec } if codec < request.priority => (len, false),
        Kept::Huge => (4096, true),
        _ => return None,
    };
    let is_selected = match request.selection {
        Selection::All => true,
        Selection::Idle => page.is_idle,
        Selection::Huge => is_huge,
        Selection::HugeIdle => is_huge && page.is_idle,
    };
    let is_large = len >= request.threshold.unwrap_or(0);
    (is_selected && is_large && !page.is_incompressible).then_some(len)
}

/// A codec that fails to make the page smaller marks it, unless a higher one might do better; one that
/// makes it smaller, but not below what was asked for, does not.
fn wanted(state: &State, request: &Recompress, page: &Expected) -> Wanted {
    let now = page.kept.object().expect("a page that was chosen");
    let bytes = state.samples.compressed(page.sample, request.priority);
    let shrunk = bytes.map(<[u8]>::len).filter(|len| *len < HUGE_FROM);
    match (shrunk.filter(|len| granules(*len) < granules(now)), request.threshold) {
        (None, _) if state.samples.has_codec_above(request.priority) => Wanted::Left,
        (None, _) => Wanted::Marked,
        (Some(len), Some(threshold)) if len >= threshold => Wanted::Left,
        (Some(len), _) => Wanted::Smaller(len),
    }
}

impl Harness {
    pub(crate) fn recompress(&mut self, queue: u8, what: Again, slots: u64, to_the_end: bool) {
        let at = self.queue_at(queue);
        let priority = Priority::new(what.priority).expect("below 4");
        let request = Recompress {
            priority,
            selection: what.selection,
            threshold: what.threshold.map(usize::from),
            most_pages: what.most_pages.map(u64::from),
        };
        if priority == Priority::PRIMARY || !self.state.samples.has_codec(priority) {
            let got = self.queues[at].recompress(&mut Recompression::new(request), slots);
            assert_eq!(got, Err(Error::NoCodec { priority: what.priority }));
            self.coverage.saw("no such codec");
            return;
        }
        // A pass that was left in the middle goes on, whatever has happened since.
        let left = self.pass.take().filter(|_| !to_the_end);
        let is_new = left.is_none();
        let mut pass = left.unwrap_or_else(|| Pass { pass: Recompression::new(request), request });
        let already = pass.pass.recompressed;
        let (is_done, is_short) = self.run(at, &mut pass.pass, slots, to_the_end);
        let outcomes = self.settle(&pass.request);
        let count = outcomes.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Smaller(_)));
        assert_eq!(pass.pass.recompressed - already, count.count() as u64);
        if is_new && !is_short {
            self.check_order(&pass.request, &outcomes, is_done);
        }
        if !is_done {
            self.pass = Some(pass);
        }
    }

    /// Whether the pass is at its end, and whether some page found no memory.
    fn run(
        &mut self,
        at: usize,
        pass: &mut Recompression,
        slots: u64,
        whole: bool,
    ) -> (bool, bool) {
        let mut is_short = false;
        loop {
            match self.queues[at].recompress(pass, slots) {
                Ok(Progress::Done) => return (true, is_short),
                Ok(Progress::More) if whole => {
                    if self.is_out_of_spans() {
                        self.coverage.saw("a recompression that was parked");
                        self.maintain();
                    }
                }
                Ok(Progress::More) => return (false, is_short),
                Err(error) => {
                    self.assert_short(error);
                    is_short = true;
                    self.coverage.saw(match error {
                        Error::Limit => "a recompression at the limit",
                        _ => "a recompression that ran out of memory",
                    });
                    if !whole {
                        return (false, is_short);
                    }
                }
            }
        }
    }

    /// Takes over what has become of each page that was asked for, as far as it may have.
    fn settle(&mut self, request: &Recompress) -> Vec<(Expected, Outcome)> {
        let mut outcomes = Vec::new();
        for page in 0..self.state.pages.len() {
            let (slot, old) = (self.slot(page).0, self.state.pages[page]);
            if is_chosen(request, &old).is_none() {
                continue;
            }
            let wanted = wanted(&self.state, request, &old);
            let outcome = outcome(request.priority, slot, &old, wanted);
            let now = &mut self.state.pages[page];
            match outcome {
                Outcome::Untouched | Outcome::Unseen => {}
                Outcome::Smaller(len) => {
                    assert_eq!(Wanted::Smaller(len), wanted, "page {page}, {old:?}");
                    now.kept = Kept::Stored { len, codec: request.priority };
                    let again = matches!(old.kept, Kept::Stored { codec, .. } if codec.get() > 0);
                    self.coverage.saw_if("a page compressed a second time again", again);
                    self.coverage.saw("a page compressed again");
                    self.coverage.saw_if("a recompression of idle pages", old.is_idle);
                }
                Outcome::Marked => {
                    assert_eq!(wanted, Wanted::Marked, "page {page}, {old:?}");
                    now.is_incompressible = true;
                    self.coverage.saw("a page that no codec made smaller");
                }
                Outcome::Left => {
                    assert_eq!(wanted, Wanted::Left, "page {page}, {old:?}");
                    self.coverage.saw("a page left to a higher codec or another threshold");
                }
            }
            if is_settled(outcome) {
                now.is_idle = false;
            }
            outcomes.push((old, outcome));
        }
        outcomes
    }

    /// The largest come first, in steps of 64 bytes, and no more of them than asked for.
    fn check_order(
        &mut self,
        request: &Recompress,
        outcomes: &[(Expected, Outcome)],
        is_done: bool,
    ) {
        let mut order: Vec<_> = outcomes.iter().collect();
        order.sort_by_key(|(page, _)| Reverse(page.kept.object().unwrap_or(0) / 64));
        let most = request
            .most_pages
            .map_or(order.len(), |most| order.len().min(usize::try_from(most).expect("small")));
        let (asked, others) = order.split_at(most);
        self.coverage.saw_if("a recompression of some pages only", !others.is_empty());
        assert!(others.iter().all(|(_, outcome)| !is_settled(*outcome)), "more than asked for");
        let last = asked.iter().rposition(|(_, outcome)| is_settled(*outcome));
        let settled = if is_done { asked } else { &asked[..last.map_or(0, |last| last + 1)] };
        for (page, outcome) in settled {
            let is_tried = is_settled(*outcome) || *outcome == Outcome::Unseen;
            assert!(is_tried, "{page:?} was passed over");
        }
    }
}

/// Whether it can be seen that the page was tried.
fn is_settled(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Smaller(_) | Outcome::Marked | Outcome::Left)
}

fn outcome(priority: Priority, slot: Slot, old: &Expected, wanted: Wanted) -> Outcome {
    match slot.content() {
        Some(Content::Stored { len, codec, .. }) if codec == priority => Outcome::Smaller(len),
        _ if slot.is_incompressible() => Outcome::Marked,
        _ if old.is_idle && !slot.is_idle() => Outcome::Left,
        _ if wanted == Wanted::Left && !old.is_idle => Outcome::Unseen,
        _ => Outcome::Untouched,
    }
}
