//! Counts what has been accepted and what refused, and tells what the table of attributes promises
//! but the run has not seen, or the other way round.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use sysfs_compat::abi::attr::Mode;
use sysfs_compat::abi::control::HOT_REMOVE_REFUSALS;
use sysfs_compat::abi::{ATTRIBUTES, Errno, Kernel};

/// Subjects that are no attributes.
pub(super) const HOT_ADD: &str = "hot_add";
pub(super) const HOT_REMOVE: &str = "hot_remove";
pub(super) const READ: &str = "(read)";
pub(super) const OPEN: &str = "(open)";
pub(super) const WRITE_PAGE: &str = "(write page)";
pub(super) const READ_PAGE: &str = "(read page)";
pub(super) const DISCARD: &str = "(discard)";

#[derive(Debug, Default)]
pub(super) struct Coverage {
    subjects: BTreeMap<&'static str, Subject>,
    /// Texts of attributes that were compared.
    pub shows: u64,
    /// Listings of slots that were compared.
    pub block_states: u64,
}

#[derive(Debug, Default)]
struct Subject {
    accepted: u64,
    refused: BTreeMap<Errno, u64>,
}

impl Coverage {
    pub(super) fn count<T>(&mut self, subject: &'static str, outcome: Result<T, Errno>) {
        let subject = self.subjects.entry(subject).or_default();
        match outcome {
            Ok(_) => subject.accepted += 1,
            Err(errno) => *subject.refused.entry(errno).or_default() += 1,
        }
    }

    /// What differs between the run and the table, a line each.
    pub(super) fn gaps(&self, kernel: &Kernel) -> Vec<String> {
        let mut gaps = Vec::new();
        for (subject, expected) in expected(kernel) {
            let seen = self.subjects.get(subject);
            if seen.is_none_or(|seen| seen.accepted == 0) {
                gaps.push(format!("{subject}: never accepted"));
            }
            let seen = seen.map(|seen| seen.refused.keys().copied().collect::<BTreeSet<_>>());
            let seen = seen.unwrap_or_default();
            gaps.extend(expected.difference(&seen).map(|errno| format!("{subject}: no {errno:?}")));
            gaps.extend(
                seen.difference(&expected)
                    .map(|errno| format!("{subject}: {errno:?} is not in the table")),
            );
        }
        gaps
    }
}

/// The ways in which each subject can be refused.
fn expected(kernel: &Kernel) -> BTreeMap<&'static str, BTreeSet<Errno>> {
    let mut expected = BTreeMap::new();
    for info in ATTRIBUTES.iter().filter(|info| info.exists(kernel)) {
        let mut errnos = info.refusals(kernel).map(|row| row.errno).collect::<BTreeSet<_>>();
        if info.mode != Mode::ReadWrite {
            errnos.insert(Errno::EACCES);
        }
        expected.insert(info.name, errnos);
    }
    let hot_remove = HOT_REMOVE_REFUSALS.iter().map(|row| row.errno).chain([Errno::EACCES]);
    expected.insert(HOT_ADD, BTreeSet::from([Errno::EACCES]));
    expected.insert(HOT_REMOVE, hot_remove.collect());
    expected.insert(OPEN, BTreeSet::from([Errno::EACCES, Errno::ENOENT, Errno::EEXIST]));
    expected.insert(WRITE_PAGE, BTreeSet::from([Errno::EIO]));
    expected.insert(READ, BTreeSet::new());
    expected.insert(READ_PAGE, BTreeSet::new());
    expected.insert(DISCARD, BTreeSet::new());
    expected
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<24} {:>8} {:>8}  errnos", "", "accepted", "refused")?;
        for (name, subject) in &self.subjects {
            let refused = subject.refused.values().sum::<u64>();
            write!(f, "{name:<24} {:>8} {refused:>8} ", subject.accepted)?;
            for (errno, count) in &subject.refused {
                write!(f, " {errno:?} {count}")?;
            }
            writeln!(f)?;
        }
        write!(f, "{} texts and {} block_states compared", self.shows, self.block_states)
    }
}
