//! Every intended difference from zram-generator, as a rewriting of a configuration into one of
//! which zram-generator makes what ours makes of the original. The manual page lists the same, which
//! [`are_in_the_manual_page`] sees to.

use std::collections::BTreeSet;
use std::fs;

use libtest_mimic::Failed;

use crate::tree::{At, Configuration, Content, Grade, Line, Output, Place, STOCK};

/// One of them.
#[derive(Clone, Copy)]
pub(crate) struct Difference {
    pub(crate) name: &'static str,
    /// The manual page's words for it.
    pub(crate) page: &'static str,
    /// Whether zram-generator ends with an error, and makes nothing at all.
    pub(crate) stops_the_peer: bool,
    /// Whether ours ends with an error, after it has made all the rest.
    pub(crate) is_fault: bool,
    /// Takes out what differs. Tells whether there was something.
    pub(crate) rewrite: fn(&mut Configuration) -> bool,
}

/// Differences that the trees do not show, in the manual page's words: these are about devices being set
/// up, about modules and containers, and about what is said.
const BEYOND: [&str; 5] = [
    "Parameters of algorithms go to the attribute algorithm_params",
    "Containers are told by what systemd says of them",
    "An algorithm's module is not asked for if zram offers the algorithm already",
    "zswap in front of compressed swap is warned about",
    "It is always said why no device is made",
];

/// The manual page, and the section of it that lists the differences.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../man/trueno-zram-generator.8");
const SECTION: &str = ".SH \"DIFFERENCES FROM ZRAM-GENERATOR\"\n";

