//! The pages of trueno-zram-generator: the program, and its configuration file from the table of
//! keys.

use trueno_zram_generator::keys::{KEYS, Origin, Row};

use super::page::{Font, Fragment, Page, markup};
use super::text::Block::{self, Bullet, Item, Paragraph, Verbatim};
use super::{REVISED, VERSION, prose};

/// `trueno-zram-generator(8)`.
pub(super) fn program() -> String {
    let title = ["TRUENO-ZRAM-GENERATOR", "8", REVISED, VERSION, "System Administration"];
    let mut page = Page::new(title);
    page.section("NAME");
    page.fill(&markup("trueno-zram-generator - make compressed swap at boot"));
    page.section("SYNOPSIS");
    page.lines(SYNOPSIS.iter().copied());
    for &(heading, blocks) in PROGRAM {
        prose(&mut page, heading, blocks);
    }
    page.render()
}

/// `trueno-zram-generator.conf(5)`.
pub(super) fn configuration() -> String {
    let title = ["TRUENO-ZRAM-GENERATOR.CONF", "5", REVISED, VERSION, "File Formats"];
    let mut page = Page::new(title);
    page.section("NAME");
    page.fill(&markup(
        "trueno-zram-generator.conf - zram-generator.conf, the configuration of compressed swap",
    ));
    page.section("SYNOPSIS");
    page.lines(FILES.iter().copied());
    prose(&mut page, "DESCRIPTION", DESCRIPTION);
    prose(&mut page, "FORMAT", FORMAT);
    for (heading, origin) in HEADINGS {
        page.section(heading);
        for row in KEYS.iter().filter(|row| row.origin == origin) {
            key(&mut page, row);
        }
    }
    for &(heading, blocks) in CONFIGURATION {
        prose(&mut page, heading, blocks);
    }
    page.render()
}

fn key(page: &mut Page, row: &Row) {
    let bold = |text: &str| Fragment::new(Font::Bold, text);
    let value = Fragment::new(Font::Italic, row.value);
    page.item(&[bold(row.name), Fragment::new(Font::Roman, " = "), value]);
    let mut text = row.help.to_owned();
    if !row.default.is_empty() {
        text.push_str(&format!(" Default: `{}`.", row.default));
    }
    if let Some(alias) = row.alias {
        text.push_str(&format!(" Its older name is `{alias}`."));
    }
    page.fill(&markup(&text));
}

const SYNOPSIS: &[&str] = &[
    "`/usr/lib/systemd/system-generators/trueno-zram-generator` <DIRECTORY> [<DIRECTORY> <DIRECTORY>]",
    "`trueno-zram-generator` `--check`",
    "`trueno-zram-generator` `--explain` <DEVICE>",
    "`trueno-zram-generator` `--setup-device` <DEVICE>",
    "`trueno-zram-generator` `--reset-device` <DEVICE>",
];

