//! `demo`: `trueno-zramctl` and `trueno-ublk` on real devices, step by step, with real data.
//!
//! Every number shown was read back from the device. The machine is put back as it was, also when a
//! step fails.

mod data;
mod machine;
mod served;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, bail, ensure};

use crate::demo::data::Files;
use crate::demo::machine::Machine;
use crate::vm::{self, Guest};
use crate::workspace::Workspace;
use crate::{process, tools};

const DISK_SIZE: &str = "256M";
const ALGORITHM: &str = "lz4";
/// Enough to show a ratio, little enough for an emulated machine.
const DATA_LIMIT_BYTES: u64 = 60 << 20;
const VM_LIMIT_S: u32 = 600;
/// In MiB.
const VM_MEMORY: u32 = 2048;

/// `cargo xtask demo [--yes]`. The VM runs the same with `--in-vm`.
pub(crate) fn run(workspace: &Workspace, args: lexopt::Parser) -> anyhow::Result<ExitCode> {
    let options = Options::parse(args)?;
    if let Some(part) = options.in_vm {
        let programs = options.programs.context("--in-vm needs --programs")?;
        let programs = Programs::in_directory(&programs);
        ensure!(part.is_offered(), "the guest's kernel has no {}", part.lacks());
        part.show(workspace, &programs)?;
        return Ok(ExitCode::SUCCESS);
    }

    let build = |package| {
        let build = ["build", "--release", "-p", package];
        workspace.build_executable(&build, "bin", package)
    };
    let programs = Programs { zramctl: build("trueno-zramctl")?, ublk: build("trueno-ublk")? };
    ensure_present(tools::DEMO.to_vec(), options.yes)?;
    for part in [Part::Zramctl, Part::Ublk] {
        println!("\n== {}", part.title());
        if tools::is_root() && part.is_offered() {
            part.show(workspace, &programs)?;
        } else {
            println!(
                "Not root, or this kernel has no {}: this part runs in a virtual machine.",
                part.lacks()
            );
            ensure_present(tools::virtual_machine(), options.yes)?;
            let (series, memory) = (vm::DEFAULT_SERIES, VM_MEMORY);
            let guest = Guest { series, limit_s: VM_LIMIT_S, memory, env: &[], options: &[] };
            let mut command = guest.command(workspace, &std::env::current_exe()?);
            command.args(["demo", "--in-vm", part.name(), "--programs"]);
            command.arg(programs.zramctl.parent().unwrap_or(Path::new(".")));
            process::run(&mut command)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What is on show.
struct Programs {
    zramctl: PathBuf,
    ublk: PathBuf,
}

impl Programs {
    fn in_directory(directory: &Path) -> Self {
        Self { zramctl: directory.join("trueno-zramctl"), ublk: directory.join("trueno-ublk") }
    }
}

/// The demonstration has two parts, because a kernel may have one driver and not the other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Zramctl,
    Ublk,
}

impl Part {
    const fn name(self) -> &'static str {
        match self {
            Self::Zramctl => "zramctl",
            Self::Ublk => "ublk",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Zramctl => "trueno-zramctl: a device of the kernel's",
            Self::Ublk => "trueno-ublk: a device of our own",
        }
    }

    const fn lacks(self) -> &'static str {
        match self {
            Self::Zramctl => "zram",
            Self::Ublk => "ublk driver",
        }
    }

    fn is_offered(self) -> bool {
        match self {
            Self::Zramctl => tools::zram_is_offered(),
            Self::Ublk => served::is_offered(),
        }
    }

    fn show(self, workspace: &Workspace, programs: &Programs) -> anyhow::Result<()> {
        match self {
            Self::Zramctl => show(workspace, &programs.zramctl),
            Self::Ublk => served::show(workspace, &programs.ublk, &programs.zramctl),
        }
    }
}

#[derive(Default)]
struct Options {
    yes: bool,
    in_vm: Option<Part>,
    programs: Option<PathBuf>,
}

impl Options {
    fn parse(mut args: lexopt::Parser) -> anyhow::Result<Self> {
        let mut options = Self::default();
        while let Some(arg) = args.next()? {
            match arg {
                lexopt::Arg::Long("yes") => options.yes = true,
                lexopt::Arg::Long("in-vm") => {
                    let name = args.value()?;
                    let part = [Part::Zramctl, Part::Ublk].into_iter().find(|p| name == p.name());
                    options.in_vm = Some(part.context("--in-vm: zramctl or ublk")?);
                }
                lexopt::Arg::Long("programs") => options.programs = Some(args.value()?.into()),
                other => return Err(other.unexpected().into()),
            }
        }
        Ok(options)
    }
}

