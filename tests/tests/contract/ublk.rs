//! Devices of trueno-ublk beside those of the kernel: names, kinds, and that everything works on
//! both in the same way.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};
use sysfs_compat::client::holders::holders;
use sysfs_compat::client::{Device, Root};

use crate::run::{answer, program, run, words};
use crate::system::{System, bare, loaded, one};

/// `zram0` of the kernel, and `zram0` and `zram12` of trueno-ublk, which are `/dev/ublkb3` (with its
/// link) and `/dev/ublkb0` (without).
fn both() -> System {
    one().mirror().ublk(0, 3).link(0, 3).ublk(12, 0)
}

/// As [`both`], and `zram2` of trueno-ublk is not set up.
fn both_and_a_free_one() -> System {
    both().unset_ublk(2)
}

prints! {
    both_kinds_are_listed_the_kernels_first: both(), "" => "\
NAME              ALGORITHM DISKSIZE DATA COMPR TOTAL STREAMS MOUNTPOINT
/dev/zram0        lz4            64M   4M  1.4M  1.5M       2 \n\
/dev/trueno/zram0 wm             64M   4M  1.4M  1.5M       2 \n\
/dev/ublkb0       wm             64M   4M  1.4M  1.5M       2 \n";
    kinds: both(), "--raw -n -o NAME,KIND" =>
        "/dev/zram0 kernel\n/dev/trueno/zram0 ublk\n/dev/ublkb0 ublk\n";
    one_kind: both(), "--kind ublk --raw -n -o NAME" => "/dev/trueno/zram0\n/dev/ublkb0\n";
    the_other_kind: both(), "--kind kernel --raw -n -o NAME" => "/dev/zram0\n";
    no_kernel_devices: bare().mirror().ublk(1, 1), "-n -o NAME" => "/dev/ublkb1\n";
    what_is_not_set_up_is_not_listed: both_and_a_free_one(), "--kind=ublk --raw -n -o NAME" =>
        "/dev/trueno/zram0\n/dev/ublkb0\n";
    ours_in_the_order_of_their_numbers: loaded().mirror().ublk(10, 1).ublk(9, 2).ublk(2, 3),
        "-n -o NAME" => "/dev/ublkb3\n/dev/ublkb2\n/dev/ublkb1\n";
    a_mirror_without_devices: one().mirror(), "-n -o NAME" => "/dev/zram0\n";
    a_directory_that_is_no_mirror: one().ublk(0, 3), "-n -o NAME" => "/dev/zram0\n";
    other_things_in_the_mirror: one().mirror().file("/run/trueno/zram", "")
        .file("/run/trueno/zram01/disksize", "4096\n").file("/run/trueno/x/disksize", "4096\n"),
        "-n -o NAME" => "/dev/zram0\n";

    a_bare_name_is_the_kernels: both(), "--raw -n -o NAME,KIND zram0" => "/dev/zram0 kernel\n";
    ours_by_its_short_name: both(), "--raw -n -o NAME,KIND trueno/zram0" =>
        "/dev/trueno/zram0 ublk\n";
    ours_by_its_link: both(), "--raw -n -o NAME,KIND /dev/trueno/zram0" =>
        "/dev/trueno/zram0 ublk\n";
    ours_by_its_directory: both(), "--raw -n -o NAME,KIND /run/trueno/zram0" =>
        "/dev/trueno/zram0 ublk\n";
    ours_by_its_directory_with_a_slash: both(), "--raw -n -o NAME,KIND /run/trueno/zram0/" =>
        "/dev/trueno/zram0 ublk\n";
    ours_by_its_block_device: both(), "--raw -n -o NAME,KIND,DATA /dev/ublkb3" =>
        "/dev/ublkb3 ublk 4M\n";
    ours_by_its_bare_block_device: both(), "--raw -n -o NAME,KIND,DATA ublkb3" =>
        "/dev/ublkb3 ublk 4M\n";
    without_the_link_the_node_is_named: both(), "--raw -n -o NAME trueno/zram12" =>
        "/dev/ublkb0\n";
    the_link_need_not_be_there: both(), "--raw -n -o NAME /dev/trueno/zram12" => "/dev/ublkb0\n";
    ours_without_a_size_when_named: both_and_a_free_one(), "--raw -n -o NAME,DISKSIZE,KIND \
trueno/zram2" => "/dev/trueno/zram2 0B ublk\n";
    a_ublk_device_of_others: both().file("/dev/ublkb9", "").file("/sys/block/ublkb9/size", "8\n"),
        "--raw -n -o NAME,KIND,DATA ublkb9" => "/dev/ublkb9  \n";
    a_ublk_device_of_others_without_a_mirror: one().file("/dev/ublkb9", "")
        .file("/sys/block/ublkb9/size", "8\n"), "--raw -n -o NAME,KIND ublkb9" => "/dev/ublkb9 \n";
    a_number_that_was_asked_for_is_not_had: one().mirror().unset_ublk(2)
        .mirrored(2, "trueno/ublk_id", "9\n").file("/dev/ublkb9", "")
        .file("/sys/block/ublkb9/size", "8\n"), "--raw -n -o NAME,KIND ublkb9" => "/dev/ublkb9 \n";
    a_partition_is_not_the_device: both().file("/dev/ublkb3p1", "")
        .file("/sys/block/ublkb3p1/size", "8\n"), "--raw -n -o NAME,KIND /dev/ublkb3p1" =>
        "/dev/ublkb3p1 \n";

    ours_is_swap: both().file("/proc/swaps", "Filename Type Size Used Priority\n\
/dev/ublkb3 partition 65532 12 -2\n"), "--kind ublk --raw -n -o NAME,MOUNTPOINT,PRIO,USED" =>
        "/dev/trueno/zram0 [SWAP] -2 12K\n/dev/ublkb0   \n";
    ours_is_mounted: both().file("/proc/mounts", "/dev/ublkb0 /mnt ext4 rw 0 0\n\
/dev/trueno/zram0 /srv ext4 rw 0 0\n"), "--raw -n -o NAME,MOUNTPOINT" =>
        "/dev/zram0 \n/dev/trueno/zram0 /srv\n/dev/ublkb0 /mnt\n";
    idle_pages_are_the_kernels: both().file("/sys/kernel/debug/zram/zram0/block_state",
        "         300    75.033841 .whi..\n"), "--raw -n -o NAME,IDLE" =>
        "/dev/zram0 1\n/dev/trueno/zram0 \n/dev/ublkb0 \n";
}