/// The list. The order counts: each sees what those before it have left.
pub(crate) const DIFFERENCES: [Difference; 12] = [
    Difference {
        name: "a main file that is none costs what is in it",
        page: "A main file that is none, or cannot be read, costs what is in it.",
        stops_the_peer: true,
        is_fault: true,
        rewrite: |configuration| match configuration.main() {
            Some(path) if is_directory(configuration, &path) => {
                configuration.content.insert(path, Content::Lines(Vec::new()));
                true
            }
            _ => false,
        },
    },
    Difference {
        name: "an indented comment is a comment",
        page: "A comment may be indented",
        stops_the_peer: true,
        is_fault: false,
        rewrite: |configuration| {
            remove(configuration, |_, line| matches!(line, Line::IndentedComment))
        },
    },
    Difference {
        name: "comments may be in any encoding",
        page: "A comment may be indented, and in any encoding.",
        stops_the_peer: true,
        is_fault: false,
        rewrite: |configuration| remove(configuration, |_, line| matches!(line, Line::ByteComment)),
    },
    Difference {
        name: "a line that cannot be read costs its device",
        page: "or a line that cannot be read, costs the device that it is about.",
        stops_the_peer: true,
        is_fault: true,
        rewrite: |configuration| {
            let lines = configuration.lines();
            let broken = lines.iter().filter(|(.., line)| matches!(line, Line::Broken(_)));
            let places: Vec<_> = broken.map(|(_, place, _)| *place).collect();
            remove(configuration, |_, line| matches!(line, Line::Broken(_)));
            for place in &places {
                if let Place::Device(device) = place {
                    configuration.remove_device(device);
                }
            }
            !places.is_empty()
        },
    },
    Difference {
        name: "names that the kernel gives to no device are refused",
        page: "Names that the kernel gives to no device (zram007, zram+1), and numbers above 1023",
        stops_the_peer: false,
        is_fault: true,
        rewrite: |configuration| {
            remove_devices(configuration, |_, device| {
                let digits = device.trim_start_matches("zram");
                let number = digits.parse().ok().filter(|&number: &u64| number < 1024);
                number.is_none_or(|number| number.to_string() != digits)
            })
        },
    },
    Difference {
        name: "a program without an answer costs the devices that need it",
        page: "A program of set! that prints nothing useful",
        stops_the_peer: true,
        is_fault: true,
        rewrite: unset,
    },
    Difference {
        name: "a bad value of ours costs the setting",
        page: "A bad value of a key that zram-generator does not know costs the setting",
        stops_the_peer: false,
        is_fault: true,
        rewrite: |configuration| {
            let devices = configuration.devices();
            let is_bad = |device: &&str, key: &str| {
                let value = configuration.value(device, key);
                value.is_some_and(|value| value.grade == Grade::BadOfOurs)
            };
            devices.iter().any(|device| is_bad(device, "queues") || is_bad(device, "idle-age"))
        },
    },
    Difference {
        name: "a bad value that is replaced costs nothing",
        page: "A bad value that a later line replaces costs nothing.",
        stops_the_peer: true,
        is_fault: false,
        rewrite: |configuration| {
            let mut replaced = BTreeSet::new();
            for device in configuration.devices() {
                for key in STOCK {
                    let mut lines = configuration.assigned(device, key);
                    lines.pop();
                    let bad = lines.into_iter().filter(|(_, line)| line.grade == Grade::Bad);
                    replaced.extend(bad.map(|(at, _)| at));
                }
            }
            configuration.remove(&replaced);
            !replaced.is_empty()
        },
    },
    Difference {
        name: "a bad value costs its device",
        page: "A bad value, or a line that cannot be read, costs the device",
        stops_the_peer: true,
        is_fault: true,
        rewrite: |configuration| {
            remove_devices(configuration, |configuration, device| {
                STOCK.iter().any(|key| {
                    let grade = configuration.value(device, key).map(|value| value.grade);
                    let is_evaluated = !configuration.is_skipped(device)
                        && (*key != "zram-size" || !configuration.has_fraction(device));
                    grade == Some(Grade::Bad)
                        || (grade == Some(Grade::BadToEvaluate) && is_evaluated)
                })
            })
        },
    },
    Difference {
        name: "a value that cannot work costs its device",
        page: "in values that go into units; a file system without a name; swap with a mount point",
        stops_the_peer: false,
        is_fault: true,
        rewrite: |configuration| {
            remove_devices(configuration, |configuration, device| {
                let is_hopeless = |key: &&str| {
                    let value = configuration.value(device, key);
                    value.is_some_and(|value| value.grade == Grade::Hopeless)
                };
                let is_swap = configuration
                    .value(device, "fs-type")
                    .is_some_and(|value| value.value == "swap");
                STOCK.iter().any(is_hopeless)
                    || (is_swap && configuration.value(device, "mount-point").is_some())
            })
        },
    },
    Difference {
        name: "one directory is for one device",
        page: "A directory that another device is mounted on.",
        stops_the_peer: true,
        is_fault: true,
        rewrite: |configuration| {
            let mut devices: Vec<_> = configuration.devices().into_iter().collect();
            devices.sort_by_key(|device| device.trim_start_matches("zram").parse::<u64>().ok());
            let mut taken = BTreeSet::new();
            let mut late = Vec::new();
            for device in devices.into_iter().filter(|device| configuration.is_made(device)) {
                let point = configuration.value(device, "mount-point");
                if point.is_some_and(|point| !taken.insert(point.value)) {
                    late.push(device);
                }
            }
            late.iter().for_each(|device| configuration.remove_device(device));
            !late.is_empty()
        },
    },
    Difference {
        name: "a % in a directory is a %",
        page: "A percent sign in a mount point is doubled in the unit",
        stops_the_peer: false,
        is_fault: false,
        // It is put right in what the peer writes.
        rewrite: |configuration| {
            let devices = configuration.devices();
            let mut made = devices.iter().filter(|device| configuration.is_made(device));
            made.any(|device| {
                let point = configuration.value(device, "mount-point");
                point.is_some_and(|point| point.value.contains('%'))
            })
        },
    },
];

