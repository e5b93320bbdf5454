//! A device and a plain map do the same, and agree after every operation: in the contents of every
//! page, in every statistic that follows from what was done, and in what holds for the others.
//!
//! Operations come as random lists, which shrink to a short one if something is found. The ordinary
//! run does the same 12 000 of them every time. `TRUENO_MODEL_OPS=5000000 cargo test --release -p
//! trueno-zram-store --test model -- --nocapture` does so many, in longer lists and other ones each
//! time; with the `TRUENO_MODEL_SEED` that a failure tells, it begins with the list that failed.
#![expect(clippy::indexing_slicing, reason = "a panic is a test that fails")]
#![expect(clippy::print_stdout, reason = "what a run has covered")]

#[path = "model/agree.rs"]
mod agree;
mod common;
#[path = "model/coverage.rs"]
mod coverage;
#[path = "model/failing.rs"]
mod failing;
#[path = "model/harness.rs"]
mod harness;
#[path = "model/life.rs"]
mod life;
#[path = "model/ops.rs"]
mod ops;
#[path = "model/promises.rs"]
mod promises;
#[path = "model/recompress.rs"]
mod recompress;
#[path = "model/samples.rs"]
mod samples;
#[path = "model/state.rs"]
mod state;

use std::cell::{Cell, RefCell};
use std::env;
use std::panic;
use std::rc::Rc;

use coverage::Coverage;
use harness::Harness;
use ops::Case;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use samples::{CodecSet, Samples};

/// Operations of the ordinary run, and of one list of them.
const OPS: u64 = 12_000;
const OPS_A_CASE: usize = 300;
/// The lists of a long run are longer: old devices are another thing than new ones.
const OPS_A_LONG_CASE: usize = 3000;

struct Models {
    lz4: Rc<Samples>,
    wm: Rc<Samples>,
    coverage: RefCell<Coverage>,
    done: Cell<u64>,
}

impl Models {
    fn new() -> Self {
        Self {
            lz4: Rc::new(Samples::new(CodecSet::Lz4)),
            wm: Rc::new(Samples::new(CodecSet::Wm)),
            coverage: RefCell::default(),
            done: Cell::new(0),
        }
    }

    fn run(&self, case: &Case) {
        let samples = match case.set {
            CodecSet::Lz4 => &self.lz4,
            CodecSet::Wm => &self.wm,
        };
        let mut harness = Harness::new(case, Rc::clone(samples));
        harness.coverage = self.coverage.borrow().clone();
        case.ops.iter().for_each(|op| harness.apply(op));
        *self.coverage.borrow_mut() = harness.finish();
        self.done.set(self.done.get() + case.ops.len() as u64);
    }
}

thread_local! {
    /// Whether the panics of this thread are not told: shrinking makes thousands, and then tells one.
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
}

fn quieten() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !IS_QUIET.get() {
            usual(info);
        }
    }));
}

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")))
}

#[test]
fn device_and_map_agree() {
    let long = number("TRUENO_MODEL_OPS");
    let most_ops = if long.is_some() { OPS_A_LONG_CASE } else { OPS_A_CASE };
    let clock = || std::time::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_micros());
    let drawn = if long.is_some() { u64::try_from(clock()).unwrap_or(0) } else { 0 };
    let first = number("TRUENO_MODEL_SEED").unwrap_or(drawn);
    let models = Models::new();
    quieten();
    for seed in first.. {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let config = Config {
            cases: 5,
            failure_persistence: None,
            max_shrink_iters: 20_000,
            ..Config::default()
        };
        let mut runner = TestRunner::new_with_rng(config, random);
        IS_QUIET.set(true);
        let found = runner.run(&ops::case(most_ops), |case| {
            models.run(&case);
            Ok(())
        });
        IS_QUIET.set(false);
        match found {
            Ok(()) => {}
            Err(TestError::Fail(why, case)) => {
                panic!("TRUENO_MODEL_SEED={seed}: {why}\n{case:#?}");
            }
            Err(TestError::Abort(why)) => panic!("{why}"),
        }
        if models.done.get() >= long.unwrap_or(OPS) {
            break;
        }
    }
    println!("{} operations, seeds from {first} on", models.done.get());
    models.coverage.borrow().assert_complete();
}