refuses! {
    a_bare_name_that_only_we_have: both(), "zram12" => "zram12: No such device\n\
        The kernel has no zram12, but trueno-ublk has: type trueno/zram12.";
    a_path_that_only_we_have: both(), "--compact /dev/zram12" => "/dev/zram12: No such device\n\
        The kernel has no zram12, but trueno-ublk has: type trueno/zram12.";
    a_reset_of_a_bare_name_that_only_we_have: both(), "-r zram12" =>
        "zram12: failed to reset: No such device\n\
         The kernel has no zram12, but trueno-ublk has: type trueno/zram12.";
    a_size_for_a_bare_name_that_only_we_have: both_and_a_free_one(), "-s 1M zram2" =>
        "zram2: No such device\nThe kernel has no zram2, but trueno-ublk has: type trueno/zram2.";
    a_name_that_nobody_has: both(), "zram5" => "zram5: No such device";
    a_name_of_ours_that_is_not_there: both(), "trueno/zram5" => "trueno/zram5: No such device";
    a_link_of_ours_that_is_not_there: both(), "-r /dev/trueno/zram5" =>
        "/dev/trueno/zram5: failed to reset: No such device";
    another_file_in_the_mirror: both(), "/run/trueno/zram-control" =>
        "/run/trueno/zram-control: No such device";

    swap_that_could_wait_for_itself: both_and_a_free_one().mirrored(2, "trueno/noswap", "0\n"),
        "-s 1M --swap trueno/zram2" =>
        "/dev/trueno/zram2: failed to swap on it: Operation not supported\n\
         This kernel cannot keep its memory out of swap (noswap, Linux 6.4): it could wait for \
         itself.\n\
         /dev/trueno/zram2 is reset and not set up.";

    kind_of_nothing: one(), "-f --kind ''" => "--kind=: kernel or ublk";
    kind_that_is_none: one(), "--kind zram" => "--kind=zram: kernel or ublk";
    kind_of_a_device_that_is_named: both(), "--kind ublk zram0" =>
        "--kind goes with --find, or with showing all devices";
    kind_of_a_device_to_set_up: both(), "--kind ublk -s 1M zram0" =>
        "--kind goes with --find, or with showing all devices";
    kind_and_an_action: both(), "--compact --kind ublk zram0" =>
        "--kind goes with --find, or with showing all devices";
    kind_and_reset: both(), "-r --kind ublk zram0" => "option --kind does not go with --reset";
    kind_and_size_without_find: both(), "--kind ublk -s 1M" => "no device specified";

    what_ours_cannot_do: both(), "--writeback trueno/zram0" =>
        "/dev/trueno/zram0: failed to write back (idle): No such file or directory\n\
         /dev/trueno/zram0 has no writeback: devices of trueno-ublk cannot do that.";
    set_up_with_what_ours_cannot_do: both_and_a_free_one(), "-s 1M --backing-dev /dev/x \
trueno/zram2" => "/dev/trueno/zram2: failed to set backing device /dev/x: No such file or \
directory\n/dev/trueno/zram2 has no backing_dev: devices of trueno-ublk cannot do that.\n\
        /dev/trueno/zram2 is reset and not set up.";
}

