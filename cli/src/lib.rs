//! trueno-zramctl: util-linux `zramctl`, option for option and byte for byte, and what its users
//! have asked for beyond it, for the devices of the kernel and those of trueno-ublk alike.
//!
//! In reading order: [`options`] and [`columns`] are the tables that parser, help, man page and
//! completions come from; `args` turns a command line into a `Command`; `status`, `create`,
//! `reset` and `live` carry commands out, the latter three as lists of steps (`plan`) that can be
//! printed instead; `explain` says why a step failed.

pub mod columns;
pub mod help;
pub mod options;

mod args;
mod create;
mod error;
mod explain;
mod getopt;
mod live;
mod locale;
mod plan;
mod reset;
mod status;
mod table;
mod world;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::process::ExitCode;

use sysfs_compat::client::Root;

use args::{Command, Invocation};
use getopt::Ordering;
use locale::Locale;
use world::World;

/// Says of which kind the device is that `--find` finds, unless an option does.
const KIND_VARIABLE: &str = "TRUENO_ZRAM_KIND";

/// The whole program. The arguments are those of the process, its name first.
///
/// Call it once, before any thread is started: it adopts the locale of the environment.
pub fn main(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    let program = world::program_name(args.next().as_ref());
    let variable = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let terminal_width = terminal_width();
    let mut world = World {
        program,
        locale: Locale::from_environment(),
        posixly_correct: std::env::var_os("POSIXLY_CORRECT").is_some(),
        root: Root::from_environment(),
        terminal_width,
        default_kind: std::env::var_os(KIND_VARIABLE).filter(|text| !text.is_empty()),
        color: terminal_width.is_some() && !variable("NO_COLOR"),
        out: &mut std::io::stdout().lock(),
        err: &mut std::io::stderr().lock(),
    };
    match run(args, &mut world) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.message.is_empty() {
                world.complain(&failure.message);
                failure.hints.iter().for_each(|hint| world.hint(hint));
            }
            ExitCode::FAILURE
        }
    }
}

fn run(args: impl Iterator<Item = OsString>, world: &mut World<'_>) -> error::Result<()> {
    let ordering = if world.posixly_correct { Ordering::PosixlyCorrect } else { Ordering::Permute };
    let Invocation { command, dry_run, color, sysroot } =
        args::parse(args, &world.program, &world.locale.decimal_point, ordering)?;
    world.color = color.unwrap_or(world.color);
    if let Some(directory) = sysroot {
        world.root = Root::new(directory);
    }
    match command {
        Command::Help => print(world, &help::text(&world.program)),
        Command::Version => print(world, &help::version(&world.program)),
        Command::Status(shown, view) => status::show(world, &shown, &view),
        Command::Find(kind) => create::find(world, kind, dry_run),
        Command::Create(target, setup, view) => {
            create::create(world, &target, &setup, view.as_ref(), dry_run)
        }
        Command::Reset { devices, force } => reset::reset(world, &devices, force, dry_run),
        Command::Act(devices, actions) => live::act(world, &devices, &actions, dry_run),
    }
}

fn print(world: &mut World<'_>, text: &str) -> error::Result<()> {
    status::write(world.out.write_all(text.as_bytes()))
}

/// Columns of the terminal on standard output: its own idea, else `COLUMNS`, else 80, as
/// libsmartcols asks.
fn terminal_width() -> Option<usize> {
    let stdout = std::io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let own = rustix::termios::tcgetwinsize(&stdout).map_or(0, |size| usize::from(size.ws_col));
    let variable = || std::env::var("COLUMNS").ok()?.parse().ok().filter(|&width| width > 0);
    Some(if own > 0 { own } else { variable().unwrap_or(80) })
}
