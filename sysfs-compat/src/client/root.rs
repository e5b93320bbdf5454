//! Where `/sys`, `/proc` and `/dev` are.

use std::path::{Path, PathBuf};

/// Moves the root directory for everything this program reads and writes.
pub const ROOT_VARIABLE: &str = "TRUENO_ZRAM_ROOT";

/// The directory that stands for `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root(PathBuf);

impl Root {
    /// The given directory.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Root(directory.into())
    }

    /// What [`ROOT_VARIABLE`] says, else the running system.
    #[must_use]
    pub fn from_environment() -> Self {
        match std::env::var_os(ROOT_VARIABLE) {
            Some(directory) if !directory.is_empty() => Root::new(directory),
            _ => Root::new("/"),
        }
    }

    /// Whether this is the running system, where nodes are devices and system calls reach them.
    #[must_use]
    pub fn is_system(&self) -> bool {
        self.0 == Path::new("/")
    }

    /// `absolute` (a path that starts with `/`) below this root.
    #[must_use]
    pub fn join(&self, absolute: impl AsRef<Path>) -> PathBuf {
        let absolute = absolute.as_ref();
        self.0.join(absolute.strip_prefix("/").unwrap_or(absolute))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below_the_root() {
        assert_eq!(Root::new("/tmp/t").join("/sys/block"), Path::new("/tmp/t/sys/block"));
        assert_eq!(Root::new("/tmp/t").join("/"), Path::new("/tmp/t"));
        assert_eq!(Root::new("/").join("/sys"), Path::new("/sys"));
        assert!(Root::new("/").is_system() && !Root::new("/tmp").is_system());
    }
}
