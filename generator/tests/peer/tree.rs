//! Random configurations, with what there is to know about each line of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use fastrand::Rng;

use crate::support::{Node, Tree};

/// From the strongest to the weakest.
const DIRECTORIES: [&str; 4] = ["run", "etc", "usr/local/lib", "usr/lib"];
const DROP_INS: [&str; 7] = [
    "10-a.conf",
    "20-b.conf",
    "zram-generator.conf",
    "\u{17c}.conf",
    "99-z.conf",
    ".hidden.conf",
    "README",
];

/// How good a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grade {
    Good,
    /// zram-generator refuses everything for it.
    Bad,
    /// Likewise, but only when it comes to computing it.
    BadToEvaluate,
    /// zram-generator takes it, and what it makes of it cannot work.
    Hopeless,
    /// A key of ours, and wrong.
    BadOfOurs,
}
use Grade::{Bad, BadOfOurs, BadToEvaluate, Good, Hopeless};

/// Key and value with its grade, and whether as a size it is 0. Several of one key are
/// alternatives.
type Sample = (&'static str, &'static str, Grade, bool);

#[rustfmt::skip]
const SAMPLES: &[Sample] = &[
    ("zram-size", "ram / 2", Good, false), ("zram-size", "min(ram / 10, 2048)", Good, false),
    ("zram-size", "4096M", Good, false), ("zram-size", "0", Good, true),
    ("zram-size", "0.0000001", Good, true), ("zram-size", "ram*[0.5]+0.25", Good, false),
    ("zram-size", "1/0", Good, false), ("zram-size", "x", Good, false),
    ("zram-size", "'max(x, 1)'", Good, false), ("zram-size", "1 +\\\n 2", Good, false),
    ("zram-size", "round(64, ram)", Good, false), ("zram-size", "ram > 1 && 5", Good, false),
    ("zram-size", "", Bad, false), ("zram-size", "50%", Bad, false),
    ("zram-size", "ram 2", Bad, false), ("zram-size", "((1)", Bad, false),
    ("zram-size", "1e", Bad, false),
    ("zram-size", "-1", BadToEvaluate, false), ("zram-size", "0/0", BadToEvaluate, false),
    ("zram-size", "nobody", BadToEvaluate, false), ("zram-size", "ram(1)", BadToEvaluate, false),
    ("zram-resident-limit", "ram / 4", Good, false), ("zram-resident-limit", "0", Good, false),
    ("zram-resident-limit", "x", Good, false), ("zram-resident-limit", "a b", Bad, false),
    ("zram-resident-limit", "-5", BadToEvaluate, false),
    ("host-memory-limit", "none", Good, false), ("host-memory-limit", "500", Good, false),
    ("host-memory-limit", "+100000", Good, false), ("memory-limit", "9048", Good, false),
    ("memory-limit", "0", Good, false), ("host-memory-limit", "1G", Bad, false),
    ("memory-limit", "", Bad, false),
    ("compression-algorithm", "zstd", Good, false), ("compression-algorithm", "", Good, false),
    ("compression-algorithm", "lzo-rle zstd(level=3) (type=idle)", Good, false),
    ("compression-algorithm", "zstd(a, b) c", Good, false),
    ("writeback-device", "/dev/sdb1", Good, false),
    ("writeback-device", "/dev/disk/by-label/a b", Good, false),
    ("writeback-device", "/", Good, false),
    ("writeback-device", "sdb", Bad, false), ("writeback-device", "/dev/../sdb", Bad, false),
    ("swap-priority", "-1", Good, false), ("swap-priority", "+7", Good, false),
    ("swap-priority", "32767", Good, false), ("swap-priority", "32768", Bad, false),
    ("swap-priority", "high", Bad, false), ("swap-priority", "", Bad, false),
    ("mount-point", "/var/compressed", Good, false), ("mount-point", "/a//b/./c/", Good, false),
    ("mount-point", "/.\u{17c}u pan-%n", Good, false), ("mount-point", "///", Good, false),
    ("mount-point", "\"/quoted\"", Good, false),
    // More often than others, so that there are clashes.
    ("mount-point", "/a", Good, false), ("mount-point", "/a", Good, false),
    ("mount-point", "/a", Good, false), ("mount-point", "/a", Good, false),
    ("mount-point", "var", Bad, false), ("mount-point", "", Bad, false),
    ("mount-point", "/a/..", Bad, false), ("mount-point", "/a\\nb", Hopeless, false),
    ("mount-point", "/a\\\\", Hopeless, false),
    ("fs-type", "swap", Good, false), ("fs-type", "ext4", Good, false),
    ("fs-type", "'xfs'", Good, false), ("fs-type", "", Hopeless, false),
    ("fs-type", "-t ext4", Hopeless, false),
    ("options", "", Good, false), ("options", "discard", Good, false),
    ("options", "x%y,#z;", Good, false), ("options", "'a' b", Good, false),
    ("options", "a\\nExecStart=b", Hopeless, false),
    ("zram-fraction", "0.5", Good, false), ("zram-fraction", "0", Good, true),
    ("zram-fraction", "1e3", Good, false), ("zram-fraction", "-0.1", Bad, false),
    ("zram-fraction", "half", Bad, false), ("zram-fraction", "NaN", Bad, false),
    ("max-zram-size", "none", Good, false), ("max-zram-size", "100", Good, false),
    ("max-zram-size", "0", Good, true), ("max-zram-size", "1.5", Bad, false),
    ("queues", "2", Good, false), ("queues", "0", BadOfOurs, false),
    ("recompress", "type=huge", Good, false), ("idle-age", "later", BadOfOurs, false),
    ("backend", "kernel", Good, false),
];

