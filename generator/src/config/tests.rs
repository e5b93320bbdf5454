use std::path::Path;

use proptest::prelude::*;

use super::*;

fn source(name: &str, text: impl Into<Vec<u8>>) -> Source {
    Source { path: Path::new(name).into(), text: Ok(text.into()) }
}

/// Reads these files; programs of `set!` print themselves.
fn configuration(files: &[&str]) -> Configuration {
    let names = (b'a'..).map(|letter| char::from(letter).to_string());
    let sources: Vec<_> = names.zip(files).map(|(name, text)| source(&name, *text)).collect();
    read(&sources, 1000, false, &mut |program| match program {
        "fail" => Ok(Answer { output: b"7".to_vec(), status: 1 }),
        "hang" => Err("not done after 5 s, and killed".to_owned()),
        text => Ok(Answer { output: text.into(), status: 0 }),
    })
}

fn sizes(configuration: &Configuration) -> Vec<(u32, u64)> {
    configuration.devices.iter().map(|device| (device.number, device.disksize >> 20)).collect()
}

fn notes(configuration: &Configuration, level: Level) -> Vec<String> {
    let notes = configuration.notes.iter().filter(|note| note.level == level);
    notes.map(ToString::to_string).collect()
}

#[test]
fn later_lines_win_across_files_and_sections() {
    let configuration = configuration(&[
        "[zram1]\nzram-size=1\n[zram0]\nzram-size=2\n[zram1]\nzram-size=3\n",
        "[zram0]\nzram-size=4\nzram-size=5\n",
    ]);
    assert_eq!(sizes(&configuration), [(0, 5), (1, 3)]);
    assert!(!configuration.notes.reach(Level::Fault));
}

#[test]
fn a_bad_value_costs_its_own_device_only() {
    let configuration = configuration(&[
        "[zram0]\nzram-size=ram /\n[zram1]\nzram-size=1\n[zram2]\nswap-priority=high\n",
    ]);
    assert_eq!(sizes(&configuration), [(1, 1)]);
    assert_eq!(
        notes(&configuration, Level::Fault),
        [
            "a:2: zram0: zram-size = ram /: a number, a name or a parenthesis is missing",
            "a:6: zram2: swap-priority = high: it is a number from -1 to 32767",
        ]
    );
}

#[test]
fn a_bad_value_that_is_replaced_costs_nothing() {
    let configuration = configuration(&["[zram0]\nzram-size=x y\n", "[zram0]\nzram-size=6\n"]);
    assert_eq!(sizes(&configuration), [(0, 6)]);
    assert!(!configuration.notes.reach(Level::Fault));
    assert_eq!(
        notes(&configuration, Level::Warning),
        ["a:2: zram0: zram-size = x y: cannot make sense of `y` (a later line replaces it)"]
    );
}

#[test]
fn a_bad_value_of_ours_costs_the_setting_only() {
    let configuration = configuration(&["[zram0]\nbackend=ublk\nqueues=0\ndepth=32\nidle-age=x\n"]);
    let device = configuration.devices.first().expect("a device");
    assert_eq!((device.ublk.queues, device.ublk.depth), (None, Some(32)));
    assert_eq!(notes(&configuration, Level::Fault).len(), 2);
    assert!(
        notes(&configuration, Level::Error).is_empty(),
        "nothing is asked for that is not done"
    );
    assert!(super::tests::configuration(&["[zram0]\nbackend=cloud\n"]).devices.is_empty());
}

#[test]
fn lines_that_cannot_be_read_cost_their_device() {
    let configuration = configuration(&[
        "=1\n[zram0]\nzram-size=\"1\n[zram1]\nzram-size=2\n[zram2]\nzram-size=\\xzzzz\n[zram3]",
        "[zram4]\nzram-size=4\nnonsense",
    ]);
    assert_eq!(sizes(&configuration), [(1, 2), (3, 500)]);
    let faults = notes(&configuration, Level::Fault);
    let places: Vec<_> = faults.iter().filter_map(|text| text.split(": ").next()).collect();
    assert_eq!(places, ["a:1", "a:3", "a:7", "b:3"]);
}

