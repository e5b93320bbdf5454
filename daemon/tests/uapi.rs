//! The numbers of `uapi.rs`, against the system's own header and against a table.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::mem::offset_of;
use std::process::{Command, Stdio};

use trueno_ublk::ublk::uapi::{
    self, Control, ControlCommand, DevInfo, Io, IoCommand, IoDesc, ParamBasic, ParamDiscard,
    Params, data_position, flags,
};

#[path = "../../tests/skip.rs"]
mod skip;

/// A C expression, what we have for it, and the value in the headers of these kernels: read from
/// `include/uapi/linux/ublk_cmd.h` of Linux 6.12 unless said otherwise.
type Number = (&'static str, u64, u64);

const NUMBERS: &[Number] = &[
    ("UBLK_U_CMD_GET_QUEUE_AFFINITY", Control::GetQueueAffinity.code() as u64, 0x8020_7501),
    ("UBLK_U_CMD_GET_DEV_INFO", Control::GetDevInfo.code() as u64, 0x8020_7502),
    ("UBLK_U_CMD_ADD_DEV", Control::AddDev.code() as u64, 0xc020_7504),
    ("UBLK_U_CMD_START_DEV", Control::StartDev.code() as u64, 0xc020_7506),
    ("UBLK_U_CMD_STOP_DEV", Control::StopDev.code() as u64, 0xc020_7507),
    ("UBLK_U_CMD_SET_PARAMS", Control::SetParams.code() as u64, 0xc020_7508),
    ("UBLK_U_CMD_GET_PARAMS", Control::GetParams.code() as u64, 0x8020_7509),
    ("UBLK_U_CMD_START_USER_RECOVERY", Control::StartUserRecovery.code() as u64, 0xc020_7510),
    ("UBLK_U_CMD_END_USER_RECOVERY", Control::EndUserRecovery.code() as u64, 0xc020_7511),
    ("UBLK_U_CMD_GET_FEATURES", Control::GetFeatures.code() as u64, 0x8020_7513),
    ("UBLK_U_CMD_DEL_DEV_ASYNC", Control::DelDevAsync.code() as u64, 0x8020_7514),
    // Linux 7.0.
    ("UBLK_U_CMD_TRY_STOP_DEV", Control::TryStopDev.code() as u64, 0xc020_7517),
    ("UBLK_U_IO_FETCH_REQ", Io::Fetch.code() as u64, 0xc010_7520),
    ("UBLK_U_IO_COMMIT_AND_FETCH_REQ", Io::CommitAndFetch.code() as u64, 0xc010_7521),
    // Of these the headers before Linux 6.4 have the numbers without direction and size.
    ("UBLK_CMD_GET_QUEUE_AFFINITY", Control::GetQueueAffinity.code() as u64 & 0xff, 0x01),
    ("UBLK_CMD_GET_DEV_INFO", Control::GetDevInfo.code() as u64 & 0xff, 0x02),
    ("UBLK_CMD_ADD_DEV", Control::AddDev.code() as u64 & 0xff, 0x04),
    ("UBLK_CMD_START_DEV", Control::StartDev.code() as u64 & 0xff, 0x06),
    ("UBLK_CMD_STOP_DEV", Control::StopDev.code() as u64 & 0xff, 0x07),
    ("UBLK_CMD_SET_PARAMS", Control::SetParams.code() as u64 & 0xff, 0x08),
    ("UBLK_CMD_GET_PARAMS", Control::GetParams.code() as u64 & 0xff, 0x09),
    ("UBLK_CMD_START_USER_RECOVERY", Control::StartUserRecovery.code() as u64 & 0xff, 0x10),
    ("UBLK_CMD_END_USER_RECOVERY", Control::EndUserRecovery.code() as u64 & 0xff, 0x11),
    ("UBLK_IO_FETCH_REQ", Io::Fetch.code() as u64 & 0xff, 0x20),
    ("UBLK_IO_COMMIT_AND_FETCH_REQ", Io::CommitAndFetch.code() as u64 & 0xff, 0x21),
    ("UBLK_IO_RES_OK", uapi::RES_OK as u64, 0),
    ("-UBLK_IO_RES_ABORT", -uapi::RES_ABORT as u64, 19),
    ("UBLK_F_USER_RECOVERY", flags::USER_RECOVERY, 0x8),
    ("UBLK_F_USER_RECOVERY_REISSUE", flags::USER_RECOVERY_REISSUE, 0x10),
    ("UBLK_F_CMD_IOCTL_ENCODE", flags::CMD_IOCTL_ENCODE, 0x40),
    ("UBLK_F_USER_COPY", flags::USER_COPY, 0x80),
    // Linux 7.0.
    ("UBLK_F_SAFE_STOP_DEV", flags::SAFE_STOP_DEV, 0x2_0000),
    ("UBLK_F_NO_AUTO_PART_SCAN", flags::NO_AUTO_PART_SCAN, 0x4_0000),
    ("UBLK_PARAM_TYPE_BASIC", uapi::PARAM_BASIC as u64, 1),
    ("UBLK_PARAM_TYPE_DISCARD", uapi::PARAM_DISCARD as u64, 2),
    ("UBLK_IO_OP_READ", uapi::OP_READ as u64, 0),
    ("UBLK_IO_OP_WRITE", uapi::OP_WRITE as u64, 1),
    ("UBLK_IO_OP_FLUSH", uapi::OP_FLUSH as u64, 2),
    ("UBLK_IO_OP_DISCARD", uapi::OP_DISCARD as u64, 3),
    ("UBLK_IO_OP_WRITE_ZEROES", uapi::OP_WRITE_ZEROES as u64, 5),
    ("UBLK_IO_F_SWAP", uapi::IO_F_SWAP as u64, 0x1_0000),
    ("UBLK_MAX_QUEUE_DEPTH", uapi::MAX_QUEUE_DEPTH as u64, 4096),
    ("UBLKSRV_IO_BUF_OFFSET", uapi::IO_BUF_OFFSET, 0x8000_0000),
    ("UBLK_IO_BUF_BITS", uapi::MAX_IO_BYTES.trailing_zeros() as u64, 25),
    ("UBLK_TAG_OFF", tag_shift(), 25),
    ("UBLK_QID_OFF", queue_shift(), 41),
];

/// A structure's size and where its fields are, in the same way.
const LAYOUTS: &[Number] = &[
    ("sizeof(struct ublksrv_ctrl_cmd)", size_of::<ControlCommand>() as u64, 32),
    ("offsetof(struct ublksrv_ctrl_cmd, queue_id)", offset_of!(ControlCommand, queue_id) as u64, 4),
    ("offsetof(struct ublksrv_ctrl_cmd, len)", offset_of!(ControlCommand, len) as u64, 6),
    ("offsetof(struct ublksrv_ctrl_cmd, addr)", offset_of!(ControlCommand, addr) as u64, 8),
    ("offsetof(struct ublksrv_ctrl_cmd, data)", offset_of!(ControlCommand, data) as u64, 16),
    ("sizeof(struct ublksrv_ctrl_dev_info)", size_of::<DevInfo>() as u64, 64),
    ("offsetof(struct ublksrv_ctrl_dev_info, state)", offset_of!(DevInfo, state) as u64, 4),
    (
        "offsetof(struct ublksrv_ctrl_dev_info, max_io_buf_bytes)",
        offset_of!(DevInfo, max_io_buf_bytes) as u64,
        8,
    ),
    ("offsetof(struct ublksrv_ctrl_dev_info, dev_id)", offset_of!(DevInfo, dev_id) as u64, 12),
    (
        "offsetof(struct ublksrv_ctrl_dev_info, ublksrv_pid)",
        offset_of!(DevInfo, ublksrv_pid) as u64,
        16,
    ),
    ("offsetof(struct ublksrv_ctrl_dev_info, flags)", offset_of!(DevInfo, flags) as u64, 24),
    (
        "offsetof(struct ublksrv_ctrl_dev_info, ublksrv_flags)",
        offset_of!(DevInfo, ublksrv_flags) as u64,
        32,
    ),
    ("sizeof(struct ublksrv_io_cmd)", size_of::<IoCommand>() as u64, 16),
    ("offsetof(struct ublksrv_io_cmd, tag)", offset_of!(IoCommand, tag) as u64, 2),
    ("offsetof(struct ublksrv_io_cmd, result)", offset_of!(IoCommand, result) as u64, 4),
    ("offsetof(struct ublksrv_io_cmd, addr)", offset_of!(IoCommand, addr) as u64, 8),
    ("sizeof(struct ublksrv_io_desc)", size_of::<IoDesc>() as u64, 24),
    ("offsetof(struct ublksrv_io_desc, nr_sectors)", offset_of!(IoDesc, nr_sectors) as u64, 4),
    ("offsetof(struct ublksrv_io_desc, start_sector)", offset_of!(IoDesc, start_sector) as u64, 8),
    ("offsetof(struct ublksrv_io_desc, addr)", offset_of!(IoDesc, addr) as u64, 16),
    ("sizeof(struct ublk_param_basic)", size_of::<ParamBasic>() as u64, 32),
    (
        "offsetof(struct ublk_param_basic, io_min_shift)",
        offset_of!(ParamBasic, io_min_shift) as u64,
        7,
    ),
    (
        "offsetof(struct ublk_param_basic, max_sectors)",
        offset_of!(ParamBasic, max_sectors) as u64,
        8,
    ),
    (
        "offsetof(struct ublk_param_basic, dev_sectors)",
        offset_of!(ParamBasic, dev_sectors) as u64,
        16,
    ),
    ("sizeof(struct ublk_param_discard)", size_of::<ParamDiscard>() as u64, 20),
    (
        "offsetof(struct ublk_param_discard, max_write_zeroes_sectors)",
        offset_of!(ParamDiscard, max_write_zeroes_sectors) as u64,
        12,
    ),
    ("offsetof(struct ublk_params, types)", offset_of!(Params, types) as u64, 4),
    ("offsetof(struct ublk_params, basic)", offset_of!(Params, basic) as u64, 8),
    ("offsetof(struct ublk_params, discard)", offset_of!(Params, discard) as u64, 40),
];

const fn tag_shift() -> u64 {
    (data_position(0, 1) - uapi::IO_BUF_OFFSET).trailing_zeros() as u64
}

const fn queue_shift() -> u64 {
    (data_position(1, 0) - uapi::IO_BUF_OFFSET).trailing_zeros() as u64
}

#[test]
fn numbers_are_those_of_the_table() {
    for (expression, ours, expected) in NUMBERS.iter().chain(LAYOUTS) {
        assert_eq!(ours, expected, "{expression}");
    }
}

#[test]
fn numbers_are_those_of_the_systems_header() {
    let Some(header) = from_header() else {
        skip::skip("there is no C compiler, or no linux/ublk_cmd.h (Debian: gcc, linux-libc-dev)");
        return;
    };
    let mut compared = 0;
    for (expression, ours, _) in NUMBERS.iter().chain(LAYOUTS) {
        // An older header lacks some names; structures are in all of them.
        let Some(theirs) = header.get(*expression) else { continue };
        assert_eq!(ours, theirs, "{expression}");
        compared += 1;
    }
    // What the header of Linux 6.1 has.
    assert!(compared >= 45, "only {compared} numbers are in the header");
    assert!(LAYOUTS.iter().all(|(expression, ..)| header.contains_key(*expression)));
}

/// What a C program says that is compiled with the system's header; nothing without a compiler or a
/// header.
fn from_header() -> Option<BTreeMap<String, u64>> {
    let name = |expression: &'static str| expression.trim_start_matches('-');
    let mut source = String::from(
        "#include <errno.h>\n#include <stddef.h>\n#include <stdio.h>\n#include <linux/types.h>\n\
         #include <linux/ioctl.h>\n#include <linux/ublk_cmd.h>\nint main(void) {\n",
    );
    for (expression, ..) in NUMBERS {
        source += &format!("#ifdef {}\n", name(expression));
        source += &format!(
            "printf(\"%s=%llu\\n\", \"{expression}\", (unsigned long long)({expression}));\n"
        );
        source += "#endif\n";
    }
    for (expression, ..) in LAYOUTS {
        source += &format!(
            "printf(\"%s=%llu\\n\", \"{expression}\", (unsigned long long)({expression}));\n"
        );
    }
    source += "return 0; }\n";
    let program = std::env::temp_dir().join(format!("ublk-header-{}", std::process::id()));
    let mut compiler = Command::new("cc");
    compiler.args(["-x", "c", "-", "-o"]).arg(&program);
    let mut compiler = compiler.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().ok()?;
    compiler.stdin.take()?.write_all(source.as_bytes()).expect("the compiler reads");
    let compiled = compiler.wait_with_output().expect("the compiler ends");
    let errors = String::from_utf8_lossy(&compiled.stderr);
    if !compiled.status.success() {
        assert!(errors.contains("ublk_cmd.h: No such file"), "{errors}");
        return None;
    }
    let output = Command::new(&program).output().expect("the program runs");
    std::fs::remove_file(&program).expect("our own");
    let lines = String::from_utf8(output.stdout).expect("text");
    let number = |line: &str| {
        let (expression, value) = line.split_once('=').expect("a number");
        (expression.to_owned(), value.parse().expect("a number"))
    };
    Some(lines.lines().map(number).collect())
}

#[test]
fn commands_lie_as_the_structures_do() {
    let command = ControlCommand {
        dev_id: 0x0403_0201,
        queue_id: 0x0605,
        len: 0x0807,
        addr: 0x100f_0e0d_0c0b_0a09,
        data: 0x1817_1615_1413_1211,
        dev_path_len: 0x1a19,
        pad: 0x1c1b,
        reserved: 0x201f_1e1d,
    };
    let expected: Vec<u8> = (1..=32).chain([0; 48]).collect();
    assert!(cfg!(target_endian = "big") || command.bytes() == *expected);
    let command =
        IoCommand { q_id: 0x0201, tag: 0x0403, result: 0x0807_0605, addr: 0x100f_0e0d_0c0b_0a09 };
    let expected: Vec<u8> = (1..=16).collect();
    assert!(cfg!(target_endian = "big") || command.bytes() == *expected);
}
