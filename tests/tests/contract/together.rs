//! Who takes a device or removes one keeps others from doing so meanwhile.

use std::fs::File;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use crate::run::{answer, program, words};
use crate::system::{System, one_and_a_free_one};

/// Far longer than the program takes.
const A_WHILE: Duration = Duration::from_millis(300);

/// `zram0` and `zram1` of the kernel and of trueno-ublk, of which the latter are free.
fn system() -> System {
    one_and_a_free_one().mirror().ublk(0, 3).unset_ublk(1)
}

fn command(system: &System, line: &str) -> Command {
    let mut command = program(system.root());
    command.args(words(line)).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Waits as long as another process has the lock in that way, and does nothing before.
#[track_caller]
fn waits(line: &str, control: &str, held: FlockOperation) {
    let system = system();
    let lock = File::open(system.path(control).join("hot_add")).expect("there");
    flock(&lock, held).expect("nobody has it");
    let mut child = command(&system, line).spawn().expect("it starts");
    sleep(A_WHILE);
    assert_eq!(child.try_wait().expect("a child"), None, "{line}");
    for number in [0, 1] {
        let written = [system.read(number, "reset"), system.read_mirrored(number, "reset")];
        assert_eq!(written, ["", ""], "{line}");
    }
    drop(lock);
    let output = child.wait_with_output().expect("a child");
    assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]), "{line}");
}

#[test]
fn who_takes_or_removes_a_device_waits() {
    let (kernel, ublk) = ("/sys/class/zram-control", "/run/trueno/zram-control");
    for (line, control) in [
        ("-f", kernel),
        ("-f -s 1M", kernel),
        ("-s 1M zram1", kernel),
        ("-r zram0", kernel),
        ("-f --kind ublk", ublk),
        ("-f --kind ublk -s 1M", ublk),
        ("-s 1M trueno/zram1", ublk),
        ("-r trueno/zram0", ublk),
    ] {
        waits(line, control, FlockOperation::LockExclusive);
    }
    // As `trueno-ublk create` has it.
    waits("-f --kind ublk", ublk, FlockOperation::LockShared);
}

#[test]
fn who_only_looks_or_takes_the_other_kind_does_not() {
    let system = system();
    let lock = File::open(system.path("/sys/class/zram-control/hot_add")).expect("there");
    flock(&lock, FlockOperation::LockExclusive).expect("nobody has it");
    for line in [
        "",
        "zram1",
        "-f --dry-run",
        "-f -s 1M --dry-run",
        "-s 1M zram1 --dry-run",
        "-r zram0 --dry-run",
        "--compact zram0",
        "-f --kind ublk -s 1M",
    ] {
        let answer = answer(&mut command(&system, line));
        assert_eq!((answer.status, &*answer.stderr), (Some(0), ""), "{line}");
    }
}
