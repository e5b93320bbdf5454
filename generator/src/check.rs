//! `--check` and `--explain`: the configuration in words.

use std::fmt::Write as _;

use sysfs_compat::client::Kind;

use crate::config::Configuration;
use crate::device::{self, Device, Setting, Usage};
use crate::keys::{Key, Origin as KeyOrigin};
use crate::notes::printable;
use crate::units::{self, Content};

/// What would be made, device by device, with the units.
#[must_use]
pub(crate) fn text(configuration: &Configuration, program: &str) -> String {
    let mut text = String::new();
    for device in &configuration.devices {
        text.push_str(&summary(device));
        for file in units::of_device(device, program) {
            match file.content {
                Content::Text(_) => text.push_str(&format!("    {}\n", file.path)),
                Content::Link(target) => text.push_str(&format!("    {} -> {target}\n", file.path)),
            }
        }
    }
    text
}

fn summary(device: &Device) -> String {
    let node = device.node();
    let (size, limit) = (mebibytes(device.disksize), device.mem_limit);
    let mut line = match &device.usage {
        Usage::Swap { priority } => format!("{node}: swap, {size}, priority {priority}"),
        Usage::Mount { point } => {
            format!("{node}: {}, {size}, mounted on {point}", device.fs_type)
        }
        Usage::Plain => {
            let service = units::service(device);
            format!("{node}: {}, {size}, only when {service} is started", device.fs_type)
        }
    };
    if limit > 0 {
        let limit = mebibytes(limit);
        line.push_str(&format!(", at most {limit} of memory"));
    }
    let names: Vec<_> = device.algorithms.named.iter().map(|(name, _)| name.as_str()).collect();
    if let Some((first, others)) = names.split_first() {
        line.push_str(&format!(", {first}"));
        if !others.is_empty() {
            line.push_str(&format!(", then {}", others.join(", ")));
        }
    }
    if !device.options.is_empty() {
        line.push_str(&format!(", options {}", device.options));
    }
    line.push('\n');
    line
}

fn mebibytes(bytes: u64) -> String {
    match bytes >> 20 {
        0 => format!("{bytes} bytes"),
        whole => format!("{whole} MiB"),
    }
}

/// Where each value of device `number` comes from, in columns. None: no file says anything of it.
#[must_use]
pub(crate) fn explain(configuration: &Configuration, number: u32) -> Option<String> {
    let section = configuration.sections.get(&number)?;
    let device = configuration.devices.iter().find(|device| device.number == number);
    let mut text = match device {
        Some(device) => summary(device),
        None => format!("zram{number}: no device\n"),
    };
    let is_ublk = device.is_some_and(|device| device.backend == Kind::Ublk);
    let settings = device::explain(section).into_iter().filter(|setting| {
        let row = Key::by_name(setting.name).map(Key::row);
        let is_usual = row.is_some_and(|row| match row.origin {
            KeyOrigin::Deprecated => false,
            KeyOrigin::Stock => true,
            KeyOrigin::Added => !row.default.is_empty() || is_ublk,
        });
        is_usual || !setting.origins.is_empty()
    });
    let rows: Vec<_> = settings.map(|setting| row(&setting)).collect();
    let width = rows.iter().map(|(_, value, _)| value.chars().count()).max().unwrap_or(0);
    for (name, value, from) in rows {
        // Writing to a string does not fail.
        writeln!(text, "{name:22} {value:width$} {from}").unwrap_or_default();
    }
    Some(text)
}

/// Key, value, and where it comes from.
fn row(setting: &Setting) -> (&'static str, String, String) {
    let mut origins = setting.origins.iter().rev().map(ToString::to_string);
    let mut from = origins.next().unwrap_or_else(|| "default".to_owned());
    let replaced: Vec<_> = origins.collect();
    if !replaced.is_empty() {
        from.push_str(&format!(" (replaces {})", replaced.join(", ")));
    }
    let value = if setting.value.is_empty() { "-" } else { &setting.value };
    (setting.name, printable(value), from)
}
