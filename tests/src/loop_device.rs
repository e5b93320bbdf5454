//! Loop devices on small files, detached when they go out of scope.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A loop device.
#[derive(Debug)]
pub struct LoopDevice {
    path: PathBuf,
}

impl LoopDevice {
    /// Makes one on a new file of that many bytes, beside which nothing else must stand.
    ///
    /// # Errors
    /// When the file cannot be made, or `losetup` fails.
    pub fn on(file: &Path, bytes: u64) -> io::Result<Self> {
        File::create_new(file)?.set_len(bytes)?;
        let mut losetup = Command::new("losetup");
        let path = line_of(losetup.args(["--find", "--show"]).arg(file))?;
        Ok(LoopDevice { path })
    }

    /// The block device.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        let detached = Command::new("losetup").arg("--detach").arg(&self.path).status();
        if !detached.is_ok_and(|status| status.success()) {
            #[expect(clippy::print_stderr, reason = "a destructor has no other way to say it")]
            {
                eprintln!("{} stays behind", self.path.display());
            }
        }
    }
}

/// Loads the driver, where it is a module.
pub fn load_driver() {
    // Where it is built in, there may be no modprobe, and nothing is missing.
    drop(Command::new("modprobe").args(["-q", "loop"]).status());
}

/// A loop device without a file, hence without a single page.
///
/// # Errors
/// When `losetup` fails.
pub fn unused() -> io::Result<PathBuf> {
    line_of(Command::new("losetup").arg("--find"))
}

fn line_of(command: &mut Command) -> io::Result<PathBuf> {
    let output = command.output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim_end()))
}
