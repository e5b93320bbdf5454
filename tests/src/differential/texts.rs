//! What is written to each attribute: what it takes, what it takes only by accident, and what it
//! refuses.

use std::os::unix::ffi::OsStrExt;

use fastrand::Rng;
use sysfs_compat::abi::Attr;
use sysfs_compat::abi::memory::File;

use super::pair::Pair;
use super::requests;
use super::step::Text;

/// Around the longest algorithm name, the longest path, and a page.
const OVERLONG: [usize; 7] = [126, 127, 128, 4095, 4096, 4097, 5000];

/// A text for the attribute.
pub(super) fn text(rng: &mut Rng, attr: Attr, pair: &Pair) -> Text {
    let proper = proper(rng, attr, pair);
    match rng.u8(0..20) {
        0..13 => proper,
        13..17 => decorated(rng, proper),
        17 => overlong(rng, proper),
        18 => any(rng, &["", "\n", "\0", " ", "\x001", "-", "+", "\"", "="]).into(),
        _ => soup(rng, attr),
    }
}

/// The number of a device, in all shapes; what else it may come to is for others to check.
pub(super) fn hot_remove(rng: &mut Rng, number: u32) -> Text {
    let absurd = ["1000000", "2147483647", "-1", "-0", "-2147483648", "x", "", "\n", "0x1000000"];
    let beyond = ["2147483648", "4294967296", "-2147483649", "99999999999999999999", "5\n5"];
    match rng.u8(0..8) {
        0..3 => format!("{number}").into(),
        3 => decorated(rng, format!("{number}").into()),
        4 | 5 => any(rng, &absurd).into(),
        6 => any(rng, &beyond).into(),
        _ => overlong(rng, "999999999".into()),
    }
}

/// One of them.
pub(super) fn any<T: Copy>(rng: &mut Rng, choices: &[T]) -> T {
    *rng.choice(choices).expect("there is a choice")
}

fn proper(rng: &mut Rng, attr: Attr, pair: &Pair) -> Text {
    match attr {
        Attr::Disksize => disksize(rng),
        Attr::Reset => weighted(rng, &["1", "1\n", "2", "65535", "01", "+1", "1\0x"], &REFUSED),
        Attr::CompAlgorithm => algorithm(rng, pair),
        Attr::RecompAlgorithm => recomp_algorithm(rng, pair),
        Attr::AlgorithmParams => requests::params(rng, pair),
        Attr::MemLimit => mem_limit(rng),
        Attr::MemUsedMax => weighted(rng, &["0", "0\n", "+0", "00", "0\0x"], &REFUSED),
        Attr::Compact | Attr::MaxCompStreams => any(rng, &["1", "0", "x", "\n", "\0"]).into(),
        Attr::Idle => weighted(rng, &["all", "all\n", "all\0x"], &IDLE),
        Attr::Recompress => any(rng, &["max_pages=0", "type=idle max_pages=0", "type"]).into(),
        Attr::BackingDev => backing_dev(rng, pair),
        Attr::Writeback => requests::writeback(rng, pair),
        Attr::WritebackLimit => {
            weighted(rng, &["0", "0\n", "1", "2", "3", "7\n", "18446744073709551615"], &REFUSED)
        }
        Attr::WritebackLimitEnable => {
            weighted(rng, &["0", "0\n", "1", "1\n", "2", "+9", "18446744073709551615"], &REFUSED)
        }
        Attr::WritebackBatchSize => {
            weighted(rng, &["1", "2\n", "32", "+3", "256", "4294967295"], &REFUSED)
        }
        Attr::CompressedWriteback => weighted(rng, &BOOLEANS, &REFUSED),
        Attr::Initstate | Attr::IoStat | Attr::MmStat | Attr::DebugStat | Attr::BdStat => "".into(),
    }
}

/// What most numbers are not.
const REFUSED: [&str; 20] = [
    "0",
    "-0",
    "-1",
    "1 ",
    " 1",
    "0x1",
    "1\n\n",
    "1\r\n",
    "x",
    "\n",
    "o",
    "++1",
    "1e3",
    "65536",
    "4294967296",
    "18446744073709551616",
    "18446744073709551616x",
    "99999999999999999999999",
    "-99999999999999999999999",
    "000000000000000000000001",
];

/// Ages are filtered by what the clock makes of them.
const IDLE: [&str; 16] = [
    "ALL",
    "all\n\n",
    "all ",
    " all",
    "-1",
    "x",
    "08",
    "0x",
    "0",
    "00\n",
    "1073741824",
    "0x7fffffff",
    "4294967295",
    "4294967296",
    "0777777777777\n",
    "18446744073709551615",
];

const BOOLEANS: [&str; 18] = [
    "1", "0", "y", "N", "true", "False", "on", "off", "ON\n", "oFf", "enable", "E", "disable", "D",
    "0junk", "1..", "of", "t\0",
];

fn weighted(rng: &mut Rng, accepted: &[&str], refused: &[&str]) -> Text {
    let choices = if rng.u8(0..3) > 0 { accepted } else { refused };
    any(rng, choices).into()
}

fn disksize(rng: &mut Rng) -> Text {
    let refused = [
        "0",
        "abc",
        "-5",
        " 1M",
        "+1M",
        "\n",
        "M",
        "k\n",
        "E",
        "0x",
        "08",
        "16E",
        "16777216T",
        "17179869184G",
        "18446744073709551616",
        "0x10000000000000000",
    ];
    let absurd = [
        "1E",
        "15E",
        "16383P",
        "2P",
        "18446744073709551615",
        "0xffffffffffffffff",
        "99999999999999999999999",
        "0xfffffffffffff000",
        "18446744073709551616K",
    ];
    let odd =
        ["1", "1k", "010", "1.5M", "5000", "0x10000", "0200000", "64K\n", "1M", "1m 2M", "3b"];
    match rng.u8(0..16) {
        0 | 1 => any(rng, &refused).into(),
        2 => any(rng, &absurd).into(),
        3..6 => any(rng, &odd).into(),
        6..9 => format!("{}K", rng.u64(1..128)).into(),
        _ => (rng.u64(1..=32) * 4096).to_string().into(),
    }
}