fn ensure_present(needs: Vec<tools::Need>, yes: bool) -> anyhow::Result<()> {
    tools::offer(&tools::missing(needs.iter().copied()), yes)?;
    let missing = tools::missing(needs);
    ensure!(missing.is_empty(), "missing programs: {}", tools::names(&missing));
    Ok(())
}

/// The demonstration itself, on this machine.
fn show(workspace: &Workspace, program: &Path) -> anyhow::Result<()> {
    let mut machine = Machine::observe()?;
    let mut zramctl = Zramctl { program, step: 0 };

    let device = zramctl.set_up(&mut machine)?;
    zramctl.explain("Make an ext4 file system on it and mount it.");
    machine::shell_step("mkfs.ext4", &["-q", "-m", "0"], &device)?;
    let mountpoint = machine.mount(&device)?;

    zramctl.explain("Copy real files to it, and have the kernel write them out.");
    let roots = [workspace.path("."), "/usr/share/doc".into(), "/usr/lib".into()];
    let files = Files::read(&roots, DATA_LIMIT_BYTES)?;
    files.write_under(&mountpoint)?;
    machine::sync(&mountpoint)?;
    println!("  {} files, {} bytes", files.count(), files.bytes());

    zramctl.explain("What the device holds now, as a table and as JSON.");
    zramctl.call(&[])?;
    zramctl.check_json(&device)?;
    println!("  {}", machine::memory_of(&device)?);

    zramctl.explain("Unmount, mount again, and compare every file with what was copied.");
    machine.unmount()?;
    let mountpoint = machine.mount(&device)?;
    files.compare_under(&mountpoint)?;
    println!("  {} files are the same, byte for byte", files.count());

    zramctl.explain("Unmount and reset the device: its memory goes back to the kernel.");
    machine.unmount()?;
    let name = device.display().to_string();
    zramctl.call(&["--reset", &name])?;
    machine.confirm_gone(&device)?;
    machine.restore()?;
    println!("  {name} is no longer in use; the machine has the devices that it had before");
    Ok(())
}

/// The program on show.
struct Zramctl<'a> {
    program: &'a Path,
    step: u32,
}

impl Zramctl<'_> {
    fn explain(&mut self, text: &str) {
        self.step += 1;
        println!("\n{}. {text}", self.step);
    }

    /// Runs the program, and shows the call and what it prints.
    fn call(&self, args: &[&str]) -> anyhow::Result<String> {
        println!("  $ {}", [&["trueno-zramctl"], args].concat().join(" "));
        let text = process::output(Command::new(self.program).args(args))?;
        text.lines().for_each(|line| println!("  {line}"));
        Ok(text)
    }

    /// Returns the new device.
    fn set_up(&mut self, machine: &mut Machine) -> anyhow::Result<PathBuf> {
        let mut args = vec!["--find", "--size", DISK_SIZE];
        if machine::offers_algorithm(ALGORITHM) {
            self.explain("Ask for a free device of 256 MiB that compresses with lz4.");
            args.extend(["--algorithm", ALGORITHM]);
        } else {
            self.explain("Ask for a free device of 256 MiB (lz4 is not known to be on offer).");
        }
        let printed = self.call(&args)?;
        let device = PathBuf::from(printed.trim());
        machine.adopt(&device)?;
        Ok(device)
    }

    /// The JSON must be JSON, and know the device.
    fn check_json(&self, device: &Path) -> anyhow::Result<()> {
        let text = self.call(&["--json"])?;
        let json: serde_json::Value =
            serde_json::from_str(&text).context("--json did not print JSON")?;
        if !contains_text(&json, &device.display().to_string()) {
            bail!("--json does not mention {}", device.display());
        }
        Ok(())
    }
}

fn contains_text(json: &serde_json::Value, wanted: &str) -> bool {
    match json {
        serde_json::Value::String(text) => text == wanted,
        serde_json::Value::Array(values) => values.iter().any(|v| contains_text(v, wanted)),
        serde_json::Value::Object(members) => members.values().any(|v| contains_text(v, wanted)),
        _ => false,
    }
}
