//! What a person or a script asks for. All of it goes through the attribute files, as it would from a
//! shell: there is no other way to the service.

mod create;
mod daemon;
mod foreground;
mod list;
mod serve;
mod stat;

use std::ffi::OsStr;
use std::fmt;
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use sysfs_compat::abi::Errno;
use sysfs_compat::client::holders::holders;
use sysfs_compat::client::kind::Kind;
use sysfs_compat::client::{Device, Root, patience};

use crate::args::{self, Call, Parsed};
use crate::log::say;
use crate::paths::Paths;
use crate::supervisor::Unfit;
use crate::worker;

/// A command line that could not be understood.
const USAGE: u8 = 2;
/// The service cannot run on this machine, however often it is started: `EX_CONFIG` of sysexits(3). Its
/// unit names it, or systemd would try for ever.
const UNFIT: u8 = 78;

/// What is wrong with a command line.
#[derive(Debug)]
struct Usage(anyhow::Error);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

impl std::error::Error for Usage {}

/// Runs what the command line says.
#[must_use]
pub fn run() -> ExitCode {
    let call = match args::parse(std::env::args_os().skip(1)) {
        Ok(Parsed::Run(call)) => call,
        Ok(Parsed::Help(text)) => {
            print(format_args!("{}", text.trim_end()));
            return ExitCode::SUCCESS;
        }
        Ok(Parsed::Version) => {
            print(concat!("trueno-ublk ", env!("CARGO_PKG_VERSION")));
            return ExitCode::SUCCESS;
        }
        Err(text) => {
            return misused(text);
        }
    };
    let paths = Paths::new(Root::from_environment());
    let done = match call.command.name {
        "worker" => worker(&paths, &call),
        "serve" => serve::run(&paths),
        "create" if call.has("foreground") => foreground::run(&paths, &call),
        "create" => create::run(&paths, &call),
        "list" => list::run(&paths, &call),
        "stat" => stat::run(&paths, &call),
        "reset" => reset(&paths, &call.operand),
        "verify" => verify(&paths, &call.operand),
        other => unreachable!("command {other} is in the table and not here"),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<Usage>() => misused(error),
        Err(error) if error.is::<worker::Reported>() => ExitCode::FAILURE,
        Err(error) => {
            say(format_args!("{error:#}"));
            let is_in_vain = call.command.name == "serve" && error.is::<Unfit>();
            if is_in_vain { ExitCode::from(UNFIT) } else { ExitCode::FAILURE }
        }
    }
}

/// Says what is wrong with a command line.
fn misused(why: impl fmt::Display) -> ExitCode {
    say(format_args!("{why}\nTry 'trueno-ublk --help' for more information."));
    ExitCode::from(USAGE)
}

/// Serves one device. Its end is told to whoever has started it.
fn worker(paths: &Paths, call: &Call) -> anyhow::Result<()> {
    let ready = call.value("ready").map(|fd| {
        let fd = fd.to_str().and_then(|fd| fd.parse().ok());
        fd.context("--ready: not the number of a descriptor")
    });
    let options = worker::Options {
        directory: call.value("directory").context("--directory is missing")?.into(),
        ready: ready.transpose()?,
        create: call.has("create"),
        null: call.has("null"),
    };
    worker::run(&options, paths.root())
}

/// Prints a line. If nobody reads it, nobody misses it.
fn print(text: impl fmt::Display) {
    writeln!(std::io::stdout(), "{text}").ok();
}

/// The device that a person means.
fn find(paths: &Paths, name: &OsStr) -> anyhow::Result<Device> {
    if !is_served(paths) {
        bail!(not_served(paths));
    }
    let device = match Device::find(paths.root(), name) {
        Ok(device) => device,
        Err(error) => {
            let text = name.to_string_lossy();
            let ours = text.strip_prefix("zram").and_then(|number| number.parse::<u32>().ok());
            if let Some(number) = ours
                && Device::numbered(paths.root(), Kind::Ublk, number).is_ok()
            {
                bail!("zram{number} would be the kernel's device; ours is trueno/zram{number}");
            }
            return Err(error.into());
        }
    };
    if device.kind() != Some(Kind::Ublk) {
        bail!(
            "{} is not a device of trueno-ublk; trueno-zramctl manages the kernel's zram",
            device.node().display()
        );
    }
    Ok(device)
}

/// Whether the attribute files are there.
fn is_served(paths: &Paths) -> bool {
    paths.mirror().join("zram-control/hot_add").exists()
}

/// What to say when they are not. Devices may be served all the same.
fn not_served(paths: &Paths) -> String {
    let entries = std::fs::read_dir(paths.devices()).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let devices = names.filter(|name| name.starts_with("zram")).count();
    let left = match devices {
        0 => String::new(),
        1 => "; one device is served without it".to_owned(),
        count => format!("; {count} devices are served without it"),
    };
    format!("the service is not running (start it with 'trueno-ublk serve'){left}")
}

fn number(device: &Device) -> anyhow::Result<u32> {
    device.zram_number().with_context(|| format!("{} has no number", device.node().display()))
}

/// Resets a device and removes it, if nobody uses it.
fn reset(paths: &Paths, name: &OsStr) -> anyhow::Result<()> {
    remove(&find(paths, name)?)
}

/// Removes a device with all that is in it, if nobody uses it. In one step: once it is reset it looks free,
/// and what somebody sets up then would be removed.
fn remove(device: &Device) -> anyhow::Result<()> {
    let name = device.node().display().to_string();
    match patience::hot_remove(device, number(device)?) {
        Ok(()) => Ok(()),
        Err(error) if error.errno() == Errno::EBUSY => {
            let who: Vec<String> = holders(device).iter().map(ToString::to_string).collect();
            let who =
                if who.is_empty() { "somebody has it open".to_owned() } else { who.join("; ") };
            bail!("{name} is in use and stays as it is: {who}");
        }
        Err(error) => Err(error).with_context(|| format!("cannot remove {name}")),
    }
}

/// Has every page decoded.
fn verify(paths: &Paths, name: &OsStr) -> anyhow::Result<()> {
    let device = find(paths, name)?;
    if !device.is_initialised() {
        bail!("{} has no size yet, so it stores nothing", device.node().display());
    }
    let report = crate::supervisor::ask(paths, number(&device)?, "verify")?;
    print(&report);
    let damaged = report.split(' ').find_map(|word| word.strip_prefix("damaged="));
    if damaged != Some("0") {
        bail!("pages of {} are damaged", device.node().display());
    }
    Ok(())
}
