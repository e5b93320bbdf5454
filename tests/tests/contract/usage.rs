//! Command lines that are refused, and in which words. Nothing may have been touched then.

use crate::run::run;
use crate::system::{bare, loaded, one, one_and_a_free_one};

const COMBINED: &str =
    "options --algorithm, --algorithm-params, and --streams must be combined with --size";
const FIND_AND_DEVICE: &str = "option --find is mutually exclusive with <device>";
const ONE_DEVICE: &str = "only one <device> at a time is allowed";
const NO_DEVICE: &str = "no device specified";

macro_rules! sizes {
    ($($name:ident: $size:expr => $why:expr;)*) => {
        refuses! {$($name: one(), concat!("-s '", $size, "' zram0") =>
            concat!("failed to parse size: '", $size, "': ", $why);)*}
    };
}

sizes! {
    size_of_nothing: "" => "Invalid argument";
    size_of_a_letter: "M" => "Invalid argument";
    size_with_rubbish: "1x" => "Invalid argument";
    size_below_zero: "-1" => "Invalid argument";
    size_in_bare_bytes: "1B" => "Invalid argument";
    size_with_a_capital_i: "1KIB" => "Invalid argument";
    size_with_a_blank_inside: "1 M" => "Invalid argument";
    size_with_an_exponent: "1e3" => "Invalid argument";
    size_with_a_fraction_of_a_byte: "1.5" => "Invalid argument";
    size_with_the_wrong_decimal_point: "1,5M" => "Invalid argument";
    size_beyond_64_bits: "17E" => "Numerical result out of range";
    size_of_2_to_the_64: "18446744073709551616" => "Numerical result out of range";
    size_in_zettabytes: "1Z" => "Numerical result out of range";
    size_in_yottabytes: "1Y" => "Numerical result out of range";
}

macro_rules! streams {
    ($($name:ident: $streams:expr => $why:expr;)*) => {
        refuses! {$($name: one(), concat!("-t '", $streams, "' zram0") =>
            concat!("failed to parse streams: '", $streams, "'", $why);)*}
    };
}

streams! {
    streams_of_nothing: "" => "";
    streams_of_letters: "x" => "";
    streams_with_a_unit: "1K" => "";
    streams_in_hexadecimal: "0x2" => "";
    streams_with_a_blank_behind: "1 " => "";
    streams_below_zero: "-4" => ": Numerical result out of range";
    streams_beyond_64_bits: "18446744073709551616" => ": Numerical result out of range";
}