/// Keys that zram-generator has. All others it passes over.
pub(crate) const STOCK: [&str; 11] = [
    "zram-size",
    "zram-resident-limit",
    "host-memory-limit",
    "compression-algorithm",
    "writeback-device",
    "swap-priority",
    "mount-point",
    "fs-type",
    "options",
    "zram-fraction",
    "max-zram-size",
];

/// What the program of a `set!` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    Number,
    /// An expression with `x` in it.
    UsesX,
    Nonsense,
}

const PROGRAMS: [(&str, Output); 8] = [
    ("echo 300", Output::Number),
    ("echo ram / 3; exit 4", Output::Number),
    ("echo '2 * 8'", Output::Number),
    ("echo x + 1", Output::UsesX),
    ("echo ; kill $$", Output::Nonsense),
    ("printf '\\\\377'", Output::Nonsense),
    ("echo nobody", Output::Nonsense),
    ("no-such-program 2>&-", Output::Nonsense),
];

#[derive(Debug, Clone)]
pub(crate) struct Assignment {
    /// The key, under its present name.
    pub(crate) key: &'static str,
    pub(crate) value: &'static str,
    pub(crate) grade: Grade,
    pub(crate) is_zero: bool,
    text: String,
}

#[derive(Debug, Clone)]
pub(crate) enum Line {
    Section(&'static str),
    Assignment(Assignment),
    Set {
        variable: &'static str,
        program: &'static str,
        output: Output,
    },
    Harmless(&'static str),
    IndentedComment,
    /// A comment that is no UTF-8.
    ByteComment,
    /// One that cannot be read.
    Broken(&'static [u8]),
}

impl Line {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Line::Section(name) => format!("[{name}]\n").into_bytes(),
            Line::Assignment(assignment) => assignment.text.clone().into_bytes(),
            Line::Set { variable, program, .. } => {
                format!("set!{variable} = {program}\n").into_bytes()
            }
            Line::Harmless(text) => text.as_bytes().to_vec(),
            Line::IndentedComment => b"  # indented\n".to_vec(),
            Line::ByteComment => b"# gr\xf6\xdfer\n".to_vec(),
            Line::Broken(bytes) => bytes.to_vec(),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Content {
    Lines(Vec<Line>),
    /// A link there.
    Link(&'static str),
    /// Not a file at all.
    Directory,
}

/// The section that a line belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Top,
    Device(&'static str),
    Other,
}

/// A line by file and number.
pub(crate) type At = (String, usize);

#[derive(Debug, Clone)]
pub(crate) struct Configuration {
    pub(crate) ram: u64,
    cmdline: Option<&'static str>,
    /// A device that is taken away must not come back by the kernel command line.
    without_zram0: bool,
    pub(crate) content: BTreeMap<String, Content>,
}

fn main_file(directory: &str) -> String {
    format!("{directory}/systemd/zram-generator.conf")
}

fn drop_in(directory: &str, name: &str) -> String {
    format!("{directory}/systemd/zram-generator.conf.d/{name}")
}

impl Configuration {
    /// The tree on disk.
    pub(crate) fn files(&self) -> Tree {
        let file = |text: String| Node::File(text.into_bytes());
        let meminfo = format!("MemFree: 1 kB\nMemTotal:  {} kB\n", self.ram * 1024 + 1023);
        let mut tree = Tree::from([
            (PathBuf::from("proc/meminfo"), file(meminfo)),
            (PathBuf::from("etc/elsewhere.conf"), file("[zram9]\nzram-size = 9\n".to_owned())),
        ]);
        if let Some(cmdline) = self.cmdline {
            tree.insert("proc/cmdline".into(), file(format!("root=/dev/sda {cmdline}\n")));
        }
        if self.without_zram0 {
            let none = "[zram0]\nzram-size = 0\nmax-zram-size = 0\n";
            tree.insert(drop_in("run", "~last.conf").into(), file(none.to_owned()));
        }
        for (path, content) in &self.content {
            let (path, node) = match content {
                Content::Lines(lines) => {
                    (path.clone(), Node::File(lines.iter().flat_map(Line::bytes).collect()))
                }
                Content::Link(target) => (path.clone(), Node::Link(target.into())),
                Content::Directory => (format!("{path}/inside"), file(String::new())),
            };
            tree.insert(path.into(), node);
        }
        tree
    }

    pub(crate) fn is_off(&self) -> bool {
        self.cmdline.is_some_and(|text| text.ends_with("systemd.zram=off"))
    }

    /// The main file that counts.
    pub(crate) fn main(&self) -> Option<String> {
        let paths = DIRECTORIES.iter().map(|directory| main_file(directory));
        paths.into_iter().find(|path| match self.content.get(path) {
            Some(Content::Link(target)) => *target != "nowhere",
            other => other.is_some(),
        })
    }

    /// The files that count, in that order.
    fn effective(&self) -> Vec<String> {
        let mut found = BTreeMap::new();
        for directory in DIRECTORIES.iter().rev() {
            for name in DROP_INS.iter().filter(|name| **name != "README" && !name.starts_with('.'))
            {
                let path = drop_in(directory, name);
                match self.content.get(&path) {
                    Some(Content::Lines(_)) => {
                        found.insert(name, path);
                    }
                    Some(Content::Link("/dev/null")) => {
                        found.remove(name);
                    }
                    _ => {}
                }
            }
        }
        self.main().into_iter().chain(found.into_values()).collect()
    }

    /// All lines that count, in that order.
    pub(crate) fn lines(&self) -> Vec<(At, Place, Line)> {
        let mut found = Vec::new();
        for path in self.effective() {
            let Some(Content::Lines(lines)) = self.content.get(&path) else { continue };
            let mut place = Place::Top;
            for (number, line) in lines.iter().enumerate() {
                if let Line::Section(name) = line {
                    let is_device = name.starts_with("zram") && name.len() > 4;
                    place = if is_device { Place::Device(name) } else { Place::Other };
                }
                found.push(((path.clone(), number), place, line.clone()));
            }
        }
        found
    }

    /// The devices that have a section.
    pub(crate) fn devices(&self) -> BTreeSet<&'static str> {
        let lines = self.lines();
        let places = lines.iter().filter_map(|(_, place, _)| match place {
            Place::Device(name) => Some(*name),
            _ => None,
        });
        places.collect()
    }

    /// What is assigned to `key` of a device, in the order in which it counts.
    pub(crate) fn assigned(&self, device: &str, key: &str) -> Vec<(At, Assignment)> {
        let lines = self.lines().into_iter();
        let found = lines.filter_map(|(at, place, line)| match (place, line) {
            (Place::Device(name), Line::Assignment(assignment))
                if name == device && assignment.key == key =>
            {
                Some((at, assignment))
            }
            _ => None,
        });
        found.collect()
    }

    pub(crate) fn value(&self, device: &str, key: &str) -> Option<Assignment> {
        self.assigned(device, key).pop().map(|(_, assignment)| assignment)
    }

    /// Whether the machine has too much memory for the device.
    pub(crate) fn is_skipped(&self, device: &str) -> bool {
        let limit = self.value(device, "host-memory-limit");
        let limit = limit.and_then(|limit| limit.value.trim_start_matches('+').parse().ok());
        limit.is_some_and(|limit: u64| limit < self.ram)
    }

    /// Whether the size is a fraction, and no expression is looked at.
    pub(crate) fn has_fraction(&self, device: &str) -> bool {
        ["zram-fraction", "max-zram-size"].iter().any(|key| self.value(device, key).is_some())
    }

    /// Whether nothing but its size is in the way of a device that has no bad values.
    pub(crate) fn is_made(&self, device: &str) -> bool {
        let is_zero = |key| self.value(device, key).is_some_and(|value| value.is_zero);
        let is_empty = match self.has_fraction(device) {
            true => is_zero("zram-fraction") || is_zero("max-zram-size"),
            false => is_zero("zram-size"),
        };
        !is_empty && !self.is_skipped(device)
    }

    /// Takes lines away.
    pub(crate) fn remove(&mut self, lines: &BTreeSet<At>) {
        for (path, content) in &mut self.content {
            if let Content::Lines(kept) = content {
                let mut number = 0;
                kept.retain(|_| {
                    number += 1;
                    !lines.contains(&(path.clone(), number - 1))
                });
            }
        }
    }

    /// Lets these programs print numbers.
    pub(crate) fn settle(&mut self, lines: &BTreeSet<At>) {
        for (path, number) in lines {
            let Some(Content::Lines(content)) = self.content.get_mut(path) else { continue };
            if let Some(Line::Set { program, output, .. }) = content.get_mut(*number) {
                (*program, *output) = ("echo 300", Output::Number);
            }
        }
    }

    /// Takes all sections of a device away.
    pub(crate) fn remove_device(&mut self, device: &str) {
        let lines = self.lines().into_iter();
        let its = lines.filter(|(_, place, _)| *place == Place::Device(known(device)));
        let its = its.map(|(at, ..)| at).collect();
        self.remove(&its);
        self.without_zram0 |= device == "zram0";
    }
}

/// The same name, living as long as the table.
fn known(device: &str) -> &'static str {
    SECTIONS.iter().chain(ODD_SECTIONS).find(|name| **name == device).copied().unwrap_or_default()
}

impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} MiB, cmdline {:?}", self.ram, self.cmdline)?;
        for (path, content) in &self.content {
            writeln!(f, "--- {path}")?;
            match content {
                Content::Lines(lines) => {
                    let bytes: Vec<u8> = lines.iter().flat_map(Line::bytes).collect();
                    f.write_str(&String::from_utf8_lossy(&bytes))?;
                }
                other => writeln!(f, "{other:?}")?,
            }
        }
        Ok(())
    }
}

