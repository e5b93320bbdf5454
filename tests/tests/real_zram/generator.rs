//! What the services of trueno-zram-generator do, on real devices. The configuration is below a root
//! of its own, in which `/sys`, `/dev` and `/proc` are the machine's.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use sysfs_compat::abi::algorithm::CompAlgorithm;
use sysfs_compat::abi::{Attr, Feature, Kernel};
use trueno_tests::program;
use trueno_tests::scratch::Scratch;
use trueno_tests::zram::{self, RealDevice};

type Outcome = Result<(), Failed>;

pub(super) fn trials() -> Vec<Trial> {
    let kernel = zram::obstacle().is_none().then(|| trueno_tests::kernel::probe().ok()).flatten();
    let has = |feature| kernel.as_ref().is_some_and(|kernel: &Kernel| kernel.has(feature));
    vec![
        trial("a_device_is_set_up_as_configured", set_up),
        trial("what_the_kernel_lacks_is_warned_about", unknown_algorithm),
        trial("parameters_reach_the_kernel", parameters),
        trial("recompression_reaches_the_kernel", recompression)
            .with_ignored_flag(!has(Feature::MultiComp)),
        trial("a_device_in_use_is_adopted_or_left_alone", in_use),
        trial("a_device_that_nobody_uses_is_made_anew", unused),
        trial("a_reset_is_patient", patient),
        trial("who_keeps_a_device_busy_is_named", busy),
    ]
}

fn trial(name: &str, run: fn() -> Outcome) -> Trial {
    let checked = move || match zram::obstacle() {
        Some(obstacle) => Err(obstacle.into()),
        None => run(),
    };
    Trial::test(format!("generator::{name}"), checked)
}

/// A device of our own, and a root with its configuration.
struct Machine {
    device: RealDevice,
    root: Scratch,
}

impl Machine {
    fn new() -> Result<Self, Failed> {
        let root = Scratch::new("generator")?;
        for directory in ["sys", "dev", "proc"] {
            symlink(format!("/{directory}"), root.path().join(directory))?;
        }
        // Not every machine has systemd's, and the tests are about what is around it.
        let makefs = root.path().join("usr/lib/systemd/systemd-makefs");
        fs::create_dir_all(makefs.parent().ok_or("no directory")?)?;
        fs::write(&makefs, "#!/bin/sh\n[ \"$1\" = swap ] && exec mkswap \"$2\" >&2\n")?;
        fs::set_permissions(&makefs, Permissions::from_mode(0o755))?;
        fs::create_dir_all(root.path().join("etc/systemd"))?;
        Ok(Machine { device: RealDevice::add()?, root })
    }

    fn name(&self) -> String {
        format!("zram{}", self.device.number())
    }

    fn configure(&self, lines: &str) -> Outcome {
        let text = format!("[{}]\n{lines}\n", self.name());
        Ok(fs::write(self.root.path().join("etc/systemd/zram-generator.conf"), text)?)
    }