refuses! {
    algorithm_without_size: one(), "-a lz4 zram0" => COMBINED;
    algorithm_without_size_with_find: one(), "-f -a lz4" => COMBINED;
    params_without_size: one(), "-p level=1 zram0" => COMBINED;
    streams_without_size: one(), "-t 2 zram0" => COMBINED;
    streams_without_anything: one(), "-t 2" => COMBINED;
    find_with_a_device: one(), "-f zram0" => FIND_AND_DEVICE;
    find_with_size_and_device: one(), "-f -s 1M zram0" => FIND_AND_DEVICE;
    two_devices_to_show: one(), "zram0 zram1" => ONE_DEVICE;
    two_devices_to_set_up: one(), "-s 1M zram0 zram1" => ONE_DEVICE;
    two_devices_come_before_combined: one(), "-a lz4 zram0 zram1" => ONE_DEVICE;
    reset_of_nothing: one(), "-r" => NO_DEVICE;
    size_of_no_device: one(), "-s 1M" => NO_DEVICE;
    action_on_no_device: one(), "--compact" => NO_DEVICE;
    limit_of_no_device: one(), "--mem-limit 1M" => NO_DEVICE;

    find_and_output: one(), "-f -o NAME" => "options --find and --output cannot be combined";
    output_and_find: one(), "-o NAME -f" => "options --output and --find cannot be combined";
    find_and_reset: one(), "-f -r" => "options --find and --reset cannot be combined";
    reset_and_find: one(), "-rf" => "options --reset and --find cannot be combined";
    output_and_reset: one(), "-o NAME -r zram0" => "options --output and --reset cannot be combined";
    output_and_size: one(), "-o NAME -s 1M" => "options --output and --size cannot be combined";
    reset_and_size: one(), "-r -s 1M zram0" => "options --reset and --size cannot be combined";
    exclusive_comes_before_the_value: one(), "-r -s 1x" =>
        "options --reset and --size cannot be combined";
    raw_and_json: one(), "--raw --json" => "options --raw and --json cannot be combined";

    unknown_column: one(), "-o FOO" => "unknown column: FOO\n--help lists the columns.";
    unknown_column_and_the_rest: one(), "-o NAME,FOO,DATA" =>
        "unknown column: FOO,DATA\n--help lists the columns.";
    comma_at_the_end: one(), "-o NAME," => "unknown column: NAME,\n--help lists the columns.";
    comma_in_front: one(), "-o ,NAME" => "unknown column: ,NAME\n--help lists the columns.";
    no_column: one(), "-o ''" => "unknown column: \n--help lists the columns.";
    nothing_behind_the_plus: one(), "-o +" => "unknown column: \n--help lists the columns.";
    plus_in_the_middle: one(), "-o NAME,+DATA" =>
        "unknown column: +DATA\n--help lists the columns.";
    abbreviated_column: one(), "-o NAM" => "unknown column: NAM\n--help lists the columns.";

    absent_device: one(), "zram9" => "zram9: No such device";
    absent_path: one(), "/dev/zram9" => "/dev/zram9: No such device";
    absent_device_to_set_up: one(), "-s 1M zram9" => "zram9: No such device";
    absent_device_to_reset: one(), "-r zram9" =>
        "zram9: failed to reset: No such device";
    absent_device_to_act_on: one(), "--compact zram9" => "zram9: No such device";
    something_else: one(), "/dev/null" => "/dev/null: No such device";
    a_directory_of_sysfs: one(), "/sys/class/zram-control" =>
        "/sys/class/zram-control: No such device";
    the_root: one(), "/" => "/: No such device";

    swap_without_size: one(), "--swap zram0" => "option --swap must be combined with --size";
    backing_without_size: one(), "--backing-dev /dev/vda zram0" =>
        "option --backing-dev must be combined with --size";
    writeback_limit_without_size: one(), "--writeback-limit 1M zram0" =>
        "option --writeback-limit must be combined with --size";
    recompress_algorithm_without_size: one(), "--recompress-algorithm zstd zram0" =>
        "option --recompress-algorithm must be combined with --size";
    size_and_compact: one(), "-s 1M --compact zram0" => "option --compact does not go with --size";
    size_and_writeback: one(), "-s 1M --writeback zram0" =>
        "option --writeback does not go with --size";
    reset_and_compact: one(), "-r --compact zram0" =>
        "option --compact does not go with --reset";
    reset_and_json: one(), "-r --json zram0" => "option --json does not go with --reset";
    find_and_json: one(), "-f --json" => "option --json does not go with --find without --size";
    find_and_compact: one(), "-f --compact" =>
        "option --find does not go with an action on a live device";
    output_and_compact: one(), "-o NAME --compact zram0" =>
        "option --output does not go with an action on a live device";
    force_without_reset: one(), "--force zram0" => "--force goes with --reset only";
    dry_run_of_looking: one(), "--dry-run zram0" => "--dry-run: nothing would be written";
    priority_of_letters: one(), "-f -s 1M --swap=x" => "--swap=x: the priority is 0 to 32767";
    priority_too_high: one(), "-f -s 1M --swap=32768" =>
        "--swap=32768: the priority is 0 to 32767";
    priority_below_zero: one(), "-f -s 1M --swap=-1" => "--swap=-1: the priority is 0 to 32767";
    memory_limit_of_letters: one(), "--mem-limit x zram0" =>
        "failed to parse memory limit: 'x': Invalid argument";
    writeback_limit_too_high: one(), "-f -s 1M --writeback-limit 1Y" =>
        "failed to parse writeback limit: '1Y': Numerical result out of range";
    idle_of_letters: one(), "--idle=x zram0" => "--idle=x: not a number of seconds";
    color_sometimes: one(), "--color=sometimes" => "--color=sometimes: auto, always or never";
    fourth_priority: one(), "-f -s 1M --recompress-algorithm lz4:4" =>
        "--recompress-algorithm lz4:4: the priority is 1, 2 or 3";
    algorithm_without_name: one(), "-f -s 1M --recompress-algorithm :1" =>
        "--recompress-algorithm :1: not a name of an algorithm";
    empty_backing: one(), "-f -s 1M --backing-dev=" => "--backing-dev=: not a block device";
    empty_writeback: one(), "--writeback= zram0" =>
        "--writeback=: no type is named; idle pages are meant without the equals sign";
    empty_recompress: one(), "--recompress= zram0" =>
        "--recompress=: no type is named; all pages are meant without the equals sign";
    reset_and_memory_limit: one(), "-r --mem-limit 1M zram0" =>
        "option --mem-limit does not go with --reset";
    reset_and_swap: one(), "-r --swap zram0" => "option --swap does not go with --reset";
    json_and_dry_run: one(), "-f -s 1M --json --dry-run" =>
        "option --json does not go with --dry-run";
    empty_sysroot: one(), "--sysroot ''" => "--sysroot=: not a directory";
}

#[test]
fn without_the_module_the_hint_says_so() {
    let system = bare();
    for line in ["-f", "-f -s 1M"] {
        let control = system.path("/sys/class/zram-control");
        let complaint = format!(
            "no free zram device found: No such file or directory\n\
             There is no {}: the zram module is not loaded (modprobe zram).",
            control.display()
        );
        crate::run::refuses(system.root(), line, &complaint);
    }
}

#[test]
fn the_same_words_for_every_spelling() {
    let system = one_and_a_free_one();
    for line in [["-r", "-f"], ["--reset", "-f"], ["-r", "--find"], ["--res", "--fi"]] {
        let answer = run(system.root(), line);
        let stderr = "trueno-zramctl: options --reset and --find cannot be combined\n";
        assert_eq!(answer.stderr, stderr, "{line:?}");
    }
}

#[test]
fn what_is_refused_leaves_no_trace() {
    let system = loaded().device(0, 64 << 20);
    for line in [
        "-r -s 1M zram0",
        "-s 1x zram0",
        "-s 1M -t x zram0",
        "-s 1M zram0 zram9",
        "-r --compact zram0",
        "-s 1M zram0 --nonsense",
        "-s 1M --swap=x zram0",
        "--compact zram0 zram9",
    ] {
        let answer = run(system.root(), line.split(' '));
        assert_eq!(answer.status, Some(1), "{line}");
        assert_eq!((system.read(0, "reset"), system.read(0, "compact")), Default::default());
        assert_eq!(system.read(0, "disksize"), "67108864\n", "{line}");
    }
}
