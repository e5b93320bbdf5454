//! `docs/COMPAT.md`, from the tables of attributes and of changes.

use std::fmt::Write as _;
use std::process::ExitCode;

use sysfs_compat::abi::attr::{ATTRIBUTES, Info};
use sysfs_compat::abi::kernel::{Change, Feature, Kernel, Version};

use crate::generated::{self, File};
use crate::workspace::Workspace;

const DIFFERENTIAL: &str = "`tests/tests/real_zram`, differential";

/// What holds an attribute that no kernel at hand is built with.
const CONTRACT_ONLY: &[(Feature, &str)] =
    &[(Feature::MultiComp, "`sysfs_compat::abi::device::tests::recompression_needs_an_algorithm`")];

/// The kernels that the differential runs on: release, options, and where.
const TESTED: &[(Version, &[Feature], &str)] = &[
    (Version(6, 1), DEBIAN, "6.1 (soak)"),
    (Version(6, 12), DEBIAN, "6.12"),
    (Version(6, 18), DEBIAN, "6.18 (soak)"),
    (Version(7, 2), DEBIAN, "7.2"),
];

/// What Debian builds in. The host's own kernel, whatever it has, is tested as well.
const DEBIAN: &[Feature] =
    &[Feature::Writeback, Feature::TrackEntryActime, Feature::MemoryTracking];

/// `cargo xtask compat [--check]`.
pub(crate) fn run(workspace: &Workspace, args: lexopt::Parser) -> anyhow::Result<ExitCode> {
    generated::run(workspace, args, "compat", &files())
}

/// What [`run`] writes.
pub(crate) fn files() -> Vec<File> {
    vec![File { path: "docs/COMPAT.md", contents: text().into_bytes() }]
}

fn text() -> String {
    let mut text = String::from(
        "<!-- Made by `cargo xtask compat` from sysfs-compat/src/abi; a test holds it. -->\n\
         # Compatibility with kernel zram\n\n\
         `sysfs-compat` says what every attribute of a zram device shows, takes and refuses, and \
         in which order it looks. This page lists it, with the test that holds each row. The \
         differential runs one random sequence against a real device and against our state \
         machine, and compares every errno and every byte of text; it fails when a way to fail \
         that is listed here never occurred on a kernel that has it. Debian's kernels are run in \
         virtual machines, the host's own as it is.\n\n\
         Our own devices behave like those of the kernel that runs, built without the options in \
         the column `needs`, and with algorithms of their own.\n",
    );
    attributes(&mut text);
    changes(&mut text);
    text.push_str(
        "\n## /sys/class/zram-control\n\n\
         | file | mode | does | can fail with | held by |\n|---|---|---|---|---|\n",
    );
    text.push_str(&format!(
        "| `hot_add` | 0400 | each fresh read makes a device and gives its number | | {DIFFERENTIAL} |\n\
         | `hot_remove` | 0200 | takes the number of a device that nobody has open | EINVAL, \
         ERANGE, ENODEV, EBUSY | {DIFFERENTIAL} |\n"
    ));
    text.push_str(
        "\n## zramctl\n\n\
         `trueno-zramctl` prints what util-linux zramctl prints: \
         `tests/tests/real_zram/side_by_side` runs both on the same devices and lists, as a table, \
         each known difference between releases of util-linux. What `trueno-zramctl` does \
         differently on purpose is in its man page under DIFFERENCES FROM ZRAMCTL.\n\n\
         Devices of trueno-ublk are listed behind the kernel's, and take the same options: \
         `tests/tests/contract/ublk.rs` on made-up systems, `tests/tests/real_zram/beyond/dressed.rs` \
         on a device of the kernel that goes by their names. A mirror that is dead or hangs costs \
         its own devices only: `tests/tests/contract/stale.rs`.\n\n\
         ## Devices of trueno-ublk\n\n\
         The mirror is compared with a kernel device, the same sequences on both, in \
         `tests/tests/real_ublk/third_way.rs`; what it does as a file system in \
         `tests/tests/real_zram/habits`, with a table of differences. What differs on purpose, or \
         because it cannot be had:\n\n\
         | what | the kernel's zram | trueno-ublk |\n|---|---|---|\n\
         | algorithms | those it was built with | `wm wmhc lz4 lz4hc zstd deflate lzo`, `wm` if none \
         is chosen |\n\
         | columns 2, 3, 5, 7, 8 of `mm_stat` after `disksize` | what zsmalloc makes of the pages | what \
         the store makes of them; 2, 3 and 8 are 0 when there is no page, as the kernel's are |\n\
         | a page of one word again and again that has more than 55 bits and is not four bytes twice | \
         takes no memory | takes 32 bytes, and can fail at `mem_limit` |\n\
         | `block_state` | in debugfs, which is root's | `trueno/block_state`, for root only as well |\n\
         | writeback, recompression, access times | by build option | not there: their files are \
         missing |\n\
         | `dict=` of `algorithm_params` | a path as the writer sees it | begins with a slash, else EINVAL: \
         the service reads the file |\n\
         | size | up to what a table can be had for | up to 8 TiB, else ENOMEM |\n\
         | `queue/stable_writes` | 1 | 0: the ublk driver cannot say it |\n\
         | `queue/dma_alignment`, `queue/max_segments`, `queue/max_segment_size` | those of any disk | the \
         ublk driver's, which ask less of who makes a request |\n\
         | `queue/iostats` | 0: zram counts itself | 1: the kernel counts for us |\n\
         | requests | of any size | of `trueno/io_size` at most, 64 KiB unless set: \
         `queue/max_sectors_kb` and `queue/max_hw_sectors_kb` |\n\
         | a node that a process in another PID namespace has merely opened, before Linux 7.0 | \
         EBUSY | is not seen if its `/proc` is not; mounts, swap, other devices on top and openers \
         in `/proc` are |\n\n\
         Every other file in `queue` that the kernel's zram has reads the same: \
         `effects::queue_limits` of `tests/tests/real_ublk`, as are the trials named below.\n\n\
         The first two rows are the only texts that the comparison takes as equal where they are not. \
         These steps it leaves out, because the answer may differ for a reason above:\n\n\
         | step | why | held by |\n|---|---|---|\n\
         | `comp_algorithm`, `algorithm_params`: a name that only one of the two knows, or that is the \
         default of one | each has algorithms of its own | `algorithms::*` |\n\
         | `disksize` after any `algorithm_params` | which of them an algorithm can work with is its own \
         affair | `algorithms::*`, `bad_input::options_of_create` |\n\
         | a page that takes memory, at a `mem_limit` below 64 MiB | where a limit bites depends on the \
         allocator; so the EIO of a write need not have been met either | `effects::mem_limit` |\n\
         | `idle` with an age | ours has no access times | `effects::idle` for `all` |\n\
         | the block device held open before `disksize` | ours has none before | `busy::*` after it |\n",
    );
    text
}