const PROGRAM: &[(&str, &[Block])] = &[
    (
        "DESCRIPTION",
        &[
            Paragraph(
                "`trueno-zram-generator` is a generator as systemd.generator(7) has it. Early at boot, \
             and whenever systemd reads its units again, it reads `zram-generator.conf`, see \
             trueno-zram-generator.conf(5), and writes units for the devices that are configured \
             there: swap units, wanted by `swap.target`, and mount units, wanted by \
             `local-fs.target`. It loads the zram module and makes the devices of the kernel; the \
             units do the rest. In a container it makes nothing.",
            ),
            Paragraph(
                "It takes the place of zram-generator: configurations and, for devices of the kernel, \
             units are the same, but for what is listed under `DIFFERENCES FROM ZRAM-GENERATOR`.",
            ),
            Paragraph(
                "A <DEVICE> is `zramN`, which is the kernel's, or `trueno/zramN`, which is one of \
             trueno-ublk(8).",
            ),
        ],
    ),
    (
        "OPTIONS",
        &[
            Item(
                "`--check`",
                "Says what would be made and what is wrong, with file and line. Runs the programs of \
             the configuration. Changes nothing.",
            ),
            Item("`--explain` <DEVICE>", "Says where each value of a device comes from."),
            Item(
                "`--setup-device` <DEVICE>",
                "Sets a device up as configured and makes a swap area or a file system on it. The \
             services `systemd-zram-setup@.service` and `trueno-zram-setup@.service` do this. A \
             device that is in use already is left as it is if it is set up as configured; one \
             that nobody uses is reset first.",
            ),
            Item(
                "`--reset-device` <DEVICE>",
                "Frees a device. While somebody looks at it, it is tried again for three seconds; then \
             whoever is in the way is named.",
            ),
            Item("`-h`, `--help`", "Prints a summary."),
            Item("`-V`, `--version`", "Prints the version."),
        ],
    ),
    (
        "EXIT STATUS",
        &[
            Item(
                "`0`",
                "All is well, also if no device is configured. As a generator also if something that \
             was asked for is not done, such as maintenance, but every device is made: an error says so.",
            ),
            Item(
                "`1`",
                "Something is wrong with the configuration, or could not be done. What is not \
             concerned has been done. `--check` also counts what would not be done.",
            ),
            Item("`2`", "The command line is wrong."),
        ],
    ),
    (
        "MESSAGES",
        &[Paragraph(
            "At boot, messages go to the kernel's log: `journalctl -b -t trueno-zram-generator` shows \
         them. Where no device is made, they say why. Those of the services are in the journal.",
        )],
    ),
    (
        "APPLYING CHANGES",
        &[
            Paragraph("After a change of the configuration, either reboot, or"),
            Verbatim("systemctl daemon-reload\nsystemctl restart systemd-zram-setup@zram0.service"),
            Paragraph(
                "or, for a device of trueno-ublk, `trueno-zram-setup@zram0.service`. It takes the \
             device away and makes it anew: what is swapped out has to fit into \
             memory meanwhile, and a file system on the device is lost. A device that is to go away \
             is stopped before its section is.",
            ),
        ],
    ),
    (
        "ENVIRONMENT",
        &[Item(
            "`TRUENO_ZRAM_ROOT`, `ZRAM_GENERATOR_ROOT`",
            "A directory that stands for the root: configuration, `/proc`, `/sys`, `/dev`, `/run` and \
         `systemd-makefs` are looked for there, and messages go to standard error. Where both are \
         set, the former counts. With another root than the system's a generator loads no modules \
         and makes no devices.",
        )],
    ),
    (
        "SWITCHING",
        &[Paragraph(
            "What becomes of the settings of zram-generator, zram-tools and scripts is in \
         /usr/share/doc/trueno-zram/SWITCHING.md.",
        )],
    ),
    ("DIFFERENCES FROM ZRAM-GENERATOR", DIFFERENCES),
    (
        "SEE ALSO",
        &[Paragraph(
            "trueno-zram-generator.conf(5), trueno-zramctl(8), trueno-ublk(8), systemd.generator(7), \
         systemd.swap(5), systemd.mount(5), systemd-makefs(8)",
        )],
    ),
];

/// Held by generator/tests/peer, which compares the two programs with the same list, and this with it.
const DIFFERENCES: &[Block] = &[
    Paragraph(
        "zram-generator stops at the first thing that is wrong, and then makes no device at all. \
         Here what is wrong costs as little as possible:",
    ),
    Bullet("A bad value, or a line that cannot be read, costs the device that it is about."),
    Bullet(
        "A bad value of a key that zram-generator does not know costs the setting, but for \
         `backend`, without which nobody could say which device is meant.",
    ),
    Bullet("A bad value that a later line replaces costs nothing."),
    Bullet(
        "A program of `set!` that prints nothing useful, or takes longer than five seconds, costs \
         the devices that need its variable. zram-generator waits for ever.",
    ),
    Bullet("A main file that is none, or cannot be read, costs what is in it."),
    Bullet("A comment may be indented, and in any encoding."),
    Paragraph("What zram-generator takes although it cannot work is refused:"),
    Bullet(
        "Names that the kernel gives to no device (`zram007`, `zram+1`), and numbers above 1023, \
         for which the kernel would have to make all devices below.",
    ),
    Bullet(
        "Line breaks and other control characters, or a backslash at the end, in values that go \
         into units; a file system without a name; swap with a mount point; a directory whose unit \
         would have too long a name.",
    ),
    Bullet("A directory that another device is mounted on."),
    Paragraph("Other differences:"),
    Bullet(
        "A percent sign in a mount point is doubled in the unit, where it would be a specifier.",
    ),
    Bullet(
        "Parameters of algorithms go to the attribute `algorithm_params`, those of secondary ones \
         too; parameters without an algorithm go to `recompress`, once the device has its size. No \
         kernel at hand had recompression: what is for secondary algorithms and for `recompress` \
         has been tried on made-up files only. A size that is a fraction does not overflow.",
    ),
    Bullet(
        "Containers are told by what systemd says of them and by their traces, without starting \
         `systemd-detect-virt`; with another root, by the traces below it.",
    ),
    Bullet(
        "An algorithm's module is not asked for if zram offers the algorithm already, and not at \
         all with another root.",
    ),
    Bullet("zswap in front of compressed swap is warned about."),
    Bullet("It is always said why no device is made."),
];

