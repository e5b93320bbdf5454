//! Why a step failed, in words that help: the likely cause, from what the machine looks like now.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use sysfs_compat::abi::algorithm::CompAlgorithm;
use sysfs_compat::abi::{Attr, Errno};
use sysfs_compat::client::error::{Action, Error};
use sysfs_compat::client::holders::{Holder, holders};
use sysfs_compat::client::{Device, Kind, Root, control, mirror, swap};

use crate::error::Failure;
use crate::plan::Step;
use crate::world::World;

/// How trueno-ublk is started.
const START: &str = "start it with 'systemctl start trueno-ublk', or 'trueno-ublk serve'";

/// The failure to find the device called `name`, or to have it for oneself.
pub(crate) fn lookup(world: &World<'_>, name: &OsStr, what: &str, error: &Error) -> Failure {
    let failure = Failure::about(name, what, error.errno());
    if error.action == Action::Lock {
        return failure.hint(locked(error));
    }
    if error.errno() != Errno::ENODEV {
        return failure.hints(mirror_cause(&world.root, error.errno()));
    }
    // The mirror may hang: it is looked at only for a name that it may have.
    let mirrored = || mirror::numbers(&world.root);
    match (mirror::number_in(name), mirror::kernel_number_in(name)) {
        (Some(_), _) if matches!(mirrored(), Ok(None)) => failure.hint(not_running(&world.root)),
        (_, Some(number)) if matches!(mirrored(), Ok(Some(all)) if all.contains(&number)) => {
            failure.hint(format!(
                "The kernel has no zram{number}, but trueno-ublk has: type trueno/zram{number}."
            ))
        }
        _ => failure,
    }
}

fn not_running(root: &Root) -> String {
    let control = root.join(Kind::Ublk.control());
    format!("There is no {}: trueno-ublk does not run; {START}.", control.display())
}

/// Why the mirror cannot be used, if that is what the error means.
fn mirror_cause(root: &Root, errno: Errno) -> Option<String> {
    let mirror = root.join(Kind::Ublk.devices());
    let mirror = mirror.display();
    match errno {
        Errno::ENOTCONN | Errno::ECONNABORTED => Some(format!(
            "trueno-ublk, which serves {mirror}, has died; {START}. It finds its devices again."
        )),
        Errno::ETIMEDOUT => Some(format!("trueno-ublk, which serves {mirror}, does not answer.")),
        _ => None,
    }
}

/// The failure of `step` on `device`: zramctl's line where it has one, then the likely cause.
pub(crate) fn failure(device: &Device, step: &Step, error: &Error) -> Failure {
    let what = format!("failed to {}: ", what(step));
    Failure::about(device.node(), &what, error.errno()).hints(cause(device, step, error))
}

/// What the step was to achieve, in zramctl's words where it has some.
fn what(step: &Step) -> String {
    match step {
        Step::Reset => "reset".to_owned(),
        Step::HotRemove => "remove".to_owned(),
        Step::CheckSwap => "swap on it".to_owned(),
        Step::MakeSwap => "make swap".to_owned(),
        Step::SwapOn(_) => "switch swap on".to_owned(),
        Step::SwapOff => "switch swap off".to_owned(),
        Step::Write { attribute, value } | Step::WriteIfThere { attribute, value } => {
            let value = value.escape_ascii();
            match *attribute {
                "max_comp_streams" => "set number of streams".to_owned(),
                "comp_algorithm" => "set algorithm".to_owned(),
                "algorithm_params" => "set algorithm params".to_owned(),
                "disksize" => format!("set disksize ({value} bytes)"),
                "mem_limit" => format!("set memory limit ({value} bytes)"),
                "backing_dev" => format!("set backing device {value}"),
                "recomp_algorithm" => format!("set secondary algorithm ({value})"),
                "compact" => "compact".to_owned(),
                "idle" => format!("mark pages idle ({value})"),
                "recompress" if value.to_string() == r"\n" => "recompress".to_owned(),
                "recompress" => format!("recompress ({value})"),
                "writeback" => format!("write back ({value})"),
                "mem_used_max" => "reset the peak".to_owned(),
                other => format!("write '{value}' to {other}"),
            }
        }
    }
}

