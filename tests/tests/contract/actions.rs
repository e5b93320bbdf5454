//! What is written where. Regular files keep what was written to them last; that the order is right
//! is shown by `dry_run`, and on real devices.

use std::fs;

use crate::run::{run, words};
use crate::system::{System, loaded, one, one_and_a_free_one};

/// Runs it, and looks at the attributes of the device.
#[track_caller]
fn writes(system: &System, line: &str, number: u32, expected: &[(&str, &str)]) {
    let answer = run(system.root(), words(line));
    assert_eq!((answer.status, &*answer.stderr), (Some(0), ""), "{line}");
    for (attribute, value) in expected {
        let written = system.read(number, attribute);
        let start = written.get(..value.len()).unwrap_or(&written);
        assert_eq!(start, *value, "{line}: {attribute}");
        assert!(!value.is_empty() || written.is_empty(), "{line}: {attribute}: {written}");
    }
}

macro_rules! writes {
    ($($name:ident: $system:expr, $line:expr => $number:expr, $expected:expr;)*) => {$(
        #[test]
        fn $name() {
            writes(&$system, $line, $number, &$expected);
        }
    )*};
}

/// A device with every attribute there is, empty, and not set up.
fn empty() -> System {
    let names = [
        "max_comp_streams",
        "comp_algorithm",
        "algorithm_params",
        "recomp_algorithm",
        "recompress",
        "writeback",
        "writeback_limit",
        "writeback_limit_enable",
        "backing_dev",
        "mem_limit",
        "mem_used_max",
        "compact",
        "idle",
        "reset",
    ];
    let system = loaded().device(0, 0);
    names.into_iter().fold(system, |system, name| system.attribute(0, name, ""))
}

writes! {
    set_up: empty(), "-s 1M zram0" => 0, [("reset", "1"), ("disksize", "1048576"),
        ("comp_algorithm", ""), ("max_comp_streams", ""), ("mem_limit", "")];
    set_up_a_free_one: one_and_a_free_one(), "-f -s 4K" => 1, [("reset", "1"), ("disksize", "4096")];
    set_up_one_that_is_made: loaded().device(7, 0), "-f -s 4K" => 7, [("disksize", "4096")];
    set_up_in_full: empty(), "-s 1.5M -a lz4 -t 3 -p level=7 zram0" => 0, [("reset", "1"),
        ("disksize", "1572864"), ("comp_algorithm", "lz4"), ("max_comp_streams", "3"),
        ("algorithm_params", "level=7")];
    set_up_with_what_zramctl_lacks: empty(), "-s 1M --mem-limit 64K --backing-dev /dev/x \
--writeback-limit 9K --recompress-algorithm zstd:2 zram0" => 0, [("mem_limit", "65536"),
        ("backing_dev", "/dev/x"), ("writeback_limit", "2"), ("writeback_limit_enable", "1"),
        ("recomp_algorithm", "algo=zstd priority=2")];
    set_up_with_streams_zero: empty(), "-s 1M -t 0 zram0" => 0, [("max_comp_streams", "")];
    set_up_without_streams_in_the_kernel: empty().without(0, "max_comp_streams"), "-s 1M -t 3 zram0"
        => 0, [("disksize", "1048576")];
    an_algorithm_is_not_checked: empty(), "-s 1M -a 'what ever' zram0" => 0,
        [("comp_algorithm", "what ever")];
    a_live_one_is_reset_first: one(), "-s 1M zram0" => 0, [("reset", "1"), ("disksize", "1048576")];
    reset: one(), "-r zram0" => 0, [("reset", "1")];
    memory_limit: empty(), "--mem-limit 1.5K zram0" => 0, [("mem_limit", "1536"), ("disksize", "0\n")];
    no_memory_limit: empty(), "--mem-limit 0 zram0" => 0, [("mem_limit", "0")];
    compact: empty(), "--compact zram0" => 0, [("compact", "1")];
    idle: empty(), "--idle zram0" => 0, [("idle", "all")];
    idle_by_age: empty(), "--idle=3600 zram0" => 0, [("idle", "3600")];
    recompress: empty(), "--recompress zram0" => 0, [("recompress", "\n")];
    recompress_a_type: empty(), "--recompress=huge_idle zram0" => 0, [("recompress", "type=huge_idle")];
    recompress_as_asked: empty(), "--recompress='algo=zstd threshold=3000' zram0" => 0,
        [("recompress", "algo=zstd threshold=3000")];
    write_back: empty(), "--writeback zram0" => 0, [("writeback", "idle")];
    write_back_a_type: empty(), "--writeback=huge zram0" => 0, [("writeback", "huge")];
    write_back_a_page: empty(), "--writeback=page_index=3 zram0" => 0, [("writeback", "page_index=3")];
    reset_the_peak: empty(), "--reset-peak zram0" => 0, [("mem_used_max", "0")];
    several_actions: empty(), "--compact --idle --mem-limit 1M zram0" => 0,
        [("compact", "1"), ("idle", "all"), ("mem_limit", "1048576")];
}

prints! {
    find_and_set_up_prints_the_name: one_and_a_free_one(), "-f -s 1M" => "/dev/zram1\n";
    set_up_prints_nothing: empty(), "-s 1M zram0" => "";
    reset_prints_nothing: one(), "-r zram0" => "";
    actions_print_nothing: empty(), "--compact zram0" => "";
}

