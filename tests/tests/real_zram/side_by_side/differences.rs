//! Where releases of util-linux differ from each other, and all of them from us.
//!
//! A row counts when the release, the command line and the first words of theirs are there, and then
//! it has to hold: nothing else may differ.

use std::ffi::OsString;

use super::programs::{Answer, Release};

/// One known difference.
pub(super) struct Difference {
    /// What it is.
    pub(super) what: &'static str,
    /// The first release that has it ...
    pub(super) since: Release,
    /// ... and the first that does not.
    pub(super) until: Release,
    /// Where it shows.
    pub(super) shows: fn(line: &[&str], stock: &Answer) -> bool,
    /// How it shows.
    pub(super) holds: fn(stock: &Answer, ours: &Answer) -> bool,
}

const FIRST: Release = Release(2, 26, 0);
const NEVER: Release = Release(u32::MAX, 0, 0);

/// From here on tables are laid out in another way, unless they are raw. 2.38 does not do it, 2.41
/// does; releases between them have not been tried.
pub(super) const OTHER_LAYOUT: Release = Release(2, 39, 0);

/// From here on nothing is set up or reset before udev has seen it, and nothing at all where udev is
/// not at work (containers).
pub(super) const WAITS_FOR_UDEV: Release = Release(2, 42, 0);

const TABLE: &[Difference] = &[
    Difference {
        what: "there is no column COMP-RATIO",
        since: FIRST,
        until: Release(2, 41, 0),
        shows: |_, stock| stock.refuses_in_any_case("unknown column: COMP-RATIO"),
        holds: |_, ours| !ours.refuses("unknown column"),
    },
    Difference {
        what: "columns cannot be added to the default ones",
        since: FIRST,
        until: Release(2, 41, 0),
        shows: |_, stock| stock.refuses("unknown column: +"),
        holds: |_, ours| !ours.refuses("unknown column"),
    },
    Difference {
        what: "there are no algorithm parameters",
        since: FIRST,
        until: Release(2, 41, 0),
        shows: |_, stock| stock.refuses("invalid option -- 'p'"),
        holds: |_, ours| !ours.refuses("invalid option"),
    },
    Difference {
        what: "--algorithm can be abbreviated, as there are no parameters of one",
        since: FIRST,
        until: Release(2, 41, 0),
        shows: |line, _| line.contains(&"--algo"),
        holds: |stock, ours| {
            !stock.refuses("is ambiguous") && ours.refuses("option '--algo' is ambiguous")
        },
    },
    Difference {
        what: "negative numbers of streams are taken for large ones",
        since: FIRST,
        until: Release(2, 38, 0),
        shows: |line, stock| {
            let number = line.iter().skip_while(|word| **word != "-t").nth(1);
            number.is_some_and(|number| number.starts_with('-')) && stock.refuses("--streams must")
        },
        holds: |_, ours| ours.refuses("Numerical result out of range"),
    },
    Difference {
        what: "without parameters, their option is not named",
        since: FIRST,
        until: Release(2, 41, 0),
        shows: |_, stock| {
            stock.refuses("options --algorithm and --streams must be combined with --size")
        },
        holds: |stock, ours| {
            let named = "--algorithm, --algorithm-params, and --streams";
            stock.complaint.replace("--algorithm and --streams", named) == ours.complaint
                && ours.status == Some(1)
                && ours.stdout.is_empty()
        },
    },
    Difference {
        what: "options that cannot be combined are named by their whole group",
        since: FIRST,
        until: Release(2, 42, 0),
        shows: |_, stock| stock.refuses("mutually exclusive arguments: --"),
        holds: |_, ours| ours.refuses("cannot be combined") && ours.stdout.is_empty(),
    },
    Difference {
        what: "of a list and --output-all, the later one counts",
        since: FIRST,
        until: Release(2, 41, 0),
        shows: |line, _| {
            let at = |option: &str| line.iter().position(|word| *word == option);
            at("--output-all").zip(at("-o")).is_some_and(|(all, list)| all > list)
        },
        holds: |stock, ours| stock.succeeds() && ours.succeeds() && has_all_columns(ours, stock),
    },
    Difference {
        what: "we have more columns, behind theirs",
        since: FIRST,
        until: NEVER,
        shows: |line, _| {
            line.iter().any(|word| word.starts_with("--output-a")) && list(line).is_none()
        },
        holds: |stock, ours| stock.succeeds() && ours.succeeds() && has_all_columns(stock, ours),
    },
    Difference {
        what: "a list has at most twice as many columns as there are",
        since: FIRST,
        until: NEVER,
        shows: |line, _| list(line).is_some_and(|list| list.matches(',').count() >= 26),
        holds: |stock, ours| {
            stock.status == Some(1) && stock.complaint.is_empty() && ours.succeeds()
        },
    },
    Difference {
        what: "devices are looked for in /dev and /sys/block only, by names of at most 31 bytes",
        since: FIRST,
        until: NEVER,
        shows: |line, _| {
            line.last().is_some_and(|name| {
                let is_below_dev = name.starts_with("/dev/") || !name.contains('/');
                let is_operand = !name.starts_with('-') && name.contains("trueno-");
                is_operand && (!is_below_dev || name.len() > 31)
            })
        },
        holds: |stock, ours| stock.refuses("No such device") && ours.succeeds(),
    },
    Difference {
        what: "names are searched in /sys/block only",
        since: FIRST,
        until: NEVER,
        shows: |line, _| line.last().is_some_and(|name| name.starts_with("./zram")),
        holds: |stock, ours| stock.refuses("No such device") && ours.succeeds(),
    },
    Difference {
        what: "without headings, columns are no wider than their cells",
        since: OTHER_LAYOUT,
        until: NEVER,
        shows: |line, _| is_table(line) && has_no_headings(line),
        holds: same_but_for_blanks,
    },
    Difference {
        what: "columns of sizes may be narrower than five cells",
        since: Release(2, 42, 0),
        until: NEVER,
        shows: |line, stock| is_table(line) && stock.succeeds(),
        holds: same_but_for_blanks,
    },
    Difference {
        what: "who may not lock the device is told so",
        since: WAITS_FOR_UDEV,
        until: NEVER,
        shows: |_, stock| stock.refuses(": failed to lock: Permission denied"),
        holds: |stock, ours| {
            stock.complaint.replace("failed to lock", "failed to reset") == ours.complaint
                && ours.status == Some(1)
        },
    },
    Difference {
        what: "a failing hot_add is taken for device 0",
        since: FIRST,
        until: NEVER,
        shows: |line, _| line == ["-f", "--raw"],
        holds: |stock, ours| {
            stock.succeeds()
                && stock.stdout.starts_with("/dev/zram")
                && ours.refuses("no free zram device found: Permission denied")
        },
    },
];

