//! What is going to be done, as a list of steps: to be carried out, or to be printed as shell
//! commands that do the same.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use sysfs_compat::client::{Device, Kind, Result, Root, patience, swap};

use crate::args::SwapOn;

/// The number behind `zram` in printed commands when the device is yet to be made.
const UNKNOWN_NUMBER: &[u8] = b"$N";

/// One thing to do to a device.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    /// Write `value` to the attribute.
    Write {
        attribute: &'static str,
        value: Vec<u8>,
    },
    /// Write it if the kernel still has that attribute.
    WriteIfThere {
        attribute: &'static str,
        value: Vec<u8>,
    },
    /// Reset, waiting for udev if need be.
    Reset,
    /// Take the device away.
    HotRemove,
    /// Refuse a device of trueno-ublk that could wait for itself.
    CheckSwap,
    MakeSwap,
    SwapOn(SwapOn),
    SwapOff,
}

impl Step {
    pub(crate) fn write(attribute: &'static str, value: impl AsRef<[u8]>) -> Self {
        Step::Write { attribute, value: value.as_ref().to_vec() }
    }

    /// Does it.
    pub(crate) fn carry_out(&self, device: &Device) -> Result<()> {
        match self {
            Step::Write { attribute, value } => device.write(attribute, value),
            Step::WriteIfThere { attribute, value } => {
                if device.read_optional(attribute)?.is_none() {
                    return Ok(());
                }
                device.write(attribute, value)
            }
            Step::Reset => patience::reset(device),
            Step::HotRemove => match device.zram_number() {
                Some(number) => patience::hot_remove(device, number),
                None => Ok(()),
            },
            Step::CheckSwap => swap::check(device),
            Step::MakeSwap => {
                let bytes = device.read("disksize")?.trim().parse().unwrap_or(0);
                swap::make(device, bytes)
            }
            Step::SwapOn(SwapOn { priority }) => swap::on(device, *priority),
            Step::SwapOff => swap::off(device),
        }
    }

    /// The shell command that does the same. Bytes, since names of devices and algorithms are.
    pub(crate) fn command(&self, place: &Place) -> Vec<u8> {
        let node = &place.node[..];
        let write = |attribute: &str, value: &[u8]| {
            [b"printf %s ", &quote(value)[..], b" > ", &place.attribute(attribute)].concat()
        };
        match self {
            Step::Write { attribute, value } => write(attribute, value),
            Step::WriteIfThere { attribute, value } => {
                let file = place.attribute(attribute);
                [b"[ ! -e ", &file[..], b" ] || ", &write(attribute, value)].concat()
            }
            Step::Reset => write("reset", b"1"),
            Step::HotRemove => {
                [b"printf %s ", &place.number[..], b" > ", &place.control, b"/hot_remove"].concat()
            }
            Step::CheckSwap => [b"grep -qx 1 ", &place.attribute("trueno/noswap")[..]].concat(),
            Step::MakeSwap => [b"mkswap ", node].concat(),
            Step::SwapOn(SwapOn { priority: None }) => [b"swapon --discard ", node].concat(),
            Step::SwapOn(SwapOn { priority: Some(priority) }) => {
                let command = format!("swapon --discard --priority {priority} ");
                [command.as_bytes(), node].concat()
            }
            Step::SwapOff => [b"swapoff ", node].concat(),
        }
    }
}

/// Commands as a script that stops at the first failure, as the program does.
pub(crate) fn script(commands: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut script = b"set -e\n".to_vec();
    for command in commands {
        script.extend(command);
        script.push(b'\n');
    }
    script
}

/// Where printed commands act: words of shell, quoted.
#[derive(Debug)]
pub(crate) struct Place {
    node: Vec<u8>,
    /// The directory of its attributes.
    directory: Vec<u8>,
    number: Vec<u8>,
    /// The directory of `hot_add`.
    control: Vec<u8>,
    /// Whether the first printed command makes the device.
    is_new: bool,
}