const SECTIONS: &[&str] =
    &["zram0", "zram0", "zram0", "zram1", "zram1", "zram2", "zram12", "zram1023"];
const ODD_SECTIONS: &[&str] =
    &["zram007", "zram+1", "zram1024", "zram18446744073709551615", "zram", "Zram0", "other thing"];

const HARMLESS: [&str; 7] = [
    "\n",
    "# a comment = 1\n",
    "; another [zram5]\n",
    "unknown key = 1\n",
    "\r\n",
    "\u{17c} : \\x017c\n",
    "long = \"a\n [zram7]\nb\"\n",
];

const OPEN: &[u8] = b"options = 'no other half\n";

const BROKEN: [&[u8]; 5] =
    [b"= 1\n", b": = x\n", OPEN, b"options = a\\xd800b\n", b"options = \xff\n"];

/// Makes one.
pub(crate) fn random(random: &mut Rng) -> Configuration {
    // Most trees have little wrong with them, so that the rest of them is looked at.
    let faults = if random.u8(..3) == 0 { 25 } else { 0 };
    let mut content = BTreeMap::new();
    for directory in DIRECTORIES {
        if random.u8(..5) < 2 {
            content.insert(main_file(directory), main_content(random, faults));
        }
        for name in DROP_INS {
            if random.u8(..12) == 0 {
                content.insert(drop_in(directory, name), drop_in_content(random, faults));
            }
        }
    }
    let cmdline = [
        Some(""),
        Some("a\nb"),
        Some("systemd.zram"),
        Some("systemd.zram=0 systemd.zram=yes systemd.zram=x"),
        Some("systemd.zram systemd.zram=off"),
        None,
    ];
    let cmdline = if random.bool() { Some("") } else { one_of(random, &cmdline) };
    let ram = one_of(random, &[64, 782, 1000, 7825, 500_000]);
    Configuration { ram, cmdline, without_zram0: false, content }
}

