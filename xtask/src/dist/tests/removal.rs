//! The script that runs before the package is removed, on trees that stand for a running system.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use super::Scratch;
use crate::workspace::Workspace;

/// A tree, and programs that write down what they were asked for.
struct Machine(Scratch);

impl Machine {
    fn new(name: &str) -> Self {
        let machine = Self(Scratch::new(name));
        machine.write("proc/swaps", "Filename Type Size Used Priority\n");
        machine.write("proc/mounts", "/dev/sda1 / ext4 rw 0 0\n");
        for program in ["systemctl", "trueno-ublk"] {
            let text = format!("echo {program} \"$@\" >>\"$CALLS\"\n");
            machine.program(program, &text);
        }
        machine
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.0.0.join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a directory")).expect("made");
        fs::write(path, text).expect("written");
    }

    fn program(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        self.write(&format!("bin/{name}"), &format!("#!/bin/sh\n{text}"));
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(self.path(&format!("bin/{name}")), mode).expect("set");
    }

    fn run(&self, script: &str) -> Output {
        let script = Workspace::of_this_build().path("packaging/scripts").join(script);
        let path = format!("{}:{}", self.path("bin").display(), env_path());
        let mut command = Command::new("sh");
        command.arg(script).env("PATH", path).env("DPKG_ROOT", Path::new(&self.0.0));
        command.env("CALLS", self.path("calls")).output().expect("a shell")
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.path("calls")).unwrap_or_default()
    }
}

fn env_path() -> String {
    std::env::var("PATH").expect("a path")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn where_nothing_runs_nothing_is_done() {
    let machine = Machine::new("quiet");
    let output = machine.run("removing");
    assert!(output.status.success() && said(&output).is_empty(), "{}", said(&output));
    assert_eq!(machine.calls(), "");
    assert!(machine.run("installed").status.success() && machine.run("removed").status.success());
    assert_eq!(machine.calls(), "");
}

#[test]
fn devices_in_use_keep_the_package() {
    let uses = [
        ("proc/swaps", "/dev/ublkb7 partition 1 0 5\n", "in use as swap: swapoff /dev/ublkb7"),
        ("proc/mounts", "/dev/ublkb7 /mnt ext4 rw 0 0\n", "mounted on /mnt: umount /mnt"),
        ("sys/block/ublkb7/holders/dm-0", "", "a part of /dev/dm-0: take that away"),
    ];
    for (file, line, expected) in uses {
        let machine = Machine::new("busy");
        machine.write("run/trueno-ublk/zram0/ublk", "id=7\nmark=9\n");
        machine.write(file, line);
        let output = machine.run("removing");
        let expected = format!("trueno-zram is not removed: /dev/ublkb7 is {expected}, then ");
        assert!(said(&output).starts_with(&expected), "{}", said(&output));
        assert_eq!(said(&output).lines().count(), 1, "{}", said(&output));
        assert_eq!((output.status.code(), machine.calls().as_str()), (Some(1), ""));
    }
}

#[test]
fn devices_that_nobody_uses_go_and_the_service_with_them() {
    let machine = Machine::new("idle");
    // Another's, and a number that begins like ours.
    machine.write("proc/swaps", "/dev/ublkb70 partition 1 0 5\n");
    machine.write("run/trueno-ublk/zram0/ublk", "id=7\nmark=9\n");
    fs::create_dir_all(machine.path("run/trueno-ublk/zram3")).expect("made");
    fs::create_dir_all(machine.path("run/systemd/system")).expect("made");
    let output = machine.run("removing");
    assert!(output.status.success(), "{}", said(&output));
    let calls = machine.calls();
    let calls: Vec<_> = calls.lines().filter(|call| !call.contains("list-units")).collect();
    assert_eq!(
        calls,
        [
            "systemctl stop trueno-zram-setup@*.service systemd-zram-setup@*.service",
            "systemctl start trueno-ublk.service",
            "trueno-ublk reset trueno/zram0",
            "systemctl start trueno-ublk.service",
            "trueno-ublk reset trueno/zram3",
            "systemctl stop trueno-ublk.service",
        ]
    );
}

#[test]
fn kernel_devices_that_our_units_have_set_up_count_too() {
    let machine = Machine::new("kernel");
    fs::create_dir_all(machine.path("run/systemd/system")).expect("made");
    machine.write("proc/swaps", "/dev/zram2 partition 1 0 5\n");
    machine.program("systemctl", "echo 'systemd-zram-setup@zram2.service loaded active exited x'");
    let output = machine.run("removing");
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("/dev/zram2 is in use as swap"), "{}", said(&output));
}

#[test]
fn a_device_that_cannot_be_removed_keeps_the_package() {
    let machine = Machine::new("open");
    machine.write("run/trueno-ublk/zram0/ublk", "id=7\n");
    machine.program("trueno-ublk", "echo 'somebody has it open' >&2; exit 1");
    let output = machine.run("removing");
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("somebody has it open"), "{}", said(&output));
}

#[test]
fn what_programs_leave_behind_goes_and_nothing_else() {
    let machine = Machine::new("left");
    machine.write("run/trueno-ublk/lock", "1\n");
    machine.write("run/trueno-ublk/log", "");
    fs::create_dir_all(machine.path("run/trueno")).expect("made");
    machine.write("dev/trueno/theirs", "");
    assert!(machine.run("removed").status.success());
    let exists = |path| machine.path(path).exists();
    assert!(!exists("run/trueno-ublk") && !exists("run/trueno") && exists("dev/trueno/theirs"));
}