fn mem_limit(rng: &mut Rng) -> Text {
    let odd = [
        "1G\n\n",
        "1.5G",
        "010",
        "0x1000",
        "M",
        "k\n",
        "E",
        "15E",
        "16E",
        "abc",
        "-5",
        " 1M",
        "+1",
        "\n",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999999",
    ];
    match rng.u8(0..8) {
        0..3 => any(rng, &odd).into(),
        3 => format!("{}{}", rng.u64(1..20), any(rng, &["k", "m", "G", "T", "p", "P", "E"])).into(),
        4 | 5 => format!("{}K", rng.u64(1..64)).into(),
        _ => "0".into(),
    }
}

fn algorithm(rng: &mut Rng, pair: &Pair) -> Text {
    let names = pair.kernel.algorithms.iter().chain(&pair.kernel.unlisted_algorithms);
    let names = names.map(String::as_str).collect::<Vec<_>>();
    let name = any(rng, &names);
    match rng.u8(0..16) {
        0 => any(rng, &["none", "lz", "LZ4", "zstd lz4", "[lz4]", "\n", " lz4", "lz4 "]).into(),
        1 => format!("{name}\n\n").into(),
        2 => format!("{name}\n\0junk").into(),
        3 => "x".repeat(any(rng, &[126, 127, 128, 200])).into(),
        4..8 => format!("{name}\n").into(),
        _ => name.into(),
    }
}

fn recomp_algorithm(rng: &mut Rng, pair: &Pair) -> Text {
    let names = pair.kernel.algorithms.iter().map(String::as_str).collect::<Vec<_>>();
    let name = any(rng, &names);
    let long = "x".repeat(128);
    match rng.u8(0..8) {
        0 => any(rng, &["priority=1", "algo=none", "algo=", "algo", "\n"]).into(),
        1 => format!("algo={name} priority={}", any(rng, &["0", "4", "-1", "x"])).into(),
        2 => format!("algo={name} priority=99999999999").into(),
        3 => format!("algo={long}").into(),
        _ => format!("algo={name} priority={}", rng.u8(1..4)).into(),
    }
}

fn backing_dev(rng: &mut Rng, pair: &Pair) -> Text {
    let blocks = pair.world.paths(|file| matches!(file, File::Block(1..) | File::Link(_)));
    let others = pair.world.paths(|file| !matches!(file, File::Block(1..) | File::Link(_)));
    let own = pair.real().device.node();
    let missing = ["/trueno-missing", "none", "none\n", "/", "\n", "//", "/."];
    let mut path = match rng.u8(0..16) {
        0 => return any(rng, &missing).into(),
        1 => own.as_os_str().as_bytes().to_vec(),
        2 => format!("/{}", "x".repeat(any(rng, &[254, 255, 256, 4094, 5000]))).into_bytes(),
        3..5 => any(rng, &others).to_vec(),
        _ => any(rng, &blocks).to_vec(),
    };
    // Slashes do not count, up to the length of a path.
    if rng.u8(0..16) == 0 {
        let length = any(rng, &[4094_usize, 4095, 4096]);
        let slashes = vec![b'/'; length.saturating_sub(path.len())];
        path.splice(0..0, slashes);
    }
    let tail: &[u8] = match rng.u8(0..16) {
        0 => b"\n\n",
        1 => b" ",
        2 => b"\0junk",
        3..8 => b"",
        _ => b"\n",
    };
    path.extend_from_slice(tail);
    Text(path)
}

/// The text with something before or behind it.
fn decorated(rng: &mut Rng, Text(mut text): Text) -> Text {
    let before: &[u8] =
        any(rng, &[b"".as_slice(), b"", b"+", b"-", b"0", b"00", b"0x", b" ", b"\0"]);
    let behind: &[u8] = any(
        rng,
        &[b"".as_slice(), b"\n", b"\n\n", b" ", b"\0", b"\0junk", b"junk", b"K", b"M", b"\"", b"0"],
    );
    text.splice(0..0, before.iter().copied());
    text.extend_from_slice(behind);
    Text(text)
}

/// The text with more of something before or behind it than anybody takes.
fn overlong(rng: &mut Rng, Text(mut text): Text) -> Text {
    let length = any(rng, &OVERLONG);
    let missing = length.saturating_sub(text.len());
    if rng.bool() {
        text.extend(std::iter::repeat_n(any(rng, b" \nx\0"), missing));
    } else {
        text.splice(0..0, std::iter::repeat_n(any(rng, b"0 x\n"), missing));
    }
    Text(text)
}

/// A handful of bytes that mean something somewhere.
fn soup(rng: &mut Rng, attr: Attr) -> Text {
    // A relative path could lead anywhere, an algorithm of the crypto API be anything.
    if matches!(attr, Attr::BackingDev | Attr::CompAlgorithm | Attr::AlgorithmParams) {
        return any(rng, &["/trueno-soup", "trueno-soup=1 =", "= =", "\"\"", "\" \"", "==1"])
            .into();
    }
    let bytes = b"0123456789abcdefxKMGTPE+-.=\"_ \n\t\0\xa0";
    Text((0..rng.usize(0..24)).map(|_| any(rng, bytes)).collect())
}
