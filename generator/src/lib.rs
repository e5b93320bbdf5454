//! trueno-zram-generator: zram-generator's configuration, units and services, and what its users
//! have asked for beyond them.
//!
//! In reading order: [`files`] finds the configuration, [`ini`] reads its lines, [`keys`] is the
//! table of what they can say, [`config`] makes devices of them ([`device`], [`values`],
//! [`expression`]), [`units`] makes units of the devices; all that is pure. [`mod@write`] writes them,
//! `prepare` readies the kernel, `setup` is what the units start, `check` tells instead of doing.

pub mod config;
pub mod device;
pub mod expression;
pub mod files;
pub mod ini;
pub mod keys;
pub mod log;
pub mod machine;
pub mod notes;
pub mod program;
pub mod units;
pub mod values;
pub mod write;

mod args;
mod check;
mod place;
mod prepare;
mod setup;

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
pub use sysfs_compat::client::Root;
use sysfs_compat::client::root::ROOT_VARIABLE;

use args::{Command, Name, Refusal};
use config::Configuration;
use device::{Device, Usage};
use log::Log;
use machine::Wish;
use notes::Level;

/// zram-generator's name for [`ROOT_VARIABLE`].
const STOCK_ROOT_VARIABLE: &str = "ZRAM_GENERATOR_ROOT";

/// Exit status for a wrong command line, as of zram-generator.
const USAGE: u8 = 2;

