//! What is shown: columns, their order, their text as a table, raw and in bytes.

use std::fs;

use crate::run::{run, words};
use crate::system::{MM_STAT, System, bare, loaded, one, one_and_a_free_one};

prints! {
    nothing_set_up_prints_nothing: loaded(), "" => "";
    nothing_set_up_prints_nothing_raw: loaded().device(0, 0), "--raw" => "";
    no_module_prints_nothing: bare(), "" => "";
    no_module_prints_nothing_in_any_form: bare(), "--raw -b -o NAME" => "";
    a_free_device_is_not_listed: one_and_a_free_one(), "-n -o NAME" => "/dev/zram0\n";
    a_free_device_is_shown_when_named: one_and_a_free_one(), "-n zram1" =>
        "/dev/zram1 lz4             0B   0B    0B    0B       2 \n";

    default_table: one(), "" => "\
NAME       ALGORITHM DISKSIZE DATA COMPR TOTAL STREAMS MOUNTPOINT
/dev/zram0 lz4            64M   4M  1.4M  1.5M       2 \n";
    default_table_in_bytes: one(), "-b" => "\
NAME       ALGORITHM DISKSIZE    DATA   COMPR   TOTAL STREAMS MOUNTPOINT
/dev/zram0 lz4       67108864 4194304 1468006 1572864       2 \n";
    default_table_without_headings: one(), "-n" =>
        "/dev/zram0 lz4            64M   4M  1.4M  1.5M       2 \n";
    default_raw: one(), "--raw" => "\
NAME ALGORITHM DISKSIZE DATA COMPR TOTAL STREAMS MOUNTPOINT
/dev/zram0 lz4 64M 4M 1.4M 1.5M 2 \n";
    default_raw_in_bytes: one(), "--raw -bn" =>
        "/dev/zram0 lz4 67108864 4194304 1468006 1572864 2 \n";
    all_stock_columns_come_first: one(), "--raw -o NAME,DISKSIZE,DATA,COMPR,ALGORITHM,STREAMS,\
ZERO-PAGES,TOTAL,MEM-LIMIT,MEM-USED,MIGRATED,COMP-RATIO,MOUNTPOINT" => "\
NAME DISKSIZE DATA COMPR ALGORITHM STREAMS ZERO-PAGES TOTAL MEM-LIMIT MEM-USED MIGRATED COMP-RATIO \
MOUNTPOINT
/dev/zram0 64M 4M 1.4M lz4 2 16 1.5M 0B 2M 3B 2.6667 \n";
    output_all_in_raw: one(), "--raw --output-all" => "\
NAME DISKSIZE DATA COMPR ALGORITHM STREAMS ZERO-PAGES TOTAL MEM-LIMIT MEM-USED MIGRATED COMP-RATIO \
MOUNTPOINT KIND HUGE-PAGES HUGE-PAGES-SINCE BACKING-DEV BD-COUNT BD-READS BD-WRITES \
RECOMP-ALGORITHM PARAMS PRIO USED IDLE
/dev/zram0 64M 4M 1.4M lz4 2 16 1.5M 0B 2M 3B 2.6667  kernel 5 11         \n";
    columns_in_the_order_given: one(), "-o TOTAL,NAME,DATA" => "\
TOTAL NAME       DATA
 1.5M /dev/zram0   4M\n";
    columns_repeated: one(), "-n -o NAME,NAME" => "/dev/zram0 /dev/zram0\n";
    columns_behind_the_default_ones: one(), "--raw -n -o +ZERO-PAGES,NAME" =>
        "/dev/zram0 lz4 64M 4M 1.4M 1.5M 2  16 /dev/zram0\n";
    a_list_wins_over_output_all: one(), "--output-all -n -o NAME" => "/dev/zram0\n";
    a_list_wins_over_a_later_output_all: one(), "-n -o NAME --output-all" => "/dev/zram0\n";
    more_columns_than_there_are: one(), "--raw -n -o \
+KIND,KIND,KIND,KIND,KIND,KIND,KIND,KIND,KIND,KIND,KIND,KIND,KIND,KIND,KIND,KIND,KIND,KIND,KIND" =>
        "/dev/zram0 lz4 64M 4M 1.4M 1.5M 2  kernel kernel kernel kernel kernel kernel kernel \
         kernel kernel kernel kernel kernel kernel kernel kernel kernel kernel kernel kernel\n";

    zero_pages_are_a_count: one(), "-n -o ZERO-PAGES" => "        16\n";
    migrated_pages_look_like_a_size: one(), "--raw -n -o MIGRATED" => "3B\n";
    migrated_pages_in_bytes_are_a_count: one(), "--raw -bn -o MIGRATED" => "3\n";
    huge_pages: one(), "--raw -n -o HUGE-PAGES,HUGE-PAGES-SINCE" => "5 11\n";
    seven_columns: mm_stat(MM_STAT), "--raw -n -o MEM-USED,MIGRATED,HUGE-PAGES,HUGE-PAGES-SINCE"
        => "2M 3B  \n";
    eight_columns: mm_stat(&format!("{MM_STAT} 5")), "--raw -n -o HUGE-PAGES,HUGE-PAGES-SINCE"
        => "5 \n";
    ten_columns: mm_stat(&format!("{MM_STAT} 5 11 99")), "--raw -n -o HUGE-PAGES,HUGE-PAGES-SINCE"
        => "5 11\n";
    ratio_of_nothing: mm_stat("0 0 0 0 0 0 0"), "--raw -n -o COMP-RATIO" => "-nan\n";
    ratio_to_nothing: mm_stat("4096 0 0 0 0 1 0"), "--raw -n -o COMP-RATIO" => "inf\n";
    ratio_of_what_is_not_known: loaded().file("/dev/vda", "").file("/sys/block/vda/size", "8\n"),
        "--raw -n -o COMP-RATIO,DATA vda" => "-nan \n";
    ratio_before_4_1: ancient(), "--raw -n -o COMP-RATIO" => "0.6667\n";
    sizes_are_rounded_half_up: mm_stat("947704627 1073741823 1 0 1536 0 0"),
        "--raw -n -o DATA,COMPR,TOTAL,MEM-LIMIT,MEM-USED" => "903.8M 1024M 1B 0B 1.5K\n";
    the_largest_size: mm_stat("18446744073709551615 0 0 0 0 0 0"), "--raw -n -o DATA" => "16E\n";

    no_brackets_no_algorithm: one().attribute(0, "comp_algorithm", "lzo lz4\n"),
        "--raw -n -o ALGORITHM,NAME" => " /dev/zram0\n";
    the_last_brackets_count: one().attribute(0, "comp_algorithm", "[a] b [c]\n"),
        "--raw -n -o ALGORITHM" => "c\n";
    no_streams_since_6_15: one().without(0, "max_comp_streams"), "-n" =>
        "/dev/zram0 lz4            64M   4M  1.4M  1.5M         \n";
    backing_device: one().attribute(0, "backing_dev", "/dev/vdb\n"), "--raw -n -o BACKING-DEV"
        => "/dev/vdb\n";
    no_backing_device: one().attribute(0, "backing_dev", "none\n"), "--raw -n -o BACKING-DEV,NAME"
        => " /dev/zram0\n";
    written_back: one().attribute(0, "bd_stat", "      10       20       30\n"),
        "--raw -n -o BD-COUNT,BD-READS,BD-WRITES" => "10 20 30\n";
    secondary_algorithms: one().attribute(0, "recomp_algorithm",
        "#1: lzo lz4 [zstd] \n#3: lzo [deflate] lz4 \n"),
        "--raw -n -o RECOMP-ALGORITHM" => "zstd:1,deflate:3\n";
    kind_of_another_block_device: loaded().file("/dev/vda", "").file("/sys/block/vda/size", "8\n"),
        "--raw -n -o NAME,KIND,DATA,DISKSIZE vda" => "/dev/vda   \n";
    idle_pages: one().file("/sys/kernel/debug/zram/zram0/block_state",
        "         300    75.033841 .wh...\n         301    63.806904 s...i.\n         302 1.2 ..hi..\n"),
        "--raw -n -o IDLE" => "2\n";

    kernels_before_4_1: ancient(), "--raw -n -o DATA,COMPR,TOTAL,MEM-LIMIT,MEM-USED,ZERO-PAGES,\
MIGRATED,HUGE-PAGES,NAME" => "8K 4K 12K 0B 16K 3 2B  /dev/zram0\n";
    kernels_before_3_15: ancient().without(0, "num_migrated").without(0, "mem_used_max"),
        "--raw -n -o MEM-USED,MIGRATED,NAME" => "  /dev/zram0\n";
    fewer_than_seven_columns_are_none: ancient().attribute(0, "mm_stat", "1 2 3 4 5 6\n"),
        "--raw -n -o DATA,COMPR" => "8K 4K\n";

    a_swap: swap("-2"), "--raw -n -o MOUNTPOINT,PRIO,USED" => "[SWAP] -2 12K\n";
    swap_in_bytes: swap("100"), "--raw -bn -o MOUNTPOINT,PRIO,USED" => "[SWAP] 100 12288\n";
    swap_wins_over_a_mount: swap("5").file("/proc/mounts", "/dev/zram0 /mnt ext4 rw 0 0\n"),
        "--raw -n -o MOUNTPOINT" => "[SWAP]\n";
    swap_of_another_is_not_ours: swap("5").device(1, 4096), "--raw -n -o MOUNTPOINT,PRIO,NAME zram1"
        => "  /dev/zram1\n";
    no_proc_swaps: mounted("/mnt"), "--raw -n -o MOUNTPOINT,PRIO" => "/mnt \n";
    mounted_with_escapes: mounted(r"/mnt/a\040b\011c\134d"), "-n -o MOUNTPOINT" =>
        "/mnt/a b\\x09c\\d\n";
    mounted_with_escapes_raw: mounted(r"/mnt/a\040b\134d"), "--raw -n -o MOUNTPOINT" =>
        "/mnt/a\\x20b\\x5cd\n";
    mounted_on_what_looks_escaped: mounted(r"/mnt/\134x41"), "-n -o MOUNTPOINT" =>
        "/mnt/\\x5cx41\n";
    mounted_on_bytes_in_the_c_locale: mounted("/mnt/\u{e9}"), "-n -o MOUNTPOINT" =>
        "/mnt/\\xc3\\xa9\n";
    the_first_mount_is_shown: mounted("/a").file("/proc/mounts",
        "/dev/zram0 /a ext4 rw 0 0\n/dev/zram0 /b ext4 rw 0 0\n"), "--raw -n -o MOUNTPOINT" => "/a\n";
    mounts_without_a_path_are_not_devices: mounted("/a").file("/proc/mounts",
        "zram0 /x tmpfs rw 0 0\n/dev/zram01 /y ext4 rw 0 0\n"), "--raw -n -o MOUNTPOINT,NAME" =>
        " /dev/zram0\n";
}

