//! Tests on real zram devices, which they make themselves and remove at the end; devices that are
//! there already are never touched. They run as root with TRUENO_REAL_ZRAM=1, else they are listed
//! as ignored. The arguments are those of any Rust test.

use std::fs::File;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use trueno_tests::differential::{self, Length};
use trueno_tests::zram;

mod beyond;
mod generator;
mod habits;
mod side_by_side;

/// All trials: one line for each module.
fn trials() -> Vec<Trial> {
    [
        differential(),
        beyond::trials(),
        generator::trials(),
        side_by_side::trials(),
        habits::trials(),
        //
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The state machine against the kernel.
fn differential() -> Vec<Trial> {
    let length = Length { usual: 10_000, soak: 100_000, whole: 10_000 };
    vec![Trial::test("differential", move || Ok(differential::with_kernel(length)?))]
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Device numbers are the machine's: trials that run beside each other get in each other's way.
    arguments.test_threads = arguments.test_threads.or(Some(1));
    let wanted = std::env::var_os("TRUENO_REAL_ZRAM").is_some_and(|value| value == "1");
    // The same holds for two runs beside each other: the second waits until the first ends.
    let machine = File::open(zram::CONTROL).ok().filter(|_| wanted && !arguments.list);
    let _turn = machine.filter(|machine| machine.lock().is_ok());
    let ignore = |trial: Trial| {
        // Some know by themselves that this machine is not for them.
        let is_ignored = !wanted || trial.has_ignored_flag();
        trial.with_ignored_flag(is_ignored)
    };
    let trials = trials().into_iter().map(ignore).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}
