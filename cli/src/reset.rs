//! `--reset`: devices are reset and taken away, each for itself.

use std::ffi::OsString;

use sysfs_compat::client::control::Purpose;
use sysfs_compat::client::usage::Usage;
use sysfs_compat::client::{Device, control};

use crate::error::{Failure, Result};
use crate::explain;
use crate::plan::{Place, Step};
use crate::status::write;
use crate::world::World;

/// Resets and removes; goes on with the next device when one fails.
pub(crate) fn reset(
    world: &mut World<'_>,
    devices: &[OsString],
    force: bool,
    dry_run: bool,
) -> Result<()> {
    let mut failed = false;
    for name in devices {
        if let Err(failure) = reset_one(world, name, force, dry_run) {
            failed = true;
            world.complain(&failure.message);
            failure.hints.iter().for_each(|hint| world.hint(hint));
        }
    }
    if failed { Err(Failure::silent()) } else { Ok(()) }
}

fn reset_one(world: &mut World<'_>, name: &OsString, force: bool, dry_run: bool) -> Result<()> {
    let device = Device::find(&world.root, name)
        .map_err(|error| explain::lookup(world, name, "failed to reset: ", &error))?;
    let is_swap = force && Usage::read(&world.root)?.swap(&device).is_some();
    let swap_off = is_swap.then_some(Step::SwapOff);
    if dry_run {
        let mut steps: Vec<_> = swap_off.into_iter().chain([Step::Reset]).collect();
        steps.extend(device.zram_number().map(|_| Step::HotRemove));
        let place = Place::of(&device);
        // On one line: what fails is not the end of it, there may be more devices.
        let commands: Vec<_> = steps.iter().map(|step| step.command(&place)).collect();
        return write(world.out.write_all(&[commands.join(&b" && "[..]), b"\n".to_vec()].concat()));
    }
    let carry_out = |step: Step| {
        step.carry_out(&device).map_err(|error| explain::failure(&device, &step, &error))
    };
    swap_off.map(carry_out).transpose()?;
    // Between the two it looks free, and what somebody sets up then would be removed.
    let lock = device.kind().map(|kind| control::lock(&world.root, kind, Purpose::Take));
    let _lock = lock
        .transpose()
        .map_err(|error| explain::lookup(world, name, "failed to reset: ", &error))?;
    carry_out(Step::Reset)?;
    // The device is reset, which is what was asked for. That it is also taken away is zramctl's
    // habit, and as there nobody is told when the kernel has no hot_remove.
    Step::HotRemove.carry_out(&device).ok();
    Ok(())
}