impl Place {
    /// A device that exists.
    pub(crate) fn of(device: &Device) -> Self {
        let number = device.zram_number();
        let kind = device.kind().unwrap_or(Kind::Kernel);
        let directory = match number {
            // The name people know, not the device number it was found by.
            Some(number) => device.root().join(kind.directory(number)),
            None => device.attribute(""),
        };
        Place {
            node: quote_path(&device.node_path()),
            directory: quote_path(&directory),
            number: number.map(|number| number.to_string().into_bytes()).unwrap_or_default(),
            control: quote_path(&device.root().join(kind.control())),
            is_new: false,
        }
    }

    /// One that the first printed command makes.
    pub(crate) fn new(root: &Root, kind: Kind) -> Self {
        let named = |directory: &str| {
            let directory = quote_path(&root.join(directory));
            [&directory[..], b"/zram", UNKNOWN_NUMBER].concat()
        };
        Place {
            node: named(kind.nodes()),
            directory: named(kind.devices()),
            number: UNKNOWN_NUMBER.to_vec(),
            control: quote_path(&root.join(kind.control())),
            is_new: true,
        }
    }

    /// The command that comes before all others, if one is needed.
    pub(crate) fn preparation(&self) -> Option<Vec<u8>> {
        self.is_new.then(|| [b"N=$(cat ", &self.control[..], b"/hot_add)"].concat())
    }

    /// The command that prints the device's name.
    pub(crate) fn echo(&self) -> Vec<u8> {
        [b"echo ", &self.node[..]].concat()
    }

    fn attribute(&self, name: &str) -> Vec<u8> {
        [&self.directory[..], b"/", name.as_bytes()].concat()
    }
}

fn quote_path(path: &Path) -> Vec<u8> {
    quote(path.as_os_str().as_bytes())
}

/// A word as sh takes it literally: as it is when it has nothing that means something to a shell.
fn quote(word: &[u8]) -> Vec<u8> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"%+,-./:=@_".contains(byte);
    if !word.is_empty() && word.iter().all(plain) {
        return word.to_vec();
    }
    let parts: Vec<_> = word.split(|&byte| byte == b'\'').collect();
    [b"'", &parts.join(&br"'\''"[..])[..], b"'"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_when_they_must_be() {
        for (word, quoted) in [
            ("lz4", "lz4"),
            ("", "''"),
            ("level=3 dict=/a b", "'level=3 dict=/a b'"),
            ("it's", r"'it'\''s'"),
            ("$N", "'$N'"),
            ("\n", "'\n'"),
        ] {
            assert_eq!(quote(word.as_bytes()), quoted.as_bytes());
        }
        assert_eq!(quote(b"\xff"), b"'\xff'");
    }

    #[test]
    fn steps_as_commands_on_a_device_to_be_made() {
        let place = Place::new(&Root::new("/"), Kind::Kernel);
        let commands = [
            Step::Reset,
            Step::write("disksize", "4096"),
            Step::WriteIfThere { attribute: "max_comp_streams", value: b"2".to_vec() },
            Step::MakeSwap,
            Step::SwapOn(SwapOn { priority: Some(5) }),
            Step::SwapOff,
            Step::HotRemove,
        ]
        .map(|step| step.command(&place));
        let commands = place.preparation().into_iter().chain(commands).chain([place.echo()]);
        assert_eq!(
            String::from_utf8_lossy(&script(commands)),
            "set -e\n\
             N=$(cat /sys/class/zram-control/hot_add)\n\
             printf %s 1 > /sys/block/zram$N/reset\n\
             printf %s 4096 > /sys/block/zram$N/disksize\n\
             [ ! -e /sys/block/zram$N/max_comp_streams ] || \
             printf %s 2 > /sys/block/zram$N/max_comp_streams\n\
             mkswap /dev/zram$N\n\
             swapon --discard --priority 5 /dev/zram$N\n\
             swapoff /dev/zram$N\n\
             printf %s $N > /sys/class/zram-control/hot_remove\n\
             echo /dev/zram$N\n"
        );
    }
}
