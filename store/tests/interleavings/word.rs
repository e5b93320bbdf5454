//! Words of the model checker loom, which runs a test once for each interleaving of its threads and
//! for each value that a load may see under the orderings given. What it does not try: a load that
//! sees what is stored only later, and a `compare_exchange_weak` that fails for no reason.

use core::sync::atomic::Ordering::{self, Relaxed};

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use loom::sync::atomic::AtomicU64;

use super::Word;

/// A word that loom watches. With `ORDERED` false all orderings are taken as relaxed: a check that
/// says nothing about such words does not look at orderings at all.
#[derive(Debug)]
pub(crate) struct Modelled<const ORDERED: bool = true>(AtomicU64);

impl<const ORDERED: bool> Modelled<ORDERED> {
    fn order(order: Ordering) -> Ordering {
        if ORDERED { order } else { Relaxed }
    }

    /// So many words of zero.
    pub(crate) fn zeros(count: usize) -> Vec<Self> {
        (0..count).map(|_| Self(AtomicU64::new(0))).collect()
    }
}

impl<const ORDERED: bool> Word for Modelled<ORDERED> {
    fn load(&self, order: Ordering) -> u64 {
        self.0.load(Self::order(order))
    }

    fn store(&self, value: u64, order: Ordering) {
        self.0.store(value, Self::order(order));
    }

    fn compare_exchange_weak(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        let (success, failure) = (Self::order(success), Self::order(failure));
        self.0.compare_exchange_weak(current, new, success, failure)
    }

    fn fetch_add(&self, value: u64, order: Ordering) -> u64 {
        self.0.fetch_add(value, Self::order(order))
    }

    fn pause(_: u32) {
        // Looking again and again changes nothing, so what is left of this interleaving is the same
        // as in one in which the thread looks only when the other is done: it need not branch.
        loom::skip_branch();
        loom::thread::yield_now();
    }
}

/// Runs `test` in every interleaving with at most `preemptions` switches away from a thread that
/// could go on, `None` for all of them, and returns what it came to. A bound leaves out most where
/// threads wait for each other; with `TRUENO_ALL_INTERLEAVINGS` in the environment there is none.
pub(crate) fn explore<T: Ord + Send + 'static>(
    preemptions: Option<usize>,
    test: impl Fn() -> T + Send + Sync + 'static,
) -> BTreeSet<T> {
    explore_first(None, preemptions, test)
}

/// Runs `test` in so many of those interleavings at most, where all of them would take hours.
pub(crate) fn explore_first<T: Ord + Send + 'static>(
    most: Option<usize>,
    preemptions: Option<usize>,
    test: impl Fn() -> T + Send + Sync + 'static,
) -> BTreeSet<T> {
    let mut model = loom::model::Builder::new();
    model.max_permutations = most;
    // So often it looks whether those were enough.
    model.checkpoint_interval = most.unwrap_or(model.checkpoint_interval);
    let is_bounded = std::env::var_os("TRUENO_ALL_INTERLEAVINGS").is_none();
    model.preemption_bound = preemptions.filter(|_| is_bounded);
    model.max_branches = 10_000;
    let seen = Arc::new(Mutex::new((0, BTreeSet::new())));
    let outcomes = Arc::clone(&seen);
    let start = Instant::now();
    model.check(move || {
        let outcome = test();
        let mut seen = outcomes.lock().expect("no panic");
        seen.0 += 1;
        seen.1.insert(outcome);
    });
    let (count, outcomes) = &mut *seen.lock().expect("no panic");
    println!("{count} interleavings, {} outcomes, {:?}", outcomes.len(), start.elapsed());
    core::mem::take(outcomes)
}
