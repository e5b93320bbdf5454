//! `trueno-ublk`: a compressed RAM disk in user space.

use std::process::ExitCode;

fn main() -> ExitCode {
    trueno_ublk::commands::run()
}
