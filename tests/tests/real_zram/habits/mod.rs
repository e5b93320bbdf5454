//! The habits of sysfs: the same file operations on the kernel's own files and on the mirror's give
//! the same results, numbers, texts and errnos, but for the rows of [`differences`].
//!
//! In reading order: [`sides`] prepares a kernel device and its mirror image, [`record`] writes down
//! what happens; then what is done to both.

use std::fs::OpenOptions;

use libtest_mimic::{Failed, Trial};
use trueno_tests::zram;

mod differences;
mod record;
mod sides;

mod control;
mod metadata;
mod names;
mod opening;
mod reading;
mod writing;

use record::Record;
use sides::{Side, Sides};

/// What is done to a side.
type Actions = fn(&Side, &mut Record);

/// All of it, each on a fresh device.
const GROUPS: &[(&str, Actions)] = &[
    ("opening", opening::run),
    ("reading", reading::run),
    ("writing", writing::run),
    ("metadata", metadata::run),
    ("names", names::run),
    ("control", control::run),
];

pub(super) fn trials() -> Vec<Trial> {
    if OpenOptions::new().read(true).write(true).open("/dev/fuse").is_err() {
        let name = "habits::ignored, because /dev/fuse cannot be opened (modprobe fuse)";
        return vec![Trial::test(name, || Ok(())).with_ignored_flag(true)];
    }
    let trial = |&(name, run): &(&'static str, Actions)| {
        Trial::test(format!("habits::{name}"), move || compare(name, run))
    };
    GROUPS.iter().map(trial).collect()
}

fn compare(group: &str, run: Actions) -> Result<(), Failed> {
    if let Some(obstacle) = zram::obstacle() {
        return Err(obstacle.into());
    }
    let sides = Sides::new()?;
    let mut records = [Record::default(), Record::default()];
    for (side, record) in [&sides.kernel, &sides.mirror].into_iter().zip(&mut records) {
        run(side, record);
    }
    let [kernel, mirror] = records;
    let failures = differences::unexpected(group, &kernel, &mirror);
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n").into()) }
}
