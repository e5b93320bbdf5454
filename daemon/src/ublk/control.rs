#![expect(unsafe_code, reason = "commands carry addresses of what the kernel reads and writes")]
//! `/dev/ublk-control`: adding, starting, recovering, stopping and removing devices.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use io_uring::squeue::Entry128;
use io_uring::{IoUring, cqueue, opcode, types};
use sysfs_compat::client::Root;

use super::uapi::{Control, ControlCommand, DevInfo, Params, State, flags};

/// A device by its number: the N of `/dev/ublkbN` and `/dev/ublkcN`.
pub type DeviceId = u32;

/// What the driver must be able to do. Linux 6.6 has all of it, 6.12 is the oldest that is tested.
const NEEDED: [(u64, &str); 4] = [
    (flags::USER_RECOVERY, "USER_RECOVERY"),
    (flags::USER_RECOVERY_REISSUE, "USER_RECOVERY_REISSUE"),
    (flags::CMD_IOCTL_ENCODE, "CMD_IOCTL_ENCODE"),
    (flags::USER_COPY, "USER_COPY"),
];

/// How long a process that has ended may keep a device's node open: the kernel closes it 20 to 30 ms
/// later, and takes longer when it has gigabytes to free.
const LONGEST_CLOSING: Duration = Duration::from_secs(5);

/// `ENOTSUPP`, which is the kernel's own and has no name outside: what drivers before Linux 6.5 answer
/// to a command that they do not know.
const ENOTSUPP: i32 = 524;

/// Why a command had no effect.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// There is no ublk driver.
    NoDriver {
        /// The file that should be there.
        path: PathBuf,
    },
    /// It may be there, but not for us.
    NotOpened {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// io_uring cannot be had.
    NoRing(io::Error),
    /// The driver is too old.
    TooOld {
        /// What it lacks; empty if it cannot even say.
        missing: Vec<&'static str>,
    },
    /// A command failed.
    Command {
        /// Which one.
        command: Control,
        /// On which device, if on one.
        device: Option<DeviceId>,
        /// What the driver said.
        error: io::Error,
    },
}

impl Error {
    /// The number of the failure.
    #[must_use]
    pub fn errno(&self) -> i32 {
        match self {
            Self::NoDriver { .. } => libc::ENODEV,
            Self::TooOld { .. } => libc::EOPNOTSUPP,
            Self::NotOpened { error, .. } | Self::NoRing(error) | Self::Command { error, .. } => {
                error.raw_os_error().unwrap_or(libc::EIO)
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDriver { path } => write!(
                f,
                "{} is missing: the kernel's ublk driver is not loaded; try: modprobe ublk_drv",
                path.display()
            ),
            Self::NotOpened { path, error } => {
                write!(f, "cannot open {}: {error}; it takes root", path.display())
            }
            Self::NoRing(error) => write!(
                f,
                "no io_uring: {error}; look at /proc/sys/kernel/io_uring_disabled and at the \
                 seccomp filter of this container"
            ),
            Self::TooOld { missing } if missing.is_empty() => f.write_str(
                "this kernel's ublk driver is too old to say what it can: Linux 6.12 or later is needed",
            ),
            Self::TooOld { missing } => write!(
                f,
                "this kernel's ublk driver lacks {}: Linux 6.12 or later is needed",
                missing.join(", ")
            ),
            Self::Command { command, device: Some(device), error } => {
                write!(f, "{command} of ublk device {device}: {error}")
            }
            Self::Command { command, device: None, error } => write!(f, "{command}: {error}"),
        }
    }
}

impl std::error::Error for Error {}

/// A way to give commands, for one thread at a time.
pub struct ControlDevice {
    ring: IoUring<Entry128, cqueue::Entry>,
    file: File,
    root: Root,
}

impl fmt::Debug for ControlDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControlDevice").field("file", &self.file).finish_non_exhaustive()
    }
}