fn mm_stat(columns: &str) -> System {
    one().attribute(0, "mm_stat", format!("{columns}\n"))
}

fn ancient() -> System {
    one()
        .without(0, "mm_stat")
        .attribute(0, "orig_data_size", "8192\n")
        .attribute(0, "compr_data_size", "4096\n")
        .attribute(0, "mem_used_total", "12288\n")
        .attribute(0, "mem_limit", "0\n")
        .attribute(0, "mem_used_max", "16384\n")
        .attribute(0, "zero_pages", "3\n")
        .attribute(0, "num_migrated", "2\n")
}

fn swap(priority: &str) -> System {
    let line = format!("/dev/zram0          partition\t65532\t\t12\t\t{priority}\n");
    one().file("/proc/swaps", format!("Filename\t\tType\t\tSize\t\tUsed\t\tPriority\n{line}"))
}

fn mounted(target: &str) -> System {
    let system = one().file("/proc/mounts", format!("/dev/zram0 {target} ext4 rw 0 0\n"));
    fs::remove_file(system.path("/proc/swaps")).expect("removed: a kernel without swap");
    system
}

#[test]
fn utf8_is_text_where_the_locale_says_so() {
    let system = mounted("/mnt/\u{e9}");
    let mut command = crate::run::program(system.root());
    command.env("LC_ALL", "C.UTF-8").args(words("-n -o MOUNTPOINT"));
    assert_eq!(crate::run::answer(&mut command).stdout, "/mnt/\u{e9}\n");
}

