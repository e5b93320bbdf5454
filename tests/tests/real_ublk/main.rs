//! Tests on real compressed RAM disks of ours, each with a daemon of its own, which is gone at its
//! end with everything it made. They need a machine to themselves, so `cargo xtask` runs them in
//! virtual machines only. They run as root with TRUENO_REAL_UBLK=1, else they are listed as ignored.
//! The arguments are those of any Rust test.

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

mod algorithms;
mod bad_input;
mod busy;
mod data;
mod effects;
mod fields;
mod hung;
mod kill;
mod recovery;
mod service;
mod several;
mod stand;
mod swap;
mod third_party;
mod third_way;
mod together;
mod unfit;
mod worker;

/// All trials: one line for each module.
fn trials() -> Vec<Trial> {
    [
        algorithms::trials(),
        bad_input::trials(),
        busy::trials(),
        data::trials(),
        effects::trials(),
        fields::trials(),
        hung::trials(),
        kill::trials(),
        recovery::trials(),
        service::trials(),
        several::trials(),
        swap::trials(),
        third_party::trials(),
        third_way::trials(),
        together::trials(),
        unfit::trials(),
        worker::trials(),
        //
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // A machine has one mirror.
    arguments.test_threads = arguments.test_threads.or(Some(1));
    let wanted = std::env::var_os("TRUENO_REAL_UBLK").is_some_and(|value| value == "1");
    if wanted && !arguments.list {
        stand::load_drivers();
    }
    let ignore = |trial: Trial| {
        let is_ignored = !wanted || trial.has_ignored_flag();
        trial.with_ignored_flag(is_ignored)
    };
    let trials = trials().into_iter().map(ignore).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}
