//! How options may be typed: the rules of GNU `getopt_long`, in effect.

use crate::run::{answer, program, run};
use crate::system::{loaded, one, one_and_a_free_one};

const NAME: &str = "/dev/zram0\n";
const NAME_AND_SIZE: &str = "/dev/zram0 67108864\n";

prints! {
    short_options: one(), "-n -b -o NAME,DISKSIZE" => NAME_AND_SIZE;
    long_options: one(), "--noheadings --bytes --output NAME,DISKSIZE" => NAME_AND_SIZE;
    bundled: one(), "-nb -o NAME,DISKSIZE" => NAME_AND_SIZE;
    bundled_with_a_value: one(), "-nbo NAME,DISKSIZE" => NAME_AND_SIZE;
    bundled_with_the_value_attached: one(), "-nboNAME,DISKSIZE" => NAME_AND_SIZE;
    value_behind_an_equals_sign: one(), "-n --output=NAME" => NAME;
    value_of_a_short_option_may_start_with_anything: one(), "-n -o+NAME -o NAME" => NAME;
    abbreviated: one(), "--nohead --by --output NAME,DISKSIZE" => NAME_AND_SIZE;
    abbreviated_with_a_value: one(), "--no --output=NAME" => NAME;
    an_exact_name_is_never_ambiguous: one(), "-n --output NAME --raw" => NAME;
    repeated_flags: one(), "-n -n -b -b -o NAME,DISKSIZE" => NAME_AND_SIZE;
    repeated_lists_the_last_counts: one(), "-n -o DATA -o NAME" => NAME;
    options_behind_the_device: one(), "zram0 -n -o NAME" => NAME;
    options_on_both_sides: one(), "-n zram0 -o NAME" => NAME;
    two_dashes_end_the_options: one(), "-n -o NAME -- zram0" => NAME;
    two_dashes_alone: one(), "-n -o NAME --" => NAME;
    a_bare_name_is_below_dev: one(), "-n -o NAME zram0" => NAME;
    a_path_is_taken_as_it_is: one(), "-n -o NAME /dev/zram0" => NAME;
    columns_in_any_case: one(), "-n -o nAmE" => NAME;
    raw_in_full: one(), "--raw -n -o NAME,DISKSIZE" => "/dev/zram0 64M\n";
    raw_abbreviated: one(), "--ra -n -o NAME" => NAME;
    find_in_full: one_and_a_free_one(), "--find" => "/dev/zram1\n";
    find_short: one_and_a_free_one(), "-f" => "/dev/zram1\n";
    find_abbreviated: one_and_a_free_one(), "--fi" => "/dev/zram1\n";
    an_abbreviation_prefers_an_option_of_zramctl: one_and_a_free_one(), "--f" => "/dev/zram1\n";
    help_wins_over_what_follows: one(), "--version --nonsense" => VERSION;
    version_short: one(), "-V" => VERSION;
    version_wins_over_help: one(), "-Vh" => VERSION;
    version_in_a_bundle: one(), "-nbV" => VERSION;
    version_needs_no_system: loaded(), "--vers" => VERSION;
    streams_zero_is_not_given: one(), "-t 0 -n -o NAME" => NAME;
    streams_minus_zero_is_zero: one(), "-t -0 -n -o NAME" => NAME;
    color_of_a_table: one(), "--color -o NAME" => "\x1b[1mNAME\x1b[0m\n/dev/zram0\n";
    color_never: one(), "--color=never -o NAME" => "NAME\n/dev/zram0\n";
    color_auto_means_not_in_a_pipe: one(), "--color=auto -o NAME" => "NAME\n/dev/zram0\n";
    the_last_color_counts: one(), "--color=never --color=always -o NAME"
        => "\x1b[1mNAME\x1b[0m\n/dev/zram0\n";
    raw_is_never_coloured: one(), "--color --raw -o NAME" => "NAME\n/dev/zram0\n";
}

const VERSION: &str = concat!("trueno-zramctl from trueno-zram ", env!("CARGO_PKG_VERSION"), "\n");
const TRY: &str = "\nTry 'trueno-zramctl --help' for more information.";

macro_rules! unusable {
    ($($name:ident: $line:expr => $stderr:expr;)*) => {
        refuses! {$($name: one(), $line => concat!($stderr, "\n",
            "Try 'trueno-zramctl --help' for more information.");)*}
    };
}

