//! Real files as test data, kept in memory so that comparing never depends on a source that
//! somebody edits meanwhile.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

/// Larger files would crowd out the variety.
const FILE_LIMIT_BYTES: u64 = 4 << 20;

pub(super) struct Files(Vec<File>);

struct File {
    /// Below the mount point: the source's absolute path.
    path: PathBuf,
    content: Vec<u8>,
}

impl Files {
    /// Reads files below `roots`, in that order, up to `limit_bytes` in all.
    pub(super) fn read(roots: &[PathBuf], limit_bytes: u64) -> anyhow::Result<Self> {
        let mut files = Self(Vec::new());
        let mut left = limit_bytes;
        for root in roots {
            files.read_below(root, &mut left);
        }
        ensure!(!files.0.is_empty(), "no readable files below {roots:?}");
        Ok(files)
    }

    /// Which files there are is no matter, so what cannot be read is left out. Ends at the first
    /// file that does not fit: looking for smaller ones could mean to walk the whole system.
    fn read_below(&mut self, directory: &Path, left: &mut u64) {
        let Ok(entries) = fs::read_dir(directory) else { return };
        let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            if *left == 0 {
                return;
            }
            let Ok(metadata) = path.symlink_metadata() else { continue };
            if metadata.is_dir() && !is_build_output(&path) {
                self.read_below(&path, left);
            } else if metadata.is_file() && metadata.len() <= FILE_LIMIT_BYTES {
                let Ok(content) = fs::read(&path) else { continue };
                *left = left.saturating_sub(metadata.len());
                if *left > 0 {
                    let path = path.strip_prefix("/").unwrap_or(&path).to_owned();
                    self.0.push(File { path, content });
                }
            }
        }
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(|file| file.content.len()).sum()
    }

    pub(super) fn write_under(&self, mountpoint: &Path) -> anyhow::Result<()> {
        for File { path, content } in &self.0 {
            let path = mountpoint.join(path);
            let write = || {
                fs::create_dir_all(path.parent().unwrap_or(mountpoint))?;
                fs::write(&path, content)
            };
            write().with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }

    pub(super) fn compare_under(&self, mountpoint: &Path) -> anyhow::Result<()> {
        for File { path, content } in &self.0 {
            let path = mountpoint.join(path);
            let copy =
                fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            ensure!(copy == *content, "{} differs from what was written", path.display());
        }
        Ok(())
    }
}

fn is_build_output(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "target" || name == ".git")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_compared_with_what_was_read() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/demo");
        let files = Files::read(&[source], 1 << 20).unwrap();
        assert!(files.count() >= 2 && files.bytes() > 0);

        let copy = std::env::temp_dir().join(format!("xtask-demo-data-{}", std::process::id()));
        files.write_under(&copy).unwrap();
        files.compare_under(&copy).unwrap();

        fs::write(copy.join(&files.0[0].path), "changed").unwrap();
        let error = files.compare_under(&copy).unwrap_err();
        assert!(error.to_string().contains("differs"), "{error:#}");
        fs::remove_dir_all(&copy).unwrap();
    }

    #[test]
    fn the_limit_holds() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let files = Files::read(&[source], 20_000).unwrap();
        assert!(files.bytes() <= 20_000);
        assert!(Files::read(&["/no/such/directory".into()], 6000).is_err());
    }
}
