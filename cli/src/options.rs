//! The table of options: the source of the parser, `--help`, the man page and the completions.

use crate::getopt::{Argument, Spec};

/// Key of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is described by its row")]
pub enum Opt {
    Algorithm,
    Bytes,
    Find,
    Help,
    Output,
    OutputAll,
    AlgorithmParams,
    NoHeadings,
    Reset,
    Raw,
    Size,
    Streams,
    Version,
    Json,
    MemLimit,
    BackingDev,
    WritebackLimit,
    RecompressAlgorithm,
    Swap,
    Kind,
    Compact,
    Idle,
    Recompress,
    Writeback,
    ResetPeak,
    Force,
    DryRun,
    Color,
    Sysroot,
}

/// What a person wants to do: the headings of `--help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Look.
    Show,
    /// Make a device.
    SetUp,
    /// Change one that is in use.
    Live,
    /// Take one away.
    Remove,
    /// Everything else.
    General,
}

impl Group {
    /// All, in the order of `--help`.
    pub const ALL: [Group; 5] =
        [Group::Show, Group::SetUp, Group::Live, Group::Remove, Group::General];

    /// The heading.
    #[must_use]
    pub const fn heading(self) -> &'static str {
        match self {
            Group::Show => "Show devices",
            Group::SetUp => "Set up a device",
            Group::Live => "Work on a live device, in the order given",
            Group::Remove => "Remove devices",
            Group::General => "General",
        }
    }
}

/// What a shell can offer as an option's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completion {
    /// Nothing sensible.
    Nothing,
    /// Algorithms of the running kernel.
    Algorithms,
    /// Column names, separated by commas.
    Columns,
    /// One of these words.
    Words(&'static [&'static str]),
    /// A block device.
    BlockDevices,
    /// A directory.
    Directories,
}

/// One row.
#[derive(Debug)]
pub struct Row {
    /// The key.
    pub id: Opt,
    /// Letter, if it has one.
    pub short: Option<char>,
    /// Name without dashes.
    pub long: &'static str,
    /// The value's name, empty if it takes none. In brackets if it may be left out.
    pub value: &'static str,
    /// Whether util-linux zramctl has it too.
    pub stock: bool,
    /// Its heading.
    pub group: Group,
    /// The line of `--help`.
    pub help: &'static str,
    /// What the man page adds to that line.
    pub manual: &'static str,
    /// What a shell can offer.
    pub completion: Completion,
}

impl Row {
    /// How it takes its value.
    pub(crate) fn argument(&self) -> Argument {
        match self.value {
            "" => Argument::None,
            optional if optional.starts_with('[') => Argument::Optional,
            _ => Argument::Required,
        }
    }
}

/// Generates the table; a manual text and a completion may be left out.
macro_rules! options {
    ($($id:ident $group:ident $stock:ident $(($short:literal))? $long:literal $value:literal
       $help:literal $(; $manual:literal)? $(=> $completion:expr)?),* $(,)?) => {
        /// The table. Stock options come first, in the order in which zramctl has them: an
        /// ambiguous abbreviation lists the possibilities in that order.
        pub static OPTIONS: &[Row] = &[$(Row {
            id: Opt::$id,
            short: first!($(Some($short))?, None),
            long: $long,
            value: $value,
            stock: stringify!($stock).len() == "stock".len(),
            group: Group::$group,
            help: $help,
            manual: first!($($manual)?, ""),
            completion: first!($($completion)?, Completion::Nothing),
        }),*];
    };
}

macro_rules! first {
    (, $default:expr) => {
        $default
    };
    ($given:expr, $default:expr) => {
        $given
    };
}