#[test]
fn variables() {
    let configuration = configuration(&[
        "set!a=2\nset!b=a * 3\nset!c=fail\nset!d=hang\nset!e=what ever\n\
         [zram0]\nzram-size=a+b+c\n[zram1]\nzram-size=d\n[zram2]\nzram-size=e\n",
        "set!a=100\n[zram3]\nzram-size=a\nzram-resident-limit=f\n",
    ]);
    assert_eq!(sizes(&configuration), [(0, 113)]);
    assert_eq!(
        notes(&configuration, Level::Fault),
        [
            "a:4: set!d = hang: not done after 5 s, and killed",
            "a:5: set!e = what ever: the program's output `what ever`: cannot make sense of `ever`",
            "a:9: zram1: zram-size = d: there is no variable or function `d`",
            "a:11: zram2: zram-size = e: there is no variable or function `e`",
            "b:4: zram3: zram-resident-limit = f: there is no variable or function `f`",
        ]
    );
    assert_eq!(
        notes(&configuration, Level::Warning),
        ["a:3: set!c: the program ended with status 1"]
    );
}

#[test]
fn names_of_sections() {
    let configuration = configuration(&[
        "x=1\nget!x=1\n[zram]\n[zram-1]\n[ZRAM0]\n[zram99999999999999999999]\na=1\n\
         [zram01]\n[zram1024]\n[zram18446744073709551615]\n[zram1023]\nb=1\n",
    ]);
    assert_eq!(sizes(&configuration), [(1023, 500)]);
    assert_eq!(notes(&configuration, Level::Warning).len(), 7);
    assert_eq!(
        notes(&configuration, Level::Fault),
        [
            "a:8: section [zram01]: the device is called zram1",
            "a:9: section [zram1024]: device numbers end with 1023",
            "a:10: section [zram18446744073709551615]: device numbers end with 1023",
        ]
    );
}

#[test]
fn sizes_and_limits() {
    for (lines, size) in [
        ("", Some(500)),
        ("zram-size=ram * 4", Some(4000)),
        ("zram-size=0", None),
        ("zram-size=-1", None),
        ("zram-size=0/0", None),
        ("zram-size=2^80", Some(u64::MAX >> 20)),
        ("zram-size=7\nzram-fraction=0.1", Some(100)),
        ("zram-fraction=inf\nmax-zram-size=none", Some(u64::MAX >> 20)),
        ("max-zram-size=17", Some(17)),
        ("max-zram-size=1700", Some(500)),
        ("host-memory-limit=1000", Some(500)),
        ("host-memory-limit=999", None),
        ("memory-limit=999\nhost-memory-limit=none", Some(500)),
        // Too much memory: that the size could not be computed does not matter.
        ("memory-limit=1\nzram-size=nobody", None),
    ] {
        let configuration = configuration(&[&format!("[zram0]\n{lines}\n")]);
        let found = configuration.devices.first().map(|device| device.disksize >> 20);
        assert_eq!(found, size, "{lines}");
        let why = configuration.notes.iter().any(|note| note.device.as_deref() == Some("zram0"));
        assert!(why || size.is_some(), "{lines}: it is told why there is no device");
    }
}

#[test]
fn what_a_device_is_for() {
    for (lines, usage, fs_type) in [
        ("", Some(Usage::Swap { priority: 100 }), "swap"),
        ("fs-type=swap\nswap-priority=-1", Some(Usage::Swap { priority: -1 }), "swap"),
        ("fs-type=ext4", Some(Usage::Plain), "ext4"),
        ("mount-point=/a/", Some(Usage::Mount { point: "/a".to_owned() }), "ext2"),
        ("mount-point=/a\nfs-type=swap", None, ""),
        ("mount-point=a", None, ""),
        ("fs-type=", None, ""),
    ] {
        let configuration = configuration(&[&format!("[zram0]\n{lines}\n")]);
        let device = configuration.devices.first();
        assert_eq!(device.map(|device| device.usage.clone()), usage, "{lines}");
        assert_eq!(device.map_or("", |device| &device.fs_type), fs_type, "{lines}");
    }
}

