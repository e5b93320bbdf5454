//! Files of the block device, while there is one.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use crate::skip::skip;
use crate::support::{Mirrored, errno, start};

/// A directory like a block device's.
fn with_block_device() -> Option<Mirrored> {
    let mirrored = start()?;
    let block = mirrored.place.path.join("block");
    fs::create_dir_all(block.join("queue/iosched")).expect("a file is made");
    for (file, text, mode) in [
        ("dev", "253:7\n", 0o444),
        ("size", "2048\n", 0o444),
        ("stat", "0 0 0\n", 0o444),
        ("queue/io_timeout", "30000\n", 0o644),
        ("queue/rotational", "0\n", 0o444),
        ("holders", "not passed through\n", 0o444),
        ("queue/iosched/depth", "neither\n", 0o644),
    ] {
        let path = block.join(file);
        fs::write(&path, text).expect("a file is made");
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("a file is made");
    }
    *mirrored.keeper().block.lock().expect("nobody has panicked") = Some(block);
    Some(mirrored)
}

#[test]
fn they_are_the_real_ones() {
    let Some(mirrored) = with_block_device() else { return };
    assert_eq!(mirrored.read("zram0/dev").unwrap(), "253:7\n");
    assert_eq!(mirrored.read("zram0/size").unwrap(), "2048\n");
    assert_eq!(mirrored.read("zram0/queue/rotational").unwrap(), "0\n");
    assert_eq!(errno(mirrored.write("zram0/queue/rotational", "1")), libc::EACCES);
    assert_eq!(mirrored.write("zram0/queue/io_timeout", "500\n").unwrap(), 4);
    let real = mirrored.place.path.join("block/queue/io_timeout");
    assert_eq!(fs::read_to_string(real).unwrap(), "500\n0\n", "one write, nothing truncated");
    let modes = ["dev", "queue/io_timeout", "queue/rotational"].map(|file| {
        fs::metadata(mirrored.path("zram0").join(file)).unwrap().permissions().mode() & 0o7777
    });
    assert_eq!(modes, [0o444, 0o644, 0o444]);
    for missing in ["ro", "holders", "queue/iosched"] {
        assert!(!mirrored.path("zram0").join(missing).exists(), "{missing}");
    }
    let listed = fs::read_dir(mirrored.path("zram0/queue")).unwrap();
    let mut listed: Vec<_> = listed.map(|entry| entry.unwrap().file_name()).collect();
    listed.sort_unstable();
    assert_eq!(listed, ["io_timeout", "rotational"]);
    assert!(mirrored.keeper().log().is_empty(), "it is no attribute that needs to be kept");
}

#[test]
fn they_go_with_the_block_device() {
    let Some(mirrored) = with_block_device() else { return };
    assert!(mirrored.path("zram0/queue").is_dir());
    *mirrored.keeper().block.lock().unwrap() = None;
    for file in ["zram0/queue", "zram0/queue/rotational", "zram0/dev", "zram0/stat"] {
        assert_eq!(errno(fs::metadata(mirrored.path(file))), libc::ENOENT, "{file}");
    }
    assert_eq!(mirrored.read("zram0/initstate").unwrap(), "0\n");
}

/// The kernel's own block device: its files have rules of their own, which come through.
#[test]
fn a_real_block_devices_files() {
    let Some(mirrored) = start() else { return };
    let real = std::path::Path::new("/sys/block/loop0");
    if !real.exists() {
        skip("there is no /sys/block/loop0");
        return;
    }
    *mirrored.keeper().block.lock().unwrap() = Some(real.to_owned());
    for file in ["dev", "size", "ro", "stat", "queue/logical_block_size", "queue/scheduler"] {
        let expected = fs::read_to_string(real.join(file)).unwrap();
        assert_eq!(mirrored.read(&format!("zram0/{file}")).unwrap(), expected, "{file}");
    }
    assert_eq!(errno(mirrored.write("zram0/queue/nr_requests", "x")), libc::EINVAL);
}
