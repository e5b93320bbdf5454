//! Finding and setting up devices: `--find`, `--size`, and everything that goes with them.

use std::os::unix::ffi::OsStrExt;

use sysfs_compat::client::control::{Lock, Purpose};
use sysfs_compat::client::{Device, Kind, control, mirror};

use crate::KIND_VARIABLE;
use crate::args::{self, Setup, Shown, Target, View};
use crate::error::{Failure, Result};
use crate::explain;
use crate::plan::{Place, Step, script};
use crate::status::{show, write};
use crate::world::World;

/// A device to set up, and whether it is there only for that.
enum Found {
    /// It was there.
    Existing(Device),
    /// We made it.
    Added(Device),
    /// It would have to be made (dry run only).
    ToBeAdded(Kind),
}

impl Found {
    fn kind(&self) -> Option<Kind> {
        match self {
            Found::Existing(device) | Found::Added(device) => device.kind(),
            Found::ToBeAdded(kind) => Some(*kind),
        }
    }
}

/// `--find`: prints the name of a free device.
pub(crate) fn find(world: &mut World<'_>, kind: Option<Kind>, dry_run: bool) -> Result<()> {
    // What is being set up looks free until it is.
    let (_lock, found) = take(world, &Target::Free(kind), dry_run)?;
    match found {
        Found::Existing(device) if dry_run => print(world, &Place::of(&device), &[], true),
        Found::ToBeAdded(kind) => print(world, &Place::new(&world.root, kind), &[], true),
        Found::Existing(device) | Found::Added(device) => {
            write(world.out.write_all(&[device.node().as_bytes(), b"\n"].concat()))
        }
    }
}

/// `--size`: sets a device up, and shows it if there is a view; else prints its name if it was for us to
/// choose.
pub(crate) fn create(
    world: &mut World<'_>,
    target: &Target,
    setup: &Setup,
    view: Option<&View>,
    dry_run: bool,
) -> Result<()> {
    let (lock, found) = take(world, target, dry_run)?;
    let steps = steps(setup, found.kind());
    let is_our_choice = matches!(target, Target::Free(_));
    let (mut device, added) = match found {
        Found::Existing(device) if dry_run => {
            return print(world, &Place::of(&device), &steps, is_our_choice);
        }
        Found::ToBeAdded(kind) => {
            return print(world, &Place::new(&world.root, kind), &steps, is_our_choice);
        }
        Found::Existing(device) => (device, false),
        Found::Added(device) => (device, true),
    };
    for (done, step) in steps.iter().enumerate() {
        // A step may give the device another node.
        match step.carry_out(&device).and_then(|()| device.again()) {
            Ok(now) => device = now,
            Err(error) => {
                let failure = explain::failure(&device, step, &error);
                return Err(undo(&device, added, done, failure));
            }
        }
    }
    drop(lock);
    if let Some(view) = view {
        return show(world, &Shown::One(device.node().to_owned()), view);
    }
    if !is_our_choice {
        return Ok(());
    }
    write(world.out.write_all(&[device.node().as_bytes(), b"\n"].concat()))
}

/// The writes in the one order that the kernel accepts: everything that shapes the device before
/// `disksize`, which makes it; parameters behind the algorithms they are for.
fn steps(setup: &Setup, kind: Option<Kind>) -> Vec<Step> {
    let mut steps = vec![Step::Reset];
    if setup.swap.is_some() && kind == Some(Kind::Ublk) {
        steps.push(Step::CheckSwap);
    }
    if let Some(streams) = setup.streams {
        let value = streams.to_string().into_bytes();
        steps.push(Step::WriteIfThere { attribute: "max_comp_streams", value });
    }
    if let Some(algorithm) = &setup.algorithm {
        steps.push(Step::write("comp_algorithm", algorithm.as_bytes()));
    }
    for (name, priority) in &setup.recompress {
        let choice = format!("algo={name} priority={priority}");
        steps.push(Step::write("recomp_algorithm", choice));
    }
    let params = setup.params.iter();
    steps.extend(params.map(|params| Step::write("algorithm_params", params.as_bytes())));
    if let Some(path) = &setup.backing_dev {
        steps.push(Step::write("backing_dev", path.as_bytes()));
    }
    if let Some(limit) = setup.mem_limit {
        steps.push(Step::write("mem_limit", limit.to_string()));
    }
    if let Some(limit) = setup.writeback_limit {
        steps.push(Step::write("writeback_limit", limit.to_string()));
        steps.push(Step::write("writeback_limit_enable", "1"));
    }
    steps.push(Step::write("disksize", setup.disksize.to_string()));
    if let Some(swap) = setup.swap {
        steps.extend([Step::MakeSwap, Step::SwapOn(swap)]);
    }
    steps
}

