//! The files that attributes are pointed at: block devices to write back to, dictionaries, and all
//! that is neither.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::loop_device::{self, LoopDevice};
use crate::scratch::Scratch;
use rustix::fs::OFlags;
use sysfs_compat::abi::kernel::PAGE_SIZE;
use sysfs_compat::abi::{Feature, Kernel, memory};

/// Sizes of the backing devices in pages: with one page, kernels that keep back block 0 have no
/// room at all; the largest is still smaller than most devices of a run.
const BACKING_PAGES: [u64; 3] = [1, 3, 8];

/// Lengths of the dictionaries: empty, too short for lz4, good, too long for lz4 and lz4hc.
const DICTIONARIES: [usize; 4] = [0, 4, 4096, (64 << 10) + 1];

/// The files, removed at the end. The order of the fields is that of the clean-up.
#[derive(Debug)]
pub(super) struct World {
    /// What the model knows about them.
    files: BTreeMap<Vec<u8>, memory::File>,
    /// Keeps one device to itself.
    _claim: Option<File>,
    _loops: Vec<LoopDevice>,
    _scratch: Scratch,
}

impl World {
    pub(super) fn new(kernel: &Kernel) -> io::Result<Self> {
        let scratch = Scratch::new("differential")?;
        let directory = scratch.path().to_owned();
        let mut world =
            World { files: BTreeMap::new(), _claim: None, _loops: Vec::new(), _scratch: scratch };
        world.know(&directory, memory::File::Directory);
        world.know(Path::new("/dev/null"), memory::File::Regular(0));
        for length in DICTIONARIES {
            let path = directory.join(format!("{length}.dictionary"));
            fs::write(&path, vec![b'd'; length])?;
            world.know(&path, memory::File::Regular(length));
        }
        if kernel.has(Feature::Writeback) {
            world.make_block_devices(&directory)?;
        }
        Ok(world)
    }

    fn make_block_devices(&mut self, directory: &Path) -> io::Result<()> {
        loop_device::load_driver();
        for pages in BACKING_PAGES {
            // An odd tail: only whole pages count.
            let bytes = pages * PAGE_SIZE + 512;
            let device = LoopDevice::on(&directory.join(format!("{pages}.disk")), bytes)?;
            self.know(device.path(), memory::File::Block(pages));
            let link = directory.join(format!("{pages}.link"));
            std::os::unix::fs::symlink(device.path(), &link)?;
            self.know(&link, memory::File::Link(device.path().as_os_str().as_bytes().to_vec()));
            self._loops.push(device);
        }
        let claimed = LoopDevice::on(&directory.join("claimed.disk"), 8 * PAGE_SIZE)?;
        let exclusive = i32::try_from(OFlags::EXCL.bits()).map_err(io::Error::other)?;
        let claim = OpenOptions::new().read(true).custom_flags(exclusive).open(claimed.path())?;
        self.know(claimed.path(), memory::File::Claimed);
        self._claim = Some(claim);
        self._loops.push(claimed);
        self.know(&loop_device::unused()?, memory::File::Block(0));
        Ok(())
    }

    fn know(&mut self, path: &Path, file: memory::File) {
        self.files.insert(path.as_os_str().as_bytes().to_vec(), file);
    }

    /// What a device at `node` finds: the others, and itself, which has no page yet when it looks.
    pub(super) fn files_for(&self, node: &Path) -> BTreeMap<Vec<u8>, memory::File> {
        let mut files = self.files.clone();
        files.insert(node.as_os_str().as_bytes().to_vec(), memory::File::Block(0));
        files
    }

    /// Paths that lead to a file of the kind.
    pub(super) fn paths(&self, is_wanted: impl Fn(&memory::File) -> bool) -> Vec<&[u8]> {
        let files = self.files.iter().filter(|(_, file)| is_wanted(file));
        files.map(|(path, _)| path.as_slice()).collect()
    }
}
