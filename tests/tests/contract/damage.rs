//! Systems that are not as they should be: what can be shown is shown, what cannot is said, and the
//! exit status tells.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use crate::run::{Answer, prints, program, refuses, run, words};
use crate::system::{System, loaded, one};

/// Prints that, and complains about that file, and fails.
#[track_caller]
fn complains(system: &System, line: &str, stdout: &str, stderr: &str) {
    let answer = run(system.root(), words(line));
    let stderr = format!("trueno-zramctl: {stderr}\n");
    let stderr = stderr.replace("ROOT", &system.root().display().to_string());
    assert_eq!(answer, Answer { status: Some(1), stdout: stdout.to_owned(), stderr }, "{line}");
}

#[test]
fn an_unreadable_attribute_costs_its_cell_only() {
    let system = one().unreadable(0, "comp_algorithm");
    complains(
        &system,
        "--raw -n -o NAME,ALGORITHM,DATA",
        "/dev/zram0  4M\n",
        "cannot read ROOT/sys/block/zram0/comp_algorithm: Is a directory",
    );
    prints(system.root(), "--raw -n -o NAME,DATA", "/dev/zram0 4M\n");
}

#[test]
fn an_unreadable_file_is_complained_about_once() {
    let system = one().unreadable(0, "mm_stat");
    let complaint = "cannot read ROOT/sys/block/zram0/mm_stat: Is a directory";
    complains(&system, "--raw -n -o NAME,DATA,COMPR,TOTAL", "/dev/zram0   \n", complaint);
}

#[test]
fn garbage_in_mm_stat() {
    for garbage in
        ["a b c d e f g", "1 2 3 4 5 6 -7", "1 2 3 4 5 6 7x", "99999999999999999999 2 3 4 5 6 7"]
    {
        let system = one().attribute(0, "mm_stat", format!("{garbage}\n"));
        let complaint = format!("Failed to parse mm_stat: '{garbage}'");
        complains(&system, "--raw -n -o NAME,DATA", "/dev/zram0 \n", &complaint);
        complains(&system, "--raw -n zram0 -o NAME,DATA", "/dev/zram0 \n", &complaint);
    }
}

#[test]
fn one_broken_device_does_not_hide_the_others() {
    let system = one().attribute(0, "mm_stat", "x x x x x x x\n").device(1, 1 << 20);
    let answer = run(system.root(), words("-n -o NAME,DATA"));
    let mut rows: Vec<_> = answer.stdout.lines().collect();
    rows.sort_unstable();
    assert_eq!(rows, ["/dev/zram0 ", "/dev/zram1   4M"]);
    assert_eq!(answer.status, Some(1));
}

#[test]
fn broken_devices_are_in_the_json_too() {
    let system = one().attribute(0, "mm_stat", "x x x x x x x\n");
    let answer = run(system.root(), words("--json -o NAME,DATA"));
    let document: serde_json::Value = serde_json::from_str(&answer.stdout).expect("JSON");
    assert_eq!(document, serde_json::json!({"zram": [{"name": "/dev/zram0", "data": null}]}));
    assert_eq!(answer.status, Some(1));
}

