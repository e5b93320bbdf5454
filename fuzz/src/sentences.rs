//! Configurations without a fault, made by chance of what the generator's files can say.

use trueno_zram_generator::keys::KEYS;

use crate::common::random::Random;
use crate::configurations::SEPARATOR;

const COMMAND_LINES: [&str; 4] =
    ["quiet", "systemd.zram", "a systemd.zram=yes b", "systemd.zram=0"];
const NAMES: [&str; 4] = ["zram-generator.conf", "10-a.conf", "\u{17c}.conf", "99 z.conf"];

/// Good values of each key that has not just a number.
const VALUES: &[(&str, &[&str])] = &[
    ("zram-size", &["ram / 2", "min(ram / 10, 2048)", "max[1, round(7, ram)]", "ram > 500 && 5"]),
    ("zram-resident-limit", &["0", "ram * 0.25", "-(1 - 2)^2 + 4", "1e3"]),
    ("host-memory-limit", &["none", "9048", "+100000"]),
    ("compression-algorithm", &["zstd", "lz4 zstd(level=3,dict=/a) (type=idle)", "wm", ""]),
    ("writeback-device", &["/dev/sdb1", "/dev/disk/by-label/a b"]),
    ("swap-priority", &["-1", "32767"]),
    ("mount-point", &["/var/x", "/a//b/./c/", "/.\u{17c}u %n", "'/quoted'"]),
    ("fs-type", &["ext4", "xfs"]),
    ("options", &["", "x%y,#z;", "'a' b", "discard,\\\n noatime"]),
    ("zram-fraction", &["0.5", "1e3"]),
    ("max-zram-size", &["none", "100"]),
    ("backend", &["kernel", "ublk"]),
    ("queues", &["1", "32"]),
    ("depth", &["1", "4096"]),
    ("recovery", &["standby", "restart"]),
    ("recompress", &["none", "type=huge_idle threshold=3000"]),
    ("writeback-limit", &["none", "ram"]),
    ("idle-age", &["none", "2h", "30min"]),
    ("maintenance", &["off", "1d"]),
];

/// One, with a command line and up to three files.
#[must_use]
pub fn configuration(random: &mut Random) -> Vec<u8> {
    let mut text = one_of(random, &COMMAND_LINES).to_owned();
    for _ in 0..=random.below(3) {
        text.push(char::from(SEPARATOR));
        text.push_str(one_of(random, &NAMES));
        text.push('\n');
        file(random, &mut text);
    }
    text.into_bytes()
}

fn file(random: &mut Random, text: &mut String) {
    for _ in 0..random.below(3) {
        let variable = one_of(random, &["x", "high"]);
        // Each has a length at which its program can be started: see `configurations`.
        let program = one_of(random, &["12", "ram / 3", "min(1, 2)"]);
        text.push_str(&format!("set!{variable} = {program}\n"));
    }
    for _ in 0..random.below(4) {
        // Mounts are on one directory for one device only.
        let number = random.below(40);
        text.push_str(&format!("[zram{number}]\n"));
        for _ in 0..random.below(5) {
            let key = KEYS[random.below(KEYS.len())].name;
            let values = VALUES.iter().find(|(name, _)| *name == key).map(|(_, values)| *values);
            if key == "mount-point" {
                text.push_str(&format!("mount-point = /at/{number}\nfs-type = ext4\n"));
            } else if key != "fs-type" {
                let delimiter = one_of(random, &["=", " = ", ":", "\t:  "]);
                let value = one_of(random, values.unwrap_or(&["1"]));
                text.push_str(&format!("{key}{delimiter}{value}\n"));
            }
        }
        let rest = ["", "\n", "# a comment = 1\n", "; [zram5]\n", "unknown key = 1\n", "\r\n"];
        text.push_str(one_of(random, &rest));
    }
}

fn one_of<'a>(random: &mut Random, from: &[&'a str]) -> &'a str {
    from[random.below(from.len())]
}