/// No queue in particular.
const NO_QUEUE: u16 = u16::MAX;

impl ControlDevice {
    /// Opens it below `root`.
    ///
    /// # Errors
    ///
    /// No driver, no permission, no io_uring.
    pub fn open(root: &Root) -> Result<Self, Error> {
        let path = root.join("/dev/ublk-control");
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(error) => {
                // The node may be there before its driver is.
                let is_missing = [libc::ENOENT, libc::ENODEV, libc::ENXIO].map(Some);
                return Err(match is_missing.contains(&error.raw_os_error()) {
                    true => Error::NoDriver { path },
                    false => Error::NotOpened { path, error },
                });
            }
        };
        let ring = IoUring::builder().build(2).map_err(Error::NoRing)?;
        Ok(Self { ring, file, root: root.clone() })
    }

    /// What the driver can, after a check that it is enough: [`flags`].
    ///
    /// # Errors
    ///
    /// [`Error::TooOld`].
    pub fn features(&mut self) -> Result<u64, Error> {
        let mut features = 0_u64;
        match self.with(Control::GetFeatures, None, &mut features) {
            Ok(()) => {}
            Err(Error::Command { error, .. })
                if matches!(error.raw_os_error(), Some(ENOTSUPP | libc::EOPNOTSUPP)) =>
            {
                return Err(Error::TooOld { missing: Vec::new() });
            }
            Err(error) => return Err(error),
        }
        match lacking(features) {
            missing if missing.is_empty() => Ok(features),
            missing => Err(Error::TooOld { missing }),
        }
    }

    /// Adds a device; what the driver made of `info` comes back. Its `dev_id` chooses the number, or
    /// leaves it to the driver with `u32::MAX`.
    ///
    /// # Errors
    ///
    /// What the driver says: `EEXIST` if the number is taken.
    pub fn add(&mut self, mut info: DevInfo) -> Result<DevInfo, Error> {
        let id = (info.dev_id != u32::MAX).then_some(info.dev_id);
        self.with(Control::AddDev, id, &mut info)?;
        Ok(info)
    }

    /// What a device is.
    ///
    /// # Errors
    ///
    /// What the driver says: `ENODEV` if there is none.
    pub fn info(&mut self, id: DeviceId) -> Result<DevInfo, Error> {
        let mut info = DevInfo::default();
        self.with(Control::GetDevInfo, Some(id), &mut info)?;
        Ok(info)
    }

    /// Size and limits of a device.
    ///
    /// # Errors
    ///
    /// What the driver says.
    pub fn params(&mut self, id: DeviceId) -> Result<Params, Error> {
        let mut params = Params { len: PARAMS_BYTES, ..Default::default() };
        self.with(Control::GetParams, Some(id), &mut params)?;
        Ok(params)
    }

    /// Sets them, before the device is started.
    ///
    /// # Errors
    ///
    /// What the driver says.
    pub fn set_params(&mut self, id: DeviceId, params: Params) -> Result<(), Error> {
        let mut params = Params { len: PARAMS_BYTES, ..params };
        self.with(Control::SetParams, Some(id), &mut params)
    }

    /// On which processors the requests of a queue come, as the bits of a mask.
    ///
    /// # Errors
    ///
    /// What the driver says.
    pub fn queue_affinity(&mut self, id: DeviceId, queue: u16) -> Result<[u64; 16], Error> {
        let mut mask = [0_u64; 16];
        self.buffered(Control::GetQueueAffinity, Some(id), &mut mask, u64::from(queue))?;
        Ok(mask)
    }

    /// Makes the disk. Returns when all tags were fetched, by other threads; those must be answering
    /// already, because a kernel before 7.0 looks for partitions before it comes back.
    ///
    /// # Errors
    ///
    /// What the driver says.
    pub fn start(&mut self, id: DeviceId) -> Result<(), Error> {
        self.plain(Control::StartDev, id, u64::from(std::process::id()))
    }

    /// Takes the disk away, from whoever has it open too.
    ///
    /// # Errors
    ///
    /// What the driver says.
    pub fn stop(&mut self, id: DeviceId) -> Result<(), Error> {
        self.plain(Control::StopDev, id, 0)
    }

    /// Takes the disk away if nobody has it open. Since Linux 7.0: [`flags::SAFE_STOP_DEV`].
    ///
    /// # Errors
    ///
    /// `EBUSY` if somebody has; `EOPNOTSUPP` of an older driver.
    pub fn try_stop(&mut self, id: DeviceId) -> Result<(), Error> {
        self.plain(Control::TryStopDev, id, 0)
    }

    /// Removes a stopped device. Its number is free when nobody has `/dev/ublkcN` open any more: waits
    /// for that, but not for whoever never closes it; whether it is free.
    ///
    /// # Errors
    ///
    /// What the driver says.
    pub fn delete(&mut self, id: DeviceId) -> Result<bool, Error> {
        let mark = self.info(id)?.ublksrv_flags;
        // The command that waits by itself could not be left any more.
        self.plain(Control::DelDevAsync, id, 0)?;
        let deadline = Instant::now() + LONGEST_CLOSING;
        loop {
            match self.info(id) {
                // Or somebody else has the number already.
                Ok(info) if info.ublksrv_flags != mark => return Ok(true),
                Ok(_) if Instant::now() >= deadline => return Ok(false),
                Ok(_) => thread::sleep(Duration::from_millis(1)),
                Err(error) if error.errno() == libc::ENODEV => return Ok(true),
                Err(error) => return Err(error),
            }
        }
    }

    /// Begins to take a device over. It may wait in the kernel for as long as the device's I/O timeout
    /// (Linux 6.12), and no longer on later ones.
    ///
    /// # Errors
    ///
    /// `EBUSY` until the former server is gone; nothing of the requests' memory may be touched before
    /// this is `Ok`. Linux 6.12 says `EINVAL` to whoever begins again after a server that has begun and
    /// has died before it has fetched a tag: everything is as if it had said `Ok`.
    pub fn start_recovery(&mut self, id: DeviceId) -> Result<(), Error> {
        self.plain(Control::StartUserRecovery, id, 0)
    }

    /// Ends that. Returns when all tags were fetched, by other threads.
    ///
    /// # Errors
    ///
    /// What the driver says.
    pub fn end_recovery(&mut self, id: DeviceId) -> Result<(), Error> {
        self.plain(Control::EndUserRecovery, id, u64::from(std::process::id()))
    }

    /// The device with this mark, whatever its state.
    ///
    /// # Errors
    ///
    /// What the driver says about a device that is there.
    pub fn find_ours(&mut self, mark: u64) -> Result<Option<DevInfo>, Error> {
        for id in self.devices() {
            match self.info(id) {
                Ok(info) if info.ublksrv_flags == mark => return Ok(Some(info)),
                Ok(_) => {}
                // Gone meanwhile.
                Err(error) if error.errno() == libc::ENODEV => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// The numbers of all devices, everybody's.
    #[must_use]
    pub fn devices(&self) -> Vec<DeviceId> {
        let Ok(entries) = fs::read_dir(self.root.join("/sys/class/ublk-char")) else {
            return Vec::new();
        };
        let id = |name: std::ffi::OsString| name.to_str()?.strip_prefix("ublkc")?.parse().ok();
        entries.filter_map(|entry| id(entry.ok()?.file_name())).collect()
    }

    fn plain(&mut self, command: Control, id: DeviceId, data: u64) -> Result<(), Error> {
        let bytes = ControlCommand { dev_id: id, queue_id: NO_QUEUE, data, ..Default::default() };
        // SAFETY: a command without a buffer.
        unsafe { self.give(command, Some(id), bytes) }
    }

    fn with<T: Plain>(
        &mut self,
        command: Control,
        id: Option<DeviceId>,
        value: &mut T,
    ) -> Result<(), Error> {
        self.buffered(command, id, value, 0)
    }

    fn buffered<T: Plain>(
        &mut self,
        command: Control,
        id: Option<DeviceId>,
        value: &mut T,
        data: u64,
    ) -> Result<(), Error> {
        let bytes = ControlCommand {
            dev_id: id.unwrap_or(u32::MAX),
            queue_id: NO_QUEUE,
            len: T::BYTES,
            addr: std::ptr::from_mut(value).expose_provenance() as u64,
            data,
            ..Default::default()
        };
        // SAFETY: `value` is `T::BYTES` long, any bytes are one, and it outlives the call.
        unsafe { self.give(command, id, bytes) }
    }

    /// Gives one command and waits for its end, whatever interrupts that.
    ///
    /// # Safety
    ///
    /// The kernel may read and write what the command points to until this returns.
    unsafe fn give(
        &mut self,
        command: Control,
        device: Option<DeviceId>,
        bytes: ControlCommand,
    ) -> Result<(), Error> {
        let failed = |error| Error::Command { command, device, error };
        let file = types::Fd(self.file.as_raw_fd());
        let entry = opcode::UringCmd80::new(file, command.code()).cmd(bytes.bytes()).build();
        // SAFETY: what it points to stays until the completion has come, which is waited for below;
        // the file is open for as long as the ring.
        let pushed = unsafe { self.ring.submission().push(&entry) };
        pushed.map_err(|full| failed(io::Error::other(full)))?;
        loop {
            match self.ring.submit_and_wait(1) {
                Ok(_) => {}
                // To return now would be to let the kernel write where nothing is any more.
                Err(error) if is_transient(&error) => {}
                Err(_) => std::process::abort(),
            }
            if let Some(done) = self.ring.completion().next() {
                return match done.result() {
                    0.. => Ok(()),
                    errno => Err(failed(io::Error::from_raw_os_error(-errno))),
                };
            }
        }
    }
}

/// Whether a wait is to be repeated: `io_uring_enter` says these without having failed.
pub(super) fn is_transient(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINTR | libc::EAGAIN | libc::EBUSY))
}

