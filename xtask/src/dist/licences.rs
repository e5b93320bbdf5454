//! What of others is in the programs, and on which terms: most of these ask to be told with every
//! copy.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::contents;
use crate::process;
use crate::workspace::Workspace;

/// How the files are called that hold terms, in capital letters.
const NAMES: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE"];
/// C libraries lie in their crates with their own, so deep.
const DEPTH: u32 = 3;

const INTRODUCTION: &str = "\
The programs of trueno-zram contain, beside what is its own, the standard library of Rust (MIT OR
Apache-2.0, https://github.com/rust-lang/rust) and the crates below. Each has the terms that its
authors state, and the texts that they ship. Where there is a choice, take any.
";

/// The whole text, for the programs as they are built here.
pub(super) fn of(workspace: &Workspace) -> anyhow::Result<String> {
    let sources = sources(workspace)?;
    let mut args = vec!["tree", "--locked", "--prefix", "none", "--edges", "normal,no-proc-macro"];
    args.extend(["--format", "{p}|{l}|{r}"]);
    args.extend(contents::programs().flat_map(|name| ["-p", name]));
    let tree = process::output(&mut workspace.cargo(args))?;
    let mut crates: Vec<_> = tree.lines().filter_map(Crate::parse).collect();
    crates.sort();
    crates.dedup();
    ensure!(!crates.is_empty(), "cargo tree lists no crates");

    let mut seen = BTreeMap::new();
    let mut text = INTRODUCTION.to_owned();
    for Crate { name, version, terms, home } in &crates {
        // Ours have no source but the tree.
        let Some(directory) = sources.get(&(name.clone(), version.clone())) else { continue };
        text.push_str(&format!("\n======== {name} {version}: {terms}\n{home}\n"));
        for file in texts(directory, DEPTH)? {
            let short = file.strip_prefix(directory).unwrap_or(&file).display().to_string();
            let terms = String::from_utf8_lossy(&fs::read(&file)?).trim_end().to_owned();
            text.push_str(&match seen.get(&terms) {
                Some(before) => format!("-------- {short}: the same as {before}\n"),
                None => format!("-------- {short}\n{terms}\n"),
            });
            seen.entry(terms).or_insert_with(|| format!("{short} of {name} {version}"));
        }
    }
    Ok(text)
}

/// A line of cargo's tree.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Crate {
    name: String,
    version: String,
    terms: String,
    home: String,
}

impl Crate {
    /// `name vVERSION[ (WHERE)]|TERMS|HOME[ (*)]`
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.trim_end_matches(" (*)").split('|');
        let (package, terms, home) = (fields.next()?, fields.next()?, fields.next()?);
        let mut words = package.split(' ');
        let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
        let [name, version, terms, home] = [name, version, terms, home].map(str::to_owned);
        Some(Self { name, version, terms, home })
    }
}

/// Where the sources of others lie, by name and version.
fn sources(workspace: &Workspace) -> anyhow::Result<BTreeMap<(String, String), PathBuf>> {
    let mut command = workspace.cargo(["metadata", "--format-version=1", "--locked"]);
    let metadata: Value = serde_json::from_str(&process::output(&mut command)?)?;
    let packages = metadata.get("packages").and_then(Value::as_array).context("no packages")?;
    let of_others =
        packages.iter().filter(|package| package.get("source").is_some_and(Value::is_string));
    let place = |package: &Value| {
        let field = |name| package.get(name)?.as_str();
        let directory = Path::new(field("manifest_path")?).parent()?;
        Some(((field("name")?.to_owned(), field("version")?.to_owned()), directory.to_owned()))
    };
    Ok(of_others.filter_map(place).collect())
}

/// The files with terms below a directory, sorted.
fn texts(directory: &Path, depth: u32) -> anyhow::Result<Vec<PathBuf>> {
    let mut entries = fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.file_name().to_string_lossy().to_uppercase();
        let kind = entry.file_type()?;
        if kind.is_file() && NAMES.iter().any(|prefix| name.starts_with(prefix)) {
            found.push(entry.path());
        } else if kind.is_dir() && depth > 1 {
            found.extend(texts(&entry.path(), depth - 1)?);
        }
    }
    Ok(found)
}