/// Each difference has its words in the manual page, and the page lists nothing else.
pub(crate) fn are_in_the_manual_page() -> Result<(), Failed> {
    let items = items(&fs::read_to_string(PAGE)?).ok_or("the page has no such section")?;
    let has = |words: &str| items.iter().any(|item| item.contains(words));
    if let Some(missing) = DIFFERENCES.iter().find(|difference| !has(difference.page)) {
        let Difference { name, page, .. } = missing;
        return Err(format!("{PAGE} does not list that {name}: no item says `{page}`").into());
    }
    let words = || DIFFERENCES.iter().map(|difference| difference.page).chain(BEYOND);
    match items.iter().find(|item| !words().any(|words| item.contains(words))) {
        Some(item) => Err(format!("nothing here is what {PAGE} lists: {item}").into()),
        None => Ok(()),
    }
}

/// The items of the section, each in one line without the marks of man(7).
fn items(page: &str) -> Option<Vec<String>> {
    let section = page.split_once(SECTION)?.1.split("\n.SH ").next()?;
    let items = section.split(".IP \\(bu 2\n").skip(1);
    let text = items.map(|item| {
        let item = item.split("\n.PP").next().unwrap_or(item);
        let fonts = item.replace("\\fB", "").replace("\\fI", "").replace("\\fR", "");
        fonts.replace("\\-", "-").replace("\\*(Aq", "'").replace('\n', " ")
    });
    Some(text.collect())
}

fn is_directory(configuration: &Configuration, path: &str) -> bool {
    matches!(configuration.content.get(path), Some(Content::Directory))
}

/// Removes the lines of that sort.
fn remove(configuration: &mut Configuration, is_wrong: impl Fn(Place, &Line) -> bool) -> bool {
    let lines = configuration.lines().into_iter();
    let wrong = lines.filter(|(_, place, line)| is_wrong(*place, line)).map(|(at, ..)| at);
    let wrong: BTreeSet<At> = wrong.collect();
    configuration.remove(&wrong);
    !wrong.is_empty()
}

/// Removes the devices of that sort.
fn remove_devices(
    configuration: &mut Configuration,
    is_wrong: impl Fn(&Configuration, &str) -> bool,
) -> bool {
    let devices = configuration.devices().into_iter();
    let wrong: Vec<_> = devices.filter(|device| is_wrong(configuration, device)).collect();
    wrong.iter().for_each(|device| configuration.remove_device(device));
    !wrong.is_empty()
}

/// A program's failure takes its variable away, whatever has set it before; and an expression that
/// needs the variable is one that cannot be evaluated.
fn unset(configuration: &mut Configuration) -> bool {
    let mut set: Vec<(At, &'static str)> = Vec::new();
    let mut wrong = BTreeSet::new();
    let mut uses = BTreeSet::new();
    for (at, place, line) in configuration.lines() {
        let Line::Set { variable, output, .. } = line else { continue };
        assert_eq!(place, Place::Top);
        let has_x = set.iter().any(|(_, name)| *name == "x");
        if output == Output::UsesX {
            uses.insert(at.clone());
        }
        if output == Output::Number || (output == Output::UsesX && has_x) {
            set.push((at, variable));
            continue;
        }
        wrong.insert(at);
        wrong.extend(set.extract_if(.., |(_, name)| *name == variable).map(|(at, _)| at));
    }
    let has_x = set.iter().any(|(_, name)| *name == "x");
    if !wrong.is_empty() {
        // What could use `x` while there was one keeps its value.
        configuration.settle(&uses);
    }
    configuration.remove(&wrong);
    if !has_x {
        spoil(configuration);
    }
    !wrong.is_empty()
}

/// Without `x`, what uses it is bad.
fn spoil(configuration: &mut Configuration) {
    for content in configuration.content.values_mut() {
        let Content::Lines(lines) = content else { continue };
        for line in lines {
            if let Line::Assignment(assignment) = line
                && ["x", "'max(x, 1)'"].contains(&assignment.value)
            {
                assignment.grade = Grade::BadToEvaluate;
            }
        }
    }
}