/// Releases that cannot write `max_comp_streams` where there is none, and give up.
pub(super) fn needs_streams(release: Release) -> bool {
    release < Release(2, 41, 2)
}

/// Whether the answers are the same, or differ as the table says.
pub(super) fn judge(
    release: Release,
    arguments: &[OsString],
    stock: &Answer,
    ours: &Answer,
) -> Result<(), String> {
    let line: Vec<_> = arguments.iter().filter_map(|word| word.to_str()).collect();
    let known = TABLE
        .iter()
        .find(|row| (row.since..row.until).contains(&release) && (row.shows)(&line, stock));
    match known {
        Some(row) if (row.holds)(stock, ours) => Ok(()),
        Some(row) => Err(format!("not the known difference: {}", row.what)),
        None if same(stock, ours) => Ok(()),
        None => Err("they differ".to_owned()),
    }
}

/// Where they say nothing, we may say why.
fn same(stock: &Answer, ours: &Answer) -> bool {
    let says_why = stock.complaint.is_empty() && stock.status == Some(1);
    (stock.status, &stock.stdout) == (ours.status, &ours.stdout)
        && (says_why || stock.complaint == ours.complaint)
}

fn is_table(line: &[&str]) -> bool {
    !line.iter().any(|word| word.starts_with("--ra"))
}

fn has_no_headings(line: &[&str]) -> bool {
    let is_bundle = |word: &str| word.starts_with('-') && !word.starts_with("--");
    line.iter().any(|word| {
        word.starts_with("--no")
            || is_bundle(word) && word.split('o').next().unwrap_or("").contains('n')
    })
}

/// The same cells, whatever they are padded to.
fn same_but_for_blanks(stock: &Answer, ours: &Answer) -> bool {
    let squeezed = |answer: &Answer| {
        let answer = answer.clone();
        let stdout = squeeze(&answer.stdout);
        Answer { stdout, ..answer }
    };
    same(&squeezed(stock), &squeezed(ours))
}

/// One blank in place of many, none at the ends of lines.
pub(super) fn squeeze(text: &str) -> String {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    text.lines().map(|line| words(line) + "\n").collect()
}

/// The list of columns, if it is given behind `-o`.
fn list<'a>(line: &[&'a str]) -> Option<&'a str> {
    let at = line.iter().rposition(|word| *word == "-o")?;
    line.get(at + 1).copied()
}

/// Raw tables with headings: every column of theirs is one of ours, in their order, with the same
/// cells.
fn has_all_columns(stock: &Answer, ours: &Answer) -> bool {
    let rows = |answer: &Answer| -> Vec<Vec<String>> {
        let lines = answer.stdout.lines();
        lines.map(|line| line.split(' ').map(str::to_owned).collect()).collect()
    };
    let (theirs, ours) = (rows(stock), rows(ours));
    let (Some(their_names), Some(our_names)) = (theirs.first(), ours.first()) else {
        return theirs.is_empty() && ours.is_empty();
    };
    let places = their_names.iter().map(|name| our_names.iter().position(|n| n == name));
    let Some(places) = places.collect::<Option<Vec<_>>>() else { return false };
    let pick =
        |row: &Vec<String>| places.iter().map(|&at| row.get(at).cloned()).collect::<Vec<_>>();
    let whole = |row: &Vec<String>| row.iter().cloned().map(Some).collect::<Vec<_>>();
    places.is_sorted()
        && theirs.len() == ours.len()
        && theirs.iter().map(whole).eq(ours.iter().map(pick))
}

impl Answer {
    fn succeeds(&self) -> bool {
        self.status == Some(0) && self.complaint.is_empty()
    }

    fn refuses_in_any_case(&self, complaint: &str) -> bool {
        self.status == Some(1) && self.complaint.to_uppercase().contains(&complaint.to_uppercase())
    }

    fn refuses(&self, complaint: &str) -> bool {
        self.status == Some(1) && self.complaint.contains(complaint)
    }
}