    /// Runs the generator; what it prints on standard error, and whether it succeeded.
    fn run(&self, option: &str) -> Result<(bool, String), Failed> {
        let mut command = Command::new(program::generator());
        command.args([option, &self.name()]).env("TRUENO_ZRAM_ROOT", self.root.path());
        let output = command.output()?;
        Ok((output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
    }

    fn set_up(&self) -> Result<String, Failed> {
        let (success, messages) = self.run("--setup-device")?;
        if success { Ok(messages) } else { Err(messages.into()) }
    }

    fn refused(&self, option: &str, word: &str) -> Outcome {
        let (success, messages) = self.run(option)?;
        ensure(!success && messages.contains(word), || format!("{option}: {messages}"))
    }

    fn read(&self, attr: Attr) -> Result<String, Failed> {
        Ok(self.device.read(attr.name())?.trim_end().to_owned())
    }

    fn swap(&self, program: &str) -> Outcome {
        let status = Command::new(program).arg(self.device.node()).status()?;
        ensure(status.success(), || format!("{program}: {status}"))
    }
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(otherwise().into()) }
}

fn set_up() -> Outcome {
    let machine = Machine::new()?;
    machine
        .configure("zram-size = 16.001\ncompression-algorithm = lz4\nzram-resident-limit = 8")?;
    machine.set_up()?;
    // Rounded up to whole pages.
    let size = machine.read(Attr::Disksize)?;
    ensure(size == "16781312", || size.clone())?;
    let algorithm = machine.read(Attr::CompAlgorithm)?;
    ensure(algorithm.contains("[lz4]"), || algorithm.clone())?;
    let limit = machine.read(Attr::MmStat)?;
    let limit = limit.split_whitespace().nth(3).map(str::to_owned);
    ensure(limit.as_deref() == Some("8388608"), || format!("{limit:?}"))?;
    machine.swap("swapon")?;
    machine.swap("swapoff")?;
    let (success, messages) = machine.run("--reset-device")?;
    ensure(success, || messages)?;
    let size = machine.read(Attr::Disksize)?;
    ensure(size == "0", || size.clone())
}

fn unknown_algorithm() -> Outcome {
    let machine = Machine::new()?;
    machine.configure("zram-size = 16\ncompression-algorithm = best(level=1)")?;
    let messages = machine.set_up()?;
    ensure(messages.contains("best is refused") && messages.contains("lz4"), || messages.clone())?;
    ensure(!messages.contains("level=1"), || messages.clone())?;
    let size = machine.read(Attr::Disksize)?;
    ensure(size == "16777216", || size.clone())
}

/// A number that is none is refused by the kernel, and only by it.
fn parameters() -> Outcome {
    let machine = Machine::new()?;
    if !machine.device.attribute("algorithm_params").exists() {
        return Ok(());
    }
    machine.configure("zram-size = 16\ncompression-algorithm = lz4(level=none)")?;
    let messages = machine.set_up()?;
    ensure(messages.contains("'priority=0 level=none'"), || messages.clone())?;
    machine.configure("zram-size = 16\ncompression-algorithm = lz4(level=2)")?;
    let messages = machine.set_up()?;
    ensure(!messages.contains("warning"), || messages.clone())
}

fn recompression() -> Outcome {
    let machine = Machine::new()?;
    machine.configure(
        "zram-size = 16\ncompression-algorithm = zstd lz4 zstd(level=9) (type=idle,priority=1)",
    )?;
    let messages = machine.set_up()?;
    ensure(!messages.contains("warning"), || messages.clone())?;
    let lines = machine.read(Attr::RecompAlgorithm)?;
    let is_chosen = |(line, start, name): (Option<&str>, &str, &str)| {
        line.is_some_and(|line| line.starts_with(start) && line.contains(name))
    };
    let mut found = lines.lines();
    let first = is_chosen((found.next(), "#1:", "[lz4]"));
    ensure(first && is_chosen((found.next(), "#2:", "[zstd]")), || lines.clone())?;
    // Above all classes: the kernel says no, once the device has its size.
    machine.configure("zram-size = 16\ncompression-algorithm = zstd lz4 (threshold=4096)")?;
    let messages = machine.set_up()?;
    ensure(messages.contains("'threshold=4096'"), || messages.clone())
}

fn in_use() -> Outcome {
    let machine = Machine::new()?;
    machine.configure("zram-size = 16\ncompression-algorithm = lz4 best\nwriteback-device = /")?;
    // The kernel refuses the root directory, or has no write-back at all.
    let machine = match machine.run("--setup-device")? {
        (true, _) => machine,
        (false, _) => {
            machine.configure("zram-size = 16\ncompression-algorithm = lz4 best")?;
            machine.set_up()?;
            machine
        }
    };
    machine.swap("swapon")?;
    let outcome = in_use_as_swap(&machine);
    machine.swap("swapoff")?;
    outcome
}

fn in_use_as_swap(machine: &Machine) -> Outcome {
    let messages = machine.set_up()?;
    ensure(messages.contains("as configured already"), || messages.clone())?;
    machine.refused("--reset-device", "in use as swap")?;
    let names = CompAlgorithm::parse(&machine.read(Attr::CompAlgorithm)?).names;
    let other = names.iter().find(|name| *name != "lz4").ok_or("lz4 is all there is")?;
    let other = format!("zram-size = 16\ncompression-algorithm = {other}");
    for lines in ["zram-size = 17", &other] {
        machine.configure(lines)?;
        machine.refused("--setup-device", "in use as swap")?;
    }
    let swaps = fs::read_to_string("/proc/swaps")?;
    let size = machine.read(Attr::Disksize)?;
    ensure(size == "16777216" && swaps.contains(&machine.name()), || swaps.clone())
}

fn unused() -> Outcome {
    let machine = Machine::new()?;
    machine.configure("zram-size = 16")?;
    machine.set_up()?;
    machine.configure("zram-size = 24")?;
    machine.set_up()?;
    let size = machine.read(Attr::Disksize)?;
    ensure(size == "25165824", || size.clone())
}

/// Somebody who looks at the device for a moment does not make a reset fail.
fn patient() -> Outcome {
    let machine = Machine::new()?;
    machine.configure("zram-size = 16")?;
    machine.set_up()?;
    let node = File::open(machine.device.node())?;
    let looker = thread::spawn(move || {
        thread::sleep(Duration::from_millis(500));
        drop(node);
    });
    let start = Instant::now();
    let (success, messages) = machine.run("--reset-device")?;
    looker.join().map_err(|_| "the looker panicked")?;
    ensure(success && start.elapsed() > Duration::from_millis(400), || messages)
}

fn busy() -> Outcome {
    let machine = Machine::new()?;
    machine.configure("zram-size = 16")?;
    machine.set_up()?;
    let _node = File::open(machine.device.node())?;
    let own = format!("process {} ", std::process::id());
    machine.refused("--reset-device", &own)?;
    machine.refused("--setup-device", &own)
}
