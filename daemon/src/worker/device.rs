//! Making a device, and taking one over.

use std::fs;
use std::io;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rustix::rand::GetRandomFlags;
use sysfs_compat::client::Root;
use trueno_zram_core::compat;
use trueno_zram_core::{Algorithm, PageCompressor};
use trueno_zram_region::FileRegion;
use trueno_zram_store::{Codecs, Device, Header, Id, Layout, Options};

use super::armour;
use crate::directory::{Directory, Settings, Ublk};
use crate::ublk::control::{self, ControlDevice, DeviceId};
use crate::ublk::request::SECTOR;
use crate::ublk::uapi::{self, DevInfo, ParamBasic, ParamDiscard, Params, State, flags};
use crate::ublk::{self, Node};

/// The codec that the settings ask for.
pub(crate) fn codec(
    settings: &Settings,
    dictionary: Option<&[u8]>,
) -> anyhow::Result<PageCompressor> {
    let name = &settings.comp_algorithm;
    let algorithm: Algorithm = name.parse().with_context(|| format!("comp_algorithm {name}"))?;
    let text = &settings.algorithm_params;
    let told = || format!("algorithm_params {text}");
    let mut params: compat::Params = text.parse().with_context(told)?;
    // Which one they are for was settled when they were accepted.
    params.algorithm = None;
    let builder = params.builder(algorithm, dictionary).with_context(told)?;
    builder.build().with_context(told)
}

/// By which a device is known, to itself and to the kernel.
pub(crate) fn new_id() -> anyhow::Result<Id> {
    let mut bytes = [0; 16];
    let len = rustix::rand::getrandom(&mut bytes, GetRandomFlags::empty())?;
    ensure!(len == bytes.len(), "getrandom gave {len} bytes of 16");
    Ok(Id(u128::from_ne_bytes(bytes)))
}

/// The half of it that the kernel keeps.
#[expect(clippy::cast_possible_truncation, reason = "the lower half")]
pub(crate) fn mark(id: Id) -> u64 {
    id.0 as u64
}

/// Removes a device that a worker has added and, killed in the next moment, has not noted: the arena's
/// mark tells it.
pub(crate) fn remove_orphan(
    control: &mut ControlDevice,
    directory: &Directory,
) -> anyhow::Result<()> {
    let region = armour::sparse(|| FileRegion::open(directory.arena()));
    let Ok(region) = region else { return Ok(()) };
    // What holds no device is about to be replaced.
    let Ok(header) = Header::read(&region) else { return Ok(()) };
    let Some(info) = control.find_ours(mark(header.id))? else { return Ok(()) };
    ensure!(
        control::state(&info) == State::Dead,
        "ublk device {} has its pages in {} and is in use; the file `ublk` there is missing",
        info.dev_id,
        directory.arena().display()
    );
    control.delete(info.dev_id)?;
    Ok(())
}

/// An empty device in a new arena, in place of an earlier one.
pub(crate) fn format(
    directory: &Directory,
    settings: &Settings,
    codec: PageCompressor,
) -> anyhow::Result<Device<FileRegion>> {
    let path = directory.arena();
    let told = || format!("cannot make {}", path.display());
    let bytes = Layout::new(settings.pages(), false)?.region_bytes();
    let is_foreign = directory.has_foreign_arena().with_context(told)?;
    ensure!(!is_foreign, "{} is no arena and is left as it is: move it away", path.display());
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(told);
        }
        _ => {}
    }
    let region = armour::sparse(|| FileRegion::create(&path, bytes)).with_context(told)?;
    let parameters = &settings.to_string();
    let options = Options { access_times: false, id: new_id()?, parameters };
    let device = Device::format(region, settings.pages(), options, Codecs::new(codec));
    let device = device.with_context(told)?;
    device.set_limit(settings.mem_limit);
    Ok(device)
}

/// The arena that there is, populated, and the settings that it was made with. It changes nothing, so
/// another worker may be serving it.
pub(crate) fn open_arena(directory: &Directory) -> anyhow::Result<(FileRegion, String)> {
    let path = directory.arena();
    let told = || path.display().to_string();
    let region = armour::sparse(|| FileRegion::open(&path)).with_context(told)?;
    let header = Header::read(&region).with_context(told)?;
    region.populate_backed().with_context(told)?;
    Ok((region, header.parameters))
}

/// Has the kernel make a device that nobody can see yet, and notes its number.
pub(crate) fn add(
    control: &mut ControlDevice,
    directory: &Directory,
    settings: &Settings,
    mark: u64,
) -> anyhow::Result<DevInfo> {
    let features = control.features()?;
    let mut wanted = flags::USER_RECOVERY | flags::USER_RECOVERY_REISSUE | flags::CMD_IOCTL_ENCODE;
    wanted |= features & (flags::NO_AUTO_PART_SCAN | flags::SAFE_STOP_DEV);
    if settings.user_copy {
        wanted |= flags::USER_COPY;
    }
    let info = control.add(DevInfo {
        nr_hw_queues: settings.queues,
        queue_depth: settings.depth,
        max_io_buf_bytes: settings.io_size,
        dev_id: settings.ublk_id.cast_unsigned(),
        ublksrv_pid: i32::try_from(std::process::id())?,
        flags: wanted,
        ublksrv_flags: mark,
        ..Default::default()
    })?;
    let noted = directory.set_ublk(Ublk { id: info.dev_id, mark });
    let set = noted.and_then(|()| {
        let kept = info.flags & wanted == wanted;
        ensure!(kept, "the driver took flags {wanted:#x} and left {:#x} of them", info.flags);
        Ok(control.set_params(info.dev_id, params(settings))?)
    });
    match set {
        Ok(()) => Ok(info),
        Err(error) => {
            remove(control, directory, info.dev_id);
            Err(error)
        }
    }
}