/// Runs it, and looks at attributes in the mirror; what is not mentioned must not be touched.
#[track_caller]
fn writes(system: &System, line: &str, number: u32, expected: &[(&str, &str)]) {
    let kernel = system.path("/sys").is_dir().then(|| system.read(0, "reset"));
    let result = run(system.root(), words(line));
    assert_eq!((result.status, &*result.stderr), (Some(0), ""), "{line}");
    for (attribute, value) in expected {
        let written = system.read_mirrored(number, attribute);
        let start = written.get(..value.len()).unwrap_or(&written);
        assert_eq!(start, *value, "{line}: {attribute}");
        assert!(!value.is_empty() || written.is_empty(), "{line}: {attribute}: {written}");
    }
    let now = system.path("/sys").is_dir().then(|| system.read(0, "reset"));
    assert_eq!(now, kernel, "{line}: the kernel's device of the same number is left alone");
}

macro_rules! writes {
    ($($name:ident: $line:expr => $number:expr, $expected:expr;)*) => {$(
        #[test]
        fn $name() {
            writes(&both_and_a_free_one(), $line, $number, &$expected);
        }
    )*};
}

writes! {
    set_up: "-s 1.5M -a lz4 -t 3 -p level=7 --mem-limit 1M trueno/zram2" => 2, [("reset", "1"),
        ("disksize", "1572864"), ("comp_algorithm", "lz4"), ("max_comp_streams", "3"),
        ("algorithm_params", "level=7"), ("mem_limit", "1048576")];
    set_up_a_live_one: "-s 1M /dev/ublkb3" => 0, [("reset", "1"), ("disksize", "1048576")];
    set_up_a_free_one: "--find --kind ublk --size 8G" => 2, [("reset", "1"),
        ("disksize", "8589934592")];
    reset: "-r trueno/zram0" => 0, [("reset", "1")];
    reset_by_link: "-r /dev/trueno/zram0" => 0, [("reset", "1")];
    reset_by_directory: "-r /run/trueno/zram0" => 0, [("reset", "1")];
    reset_by_node: "-r /dev/ublkb3" => 0, [("reset", "1")];
    reset_without_a_size: "-r trueno/zram2" => 2, [("reset", "1")];
    actions: "--compact --idle --mem-limit 1M --reset-peak trueno/zram0" => 0, [("compact", "1"),
        ("idle", "all"), ("mem_limit", "1048576"), ("mem_used_max", "0")];
}

