//! Made-up systems.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use trueno_tests::scratch::Scratch;

/// A root directory with the files that the program looks at. Regular files take what is written
/// to them, which is how a test sees it.
#[derive(Debug)]
pub(crate) struct System(Scratch);

/// `mm_stat` of [`one`]: 4 MiB stored in 1.5 MiB.
pub(crate) const MM_STAT: &str = " 4194304  1468006  1572864        0  2097152       16        3";

/// No module, no devices, nothing swapped or mounted.
pub(crate) fn bare() -> System {
    let system = System(Scratch::new("contract").expect("a directory for the test"));
    system
        .file("/dev/null", "")
        .file("/proc/swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n")
        .file("/proc/mounts", "/dev/vda / ext4 rw,relatime 0 0\nproc /proc proc rw 0 0\n")
}

/// The module is loaded, and has no devices.
pub(crate) fn loaded() -> System {
    bare()
        .file("/sys/class/zram-control/hot_add", "7\n")
        .file("/sys/class/zram-control/hot_remove", "")
}

/// One device of 64 MiB with something in it.
pub(crate) fn one() -> System {
    loaded().device(0, 64 << 20)
}

/// As [`one`], and `zram1` that is not set up.
pub(crate) fn one_and_a_free_one() -> System {
    one().device(1, 0)
}

impl System {
    pub(crate) fn root(&self) -> &Path {
        self.0.path()
    }

    /// Makes a file, with the directories that it needs.
    pub(crate) fn file(self, path: &str, text: impl AsRef<[u8]>) -> Self {
        let path = self.path(path);
        let parent = path.parent().expect("a path in the tree");
        fs::create_dir_all(parent).expect("a directory");
        fs::write(path, text).expect("a file");
        self
    }

    /// A file of a device.
    pub(crate) fn attribute(self, number: u32, name: &str, text: impl AsRef<[u8]>) -> Self {
        self.file(&format!("/sys/block/zram{number}/{name}"), text)
    }

    /// Something that exists and cannot be read, not even by root.
    pub(crate) fn unreadable(self, number: u32, name: &str) -> Self {
        let system = self.without(number, name);
        fs::create_dir(system.path(&format!("/sys/block/zram{number}/{name}"))).expect("made");
        system
    }

    pub(crate) fn without(self, number: u32, name: &str) -> Self {
        fs::remove_file(self.path(&format!("/sys/block/zram{number}/{name}"))).expect("removed");
        self
    }

    /// A device with the attributes of a kernel of today that lacks every optional part.
    pub(crate) fn device(self, number: u32, disksize: u64) -> Self {
        let mm_stat = if disksize > 0 { MM_STAT } else { " 0 0 0 0 0 0 0" };
        self.file(&format!("/dev/zram{number}"), "")
            .attribute(number, "disksize", format!("{disksize}\n"))
            .attribute(number, "comp_algorithm", "lzo-rle lzo [lz4] zstd \n")
            .attribute(number, "max_comp_streams", "2\n")
            .attribute(number, "mm_stat", format!("{mm_stat}        5       11\n"))
            .attribute(number, "mem_limit", "")
            .attribute(number, "mem_used_max", "")
            .attribute(number, "algorithm_params", "")
            .attribute(number, "reset", "")
            .attribute(number, "compact", "")
            .attribute(number, "idle", "")
    }

    /// A file of a device of trueno-ublk.
    pub(crate) fn mirrored(self, number: u32, name: &str, text: impl AsRef<[u8]>) -> Self {
        self.file(&format!("/run/trueno/zram{number}/{name}"), text)
    }

    /// trueno-ublk runs, and has no devices.
    pub(crate) fn mirror(self) -> Self {
        self.file("/run/trueno/zram-control/hot_add", "7\n")
            .file("/run/trueno/zram-control/hot_remove", "")
    }

    /// A device of trueno-ublk that is set up, as `/dev/ublkbID`, without the link.
    pub(crate) fn ublk(self, number: u32, id: u32) -> Self {
        self.unset_ublk(number)
            .mirrored(number, "disksize", "67108864\n")
            .mirrored(number, "mm_stat", format!("{MM_STAT}        5       11\n"))
            .mirrored(number, "trueno/ublk_id", format!("{id}\n"))
            .mirrored(number, "dev", format!("259:{id}\n"))
            .file(&format!("/dev/ublkb{id}"), "")
            .file(&format!("/sys/block/ublkb{id}/size"), "131072\n")
    }

    /// One that is not.
    pub(crate) fn unset_ublk(self, number: u32) -> Self {
        let empty = ["mem_limit", "mem_used_max", "algorithm_params", "reset", "compact", "idle"];
        let system = self
            .mirrored(number, "disksize", "0\n")
            .mirrored(number, "comp_algorithm", "[wm] wmhc lz4 zstd \n")
            .mirrored(number, "max_comp_streams", "2\n")
            .mirrored(number, "mm_stat", " 0 0 0 0 0 0 0 0 0\n")
            .mirrored(number, "trueno/noswap", "1\n")
            .mirrored(number, "trueno/ublk_id", "-1\n");
        empty.into_iter().fold(system, |system, name| system.mirrored(number, name, ""))
    }

    /// The link that leads to the block device.
    pub(crate) fn link(self, number: u32, id: u32) -> Self {
        let link = self.path(&format!("/dev/trueno/zram{number}"));
        fs::create_dir_all(self.path("/dev/trueno")).expect("a directory");
        symlink(format!("../ublkb{id}"), link).expect("a link");
        self
    }

    /// What was last written to an attribute of a device of trueno-ublk.
    pub(crate) fn read_mirrored(&self, number: u32, name: &str) -> String {
        let path = self.path(&format!("/run/trueno/zram{number}/{name}"));
        fs::read_to_string(path).expect("the attribute")
    }

    pub(crate) fn path(&self, path: &str) -> std::path::PathBuf {
        self.root().join(path.strip_prefix('/').expect("an absolute path"))
    }

    /// What was last written to an attribute.
    pub(crate) fn read(&self, number: u32, name: &str) -> String {
        let path = self.path(&format!("/sys/block/zram{number}/{name}"));
        fs::read_to_string(path).expect("the attribute")
    }
}
