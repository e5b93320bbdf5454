//! Our size grammar against util-linux itself: `zramctl -s` says whether it can read a text, and
//! `fallocate -l` how many bytes it takes it for.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fastrand::Rng;
use sysfs_compat::abi::{Errno, size};
use trueno_tests::scratch::Scratch;
use trueno_tests::seed;

#[path = "../skip.rs"]
mod skip;

/// Texts of a run. A process is started for each, two for those that are sizes.
const TEXTS: usize = 1_000;

/// Larger files are not made, whatever the text asks for.
const LARGEST: u64 = 64 << 20;

/// Texts in which util-linux has been found to be peculiar.
const PECULIAR: [&str; 24] = [
    "0.3K",
    "1.9K",
    "1.010K",
    "0x10K",
    "0x1.8K",
    "010K",
    "08",
    "1.K",
    "1.0",
    ".5K",
    "1e3",
    "1B",
    "1KIB",
    "1kib",
    "1.5M",
    "+8K",
    " 8K",
    "8K ",
    "-8K",
    "1,5K",
    "16E",
    "15.900000000005E",
    "1Z",
    "1.18446744073709551616K",
];

#[test]
fn util_linux_reads_sizes_as_we_do() {
    let (Some(zramctl), Some(fallocate)) = (program("zramctl"), program("fallocate")) else {
        skip::skip("util-linux' zramctl and fallocate are not installed");
        return;
    };
    let scratch = Scratch::new("sizes").expect("a directory for the files");
    let file = scratch.path().join("file");
    let seed = seed::seed().expect("a number");
    eprintln!("TRUENO_SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    let texts = PECULIAR.map(|text| text.as_bytes().to_vec()).into_iter();
    let texts = texts.chain(std::iter::repeat_with(|| text(&mut rng)).take(TEXTS));
    let (mut refused, mut made) = (0, 0);
    for text in texts {
        let ours = size::parse(&text, ".");
        assert_eq!(zramctl_reads(&zramctl, &text), ours.map(drop), "{}", text.escape_ascii());
        match ours {
            Ok(bytes @ 1..=LARGEST) => {
                assert_eq!(fallocate_makes(&fallocate, &text, &file), bytes);
                made += 1;
            }
            Ok(_) => {}
            Err(_) => refused += 1,
        }
    }
    // Neither side of the grammar is left out.
    assert!(made > TEXTS / 8 && refused > TEXTS / 8, "{made} files, {refused} refusals");
}

/// What `zramctl -s` thinks of a text. It looks at the size before it misses a device.
fn zramctl_reads(zramctl: &Path, text: &[u8]) -> Result<(), Errno> {
    let output = run(Command::new(zramctl).arg("-s").arg(OsStr::from_bytes(text)));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    let wrong = complaint.contains("failed to parse size");
    assert!(wrong || complaint.contains("no device specified"), "{complaint}");
    match complaint {
        _ if !wrong => Ok(()),
        complaint if complaint.trim_end().ends_with(&Errno::ERANGE.to_string()) => {
            Err(Errno::ERANGE)
        }
        _ => Err(Errno::EINVAL),
    }
}

/// How large a file `fallocate -l` makes of a text.
fn fallocate_makes(fallocate: &Path, text: &[u8], file: &Path) -> u64 {
    let output = run(Command::new(fallocate).arg("-l").arg(OsStr::from_bytes(text)).arg(file));
    assert!(output.status.success(), "{}: {output:?}", text.escape_ascii());
    let length = fs::metadata(file).expect("fallocate has made the file").len();
    fs::remove_file(file).expect("fallocate has made the file");
    length
}

fn run(command: &mut Command) -> Output {
    command.env("LC_ALL", "C").output().expect("the program can be started")
}

fn program(name: &str) -> Option<PathBuf> {
    let directories = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(Path::new);
    directories.into_iter().map(|directory| directory.join(name)).find(|path| path.exists())
}

/// Something like a size: mostly one, sometimes with a piece missing, too many, or out of place.
fn text(rng: &mut Rng) -> Vec<u8> {
    let sign = any(rng, &["", "", "", "", "", "+", "-", " ", "  +"]);
    let whole = match rng.u8(0..10) {
        0 => any(rng, &["", "0", "00", "08", "0x", "0xg", "18446744073709551616"]).to_owned(),
        1 => format!("0x{:x}", small(rng, 32)),
        2 => format!("0{:o}", small(rng, 32)),
        3 => rng.u64(..).to_string(),
        _ => small(rng, 16).to_string(),
    };
    let fraction = match rng.u8(0..6) {
        0 => format!(".{}", small(rng, 32)),
        1 => format!(".{}{}", "0".repeat(rng.usize(0..24)), rng.u16(..)),
        2 if rng.bool() => any(rng, &[".", ",5", "..5", ". 5", ".-5", ".x"]).to_owned(),
        _ => String::new(),
    };
    let units = ["K", "k", "M", "m", "G", "T", "P", "E", "Z", "Y", "", "", "B", "b", "x", "KK"];
    let unit = if rng.bool() { any(rng, &["K", "M", "k", "m"]) } else { any(rng, &units) };
    let tail = any(rng, &["", "", "", "", "iB", "ib", "B", "b", "i", "IB", " ", "x"]);
    format!("{sign}{whole}{fraction}{unit}{tail}").into_bytes()
}

/// A number of fewer bits than that, small ones as often as large ones.
fn small(rng: &mut Rng, bits: u8) -> u32 {
    let bits = rng.u8(1..bits);
    rng.u32(0..1 << bits)
}

fn any<'a>(rng: &mut Rng, choices: &[&'a str]) -> &'a str {
    rng.choice(choices).expect("there is a choice")
}