fn attributes(text: &mut String) {
    text.push_str(
        "\n## Attributes\n\n\
         | attribute | mode | since | needs | reading gives | writing takes | can fail with | held by |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for info in ATTRIBUTES {
        let until = info.until.map(|until| format!(", gone in {until}")).unwrap_or_default();
        let needs = info.needs.map(Feature::config).unwrap_or_default();
        row(
            text,
            &[
                &format!("`{}`", info.name),
                &format!("{:04o}", info.mode.bits()),
                &format!("{}{until}", info.since),
                needs,
                info.shows,
                info.takes,
                &refusals(info),
                &held_by(info),
            ],
        );
    }
}

fn refusals(info: &Info) -> String {
    let cells = info.refusals.iter().map(|refusal| {
        let since = refusal.since.map(|since| format!(" (since {since})")).unwrap_or_default();
        format!("{:?}{since}: {}", refusal.errno, refusal.why)
    });
    cells.collect::<Vec<_>>().join("; ")
}

fn held_by(info: &Info) -> String {
    let has = |&&(version, features, _): &&(Version, &[Feature], &str)| {
        let kernel = Kernel { version, features: features.to_vec(), ..Kernel::newest() };
        info.exists(&kernel)
    };
    let kernels: Vec<_> = TESTED.iter().filter(has).map(|(_, _, name)| *name).collect();
    if !kernels.is_empty() {
        return format!("{DIFFERENTIAL}: {}", kernels.join(", "));
    }
    let test = CONTRACT_ONLY.iter().find(|(feature, _)| info.needs == Some(*feature));
    let test = test.map(|(_, test)| *test).unwrap_or_default();
    format!("held against the contract only: {test}")
}

fn changes(text: &mut String) {
    text.push_str(
        "\n## What differs between kernels\n\n\
         Rows of `Change` in `sysfs-compat/src/abi/kernel.rs`. The release is the first known to \
         behave so; between two kernels that were tested it may be off.\n\n\
         | since | what |\n|---|---|\n",
    );
    for change in Change::ALL {
        row(text, &[&change.since().to_string(), change.what().trim()]);
    }
}

fn row(text: &mut String, cells: &[&str]) {
    let escaped = cells.iter().map(|cell| cell.replace('|', "\\|"));
    let line = escaped.collect::<Vec<_>>().join(" | ");
    let written = writeln!(text, "| {line} |");
    debug_assert!(written.is_ok(), "a String takes everything");
}
