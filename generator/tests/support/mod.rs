//! Trees of files: made, copied, read and compared.
#![allow(dead_code, reason = "each test uses a part")]

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_trueno-zram-generator");

/// A directory of our own, removed with all that is in it.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("trueno-{name}-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path)?;
        Ok(Scratch(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed hurts nobody.
        fs::remove_dir_all(&self.0).ok();
    }
}

/// What a path holds. Directories are what paths run through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    File(Vec<u8>),
    Link(PathBuf),
}

/// Files and links by their paths below a directory.
pub(crate) type Tree = BTreeMap<PathBuf, Node>;

/// Reads a tree; one that does not exist is empty.
pub(crate) fn read_tree(root: &Path) -> io::Result<Tree> {
    let mut tree = Tree::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        let entries = match fs::read_dir(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let (kind, path) = (entry.file_type()?, entry.path());
            if kind.is_dir() {
                directories.push(path);
                continue;
            }
            let name = path.strip_prefix(root).map_err(io::Error::other)?.to_owned();
            let node = if kind.is_symlink() {
                Node::Link(fs::read_link(&path)?)
            } else {
                Node::File(fs::read(&path)?)
            };
            tree.insert(name, node);
        }
    }
    Ok(tree)
}

/// Writes a tree below `root`.
pub(crate) fn write_tree(root: &Path, tree: &Tree) -> io::Result<()> {
    fs::create_dir_all(root)?;
    for (name, node) in tree {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap_or(root))?;
        match node {
            Node::File(bytes) => fs::write(&path, bytes)?,
            Node::Link(target) => symlink(target, &path)?,
        }
    }
    Ok(())
}

/// How two trees differ, in words. None: not at all.
pub(crate) fn difference(expected: &Tree, found: &Tree) -> Option<String> {
    let mut lines = Vec::new();
    for (name, node) in expected {
        match found.get(name) {
            Some(other) if other == node => {}
            Some(other) => lines.push(format!(
                "{}: expected\n{}\nfound\n{}",
                name.display(),
                shown(node),
                shown(other)
            )),
            None => lines.push(format!("{} is missing:\n{}", name.display(), shown(node))),
        }
    }
    let more = found.iter().filter(|(name, _)| !expected.contains_key(*name));
    lines.extend(
        more.map(|(name, node)| format!("{} is too much:\n{}", name.display(), shown(node))),
    );
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn shown(node: &Node) -> String {
    match node {
        Node::File(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Node::Link(target) => format!("-> {}", target.display()),
    }
}