/// Nothing half made stays behind: what was added is removed, what was there is left reset.
fn undo(device: &Device, added: bool, steps_done: usize, failure: Failure) -> Failure {
    let node = device.node().display();
    if added {
        return match Step::HotRemove.carry_out(device) {
            Ok(()) => failure.hint(format!("{node}, which had been made for this, is removed.")),
            Err(error) => failure.hint(format!(
                "{node}, which had been made for this, could not be removed: {}.",
                error.errno()
            )),
        };
    }
    // The very first step is the reset itself.
    if steps_done == 0 {
        return failure;
    }
    match Step::Reset.carry_out(device) {
        Ok(()) => failure.hint(format!("{node} is reset and not set up.")),
        Err(error) => {
            failure.hint(format!("{node} is left half set up: reset says {}.", error.errno()))
        }
    }
}

/// The device, and what keeps others from it until that is dropped.
fn take(world: &World<'_>, target: &Target, dry_run: bool) -> Result<(Option<Lock>, Found)> {
    let lock = |kind| match dry_run {
        true => Ok(None),
        false => control::lock(&world.root, kind, Purpose::Take),
    };
    match target {
        Target::Free(kind) => {
            let kind = kind.map_or_else(|| default_kind(world), Ok)?;
            let lock = lock(kind).map_err(|error| explain::hot_add(world, kind, &error))?;
            Ok((lock, find_free(world, kind, dry_run)?))
        }
        Target::Named(name) => {
            let Some(kind) = world.device(name)?.kind() else {
                return Ok((None, Found::Existing(world.device(name)?)));
            };
            let lock = lock(kind).map_err(|error| explain::lookup(world, name, "", &error))?;
            // Whoever has had the lock may have removed it.
            Ok((lock, Found::Existing(world.device(name)?)))
        }
    }
}

/// The device with the lowest number that is not set up, or a new one.
fn find_free(world: &World<'_>, kind: Kind, dry_run: bool) -> Result<Found> {
    let existing = match kind {
        Kind::Kernel => free_of_kernel(world),
        Kind::Ublk => free_in_mirror(world)?,
    };
    match existing {
        Some(device) => return Ok(Found::Existing(device)),
        None if dry_run => return Ok(Found::ToBeAdded(kind)),
        None => {}
    }
    let added = control::hot_add(&world.root, kind);
    added.map(Found::Added).map_err(|error| explain::hot_add(world, kind, &error))
}

/// The kind that the environment names, else the kernel's unless there is none and trueno-ublk runs.
fn default_kind(world: &World<'_>) -> Result<Kind> {
    if let Some(text) = &world.default_kind {
        return args::kind(KIND_VARIABLE, text);
    }
    let exists = |kind: &Kind| control::exists(&world.root, *kind);
    Ok(Kind::ALL.into_iter().find(exists).unwrap_or(Kind::Kernel))
}

/// Up to the first number that is not there, as zramctl looks.
fn free_of_kernel(world: &World<'_>) -> Option<Device> {
    let device = |number| Device::numbered(&world.root, Kind::Kernel, number).ok();
    (0..).map_while(device).find(Device::is_free)
}

fn free_in_mirror(world: &World<'_>) -> Result<Option<Device>> {
    let numbers = mirror::numbers(&world.root);
    let numbers = numbers.map_err(|error| explain::hot_add(world, Kind::Ublk, &error))?;
    let device = |number| Device::numbered(&world.root, Kind::Ublk, number).ok();
    Ok(numbers.unwrap_or_default().into_iter().filter_map(device).find(Device::is_free))
}

fn print(world: &mut World<'_>, place: &Place, steps: &[Step], echo: bool) -> Result<()> {
    let name = echo.then(|| place.echo());
    let steps = steps.iter().map(|step| step.command(place));
    let commands = place.preparation().into_iter().chain(steps).chain(name);
    write(world.out.write_all(&script(commands)))
}
