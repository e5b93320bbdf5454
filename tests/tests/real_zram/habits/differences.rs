//! Where the mirror differs from sysfs, and why it must.

use super::Record;

/// In which group, how what was done begins, and why it comes out differently.
struct Difference {
    group: &'static str,
    what: &'static str,
    why: &'static str,
    /// The newest kernels do as the mirror does.
    is_old: bool,
}

const OFFSETS: &str = "up to 6.18 at least, sysfs has no offsets of more than 31 bits; 7.2 has";

const DIFFERENCES: &[Difference] = &[
    Difference { group: "reading", what: "beyond 2 GiB", why: OFFSETS, is_old: true },
    Difference { group: "writing", what: "beyond 2 GiB", why: OFFSETS, is_old: true },
    Difference { group: "metadata", what: "beyond 2 GiB", why: OFFSETS, is_old: true },
    Difference {
        group: "reading",
        what: "mmap shared=false",
        why: "the kernel refuses only shared mappings of files that have no page cache",
        is_old: false,
    },
    Difference {
        group: "writing",
        what: "append",
        why: "the kernel moves a file that is open for appending to its end, a page, before it asks",
        is_old: false,
    },
    Difference {
        group: "writing",
        what: "many buffers",
        why: "the kernel makes a second request of what does not fit into 256 pages, one for each",
        is_old: false,
    },
    Difference {
        group: "metadata",
        what: "kept: ",
        why: "extended attributes are not kept: sysfs forgets them with the device, and nothing that \
              uses zram sets any",
        is_old: false,
    },
    Difference {
        group: "control",
        what: "a write of nothing",
        why: "the kernel does not pass it on, so that it succeeds though the device is gone",
        is_old: false,
    },
];

/// What the mirror did differently though no row says so, and rows that are not true.
pub(super) fn unexpected(group: &str, kernel: &Record, mirror: &Record) -> Vec<String> {
    let mut rows: Vec<_> =
        DIFFERENCES.iter().filter(|row| row.group == group).map(|row| (row, false)).collect();
    let mut failures = Vec::new();
    if kernel.0.len() != mirror.0.len() {
        failures.push(format!("{} outcomes, and {}", kernel.0.len(), mirror.0.len()));
    }
    for ((what, real), (_, ours)) in kernel.0.iter().zip(&mirror.0) {
        if real == ours {
            continue;
        }
        match rows.iter_mut().find(|(row, _)| what.starts_with(row.what)) {
            Some((_, is_met)) => *is_met = true,
            None => failures.push(format!("{what}: sysfs {real}, the mirror {ours}")),
        }
    }
    let stale = rows.iter().filter(|(row, is_met)| !is_met && !row.is_old);
    failures.extend(stale.map(|(row, _)| format!("{} is the same, not as: {}", row.what, row.why)));
    failures
}
