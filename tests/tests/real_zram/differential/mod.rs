//! The state machine of the contract against the running kernel: one random sequence of writes,
//! reads and data is done to both, and after every step they must agree in every errno and every
//! byte of every text.
//!
//! Where the real behaviour is left to chance, the step is not made: ages that depend on when a
//! page was touched, pages named twice in one writeback list, writes of several pages at a time.
//! What would harm the machine is not made either; [`safety`] is the list.
//!
//! TRUENO_STEPS and TRUENO_SEED choose length and sequence, TRUENO_SOAK=1 makes it long.

use std::collections::VecDeque;
use std::time::Instant;

use libtest_mimic::{Failed, Trial};
use sysfs_compat::abi::Kernel;
use trueno_tests::{kernel, seed, zram};

use self::coverage::Coverage;
use self::generate::Generator;
use self::pair::Pair;

mod act;
mod coverage;
mod generate;
mod pair;
mod requests;
mod safety;
mod step;
mod stories;
mod texts;
mod world;

/// Steps of a run. Fewer, asked for by hand, are not expected to see everything.
const STEPS: u64 = 10_000;
const SOAK_STEPS: u64 = 100_000;

/// Steps that are shown when one fails.
const SHOWN: usize = 20;

/// Slots are listed every so many steps; texts are compared after each one.
const STEPS_PER_LISTING: u64 = 4;

pub(super) fn trials() -> Vec<Trial> {
    vec![Trial::test("differential", run)]
}

fn run() -> Result<(), Failed> {
    if let Some(obstacle) = zram::obstacle() {
        return Err(obstacle.into());
    }
    let seed = seed::seed()?;
    let steps = seed::steps(STEPS, SOAK_STEPS)?;
    let kernel = kernel::probe()?;
    say(&format!("TRUENO_SEED={seed} TRUENO_STEPS={steps} on {kernel:?}"));

    let start = Instant::now();
    let coverage = run_steps(kernel.clone(), seed, steps)?;
    say(&format!("{coverage} in {:.1} s", start.elapsed().as_secs_f64()));
    let gaps = coverage.gaps(&kernel);
    if steps < STEPS || gaps.is_empty() {
        return Ok(());
    }
    Err(format!("TRUENO_SEED={seed}: the table is not covered:\n  {}", gaps.join("\n  ")).into())
}

fn run_steps(kernel: Kernel, seed: u64, steps: u64) -> Result<Coverage, String> {
    let mut pair = Pair::new(kernel)?;
    let mut coverage = Coverage::default();
    let mut generator = Generator::new(seed, &pair);
    let mut last = VecDeque::new();
    for number in 0..steps {
        let step = generator.next(&pair);
        if last.len() == SHOWN {
            last.pop_front();
        }
        last.push_back(format!("{number:>6} {step:?}"));
        let outcome = pair
            .apply(&step, &mut coverage)
            .and_then(|()| pair.compare_texts(&mut coverage))
            .and_then(|()| match number % STEPS_PER_LISTING {
                0 => pair.compare_slots(&mut coverage),
                _ => Ok(()),
            });
        outcome.map_err(|failure| {
            let last = last.make_contiguous().join("\n");
            format!("TRUENO_SEED={seed}, step {number}: {failure}\nthe last steps were\n{last}")
        })?;
    }
    Ok(coverage)
}

#[expect(clippy::print_stderr, reason = "the report, which must not wait for the end of the run")]
fn say(text: &str) {
    eprintln!("{text}");
}
