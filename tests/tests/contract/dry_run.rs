//! `--dry-run`: the steps in their order, as commands for sh; nothing is done.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use crate::run::{program, run, words};
use crate::system::{System, loaded, one, one_and_a_free_one};

/// Prints exactly these lines, with the root in place of `ROOT`, and does nothing.
#[track_caller]
fn plans(system: &System, line: &str, expected: &[&str]) {
    let before = contents(system.root());
    let mut arguments = words(line);
    arguments.push("--dry-run".to_owned());
    let answer = run(system.root(), arguments);
    let root = system.root().display().to_string();
    let lines: Vec<_> = answer.stdout.lines().map(|line| line.replace(&root, "ROOT")).collect();
    assert_eq!(lines, expected, "{line}: {}", answer.stderr);
    assert_eq!((answer.status, &*answer.stderr), (Some(0), ""), "{line}");
    assert_eq!(contents(system.root()), before, "{line}: nothing is touched");
}

macro_rules! plans {
    ($($name:ident: $system:expr, $line:expr => $expected:expr;)*) => {$(
        #[test]
        fn $name() {
            plans(&$system, $line, &$expected);
        }
    )*};
}

plans! {
    find_a_free_one: one_and_a_free_one(), "-f" => ["set -e", "echo ROOT/dev/zram1"];
    find_makes_one: one(), "-f" => [
        "set -e",
        "N=$(cat ROOT/sys/class/zram-control/hot_add)",
        "echo ROOT/dev/zram$N",
    ];
    set_up: one_and_a_free_one(), "-s 1M zram1" => [
        "set -e",
        "printf %s 1 > ROOT/sys/block/zram1/reset",
        "printf %s 1048576 > ROOT/sys/block/zram1/disksize",
    ];
    set_up_a_new_one: one(), "-f -s 1M" => [
        "set -e",
        "N=$(cat ROOT/sys/class/zram-control/hot_add)",
        "printf %s 1 > ROOT/sys/block/zram$N/reset",
        "printf %s 1048576 > ROOT/sys/block/zram$N/disksize",
        "echo ROOT/dev/zram$N",
    ];
    everything_in_the_order_that_the_kernel_wants: one(), "--swap=5 --writeback-limit 8K \
--mem-limit 64K --backing-dev '/dev/a b' -p level=3 -p 'algo=zstd level=9' -s 1M -t 2 \
--recompress-algorithm zstd --recompress-algorithm lzo:3 -a lz4 zram0" => [
        "set -e",
        "printf %s 1 > ROOT/sys/block/zram0/reset",
        "[ ! -e ROOT/sys/block/zram0/max_comp_streams ] || \
         printf %s 2 > ROOT/sys/block/zram0/max_comp_streams",
        "printf %s lz4 > ROOT/sys/block/zram0/comp_algorithm",
        "printf %s 'algo=zstd priority=1' > ROOT/sys/block/zram0/recomp_algorithm",
        "printf %s 'algo=lzo priority=3' > ROOT/sys/block/zram0/recomp_algorithm",
        "printf %s level=3 > ROOT/sys/block/zram0/algorithm_params",
        "printf %s 'algo=zstd level=9' > ROOT/sys/block/zram0/algorithm_params",
        "printf %s '/dev/a b' > ROOT/sys/block/zram0/backing_dev",
        "printf %s 65536 > ROOT/sys/block/zram0/mem_limit",
        "printf %s 2 > ROOT/sys/block/zram0/writeback_limit",
        "printf %s 1 > ROOT/sys/block/zram0/writeback_limit_enable",
        "printf %s 1048576 > ROOT/sys/block/zram0/disksize",
        "mkswap ROOT/dev/zram0",
        "swapon --discard --priority 5 ROOT/dev/zram0",
    ];
    swap_without_priority: one_and_a_free_one(), "-f -s 1M --swap" => [
        "set -e",
        "printf %s 1 > ROOT/sys/block/zram1/reset",
        "printf %s 1048576 > ROOT/sys/block/zram1/disksize",
        "mkswap ROOT/dev/zram1",
        "swapon --discard ROOT/dev/zram1",
        "echo ROOT/dev/zram1",
    ];
    reset: one(), "-r zram0" => [
        "printf %s 1 > ROOT/sys/block/zram0/reset && \
         printf %s 0 > ROOT/sys/class/zram-control/hot_remove",
    ];
    resets_go_on: one_and_a_free_one(), "-r zram0 /dev/zram1" => [
        "printf %s 1 > ROOT/sys/block/zram0/reset && \
         printf %s 0 > ROOT/sys/class/zram-control/hot_remove",
        "printf %s 1 > ROOT/sys/block/zram1/reset && \
         printf %s 1 > ROOT/sys/class/zram-control/hot_remove",
    ];
    reset_of_a_swap_with_force: swapped(), "-r --force zram0" => [
        "swapoff ROOT/dev/zram0 && printf %s 1 > ROOT/sys/block/zram0/reset && \
         printf %s 0 > ROOT/sys/class/zram-control/hot_remove",
    ];
    force_is_for_swap_only: one(), "-r --force zram0" => [
        "printf %s 1 > ROOT/sys/block/zram0/reset && \
         printf %s 0 > ROOT/sys/class/zram-control/hot_remove",
    ];
    actions_in_the_order_given: one_and_a_free_one(), "--reset-peak --writeback --recompress=huge \
--mem-limit 1M --idle=60 --compact zram0 zram1" => [
        "set -e",
        "printf %s 0 > ROOT/sys/block/zram0/mem_used_max",
        "printf %s idle > ROOT/sys/block/zram0/writeback",
        "printf %s type=huge > ROOT/sys/block/zram0/recompress",
        "printf %s 1048576 > ROOT/sys/block/zram0/mem_limit",
        "printf %s 60 > ROOT/sys/block/zram0/idle",
        "printf %s 1 > ROOT/sys/block/zram0/compact",
        "printf %s 0 > ROOT/sys/block/zram1/mem_used_max",
        "printf %s idle > ROOT/sys/block/zram1/writeback",
        "printf %s type=huge > ROOT/sys/block/zram1/recompress",
        "printf %s 1048576 > ROOT/sys/block/zram1/mem_limit",
        "printf %s 60 > ROOT/sys/block/zram1/idle",
        "printf %s 1 > ROOT/sys/block/zram1/compact",
    ];
}