#[test]
fn a_reset_of_ours_removes_it_from_ours() {
    let system = both();
    writes(&system, "-r trueno/zram12", 12, &[("reset", "1")]);
    let control = |path| fs::read_to_string(system.path(path)).expect("readable");
    assert_eq!(control("/run/trueno/zram-control/hot_remove"), "12");
    assert_eq!(control("/sys/class/zram-control/hot_remove"), "", "the kernel has nothing to do");
}

#[test]
fn both_kinds_on_one_command_line() {
    let system = both();
    let result = run(system.root(), words("--compact zram0 trueno/zram0 /dev/ublkb0"));
    assert_eq!((result.status, &*result.stderr), (Some(0), ""));
    assert_eq!(system.read(0, "compact"), "1");
    assert_eq!([0, 12].map(|number| system.read_mirrored(number, "compact")), ["1", "1"]);
}

#[test]
fn everything_of_ours_in_its_type() {
    let system = loaded().mirror().ublk(0, 3).link(0, 3);
    let result = run(system.root(), ["--json"]);
    let document: Value = serde_json::from_str(&result.stdout).expect("JSON");
    let expected = json!({
        "name": "/dev/trueno/zram0", "disksize": 67108864, "data": 4194304, "compr": 1468006,
        "algorithm": "wm", "streams": 2, "zero-pages": 16, "total": 1572864, "mem-limit": 0,
        "mem-used": 2097152, "migrated": 3, "comp-ratio": 4194304.0 / 1572864.0,
        "mountpoint": null, "kind": "ublk", "huge-pages": 5, "huge-pages-since": 11,
        "backing-dev": null, "bd-count": null, "bd-reads": null, "bd-writes": null,
        "recomp-algorithm": null, "params": null, "prio": null, "used": null, "idle": null,
    });
    assert_eq!(document, json!({"zram": [expected]}));
}

/// Names that the table prints are names that the program takes.
#[test]
fn names_in_the_table_are_taken_back() {
    let system = both();
    for name in run(system.root(), words("-n -o NAME")).stdout.lines() {
        let row = run(system.root(), ["--raw", "-n", "-o", "NAME", name]).stdout;
        assert_eq!(row.trim_end(), name);
    }
}

/// `--find`, with the variable set to that.
#[track_caller]
fn finds(system: &System, variable: Option<&str>, line: &str, stdout: &str) {
    let mut command = program(system.root());
    command.envs(variable.map(|kind| ("TRUENO_ZRAM_KIND", kind))).args(words(line));
    let result = answer(&mut command);
    assert_eq!((&*result.stdout, &*result.stderr), (stdout, ""), "{variable:?} {line}");
    assert_eq!(result.status, Some(0), "{variable:?} {line}");
}

#[test]
fn which_kind_is_found() {
    let with_both = || loaded().device(1, 4096).device(0, 0).mirror().unset_ublk(5);
    let only_ours = || bare().mirror().unset_ublk(5);
    let (kernel, ublk) = ("/dev/zram0\n", "/dev/trueno/zram5\n");
    for (system, variable, line, name) in [
        (with_both(), None, "-f", kernel),
        (with_both(), None, "-f --kind ublk", ublk),
        (with_both(), None, "-f --kind=kernel", kernel),
        (with_both(), Some(""), "-f", kernel),
        (with_both(), Some("ublk"), "-f", ublk),
        (with_both(), Some("kernel"), "-f", kernel),
        (with_both(), Some("ublk"), "-f --kind kernel", kernel),
        (with_both(), Some("nonsense"), "-f --kind ublk", ublk),
        (only_ours(), None, "-f", ublk),
        (only_ours(), None, "-f --kind ublk", ublk),
        (only_ours(), None, "-f -s 1M", ublk),
    ] {
        finds(&system, variable, line, name);
    }
}

