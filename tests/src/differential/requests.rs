//! The two attributes that are written in words: `algorithm_params` and `writeback`.

use fastrand::Rng;
use sysfs_compat::abi::Change;
use sysfs_compat::abi::memory::File;

use super::pair::Pair;
use super::step::Text;
use super::texts::any;

/// Parameters of an algorithm.
pub(super) fn params(rng: &mut Rng, pair: &Pair) -> Text {
    let count = any(rng, &[0_usize, 1, 1, 1, 1, 2, 2, 3]);
    let tokens = (0..count).map(|_| param(rng, pair)).collect::<Vec<_>>();
    list(rng, tokens)
}

/// Pages to write back.
pub(super) fn writeback(rng: &mut Rng, pair: &Pair) -> Text {
    let word = any(rng, &["idle", "huge", "huge_idle", "incompressible"]);
    if !pair.kernel.after(Change::WritebackList) || rng.bool() {
        return match rng.u8(0..8) {
            0 => any(rng, &["IDLE", "idle\n\n", " idle", "idle ", "huge idle", "all"]).into(),
            1 | 2 => format!("page_index={}", index(rng, pair)).into(),
            3..5 => format!("{word}\n").into(),
            _ => word.into(),
        };
    }
    let count = any(rng, &[0_usize, 1, 1, 2, 3]);
    let mut tokens = (0..count).map(|_| item(rng, pair)).collect::<Vec<_>>();
    if rng.bool() {
        tokens.push(match rng.u8(0..3) {
            0 => word.as_bytes().to_vec(),
            1 => format!("type={word}").into_bytes(),
            _ => format!("{word}=").into_bytes(),
        });
    }
    list(rng, tokens)
}

fn param(rng: &mut Rng, pair: &Pair) -> Vec<u8> {
    let kernel = &pair.kernel;
    let names = kernel.algorithms.iter().map(String::as_str).collect::<Vec<_>>();
    let chosen = pair.model().setup().algorithms.first().cloned().flatten().unwrap_or_default();
    let levels = [
        "1",
        "3",
        "9",
        "-1",
        "0",
        "-3",
        "010",
        "+3",
        "10",
        "22",
        "100",
        "-2147483648",
        "2147483647",
        "2147483648",
        "-2147483649",
        "99999999999",
        "x",
        "0x3",
        "3x",
        "--3",
        "3,4",
    ];
    match rng.u8(0..16) {
        0 => format!("algo={}", any(rng, &names)),
        1 | 2 => format!("algo={}", chosen.trim_end()),
        3 => format!("algo={}", any(rng, &["bogus", "", "LZ4", "lz"])),
        4 => format!("priority={}", any(rng, &["0", "00", "+0", "0", "1", "3", "4", "-1", "x"])),
        5 => format!("priority={}", any(rng, &["99999999999", "2147483648", "-2147483649"])),
        6..9 => format!("level={}", any(rng, &levels)),
        9 => format!("level={}", rng.u8(1..10)),
        10 => format!(
            "deflate.winbits={}",
            any(rng, &["9", "12", "15", "-9", "-15", "8", "16", "0", "x", "99999999999"])
        ),
        11..14 => return dictionary(rng, pair),
        14 => any(rng, &["foo=bar", "LEVEL=3", "level-=1", "deflate_winbits=12"]).to_owned(),
        _ => any(rng, &["foo", "foo=", "level", "=3", "\"level\"=3", "level=3\"", "=", "=="])
            .to_owned(),
    }
    .into_bytes()
}

fn dictionary(rng: &mut Rng, pair: &Pair) -> Vec<u8> {
    let files = pair.world.paths(|file| matches!(file, File::Regular(_)));
    let others = pair.world.paths(|file| matches!(file, File::Directory | File::Block(_)));
    let path = match rng.u8(0..8) {
        0 => b"/trueno-missing",
        1 => any(rng, &others),
        _ => any(rng, &files),
    };
    [b"dict=", path].concat()
}

fn item(rng: &mut Rng, pair: &Pair) -> Vec<u8> {
    let first = index(rng, pair);
    let junk = [
        "foo=bar",
        "PAGE_INDEX=1",
        "foo",
        "type=",
        "type=foo",
        "page_index=",
        "page_index",
        "page_indexes=5",
        "page_indexes=1-2-3",
        "page_indexes=-5",
        "page_indexes=0-",
        "page_indexes=-",
        "page_indexes=0-99999999999999999999",
        "=idle",
        "page_indexes=2-1",
    ];
    match rng.u8(0..8) {
        0 => any(rng, &junk).to_owned(),
        1..4 => format!("page_index={first}"),
        _ => {
            let pages = pair.pages().max(1);
            let (one, other) = (rng.u64(0..pages), rng.u64(0..pages + pages / 8 + 1));
            format!("page_indexes={}-{}", one.min(other), other.max(one))
        }
    }
    .into_bytes()
}

fn index(rng: &mut Rng, pair: &Pair) -> String {
    let pages = pair.pages();
    let odd = [
        "-1",
        "x",
        "",
        "+1",
        "00",
        "0x1",
        "18446744073709551615",
        "18446744073709551616",
        "9223372036854775807",
        "9223372036854775808",
    ];
    match rng.u8(0..8) {
        0 => any(rng, &odd).to_owned(),
        1 => pages.to_string(),
        _ => rng.u64(0..pages.max(1)).to_string(),
    }
}

/// A list of tokens, some in quotes of one kind or another.
fn list(rng: &mut Rng, tokens: Vec<Vec<u8>>) -> Text {
    let blank: &[u8] = any(rng, &[b" ".as_slice(), b" ", b"  ", b"\n", b"\t", b"\x0b", b"\xa0"]);
    let tokens = tokens.into_iter().map(|token| quoted(rng, token)).collect::<Vec<_>>();
    let end: &[u8] = any(rng, &[b"".as_slice(), b"\n", b" \n", b"\0junk"]);
    let start: &[u8] = any(rng, &[b"".as_slice(), b"", b"", b" ", b"\n"]);
    Text([start, &tokens.join(blank), end].concat())
}

fn quoted(rng: &mut Rng, token: Vec<u8>) -> Vec<u8> {
    let equals = token.iter().position(|&byte| byte == b'=');
    let (key, value) = token.split_at(equals.map_or(token.len(), |at| at + 1));
    match rng.u8(0..24) {
        0 => [b"\"", token.as_slice(), b"\""].concat(),
        1 => [b"\"", token.as_slice()].concat(),
        2 => [token.as_slice(), b"\""].concat(),
        3 => [key, b"\"", value, b"\""].concat(),
        4 => [key, b"\"", value].concat(),
        _ => token,
    }
}
