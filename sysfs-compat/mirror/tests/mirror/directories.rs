//! What there is, and by which names.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use sysfs_compat::abi::{ATTRIBUTES, Kernel};

use crate::support::{errno, start};

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory").map_while(Result::ok);
    let mut names: Vec<_> =
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort_unstable();
    names
}

#[test]
fn every_listed_file_is_there_and_nothing_else() {
    let Some(mirrored) = start() else { return };
    assert_eq!(names(&mirrored.place.at()), ["zram-control", "zram0", "zram1"]);
    assert_eq!(names(&mirrored.path("zram-control")), ["hot_add", "hot_remove"]);
    assert_eq!(names(&mirrored.path("zram1/trueno")), ["long", "note", "pause", "slow"]);
    let kernel = Kernel::newest();
    let listed = ATTRIBUTES.iter().filter(|info| info.exists(&kernel));
    let mut expected: Vec<_> = listed.map(|info| info.name.to_owned()).collect();
    expected.push("trueno".to_owned());
    expected.sort_unstable();
    assert_eq!(names(&mirrored.path("zram0")), expected);
    for name in expected {
        let entry = fs::metadata(mirrored.path("zram0").join(&name)).unwrap();
        assert_eq!(entry.is_dir(), name == "trueno", "{name}");
    }
    for missing in
        ["zram2", "zram00", "zram0/use_dedup", "zram0/queue", "zram0/dev", "zram0/trueno/x"]
    {
        assert_eq!(errno(fs::metadata(mirrored.path(missing))), libc::ENOENT, "{missing}");
    }
}

#[test]
fn directories_look_like_those_of_sysfs() {
    let Some(mirrored) = start() else { return };
    for (directory, links) in [("", 5), ("zram0", 3), ("zram0/trueno", 2), ("zram-control", 2)] {
        let metadata = fs::metadata(mirrored.path(directory)).unwrap();
        assert_eq!(metadata.mode(), 0o40755, "{directory}");
        assert_eq!(metadata.nlink(), links, "{directory}");
        assert_eq!((metadata.size(), metadata.blocks()), (0, 0));
    }
}

/// More entries than one request of the kernel's takes.
#[test]
fn many_devices_are_listed() {
    let Some(mirrored) = start() else { return };
    for _ in 0..300 {
        mirrored.mirror.hot_add().unwrap();
    }
    assert_eq!(names(&mirrored.place.at()).len(), 303);
    let mut inodes: Vec<_> = fs::read_dir(mirrored.place.at())
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().ino())
        .collect();
    inodes.sort_unstable();
    inodes.dedup();
    assert_eq!(inodes.len(), 303);
}