const FILES: [&str; 8] = [
    "`/run/systemd/zram-generator.conf`",
    "`/etc/systemd/zram-generator.conf`",
    "`/usr/local/lib/systemd/zram-generator.conf`",
    "`/usr/lib/systemd/zram-generator.conf`",
    "`/run/systemd/zram-generator.conf.d/*.conf`",
    "`/etc/systemd/zram-generator.conf.d/*.conf`",
    "`/usr/local/lib/systemd/zram-generator.conf.d/*.conf`",
    "`/usr/lib/systemd/zram-generator.conf.d/*.conf`",
];

const HEADINGS: [(&str, Origin); 3] = [
    ("KEYS", Origin::Stock),
    ("KEYS OF TRUENO-ZRAM-GENERATOR", Origin::Added),
    ("DEPRECATED KEYS", Origin::Deprecated),
];

const DESCRIPTION: &[Block] = &[
    Paragraph(
        "The files say which compressed devices trueno-zram-generator(8) makes. They are those of \
         zram-generator, and may be shared with it.",
    ),
    Paragraph(
        "Of the main files the first that exists is read, in the order above. Behind it come the \
         drop-ins of all four directories, sorted by name; among several of one name that of the \
         first directory above is read. A link to `/dev/null`, or an empty file, hides those of \
         its name. Other links, and names that start with a dot, are passed over. Later values \
         replace earlier ones, key by key.",
    ),
];

const FORMAT: &[Block] = &[
    Paragraph(
        "A section `[zramN]` asks for a device, even if it is empty; <N> is a number. Other sections \
         are passed over. A section consists of lines `key = value`; a colon may stand in place \
         of the equals sign. Lines that start with `#` or `;` are comments. Such a character later \
         in a line belongs to the value.",
    ),
    Paragraph(
        "A value may begin with a part in single or double quotes. A backslash escapes: the end of \
         the line, which joins the next one, `\\n`, `\\t`, and `\\xHHHH` for a character by its \
         hexadecimal number. Any other character behind a backslash stands for itself.",
    ),
    Paragraph("Before the first section variables can be set:"),
    Verbatim("set!VARIABLE = PROGRAM"),
    Paragraph(
        "<PROGRAM> is run by `/bin/sh`, for at most five seconds. What it prints is read as an \
         expression, whose value the variable gets. A status other than 0 is only warned about.",
    ),
];

const CONFIGURATION: &[(&str, &[Block])] = &[
    (
        "EXPRESSIONS",
        &[
            Paragraph(
                "An <EXPRESSION> is computed with fractions. It has the operators `+`, `-`, `*`, `/`, \
             `%` (remainder) and the circumflex (power), comparisons, which are 1 or 0, `&&`, \
             `||`, `!`, parentheses, the variable `ram`, which is the machine's memory in MiB, and \
             those that were set. There are the functions `min`, `max`, `int`, `ceil`, `floor`, \
             `round`, `abs`, `sign`, `log`, `sin` and its relatives, `e`, `pi`, and `print`.",
            ),
            Paragraph(
                "A number may have a suffix, which is decimal: `k` or `K`, `M`, `G`, `T`, and `m`, `u`, \
             `n`, `p` for fractions. As all sizes are in MiB, `2K` is 2000 MiB, and `4G` is far too \
             much.",
            ),
        ],
    ),
    (
        "KERNEL COMMAND LINE",
        &[
            Item(
                "`systemd.zram`, `systemd.zram=1`",
                "A device `zram0` is made even if it is not configured. Also `yes`, `true`, `on`.",
            ),
            Item("`systemd.zram=0`", "No device is made. Also `no`, `false`, `off`."),
            Paragraph("The last of them counts."),
        ],
    ),
    (
        "MAINTENANCE",
        &[Paragraph(
            "`recompress`, `writeback-limit`, `idle-age` and `maintenance` describe work on a device in \
         use. They are read and checked, but nothing does that work yet. The device is made \
         without it, and an error is logged.",
        )],
    ),
    (
        "EXAMPLES",
        &[
            Paragraph("Swap of half the memory, on a device of the kernel:"),
            Verbatim("[zram0]\nzram-size = ram / 2\ncompression-algorithm = zstd"),
            Paragraph("The same, served by trueno-ublk(8):"),
            Verbatim("[zram0]\nbackend = ublk\nzram-size = ram / 2"),
            Paragraph("A file system for everybody's temporary files:"),
            Verbatim("[zram1]\nmount-point = /var/scratch\noptions = discard,X-mount.mode=1777"),
            Paragraph("Less swap where the hypervisor may add memory:"),
            Verbatim(
                "set!most = cat /run/most-memory-in-mib\n\n[zram0]\nzram-size = min(ram / 2, most / 8)",
            ),
        ],
    ),
    (
        "SEE ALSO",
        &[Paragraph(
            "trueno-zram-generator(8), trueno-ublk(8), systemd.swap(5), systemd.mount(5), swapon(8)",
        )],
    ),
];
