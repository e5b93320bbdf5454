//! The mirror against the kernel's zram: the same steps, the same bytes, the same errno.

use libtest_mimic::Trial;
use trueno_tests::check::{Outcome, ensure};
use trueno_tests::differential::{self, Length};
use trueno_tests::zram::Make;

use crate::stand::{Stand, trial_of_ours};

/// Each device that is initialised on the way is a process of ours, so steps are dear.
const LENGTH: Length = Length { usual: 600, soak: 5000, whole: 5000 };

pub(super) fn trials() -> Vec<Trial> {
    vec![trial_of_ours("third_way::mirror_and_kernel", compare)]
}

fn compare(_: &mut Stand) -> Outcome {
    let others = Make::Kernel.numbers()?;
    ensure(others.is_empty(), || format!("the kernel has devices already: {others:?}"))?;
    Ok(differential::with_mirror(LENGTH)?)
}
