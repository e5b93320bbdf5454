//! What a device is to be: the texts that its attributes were given.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use trueno_zram_store::{MOST_THREADS, PAGE_SIZE};

use crate::ublk::uapi::MAX_QUEUE_DEPTH;

/// What was accepted. `FromStr` and `Display` are the file `settings`: `name=value`, one a line; of
/// two lines with one name the later counts, and a name that is missing has its default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `disksize`: bytes, in whole pages; 0 as long as it is not set.
    pub disksize: u64,
    /// `comp_algorithm`: a name, by default `wm`.
    pub comp_algorithm: String,
    /// `algorithm_params`: what the kernel's file of that name takes; empty by default.
    pub algorithm_params: String,
    /// `mem_limit`: bytes, 0 (the default) for no limit.
    pub mem_limit: u64,
    /// `trueno/queues`: hardware queues, by default as many as processors, up to 4.
    pub queues: u16,
    /// `trueno/depth`: requests that a queue may have at once.
    pub depth: u16,
    /// `trueno/io_size`: bytes of the largest request.
    pub io_size: u32,
    /// `trueno/user_copy`: we copy data, not the kernel.
    pub user_copy: bool,
    /// `trueno/recovery`: what happens when the worker dies.
    pub recovery: Recovery,
    /// `trueno/ublk_id`: the N of `/dev/ublkbN`; -1, the default, is the first that is free.
    pub ublk_id: i32,
}

/// What happens when the worker dies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recovery {
    /// Another one waits, with all that it needs, and takes over by itself.
    #[default]
    Standby,
    /// The supervisor starts another one.
    Restart,
}

impl Recovery {
    /// As the attribute has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Standby => "standby",
            Self::Restart => "restart",
        }
    }
}

/// As many as processors, but more than so many gain nothing.
const QUEUES: u16 = 4;
/// One thread of the store's is for compaction and the like.
const MOST_QUEUES: u16 = 63;
const _: () = assert!((MOST_QUEUES as usize) < MOST_THREADS);
const DEPTH: u16 = 64;
const IO_SIZE: u32 = 64 << 10;
/// Beyond that it is only memory: `depth` times `queues` of it.
const MOST_IO_SIZE: u32 = 1 << 20;
/// The kernel has 20 bits for the minor number of a device.
const MOST_ID: i32 = (1 << 20) - 1;
const PAGE: u32 = 4096;
const _: () = assert!(PAGE as usize == PAGE_SIZE);

/// Why a line of the file was not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SettingsError {
    /// Not `name=value`.
    NoValue {
        /// The line.
        line: String,
    },
    /// A name that is not known: the file was written by a later version.
    Unknown {
        /// The name.
        name: String,
    },
    /// A value that the name does not take.
    Value {
        /// The name.
        name: &'static str,
        /// The value.
        value: String,
        /// What it takes.
        takes: &'static str,
    },
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoValue { line } => write!(f, "not name=value: {line}"),
            Self::Unknown { name } => write!(
                f,
                "there is no setting {name} here: a later version of this program has written it"
            ),
            Self::Value { name, value, takes } => write!(f, "{name}={value}: it takes {takes}"),
        }
    }
}

impl std::error::Error for SettingsError {}

