//! Where the output goes, and what when it cannot go there.

use std::fs::File;
use std::io;
use std::process::{Command, Stdio};

use crate::run::{answer, program};
use crate::system::{System, loaded, one, one_and_a_free_one};

const FULL: &str = "trueno-zramctl: write error: No space left on device\n";

fn full(system: &System, line: &str) -> Command {
    let mut command = program(system.root());
    let full = File::options().write(true).open("/dev/full").expect("/dev/full");
    command.args(line.split_whitespace()).stdout(full);
    command
}

macro_rules! full {
    ($($name:ident: $system:expr, $line:expr;)*) => {$(
        #[test]
        fn $name() {
            let answer = answer(full(&$system, $line).stderr(Stdio::piped()));
            assert_eq!((answer.status, &*answer.stderr), (Some(1), FULL));
        }
    )*};
}

full! {
    a_full_disk_for_a_table: one(), "";
    a_full_disk_for_raw: one(), "--raw";
    a_full_disk_for_json: one(), "--json";
    a_full_disk_for_the_help: one(), "--help";
    a_full_disk_for_the_version: one(), "-V";
    a_full_disk_for_a_name: one_and_a_free_one(), "-f";
    a_full_disk_for_a_dry_run: one(), "--dry-run -r zram0";
}

#[test]
fn a_full_disk_does_not_matter_when_there_is_nothing_to_print() {
    let answer = answer(full(&loaded(), "").stderr(Stdio::piped()));
    assert_eq!((answer.status, &*answer.stderr), (Some(0), ""));
}

/// As `zramctl | head -n 0`: nobody wants to know.
#[test]
fn a_reader_that_has_gone_is_no_failure() {
    let system = (0..64).fold(loaded(), |system, n| system.device(n, 1 << 20));
    for line in ["", "--raw", "--json", "--help", "--version"] {
        let (reader, writer) = io::pipe().expect("a pipe");
        drop(reader);
        let mut command = program(system.root());
        let output = command.args(line.split_whitespace()).stdout(writer).stderr(Stdio::piped());
        let output = output.spawn().and_then(std::process::Child::wait_with_output).expect("runs");
        assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]), "{line:?}");
    }
}

#[test]
fn complaints_go_to_standard_error_only() {
    let answer = answer(program(one().root()).arg("zram9"));
    assert_eq!(answer.stdout, "");
    assert_eq!(answer.stderr, "trueno-zramctl: zram9: No such device\n");
}

#[test]
fn nobody_to_complain_to_is_no_reason_to_panic() {
    let full = File::options().write(true).open("/dev/full").expect("/dev/full");
    let mut command = program(one().root());
    let status = command.arg("--nonsense").stderr(full).status().expect("it starts");
    assert_eq!(status.code(), Some(1));
}

#[test]
fn no_color_and_no_terminal() {
    let system = one();
    for value in ["1", ""] {
        let mut command = program(system.root());
        command.env("NO_COLOR", value).args(["--color=always", "-o", "NAME"]);
        let stdout = "\x1b[1mNAME\x1b[0m\n/dev/zram0\n";
        assert_eq!(answer(&mut command).stdout, stdout, "an option wins over the variable");
    }
}

/// `script` makes a terminal of 80 columns for the program; the line ends are the terminal's.
fn on_a_terminal(system: &System, variables: &[(&str, &str)], line: &str) -> Option<String> {
    let zramctl = trueno_tests::program::zramctl().display();
    let mut command = Command::new("script");
    command.args(["-qec", &format!("stty cols 80; '{zramctl}' {line}"), "/dev/null"]);
    command.env("TRUENO_ZRAM_ROOT", system.root()).env("LC_ALL", "C").env_remove("NO_COLOR");
    let output = command.envs(variables.iter().copied()).stdin(Stdio::null()).output().ok()?;
    assert!(output.status.success(), "{output:?}");
    Some(String::from_utf8(output.stdout).expect("text").replace("\r\n", "\n"))
}

#[test]
fn color_on_a_terminal_unless_told_otherwise() {
    let system = one();
    let plain = "NAME\n/dev/zram0\n";
    for (variables, line, stdout) in [
        (&[][..], "-o NAME", "\x1b[1mNAME\x1b[0m\n/dev/zram0\n"),
        (&[("NO_COLOR", "1")], "-o NAME", plain),
        (&[("NO_COLOR", "")], "-o NAME", "\x1b[1mNAME\x1b[0m\n/dev/zram0\n"),
        (&[], "-o NAME --color=never", plain),
        (&[("NO_COLOR", "1")], "-o NAME --color=auto", plain),
        (&[], "-o NAME --raw", plain),
    ] {
        // Without `script` there is no terminal to be had, and the real devices are compared on one.
        if let Some(shown) = on_a_terminal(&system, variables, line) {
            assert_eq!(shown, stdout, "{variables:?} {line}");
        }
    }
}
