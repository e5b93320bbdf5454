//! Nothing is started, and nothing that could wait is opened, where the kernel is ready: the program
//! runs in a root of its own, in which it may not start anything.

#[path = "../../tests/skip.rs"]
mod skip;
#[path = "support/mod.rs"]
mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use support::{Node, PROGRAM, Scratch, Tree, read_tree, write_tree};

/// Who has no other process, so that a limit of one counts for this one alone.
const SOMEBODY: &str = "64913:64913";

/// Longer than it takes, and shorter than for ever.
const PATIENCE_S: &str = "20";

const CONFIGURATION: &str = "\
[zram0]
zram-size = 100
compression-algorithm = zstd lz4
writeback-device = /dev/below

[zram1]
backend = ublk
zram-size = 100
";

/// A root with the program, what it is linked to, and a kernel that is ready.
fn root() -> Scratch {
    let scratch = Scratch::new("alone").expect("a directory");
    let root = scratch.path();
    let file = |text: &str| Node::File(text.into());
    let tree = Tree::from([
        ("proc/meminfo".into(), file("MemTotal: 801322 kB\n")),
        ("proc/cmdline".into(), file("quiet\n")),
        ("proc/crypto".into(), file("name         : zstd\n")),
        ("etc/systemd/zram-generator.conf".into(), file(CONFIGURATION)),
        ("sys/class/zram-control/hot_remove".into(), file("")),
        // What a program that is started reads.
        ("dev/null".into(), file("")),
        ("sys/block/zram0/comp_algorithm".into(), file("[lzo] lz4 zstd\n")),
    ]);
    write_tree(root, &tree).expect("written");
    // Who opens one of these waits for somebody at its other end.
    let devices = ["dev/zram0", "dev/below", "dev/trueno/zram1", "sys/class/zram-control/hot_add"];
    let mirror = ["run/trueno/zram-control/hot_add", "run/trueno/zram1/disksize"];
    for path in devices.into_iter().chain(mirror) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("a directory")).expect("made");
        let made = Command::new("mkfifo").arg(&path).status().expect("it runs");
        assert!(made.success(), "{}", path.display());
    }
    for library in linked() {
        let copy = root.join(library.strip_prefix("/").expect("absolute"));
        fs::create_dir_all(copy.parent().expect("a directory")).expect("made");
        fs::copy(&library, copy).expect("copied");
    }
    fs::copy(PROGRAM, root.join("program")).expect("copied");
    // Whoever would be started, were that allowed.
    fs::create_dir_all(root.join("usr/bin")).expect("made");
    symlink("/program", root.join("usr/bin/modprobe")).expect("made");
    fs::create_dir(root.join("units")).expect("made");
    fs::set_permissions(root.join("units"), Permissions::from_mode(0o777)).expect("for everybody");
    scratch
}

/// The libraries of the program, and who loads them: each path that ldd(1) prints.
fn linked() -> Vec<PathBuf> {
    let output = Command::new("ldd").arg(PROGRAM).output().expect("ldd runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let words = text.split_whitespace().filter(|word| word.starts_with('/'));
    words.map(PathBuf::from).collect()
}

/// Runs the program as a user that may have one process: itself.
fn run(root: &Path) -> Output {
    let mut command = Command::new("timeout");
    command
        .args([PATIENCE_S, "prlimit", "--nproc=1", "chroot"])
        .arg(format!("--userspec={SOMEBODY}"));
    command.arg(root).args(["/program", "/units"]);
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.stdin(Stdio::null()).output().expect("it runs")
}

fn is_possible() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        skip::skip("only root can give a program a root of its own");
    }
    is_root
}

#[test]
fn nothing_is_started_and_nothing_is_waited_for() {
    if !is_possible() {
        return;
    }
    let root = root();
    let output = run(root.path());
    let messages = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), messages.as_ref()), (Some(0), ""));
    let units = read_tree(&root.path().join("units")).expect("read");
    let names: Vec<_> = units.keys().map(|path| path.display().to_string()).collect();
    let has = |name: &&str| names.iter().any(|other| other == name);
    assert!(["dev-zram0.swap", "dev-trueno-zram1.swap"].iter().all(has), "{names:?}");
}

/// The test above would see it.
#[test]
fn what_the_kernel_lacks_would_have_to_be_started() {
    if !is_possible() {
        return;
    }
    let root = root();
    fs::write(root.path().join("sys/block/zram0/comp_algorithm"), "[lzo] zstd\n").expect("written");
    let output = run(root.path());
    let messages = String::from_utf8_lossy(&output.stderr);
    let says_so = messages.contains("modprobe crypto-lz4: Resource temporarily unavailable");
    assert!(says_so, "{messages}");
    assert_eq!(messages.lines().count(), 1, "{messages}");
}

/// And so would it see who opens a device.
#[test]
fn who_opens_a_device_waits() {
    if !is_possible() {
        return;
    }
    let root = root();
    // Without a node the device has to be made.
    fs::remove_file(root.path().join("dev/zram0")).expect("removed");
    let mut command = Command::new("timeout");
    command.args(["2", "chroot"]).arg(root.path()).args(["/program", "/units"]);
    let status = command.env_clear().env("PATH", "/usr/sbin:/usr/bin").status().expect("it runs");
    assert_eq!(status.code(), Some(124));
}