#[test]
fn the_variable_is_for_find_only() {
    let system = both();
    for line in ["--raw -n -o NAME zram0", "--kind kernel --raw -n -o NAME"] {
        finds(&system, Some("ublk"), line, "/dev/zram0\n");
        finds(&system, Some("nonsense"), line, "/dev/zram0\n");
    }
    let all = "/dev/zram0\n/dev/trueno/zram0\n/dev/ublkb0\n";
    finds(&system, Some("kernel"), "--raw -n -o NAME", all);
}

#[test]
fn a_bad_variable_is_named() {
    let mut command = program(one().root());
    command.env("TRUENO_ZRAM_KIND", "zram").arg("-f");
    let result = answer(&mut command);
    assert_eq!(result.stderr, "trueno-zramctl: TRUENO_ZRAM_KIND=zram: kernel or ublk\n");
    assert_eq!((result.status, &*result.stdout), (Some(1), ""));
}

/// What is printed is what exists: the link where it is there, the node where it is not.
#[test]
fn the_name_of_what_was_set_up() {
    let free = || {
        let system = loaded().mirror().unset_ublk(4).mirrored(4, "trueno/ublk_id", "6\n");
        system.mirrored(4, "dev", "259:6\n")
    };
    finds(&free(), None, "-f --kind ublk -s 1M", "/dev/ublkb6\n");
    finds(&free().link(4, 6), None, "-f --kind ublk -s 1M", "/dev/trueno/zram4\n");
}

/// The block device is made when `disksize` is written, under whatever number is free by then.
#[test]
fn the_number_is_that_of_the_new_block_device() {
    let system = loaded().mirror().unset_ublk(4).mirrored(4, "dev", "259:0\n");
    let number = system.path("/run/trueno/zram4/trueno/ublk_id");
    fs::remove_file(&number).expect("removed");
    // One file for both: what is written to disksize becomes the number.
    symlink("../disksize", number).expect("a link");
    finds(&system, None, "-f --kind ublk -s 4K", "/dev/ublkb4096\n");
}

#[test]
fn one_that_is_made() {
    // hot_add says 7.
    let system = both().unset_ublk(7).mirrored(7, "disksize", "4096\n");
    finds(&system, None, "-f --kind ublk", "/dev/trueno/zram7\n");
    let result = run(system.root(), words("-f --kind ublk -s 1M --backing-dev /dev/x"));
    let end = "/dev/trueno/zram7, which had been made for this, is removed.\n";
    assert!(result.stderr.ends_with(end), "{}", result.stderr);
    let removed = fs::read_to_string(system.path("/run/trueno/zram-control/hot_remove"));
    assert_eq!(removed.expect("readable"), "7");
}

#[test]
fn without_trueno_ublk_it_is_said_what_to_start() {
    let system = one();
    let control = system.path("/run/trueno/zram-control");
    let hint = format!(
        "There is no {}: trueno-ublk does not run; start it with 'systemctl start trueno-ublk', \
         or 'trueno-ublk serve'.",
        control.display()
    );
    for (line, complaint) in [
        ("-f --kind ublk", "no free zram device found: No such file or directory"),
        ("-f --kind ublk -s 8G", "no free zram device found: No such file or directory"),
        ("trueno/zram0", "trueno/zram0: No such device"),
        ("-r /dev/trueno/zram0", "/dev/trueno/zram0: failed to reset: No such device"),
    ] {
        crate::run::refuses(system.root(), line, &format!("{complaint}\n{hint}"));
    }
    crate::run::refuses(system.root(), "zram9", "zram9: No such device");
}

