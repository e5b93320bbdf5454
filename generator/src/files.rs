//! Which files make up the configuration, and what is in them.
//!
//! The main file is the first of `/run`, `/etc`, `/usr/local/lib` and `/usr/lib` to have a
//! `systemd/zram-generator.conf`. Its values are the weakest. Behind it come the drop-ins
//! `systemd/zram-generator.conf.d/*.conf` of all four, by file name; a later directory's file
//! replaces an earlier one's of the same name, and a link to `/dev/null` takes it away.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sysfs_compat::client::Root;

/// From the weakest to the strongest.
const DIRECTORIES: [&str; 4] = ["/usr/lib", "/usr/local/lib", "/etc", "/run"];
const MAIN: &str = "systemd/zram-generator.conf";
const DROP_INS: &str = "systemd/zram-generator.conf.d";

/// No configuration is larger; what is, was put there by mistake.
const MOST_BYTES: u64 = 4 << 20;

/// One file of the configuration.
#[derive(Debug)]
pub struct Source {
    /// Where it is, root included.
    pub path: Arc<Path>,
    /// What is in it, or why that cannot be told.
    pub text: Result<Vec<u8>, String>,
}

/// Reads the whole configuration, in the order in which it counts: later values win.
#[must_use]
pub fn read(root: &Root) -> Vec<Source> {
    let source = |path: PathBuf| Source { text: read_file(&path), path: path.into() };
    locate(root).into_iter().map(source).collect()
}

fn locate(root: &Root) -> Vec<PathBuf> {
    let main = DIRECTORIES.iter().rev().map(|directory| root.join(directory).join(MAIN));
    let main = main.into_iter().find(|path| path.exists());
    main.into_iter().chain(drop_ins(root).into_values()).collect()
}

fn drop_ins(root: &Root) -> BTreeMap<OsString, PathBuf> {
    let mut found = BTreeMap::new();
    for directory in DIRECTORIES {
        let entries = fs::read_dir(root.join(directory).join(DROP_INS));
        for entry in entries.into_iter().flatten().flatten() {
            let (name, path) = (entry.file_name(), entry.path());
            let is_hidden = name.as_encoded_bytes().starts_with(b".");
            if is_hidden || path.extension().is_none_or(|extension| extension != "conf") {
                continue;
            }
            // Of the entry itself, not of what it links to.
            match entry.file_type() {
                Ok(kind) if kind.is_file() => {
                    found.insert(name, path);
                }
                _ if fs::read_link(&path).is_ok_and(|target| target == Path::new("/dev/null")) => {
                    found.remove(&name);
                }
                // Other links, directories and the rest count for nothing, as in zram-generator.
                _ => {}
            }
        }
    }
    found
}

fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("cannot be read: {error}");
    // A pipe would let the boot wait for ever.
    let kind = fs::metadata(path).map_err(failed)?.file_type();
    if !kind.is_file() {
        let is_null = fs::canonicalize(path).is_ok_and(|path| path == Path::new("/dev/null"));
        return if is_null { Ok(Vec::new()) } else { Err("is not a file".to_owned()) };
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len > MOST_BYTES) {
        return Err(format!("is larger than {} MiB", MOST_BYTES >> 20));
    }
    // A byte order mark, as editors of another system put there.
    Ok(bytes.strip_prefix(b"\xef\xbb\xbf").map(<[u8]>::to_vec).unwrap_or(bytes))
}
