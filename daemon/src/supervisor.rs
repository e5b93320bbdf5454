//! `trueno-ublk serve`: the attribute files, and the processes behind them.
//!
//! An ordinary process. It may block, be swapped out, crash and be started anew without touching
//! I/O: each device is served by processes of its own, which go on without it. Whatever it needs to
//! find them again is in the devices' directories.
//!
//! ```text
//! mirror (FUSE) -> abi::Device: may this be written now?      rules
//!               -> served.rs: memory, workers, kernel device   doing it
//!                    workers.rs  processes, one more when one ends
//!                    call.rs     asking the one that serves
//!                    claim.rs    stopping only what nobody uses
//!                    pending.rs  waiting for the kernel, and not for ever
//!               <- provider.rs: kept in the device's directory before the writer gets its answer
//! ```

mod arena_mount;
mod call;
mod claim;
mod host;
mod links;
mod needs;
mod own;
mod pending;
mod process;
mod provider;
mod served;
mod tune;
mod workers;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Signal, getpid, kill_process};
use sysfs_compat::abi::Kernel;
use sysfs_compat::abi::attr::Attr;
use sysfs_compat::abi::device::Device;
use trueno_zram_mirror::{Mirror, Mounted};

use crate::directory::Directory;
use crate::log::say;
use crate::paths::Paths;
pub(crate) use host::{Unfit, check};
#[cfg(test)]
pub(crate) use own::FILES as OWN_FILES;
use provider::Devices;
use served::Served;

/// What is there while a supervisor runs.
#[derive(Debug)]
pub(crate) struct Supervisor {
    mounted: Arc<Mounted>,
    /// Only one supervisor has it.
    _lock: File,
}

impl Supervisor {
    /// Finds the devices of an earlier one, mounts the attribute files, and serves them.
    pub(crate) fn start(paths: &Paths) -> anyhow::Result<Self> {
        check(paths)?;
        paths.make_devices()?;
        let lock = only_one(paths)?;
        let provider = Devices { paths: paths.clone(), kernel: kernel(paths)? };
        let devices = take_over(&provider)?;
        let numbers: Vec<String> = devices.keys().map(|number| format!("zram{number}")).collect();
        let mirror = Arc::new(Mirror::new(provider, devices));
        let at = paths.mirror();
        let mounted =
            mirror.mount(&at).with_context(|| format!("cannot mount {}", at.display()))?;
        if !numbers.is_empty() {
            say(format_args!("took over {}", numbers.join(" ")));
        }
        host::warn(paths);
        let mounted = Arc::new(mounted);
        end_with(Arc::clone(&mounted))?;
        Ok(Self { mounted, _lock: lock })
    }

    /// Takes the attribute files away. The devices are served on.
    ///
    /// # Errors
    ///
    /// They cannot be, or somebody else has done so: a service that was lost, not one that was ended.
    pub(crate) fn end(self) -> anyhow::Result<()> {
        let at = self.mounted.path().display();
        ensure!(self.mounted.is_there()?, "somebody else has unmounted {at}");
        self.mounted.unmount().with_context(|| format!("cannot unmount {at}"))
    }
}

/// Asks this process to end when nobody can reach it any more, because its files were unmounted: it
/// would keep another one from taking its place.
fn end_with(mounted: Arc<Mounted>) -> anyhow::Result<()> {
    let wait = move || {
        // Whatever has ended it.
        mounted.wait().ok();
        kill_process(getpid(), Signal::TERM).ok();
    };
    thread::Builder::new().name("end".to_owned()).spawn(wait)?;
    Ok(())
}

/// Takes the lock that only one supervisor has.
fn only_one(paths: &Paths) -> anyhow::Result<File> {
    use std::io::Write as _;
    let path = paths.devices().join("lock");
    let mut options = File::options();
    let opened = options.read(true).write(true).create(true).truncate(false).open(&path);
    let mut lock = opened.with_context(|| format!("cannot open {}", path.display()))?;
    if !is_got(&lock) {
        let pid = fs::read_to_string(&path).unwrap_or_default();
        bail!(
            "another trueno-ublk serves {} already (process {})",
            paths.mirror().display(),
            pid.trim()
        );
    }
    lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()))?;
    Ok(lock)
}

