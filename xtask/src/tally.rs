//! Counts of tests, and how they are read from what test programs print.
//!
//! libtest and everything that imitates it closes with
//! `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s`.
//! A test that finds that it cannot be done is among those that passed there. It has said so, in the
//! words of `tests/skip.rs`, and is counted as skipped here.

use std::collections::BTreeSet;
use std::fmt;
use std::iter::Sum;
use std::mem;
use std::ops::AddAssign;

/// How a test begins to say that it is skipped; its name, a colon and the reason follow.
const SKIP: &str = "******** SKIP ";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Tally {
    pub(crate) const FAILED: Self = Self { passed: 0, failed: 1, skipped: 0 };
    pub(crate) const SKIPPED: Self = Self { passed: 0, failed: 0, skipped: 1 };

    pub(crate) fn of_check(success: bool) -> Self {
        if success { Self { passed: 1, ..Self::default() } } else { Self::FAILED }
    }

    /// What a libtest result line says, or `None` if `line` is not one.
    fn from_result_line(line: &str) -> Option<Self> {
        let counts = line.trim().strip_prefix("test result: ")?.split_once(". ")?.1;
        let count = |what: &str| {
            counts.split("; ").find_map(|field| field.strip_suffix(what)?.trim().parse().ok())
        };
        Some(Self {
            passed: count(" passed")?,
            failed: count(" failed")?,
            skipped: count(" ignored")?,
        })
    }

    /// So many of those that passed were skipped.
    fn of_which_skipped(self, skipped: usize) -> Self {
        let skipped = self.passed.min(skipped as u64);
        Self { passed: self.passed - skipped, skipped: self.skipped + skipped, ..self }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        let mut sum = Self::default();
        tallies.for_each(|tally| sum += tally);
        sum
    }
}

/// The closing line, which other programs read: do not change it.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// Sums the result lines of one process, which may run many test programs (`cargo test`).
#[derive(Debug, Default)]
pub(crate) struct Counter {
    tally: Tally,
    /// Results of these test targets are left out: each runs as a part of its own.
    left_out: &'static [&'static str],
    in_left_out: bool,
    /// Tests of the program that runs now which have said that they are skipped.
    skipped: BTreeSet<String>,
}

impl Counter {
    pub(crate) fn without_targets(names: &'static [&'static str]) -> Self {
        Self { left_out: names, ..Self::default() }
    }

    pub(crate) fn line(&mut self, line: &str) {
        if let Some(target) = announced_target(line) {
            self.in_left_out = self.left_out.contains(&target);
            // Of a program that has crashed.
            self.skipped.clear();
        } else if let Some(test) = skipped_test(line) {
            self.skipped.insert(test.to_owned());
        } else if let Some(tally) = Tally::from_result_line(line) {
            let tally = tally.of_which_skipped(mem::take(&mut self.skipped).len());
            // A failure counts wherever it happens.
            if self.in_left_out {
                self.tally.failed += tally.failed;
            } else {
                self.tally += tally;
            }
        }
    }

    /// The sum, given whether the process itself succeeded: one that fails without saying so in a
    /// result line (it crashed, or did not build) has one failure, and so has one that ran nothing.
    pub(crate) fn finish(self, success: bool) -> Tally {
        let mut tally = self.tally;
        let ran_nothing = tally.passed + tally.failed == 0;
        if (!success && tally.failed == 0) || ran_nothing {
            tally.failed = 1;
        }
        tally
    }
}

/// The test target that cargo says it is running now, from
/// `     Running tests/real_zram.rs (target/debug/deps/real_zram-0123456789abcdef)`
/// or `   Doc-tests sysfs_compat`.
fn announced_target(line: &str) -> Option<&str> {
    let line = line.trim();
    if let Some(library) = line.strip_prefix("Doc-tests ") {
        return Some(library);
    }
    let program = line.strip_prefix("Running ")?.strip_suffix(')')?.rsplit_once('(')?.1;
    let file = program.rsplit_once('/').map_or(program, |(_, file)| file);
    Some(file.rsplit_once('-')?.0)
}