/// Takes back what [`add`] has made.
pub(crate) fn remove(control: &mut ControlDevice, directory: &Directory, id: DeviceId) {
    // What fails here leaves a device that the mark still tells as ours.
    if control.delete(id).is_ok() {
        directory.remove_ublk().ok();
    }
}

/// Limits of the block device, those of the kernel's zram.
fn params(settings: &Settings) -> Params {
    // No limit, as zram's.
    let most_sectors = u32::MAX;
    let sectors_of = |bytes: u64| bytes / SECTOR;
    Params {
        len: 0,
        types: uapi::PARAM_BASIC | uapi::PARAM_DISCARD,
        basic: ParamBasic {
            // No cache to flush, not rotational, writable.
            attrs: 0,
            logical_bs_shift: 12,
            physical_bs_shift: 12,
            io_opt_shift: 12,
            io_min_shift: 12,
            max_sectors: settings.io_pages() * 8,
            dev_sectors: sectors_of(settings.disksize),
            ..Default::default()
        },
        discard: ParamDiscard {
            discard_granularity: 4096,
            max_discard_sectors: most_sectors,
            max_write_zeroes_sectors: most_sectors,
            max_discard_segments: 1,
            ..Default::default()
        },
    }
}

/// How long a device's node may take to appear: devtmpfs makes it at once, a udev rule that renames
/// or a container's manager may not.
const NODE_PATIENCE: Duration = Duration::from_secs(5);

/// Opens `/dev/ublkcN`, of which there can be one opener.
pub(crate) fn open(root: &Root, info: &DevInfo) -> anyhow::Result<Node> {
    let path = root.join(format!("/dev/ublkc{}", info.dev_id));
    let begin = Instant::now();
    loop {
        match ublk::open(&path, info) {
            Ok(node) => return Ok(node),
            Err(error) if begin.elapsed() > NODE_PATIENCE => {
                return Err(error).with_context(|| format!("cannot open {}", path.display()));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

/// How often the kernel is asked whether the former server is gone: 20 to 30 ms pass in general.
const POLL: Duration = Duration::from_micros(500);
/// After how many times more rarely, because something holds it up.
const FAST_POLLS: u32 = 400;
const SLOW_POLL: Duration = Duration::from_millis(10);

/// What the kernel says of a device; nothing if that was stopped, so that there is nothing to serve.
pub(crate) fn look(control: &mut ControlDevice, ublk: Ublk) -> anyhow::Result<Option<DevInfo>> {
    let Ublk { id, mark } = ublk;
    let info = match control.info(id) {
        Ok(info) => info,
        Err(error) if error.errno() == libc::ENODEV => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    ensure!(
        info.ublksrv_flags == mark,
        "ublk device {id} is not the one of this directory: its mark is {:016x}, not {mark:016x}",
        info.ublksrv_flags
    );
    match control::state(&info) {
        State::Dead => Ok(None),
        State::Live | State::Quiesced => Ok(Some(info)),
        State::Other(state) => {
            bail!("ublk device {id} is in state {state}, which it cannot be in")
        }
    }
}

/// Waits until the kernel has done with the former server of a device, without bound, and takes the
/// device; nothing if that was stopped. From here to END_USER_RECOVERY nothing else is done: who is killed
/// on the way leaves the driver of Linux 6.12 in a state that is not always mended.
pub(crate) fn take_over(
    control: &mut ControlDevice,
    ublk: Ublk,
) -> anyhow::Result<Option<DevInfo>> {
    let mut polls = 0;
    loop {
        let Some(info) = look(control, ublk)? else { return Ok(None) };
        match control.start_recovery(ublk.id) {
            Ok(()) => return Ok(Some(info)),
            Err(error) if has_begun(&info, error.errno()) => return Ok(Some(info)),
            Err(error) if error.errno() == libc::EBUSY => {}
            Err(error) => return Err(error.into()),
        }
        std::thread::sleep(if polls < FAST_POLLS { POLL } else { SLOW_POLL });
        polls += 1;
    }
}

/// Whether START_USER_RECOVERY was refused because it has succeeded before, for a worker that has died
/// since: Linux 6.12 looks whether a queue was served after the last one. The lock is ours, so it was
/// nobody who lives.
fn has_begun(info: &DevInfo, errno: i32) -> bool {
    errno == libc::EINVAL && control::state(info) == State::Quiesced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_takeover_that_has_begun_goes_on() {
        let info = |state| DevInfo { state, ..Default::default() };
        let (live, quiesced) = (1, 2);
        assert!(has_begun(&info(quiesced), libc::EINVAL));
        assert!(!has_begun(&info(live), libc::EINVAL), "that is another refusal");
        assert!(!has_begun(&info(quiesced), libc::EBUSY), "the former server is still there");
    }
}