macro_rules! set_up_fails {
    ($($name:ident: $missing:expr, $line:expr => $stderr:expr;)*) => {
        refuses! {$($name: empty().without(0, $missing), $line => $stderr;)*}
    };
}

set_up_fails! {
    no_recomp_algorithm: "recomp_algorithm", "-s 1M --recompress-algorithm zstd zram0" =>
        "/dev/zram0: failed to set secondary algorithm (algo=zstd priority=1): \
         No such file or directory\n/dev/zram0 has no recomp_algorithm: that needs a kernel built \
         with CONFIG_ZRAM_MULTI_COMP (there since Linux 6.2).\n/dev/zram0 is reset and not set up.";
    no_backing_dev: "backing_dev", "-s 1M --backing-dev /dev/x zram0" =>
        "/dev/zram0: failed to set backing device /dev/x: No such file or directory\n\
         /dev/zram0 has no backing_dev: that needs a kernel built with CONFIG_ZRAM_WRITEBACK \
         (there since Linux 4.14).\n/dev/zram0 is reset and not set up.";
    no_params: "algorithm_params", "-s 1M -p level=1 zram0" =>
        "/dev/zram0: failed to set algorithm params: No such file or directory\n\
         /dev/zram0 has no algorithm_params: that needs Linux 6.12 or later.\n\
         /dev/zram0 is reset and not set up.";
    no_writeback: "writeback", "--writeback zram0" =>
        "/dev/zram0: failed to write back (idle): No such file or directory\n\
         /dev/zram0 has no writeback: that needs a kernel built with CONFIG_ZRAM_WRITEBACK \
         (there since Linux 5.0).";
    no_recompress: "recompress", "--recompress=huge zram0" =>
        "/dev/zram0: failed to recompress (type=huge): No such file or directory\n\
         /dev/zram0 has no recompress: that needs a kernel built with CONFIG_ZRAM_MULTI_COMP \
         (there since Linux 6.2).";
}

fn another_block_device() -> System {
    loaded().file("/dev/vda", "").file("/sys/block/vda/size", "8\n")
}

refuses! {
    reset_of_another_block_device: another_block_device(), "-r vda" =>
        "/dev/vda: failed to reset: No such file or directory\n\
         /dev/vda has no reset: it is not a zram device.";
    set_up_of_another_block_device: another_block_device(), "-s 1M vda" =>
        "/dev/vda: failed to reset: No such file or directory\n\
         /dev/vda has no reset: it is not a zram device.";
    action_on_another_block_device: another_block_device(), "--compact vda" =>
        "/dev/vda: failed to compact: No such file or directory\n\
         /dev/vda has no compact: it is not a zram device.";
    swap_needs_a_running_system: empty(), "-s 1M --swap zram0" =>
        "/dev/zram0: failed to switch swap on: Operation not supported\n\
         /dev/zram0 is reset and not set up.";
    swap_needs_ten_pages: empty(), "-s 16K --swap zram0" =>
        "/dev/zram0: failed to make swap: Invalid argument\n\
         A swap area has 40 KiB at least and 16 TiB at most.\n/dev/zram0 is reset and not set up.";
}

#[test]
fn what_was_made_and_cannot_be_set_up_is_removed() {
    let system = loaded().device(7, 0);
    let answer = run(system.root(), words("-f -s 1M --backing-dev /dev/x"));
    let end = "/dev/zram7, which had been made for this, is removed.\n";
    assert!(answer.stderr.ends_with(end), "{}", answer.stderr);
    assert_eq!((answer.status, &*answer.stdout), (Some(1), ""));
    assert_eq!(hot_removed(&system), "7");
    assert_eq!(system.read(7, "disksize"), "0\n");
}

#[test]
fn resets_go_on_after_a_failure() {
    let system = one().device(1, 4096);
    let answer = run(system.root(), words("-r zram0 zram9 /dev/null zram1"));
    let stderr = "trueno-zramctl: zram9: failed to reset: No such device\n\
        trueno-zramctl: /dev/null: failed to reset: No such device\n";
    assert_eq!((answer.status, &*answer.stderr), (Some(1), stderr));
    assert_eq!((&*system.read(0, "reset"), &*system.read(1, "reset")), ("1", "1"));
    assert_eq!(hot_removed(&system), "1", "the last one");
}

#[test]
fn actions_stop_at_the_first_failure() {
    let system = one().device(1, 4096).without(0, "compact");
    let answer = run(system.root(), words("--compact --idle zram0 zram1"));
    assert_eq!(answer.status, Some(1));
    assert_eq!((system.read(0, "idle"), system.read(1, "compact")), Default::default());
}

#[test]
fn several_devices_at_once() {
    let system = one().device(1, 4096);
    writes(&system, "--compact zram0 zram1", 0, &[("compact", "1")]);
    assert_eq!(system.read(1, "compact"), "1");
}

/// sysfs takes a write as a whole, without a line end.
#[test]
fn nothing_is_written_behind_the_value() {
    let system = empty().attribute(0, "disksize", "");
    writes(&system, "-s 4K -a lz4 -p level=1 zram0", 0, &[]);
    let written = ["disksize", "comp_algorithm", "algorithm_params", "reset"];
    let written = written.map(|name| system.read(0, name));
    assert_eq!(written, ["4096", "lz4", "level=1", "1"]);
}

fn hot_removed(system: &System) -> String {
    fs::read_to_string(system.path("/sys/class/zram-control/hot_remove")).expect("readable")
}
