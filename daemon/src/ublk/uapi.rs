//! What the kernel's `linux/ublk_cmd.h` defines: commands, structures, flags.
//!
//! The header is "GPL-2.0 WITH Linux-syscall-note OR MIT"; these are its numbers, as far as they are
//! used. `daemon/tests/uapi.rs` compares them with an installed header and with a table.

use std::fmt;

/// `_IOC` of `asm-generic/ioctl.h`: direction, size, type `u`, number. How commands are encoded since
/// Linux 6.4 (`UBLK_F_CMD_IOCTL_ENCODE`).
#[expect(clippy::cast_possible_truncation, reason = "structures of a few dozen bytes")]
const fn encoded(direction: u32, size: usize, number: u32) -> u32 {
    direction << 30 | (size as u32) << 16 | (b'u' as u32) << 8 | number
}

const fn read(number: u32) -> u32 {
    encoded(2, size_of::<ControlCommand>(), number)
}

const fn read_write(number: u32) -> u32 {
    encoded(3, size_of::<ControlCommand>(), number)
}

/// Commands to `/dev/ublk-control`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Control {
    /// `UBLK_U_CMD_GET_QUEUE_AFFINITY`: on which processors a queue's requests come.
    GetQueueAffinity = read(0x01),
    /// `UBLK_U_CMD_GET_DEV_INFO`.
    GetDevInfo = read(0x02),
    /// `UBLK_U_CMD_ADD_DEV`.
    AddDev = read_write(0x04),
    /// `UBLK_U_CMD_START_DEV`: waits until every tag was fetched; then there is a disk.
    StartDev = read_write(0x06),
    /// `UBLK_U_CMD_STOP_DEV`: takes the disk away, also from those who have it open.
    StopDev = read_write(0x07),
    /// `UBLK_U_CMD_SET_PARAMS`.
    SetParams = read_write(0x08),
    /// `UBLK_U_CMD_GET_PARAMS`.
    GetParams = read(0x09),
    /// `UBLK_U_CMD_START_USER_RECOVERY`: `EBUSY` until the former server is really gone.
    StartUserRecovery = read_write(0x10),
    /// `UBLK_U_CMD_END_USER_RECOVERY`: waits until every tag was fetched; then requests come again.
    EndUserRecovery = read_write(0x11),
    /// `UBLK_U_CMD_GET_FEATURES`: since Linux 6.5.
    GetFeatures = read(0x13),
    /// `UBLK_U_CMD_DEL_DEV_ASYNC`: as `UBLK_U_CMD_DEL_DEV`, which waits until nobody has the character
    /// device open, but does not wait. Since Linux 6.7.
    DelDevAsync = read(0x14),
    /// `UBLK_U_CMD_TRY_STOP_DEV`: as `StopDev`, but `EBUSY` while the disk is open. Since Linux 7.0.
    TryStopDev = encoded(3, size_of::<ControlCommand>(), 0x17),
}

impl Control {
    /// The command's number.
    #[must_use]
    pub const fn code(self) -> u32 {
        self as u32
    }

    /// As the header calls it, for messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::GetQueueAffinity => "GET_QUEUE_AFFINITY",
            Self::GetDevInfo => "GET_DEV_INFO",
            Self::AddDev => "ADD_DEV",
            Self::StartDev => "START_DEV",
            Self::StopDev => "STOP_DEV",
            Self::SetParams => "SET_PARAMS",
            Self::GetParams => "GET_PARAMS",
            Self::StartUserRecovery => "START_USER_RECOVERY",
            Self::EndUserRecovery => "END_USER_RECOVERY",
            Self::GetFeatures => "GET_FEATURES",
            Self::DelDevAsync => "DEL_DEV_ASYNC",
            Self::TryStopDev => "TRY_STOP_DEV",
        }
    }
}

impl fmt::Display for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Commands to `/dev/ublkcN`, one a tag at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Io {
    /// `UBLK_U_IO_FETCH_REQ`: asks for a tag's first request.
    Fetch = encoded(3, size_of::<IoCommand>(), 0x20),
    /// `UBLK_U_IO_COMMIT_AND_FETCH_REQ`: answers one and asks for the next.
    CommitAndFetch = encoded(3, size_of::<IoCommand>(), 0x21),
}

impl Io {
    /// The command's number.
    #[must_use]
    pub const fn code(self) -> u32 {
        self as u32
    }
}

/// `UBLK_IO_RES_OK`: what a fetch completes with when a request is there.
pub const RES_OK: i32 = 0;
/// `UBLK_IO_RES_ABORT`: what it completes with when the device goes away.
pub const RES_ABORT: i32 = -libc::ENODEV;

