//! What can be done to a device, and lists of it.

use proptest::prelude::*;
use trueno_zram_store::Selection;

use super::samples::CodecSet;

/// One thing to do. Numbers are taken modulo what there is, so that every list is a valid one and
/// any part of it too.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Write {
        queue: u8,
        page: u16,
        sample: u16,
    },
    /// Consecutive pages, of all kinds or of one; a write that is parked is repeated after `maintain`.
    Fill {
        queue: u8,
        page: u16,
        pages: u16,
        sample: u16,
        is_mixed: bool,
    },
    Read {
        queue: u8,
        page: u16,
    },
    ReadAll {
        queue: u8,
    },
    /// Discard and write-zeroes are one.
    Discard {
        queue: u8,
        page: u16,
        pages: u16,
    },
    /// Every second page, which leaves holes.
    Thin {
        queue: u8,
        page: u16,
        pages: u16,
    },
    /// Everything is discarded, and memory given back.
    Ebb {
        queue: u8,
    },
    /// A write, a read and a discard behind the end.
    Outside {
        queue: u8,
        by: u8,
    },
    Compact {
        queue: u8,
        spans: u8,
        to_the_end: bool,
    },
    Recompress {
        queue: u8,
        what: Again,
        slots: u16,
        to_the_end: bool,
    },
    Limit(Limit),
    Idle {
        older_than: Option<u8>,
    },
    Tick(u8),
    ResetPeak,
    Maintain,
    Join,
    Leave {
        queue: u8,
    },
    /// A kill and a recovery; so many pages were held, and their owner's notes are nonsense.
    Crash {
        held: u8,
        salt: u16,
    },
    Format {
        pages: u16,
        has_times: bool,
        is_refused: bool,
    },
    Parameters {
        len: u16,
    },
    Refuse {
        grow_one_in: u8,
        punch_one_in: u8,
        budget: Option<u8>,
        seed: u16,
    },
    Verify {
        queue: u8,
    },
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Again {
    pub(crate) priority: u8,
    pub(crate) selection: Selection,
    pub(crate) threshold: Option<u16>,
    pub(crate) most_pages: Option<u8>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    None,
    /// As many spans as are in use, and so many more or less.
    Spans(i8),
    /// So many bytes more.
    Bytes(u16),
}

/// A device and what is done to it.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) pages: u16,
    pub(crate) has_times: bool,
    pub(crate) set: CodecSet,
    pub(crate) ops: Vec<Op>,
}

fn again() -> impl Strategy<Value = Again> {
    let selection = prop_oneof![
        6 => Just(Selection::All),
        1 => Just(Selection::Idle),
        1 => Just(Selection::Huge),
        1 => Just(Selection::HugeIdle),
    ];
    let threshold = prop_oneof![5 => Just(None), 1 => (1..4096_u16).prop_map(Some)];
    let most_pages = prop_oneof![5 => Just(None), 1 => (0..40_u8).prop_map(Some)];
    let priority = prop_oneof![1 => Just(0), 8 => Just(1), 4 => Just(2), 4 => Just(3)];
    (priority, selection, threshold, most_pages).prop_map(
        |(priority, selection, threshold, most_pages)| Again {
            priority,
            selection,
            threshold,
            most_pages,
        },
    )
}

fn limit() -> impl Strategy<Value = Limit> {
    prop_oneof![
        4 => Just(Limit::None),
        2 => (-3..4_i8).prop_map(Limit::Spans),
        1 => any::<u16>().prop_map(Limit::Bytes),
    ]
}

fn refuse() -> impl Strategy<Value = Op> {
    let seldom = || prop_oneof![4 => Just(0), 1 => Just(1), 2 => 2..20_u8];
    let budget = prop_oneof![2 => Just(None), 1 => (0..60_u8).prop_map(Some)];
    (seldom(), seldom(), budget, any::<u16>()).prop_map(
        |(grow_one_in, punch_one_in, budget, seed)| Op::Refuse {
            grow_one_in,
            punch_one_in,
            budget,
            seed,
        },
    )
}

fn op() -> impl Strategy<Value = Op> {
    let queue = || any::<u8>();
    let page = || any::<u16>();
    let pages = || prop_oneof![6 => 1..120_u16, 1 => Just(512)];
    let sample = || any::<u16>();
    prop_oneof![
        40 => (queue(), page(), sample())
            .prop_map(|(queue, page, sample)| Op::Write { queue, page, sample }),
        12 => (queue(), page(), pages(), sample(), proptest::bool::weighted(0.8)).prop_map(
            |(queue, page, pages, sample, is_mixed)| Op::Fill {
                queue,
                page,
                pages,
                sample,
                is_mixed,
            }
        ),
        12 => (queue(), page()).prop_map(|(queue, page)| Op::Read { queue, page }),
        1 => queue().prop_map(|queue| Op::ReadAll { queue }),
        8 => (queue(), page(), pages())
            .prop_map(|(queue, page, pages)| Op::Discard { queue, page, pages }),
        4 => (queue(), page(), pages())
            .prop_map(|(queue, page, pages)| Op::Thin { queue, page, pages }),
        1 => queue().prop_map(|queue| Op::Ebb { queue }),
        1 => (queue(), any::<u8>()).prop_map(|(queue, by)| Op::Outside { queue, by }),
        4 => (queue(), 1..20_u8, any::<bool>())
            .prop_map(|(queue, spans, to_the_end)| Op::Compact { queue, spans, to_the_end }),
        8 => (queue(), again(), 1..700_u16, any::<bool>()).prop_map(
            |(queue, what, slots, to_the_end)| Op::Recompress { queue, what, slots, to_the_end }
        ),
        3 => limit().prop_map(Op::Limit),
        4 => prop_oneof![1 => Just(None), 2 => (0..20_u8).prop_map(Some)]
            .prop_map(|older_than| Op::Idle { older_than }),
        6 => any::<u8>().prop_map(|by| Op::Tick(by % 8)),
        2 => Just(Op::ResetPeak),
        12 => Just(Op::Maintain),
        4 => Just(Op::Join),
        3 => queue().prop_map(|queue| Op::Leave { queue }),
        2 => (any::<u8>(), any::<u16>())
            .prop_map(|(held, salt)| Op::Crash { held: held % 8, salt }),
        1 => (any::<u16>(), any::<bool>(), any::<bool>()).prop_map(
            |(pages, has_times, is_refused)| Op::Format { pages, has_times, is_refused }
        ),
        1 => (0..2200_u16).prop_map(|len| Op::Parameters { len }),
        3 => refuse(),
        1 => queue().prop_map(|queue| Op::Verify { queue }),
    ]
}

/// Devices of 16 to 512 pages, and lists of up to so many operations.
pub(crate) fn case(most_ops: usize) -> impl Strategy<Value = Case> {
    let pages = prop_oneof![1 => 16..64_u16, 2 => 64..513_u16];
    let set = prop_oneof![Just(CodecSet::Lz4), Just(CodecSet::Wm)];
    let ops = proptest::collection::vec(op(), 1..=most_ops);
    (pages, any::<bool>(), set, ops).prop_map(|(pages, has_times, set, ops)| Case {
        pages,
        has_times,
        set,
        ops,
    })
}
