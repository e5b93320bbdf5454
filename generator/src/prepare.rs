//! What the kernel needs before the units can do their work: the zram module, the devices, the
//! modules of their algorithms. Nothing is started that is there already.

use std::process::{Command, Stdio};

use sysfs_compat::client::{Kind, Root};

use crate::args::Name;
use crate::device::{self, Device};
use crate::log::Log;
use crate::machine;
use crate::notes::Level;
use crate::place::Place;

/// Loads the module, and makes the devices that the kernel is to serve; ours have units that do it.
///
/// # Errors
/// When a device cannot be made.
pub(crate) fn devices(root: &Root, devices: &[Device], log: &Log) -> anyhow::Result<()> {
    let kernel = devices.iter().filter(|device| device.backend == Kind::Kernel);
    let Some(highest) = kernel.map(|device| device.number).max() else { return Ok(()) };
    module(root, log);
    let place = Place::new(root, Name { backend: Kind::Kernel, number: highest });
    if place.node_path().exists() { Ok(()) } else { place.add() }
}

/// Loads the zram module, unless it is there. That of the running kernel is not below another root.
pub(crate) fn module(root: &Root, log: &Log) {
    if root.is_system() && !root.join("/sys/class/zram-control").exists() {
        modprobe("zram", log);
    }
}

/// Loads the modules of the algorithms. Without them the kernel may refuse the device's size, with
/// ENOMEM, by which nobody would guess the reason.
pub(crate) fn algorithms(root: &Root, devices: &[Device], log: &Log) {
    let wanted = device::kernel_algorithms(devices);
    if wanted.is_empty() {
        return;
    }
    let known = machine::algorithms(root);
    for name in wanted.into_iter().filter(|name| !known.contains(*name)) {
        modprobe(&format!("crypto-{name}"), log);
    }
}

/// Loads a module; if that fails, whoever needs it will say so.
fn modprobe(module: &str, log: &Log) {
    let status = Command::new("modprobe").args(["--", module]).stdin(Stdio::null()).status();
    let why = match status {
        Ok(status) if status.success() => return,
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    };
    log.say(Level::Warning, &format!("modprobe {module}: {why}"));
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config;
    use crate::files::Source;

    /// The devices of a configuration.
    fn configured(text: &str) -> Vec<Device> {
        let path = std::path::Path::new("a").into();
        let sources = [Source { path, text: Ok(text.into()) }];
        config::read(&sources, 1000, false, &mut |_| Err(String::new())).devices
    }

    /// A root whose `hot_add` always answers the same.
    fn root(name: &str, answer: &str) -> Root {
        let root = std::env::temp_dir().join(format!("trueno-{name}-{}", std::process::id()));
        let control = root.join("sys/class/zram-control");
        let device = root.join(format!("sys/block/zram{}", answer.trim()));
        for directory in [&control, &device] {
            fs::create_dir_all(directory).expect("a directory");
        }
        fs::write(control.join("hot_add"), answer).expect("a file");
        Root::new(root)
    }

    #[test]
    fn devices_are_made_until_there_are_enough() {
        let log = Log::to_stderr();
        let made = |answer: &str, text: &str| {
            let root = root(&format!("hot-add-{}", answer.trim().len()), answer);
            let made = devices(&root, &configured(text), &log);
            fs::remove_dir_all(root.join("/")).expect("it is removed");
            made.map_err(|error| format!("{error:#}"))
        };
        assert_eq!(made("3\n", "[zram0]\n[zram3]\n"), Ok(()));
        // Devices that are not the kernel's are none of its business.
        assert_eq!(made("none", "[zram7]\nbackend = ublk\n"), Ok(()));
        let refusal = made("0\n", "[zram3]\n").expect_err("never enough");
        assert!(refusal.contains("no number that is as high"), "{refusal}");
        assert!(made("rubbish", "[zram3]\n").is_err());
    }
}
