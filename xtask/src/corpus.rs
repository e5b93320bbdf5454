//! `corpus`: samples of the memory of real processes, to train and to judge codecs of pages.

mod memory;
mod recipes;
mod sample;
mod session;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, bail, ensure};
use lexopt::ValueExt as _;

use crate::corpus::recipes::{RECIPES, Recipe};
use crate::corpus::sample::{PrivateStrings, Sample};
use crate::corpus::session::{Paused, Session};
use crate::process;
use crate::workspace::Workspace;

/// 4 MiB: enough that a sample of a browser differs little from the next one.
const DEFAULT_PAGES: usize = 1024;

/// `cargo xtask corpus [--list] [--only NAME]... [--pages N] [--pid PID] DIR`
pub(crate) fn run(workspace: &Workspace, args: lexopt::Parser) -> anyhow::Result<ExitCode> {
    let options = Options::parse(args)?;
    if options.list {
        RECIPES.iter().for_each(list);
        return Ok(ExitCode::SUCCESS);
    }
    let directory = options.directory.context("a directory for the samples is needed")?;
    let target = Target { directory, limit: options.pages, private: private_strings(workspace) };
    if let Some(pid) = options.pid {
        target.capture_running(pid)?;
        return Ok(ExitCode::SUCCESS);
    }
    target.capture_all(&options.only)
}

#[derive(Debug)]
struct Options {
    list: bool,
    only: Vec<String>,
    pages: usize,
    pid: Option<u32>,
    directory: Option<PathBuf>,
}

impl Options {
    fn parse(mut args: lexopt::Parser) -> anyhow::Result<Self> {
        let mut options = Self {
            list: false,
            only: Vec::new(),
            pages: DEFAULT_PAGES,
            pid: None,
            directory: None,
        };
        while let Some(arg) = args.next()? {
            match arg {
                lexopt::Arg::Long("list") => options.list = true,
                lexopt::Arg::Long("only") => options.only.push(args.value()?.string()?),
                lexopt::Arg::Long("pages") => options.pages = args.value()?.parse()?,
                lexopt::Arg::Long("pid") => options.pid = Some(args.value()?.parse()?),
                lexopt::Arg::Value(path) if options.directory.is_none() => {
                    options.directory = Some(path.into());
                }
                _ => return Err(arg.unexpected().into()),
            }
        }
        for name in &options.only {
            ensure!(
                RECIPES.iter().any(|recipe| recipe.name == name),
                "there is no recipe `{name}` (see --list)"
            );
        }
        Ok(options)
    }
}

fn list(recipe: &Recipe) {
    let Recipe { name, what, purpose, .. } = recipe;
    let purpose = purpose.folder();
    let missing = missing_packages(recipe);
    let hint = if missing.is_empty() {
        String::new()
    } else {
        format!(" (missing: {})", missing.join(" "))
    };
    println!("{name:16} {purpose:9} {what}{hint}");
}

/// The packages of what `recipe` needs and is not there.
fn missing_packages(recipe: &Recipe) -> Vec<&'static str> {
    let missing = recipe.needs.iter().filter(|(file, _)| !Path::new(file).exists());
    missing.map(|(_, package)| *package).collect()
}

/// Paths of ours and the name of the machine.
fn private_strings(workspace: &Workspace) -> PrivateStrings {
    let root = workspace.path(".");
    let root = root.parent().unwrap_or(&root).display().to_string();
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    PrivateStrings::of_this_machine([root, host.trim().to_owned()])
}

/// Where samples go, and what they may have.
#[derive(Debug)]
struct Target {
    directory: PathBuf,
    limit: usize,
    private: PrivateStrings,
}

impl Target {
    /// Captures the recipes named in `only`, or all. One that cannot be done does not keep the others
    /// from being done.
    fn capture_all(&self, only: &[String]) -> anyhow::Result<ExitCode> {
        let is_wanted = |recipe: &&Recipe| only.is_empty() || only.iter().any(|n| n == recipe.name);
        let mut undone = Vec::new();
        let mut packages = Vec::new();
        for recipe in RECIPES.iter().filter(is_wanted) {
            let missing = missing_packages(recipe);
            if missing.is_empty() {
                println!("{}: {}", recipe.name, recipe.what);
                if let Err(error) = self.capture(recipe) {
                    println!("{}: {error:#}", recipe.name);
                    undone.push(recipe.name);
                }
            } else {
                println!("{}: left out, for want of {}", recipe.name, missing.join(", "));
                undone.push(recipe.name);
                packages.extend(missing);
            }
        }
        if undone.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        println!("Not captured: {}", undone.join(", "));
        if !packages.is_empty() {
            packages.sort_unstable();
            packages.dedup();
            println!("Install what is missing: apt-get install {}", packages.join(" "));
            println!("Packages of another architecture: dpkg --add-architecture i386 first");
        }
        Ok(ExitCode::FAILURE)
    }