refuses! {
    a_dry_run_looks_the_device_up: one(), "--dry-run -s 1M zram9" => "zram9: No such device";
    a_dry_run_of_a_reset_too: one(), "--dry-run -r zram9" =>
        "zram9: failed to reset: No such device";
    a_dry_run_checks_sizes: one(), "--dry-run -s 1x zram0" =>
        "failed to parse size: '1x': Invalid argument";
}

fn swapped() -> System {
    let swaps = "Filename Type Size Used Priority\n/dev/zram0 partition 65532 12 -2\n";
    one().file("/proc/swaps", swaps)
}

/// The names and texts of all files.
fn contents(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory").flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => found.extend(contents(&path)),
            false => found.push((path.display().to_string(), fs::read(&path).expect("a file"))),
        }
    }
    found.sort_unstable();
    found
}

/// What the printed commands do is what the program does.
#[test]
fn the_commands_do_the_same() {
    for line in [
        "-s 1M -a lz4 -t 3 -p 'level=1 x' --mem-limit 2M zram0",
        "--compact --idle --mem-limit 3M zram0",
        "-s 1M -a it\"s$HOME zram0",
        "-r zram0",
    ] {
        let [done, planned] = [(); 2].map(|()| {
            let attributes = ["comp_algorithm", "disksize", "max_comp_streams"];
            attributes.into_iter().fold(one(), |system, name| system.attribute(0, name, ""))
        });
        let answer = run(done.root(), words(line));
        assert_eq!((answer.status, &*answer.stderr), (Some(0), ""), "{line}");
        let mut arguments = words(line);
        arguments.push("--dry-run".to_owned());
        let commands = run(planned.root(), arguments).stdout;
        let status = Command::new("sh").args(["-c", &commands]).status().expect("sh");
        assert!(status.success(), "{commands}");
        let relative = |system: &System| {
            let root = system.root().display().to_string();
            let strip = |(path, text): (String, _)| (path.replace(&root, ""), text);
            contents(system.root()).into_iter().map(strip).collect::<Vec<_>>()
        };
        assert_eq!(relative(&planned), relative(&done), "{line}");
    }
}

#[test]
fn bytes_that_are_not_text_reach_the_shell() {
    let system = loaded().device(0, 0);
    let algorithm = OsStr::from_bytes(b"\xff '");
    let mut command = program(system.root());
    command.args(["--dry-run", "-s", "1M", "zram0", "-a"]).arg(algorithm);
    let output = command.output().expect("it starts");
    let line = output.stdout.split(|&byte| byte == b'\n').nth(2).expect("the third line");
    assert!(line.starts_with(b"printf %s '\xff '\\''' > "), "{}", line.escape_ascii());
}
