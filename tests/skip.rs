//! What a test says that cannot be done where it runs. libtest counts it among those that passed;
//! `cargo xtask test`, which reads the line, among those that were skipped.
//!
//! Each program of tests that needs it includes this file by its path.

use std::io::Write as _;

/// How the line begins. The test's name, a colon and the reason follow.
pub(crate) const MARK: &str = "******** SKIP ";

/// Says why the calling test cannot be done; it returns next.
pub(crate) fn skip(why: &str) {
    // libtest gives each test a thread with its name.
    let thread = std::thread::current();
    let line = format!("{MARK}{}: {why}\n", thread.name().unwrap_or_default());
    // Not by a macro: what those print is kept back when a test passes.
    std::io::stderr().write_all(line.as_bytes()).expect("standard error takes a line");
}
