//! `--json`: everything there is to know, in types that a program can use.

use serde_json::{Value, json};

use crate::run::{run, words};
use crate::system::{System, bare, one, one_and_a_free_one};

#[track_caller]
fn devices(system: &System, line: &str) -> Vec<Value> {
    let answer = run(system.root(), words(line));
    assert_eq!((answer.status, &*answer.stderr), (Some(0), ""), "{line}");
    let document: Value = serde_json::from_str(&answer.stdout).expect("JSON");
    let Value::Object(mut document) = document else { panic!("no object: {document}") };
    let Some(Value::Array(devices)) = document.remove("zram") else { panic!("no list") };
    assert!(document.is_empty(), "nothing else: {document:?}");
    devices
}

#[test]
fn everything_in_its_type() {
    let [device] = &*devices(&one(), "--json") else { panic!("one device") };
    let expected = json!({
        "name": "/dev/zram0", "disksize": 67108864, "data": 4194304, "compr": 1468006,
        "algorithm": "lz4", "streams": 2, "zero-pages": 16, "total": 1572864, "mem-limit": 0,
        "mem-used": 2097152, "migrated": 3, "comp-ratio": 4194304.0 / 1572864.0,
        "mountpoint": null, "kind": "kernel", "huge-pages": 5, "huge-pages-since": 11,
        "backing-dev": null, "bd-count": null, "bd-reads": null, "bd-writes": null,
        "recomp-algorithm": null, "params": null, "prio": null, "used": null, "idle": null,
    });
    assert_eq!(device, &expected);
}

#[test]
fn numbers_stay_numbers_whatever_the_size() {
    let mm_stat = "18446744073709551615 0 0 0 0 0 0";
    let system = one().attribute(0, "mm_stat", mm_stat);
    let [device] = &*devices(&system, "-J") else { panic!("one device") };
    assert_eq!(device["data"], json!(u64::MAX));
    assert_eq!(device["comp-ratio"], Value::Null, "infinity is no JSON number");
}

#[test]
fn what_the_kernel_does_not_tell_is_null() {
    let system = one().without(0, "max_comp_streams").without(0, "comp_algorithm");
    let [device] = &*devices(&system, "-J") else { panic!("one device") };
    assert_eq!((&device["streams"], &device["algorithm"]), (&Value::Null, &Value::Null));
}

#[test]
fn no_device_is_an_empty_list() {
    assert_eq!(devices(&bare(), "--json"), [Value::Null; 0]);
}

/// Instead of its name.
#[test]
fn a_device_that_was_set_up() {
    for line in ["-f -s 1M --json", "-s 1M --json zram1"] {
        let [device] = &*devices(&one_and_a_free_one(), line) else { panic!("one device") };
        let told = (&device["name"], &device["disksize"], &device["kind"]);
        assert_eq!(told, (&json!("/dev/zram1"), &json!(1 << 20), &json!("kernel")), "{line}");
    }
    let system = one().mirror().unset_ublk(2);
    let [device] = &*devices(&system, "-f --kind ublk -s 1M --json") else { panic!("one device") };
    let told = (&device["name"], &device["disksize"], &device["kind"]);
    assert_eq!(told, (&json!("/dev/trueno/zram2"), &json!(1 << 20), &json!("ublk")));
}

#[test]
fn one_device_is_a_list_of_one() {
    let system = one_and_a_free_one();
    assert_eq!(devices(&system, "--json zram1 -o NAME"), [json!({"name": "/dev/zram1"})]);
}

#[test]
fn keys_come_once_in_the_order_of_the_columns() {
    let answer = run(one().root(), words("--json -o TOTAL,NAME,TOTAL"));
    let text = answer.stdout.split_whitespace().collect::<String>();
    assert_eq!(text, r#"{"zram":[{"total":1572864,"name":"/dev/zram0"}]}"#);
}

#[test]
fn bytes_and_headings_make_no_difference() {
    let system = one();
    let plain = run(system.root(), ["--json"]);
    assert_eq!(run(system.root(), words("--json -b -n --color")), plain);
}

#[test]
fn text_is_escaped() {
    let mounts = "/dev/zram0 /mnt/a\\134b\"c\\012d ext4 rw 0 0\n";
    let system = one().file("/proc/mounts", mounts);
    let [device] = &*devices(&system, "-J -o MOUNTPOINT") else { panic!("one device") };
    assert_eq!(device["mountpoint"], json!("/mnt/a\\b\"c\nd"));
}

#[test]
fn a_swap() {
    let swaps = "Filename Type Size Used Priority\n/dev/zram0 partition 65532 12 -2\n";
    let system = one().file("/proc/swaps", swaps);
    let [device] = &*devices(&system, "-J -o MOUNTPOINT,PRIO,USED") else { panic!("one device") };
    assert_eq!(device, &json!({"mountpoint": "[SWAP]", "prio": -2, "used": 12288}));
}

#[test]
fn numbers_do_not_follow_the_locale() {
    let system = one();
    let mut command = crate::run::program(system.root());
    command.env("LC_ALL", "de_DE.UTF-8").arg("--json");
    let text = crate::run::answer(&mut command).stdout;
    assert!(serde_json::from_str::<Value>(&text).is_ok(), "{text}");
}