impl Settings {
    /// A device of so many bytes, and everything else by default.
    #[must_use]
    pub fn new(disksize: u64) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            disksize,
            comp_algorithm: "wm".to_owned(),
            algorithm_params: String::new(),
            mem_limit: 0,
            queues: u16::try_from(processors).unwrap_or(QUEUES).min(QUEUES),
            depth: DEPTH,
            io_size: IO_SIZE,
            user_copy: false,
            recovery: Recovery::default(),
            ublk_id: -1,
        }
    }

    /// What `reset` leaves: by default, but for what only our devices have. That is set before
    /// `disksize`, and who writes `disksize` writes `reset` before; the kernel keeps settings of
    /// writeback in the same way. A number that the driver has chosen is none that was set.
    pub fn reset(&mut self) {
        let fresh = Self::new(0);
        self.disksize = fresh.disksize;
        self.comp_algorithm = fresh.comp_algorithm;
        self.algorithm_params = fresh.algorithm_params;
        self.mem_limit = fresh.mem_limit;
    }

    /// How many pages the device has.
    #[must_use]
    pub fn pages(&self) -> u64 {
        self.disksize / u64::from(PAGE)
    }

    /// How many pages a request may have.
    #[must_use]
    pub fn io_pages(&self) -> u32 {
        self.io_size / PAGE
    }

    /// Bytes of all queues' buffers.
    #[must_use]
    pub fn buffer_bytes(&self) -> u64 {
        let each_queue = if self.user_copy { 1 } else { u64::from(self.depth) };
        u64::from(self.queues) * each_queue * u64::from(self.io_size)
    }

    /// The value of a name, as the file has it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        let text = self.to_string();
        let mut lines = text.lines().filter_map(|line| line.split_once('='));
        lines.find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
    }

    /// Sets the value of a name.
    ///
    /// # Errors
    ///
    /// An unknown name, or a value that the name does not take.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), SettingsError> {
        match name {
            "comp_algorithm" => value.clone_into(&mut self.comp_algorithm),
            "algorithm_params" => value.clone_into(&mut self.algorithm_params),
            "disksize" => {
                let takes = "a number of bytes, a multiple of 4096 above 0";
                let is_whole = |bytes: &u64| *bytes > 0 && bytes.is_multiple_of(u64::from(PAGE));
                self.disksize = number("disksize", value, 1..=u64::MAX, takes, is_whole)?;
            }
            "mem_limit" => {
                self.mem_limit =
                    number("mem_limit", value, 0..=u64::MAX, "a number of bytes", |_| true)?;
            }
            "trueno/queues" => {
                let takes = "a number from 1 to 63";
                self.queues = number("trueno/queues", value, 1..=MOST_QUEUES, takes, |_| true)?;
            }
            "trueno/depth" => {
                let takes = "a number from 1 to 4096";
                self.depth = number("trueno/depth", value, 1..=MAX_QUEUE_DEPTH, takes, |_| true)?;
            }
            "trueno/io_size" => {
                let takes = "a number of bytes, a multiple of 4096 up to 1048576";
                let is_whole = |bytes: &u32| bytes.is_multiple_of(PAGE);
                self.io_size =
                    number("trueno/io_size", value, PAGE..=MOST_IO_SIZE, takes, is_whole)?;
            }
            "trueno/user_copy" => {
                self.user_copy =
                    one_of("trueno/user_copy", value, "0 or 1", |value| match value {
                        "0" => Some(false),
                        "1" => Some(true),
                        _ => None,
                    })?;
            }
            "trueno/recovery" => {
                let takes = "standby or restart";
                self.recovery = one_of("trueno/recovery", value, takes, |value| {
                    [Recovery::Standby, Recovery::Restart]
                        .into_iter()
                        .find(|kind| kind.name() == value)
                })?;
            }
            "trueno/ublk_id" => {
                let takes = "the number of a device, up to 1048575, or -1";
                self.ublk_id = number("trueno/ublk_id", value, -1..=MOST_ID, takes, |_| true)?;
            }
            _ => return Err(SettingsError::Unknown { name: name.to_owned() }),
        }
        Ok(())
    }
}

fn number<T: FromStr + PartialOrd>(
    name: &'static str,
    value: &str,
    range: RangeInclusive<T>,
    takes: &'static str,
    is_taken: impl Fn(&T) -> bool,
) -> Result<T, SettingsError> {
    one_of(name, value, takes, |value| {
        value.parse().ok().filter(|number| range.contains(number) && is_taken(number))
    })
}

fn one_of<T>(
    name: &'static str,
    value: &str,
    takes: &'static str,
    find: impl FnOnce(&str) -> Option<T>,
) -> Result<T, SettingsError> {
    find(value).ok_or_else(|| SettingsError::Value { name, value: value.to_owned(), takes })
}

impl FromStr for Settings {
    type Err = SettingsError;