/// As the directory lists them, which is no order at all.
#[test]
fn sixty_four_devices_in_the_order_of_the_directory() {
    let system = (0..64).fold(loaded(), |system, n| system.device(n, u64::from(n) << 20));
    let entries = fs::read_dir(system.path("/dev")).expect("a directory").flatten();
    let names = entries.map(|entry| entry.file_name().into_string().expect("text"));
    let initialised = names.filter(|name| name.starts_with("zram") && name != "zram0");
    let expected = initialised.map(|name| format!("/dev/{name}\n")).collect::<String>();
    assert_eq!(expected.lines().count(), 63);
    assert_eq!(run(system.root(), words("-n -o NAME")).stdout, expected);
}

#[test]
fn every_column_of_the_help_can_be_asked_for_and_is_in_output_all() {
    let system = one();
    let help = run(system.root(), ["--help"]).stdout;
    let (_, list) = help.split_once("Columns for --output").expect("a list of columns");
    let names = list.lines().skip(1).filter_map(|line| line.split_whitespace().next());
    let names: Vec<_> =
        names.map(|name| name.trim_start_matches('*')).take_while(|name| *name != "For").collect();
    assert_eq!(names.len(), 25);
    for name in &names {
        let answer = run(system.root(), ["-o", &name.to_lowercase()]);
        assert_eq!(answer.stdout.lines().next().map(str::trim), Some(*name));
    }
    let all = run(system.root(), ["--output-all", "--raw"]).stdout;
    assert_eq!(all.lines().next(), Some(&*names.join(" ")));
}
