//! A package for Debian and its descendants: deb(5).

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::contents::{Format, Row, Source};
use super::{Made, Profile, contents, read, scripts, stage, working_directory};
use crate::generated::fill;
use crate::process;
use crate::workspace::Workspace;

/// The second number is the packaging's own.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "-1");
/// There is no address yet; `.invalid` says so, and whoever publishes packages puts in their own.
const MAINTAINER: &str = "The trueno-zram authors <maintainers@trueno-zram.invalid>";

/// Makes the package in `out`, and returns its path.
pub(super) fn make(workspace: &Workspace, made: &Made, out: &Path) -> anyhow::Result<PathBuf> {
    let work = working_directory(out, "deb")?;
    let root = work.join("root");
    stage::lay_out(workspace, made, Format::Deb, &root)?;
    let control = root.join("DEBIAN");
    fs::create_dir(&control)?;

    let mut dpkg = Command::new("dpkg");
    let architecture = process::output(dpkg.arg("--print-architecture"))?;
    let architecture = architecture.trim();
    let marks = [
        ("@VERSION@", VERSION.to_owned()),
        ("@ARCHITECTURE@", architecture.to_owned()),
        ("@MAINTAINER@", MAINTAINER.to_owned()),
        ("@SIZE@", installed_size(&root)?.to_string()),
        ("@DEPENDS@", dependencies(&work, &root)?),
    ];
    let template = read(&workspace.path("packaging/deb/control"))?;
    fs::write(control.join("control"), fill(&template, &marks))?;
    fs::write(control.join("md5sums"), sums(&root)?)?;
    for script in &scripts::SCRIPTS {
        let path = control.join(script.deb);
        fs::write(&path, script.for_deb(workspace)?)?;
        fs::set_permissions(&path, Permissions::from_mode(0o755))?;
    }

    let package = out.join(format!("trueno-zram_{VERSION}_{architecture}.deb"));
    let mut build = Command::new("dpkg-deb");
    build.env("SOURCE_DATE_EPOCH", made.epoch.to_string());
    // Unpacked once, in a test: not worth a minute of xz.
    build.arg(if made.profile == Profile::Dev { "-Zgzip" } else { "-Zxz" });
    if made.profile == Profile::Dev {
        build.arg("-z1");
    }
    build.args(["--root-owner-group", "--build"]).arg(&root).arg(&package);
    process::output(&mut build)?;
    fs::remove_dir_all(&work).with_context(|| format!("cannot remove {}", work.display()))?;
    Ok(package)
}

/// The change log of the packaging: deb-changelog(5).
pub(super) fn changelog(epoch: u64) -> anyhow::Result<String> {
    let mut date = Command::new("date");
    date.args(["--utc", "--rfc-email", "--date"]).arg(format!("@{epoch}")).env("LC_ALL", "C");
    let date = process::output(&mut date)?;
    Ok(format!(
        "trueno-zram ({VERSION}) unstable; urgency=medium\n\n  \
         * Packaged by `cargo xtask dist`. What has changed is in changelog.gz.\n\n \
         -- {MAINTAINER}  {}\n",
        date.trim()
    ))
}

/// The files that are no links, below the root, in the table's order.
fn files() -> impl Iterator<Item = &'static Row> {
    contents::of(Format::Deb).filter(|row| !matches!(row.source, Source::Link(_)))
}

/// In KiB, each file rounded up: deb-substvars(5).
fn installed_size(root: &Path) -> anyhow::Result<u64> {
    files().map(|row| Ok(fs::metadata(root.join(row.path))?.len().div_ceil(1024))).sum()
}

/// What apt and debsums compare installed files with: deb-md5sums(5).
fn sums(root: &Path) -> anyhow::Result<String> {
    let mut paths: Vec<_> = files().map(|row| row.path).collect();
    paths.sort_unstable();
    let sums = process::output(Command::new("md5sum").args(paths).current_dir(root))?;
    // Of a name with a backslash it makes two, and puts one in front of the line: md5sum(1). dpkg does not.
    let plain = |line: &str| match line.strip_prefix('\\') {
        Some(line) => line.replace(r"\\", r"\"),
        None => line.to_owned(),
    };
    Ok(sums.lines().map(|line| plain(line) + "\n").collect())
}

/// The packages of the libraries that the programs are linked with, in the oldest version that has
/// all symbols.
fn dependencies(work: &Path, root: &Path) -> anyhow::Result<String> {
    // It reads the name of the package from there.
    let debian = work.join("debian");
    fs::create_dir(&debian)?;
    fs::write(
        debian.join("control"),
        "Source: trueno-zram\n\nPackage: trueno-zram\nArchitecture: any\n",
    )?;
    let programs = files().filter(|row| matches!(row.source, Source::Program(_)));
    let mut command = Command::new("dpkg-shlibdeps");
    command.arg("-O").args(programs.map(|row| root.join(row.path))).current_dir(work);
    let text = process::output(&mut command)?;
    let depends = text.lines().find_map(|line| line.strip_prefix("shlibs:Depends="));
    Ok(depends.context("dpkg-shlibdeps has found no library")?.to_owned())
}