    fn from_str(text: &str) -> Result<Self, SettingsError> {
        let mut settings = Self::new(0);
        for line in text.lines() {
            let (name, value) = line
                .split_once('=')
                .ok_or_else(|| SettingsError::NoValue { line: line.to_owned() })?;
            settings.set(name, value)?;
        }
        Ok(settings)
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "comp_algorithm={}", self.comp_algorithm)?;
        writeln!(f, "algorithm_params={}", self.algorithm_params)?;
        writeln!(f, "mem_limit={}", self.mem_limit)?;
        writeln!(f, "trueno/queues={}", self.queues)?;
        writeln!(f, "trueno/depth={}", self.depth)?;
        writeln!(f, "trueno/io_size={}", self.io_size)?;
        writeln!(f, "trueno/user_copy={}", u8::from(self.user_copy))?;
        writeln!(f, "trueno/recovery={}", self.recovery.name())?;
        writeln!(f, "trueno/ublk_id={}", self.ublk_id)?;
        match self.disksize {
            0 => Ok(()),
            bytes => writeln!(f, "disksize={bytes}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_has_its_default() {
        let settings: Settings = "disksize=1073741824\n".parse().expect("a size is enough");
        assert_eq!(settings, Settings::new(1 << 30));
        assert_eq!((settings.pages(), settings.io_pages()), (1 << 18, 16));
        assert!(settings.queues >= 1 && settings.queues <= 4);
        let Settings { depth, io_size, user_copy, recovery, .. } = settings;
        assert_eq!((depth, io_size, user_copy, recovery), (64, 65536, false, Recovery::Standby));
    }

    #[test]
    fn what_is_written_is_read_back() {
        let text = "comp_algorithm=zstd\nalgorithm_params=level=3 dict=/a b\nmem_limit=4096\n\
                    trueno/queues=7\ntrueno/depth=128\ntrueno/io_size=131072\n\
                    trueno/user_copy=1\ntrueno/recovery=restart\ntrueno/ublk_id=5\ndisksize=8192\n";
        let settings: Settings = text.parse().expect("settings");
        assert_eq!(settings.to_string(), text);
        assert_eq!(settings.algorithm_params, "level=3 dict=/a b");
        let later: Settings = format!("{text}comp_algorithm=lz4\n").parse().expect("settings");
        assert_eq!(later.comp_algorithm, "lz4", "the later of two counts");
    }

    #[test]
    fn a_reset_keeps_what_only_our_devices_have() {
        let own = "trueno/queues=7\ntrueno/depth=128\ntrueno/io_size=131072\n\
                   trueno/user_copy=1\ntrueno/recovery=restart\ntrueno/ublk_id=5\n";
        let all = format!(
            "comp_algorithm=zstd\nalgorithm_params=level=3\nmem_limit=4096\ndisksize=8192\n{own}"
        );
        let mut settings: Settings = all.parse().expect("settings");
        settings.reset();
        assert_eq!(Ok(settings), own.parse());
    }

    #[test]
    fn what_is_not_understood_is_an_error_that_says_what_is() {
        let refused = |line: &str, contains: &str| {
            let error = format!("disksize=4096\n{line}\n").parse::<Settings>().expect_err(line);
            assert!(error.to_string().contains(contains), "{line}: {error}");
        };
        refused("disksize=4097", "multiple of 4096");
        refused("disksize=-1", "multiple of 4096");
        refused("mem_limit=1G", "a number of bytes");
        refused("trueno/queues=0", "1 to 63");
        refused("trueno/queues=64", "1 to 63");
        refused("trueno/depth=4097", "1 to 4096");
        refused("trueno/io_size=6000", "multiple of 4096");
        refused("trueno/io_size=2097152", "up to 1048576");
        refused("trueno/user_copy=yes", "0 or 1");
        refused("trueno/recovery=", "standby or restart");
        refused("backing_dev=/dev/sda", "no setting backing_dev");
        refused("nonsense", "name=value");
        refused("", "name=value");
        refused("trueno/ublk_id=-2", "or -1");
        refused("trueno/ublk_id=1048576", "up to 1048575");
        assert_eq!("".parse::<Settings>(), Ok(Settings::new(0)), "not yet");
    }
}
