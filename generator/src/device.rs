//! One device: from the lines about it to what is to be made.

use std::collections::BTreeSet;
use std::time::Duration;

use sysfs_compat::abi::request::Recompress;
use sysfs_compat::client::Kind;

use crate::expression::{self, Expression, Variables};
use crate::keys::{KEYS, Key};
use crate::notes::{Level, Notes, Origin, printable};
use crate::values::{self, Algorithms, Parsed};

/// Beyond this ratio of size to memory somebody has mistaken a unit.
const IMPROBABLE_RATIO: u64 = 32;

/// zram has one primary algorithm and three to recompress with.
const MOST_ALGORITHMS: usize = sysfs_compat::abi::algorithm::PRIORITIES;

/// A device to be made.
#[derive(Debug)]
pub struct Device {
    /// N of zramN.
    pub number: u32,
    /// Who serves it.
    pub backend: Kind,
    /// How much it holds, in bytes. Never 0.
    pub disksize: u64,
    /// How much memory it may take, in bytes; 0 is no limit.
    pub mem_limit: u64,
    /// What it compresses with. Empty: what the kernel or the daemon prefers.
    pub algorithms: Algorithms,
    /// Where pages that do not compress go.
    pub writeback_device: Option<String>,
    /// What it is for.
    pub usage: Usage,
    /// What systemd-makefs is to make.
    pub fs_type: String,
    /// Of swapon or mount, not escaped.
    pub options: String,
    /// What maintenance is to do.
    pub policy: Policy,
    /// What only ublk devices have.
    pub ublk: Ublk,
}

/// What a device is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Usage {
    /// Swap of that priority.
    Swap {
        /// -1: the kernel chooses.
        priority: i32,
    },
    /// A file system, mounted there.
    Mount {
        /// The directory.
        point: String,
    },
    /// Whoever wants it.
    Plain,
}

/// What maintenance is to do with a device.
#[derive(Debug, Default)]
pub struct Policy {
    /// What to recompress.
    pub recompress: Option<Recompress>,
    /// Bytes to write back in a day.
    pub writeback_limit: Option<u64>,
    /// When a page counts as idle.
    pub idle_age: Option<Duration>,
    /// How often.
    pub interval: Option<Duration>,
}

/// Settings of `trueno-ublk`; what is none is left to it.
#[derive(Debug, Default)]
pub struct Ublk {
    /// Hardware queues.
    pub queues: Option<u32>,
    /// Requests a queue.
    pub depth: Option<u32>,
    /// Who takes over.
    pub recovery: Option<String>,
}

impl Device {
    /// `zram0`, in the kernel as in the mirror.
    #[must_use]
    pub fn name(&self) -> String {
        format!("zram{}", self.number)
    }

    /// The block device.
    #[must_use]
    pub fn node(&self) -> String {
        self.backend.node(self.number)
    }
}

/// One line about a device.
#[derive(Debug)]
pub struct Assignment {
    /// Which key.
    pub key: Key,
    /// Its text.
    pub value: String,
    /// Where it is written.
    pub origin: Origin,
}

/// All lines about a device, in the order in which they count.
#[derive(Debug, Default)]
pub struct Section {
    /// The lines.
    pub assignments: Vec<Assignment>,
    /// Whether one of them could not even be read.
    pub is_broken: bool,
}

/// What sizes are computed from.
#[derive(Debug, Default)]
pub struct Host {
    /// MemTotal in MiB.
    pub ram: u64,
    /// What `set!` has set.
    pub variables: Variables,
}

/// A value and where it comes from.
#[derive(Debug)]
pub struct Setting {
    /// The key's name.
    pub name: &'static str,
    /// Its text.
    pub value: String,
    /// The lines that say so, the one that counts last. None: the default.
    pub origins: Vec<Origin>,
}

/// Where each value of a section comes from.
#[must_use]
pub fn explain(section: &Section) -> Vec<Setting> {
    let setting = |row: &crate::keys::Row| {
        let given: Vec<_> = section.assignments.iter().filter(|line| line.key == row.key).collect();
        let value = given.last().map_or(row.default, |line| &line.value).to_owned();
        let origins = given.iter().map(|line| line.origin.clone()).collect();
        Setting { name: row.name, value, origins }
    };
    KEYS.iter().map(setting).collect()
}

/// Makes a device of its section. None: there is to be none, and the notes say why.
pub fn resolve(number: u32, section: &Section, host: &Host, notes: &mut Notes) -> Option<Device> {
    let name = format!("zram{number}");
    let mut resolver = Resolver { name: &name, section, host, notes, is_broken: section.is_broken };
    let device = resolver.device(number);
    let is_broken = resolver.is_broken;
    match device {
        Some(device) if !is_broken => Some(device),
        _ => {
            if is_broken {
                notes.device(Level::Error, &name, None, "not made, because of what is wrong above");
            }
            None
        }
    }
}

