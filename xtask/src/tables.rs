//! `cargo xtask tables`: the static tables of the word-mask codec, trained on the committed pages.

mod code;
mod huffman;
mod train;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::{fs, thread};

use anyhow::{Context as _, ensure};
use lexopt::ValueExt as _;
use trueno_zram_core::Page;
use trueno_zram_core::benchmark::load_pages;

use self::train::Statistics;
use crate::generated::{self, File};
use crate::workspace::Workspace;

const SHIPPED: &str = "core/src/wm/tables/v1.wmt";
const PROVENANCE: &str = "core/src/wm/tables/PROVENANCE.md";

/// The large corpora, each with the tables that are trained without it. Rows of the benchmark use
/// these: no codec is to be measured on what it was made for.
const WITHOUT: [(&str, &str); 4] = [
    ("py", "core/benches/tables/without-py.wmt"),
    ("node", "core/benches/tables/without-node.wmt"),
    ("java", "core/benches/tables/without-java.wmt"),
    ("rustc", "core/benches/tables/without-rustc.wmt"),
];

/// Weights of a set of pages, in hundredths, however many pages it has: the large corpora, and the
/// samples of many programs. Between a quarter and one it makes no difference.
const LARGE: u64 = 100;
const SAMPLE: u64 = 50;

/// Pages of one program.
struct Set {
    /// Below `corpus/`, without the ending.
    name: String,
    weight: u64,
    path: PathBuf,
    pages: Vec<Page>,
}

/// `cargo xtask tables [--check] [--out FILE]`.
pub(crate) fn run(workspace: &Workspace, mut args: lexopt::Parser) -> anyhow::Result<ExitCode> {
    let (mut check, mut out) = (false, None);
    while let Some(argument) = args.next()? {
        match argument {
            lexopt::Arg::Long("check") => check = true,
            lexopt::Arg::Long("out") => out = Some(PathBuf::from(args.value()?.string()?)),
            other => return Err(other.unexpected().into()),
        }
    }
    if let Some(out) = out {
        ensure!(!check, "--out writes a file and --check writes none");
        let tables = train_on(&sets(workspace)?);
        fs::write(&out, tables).with_context(|| format!("cannot write {}", out.display()))?;
        return Ok(ExitCode::SUCCESS);
    }
    generated::update(workspace, check, "tables", &files(workspace)?)
}

/// The tables that ship.
fn train_on(sets: &[Set]) -> Vec<u8> {
    let all: Vec<_> = sets.iter().map(|set| Statistics::of(&set.pages, set.weight)).collect();
    train::train(&all.iter().collect::<Vec<_>>())
}

/// What [`run`] writes, as far as a test can wait for it: the tables that ship, trained anew, and the
/// record, in which the benchmark's tables count as they are committed.
#[cfg(test)]
pub(crate) fn shipped_files(workspace: &Workspace) -> anyhow::Result<Vec<File>> {
    let sets = sets(workspace)?;
    let mut files = vec![File { path: SHIPPED, contents: train_on(&sets) }];
    for (_, path) in WITHOUT {
        files.push(File { path, contents: read(&workspace.path(path))? });
    }
    let contents = provenance(&sets, &files)?.into_bytes();
    files.push(File { path: PROVENANCE, contents });
    Ok(files)
}

/// What [`run`] writes.
fn files(workspace: &Workspace) -> anyhow::Result<Vec<File>> {
    let sets = sets(workspace)?;
    let all: Vec<_> = sets.iter().map(|set| Statistics::of(&set.pages, set.weight)).collect();
    let of_all = ("", SHIPPED);
    let mut files: Vec<File> = thread::scope(|scope| {
        let trainings = [of_all].into_iter().chain(WITHOUT).map(|(left_out, path)| {
            let kept = sets.iter().zip(&all).filter(|(set, _)| set.name != left_out);
            let kept: Vec<_> = kept.map(|(_, statistics)| statistics).collect();
            scope.spawn(move || File { path, contents: train::train(&kept) })
        });
        let trainings: Vec<_> = trainings.collect();
        let join = |training: thread::ScopedJoinHandle<'_, File>| training.join().ok();
        trainings.into_iter().map(join).collect::<Option<Vec<_>>>()
    })
    .context("training has failed")?;
    let contents = provenance(&sets, &files)?.into_bytes();
    files.push(File { path: PROVENANCE, contents });
    Ok(files)
}

/// The large corpora and the training samples; what is held out is not even read.
fn sets(workspace: &Workspace) -> anyhow::Result<Vec<Set>> {
    let folder = workspace.path("corpus/train");
    let mut sets = Vec::new();
    for (name, _) in WITHOUT {
        sets.push(set(workspace, name, LARGE)?);
    }
    let entries = fs::read_dir(&folder).with_context(|| format!("no {}", folder.display()))?;
    let mut samples = Vec::new();
    for entry in entries {
        let file = entry?.file_name();
        if let Some(name) = file.to_string_lossy().strip_suffix(".pages.zst") {
            samples.push(format!("train/{name}"));
        }
    }
    samples.sort();
    ensure!(!samples.is_empty(), "there are no samples in {}", folder.display());
    for name in samples {
        sets.push(set(workspace, &name, SAMPLE)?);
    }
    Ok(sets)
}

fn set(workspace: &Workspace, name: &str, weight: u64) -> anyhow::Result<Set> {
    let path = workspace.path(&format!("corpus/{name}.pages.zst"));
    let pages = load_pages(&path)?.pages;
    Ok(Set { name: name.to_owned(), weight, path, pages })
}

/// The record of what the tables were trained on.
fn provenance(sets: &[Set], files: &[File]) -> anyhow::Result<String> {
    let mut text = String::from(
        "<!-- Made by `cargo xtask tables`; a test holds it. -->\n\
         # Where the tables come from\n\n\
         Trained by `xtask/src/tables/` on the pages below, without the same-filled ones. All pages \
         of a set together have its weight. `corpus/held-out/` had no part in it.\n\n\
         | tables | trained without | SHA-256 |\n|---|---|---|\n",
    );
    let without: BTreeMap<_, _> = WITHOUT.iter().map(|(name, path)| (*path, *name)).collect();
    for File { path, contents } in files {
        let left_out = without.get(path).map(|name| format!("`{name}`")).unwrap_or_default();
        writeln!(text, "| `{path}` | {left_out} | `{}` |", sha256(contents)?)?;
    }
    text.push_str("\n| set | weight | pages | SHA-256 of the file |\n|---|---|---|---|\n");
    for Set { name, weight, path, pages } in sets {
        let sum = sha256(&read(path)?)?;
        let weight = *weight as f64 / 100.0;
        writeln!(text, "| `corpus/{name}.pages.zst` | {weight} | {} | `{sum}` |", pages.len())?;
    }
    Ok(text)
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// By the program of coreutils, which the samples' own records are made with too.
fn sha256(bytes: &[u8]) -> anyhow::Result<String> {
    let mut command = Command::new("sha256sum");
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = pipes.spawn().context("cannot run sha256sum")?;
    // It writes nothing before it has read all.
    child.stdin.take().context("no pipe")?.write_all(bytes)?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "sha256sum has failed");
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.split(' ').next().unwrap_or_default().to_owned())
}
