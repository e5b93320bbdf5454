//! The one place that writes unit files.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::Context as _;

use crate::units::{Content, UnitFile};

/// Writes these files below `directory`, with the directories that they lie in.
///
/// # Errors
/// The first that cannot be written.
pub fn write(directory: &Path, files: &[UnitFile]) -> anyhow::Result<()> {
    for file in files {
        let path = directory.join(&file.path);
        let parent = path.parent().unwrap_or(directory);
        fs::create_dir_all(parent)
            .and_then(|()| put(&path, &file.content))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn put(path: &Path, content: &Content) -> io::Result<()> {
    match content {
        Content::Text(text) => fs::write(path, text),
        // An earlier run into the same directory has made it.
        Content::Link(target) if fs::read_link(path).is_ok_and(|old| old == *target) => Ok(()),
        Content::Link(target) => symlink(target, path),
    }
}