struct Resolver<'a> {
    name: &'a str,
    section: &'a Section,
    host: &'a Host,
    notes: &'a mut Notes,
    is_broken: bool,
}

impl Resolver<'_> {
    /// The value that counts. One that is wrong and was replaced later costs nothing.
    fn take<T>(&mut self, key: Key, parse: impl Fn(&str) -> Parsed<T>) -> Option<T> {
        let mut lines = self.section.assignments.iter().filter(|line| line.key == key);
        let last = lines.next_back();
        for line in lines {
            if let Err(why) = parse(&line.value) {
                let text = format!("{} (a later line replaces it)", complaint(line, &why));
                self.notes.device(Level::Warning, self.name, Some(&line.origin), text);
            }
        }
        let line = last?;
        parse(&line.value).map_err(|why| self.refuse(line, &why)).ok()
    }

    fn refuse(&mut self, line: &Assignment, why: &str) {
        let row = line.key.row();
        self.is_broken |= row.costs_device;
        let mut text = complaint(line, why);
        if !row.costs_device {
            text.push_str("; the device is made without it");
        }
        self.notes.device(Level::Fault, self.name, Some(&line.origin), text);
    }

    /// An expression's value in bytes.
    fn bytes(&mut self, key: Key, expression: &Expression) -> Option<u64> {
        let value = expression.value(self.host.ram, &self.host.variables);
        let bytes = value.and_then(expression::bytes);
        bytes.map_err(|why| self.refuse_last(key, &why)).ok()
    }

    fn refuse_last(&mut self, key: Key, why: &str) {
        let line = self.section.assignments.iter().rev().find(|line| line.key == key);
        if let Some(line) = line {
            self.refuse(line, why);
        }
    }

    fn say(&mut self, level: Level, text: impl Into<String>) {
        self.notes.device(level, self.name, None, text);
    }

    fn is_given(&self, key: Key) -> bool {
        self.section.assignments.iter().any(|line| line.key == key)
    }

    /// Reads everything, so that everything that is wrong is told at once.
    fn device(&mut self, number: u32) -> Option<Device> {
        let backend = self.take(Key::Backend, values::backend).unwrap_or(Kind::Kernel);
        let algorithms = self.take(Key::CompressionAlgorithm, values::algorithms);
        let options = self.take(Key::Options, values::options);
        let writeback_device = self.take(Key::WritebackDevice, values::path);
        let (usage, fs_type) = self.usage();
        let ublk = self.ublk();
        let policy = self.policy();
        let (disksize, mem_limit) = self.sizes()?;
        let mut device = Device {
            number,
            backend,
            disksize,
            mem_limit,
            algorithms: algorithms.unwrap_or_default(),
            writeback_device,
            usage,
            fs_type,
            options: options.unwrap_or_else(|| Key::Options.row().default.to_owned()),
            policy,
            ublk,
        };
        self.examine(&mut device);
        Some(device)
    }

    /// What the device is for, and what is made on it.
    fn usage(&mut self) -> (Usage, String) {
        let fs_type = self.take(Key::FsType, values::fs_type);
        let priority = self.take(Key::SwapPriority, values::priority).unwrap_or(100);
        let mount_point = self.take(Key::MountPoint, values::path);
        let is_swap = fs_type.as_ref().is_none_or(|fs_type| fs_type == "swap");
        let usage = match mount_point {
            Some(_) if is_swap && fs_type.is_some() => {
                self.refuse_last(Key::MountPoint, "fs-type is swap, which cannot be mounted");
                Usage::Plain
            }
            Some(point) => Usage::Mount { point },
            None if is_swap => Usage::Swap { priority },
            None => Usage::Plain,
        };
        let default = if matches!(usage, Usage::Swap { .. }) { "swap" } else { "ext2" };
        (usage, fs_type.unwrap_or_else(|| default.to_owned()))
    }

    fn ublk(&mut self) -> Ublk {
        Ublk {
            queues: self.take(Key::Queues, values::queues),
            depth: self.take(Key::Depth, values::depth),
            recovery: self.take(Key::Recovery, values::recovery),
        }
    }

    fn policy(&mut self) -> Policy {
        let limit = self.take(Key::WritebackLimit, values::optional_expression).flatten();
        Policy {
            recompress: self.take(Key::Recompress, values::recompress).flatten(),
            writeback_limit: limit
                .and_then(|expression| self.bytes(Key::WritebackLimit, &expression)),
            idle_age: self.take(Key::IdleAge, values::age).flatten(),
            interval: self.take(Key::Maintenance, values::interval).flatten(),
        }
    }

    /// disksize and mem_limit, in bytes. None: there is to be no device.
    fn sizes(&mut self) -> Option<(u64, u64)> {
        let ram = self.host.ram;
        let limit = self.take(Key::HostMemoryLimit, values::mebibytes).flatten();
        let size = self.take(Key::ZramSize, values::expression);
        let resident = self.take(Key::ZramResidentLimit, values::expression);
        let fraction = self.take(Key::ZramFraction, values::fraction);
        let most = self.take(Key::MaxZramSize, values::mebibytes);
        if let Some(limit) = limit.filter(|&limit| limit < ram) {
            self.say(
                Level::Info,
                format!("no device: this machine has {ram} MiB, host-memory-limit is {limit}"),
            );
            return None;
        }
        let disksize = if self.is_given(Key::ZramFraction) || self.is_given(Key::MaxZramSize) {
            self.by_fraction(fraction, most.flatten())
        } else {
            match size {
                Some(size) => self.bytes(Key::ZramSize, &size)?,
                // The default, min(ram / 2, 4096).
                None => ram.saturating_mul(1 << 19).min(4 << 30),
            }
        };
        let mem_limit = resident.map(|limit| self.bytes(Key::ZramResidentLimit, &limit));
        if disksize == 0 {
            self.say(Level::Info, "no device: its size is 0");
            return None;
        }
        if disksize >> 20 > ram.saturating_mul(IMPROBABLE_RATIO) {
            let text = format!(
                "{} MiB on a machine with {ram} MiB: no algorithm compresses that well",
                disksize >> 20
            );
            self.say(Level::Warning, text);
        }
        Some((disksize, mem_limit.flatten().unwrap_or(0)))
    }

    fn by_fraction(&mut self, fraction: Option<f64>, most: Option<u64>) -> u64 {
        if self.is_given(Key::ZramSize) {
            self.say(Level::Warning, "zram-fraction and max-zram-size override zram-size");
        }
        let mebibytes =
            expression::saturate(fraction.unwrap_or(0.5) * expression::float(self.host.ram));
        mebibytes.min(most.unwrap_or(u64::MAX)).saturating_mul(1 << 20)
    }

    /// What each value allows and all together do not.
    fn examine(&mut self, device: &mut Device) {
        let name = &device.name();
        if device.backend == Kind::Kernel {
            for key in [Key::Queues, Key::Depth, Key::Recovery] {
                if self.is_given(key) {
                    let text = format!("{} is for backend = ublk only", key.row().name);
                    self.notes.device(Level::Warning, name, None, text);
                }
            }
        } else if device.writeback_device.take().is_some() {
            let text = "writeback-device is for backend = kernel only; made without it";
            self.notes.device(Level::Error, name, None, text);
        }
        let Policy { recompress, writeback_limit, idle_age, interval } = &device.policy;
        let policy = [
            (Key::Recompress, recompress.is_some()),
            (Key::WritebackLimit, writeback_limit.is_some()),
            (Key::IdleAge, idle_age.is_some()),
            (Key::Maintenance, interval.is_some()),
        ];
        let wanted = policy.iter().filter(|(_, is_wanted)| *is_wanted);
        let wanted: Vec<_> = wanted.map(|(key, _)| key.row().name).collect();
        if !wanted.is_empty() {
            let text = format!(
                "{}: nothing carries this out yet; the device is made without it",
                wanted.join(", ")
            );
            self.say(Level::Error, text);
        }
        self.examine_algorithms(&device.algorithms);
    }

    fn examine_algorithms(&mut self, algorithms: &Algorithms) {
        let names = algorithms.named.iter().map(|(name, _)| name);
        for name in names.filter(|name| name.contains([')', '='])) {
            let text = format!(
                "compression-algorithm: is `{}` part of the parameters of what is before it? \
                 There must be no blanks in them",
                printable(name)
            );
            self.say(Level::Warning, text);
        }
        let count = algorithms.named.len();
        if count > MOST_ALGORITHMS {
            let text = format!(
                "compression-algorithm: {count} algorithms, but one and three to recompress with \
                 are all that zram has"
            );
            self.say(Level::Warning, text);
        }
    }
}

fn complaint(line: &Assignment, why: &str) -> String {
    format!("{} = {}: {why}", line.key.row().name, printable(&line.value))
}

/// Names of all algorithms that these devices ask the kernel for.
#[must_use]
pub fn kernel_algorithms(devices: &[Device]) -> BTreeSet<&str> {
    let devices = devices.iter().filter(|device| device.backend == Kind::Kernel);
    let named = devices.flat_map(|device| &device.algorithms.named);
    named.map(|(name, _)| name.as_str()).collect()
}
