//! Things to do to a device that is in use: `--compact`, `--idle`, `--recompress`, `--writeback`,
//! `--mem-limit`, `--reset-peak`.

use std::ffi::OsString;

use crate::args::Action;
use crate::error::Result;
use crate::explain;
use crate::plan::{Place, Step, script};
use crate::status::write;
use crate::world::World;

/// Does every action to every device, in the order given. All devices are looked up before the
/// first is touched, and the first failure ends it.
pub(crate) fn act(
    world: &mut World<'_>,
    names: &[OsString],
    actions: &[Action],
    dry_run: bool,
) -> Result<()> {
    let devices = names.iter().map(|name| world.device(name)).collect::<Result<Vec<_>>>()?;
    let steps: Vec<_> = actions.iter().map(Action::step).collect();
    let todo = devices.iter().flat_map(|device| steps.iter().map(move |step| (device, step)));
    if dry_run {
        let commands = todo.map(|(device, step)| step.command(&Place::of(device)));
        return write(world.out.write_all(&script(commands)));
    }
    for (device, step) in todo {
        step.carry_out(device).map_err(|error| explain::failure(device, step, &error))?;
    }
    Ok(())
}

impl Action {
    fn step(&self) -> Step {
        match self {
            Action::MemLimit(bytes) => Step::write("mem_limit", bytes.to_string()),
            Action::Compact => Step::write("compact", "1"),
            Action::Idle(idle) => Step::write("idle", idle.to_string()),
            Action::Recompress(request) => Step::write("recompress", request),
            Action::Writeback(request) => Step::write("writeback", request),
            Action::ResetPeak => Step::write("mem_used_max", "0"),
        }
    }
}