fn main_content(random: &mut Rng, faults: u8) -> Content {
    match random.u8(..40) {
        0 => Content::Link("/dev/null"),
        1 => Content::Link("nowhere"),
        2..=4 if faults > 0 => Content::Directory,
        _ => Content::Lines(lines(random, faults)),
    }
}

fn drop_in_content(random: &mut Rng, faults: u8) -> Content {
    match random.u8(..12) {
        0 => Content::Link("/dev/null"),
        1 => Content::Link("../../elsewhere.conf"),
        2 => Content::Lines(Vec::new()),
        3 => Content::Directory,
        _ => Content::Lines(lines(random, faults)),
    }
}

/// `faults` of 256 lines are wrong.
fn lines(random: &mut Rng, faults: u8) -> Vec<Line> {
    let mut lines = Vec::new();
    for _ in 0..random.u8(..3) {
        lines.push(set(random, faults));
    }
    for _ in 0..random.u8(..4) {
        let wrong = random.u8(..) < faults;
        let names = if wrong { ODD_SECTIONS } else { SECTIONS };
        lines.push(Line::Section(one_of(random, names)));
        for _ in 0..random.u8(..5) {
            lines.push(line(random, faults));
        }
    }
    // A quotation mark that finds its other half, lines later, is not broken.
    if let Some(open) = lines.iter().position(|line| matches!(line, Line::Broken(OPEN))) {
        let behind = lines.split_off(open + 1).into_iter();
        lines.extend(behind.filter(|line| !line.bytes().contains(&b'\'')));
    }
    lines
}