/// `struct ublksrv_ctrl_cmd`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ControlCommand {
    /// Which device; `u32::MAX` in `AddDev` lets the driver choose.
    pub dev_id: u32,
    /// Which queue; `u16::MAX` if it is not about one.
    pub queue_id: u16,
    /// How long the buffer at `addr` is.
    pub len: u16,
    /// Where the command's structure is.
    pub addr: u64,
    /// A number, for commands that need no structure.
    pub data: u64,
    /// For devices of users without privileges.
    pub dev_path_len: u16,
    /// Zero.
    pub pad: u16,
    /// Zero.
    pub reserved: u32,
}

impl ControlCommand {
    /// As it stands in a submission: 32 bytes of the 80 that there are.
    #[must_use]
    pub fn bytes(self) -> [u8; 80] {
        let parts: [&[u8]; 8] = [
            &self.dev_id.to_ne_bytes(),
            &self.queue_id.to_ne_bytes(),
            &self.len.to_ne_bytes(),
            &self.addr.to_ne_bytes(),
            &self.data.to_ne_bytes(),
            &self.dev_path_len.to_ne_bytes(),
            &self.pad.to_ne_bytes(),
            &self.reserved.to_ne_bytes(),
        ];
        joined(parts)
    }
}

/// `struct ublksrv_io_cmd`: an answer, or the first question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct IoCommand {
    /// Which queue.
    pub q_id: u16,
    /// Which tag of it.
    pub tag: u16,
    /// The answer: bytes done, or a negative errno.
    pub result: i32,
    /// The tag's buffer; 0 with [`flags::USER_COPY`].
    pub addr: u64,
}

impl IoCommand {
    /// As it stands in a submission.
    #[must_use]
    pub fn bytes(self) -> [u8; 16] {
        let parts: [&[u8]; 4] = [
            &self.q_id.to_ne_bytes(),
            &self.tag.to_ne_bytes(),
            &self.result.to_ne_bytes(),
            &self.addr.to_ne_bytes(),
        ];
        joined(parts)
    }
}

/// The fields of a structure one after the other, and zeros. On the way of each request: nothing is
/// allocated.
#[inline]
fn joined<const PARTS: usize, const BYTES: usize>(parts: [&[u8]; PARTS]) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    bytes.iter_mut().zip(parts.into_iter().flatten()).for_each(|(to, from)| *to = *from);
    bytes
}

/// `struct ublksrv_ctrl_dev_info`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct DevInfo {
    /// Hardware queues; the driver takes no more than there are processors.
    pub nr_hw_queues: u16,
    /// Tags of each.
    pub queue_depth: u16,
    /// See [`State`].
    pub state: u16,
    /// Zero.
    pub pad0: u16,
    /// The largest request.
    pub max_io_buf_bytes: u32,
    /// The N of `/dev/ublkbN`.
    pub dev_id: u32,
    /// The process that serves it.
    pub ublksrv_pid: i32,
    /// Zero.
    pub pad1: u32,
    /// See [`flags`]; what the driver does not know it takes away.
    pub flags: u64,
    /// The server's own: our mark, by which we know a device of ours.
    pub ublksrv_flags: u64,
    /// Whose it is.
    pub owner_uid: u32,
    /// And whose group's.
    pub owner_gid: u32,
    /// Zero.
    pub reserved1: u64,
    /// Zero.
    pub reserved2: u64,
}

/// `UBLK_F_*`: what a device is to do, and what the driver can.
pub mod flags {
    /// The disk outlives its server.
    pub const USER_RECOVERY: u64 = 1 << 3;
    /// The next server gets again what the last one left unanswered.
    pub const USER_RECOVERY_REISSUE: u64 = 1 << 4;
    /// Commands are encoded as for ioctl.
    pub const CMD_IOCTL_ENCODE: u64 = 1 << 6;
    /// The server copies data itself, by pread and pwrite. Since Linux 6.5.
    pub const USER_COPY: u64 = 1 << 7;
    /// There is `TRY_STOP_DEV`. Since Linux 7.0.
    pub const SAFE_STOP_DEV: u64 = 1 << 17;
    /// Nobody looks for partitions. Since Linux 7.0.
    pub const NO_AUTO_PART_SCAN: u64 = 1 << 18;
}

/// `UBLK_S_DEV_*`: in which state a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Never started, or stopped: there is no disk.
    Dead,
    /// There is a disk, and a server or what the kernel still takes for one.
    Live,
    /// The server is gone and requests wait for another one.
    Quiesced,
    /// A state that these devices cannot get into.
    Other(u16),
}

