//! Command lines that are refused, by the same words and the same status. None of them gets as far
//! as to touch a device.

use super::programs::{Programs, ROOT, words};
use super::{Outcome, Row};

pub(super) const TRIALS: &[Row<'_>] =
    &[("refusals", refusals), ("sizes", sizes), ("streams", streams)];

fn refusals(programs: &Programs) -> Outcome {
    for line in [
        "--nonsense",
        "--nonsense=1",
        "-x",
        "-nx",
        "-o",
        "--output",
        "-s",
        "-a",
        "-t",
        "--bytes=1",
        "--by=1",
        "--out",
        "--r",
        "--re=1",
        "-r",
        "--reset",
        "-s 1M",
        "-s 1M -a lz4",
        "-a lz4",
        "-a lz4 zram999999",
        "-t 2",
        "-t 2 zram999999",
        "-f zram999999",
        "-f -s 1M zram999999",
        "zram999998 zram999999",
        "-s 1M zram999998 zram999999",
        "-s 1M zram999999",
        "-r zram999999",
        "-r zram999998 zram999999",
        "-r /dev/null",
        "-s 1M /dev/null",
        "-f -o NAME",
        "-o NAME -f",
        "-f -r",
        "-rf",
        "-o NAME -r",
        "-o NAME -s 1M",
        "-r -s 1M",
        "-s 1M -r",
        "-o FOO",
        "-o NAME,FOO",
        "-o NAME,FOO,DATA",
        "-o NAME,",
        "-o NAME,,",
        "-o NAME,,DATA",
        "-o ,NAME",
        "-o ,",
        "-o NAM",
        "-o NAMES",
        "--algo x",
        "--algo x -s 1M",
        "-p level=1",
        "-p level=1 -s 1M",
    ] {
        // `-rf` is one word to us and two options to the programs.
        let line = if line == "-rf" { "-r -f" } else { line };
        programs.compare(ROOT, &words(line))?;
    }
    programs.compare(ROOT, &["-o".into(), "".into()])?;
    programs.compare(ROOT, &["-s".into(), "".into()])?;
    programs.compare(ROOT, &["".into(), "".into()])
}

/// Without a device both go on to complain about that, if they take the size.
fn sizes(programs: &Programs) -> Outcome {
    for size in [
        "0",
        "1",
        "1x",
        "-1",
        "+1",
        " 1",
        "1 ",
        "M",
        "B",
        "1B",
        "1K",
        "1k",
        "1KB",
        "1kB",
        "1kb",
        "1KiB",
        "1Kib",
        "1KIB",
        "1Ki",
        "1 M",
        "1M M",
        "1e3",
        "1.5",
        "1.5M",
        "1,5M",
        ".5M",
        "1.M",
        "1.5.5M",
        "0x10",
        "0x10K",
        "010K",
        "08",
        "0x",
        "0xK",
        "17E",
        "16E",
        "15E",
        "1Z",
        "1Y",
        "1X",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999999",
        "--",
        "\t1",
        "1\n",
        "\u{661}",
        "1.0000000000000000000001E",
    ] {
        programs.compare(ROOT, &[format!("--size={size}").into()])?;
    }
    Ok(())
}

fn streams(programs: &Programs) -> Outcome {
    for streams in [
        "0",
        "00",
        "+0",
        " 0",
        "x",
        "",
        "1K",
        "0x2",
        "1 ",
        "-4",
        "-0",
        "-",
        "+",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999999999",
        "\u{661}",
    ] {
        // No size, no device: whatever is taken leads to another complaint, or to an empty list.
        programs.compare(ROOT, &["-t".into(), streams.into(), "zram999999".into()])?;
    }
    Ok(())
}