/// The whole program. The arguments are those of the process, its name first.
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    let root = root();
    let command = match args::parse(args) {
        Ok(command) => command,
        Err(Refusal::Usage(why)) => {
            let text = format!("{why}; see trueno-zram-generator --help");
            Log::to_stderr().say(Level::Fault, &text);
            return ExitCode::from(USAGE);
        }
        Err(Refusal::NoDevice(why)) => {
            Log::to_stderr().say(Level::Fault, &why);
            return ExitCode::FAILURE;
        }
    };
    let log = match command {
        Command::Generate(_) => Log::of_generator(&root),
        _ => Log::to_stderr(),
    };
    match run(&root, &command, &log) {
        Ok(code) => code,
        Err(error) => {
            log.say(Level::Fault, &format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn root() -> Root {
    let directory = |name| std::env::var_os(name).filter(|directory| !directory.is_empty());
    let directory = directory(ROOT_VARIABLE).or_else(|| directory(STOCK_ROOT_VARIABLE));
    directory.map_or_else(|| Root::new("/"), Root::new)
}

fn run(root: &Root, command: &Command, log: &Log) -> anyhow::Result<ExitCode> {
    match command {
        Command::Help => print(args::HELP),
        Command::Version => {
            print(concat!("trueno-zram-generator ", env!("CARGO_PKG_VERSION"), "\n"))
        }
        Command::Generate(directory) => generate(root, directory, log),
        Command::Check => check(root, log),
        Command::Explain(name) => explain(root, *name, log),
        Command::Setup(name) => set_up(root, *name, log),
        Command::Reset(name) => setup::reset(root, *name).map(|()| ExitCode::SUCCESS),
    }
}

fn print(text: &str) -> anyhow::Result<ExitCode> {
    std::io::stdout().write_all(text.as_bytes()).context("cannot write to standard output")?;
    Ok(ExitCode::SUCCESS)
}

/// As systemd calls a generator.
fn generate(root: &Root, directory: &Path, log: &Log) -> anyhow::Result<ExitCode> {
    let wish = wish(root, log);
    if wish == Some(Wish::Off) {
        return Ok(ExitCode::SUCCESS);
    }
    let configuration = read(root, wish)?;
    configuration.notes.iter().for_each(|note| log.note(note));
    let mut has_fault = configuration.notes.reach(Level::Fault);
    let devices = &configuration.devices;
    if !devices.is_empty() && is_container(root) {
        log.say(Level::Info, "no devices: this is a container");
        return Ok(code(has_fault));
    }
    let program = own_path();
    for device in devices {
        let files = units::of_device(device, &program);
        if let Err(error) = write::write(directory, &files) {
            has_fault = true;
            log.say(Level::Fault, &format!("{}: {error:#}", device.name()));
        }
    }
    warn_of_zswap(root, devices, log);
    // The kernel is not below another root.
    if root.is_system() {
        let made = prepare::devices(root, devices, log);
        prepare::algorithms(root, devices, log);
        made?;
    }
    Ok(code(has_fault))
}

fn warn_of_zswap(root: &Root, devices: &[Device], log: &Log) {
    let has_swap = devices.iter().any(|device| matches!(device.usage, Usage::Swap { .. }));
    if has_swap && machine::has_zswap(root) {
        let text = "zswap is on: it compresses pages before they get to compressed swap, which \
                    then holds what was compressed badly (zswap.enabled=0 switches it off)";
        log.say(Level::Warning, text);
    }
}

fn check(root: &Root, log: &Log) -> anyhow::Result<ExitCode> {
    let wish = wish(root, log);
    let configuration = read(root, wish)?;
    configuration.notes.iter().for_each(|note| log.note(note));
    if wish != Some(Wish::Off) {
        if !configuration.devices.is_empty() && is_container(root) {
            log.say(Level::Info, "this is a container: at boot no devices are made");
        }
        warn_of_zswap(root, &configuration.devices, log);
        print(&check::text(&configuration, &own_path()))?;
    }
    // Whoever checks wants to know of what will not be done, too.
    Ok(code(configuration.notes.reach(Level::Error)))
}

fn explain(root: &Root, name: Name, log: &Log) -> anyhow::Result<ExitCode> {
    let configuration = read(root, wish(root, log))?;
    report(&configuration, name, log);
    match check::explain(&configuration, name.number) {
        Some(text) => print(&text),
        None => bail!("zram{} is not configured", name.number),
    }
}

fn set_up(root: &Root, name: Name, log: &Log) -> anyhow::Result<ExitCode> {
    let wish = wish(root, log);
    if wish == Some(Wish::Off) {
        return Ok(ExitCode::SUCCESS);
    }
    let configuration = read(root, wish)?;
    report(&configuration, name, log);
    let mut devices = configuration.devices.iter();
    if let Some(device) = devices.clone().find(|device| name.is_of(device)) {
        return setup::setup(root, device, log).map(|()| ExitCode::SUCCESS);
    }
    match devices.find(|device| device.number == name.number) {
        Some(device) => {
            let (section, backend) = (device.name(), device.backend.name());
            bail!("{name} is not configured: [{section}] has backend = {backend}")
        }
        None => bail!("{name} is not configured"),
    }
}

/// Reports what concerns this device; the generator has reported the rest.
fn report(configuration: &Configuration, name: Name, log: &Log) {
    let device = format!("zram{}", name.number);
    let concerns = |other: &Option<String>| other.as_ref().is_none_or(|other| *other == device);
    configuration
        .notes
        .iter()
        .filter(|note| concerns(&note.device) && note.level > Level::Info)
        .for_each(|note| log.note(note));
}

fn read(root: &Root, wish: Option<Wish>) -> anyhow::Result<Configuration> {
    let path = root.join("/proc/meminfo");
    let meminfo =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let ram = machine::total_memory(&meminfo);
    let ram = ram.with_context(|| format!("{} does not tell MemTotal", path.display()))?;
    let sources = files::read(root);
    Ok(config::read(&sources, ram, wish == Some(Wish::Forced), &mut program::run))
}

fn wish(root: &Root, log: &Log) -> Option<Wish> {
    let path = root.join("/proc/cmdline");
    let wish = match fs::read(&path) {
        Ok(text) => machine::wish(&String::from_utf8_lossy(&text)),
        Err(error) => {
            log.say(Level::Warning, &format!("cannot read {}: {error}", path.display()));
            None
        }
    };
    if wish == Some(Wish::Off) {
        log.say(
            Level::Info,
            "no devices: the kernel command line switches them off (systemd.zram)",
        );
    }
    wish
}

fn is_container(root: &Root) -> bool {
    machine::is_container(root, std::env::var("SYSTEMD_VIRTUALIZATION").ok().as_deref())
}

/// The path that units name as the one they come from.
fn own_path() -> String {
    let path = std::env::current_exe().ok();
    path.map_or_else(|| env!("CARGO_PKG_NAME").to_owned(), |path| path.display().to_string())
}

fn code(has_fault: bool) -> ExitCode {
    if has_fault { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
