//! What every trial stands on: a machine that is fit for it, a daemon, a device.

use std::process::Command;

use libtest_mimic::Trial;
use sysfs_compat::abi::stat::{IoStat, MmStat};
use sysfs_compat::abi::{Attr, Errno};
use trueno_tests::check::{Outcome, ensure, has_tool, wait_for};
use trueno_tests::daemon::{self, Daemon};
use trueno_tests::pages::{Direct, Frame};
use trueno_tests::zram::{Make, RealDevice};

/// TRUENO_MAKE=kernel runs the trials that are about block devices and their attributes on the
/// kernel's zram: where they fail there too, the trial is wrong and not the device.
pub(super) fn make() -> Make {
    let is_kernel = std::env::var_os("TRUENO_MAKE").is_some_and(|make| make == "kernel");
    if is_kernel { Make::Kernel } else { Make::Ublk }
}

/// The daemon of a trial, which it may stop and start.
pub(super) struct Stand(Option<Daemon>);

impl Stand {
    /// The daemon.
    pub(super) fn daemon(&mut self) -> Outcome<&mut Daemon> {
        self.0.as_mut().ok_or_else(|| "the kernel's devices have no daemon".into())
    }
}

/// Drivers that a fresh machine has not loaded yet. Where one is built in, nothing is missing.
pub(super) fn load_drivers() {
    for driver in [["ublk_drv", ""], ["fuse", ""], ["zram", "num_devices=0"]] {
        let words = driver.into_iter().filter(|word| !word.is_empty());
        drop(Command::new("modprobe").arg("-q").args(words).status());
    }
}

/// A trial of block devices and their attributes, whoever serves them.
pub(super) fn trial(name: &str, run: fn(&mut Stand) -> Outcome) -> Trial {
    Trial::test(name, move || on_a_stand(make(), run))
}

/// A trial of what only our devices have.
pub(super) fn trial_of_ours(name: &str, run: fn(&mut Stand) -> Outcome) -> Trial {
    let is_wanted = make() == Make::Ublk;
    Trial::test(name, move || on_a_stand(Make::Ublk, run)).with_ignored_flag(!is_wanted)
}

/// A trial of our programs where no daemon runs.
pub(super) fn trial_without_daemon(name: &str, run: fn() -> Outcome) -> Trial {
    let is_wanted = make() == Make::Ublk;
    Trial::test(name, run).with_ignored_flag(!is_wanted)
}

/// The trial, ignored and marked where one of the programs is not there.
pub(super) fn needing(programs: &[&str], trial: Trial) -> Trial {
    match programs.iter().find(|program| !has_tool(program)) {
        Some(missing) => trial.with_kind(format!("no {missing}")).with_ignored_flag(true),
        None => trial,
    }
}

fn on_a_stand(make: Make, run: fn(&mut Stand) -> Outcome) -> Outcome {
    ensure(rustix::process::geteuid().is_root(), || "block devices need root".into())?;
    if make == Make::Kernel {
        return run(&mut Stand(None));
    }
    daemon::clear_log();
    let before = daemon::traces()?;
    let mut stand = Stand(Some(Daemon::start()?));
    daemon::remove_leftovers()?;
    let outcome = run(&mut stand);
    drop(stand);
    let outcome = outcome.and_then(|()| daemon::nothing_left(&before));
    outcome.map_err(|failed| {
        let why = failed.message().unwrap_or("it failed");
        format!("{why}\nthe daemon said:\n{}", daemon::log()).into()
    })
}

/// A device of the size, with those attributes written before.
pub(super) fn set_up(size: &str, settings: &[(&str, &str)]) -> Outcome<RealDevice> {
    set_up_by(make(), size, settings)
}

pub(super) fn set_up_by(make: Make, size: &str, settings: &[(&str, &str)]) -> Outcome<RealDevice> {
    let device = RealDevice::made_by(make)?;
    for (name, text) in settings {
        write(&device, name, text)?;
    }
    write(&device, Attr::Disksize.name(), size)?;
    wait_for("the block device", 5, || device.node().exists().then_some(()))?;
    Ok(device)
}

/// Writes an attribute; an error says which.
pub(super) fn write(device: &RealDevice, name: &str, text: &str) -> Outcome {
    let written = device.write(name, text.as_bytes());
    written.map_err(|error| format!("{text:?} > {name}: {error}"))?;
    Ok(())
}

/// Writes an attribute, which must be refused like that.
pub(super) fn refused(device: &RealDevice, name: &str, text: &str, errno: Errno) -> Outcome {
    let refused = device.write(name, text.as_bytes()).map_err(|error| Errno::from(&error));
    ensure(refused == Err(errno), || format!("{text:?} > {name}: {refused:?}, not {errno:?}"))
}

/// Reads an attribute less its newline.
pub(super) fn read(device: &RealDevice, name: &str) -> Outcome<String> {
    let text = device.read(name).map_err(|error| format!("{name}: {error}"))?;
    Ok(text.trim_end_matches('\n').to_owned())
}

pub(super) fn mm_stat(device: &RealDevice) -> Outcome<MmStat> {
    let text = read(device, Attr::MmStat.name())?;
    MmStat::parse(&text).map_err(|errno| format!("mm_stat: {errno}: {text}").into())
}

pub(super) fn io_stat(device: &RealDevice) -> Outcome<IoStat> {
    let text = read(device, Attr::IoStat.name())?;
    IoStat::parse(&text).map_err(|errno| format!("io_stat: {errno}: {text}").into())
}

/// Opens the block device past the page cache.
pub(super) fn direct(device: &RealDevice) -> Outcome<Direct> {
    let node = device.node();
    Ok(Direct::open(&node).map_err(|error| format!("{}: {error}", node.display()))?)
}

/// Writes `page(index)` to all of them.
pub(super) fn fill(
    device: &RealDevice,
    indices: impl IntoIterator<Item = u64>,
    page: impl Fn(u64) -> Frame,
) -> Outcome {
    let direct = direct(device)?;
    for index in indices {
        direct.write(index, &page(index)).map_err(|e| format!("write of page {index}: {e}"))?;
    }
    Ok(())
}

/// All of them must hold `page(index)`.
pub(super) fn holds(
    device: &RealDevice,
    indices: impl IntoIterator<Item = u64>,
    page: impl Fn(u64) -> Frame,
) -> Outcome {
    let direct = direct(device)?;
    for index in indices {
        let read = direct.read(index).map_err(|e| format!("read of page {index}: {e}"))?;
        ensure(read == page(index), || format!("page {index} is not what was written"))?;
    }
    Ok(())
}
