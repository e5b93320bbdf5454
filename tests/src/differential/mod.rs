//! The state machine of the contract against real devices: one random sequence of writes, reads and
//! data is done to the model and to each of them, and after every step they must agree in every errno
//! and every byte of every text.
//!
//! The kernel's device is compared with the model; our own with both at once, by the [`Terms`] that
//! say where two makes may differ.
//!
//! Where the real behaviour is left to chance, the step is not made: ages that depend on when a
//! page was touched, pages named twice in one writeback list, writes of several pages at a time.
//! What would harm the machine is not made either; `safety.rs` has the list.
//!
//! TRUENO_STEPS and TRUENO_SEED choose length and sequence, TRUENO_SOAK=1 makes it long.

use std::collections::VecDeque;
use std::time::Instant;

use sysfs_compat::abi::Kernel;

use self::coverage::Coverage;
use self::generate::Generator;
use self::pair::Pair;
pub use self::terms::Terms;
use crate::check::say;
use crate::zram::{self, Make};
use crate::{kernel, seed};

mod act;
mod coverage;
mod generate;
mod pair;
mod requests;
mod safety;
mod step;
mod stories;
mod terms;
mod texts;
mod world;

/// Steps that are shown when one fails.
const SHOWN: usize = 20;

/// Slots are listed every so many steps; texts are compared after each one.
const STEPS_PER_LISTING: u64 = 4;

/// How long a run is.
#[derive(Debug, Clone, Copy)]
pub struct Length {
    /// In `test`.
    pub usual: u64,
    /// In `soak`.
    pub soak: u64,
    /// From so many steps on everything must have been seen that the table lists.
    pub whole: u64,
}

/// Compares the model with the kernel's device.
///
/// # Errors
/// With the step that shows a difference, or with what the run should have met and has not.
pub fn with_kernel(length: Length) -> Result<(), String> {
    if let Some(obstacle) = zram::obstacle() {
        return Err(obstacle.into());
    }
    let kernel = kernel::probe().map_err(|error| error.to_string())?;
    run(kernel, &[Make::Kernel], Terms::default(), length)
}

/// Compares the model with the kernel's device and one of ours, and so these with each other.
///
/// # Errors
/// As [`with_kernel`].
pub fn with_mirror(length: Length) -> Result<(), String> {
    if let Some(obstacle) = zram::obstacle() {
        return Err(obstacle.into());
    }
    let terms = Terms::with_mirror()?;
    let kernel = terms.common(kernel::probe().map_err(|error| error.to_string())?);
    run(kernel, &[Make::Kernel, Make::Ublk], terms, length)
}

fn run(kernel: Kernel, makes: &[Make], terms: Terms, length: Length) -> Result<(), String> {
    let seed = seed::seed()?;
    let steps = seed::steps(length.usual, length.soak)?;
    say(&format!("TRUENO_SEED={seed} TRUENO_STEPS={steps} on {kernel:?}"));

    let start = Instant::now();
    let (coverage, gaps) = run_steps(kernel, makes, terms, seed, steps)?;
    say(&format!("{coverage} in {:.1} s", start.elapsed().as_secs_f64()));
    if steps < length.whole || gaps.is_empty() {
        return Ok(());
    }
    Err(format!("TRUENO_SEED={seed}: the table is not covered:\n  {}", gaps.join("\n  ")))
}

fn run_steps(
    kernel: Kernel,
    makes: &[Make],
    terms: Terms,
    seed: u64,
    steps: u64,
) -> Result<(Coverage, Vec<String>), String> {
    let mut pair = Pair::new(kernel, makes, terms)?;
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
    let mut gaps = coverage.gaps(&pair.kernel);
    gaps.retain(|gap| !pair.terms.grant(gap));
    Ok((coverage, gaps))
}