prints! {
    an_unreadable_write_only_attribute_is_just_empty: one().unreadable(0, "algorithm_params"),
        "--raw -n -o PARAMS,NAME" => " /dev/zram0\n";
    a_node_without_a_device_is_not_listed: one().file("/dev/zram5", ""), "-n -o NAME" =>
        "/dev/zram0\n";
    names_that_only_look_similar_are_not_listed: one().file("/dev/zram", "").file("/dev/zramx", "")
        .file("/dev/zram-control", "").file("/dev/zram01", ""), "-n -o NAME" => "/dev/zram0\n";
    garbage_in_disksize_is_not_set_up: one().device(1, 0).attribute(1, "disksize", "lots\n"),
        "-n -o NAME" => "/dev/zram0\n";
    garbage_in_disksize_is_not_free_either: one().device(1, 0).attribute(1, "disksize", "lots\n")
        .device(2, 0), "-f" => "/dev/zram2\n";
    an_unreadable_disksize_is_not_free: one().device(1, 0).unreadable(1, "disksize").device(2, 0),
        "-f" => "/dev/zram2\n";
    a_device_of_another_kind_is_not_free: one().file("/dev/zram1", "")
        .file("/sys/block/zram1/size", "0\n").device(2, 0), "-f" => "/dev/zram2\n";
    the_lowest_free_one_is_found: one().device(9, 0).device(1, 4096).device(2, 0), "-f" =>
        "/dev/zram2\n";
    a_device_is_made_behind_the_last: one().device(1, 4096).device(7, 0), "-f" => "/dev/zram7\n";
    garbage_in_swaps_is_no_swap: one().file("/proc/swaps", "x\n/dev/zram0\n\n/dev/zram0 p x y z\n"),
        "--raw -n -o NAME,PRIO,MOUNTPOINT" => "/dev/zram0  \n";
}

refuses! {
    no_dev_directory: no_dev(), "" => "cannot open /dev/: No such file or directory";
    garbage_in_hot_add: loaded().file("/sys/class/zram-control/hot_add", "x\n"), "-f" =>
        "no free zram device found: Invalid argument";
}

fn no_dev() -> System {
    let system = loaded();
    fs::remove_dir_all(system.path("/dev")).expect("removed");
    system
}

/// What a listing sees when a device is removed meanwhile.
#[test]
fn a_device_that_vanishes_is_not_listed() {
    let system = one().file("/dev/zram1", "");
    symlink("../devices/virtual/block/zram1", system.path("/sys/block/zram1")).expect("a link");
    prints(system.root(), "-n -o NAME", "/dev/zram0\n");
    refuses(system.root(), "zram1", "zram1: No such device");
}

/// A device that the kernel has made is not left behind when it cannot be found.
#[test]
fn a_new_device_without_a_node_is_removed_again() {
    let system = loaded();
    let answer = run(system.root(), words("-f"));
    assert_eq!((answer.status, &*answer.stdout), (Some(1), ""));
    assert!(answer.stderr.starts_with("trueno-zramctl: no free zram device found: No such device"));
    let removed = fs::read_to_string(system.path("/sys/class/zram-control/hot_remove"));
    assert_eq!(removed.expect("readable"), "7");
}

#[test]
fn names_that_are_not_text_are_repeated_byte_for_byte() {
    let system = one();
    let name = OsStr::from_bytes(b"zram\xff");
    for arguments in [vec![name], vec!["--compact".as_ref(), name]] {
        let output = program(system.root()).args(&arguments).output().expect("it starts");
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert_eq!(output.stderr, b"trueno-zramctl: zram\xff: No such device\n", "{arguments:?}");
    }
    let device = OsStr::from_bytes(b"/dev/\xff");
    fs::write(system.root().join(OsStr::from_bytes(b"dev/\xff")), "").expect("a file");
    fs::create_dir(system.root().join(OsStr::from_bytes(b"sys/block/\xff"))).expect("made");
    let command = &mut program(system.root());
    let output = command.args(["--raw", "-n", "-o", "NAME"]).arg(device).output().expect("starts");
    assert_eq!(output.stdout, b"/dev/\\xff\n");
}

#[test]
fn sizes_and_options_that_are_not_text() {
    let system = one();
    for (arguments, stderr) in [
        (vec![&b"-s"[..], b"1\xff"], &b"failed to parse size: '1\xff': Invalid argument\n"[..]),
        (vec![b"-t", b"\xff"], b"failed to parse streams: '\xff'\n"),
        (vec![b"-o", b"\xff"], b"unknown column: \xff\n--help lists the columns.\n"),
    ] {
        let arguments = arguments.into_iter().map(OsStr::from_bytes);
        let output = program(system.root()).args(arguments).output().expect("it starts");
        assert_eq!(output.stderr, [b"trueno-zramctl: ", stderr].concat());
    }
}