fn set(random: &mut Rng, faults: u8) -> Line {
    loop {
        let (program, output) = one_of(random, &PROGRAMS);
        if output != Output::Nonsense || random.u8(..) < faults {
            let variable = one_of(random, &["x", "y", "ram"]);
            return Line::Set { variable, program, output };
        }
    }
}

fn line(random: &mut Rng, faults: u8) -> Line {
    let is_wrong = random.u8(..) < faults;
    match random.u8(..16) {
        0 | 1 => Line::Harmless(one_of(random, &HARMLESS)),
        2..=4 if is_wrong => Line::IndentedComment,
        5 | 6 if is_wrong => Line::ByteComment,
        7 | 8 if is_wrong => Line::Broken(one_of(random, &BROKEN)),
        _ => loop {
            let (key, value, grade, is_zero) = one_of(random, SAMPLES);
            if grade == Good || (faults > 0 && random.bool()) {
                let delimiter = one_of(random, &["=", " = ", ":", "\t:  "]);
                let text = format!("{key}{delimiter}{value}\n");
                let key = if key == "memory-limit" { "host-memory-limit" } else { key };
                return Line::Assignment(Assignment { key, value, grade, is_zero, text });
            }
        },
    }
}

fn one_of<T: Copy>(random: &mut Rng, from: &[T]) -> T {
    *random.choice(from).expect("a list that is not empty")
}