#[test]
fn one_directory_for_one_device() {
    let configuration =
        configuration(&["[zram2]\nmount-point=/a\n[zram1]\nmount-point=//a/.\n[zram3]\n"]);
    assert_eq!(sizes(&configuration), [(1, 500), (3, 500)]);
    assert_eq!(
        notes(&configuration, Level::Fault),
        ["zram2: not made: its mount-point /a is that of zram1"]
    );
}

#[test]
fn files_that_cannot_be_read_cost_their_lines_only() {
    let mut sources = [source("a", "[zram0]\nzram-size=1\n"), source("b", "")];
    sources[1].text = Err("is not a file".to_owned());
    let configuration = read(&sources, 1000, false, &mut |_| Err(String::new()));
    assert_eq!(sizes(&configuration), [(0, 1)]);
    assert_eq!(notes(&configuration, Level::Fault), ["b: is not a file"]);
}

#[test]
fn bytes_that_are_no_text() {
    let latin1 = b"# gr\xf6\xdfe\n[zram0]\nzram-size=1\n[zram1]\nmount-point=/gr\xfcn\n".to_vec();
    let sources = [source("a", latin1), source("b", "[zram2]\nmount-point=/\u{fffd}\n")];
    let configuration = read(&sources, 1000, false, &mut |_| Err(String::new()));
    assert_eq!(sizes(&configuration), [(0, 1), (2, 500)]);
    assert_eq!(notes(&configuration, Level::Fault), ["a:5: zram1: it is not UTF-8"]);
}

#[test]
fn why_there_is_no_device_is_told() {
    for (files, forced, text, devices) in [
        (&[][..], false, Some("no devices: there is no configuration"), 0),
        (&["# nothing\n"], false, Some("no devices: the configuration has no section [zramN]"), 0),
        (&[], true, None, 1),
    ] {
        let sources: Vec<_> = files.iter().map(|text| source("a", *text)).collect();
        let configuration = read(&sources, 1000, forced, &mut |_| Err(String::new()));
        let infos = notes(&configuration, Level::Info);
        assert_eq!(infos.first().map(String::as_str), text);
        assert_eq!(configuration.devices.len(), devices);
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let sources = [source("a", bytes)];
        drop(read(&sources, 1000, true, &mut |text| Ok(Answer {
            output: text.into(),
            status: 0,
        })));
    }

    #[test]
    fn no_value_panics(key in 0..KEYS.len(), value in "\\PC{0,20}|[0-9a-z()/.,= -]{0,20}") {
        let text = format!("set!v = {value}\n[zram0]\n{} = {value}\n", KEYS[key].name);
        let configuration = configuration(&[&text]);
        for device in &configuration.devices {
            drop(units::of_device(device, "x"));
        }
    }
}

use crate::keys::KEYS;

#[test]
fn the_example_is_right() {
    let text = include_str!("../../../packaging/zram-generator.conf.example");
    let configuration = configuration(&[text]);
    assert_eq!(sizes(&configuration), [(0, 500)]);
    assert_eq!(configuration.notes.iter().count(), 0);
    // Each line that is commented out would be one.
    let all: String = text
        .lines()
        .map(|line| line.strip_prefix('#').unwrap_or(line))
        .fold(String::new(), |text, line| {
            text + if line.starts_with(' ') { "" } else { line } + "\n"
        });
    let configuration = super::tests::configuration(&[&all]);
    assert!(notes(&configuration, Level::Fault).is_empty(), "{:?}", configuration.notes);
    assert_eq!(configuration.devices.len(), 2, "{all}");
}
