//! util-linux `zramctl` and `trueno-zramctl` side by side: run on the same devices in the same
//! state, they print the same bytes and end with the same status, and what they leave behind is the
//! same, but for the rows of the table in [`differences`].
//!
//! In reading order: [`programs`] runs both, [`differences`] says where they may differ, [`devices`]
//! prepares what they look at; then what is compared.

use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use trueno_tests::zram;

mod devices;
mod differences;
mod programs;

mod errors;
mod looks;
mod set_up;
mod terminal;

use programs::Programs;

type Outcome = Result<(), Failed>;

pub(super) fn trials() -> Vec<Trial> {
    let programs = match Programs::find() {
        Ok(programs) => Arc::new(programs),
        Err(reason) => {
            let name = format!("side_by_side::ignored, because {reason}");
            return vec![Trial::test(name, || Ok(())).with_ignored_flag(true)];
        }
    };
    let obstacle = programs.stock_obstacle();
    // Where somebody else's device is free, both programs would take it.
    let foreign = zram::free_device().map(|number| format!("zram{number} is free and not ours"));
    let finding = obstacle.clone().or(foreign);
    // What only looks comes first in name too: it depends little on the kernel, and is left out
    // where many kernels are gone through.
    let groups: [(&str, &[Row<'_>], Option<String>); 5] = [
        ("look", looks::TRIALS, None),
        ("look", errors::TRIALS, None),
        ("look", terminal::TRIALS, None),
        ("set_up", set_up::TRIALS, obstacle),
        ("find", set_up::FINDING, finding),
    ];
    let trials = groups.into_iter().flat_map(|(group, rows, obstacle)| {
        let programs = Arc::clone(&programs);
        rows.iter().map(move |row| trial(group, row, &programs, obstacle.as_deref()))
    });
    trials.collect()
}

/// A name, and what is run.
type Row<'a> = (&'a str, fn(&Programs) -> Outcome);

/// Ignored, and that loudly, where something is in the way.
fn trial(
    group: &str,
    &(name, run): &Row<'_>,
    programs: &Arc<Programs>,
    obstacle: Option<&str>,
) -> Trial {
    let kind = programs.stock_release().to_string();
    let because = obstacle.map(|why| format!(", ignored because {why}"));
    let name = format!("side_by_side::{group}::{name}{}", because.unwrap_or_default());
    let programs = Arc::clone(programs);
    let checked = move || match zram::obstacle() {
        Some(obstacle) => Err(obstacle.into()),
        None => run(&programs),
    };
    Trial::test(name, checked).with_kind(kind).with_ignored_flag(obstacle.is_some())
}