    fn capture(&self, recipe: &Recipe) -> anyhow::Result<()> {
        let mut version = Command::new("sh");
        version.args(["-c", &format!("({}) 2>&1 | grep -m1 .", recipe.version)]);
        version.env_clear().env("PATH", session::PATH).env("HOME", "/nonexistent");
        let version = process::output(&mut version)?;

        let mut session = Session::start(recipe)?;
        session.wait_until(recipe.ready)?;
        let processes = session.freeze()?;
        let sample = sample::take(&processes, self.limit, &self.private)?;
        drop(session);
        let origin = Origin {
            folder: recipe.purpose.folder(),
            name: recipe.name,
            what: recipe.what,
            version: version.trim(),
            command: &recipe.script.split_whitespace().collect::<Vec<_>>().join(" "),
            processes: processes.len(),
        };
        self.write(&origin, &sample)
    }

    fn capture_running(&self, pid: u32) -> anyhow::Result<()> {
        let command = fs::read_to_string(format!("/proc/{pid}/comm"))
            .with_context(|| format!("there is no process {pid}"))?;
        let paused = Paused::new(pid)?;
        let sample = sample::take(&[pid], self.limit, &self.private)?;
        drop(paused);
        let origin = Origin {
            folder: "",
            name: &format!("pid-{pid}"),
            what: "a process that ran already",
            version: "unknown",
            command: command.trim(),
            processes: 1,
        };
        self.write(&origin, &sample)
    }

    /// Writes `NAME.pages.zst` and, beside it, where it comes from: `NAME.txt`.
    fn write(&self, origin: &Origin<'_>, sample: &Sample) -> anyhow::Result<()> {
        if sample.pages.is_empty() {
            bail!("no page of it can be swapped out (is another user's process to be read?)");
        }
        let directory = self.directory.join(origin.folder);
        fs::create_dir_all(&directory)
            .with_context(|| format!("cannot create {}", directory.display()))?;
        let pages = directory.join(format!("{}.pages", origin.name));
        fs::write(&pages, sample.pages.as_flattened())
            .with_context(|| format!("cannot write {}", pages.display()))?;
        process::run(Command::new("zstd").args(["-19", "-q", "-f", "--rm"]).arg(&pages))?;
        let compressed = directory.join(format!("{}.pages.zst", origin.name));
        let record = directory.join(format!("{}.txt", origin.name));
        fs::write(&record, origin.record(sample, &compressed)?)
            .with_context(|| format!("cannot write {}", record.display()))?;
        let Sample { pages, same_filled, private, swappable } = sample;
        println!(
            "{}: {} pages of {swappable}; left out {same_filled} same-filled, {private} private",
            origin.name,
            pages.len()
        );
        Ok(())
    }
}

/// Where a sample comes from.
#[derive(Debug)]
struct Origin<'a> {
    /// Within the directory of all samples.
    folder: &'a str,
    name: &'a str,
    what: &'a str,
    version: &'a str,
    command: &'a str,
    processes: usize,
}

impl Origin<'_> {
    fn record(&self, sample: &Sample, file: &Path) -> anyhow::Result<String> {
        let sum = process::output(Command::new("sha256sum").arg("--").arg(file))?;
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
        let date = process::output(Command::new("date").args(["-u", "+%F"]))?;
        let rows = [
            ("what", self.what.to_owned()),
            ("version", self.version.to_owned()),
            ("command", self.command.to_owned()),
            ("processes", self.processes.to_string()),
            ("swappable pages", sample.swappable.to_string()),
            ("pages kept", sample.pages.len().to_string()),
            ("same-filled left out", sample.same_filled.to_string()),
            ("private left out", sample.private.to_string()),
            ("kernel", format!("{} {}", std::env::consts::ARCH, kernel.trim())),
            ("date", date.trim().to_owned()),
            ("sha256", sum.split(' ').next().unwrap_or_default().to_owned()),
        ];
        Ok(rows.iter().map(|(name, value)| format!("{name}: {value}\n")).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn recipes_have_names_of_their_own_that_make_good_file_names() {
        let names: BTreeSet<_> = RECIPES.iter().map(|recipe| recipe.name).collect();
        assert_eq!(names.len(), RECIPES.len());
        for name in names {
            assert!(
                name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            );
        }
    }

    #[test]
    fn a_recipe_that_is_to_say_something_can_say_it() {
        for recipe in RECIPES.iter().filter(|recipe| recipe.ready == recipes::Ready::Says) {
            let texts = recipe.files.iter().map(|(_, text)| *text).chain([recipe.script]);
            assert!(texts.into_iter().any(|text| text.contains("corpus: ")), "{}", recipe.name);
        }
    }

    #[test]
    fn options_are_read() {
        let parse = |args: &[&str]| Options::parse(lexopt::Parser::from_args(args));
        let options = parse(&["--only", "perl", "--pages", "16", "there"]).unwrap();
        assert_eq!((options.pages, options.only), (16, vec!["perl".to_owned()]));
        assert_eq!(options.directory, Some("there".into()));
        assert!(parse(&["--only", "no-such-recipe", "there"]).is_err());
        assert!(parse(&["here", "there"]).is_err());
    }
}
