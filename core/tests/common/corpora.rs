//! Files of pages.

use std::fs;
use std::path::{Path, PathBuf};

/// All files of pages in a folder and the folders in it, sorted; none if there is no such folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        let name = path.to_string_lossy();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else if name.ends_with(".pages.zst") || name.ends_with(".pages") {
            files.push(path);
        }
    }
    files
}