options! {
    Algorithm SetUp stock ('a') "algorithm" "ALG" "compression algorithm";
        "It is passed on as it is. Which ones there are depends on the kernel: \
         /sys/block/zram0/comp_algorithm lists them, and /run/trueno/zram0/comp_algorithm those of \
         trueno-ublk." => Completion::Algorithms,
    Bytes Show stock ('b') "bytes" "" "sizes in bytes instead of a readable form",
    Find SetUp stock ('f') "find" "" "take a free device, make one if there is none";
        "Prints its name. Without --size that is all it does. A device is free when its disksize \
         is 0; the lowest number wins. --kind says whose it is.",
    Help General stock ('h') "help" "" "show a summary of options and columns",
    Output Show stock ('o') "output" "LIST" "columns to show, separated by commas";
        "With a plus sign in front they come after the default ones. Upper and lower case are the \
         same." => Completion::Columns,
    OutputAll Show stock "output-all" "" "show all columns",
    AlgorithmParams SetUp stock ('p') "algorithm-params" "STRING"
        "parameters of an algorithm, such as level=3";
        "One argument with blanks between the parameters: level=N, dict=PATH, deflate.winbits=N; \
         algo=NAME or priority=N in front of them for an algorithm other than the primary one. Can \
         be given several times, each time for another algorithm. Needs Linux 6.12.",
    NoHeadings Show stock ('n') "noheadings" "" "print no line of headings",
    Reset Remove stock ('r') "reset" "" "reset the given devices and remove them";
        "All data is lost. A device that is in use is left alone, and the message says who uses \
         it.",
    Raw Show stock "raw" "" "columns without padding, for scripts",
    Size SetUp stock ('s') "size" "SIZE" "size of the device: makes it ready for use";
        "SIZE is a number of bytes, or one with a unit: K, M, G, T, P, E (or KiB, MiB, ...) count \
         in powers of 1024, KB, MB, ... in powers of 1000. A decimal fraction is allowed before a \
         unit; it is computed as util-linux computes it, exactly for halves and roughly for other \
         fractions.",
    Streams SetUp stock ('t') "streams" "N" "number of compression streams";
        "Without effect since Linux 4.7, and gone from the kernel since 6.15; still accepted.",
    Version General stock ('V') "version" "" "show the version",

    Json Show ours ('J') "json" "" "everything as JSON, sizes in bytes";
        "All columns unless --output says otherwise. What the kernel does not tell is null. With \
         --size it is the device that was set up, instead of its name.",
    MemLimit SetUp ours "mem-limit" "SIZE" "most memory the device may take, 0 for no limit";
        "Rounded up to pages. Without --size it changes a live device. When the limit is reached, \
         writes fail.",
    BackingDev SetUp ours "backing-dev" "PATH" "block device that pages can be written back to";
        "Needs a kernel with CONFIG_ZRAM_WRITEBACK." => Completion::BlockDevices,
    WritebackLimit SetUp ours "writeback-limit" "SIZE" "most that may be written back";
        "Counts down to 0 with every page that is written; units of 4 KiB, rounded down. The \
         kernel keeps it over a reset: give it again, or write 0 to writeback_limit_enable.",
    RecompressAlgorithm SetUp ours "recompress-algorithm" "ALG[:PRIORITY]"
        "algorithm to recompress with, can be given three times";
        "PRIORITY is 1, 2 or 3; without it the next free one. Needs a kernel with \
         CONFIG_ZRAM_MULTI_COMP." => Completion::Algorithms,
    Swap SetUp ours "swap" "[PRIORITY]" "make it swap and switch that on";
        "PRIORITY is 0 to 32767; without it the kernel chooses. Discards are switched on, so that \
         memory is free again as soon as a page is no longer needed. A device of trueno-ublk whose \
         memory the kernel itself could swap out (before Linux 6.4) is refused.",
    Kind SetUp ours "kind" "KIND" "whose device to find: kernel or ublk";
        "Those of ublk are made by trueno-ublk, which has to run; see DEVICES. By default it is the \
         kernel's where the zram module is loaded, else trueno-ublk's, unless TRUENO_ZRAM_KIND says \
         otherwise. When all devices are shown, it is only those of that kind."
        => Completion::Words(&["kernel", "ublk"]),

    Compact Live ours "compact" "" "give back memory lost to fragmentation",
    Idle Live ours "idle" "[SECONDS]" "mark pages idle, all or those not touched for SECONDS";
        "An age needs a kernel with CONFIG_ZRAM_TRACK_ENTRY_ACTIME.",
    Recompress Live ours "recompress" "[SPEC]" "compress pages again with a secondary algorithm";
        "Without SPEC every page is tried. SPEC as the kernel reads it, blanks between the parts: \
         type=idle|huge|huge_idle, threshold=BYTES, max_pages=N, algo=NAME, priority=N. A bare \
         word is a type."
        => Completion::Words(&["idle", "huge", "huge_idle"]),
    Writeback Live ours "writeback" "[SPEC]"
        "move pages to the backing device, idle ones if not said";
        "SPEC as the kernel reads it: type=idle|huge|huge_idle|incompressible, page_index=N, \
         page_indexes=LOW-HIGH. A bare word is a type."
        => Completion::Words(&["idle", "huge", "huge_idle", "incompressible"]),
    ResetPeak Live ours "reset-peak" "" "let MEM-USED start again from what is used now",

    Force Remove ours "force" "" "with --reset: switch swap off first";
        "What is swapped out has to fit into the memory that is left, and takes its time to come \
         back. A device that is mounted is left alone all the same.",
    DryRun General ours "dry-run" "" "print what would be done as shell commands, do nothing";
        "The commands are for sh. In them $N is the number of a device that would have to be made.",
    Color General ours "color" "[WHEN]" "colour: auto, always or never";
        "Without WHEN always. By default colour is used on a terminal unless NO_COLOR is set."
        => Completion::Words(&["auto", "always", "never"]),
    Sysroot General ours "sysroot" "DIR" "look for /sys, /proc, /dev and /run below DIR";
        "For tests, and for looking at a copy of another system. Takes precedence over \
         TRUENO_ZRAM_ROOT."
        => Completion::Directories,
}

/// The table as the parser takes it.
pub(crate) fn specs() -> Vec<Spec<Opt>> {
    let spec = |row: &Row| Spec {
        id: row.id,
        short: row.short,
        long: row.long,
        argument: row.argument(),
        stock: row.stock,
    };
    OPTIONS.iter().map(spec).collect()
}

impl Opt {
    /// The row.
    #[must_use]
    pub fn row(self) -> &'static Row {
        #[expect(clippy::indexing_slicing, reason = "a test holds enum and table in one order")]
        &OPTIONS[self as usize]
    }

    /// `--name`.
    #[must_use]
    pub fn long(self) -> String {
        format!("--{}", self.row().long)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_finds_its_own_row() {
        for row in OPTIONS {
            assert_eq!(row.id.row().long, row.long);
        }
        let last = OPTIONS.last().expect("not empty");
        assert_eq!(last.id as usize + 1, OPTIONS.len());
    }

    #[test]
    fn stock_options_are_the_contracts() {
        let stock: Vec<_> = OPTIONS.iter().filter(|row| row.stock).map(|row| row.long).collect();
        assert_eq!(
            stock.join(" "),
            "algorithm bytes find help output output-all algorithm-params noheadings reset raw \
             size streams version"
        );
        let letters: String = OPTIONS.iter().filter_map(|row| row.short).collect();
        assert_eq!(letters, "abfhopnrstVJ");
    }
}
