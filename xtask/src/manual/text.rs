//! The prose of the man page. `` `literal` `` is bold, `<placeholder>` italic.

/// A piece of a section.
pub(super) enum Block {
    Subsection(&'static str),
    Paragraph(&'static str),
    /// A tag and the text beside it.
    Item(&'static str, &'static str),
    /// An item of a list without tags.
    Bullet(&'static str),
    /// Lines to be kept as they are, without markup.
    Verbatim(&'static str),
}

use Block::{Bullet, Item, Paragraph, Subsection, Verbatim};

pub(super) const NAME: &str =
    "trueno-zramctl - set up, show and manage zram compressed block devices";

pub(super) const SYNOPSIS: &[&str] = &[
    "`trueno-zramctl` [<option>...] [<device>]",
    "`trueno-zramctl` [<option>...] `--find` [`--kind` <KIND>] [`--size` <SIZE>]",
    "`trueno-zramctl` [<option>...] `--size` <SIZE> <device>",
    "`trueno-zramctl` <action>... <device>...",
    "`trueno-zramctl` `--reset` [`--force`] <device>...",
];

pub(super) const DESCRIPTION: &[Block] = &[
    Paragraph(
        "zram is a block device of the Linux kernel that keeps what is written to it in memory, \
         compressed. It serves as swap, so that more fits into memory, or holds a file system \
         that need not outlive a reboot. Before it can be used it has to be given a size, and that \
         is done, like everything else about it, through files below `/sys`.",
    ),
    Paragraph(
        "`trueno-zramctl` works these files: it shows devices, sets them up, acts on live ones and \
         takes them away. It is used as zramctl(8) of util-linux is, and does and prints the same \
         but for what is listed under `DIFFERENCES FROM ZRAMCTL`.",
    ),
    Paragraph(
        "trueno-ublk makes devices of the same use in a process of its own. They have the same \
         files in another place, and what is below works on them in the same way, but for what they \
         do not have: see `DEVICES`.",
    ),
    Paragraph(
        "A <device> is a path that starts with a slash, such as `/dev/zram0`, or a name below \
         `/dev`, such as `zram0`. Without a <device> all devices that have been set up are \
         shown; with one it is shown whatever its state. Showing needs no privileges, except \
         for the column `IDLE`. Everything that changes something is for root.",
    ),
];

pub(super) const OPTIONS: &str = "Options and devices may come in any order, `--` ends the \
     options, and the name of a long option may be cut short as long as it is not ambiguous. A \
     value that may be left out has to be attached with an equals sign.";

pub(super) const COLUMNS: &str = "These are the columns that `--output` takes, in the order of \
     `--output-all`. A cell is empty where the kernel does not tell.";

/// The sections between the tables and the differences.
pub(super) const SECTIONS: &[(&str, &[Block])] = &[
    ("DEVICES", DEVICES),
    ("SIZES", SIZES),
    ("JSON", JSON),
    ("EXIT STATUS", EXIT_STATUS),
    ("FILES", FILES),
    ("ENVIRONMENT", ENVIRONMENT),
    ("EXAMPLES", EXAMPLES),
];

const DEVICES: &[Block] = &[
    Paragraph("There are two kinds, and each counts its devices for itself:"),
    Item(
        "`kernel`",
        "The kernel's zram. A bare `zram`<N>, like `/dev/zram`<N>, always means one of these.",
    ),
    Item(
        "`ublk`",
        "Those of trueno-ublk. The block device is `/dev/ublkb`<M>, where <M> is a number of the \
         kernel's ublk driver. The attributes are in `/run/trueno/zram`<N>, where <N> is \
         trueno-ublk's own number, and `/dev/trueno/zram`<N> is a link to the block device. \
         Wherever a <device> is asked for, all of these will do, and `trueno/zram`<N> for short.",
    ),
    Paragraph(
        "A device of trueno-ublk has no backing device, no secondary algorithms and no times of \
         access, so `--backing-dev`, `--writeback`, `--recompress`, their like and `--idle` with an \
         age are refused for it, as for a kernel that was built without them, and the columns of \
         these are empty. The algorithms are its own: see trueno-ublk(8).",
    ),
    Paragraph(
        "A device of trueno-ublk has a block device only while it has a size. `--find` with \
         `--size` prints the link if it is there when the device is ready, else `/dev/ublkb`<M>; \
         so does the column `NAME`. `--find` alone prints the path of the link to come.",
    ),
    Paragraph(
        "Devices are listed kind by kind, the kernel's first. When trueno-ublk does not run, there \
         are none of its kind. When it has died, or does not answer for two seconds, the kernel's \
         are listed, a line on standard error says so, and the exit status is 1; with \
         `--kind kernel`, or when the kernel's devices are named, it is not looked for at all.",
    ),
];

const SIZES: &[Block] = &[
    Paragraph("A <SIZE> is written as all of util-linux reads sizes:"),
    Verbatim("[+]NUMBER[.FRACTION][UNIT]"),
    Paragraph(
        "<NUMBER> is decimal, hexadecimal behind `0x`, or octal behind `0`. <UNIT> is one of the \
         letters `K`, `M`, `G`, `T`, `P` and `E`, upper or lower case. Alone or followed by `iB` \
         it counts in powers of 1024, followed by `B` in powers of 1000: `1K` and `1KiB` are 1024 \
         bytes, `1KB` are 1000. Without a unit it is bytes. There is no blank before the unit. \
         `16E` and more does not fit into 64 bits and is refused.",
    ),
    Paragraph(
        "A <FRACTION> needs a unit, its decimal point is that of the locale, and it is computed as \
         roughly as util-linux computes it: see `NOTES`. The kernel rounds the size of a device up \
         to whole pages.",
    ),
];

const JSON: &[Block] = &[
    Paragraph("`--json` prints one document, an object with an array of one object per device:"),
    Verbatim(
        r#"{
  "zram": [
    {
      "name": "/dev/zram0",
      "disksize": 4294967296,
      "data": 4096,
      ...
    }
  ]
}"#,
    ),
    Paragraph(
        "Keys are the names of the columns in lower case. Sizes are numbers of bytes, counts, \
         priorities and the ratio are numbers, everything else is text, which is what the kernel \
         has written there. `null` stands for what the kernel does not tell, for what is not there, \
         such as the mount point of a device that is not mounted, and for a ratio that is no \
         number. Without devices the array is empty. Bytes that are not UTF-8 \
         become U+FFFD. Later versions may add keys.",
    ),
];

const EXIT_STATUS: &[Block] = &[
    Item("`0`", "Success, also when there was no device to show."),
    Item(
        "`1`",
        "Anything else, wrong usage included. `--reset` goes on with the other devices when one \
         fails, a list shows what can be read, every other command stops at the first failure.",
    ),
];

const FILES: &[Block] = &[
    Item("`/dev/zram`<N>", "The kernel's devices."),
    Item("`/sys/block/zram`<N>`/`*", "Their attributes, where they are set up and seen."),
    Item("`/sys/class/zram-control/hot_add`", "Makes a device each time it is read."),
    Item("`/sys/class/zram-control/hot_remove`", "Removes the device whose number is written."),
    Item("`/dev/ublkb`<M>, `/dev/trueno/zram`<N>", "The devices of trueno-ublk."),
    Item(
        "`/run/trueno/zram`<N>`/`*, `/run/trueno/zram-control/`*",
        "Their attributes, and what makes and removes them: the same files again.",
    ),
    Item("`/proc/swaps`, `/proc/mounts`", "What a device is used for."),
    Item(
        "`/sys/kernel/debug/zram/zram`<N>`/block_state`",
        "The state of each page, for the column `IDLE`.",
    ),
];

const ENVIRONMENT: &[Block] = &[
    Item(
        "`TRUENO_ZRAM_ROOT`",
        "A directory in which `/sys`, `/proc`, `/dev` and `/run` are looked for, as with \
         `--sysroot`.",
    ),
    Item(
        "`TRUENO_ZRAM_KIND`",
        "`kernel` or `ublk`: the kind of device that `--find` finds, unless `--kind` says.",
    ),
    Item("`NO_COLOR`", "Switches colour off if it is not empty. `--color` overrules it."),
    Item("`COLUMNS`", "Width of a terminal that does not know its own."),
    Item(
        "`LC_ALL`, `LC_CTYPE`, `LC_NUMERIC`, `LANG`",
        "The locale: its decimal point, in sizes that are printed or given, and which characters \
         of a mount point can be printed. Messages are English in any locale.",
    ),
    Item("`POSIXLY_CORRECT`", "The first device ends the options."),
];

const EXAMPLES: &[Block] = &[
    Paragraph("Swap, made and switched on in one go. The name of the device is printed:"),
    Verbatim("trueno-zramctl --find --size 4G --algorithm zstd --swap=100"),
    Paragraph("A file system. With discards, deleted files give their memory back:"),
    Verbatim(
        "dev=$(trueno-zramctl --find --size 2G --algorithm lz4)\n\
         mkfs.ext4 -q \"$dev\"\n\
         mount -o discard \"$dev\" /mnt",
    ),
    Paragraph("zstd with a level, and a limit on the memory that the device may take:"),
    Verbatim(
        "trueno-zramctl --find --size 8G --algorithm zstd \\\n    \
         --algorithm-params level=6 --mem-limit 2G",
    ),
    Paragraph(
        "Swap that compresses fast at first and better later, and that can move at most 2 GiB to \
         a partition, whose contents are lost:",
    ),
    Verbatim(
        "trueno-zramctl --find --size 8G --algorithm lz4 \\\n    \
         --recompress-algorithm zstd:1 \\\n    \
         --algorithm-params 'priority=1 level=9' \\\n    \
         --backing-dev /dev/nvme0n1p3 --writeback-limit 2G --swap",
    ),
    Paragraph(
        "For a nightly job: what nobody has touched for a day, and what does not compress, goes to \
         the partition; of the rest, what nobody has touched for an hour is compressed once more:",
    ),
    Verbatim(
        "trueno-zramctl --idle=86400 --writeback=idle --writeback=huge /dev/zram0\n\
         trueno-zramctl --idle=3600 --recompress=idle /dev/zram0",
    ),
    Paragraph("What would be done, as shell commands, without doing it:"),
    Verbatim("trueno-zramctl --find --size 1G --swap=100 --dry-run"),
    Paragraph("The memory that all devices together take, in bytes, and the ratio of each:"),
    Verbatim(
        "trueno-zramctl --json | jq '[.zram[].total] | add'\n\
         trueno-zramctl --json | jq -r '.zram[] | [.name, .\"comp-ratio\"] | @tsv'",
    ),
    Paragraph(
        "A device of trueno-ublk, with an algorithm that the kernel lacks. `trueno/zram0` is what it \
         is called from then on, if it is the first:",
    ),
    Verbatim(
        "trueno-zramctl --find --kind ublk --size 8G --algorithm wm --mem-limit 2G\n\
         trueno-zramctl --compact trueno/zram0",
    ),
    Paragraph("Taking a device away, even if it is in use as swap:"),
    Verbatim("trueno-zramctl --reset --force /dev/zram0"),
];

pub(super) const DIFFERENCES: &[Block] = &[
    Paragraph(
        "The model is zramctl of util-linux 2.38 to 2.42: the options, checks and words of the \
         newest, and tables laid out as 2.38 does. All of this differs from it on purpose.",
    ),
    Subsection("Setting up and resetting"),
    Bullet(
        "`--find` fails if it can not make the device that it needs, for want of privileges or of \
         the module. zramctl prints the name of a device that does not exist, and succeeds.",
    ),
    Bullet(
        "When setting up fails half-way, a device that was made for it is removed again, and one \
         that was there is reset. zramctl leaves it as it is.",
    ),
    Bullet(
        "`--algorithm-params` may be given several times; each is written. zramctl writes the last \
         only.",
    ),
    Bullet(
        "A reset that finds the device busy is tried again for up to 3 seconds, because udev looks \
         into every new device for a moment. Before, the lock is waited for that udev holds while \
         it looks. zramctl before 2.42 fails at once; zramctl 2.42 asks udev itself, and waits \
         for the lock without a bound, or not at all with `--reset`. What holds the device for \
         good (swap, a mount, another device on top) is not waited for.",
    ),
    Bullet(
        "`--streams` is ignored on kernels without that attribute, as zramctl does since 2.41.2.",
    ),
    Bullet(
        "A value is written once. zramctl tries again without end while the kernel answers \
         `EAGAIN`, and writes the rest if only part was taken.",
    ),
    Subsection("Showing"),
    Bullet("Devices of trueno-ublk are listed behind those of the kernel."),
    Bullet("`--output-all` shows more columns: see below."),
    Bullet("Headings are bold on a terminal: see `--color`."),
    Bullet(
        "Devices are not opened to find out where they are mounted, so that watching them never \
         makes a reset fail. Of several mounts the first is shown that is not hidden by another; \
         zramctl looks at the first only.",
    ),
    Bullet(
        "A device that is removed while devices are listed is left out of the list, and so are \
         nodes below `/dev` whose names only begin like that of a zram device.",
    ),
    Bullet(
        "An attribute that is there but can not be read leaves its cell empty, as with zramctl, but \
         is complained about, and the exit status is 1.",
    ),
    Bullet(
        "Any number of columns may be listed. zramctl fails silently above 26, and for an empty \
         list or name, where there is a message here.",
    ),
    Bullet(
        "In character sets other than ASCII and UTF-8, everything beyond ASCII is shown as `\\x` \
         escapes.",
    ),
    Bullet(
        "When the reader of a pipe goes away it ends quietly with status 0. zramctl is killed by \
         `SIGPIPE`.",
    ),
    Subsection("Messages"),
    Bullet(
        "Below zramctl's message there may be lines that name the cause or the remedy: who holds a \
         busy device, which algorithms there are, which kernel or option of its configuration is \
         needed, what was undone. Messages about the contents of `/sys` are in other words.",
    ),
    Bullet("Messages are in English only."),
    Bullet("`--help` is arranged in another way, and `--version` names this program."),
    Bullet(
        "The debugging variables of util-linux (`LIBSMARTCOLS_DEBUG`, \
         `LIBSMARTCOLS_DEBUG_PADDING`, `ULPATH_DEBUG`, `ULSYSFS_DEBUG`) have no effect.",
    ),
];

/// The last of the differences.
pub(super) const ABBREVIATIONS: &str = "A name that is cut short means an option of zramctl if it \
     can. One that zramctl does not know may mean an added option.";

/// The sections behind the differences.
pub(super) const CLOSING: &[(&str, &[Block])] = &[("NOTES", NOTES), ("SEE ALSO", SEE_ALSO)];

const NOTES: &[Block] = &[
    Paragraph(
        "`DISKSIZE` is what a device promises, `DATA` what is stored in it, `COMPR` what the \
         algorithm made of that, and `TOTAL` the memory that this takes. The kernel's table of \
         pages, a few thousandths of `DISKSIZE`, is counted nowhere.",
    ),
    Paragraph(
        "`DATA` of a swap device is not the `Used` of swapon(8) or free(1): see the columns \
         `DATA` and `USED`.",
    ),
    Paragraph(
        "Fractions in sizes are computed as util-linux does: `0.5G` is half a unit, but `0.7G` is \
         1G, and `0.3K` is a third of 1K. Scripts depend on what they got so far, hence it is the \
         same here. Use whole numbers of a smaller unit.",
    ),
    Paragraph(
        "`--size` resets the device before it is set up anew, and `--reset` before it is removed. \
         What was stored is lost without a question, unless the device is in use.",
    ),
];

const SEE_ALSO: &[Block] = &[
    Paragraph("trueno-ublk(8), trueno-zram-generator(8), swapon(8), mkswap(8), zramctl(8)"),
    Paragraph("https://docs.kernel.org/admin-guide/blockdev/zram.html"),
];
