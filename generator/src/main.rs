//! See the library for everything but the entry.

use std::process::ExitCode;

fn main() -> ExitCode {
    trueno_zram_generator::main(std::env::args_os())
}