/// Whoever only looks whether it is locked has it for a moment: `commands/daemon.rs`.
fn is_got(lock: &File) -> bool {
    (0..20).any(|attempt| {
        thread::sleep(Duration::from_millis(if attempt > 0 { 5 } else { 0 }));
        flock(lock, FlockOperation::NonBlockingLockExclusive).is_ok()
    })
}

/// The kernel that our devices behave like: the one that runs, with our algorithms and none of the
/// options that we do not have.
fn kernel(paths: &Paths) -> anyhow::Result<Kernel> {
    let names = ["wm", "wmhc", "lz4", "lz4hc", "zstd", "deflate", "lzo"];
    Ok(Kernel {
        version: host::kernel_version(paths.root())?,
        features: Vec::new(),
        algorithms: names.map(str::to_owned).to_vec(),
        unlisted_algorithms: Vec::new(),
        default_algorithm: "wm".to_owned(),
        cpus: std::thread::available_parallelism()
            .map_or(1, |cpus| cpus.get().try_into().unwrap_or(1)),
    })
}

/// The devices that an earlier supervisor has left.
fn take_over(provider: &Devices) -> anyhow::Result<BTreeMap<u32, Device<Served>>> {
    let mut devices = BTreeMap::new();
    for entry in fs::read_dir(provider.paths.devices())? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("zram")?.parse().ok());
        let Some(number) = number else { continue };
        match restore(provider, number) {
            Ok(Some(device)) => drop(devices.insert(number, device)),
            Ok(None) => {}
            // The others are served all the same, and this one is left as it is for a person to see.
            Err(error) => {
                say(format_args!("{}: {error:#}", provider.paths.device(number).display()))
            }
        }
    }
    Ok(devices)
}

/// Writes what was accepted to a new state machine. Nothing if only a directory is left of it.
fn restore(provider: &Devices, number: u32) -> anyhow::Result<Option<Device<Served>>> {
    let directory = provider.paths.device(number);
    if !arena_mount::is_mounted(&directory) {
        // Its memory is gone, or never came.
        fs::remove_dir(&directory)?;
        return Ok(None);
    }
    let mut settings = Directory::new(&directory).settings()?;
    let served = Served::new(&provider.paths, number, settings.clone());
    served.workers().adopt();
    let has_disk = served.disk()?.is_some();
    if has_disk {
        ensure!(settings.disksize > 0, "it has a disk, and its settings say nothing of that");
    } else if settings.disksize > 0 {
        // Killed while it was made or removed; or somebody has removed the disk behind our back. An
        // empty one in its place would not be what its user knows.
        say(format_args!("zram{number}: its disk is gone; it is a device without disksize now"));
        settings.disksize = 0;
        *served.settings() = settings.clone();
        served.keep()?;
    }
    let mut device = Device::new(provider.kernel.clone(), served);
    for (attr, text) in [
        (Attr::CompAlgorithm, settings.comp_algorithm.clone()),
        (Attr::AlgorithmParams, settings.algorithm_params.clone()),
        (Attr::MemLimit, settings.mem_limit.to_string()),
        (Attr::Disksize, settings.disksize.to_string()),
    ] {
        if text.is_empty() || text == "0" {
            continue;
        }
        if let Err(errno) = device.store(attr, text.as_bytes()) {
            let what = format!("'{text}' is not accepted for {} any more: {errno}", attr.name());
            ensure!(attr != Attr::Disksize, what);
            say(format_args!("zram{number}: {what}"));
        }
    }
    Ok(Some(device))
}

/// Asks the worker of a device to do something, without the attribute files in between.
pub(crate) fn ask(paths: &Paths, number: u32, what: &str) -> anyhow::Result<String> {
    let directory = paths.device(number);
    let call = call::Call::to(&directory)
        .with_context(|| format!("no worker answers in {}", directory.display()))?;
    call.request(what, 1).map_err(|errno| anyhow::anyhow!("{what}: {errno}"))
}
