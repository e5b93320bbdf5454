//! A package for distributions with RPM: rpm-spec(5).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use super::contents::{self, Format, Row, Source};
use super::{Made, Profile, read, scripts, stage, working_directory};
use crate::generated::fill;
use crate::process;
use crate::workspace::Workspace;

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The packaging's own number.
const RELEASE: &str = "1";

/// Makes the package in `out`, and returns its path. Libraries that the programs need are found by
/// rpmbuild.
pub(super) fn make(workspace: &Workspace, made: &Made, out: &Path) -> anyhow::Result<PathBuf> {
    let work = working_directory(out, "rpm")?;
    let root = work.join("root");
    stage::lay_out(workspace, made, Format::Rpm, &root)?;
    let scripts: anyhow::Result<String> =
        scripts::SCRIPTS.iter().map(|script| script.for_rpm(workspace)).collect();
    let marks = [
        ("@VERSION@", VERSION.to_owned()),
        ("@RELEASE@", RELEASE.to_owned()),
        ("@STAGE@", root.to_str().context("a path that is no text")?.to_owned()),
        ("@SCRIPTS@", scripts?),
        ("@FILES@", files()),
    ];
    let template = read(&workspace.path("packaging/rpm/trueno-zram.spec"))?;
    let spec = work.join("trueno-zram.spec");
    fs::write(&spec, fill(&template, &marks))?;

    let mut build = Command::new("rpmbuild");
    build.env("SOURCE_DATE_EPOCH", made.epoch.to_string());
    // The better one is read by all distributions since 2018; the other is quick, for tests.
    let payload = match made.profile {
        Profile::Release => "w19.zstdio",
        Profile::Dev => "w1.gzdio",
    };
    for define in [
        format!("_topdir {}", work.display()),
        format!("_binary_payload {payload}"),
        "use_source_date_epoch_as_buildtime 1".to_owned(),
        "clamp_mtime_to_source_date_epoch 1".to_owned(),
        "_buildhost trueno-zram".to_owned(),
    ] {
        build.args(["--define", &define]);
    }
    build.args(["--quiet", "-bb"]).arg(&spec);
    process::run(&mut build)?;
    let package = built(&work.join("RPMS"))?;
    let name = package.file_name().context("a package has a name")?;
    let target = out.join(name);
    fs::rename(&package, &target).with_context(|| format!("cannot make {}", target.display()))?;
    fs::remove_dir_all(&work).with_context(|| format!("cannot remove {}", work.display()))?;
    Ok(target)
}

/// The one package below the directory, in that of its architecture.
fn built(directory: &Path) -> anyhow::Result<PathBuf> {
    let mut found = Vec::new();
    for architecture in fs::read_dir(directory)? {
        for package in fs::read_dir(architecture?.path())? {
            found.push(package?.path());
        }
    }
    ensure!(found.len() == 1, "rpmbuild has made {} packages", found.len());
    found.pop().context("one")
}

/// The lines of `%files`.
fn files() -> String {
    let line = |row: &Row| {
        let kind = match row.source {
            _ if row.path.starts_with("usr/share/licenses/") => "%license ",
            _ if row.path.starts_with("usr/share/doc/") => "%doc ",
            Source::Link(_) => return format!("/{}\n", row.path),
            _ => "",
        };
        // The names are patterns, and releases of rpm differ in what a backslash is in one.
        let path = row.path.replace('\\', "?");
        format!("%attr({:o}, root, root) {kind}/{path}\n", row.mode())
    };
    contents::of(Format::Rpm).map(line).collect()
}
