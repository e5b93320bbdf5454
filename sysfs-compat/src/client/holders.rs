//! Who keeps a device busy.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, StatxFlags, makedev, statx};

use super::device::Device;
use super::usage::{Usage, is_node};

/// How many processes are named before the rest is only counted.
const MOST_PROCESSES: usize = 4;

/// One reason why a device is busy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// It is an active swap area.
    Swap,
    /// It is mounted there.
    Mount(OsString),
    /// Another block device (device mapper, md, loop, zram) lies on top of it.
    Device(String),
    /// A process has it open.
    Process {
        /// Its number.
        pid: u32,
        /// Its name.
        name: String,
    },
    /// That many more processes have it open.
    More(usize),
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Holder::Swap => f.write_str("it is in use as swap"),
            Holder::Mount(target) => write!(f, "it is mounted on {}", target.display()),
            Holder::Device(name) => write!(f, "/dev/{name} is built on it"),
            Holder::Process { pid, name } => write!(f, "process {pid} ({name}) has it open"),
            Holder::More(count) => write!(f, "{count} more processes have it open"),
        }
    }
}

/// Everybody who holds `device`, as far as the caller may see: the files of other people's
/// processes are visible to root only.
#[must_use]
pub fn holders(device: &Device) -> Vec<Holder> {
    let mut found = lasting(device);
    let mut processes = processes(device);
    let more = processes.len().saturating_sub(MOST_PROCESSES);
    processes.truncate(MOST_PROCESSES);
    found.extend(processes);
    found.extend((more > 0).then_some(Holder::More(more)));
    found
}

/// Those that will not let go by themselves. Quick to find, unlike the processes.
#[must_use]
pub fn lasting(device: &Device) -> Vec<Holder> {
    let mut found = Vec::new();
    let usage = Usage::read(device.root()).unwrap_or_default();
    found.extend(usage.swap(device).map(|_| Holder::Swap));
    found.extend(usage.mounts(device).map(|mount| Holder::Mount(mount.target.clone())));
    let above = device.block_directory().into_iter().flat_map(|dir| names(&dir.join("holders")));
    found.extend(above.map(Holder::Device));
    found.extend(users(device).map(Holder::Device));
    found
}

/// Devices that lie on top of it and are not among its `holders`: loop devices, and zram devices
/// that write pages back to it.
fn users(device: &Device) -> impl Iterator<Item = String> {
    let block = device.root().join("/sys/block");
    names(&block).filter(move |name| {
        ["loop/backing_file", "backing_dev"].iter().any(|file| {
            let path = fs::read_to_string(block.join(name).join(file)).unwrap_or_default();
            path.starts_with('/') && is_node(device, path.trim_end().as_ref())
        })
    })
}

fn processes(device: &Device) -> Vec<Holder> {
    let proc = device.root().join("/proc");
    let own = std::process::id();
    let pids = names(&proc).filter_map(|name| name.parse().ok());
    let mut found: Vec<_> = pids
        .filter(|&pid: &u32| pid != own && has_open(&proc.join(pid.to_string()), device))
        .map(|pid| {
            let name = fs::read_to_string(proc.join(format!("{pid}/comm"))).unwrap_or_default();
            Holder::Process { pid, name: name.trim_end().to_owned() }
        })
        .collect();
    found.sort_by_key(|holder| match holder {
        Holder::Process { pid, .. } => *pid,
        _ => 0,
    });
    found
}

fn has_open(process: &Path, device: &Device) -> bool {
    let descriptors = process.join("fd");
    names(&descriptors).any(|name| is_descriptor_of(&descriptors.join(name), device))
}

/// Compares numbers where there are some, since a device may have nodes of many names.
fn is_descriptor_of(descriptor: &Path, device: &Device) -> bool {
    let Some(number) = device.number() else {
        return fs::read_link(descriptor).is_ok_and(|target| device.is_called(target.as_os_str()));
    };
    // What is on the other side of a network may hang, and is asked nothing.
    let what = StatxFlags::TYPE;
    statx(CWD, descriptor, AtFlags::STATX_DONT_SYNC, what).is_ok_and(|file| {
        FileType::from_raw_mode(file.stx_mode.into()) == FileType::BlockDevice
            && makedev(file.stx_rdev_major, file.stx_rdev_minor) == number
    })
}

fn names(directory: &Path) -> impl Iterator<Item = String> + use<> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}
