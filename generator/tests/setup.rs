//! Setting a device up, on files in place of its attributes: what a real device does not show.

#[path = "support/mod.rs"]
mod support;

use std::fs::{self, File};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use support::{Node, PROGRAM, Scratch, Tree, write_tree};

/// Far longer than it takes.
const A_WHILE: Duration = Duration::from_millis(300);

const CONFIGURATION: &str = "[zram1]\nbackend = ublk\nzram-size = 100\nfs-type = ext4\n";

/// `zram1` of trueno-ublk is there, and has no size yet.
fn root() -> Scratch {
    let scratch = Scratch::new("setup").expect("a directory");
    let tree = [
        ("etc/systemd/zram-generator.conf", CONFIGURATION),
        ("proc/meminfo", "MemTotal: 801322 kB\n"),
        ("run/trueno/zram-control/hot_add", "2\n"),
        ("run/trueno/zram-control/hot_remove", ""),
        ("run/trueno/zram1/comp_algorithm", "[wm] lz4\n"),
        ("run/trueno/zram1/mem_limit", ""),
        ("run/trueno/zram1/reset", ""),
        ("run/trueno/zram1/disksize", "0\n"),
        ("dev/trueno/zram1", ""),
    ];
    let tree = tree.map(|(path, text)| (path.into(), Node::File(text.into())));
    write_tree(scratch.path(), &Tree::from(tree)).expect("written");
    scratch
}

fn start(root: &Scratch) -> Child {
    let mut command = Command::new(PROGRAM);
    command.args(["--setup-device", "trueno/zram1"]).env("TRUENO_ZRAM_ROOT", root.path());
    // There is nobody who makes a file system here, and it says so.
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts")
}

fn read(root: &Scratch, path: &str) -> String {
    fs::read_to_string(root.path().join(path)).expect("readable")
}

/// Who looks for a free device is not to be given one that is about to get its size, and the other
/// way round.
#[test]
fn who_looks_for_a_free_device_is_waited_for() {
    let root = root();
    let lock = File::open(root.path().join("run/trueno/zram-control/hot_add")).expect("there");
    flock(&lock, FlockOperation::LockExclusive).expect("nobody has it");
    let mut child = start(&root);
    sleep(A_WHILE);
    assert_eq!(child.try_wait().expect("a child"), None);
    assert_eq!(read(&root, "run/trueno/zram1/reset"), "");
    drop(lock);
    child.wait().expect("a child");
    assert_eq!(read(&root, "run/trueno/zram1/disksize"), (100 << 20).to_string());
}

/// Who makes a device holds the lock too, shared with others who do. What is there is looked at when it is
/// our turn: here the device comes meanwhile.
#[test]
fn who_makes_devices_is_waited_for() {
    let root = root();
    let (device, elsewhere) = (root.path().join("run/trueno/zram1"), root.path().join("zram1"));
    fs::rename(&device, &elsewhere).expect("moved away");
    let lock = File::open(root.path().join("run/trueno/zram-control/hot_add")).expect("there");
    flock(&lock, FlockOperation::LockShared).expect("nobody has it");
    let mut child = start(&root);
    sleep(A_WHILE);
    assert_eq!(child.try_wait().expect("a child"), None);
    fs::rename(&elsewhere, &device).expect("moved back");
    drop(lock);
    child.wait().expect("a child");
    assert_eq!(read(&root, "run/trueno/zram-control/hot_remove"), "1");
    assert_eq!(read(&root, "run/trueno/zram1/disksize"), (100 << 20).to_string());
}

/// A reset leaves what only trueno-ublk's devices have, so it is not enough where the configuration may
/// have changed.
#[test]
fn a_device_of_trueno_ublk_is_made_anew() {
    let root = root();
    start(&root).wait().expect("a child");
    assert_eq!(read(&root, "run/trueno/zram-control/hot_remove"), "1");
    assert_eq!(read(&root, "run/trueno/zram1/disksize"), (100 << 20).to_string());
}