impl From<u16> for State {
    fn from(state: u16) -> Self {
        match state {
            0 => Self::Dead,
            1 => Self::Live,
            2 => Self::Quiesced,
            other => Self::Other(other),
        }
    }
}

/// `struct ublk_param_basic`. Shifts are binary logarithms of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ParamBasic {
    /// `UBLK_ATTR_*`; none of them: writable, not rotational, no cache to flush.
    pub attrs: u32,
    /// The unit of addresses.
    pub logical_bs_shift: u8,
    /// The least that is written at once.
    pub physical_bs_shift: u8,
    /// The best size of a request.
    pub io_opt_shift: u8,
    /// The least good size of one.
    pub io_min_shift: u8,
    /// The most sectors in a request.
    pub max_sectors: u32,
    /// Requests do not cross multiples of this, if it is not 0.
    pub chunk_sectors: u32,
    /// Sectors of the device.
    pub dev_sectors: u64,
    /// What segments must be aligned to.
    pub virt_boundary_mask: u64,
}

/// `struct ublk_param_discard`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ParamDiscard {
    /// Where the first unit begins.
    pub discard_alignment: u32,
    /// Bytes of a unit.
    pub discard_granularity: u32,
    /// The most sectors in one.
    pub max_discard_sectors: u32,
    /// The most sectors in a write of zeros.
    pub max_write_zeroes_sectors: u32,
    /// Must be 1.
    pub max_discard_segments: u16,
    /// Zero.
    pub reserved0: u16,
}

/// The part of `struct ublk_params` that is set here; the kernel takes any length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Params {
    /// How many bytes of it there are.
    pub len: u32,
    /// Which of the following are of meaning.
    pub types: u32,
    /// With [`PARAM_BASIC`].
    pub basic: ParamBasic,
    /// With [`PARAM_DISCARD`].
    pub discard: ParamDiscard,
}

/// `UBLK_PARAM_TYPE_BASIC`.
pub const PARAM_BASIC: u32 = 1 << 0;
/// `UBLK_PARAM_TYPE_DISCARD`.
pub const PARAM_DISCARD: u32 = 1 << 1;

/// `struct ublksrv_io_desc`: a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct IoDesc {
    /// The operation in its lowest byte, `UBLK_IO_F_*` above.
    pub op_flags: u32,
    /// How many sectors.
    pub nr_sectors: u32,
    /// The first one.
    pub start_sector: u64,
    /// The buffer that the fetch has named.
    pub addr: u64,
}

/// `UBLK_IO_OP_READ`.
pub const OP_READ: u32 = 0;
/// `UBLK_IO_OP_WRITE`.
pub const OP_WRITE: u32 = 1;
/// `UBLK_IO_OP_FLUSH`.
pub const OP_FLUSH: u32 = 2;
/// `UBLK_IO_OP_DISCARD`.
pub const OP_DISCARD: u32 = 3;
/// `UBLK_IO_OP_WRITE_ZEROES`.
pub const OP_WRITE_ZEROES: u32 = 5;
/// `UBLK_IO_F_SWAP`: the kernel swaps.
pub const IO_F_SWAP: u32 = 1 << 16;

/// `UBLK_MAX_QUEUE_DEPTH`. Queue `q`'s descriptors are at `q` times so many in `/dev/ublkcN`.
pub const MAX_QUEUE_DEPTH: u16 = 4096;

/// `UBLKSRV_IO_BUF_OFFSET`: from here on are the tags' data in `/dev/ublkcN`, with `USER_COPY`.
pub const IO_BUF_OFFSET: u64 = 0x8000_0000;
/// `UBLK_IO_BUF_BITS`: of the place in a request.
const IO_BUF_BITS: u32 = 25;
/// `UBLK_TAG_BITS`.
const TAG_BITS: u32 = 16;
/// The largest request.
pub const MAX_IO_BYTES: u32 = 1 << IO_BUF_BITS;

/// Where the data of a tag's request begin in `/dev/ublkcN`, with `USER_COPY`.
#[must_use]
pub const fn data_position(queue: u16, tag: u16) -> u64 {
    let place = (queue as u64) << TAG_BITS | tag as u64;
    IO_BUF_OFFSET + (place << IO_BUF_BITS)
}

const _: () = assert!(size_of::<ControlCommand>() == 32 && size_of::<DevInfo>() == 64);
const _: () = assert!(size_of::<IoDesc>() == 24 && size_of::<IoCommand>() == 16);