/// The names of what a driver with these features lacks.
fn lacking(features: u64) -> Vec<&'static str> {
    let missing = NEEDED.into_iter().filter(|(flag, _)| features & flag == 0);
    missing.map(|(_, name)| name).collect()
}

/// What the kernel may fill with any bytes.
trait Plain {
    const BYTES: u16;
}

impl Plain for DevInfo {
    const BYTES: u16 = 64;
}

impl Plain for Params {
    const BYTES: u16 = 64;
}

impl Plain for u64 {
    const BYTES: u16 = 8;
}

impl Plain for [u64; 16] {
    const BYTES: u16 = 128;
}

const PARAMS_BYTES: u32 = 64;
const _: () = assert!(size_of::<DevInfo>() == 64 && size_of::<Params>() == 64);

/// In which state a device is.
#[must_use]
pub fn state(info: &DevInfo) -> State {
    State::from(info.state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_driver_says_what_to_do() {
        let error = ControlDevice::open(&Root::new("/nowhere")).expect_err("nothing there");
        assert_eq!(error.errno(), libc::ENODEV);
        assert!(error.to_string().ends_with("try: modprobe ublk_drv"), "{error}");
    }

    #[test]
    fn an_old_driver_is_told_by_what_it_lacks() {
        // UBLK_F_ALL of Linux 6.1 and of 6.12.
        assert_eq!(lacking(0x1f), ["CMD_IOCTL_ENCODE", "USER_COPY"]);
        assert!(lacking(0x1ff).is_empty());
        let error = Error::TooOld { missing: lacking(0x1f) };
        assert!(error.to_string().contains("lacks CMD_IOCTL_ENCODE, USER_COPY"), "{error}");
    }
}