/// The test that says in this line that it is skipped. libtest may have begun the line.
fn skipped_test(line: &str) -> Option<&str> {
    Some(line.split_once(SKIP)?.1.split_once(": ")?.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::skip;

    const fn tally(passed: u64, failed: u64, skipped: u64) -> Tally {
        Tally { passed, failed, skipped }
    }

    fn counted(mut counter: Counter, output: &str) -> Counter {
        output.lines().for_each(|line| counter.line(line));
        counter
    }

    #[test]
    fn result_lines_are_read() {
        let check = |line, expected| assert_eq!(Tally::from_result_line(line), expected, "{line}");
        check(
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; \
             finished in 0.10s",
            Some(tally(3, 0, 1)),
        );
        check(
            "test result: FAILED. 12 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out",
            Some(tally(12, 2, 0)),
        );
        check("test result: ok. 1 passed; 0 failed; 0 ignored\r", Some(tally(1, 0, 0)));
    }

    #[test]
    fn other_lines_are_not_results() {
        for line in [
            "",
            "test a ... ok",
            "test result: ok.",
            "test result: ok. many passed; 0 failed; 0 ignored",
            "test result: ok. 1 passed; 0 failed",
            "see test result: ok. 1 passed; 0 failed; 0 ignored",
        ] {
            assert_eq!(Tally::from_result_line(line), None, "{line}");
        }
    }

    #[test]
    fn a_counter_sums_the_programs_of_one_process() {
        let output = "running 2 tests\ntest result: ok. 2 passed; 0 failed; 1 ignored; 0 measured\n\
            test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured\n";
        let counter = counted(Counter::default(), output);
        assert_eq!(counter.finish(false), tally(3, 1, 1));
    }

    #[test]
    fn a_test_that_says_that_it_is_skipped_has_not_passed() {
        assert_eq!(SKIP, skip::MARK);
        let output = "running 4 tests\n\
            ******** SKIP a::b: it needs root: there is none\n\
            test a::b ... ok\n\
            test c ... ******** SKIP d: there is no FUSE\n\
            ok\n\
            ******** SKIP d: there is no FUSE\n\
            test d ... ok\n\
            test e ... ok\n\
            test result: ok. 4 passed; 0 failed; 1 ignored; 0 measured\n\
            test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured\n";
        assert_eq!(counted(Counter::default(), output).finish(true), tally(4, 0, 3));
        let only = "******** SKIP a: why\ntest result: ok. 1 passed; 0 failed; 0 ignored";
        assert_eq!(counted(Counter::default(), only).finish(true), tally(0, 1, 1));
    }

    #[test]
    fn a_failed_process_never_counts_as_passed() {
        assert_eq!(Counter::default().finish(false), Tally::FAILED);
        let good = "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured";
        assert_eq!(counted(Counter::default(), good).finish(false), tally(2, 1, 0));
        assert_eq!(counted(Counter::default(), good).finish(true), tally(2, 0, 0));
    }

    #[test]
    fn running_nothing_is_a_failure() {
        assert_eq!(Counter::default().finish(true), Tally::FAILED);
        let ignored = "test result: ok. 0 passed; 0 failed; 4 ignored; 0 measured";
        assert_eq!(counted(Counter::default(), ignored).finish(true), tally(0, 1, 4));
    }

    #[test]
    fn the_left_out_target_only_adds_failures() {
        let output = "     Running unittests src/lib.rs (target/debug/deps/cli-00ff)\n\
            test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured\n\
            \x20    Running tests/real_zram.rs (target/debug/deps/real_zram-00ff)\n\
            test result: FAILED. 1 passed; 1 failed; 9 ignored; 0 measured\n\
            \x20  Doc-tests cli\n\
            test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured\n";
        let counter = counted(Counter::without_targets(&["real_zram"]), output);
        assert_eq!(counter.finish(false), tally(7, 1, 1));
    }

    #[test]
    fn announcements_name_their_target() {
        let check = |line, expected| assert_eq!(announced_target(line), expected, "{line}");
        check("     Running tests/a.rs (target/debug/deps/real_zram-00ff)", Some("real_zram"));
        check("     Running unittests src/lib.rs (/t/my-dir (1)/x-00ff)", Some("x"));
        check("   Doc-tests sysfs_compat", Some("sysfs_compat"));
        check("running 3 tests", None);
        check("test Running ... ok", None);
    }

    #[test]
    fn sums_and_closing_line() {
        let sum: Tally = [tally(1, 0, 2), Tally::SKIPPED, Tally::of_check(false)].into_iter().sum();
        assert_eq!(sum.to_string(), "1 passed, 1 failed, 3 skipped");
    }
}
