//! What was aimed at, and whether it was reached.

use std::fmt;

use super::records::Records;

/// The kernel's device, driven as ours is: so many requests under way at once.
pub(super) const KERNEL: &str = "kernel zram lz4, io_uring";
/// The same device by calls, one after the other: faster for small requests, since zram does the work
/// of a request before it comes back from the call, and io_uring hands such a device's requests to
/// threads.
pub(super) const KERNEL_AT_BEST: [&str; 2] = [KERNEL, "kernel zram lz4, pread and pwrite"];
/// The worker that keeps nothing: as fast as the way to a page is.
pub(super) const CEILING: &str = "nothing is kept";
pub(super) const SAME_FILLED: &str = "lz4, same-filled";
/// Ours, with the instructions that the processor has.
const OURS: &str = "lz4";

/// A ratio that was to be reached.
#[derive(Clone, Copy, Debug)]
struct Aim {
    /// What is compared, with whom.
    subject: &'static str,
    peer: &'static str,
    /// Of which work: its name begins so.
    works: &'static [&'static str],
    at_least: f64,
    /// Not what was aimed at, but enough.
    acceptable: Option<f64>,
}

const AIMS: [Aim; 4] = [
    Aim { subject: SAME_FILLED, peer: CEILING, works: &[""], at_least: 0.9, acceptable: None },
    Aim {
        subject: OURS,
        peer: KERNEL,
        works: &["4 KiB read, depth 32", "4 KiB read, depth 128"],
        at_least: 1.0,
        acceptable: Some(0.8),
    },
    Aim {
        subject: OURS,
        peer: KERNEL,
        works: &["4 KiB write", "128 KiB write"],
        at_least: 1.0,
        acceptable: None,
    },
    Aim { subject: OURS, peer: KERNEL, works: &["128 KiB read"], at_least: 1.0, acceptable: None },
];

/// What became of an aim at one kind of work.
#[derive(Debug, PartialEq)]
pub(super) struct Judged {
    verdict: &'static str,
    what: String,
    ratio: f64,
    fastest: f64,
    at_least: f64,
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verdict, what, ratio, fastest, at_least } = self;
        write!(
            f,
            "{verdict:12}  {what:66} {ratio:.2}  >= {at_least:.2}  (fastest rounds {fastest:.2})"
        )
    }
}

/// All aims of which there are records, by medians.
pub(super) fn judge(records: &Records) -> Vec<Judged> {
    let mut judged = Vec::new();
    for aim in AIMS {
        let is_meant = |work: &&String| aim.works.iter().any(|start| work.starts_with(start));
        for work in records.works.iter().filter(is_meant) {
            let Some(ratio) = records.ratio(aim.subject, &[aim.peer], work) else { continue };
            let whose = if aim.peer == CEILING { "the null target's" } else { "kernel zram's" };
            judged.push(Judged {
                verdict: aim.verdict(ratio.rounds.median),
                what: format!("{}: rate of {whose}, {work}", aim.subject),
                ratio: ratio.rounds.median,
                fastest: ratio.fastest,
                at_least: aim.at_least,
            });
        }
    }
    judged
}

impl Aim {
    fn verdict(&self, ratio: f64) -> &'static str {
        match self.acceptable {
            _ if ratio >= self.at_least => "met",
            Some(acceptable) if ratio >= acceptable => "acceptable",
            _ => "MISSED",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::records::tests::speed;
    use super::*;

    #[test]
    fn each_aim_is_judged_beside_its_peer() {
        let mut text = String::new();
        for (subject, work, rate) in [
            (KERNEL, "4 KiB read, depth 32", 2.0),
            (OURS, "4 KiB read, depth 32", 1.7),
            (KERNEL, "128 KiB write, depth 4", 3.0),
            (OURS, "128 KiB write, depth 4", 2.9),
            (CEILING, "4 KiB write, depth 1", 10.0),
            (SAME_FILLED, "4 KiB write, depth 1", 9.5),
        ] {
            text += &speed(subject, work, rate);
        }
        let judged = judge(&Records::parse(&text).expect("records"));
        let shown: Vec<String> = judged
            .iter()
            .map(|judged| format!("{} {:.2} {}", judged.verdict, judged.ratio, judged.what))
            .collect();
        assert_eq!(
            shown,
            [
                "met 0.95 lz4, same-filled: rate of the null target's, 4 KiB write, depth 1",
                "acceptable 0.85 lz4: rate of kernel zram's, 4 KiB read, depth 32",
                "MISSED 0.97 lz4: rate of kernel zram's, 128 KiB write, depth 4",
            ]
        );
    }
}
