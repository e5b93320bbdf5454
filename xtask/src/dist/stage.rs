//! Laying out what a package holds, as it will be installed.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

use super::contents::{self, Format, Row, Source};
use super::{Made, deb};
use crate::process;
use crate::workspace::Workspace;

/// Lays out a package of that format in the new directory `root`.
pub(super) fn lay_out(
    workspace: &Workspace,
    made: &Made,
    format: Format,
    root: &Path,
) -> anyhow::Result<()> {
    fs::create_dir(root).with_context(|| format!("cannot make {}", root.display()))?;
    for row in contents::of(format) {
        put(workspace, made, row, &root.join(row.path))
            .with_context(|| format!("cannot package {}", row.path))?;
    }
    finish(root, made.epoch)
}

fn put(workspace: &Workspace, made: &Made, row: &Row, target: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(target.parent().context("a file lies in a directory")?)?;
    match row.source {
        Source::Program(name) => {
            fs::copy(made.programs.get(name).context("it was not built")?, target)?;
            // cargo has done most of it in one profile, and none in the other.
            process::run(Command::new("strip").arg("--remove-section=.comment").arg(target))?;
        }
        Source::File(path) => drop(fs::copy(workspace.path(path), target)?),
        Source::Gzip(path) => compress(&fs::read(workspace.path(path))?, target)?,
        Source::Licences => compress(made.licences.as_bytes(), target)?,
        Source::DebianChangelog => compress(deb::changelog(made.epoch)?.as_bytes(), target)?,
        Source::Link(to) => return Ok(symlink(to, target)?),
    }
    Ok(fs::set_permissions(target, Permissions::from_mode(row.mode()))?)
}

/// As Debian wants it: as small as can be, and without name and time of what it was made from.
fn compress(bytes: &[u8], target: &Path) -> anyhow::Result<()> {
    let plain = target.with_extension("");
    fs::write(&plain, bytes)?;
    process::run(Command::new("gzip").arg("-n9").arg(&plain))?;
    ensure!(target.exists(), "gzip has named it otherwise");
    Ok(())
}

/// Gives everything below `path` one date, and directories the usual permissions, whatever the umask.
pub(super) fn finish(path: &Path, epoch: u64) -> anyhow::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            finish(&entry?.path(), epoch)?;
        }
        fs::set_permissions(path, Permissions::from_mode(0o755))?;
    }
    let time = Timespec { tv_sec: epoch.try_into()?, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)
        .with_context(|| format!("cannot date {}", path.display()))
}
