//! `dist`: packages for Debian and for distributions with RPM.
//!
//! ```text
//! contents.rs    what the packages hold: the table
//! stage.rs       laying it out as it will be installed
//! licences.rs    what of others is in the programs
//! scripts.rs     what runs when a package comes and goes
//! deb.rs, rpm.rs the two formats
//! ```
//!
//! What is packaged is dated by the last commit, so that one commit always gives the same bytes.

mod contents;
mod deb;
mod licences;
mod rpm;
mod scripts;
mod stage;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, bail};
use lexopt::ValueExt as _;

use crate::process;
use crate::tools::{self, Need};
use crate::workspace::Workspace;
pub(crate) use contents::Format;

/// How the programs are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// As users get them.
    Release,
    /// As tests have built them already. Packages are large, and quickly made.
    Dev,
}

/// What goes into a package beside the files of the tree.
struct Made {
    /// The programs by their names.
    programs: BTreeMap<&'static str, PathBuf>,
    /// What is said of the crates in them.
    licences: String,
    /// The date of everything, in seconds since 1970.
    epoch: u64,
    profile: Profile,
}

/// `cargo xtask dist [--deb | --rpm] [--out DIR] [--profile release|dev] [--yes]`.
pub(crate) fn run(workspace: &Workspace, args: lexopt::Parser) -> anyhow::Result<ExitCode> {
    let options = Options::parse(args)?;
    let out = options.out.unwrap_or_else(|| workspace.target_dir().join("dist"));
    let needs = options.formats.iter().flat_map(|&format| needs(format).iter().copied());
    tools::offer(&tools::missing(needs), options.yes)?;
    for format in options.formats {
        let package = match format {
            Format::Deb => deb(workspace, options.profile, &out)?,
            Format::Rpm => rpm(workspace, options.profile, &out)?,
        };
        println!("{}", package.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// What making a package of that format calls.
pub(crate) fn needs(format: Format) -> &'static [Need] {
    match format {
        Format::Deb => tools::DEB,
        Format::Rpm => tools::RPM,
    }
}

/// Builds the programs and makes a Debian package of them in `out`; its path.
///
/// # Errors
///
/// A program of [`needs`] is missing, or what it says.
pub(crate) fn deb(workspace: &Workspace, profile: Profile, out: &Path) -> anyhow::Result<PathBuf> {
    package(workspace, profile, out, Format::Deb, deb::make)
}

/// Builds the programs and makes an RPM package of them in `out`; its path.
///
/// # Errors
///
/// A program of [`needs`] is missing, or what it says.
pub(crate) fn rpm(workspace: &Workspace, profile: Profile, out: &Path) -> anyhow::Result<PathBuf> {
    package(workspace, profile, out, Format::Rpm, rpm::make)
}

fn package(
    workspace: &Workspace,
    profile: Profile,
    out: &Path,
    format: Format,
    make: fn(&Workspace, &Made, &Path) -> anyhow::Result<PathBuf>,
) -> anyhow::Result<PathBuf> {
    let missing = tools::missing(needs(format).iter().copied());
    if !missing.is_empty() {
        bail!("missing programs: {}", tools::names(&missing));
    }
    let made = Made {
        programs: programs(workspace, profile)?,
        licences: licences::of(workspace)?,
        epoch: epoch(workspace)?,
        profile,
    };
    fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    make(workspace, &made, &out.canonicalize()?)
}

/// Builds the programs.
fn programs(
    workspace: &Workspace,
    profile: Profile,
) -> anyhow::Result<BTreeMap<&'static str, PathBuf>> {
    let mut args = vec!["build", "--locked"];
    args.extend(contents::programs().flat_map(|name| ["-p", name]));
    if profile == Profile::Release {
        args.push("--release");
    }
    // The first has cargo build all of them; the others ask where they are.
    let built = |name| Ok((name, workspace.build_executable(&args, "bin", name)?));
    contents::programs().map(built).collect()
}

/// The date of everything: <https://reproducible-builds.org/specs/source-date-epoch/>, or else the
/// last commit's.
fn epoch(workspace: &Workspace) -> anyhow::Result<u64> {
    let text = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => text,
        Err(_) => {
            let mut git = Command::new("git");
            git.args(["log", "-1", "--format=%ct"]).current_dir(workspace.path("."));
            process::output(&mut git).context("outside of git, set SOURCE_DATE_EPOCH")?
        }
    };
    text.trim().parse().with_context(|| format!("not a number of seconds: {}", text.trim()))
}

/// A directory to work in, new and empty, for one package in `out`.
fn working_directory(out: &Path, format: &str) -> anyhow::Result<PathBuf> {
    let path = out.join(format!("{format}-{}.tmp", std::process::id()));
    if path.exists() {
        fs::remove_dir_all(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
    Ok(path)
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

#[derive(Debug, PartialEq)]
struct Options {
    formats: Vec<Format>,
    out: Option<PathBuf>,
    profile: Profile,
    yes: bool,
}

impl Options {
    fn parse(mut args: lexopt::Parser) -> anyhow::Result<Self> {
        let mut options =
            Self { formats: Vec::new(), out: None, profile: Profile::Release, yes: false };
        while let Some(arg) = args.next()? {
            match arg {
                lexopt::Arg::Long("deb") => options.formats.push(Format::Deb),
                lexopt::Arg::Long("rpm") => options.formats.push(Format::Rpm),
                lexopt::Arg::Long("out") => options.out = Some(args.value()?.into()),
                lexopt::Arg::Long("yes") => options.yes = true,
                lexopt::Arg::Long("profile") => {
                    options.profile = match args.value()?.string()?.as_str() {
                        "release" => Profile::Release,
                        "dev" => Profile::Dev,
                        other => bail!("there is no profile `{other}`; there are release and dev"),
                    };
                }
                other => return Err(other.unexpected().into()),
            }
        }
        if options.formats.is_empty() {
            options.formats = vec![Format::Deb, Format::Rpm];
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests;