/// Whatever name the system has for it: who holds the block device holds ours.
#[test]
fn who_holds_ours() {
    let system = both()
        .file("/proc/swaps", "Filename Type Size Used Priority\n/dev/ublkb3 partition 8 0 -2\n")
        .file("/proc/mounts", "/dev/ublkb3 /srv ext4 rw 0 0\n/dev/ublkb0 /mnt xfs rw 0 0\n")
        .file("/sys/block/ublkb3/holders/dm-1", "")
        .file("/sys/block/ublkb0/holders/dm-2", "")
        .file("/sys/block/loop4/loop/backing_file", "/dev/ublkb3\n")
        .file("/proc/4194999/comm", "fio\n");
    fs::create_dir(system.path("/proc/4194999/fd")).expect("a directory");
    symlink("/dev/ublkb3", system.path("/proc/4194999/fd/3")).expect("a link");
    symlink("/dev/zram0", system.path("/proc/4194999/fd/4")).expect("a link");
    let held = |name: &str| -> Vec<String> {
        let root = Root::new(system.root());
        let device = Device::find(&root, OsStr::new(name)).expect("a device");
        holders(&device).iter().map(ToString::to_string).collect()
    };
    let expected = [
        "it is in use as swap",
        "it is mounted on /srv",
        "/dev/dm-1 is built on it",
        "/dev/loop4 is built on it",
        "process 4194999 (fio) has it open",
    ];
    for name in ["trueno/zram0", "/dev/ublkb3"] {
        assert_eq!(held(name), expected, "{name}");
    }
    assert_eq!(held("trueno/zram12"), ["it is mounted on /mnt", "/dev/dm-2 is built on it"]);
    assert_eq!(held("zram0"), ["process 4194999 (fio) has it open"]);
}

#[test]
fn an_unknown_algorithm_of_ours() {
    // A directory takes no name of an algorithm.
    let system = both_and_a_free_one();
    let attribute = system.path("/run/trueno/zram2/comp_algorithm");
    fs::remove_file(&attribute).expect("removed");
    fs::create_dir(&attribute).expect("made");
    let result = run(system.root(), words("-s 1M -a x trueno/zram2"));
    let start = "trueno-zramctl: /dev/trueno/zram2: failed to set algorithm: Is a directory\n";
    assert!(result.stderr.starts_with(start), "{}", result.stderr);
}

/// Prints these lines, with the root in place of `ROOT`.
#[track_caller]
fn plans(line: &str, expected: &[&str]) {
    let system = both_and_a_free_one();
    let mut arguments = words(line);
    arguments.push("--dry-run".to_owned());
    let result = run(system.root(), arguments);
    let root = system.root().display().to_string();
    let lines: Vec<_> = result.stdout.lines().map(|line| line.replace(&root, "ROOT")).collect();
    assert_eq!(lines, expected, "{line}: {}", result.stderr);
}

#[test]
fn dry_runs() {
    plans(
        "-r trueno/zram0",
        &["printf %s 1 > ROOT/run/trueno/zram0/reset && \
        printf %s 0 > ROOT/run/trueno/zram-control/hot_remove"],
    );
    plans("--compact /dev/ublkb3", &["set -e", "printf %s 1 > ROOT/run/trueno/zram0/compact"]);
    plans(
        "-f --kind ublk -s 1M --swap",
        &[
            "set -e",
            "printf %s 1 > ROOT/run/trueno/zram2/reset",
            "grep -qx 1 ROOT/run/trueno/zram2/trueno/noswap",
            "printf %s 1048576 > ROOT/run/trueno/zram2/disksize",
            "mkswap ROOT/dev/trueno/zram2",
            "swapon --discard ROOT/dev/trueno/zram2",
            "echo ROOT/dev/trueno/zram2",
        ],
    );
    let system = both();
    let result = run(system.root(), words("-f --kind ublk -s 1M --dry-run"));
    let root = system.root().display();
    assert_eq!(
        result.stdout,
        format!(
            "set -e\n\
        N=$(cat {root}/run/trueno/zram-control/hot_add)\n\
        printf %s 1 > {root}/run/trueno/zram$N/reset\n\
        printf %s 1048576 > {root}/run/trueno/zram$N/disksize\n\
        echo {root}/dev/trueno/zram$N\n"
        )
    );
}