unusable! {
    unknown_long: "--nonsense" => "unrecognized option '--nonsense'";
    unknown_long_with_a_value: "--nonsense=1" => "unrecognized option '--nonsense=1'";
    unknown_short: "-x" => "invalid option -- 'x'";
    unknown_in_a_bundle: "-nxb" => "invalid option -- 'x'";
    missing_value: "--output" => "option '--output' requires an argument";
    missing_value_of_an_abbreviation: "--siz" => "option '--size' requires an argument";
    missing_value_of_a_letter: "-o" => "option requires an argument -- 'o'";
    missing_value_of_a_letter_in_a_bundle: "-ns" => "option requires an argument -- 's'";
    value_for_a_flag: "--bytes=1" => "option '--bytes' doesn't allow an argument";
    value_for_an_abbreviated_flag: "--by=1" => "option '--bytes' doesn't allow an argument";
    ambiguous_output: "--out" =>
        "option '--out' is ambiguous; possibilities: '--output' '--output-all'";
    ambiguous_algorithm: "--alg x" =>
        "option '--alg' is ambiguous; possibilities: '--algorithm' '--algorithm-params'";
    ambiguous_letter: "--r" => "option '--r' is ambiguous; possibilities: '--reset' '--raw'";
    ambiguous_among_ours: "--re=x --rec" =>
        "option '--reset' doesn't allow an argument";
    complaint_before_version: "--nonsense --version" => "unrecognized option '--nonsense'";
}

#[test]
fn posixly_correct_stops_at_the_first_operand() {
    let system = one();
    for value in ["1", ""] {
        let mut command = program(system.root());
        command.env("POSIXLY_CORRECT", value).args(["zram0", "-n"]);
        let stderr = "trueno-zramctl: only one <device> at a time is allowed\n";
        assert_eq!(answer(&mut command).stderr, stderr, "{value:?}");
    }
    let mut command = program(system.root());
    command.env("POSIXLY_CORRECT", "1").args(["-no", "NAME", "zram0"]);
    assert_eq!(answer(&mut command).stdout, NAME);
}

#[test]
fn a_value_may_look_like_an_option() {
    let answer = run(one().root(), ["--output", "--raw"]);
    assert_eq!(answer.stderr, "trueno-zramctl: unknown column: --raw\n--help lists the columns.\n");
}

#[test]
fn an_empty_name_is_no_device() {
    let answer = run(one().root(), [""]);
    assert_eq!((answer.status, &*answer.stderr), (Some(1), "trueno-zramctl: : No such device\n"));
}

#[test]
fn every_option_of_the_help_is_understood() {
    let help = run(one().root(), ["--help"]);
    assert_eq!((help.status, &*help.stderr), (Some(0), ""));
    let long = help.stdout.lines().filter_map(|line| line.trim_start().split("--").nth(1));
    let names: Vec<_> = long.map(|rest| rest.split([' ', '[', ',']).next().expect("one")).collect();
    for name in ["size", "json", "sysroot", "recompress-algorithm", "dry-run", "output-all"] {
        assert!(names.contains(&name), "{name} is missing: {names:?}");
    }
    for name in names.iter().filter(|name| !["help", "version"].contains(name)) {
        // The value of an option that takes none makes getopt name it in full.
        let answer = run(one().root(), [format!("--{name}=")]);
        assert!(!answer.stderr.contains("unrecognized"), "{name}: {}", answer.stderr);
    }
    assert_eq!(run(one().root(), ["-h"]), help);
}

#[test]
fn sysroot_wins_over_the_variable() {
    let (variable, option) = (loaded(), one());
    let mut command = program(variable.root());
    command.arg("--sysroot").arg(option.root()).args(["-n", "-o", "NAME"]);
    assert_eq!(answer(&mut command).stdout, NAME);
    let mut command = program(option.root());
    command.current_dir(option.root()).args(["--sysroot=.", "-n", "-o", "NAME"]);
    assert_eq!(answer(&mut command).stdout, NAME, "a relative one");
}

#[test]
fn the_program_speaks_under_the_name_it_is_called_by() {
    use std::os::unix::process::CommandExt;
    let system = one();
    let mut command = program(system.root());
    command.arg0("/sbin/zramctl").arg("--nonsense");
    assert_eq!(
        answer(&mut command).stderr,
        format!("zramctl: unrecognized option '--nonsense'{}\n", TRY.replace("trueno-", ""))
    );
}
