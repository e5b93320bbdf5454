//! What a mirror that nobody serves may do to those who only use the kernel's devices: nothing.
//! Each test mounts a file system that answers no request, in a mount namespace of its own.

use std::path::Path;
use std::time::{Duration, Instant};

use trueno_tests::program::zramctl;

use crate::run::{Answer, answer, program, words};
use crate::skip;
use crate::system::{System, bare, one};

/// Mounts it and runs the rest of the arguments there. As long as descriptor 9 is open, whoever asks
/// waits for an answer; then it is what a process leaves behind that has died.
const SCRIPT: &str = "exec 9<>/dev/fuse || exit 77
mount -t fuse -o fd=9,rootmode=40000,user_id=0,group_id=0 trueno \"$1/run/trueno\" || exit 77
[ \"$2\" = hung ] || exec 9>&-
shift 2
exec \"$@\"";

/// The status of [`SCRIPT`] where nothing can be mounted.
const NO_FUSE: i32 = 77;

/// Runs the program where the mirror is `hung` or `dead`; nothing where that cannot be arranged.
fn with_mirror(state: &str, system: &System, line: &str) -> Option<Answer> {
    // For its environment.
    let clean = program(system.root());
    let mut command = std::process::Command::new("unshare");
    for (name, value) in clean.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.args(["--mount", "sh", "-c", SCRIPT, "sh"]).arg(system.root()).arg(state);
    let result = rustix::process::geteuid().is_root() && Path::new("/dev/fuse").exists();
    let result = result.then(|| answer(command.arg(zramctl()).args(words(line))));
    let result = result.filter(|result| result.status != Some(NO_FUSE));
    if result.is_none() {
        skip::skip("mounting a file system takes root, and a kernel with FUSE");
    }
    result
}

fn system() -> System {
    with_mount_point(one().device(1, 0))
}

fn with_mount_point(system: System) -> System {
    std::fs::create_dir_all(system.path("/run/trueno")).expect("a directory to mount on");
    system
}

/// Complains in these words, with the root in place of `ROOT`.
#[track_caller]
fn fails(state: &str, line: &str, stdout: &str, stderr: &str) {
    fails_on(system(), state, line, stdout, stderr);
}

#[track_caller]
fn fails_on(system: System, state: &str, line: &str, stdout: &str, stderr: &str) {
    let Some(result) = with_mirror(state, &system, line) else { return };
    let stderr = stderr.replace("ROOT", &system.root().display().to_string());
    assert_eq!(result.stderr, format!("trueno-zramctl: {stderr}\n"), "{state} {line}");
    assert_eq!((result.status, &*result.stdout), (Some(1), stdout), "{state} {line}");
}

#[test]
fn the_kernels_devices_are_shown_when_the_mirror_is_dead() {
    let complaint = "cannot read ROOT/run/trueno: Transport endpoint is not connected: the \
        devices of trueno-ublk are not shown";
    fails("dead", "-n -o NAME", "/dev/zram0\n", complaint);
}

#[test]
fn the_kernels_devices_are_shown_when_the_mirror_hangs() {
    let start = Instant::now();
    let complaint = "cannot read ROOT/run/trueno: Connection timed out: the devices of \
        trueno-ublk are not shown";
    fails("hung", "-n -o NAME", "/dev/zram0\n", complaint);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

/// Neither a word nor a moment.
#[test]
fn whoever_names_the_kernels_devices_does_not_notice() {
    for state in ["dead", "hung"] {
        for (line, stdout) in [
            ("--raw -n -o NAME,KIND zram0", "/dev/zram0 kernel\n"),
            ("--kind kernel -n -o NAME", "/dev/zram0\n"),
            ("--find", "/dev/zram1\n"),
            ("--find --size 1M --kind kernel", "/dev/zram1\n"),
            ("--compact zram0", ""),
            ("--reset zram0", ""),
        ] {
            let start = Instant::now();
            let Some(result) = with_mirror(state, &system(), line) else { return };
            let expected = (Some(0), stdout, "");
            assert_eq!((result.status, &*result.stdout, &*result.stderr), expected, "{line}");
            let limit = Duration::from_millis(1900);
            assert!(start.elapsed() < limit, "{state} {line}: {:?}", start.elapsed());
        }
    }
}

#[test]
fn whoever_names_ours_is_told_what_to_do() {
    let hint = "trueno-ublk, which serves ROOT/run/trueno, has died; start it with 'systemctl \
        start trueno-ublk', or 'trueno-ublk serve'. It finds its devices again.";
    for (line, complaint) in [
        ("trueno/zram0", "trueno/zram0: Transport endpoint is not connected"),
        ("-r trueno/zram0", "trueno/zram0: failed to reset: Transport endpoint is not connected"),
        ("--find --kind ublk", "no free zram device found: Transport endpoint is not connected"),
    ] {
        fails("dead", line, "", &format!("{complaint}\n{hint}"));
    }
    // Where the kernel has no zram, it is trueno-ublk's device that is wanted.
    let complaint = "no free zram device found: Transport endpoint is not connected";
    let complaint = format!("{complaint}\n{hint}");
    fails_on(with_mount_point(bare()), "dead", "--find", "", &complaint);
    let complaint = "trueno/zram0: Connection timed out\n\
        trueno-ublk, which serves ROOT/run/trueno, does not answer.";
    fails("hung", "trueno/zram0", "", complaint);
}