fn cause(device: &Device, step: &Step, error: &Error) -> Vec<String> {
    let errno = error.errno();
    if errno == Errno::EACCES || errno == Errno::EPERM {
        return vec!["Only root can do that.".to_owned()];
    }
    if errno == Errno::EROFS {
        return vec![format!("{} is mounted read-only.", error.path.display())];
    }
    let is_ours = device.kind() == Some(Kind::Ublk);
    if let Some(line) = not_served(device, step, errno).filter(|_| is_ours) {
        return vec![line];
    }
    match step {
        Step::Write { attribute, value } => attribute_cause(device, attribute, value, errno),
        Step::Reset | Step::HotRemove if errno == Errno::EBUSY => busy(device),
        Step::Reset if errno == Errno::ENOENT && device.kind().is_none() => {
            vec![missing(device, "reset")]
        }
        Step::SwapOff if errno == Errno::ENOMEM => {
            vec!["What is swapped out does not fit into memory.".to_owned()]
        }
        Step::CheckSwap if errno == Errno::EOPNOTSUPP => vec![
            "This kernel cannot keep its memory out of swap (noswap, Linux 6.4): it could wait for \
             itself."
                .to_owned(),
        ],
        Step::MakeSwap if errno == Errno::EINVAL => {
            let (least, most) = swap::bounds().into_inner();
            let (least, most) = (least >> 10, most >> 40);
            vec![format!("A swap area has {least} KiB at least and {most} TiB at most.")]
        }
        _ => Vec::new(),
    }
}

/// What the error means if it comes of who serves a device of trueno-ublk, or its files.
fn not_served(device: &Device, step: &Step, errno: Errno) -> Option<String> {
    match (step, errno) {
        // Nobody serves it yet: the process that was to do so has not come up.
        (Step::Write { attribute: "disksize", .. }, Errno::ETIMEDOUT) => None,
        (_, Errno::ETIMEDOUT) => {
            let node = device.node().display();
            Some(format!("The process that serves {node} does not answer."))
        }
        _ => mirror_cause(device.root(), errno),
    }
}

fn attribute_cause(device: &Device, attribute: &str, value: &[u8], errno: Errno) -> Vec<String> {
    let attr = Attr::by_name(attribute);
    if errno == Errno::ENOENT && !device.attribute(attribute).exists() {
        return vec![missing(device, attribute)];
    }
    match (attr, errno) {
        (Some(Attr::CompAlgorithm | Attr::RecompAlgorithm), Errno::EINVAL) => {
            algorithms(device).into_iter().collect()
        }
        (Some(Attr::BackingDev), Errno::EBUSY) if !device.is_initialised() => {
            match Device::find(device.root(), OsStr::from_bytes(value)) {
                Ok(backing) => busy(&backing),
                Err(_) => Vec::new(),
            }
        }
        // The error itself says it all.
        (Some(Attr::BackingDev), Errno::ENOENT) => Vec::new(),
        (Some(Attr::Disksize), Errno::EINVAL) if value != b"0" => {
            vec!["The compressor could not be set up: are its parameters right?".to_owned()]
        }
        (Some(attr), errno) => {
            let row = attr.info().refusals.iter().find(|row| row.errno == errno);
            let is_ours = attr == Attr::Disksize && device.kind() == Some(Kind::Ublk);
            let ours = mirror::why_not_made(errno).filter(|_| is_ours);
            let why = ours.or(row.map(|row| row.why));
            why.map(|why| vec![format!("The usual reason: {why}.")]).unwrap_or_default()
        }
        (None, _) => Vec::new(),
    }
}

/// Why the kernel has no such attribute.
fn missing(device: &Device, attribute: &str) -> String {
    let what = format!("{} has no {attribute}", device.node().display());
    let Some(info) = Attr::by_name(attribute).map(Attr::info) else { return format!("{what}.") };
    match (device.kind(), info.needs) {
        (None, _) => format!("{what}: it is not a zram device."),
        (Some(Kind::Ublk), _) => format!("{what}: devices of trueno-ublk cannot do that."),
        (Some(Kind::Kernel), Some(feature)) => format!(
            "{what}: that needs a kernel built with {} (there since Linux {}).",
            feature.config(),
            info.since
        ),
        (Some(Kind::Kernel), None) => {
            format!("{what}: that needs Linux {} or later.", info.since)
        }
    }
}

