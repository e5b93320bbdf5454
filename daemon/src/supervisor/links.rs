//! `/dev/trueno/zramN`: the block device by the number that its attributes have.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;

use crate::paths::Paths;

/// Makes or corrects the link to the kernel's device `id`.
pub(crate) fn make(paths: &Paths, number: u32, id: u32) -> io::Result<()> {
    let (link, target) = (paths.link(number), format!("../ublkb{id}"));
    match DirBuilder::new().mode(0o755).create(paths.links()) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    if fs::read_link(&link).is_ok_and(|old| old.as_os_str() == target.as_str()) {
        return Ok(());
    }
    // A name of its own first, so that there is never no link.
    let new = paths.links().join(format!(".zram{number}.new"));
    fs::remove_file(&new).ok();
    std::os::unix::fs::symlink(target, &new)?;
    fs::rename(new, link)
}

/// Removes the link, and the directory with the last one.
pub(crate) fn remove(paths: &Paths, number: u32) {
    fs::remove_file(paths.link(number)).ok();
    fs::remove_dir(paths.links()).ok();
}