fn algorithms(device: &Device) -> Option<String> {
    let line = CompAlgorithm::parse(&device.read("comp_algorithm").ok()?);
    let who = match device.kind()? {
        Kind::Kernel => "This kernel",
        Kind::Ublk => "trueno-ublk",
    };
    Some(format!("{who} has: {}.", line.names.join(", ")))
}

/// Who keeps the device busy, and what to do about it.
pub(crate) fn busy(device: &Device) -> Vec<String> {
    let node = device.node().display();
    let found = holders(device);
    if found.is_empty() {
        let line = format!("Nobody is seen to have {node} open; udev may be looking at it.");
        return vec![line];
    }
    let advice = |holder: &Holder| match holder {
        Holder::Swap => Some(format!("swapoff {node}, or --reset --force, would free it.")),
        Holder::Mount(target) => Some(format!("umount {} would free it.", target.display())),
        _ => None,
    };
    let lines = found.iter().map(|holder| match advice(holder) {
        Some(advice) => format!("{node} is busy: {holder}; {advice}"),
        None => format!("{node} is busy: {holder}."),
    });
    lines.collect()
}

/// Who keeps the lock that everybody needs who takes a device.
fn locked(error: &Error) -> String {
    let path = error.path.display();
    format!(
        "Another process has been setting up or removing a device for a minute; 'fuser -v {path}' \
         tells which."
    )
}

/// The failure to find a free device or to make one.
pub(crate) fn hot_add(world: &World<'_>, kind: Kind, error: &Error) -> Failure {
    let errno = error.errno();
    let failure = Failure::new(format!("no free zram device found: {errno}"));
    if error.action == Action::Lock {
        return failure.hint(locked(error));
    }
    if errno == Errno::EACCES || errno == Errno::EPERM {
        return failure.hint("Only root can make devices.");
    }
    match kind {
        Kind::Ublk if errno == Errno::ENOENT => failure.hint(not_running(&world.root)),
        Kind::Ublk => failure.hints(mirror_cause(&world.root, errno)),
        Kind::Kernel if !control::exists(&world.root, kind) => failure.hint(format!(
            "There is no {}: the zram module is not loaded (modprobe zram).",
            world.root.join(kind.control()).display()
        )),
        Kind::Kernel if error.action == Action::Find => {
            failure.hint(format!("The kernel made {}, but no node appeared.", error.path.display()))
        }
        Kind::Kernel => failure,
    }
}

#[cfg(test)]
mod tests {
    use std::env::temp_dir;
    use std::fs::{create_dir_all, remove_dir_all};

    use super::*;

    #[test]
    fn why_a_device_of_ours_has_no_size() {
        let directory = temp_dir().join(format!("trueno-zramctl-explain-{}", std::process::id()));
        let root = Root::new(&directory);
        create_dir_all(root.join(Kind::Ublk.directory(3))).expect("made");
        let device = Device::numbered(&root, Kind::Ublk, 3).expect("there");
        let cause = |attribute: &'static str, errno: Errno| {
            let action = Action::Write(b"4096".to_vec());
            let error = Error { action, path: device.attribute(attribute), source: errno.into() };
            cause(&device, &Step::write(attribute, "4096"), &error).join("\n")
        };
        for (errno, words) in [
            (Errno::ENOMEM, "page table and buffers, or it has more than 8 TiB"),
            (Errno::EEXIST, "taken by another ublk device"),
            (Errno::EIO, "journalctl -u trueno-ublk, or /run/trueno-ublk/log"),
            (Errno::ETIMEDOUT, "has failed; the service's log says why"),
            (Errno::EBUSY, "initialised already"),
            (Errno::EINVAL, "parameters right"),
            (Errno::ENOTCONN, "has died"),
        ] {
            let line = cause("disksize", errno);
            assert!(line.contains(words), "{errno:?}: {line}");
        }
        let unanswered = cause("compact", Errno::ETIMEDOUT);
        assert!(unanswered.contains("does not answer"), "{unanswered}");
        remove_dir_all(directory).expect("removed");
    }
}
