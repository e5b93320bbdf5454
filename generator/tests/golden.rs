//! Golden trees: a directory below `tests/cases` is a case. The program runs on a copy of its `in`
//! and must print, exit and leave behind exactly what is in its `expected`.
//!
//! ```text
//! CASE/in/          the root: etc run usr proc ..., whatever the case needs
//! CASE/mode         lines `OCTAL PATH`, for files whose modes git does not keep
//! CASE/args         one argument a line; without it `@ROOT@/units`
//! CASE/expected/    files/  what the run has made or changed below the root
//!                   messages, output, status  standard error, standard output, exit status
//! ```
//! `@ROOT@` stands for the root, `@PROGRAM@` for the program's path. `UPDATE_EXPECT=1` writes what
//! was found to `expected`, to be looked at before it is committed.

mod support;

use std::error::Error;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use libtest_mimic::{Arguments, Failed, Trial};

use support::{Node, PROGRAM, Scratch, Tree, difference, read_tree, write_tree};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::from_args();
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut trials = Vec::new();
    for entry in fs::read_dir(cases)? {
        let case = entry?.path();
        let name = case.file_name().unwrap_or_default().display().to_string();
        trials.push(Trial::test(name, move || check(&case)));
    }
    libtest_mimic::run(&arguments, trials).exit()
}

fn check(case: &Path) -> Result<(), Failed> {
    let found = run(case)?;
    let directory = case.join("expected");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::remove_dir_all(&directory).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })?;
        write_tree(&directory, &found)?;
    }
    difference(&read_tree(&directory)?, &found).map_or(Ok(()), |text| Err(text.into()))
}

/// Runs the case in a directory of its own and returns what `expected` is to hold.
fn run(case: &Path) -> io::Result<Tree> {
    let scratch = Scratch::new("golden")?;
    let root = scratch.path().join("root");
    let before = read_tree(&case.join("in"))?;
    write_tree(&root, &before)?;
    for line in read(case, "mode").lines() {
        let (mode, path) = line.split_once(' ').ok_or(io::ErrorKind::InvalidData)?;
        let mode = u32::from_str_radix(mode, 8).map_err(io::Error::other)?;
        match path.strip_suffix('/') {
            Some(directory) => fs::create_dir_all(root.join(directory))?,
            None => fs::set_permissions(root.join(path), Permissions::from_mode(mode))?,
        }
    }
    let arguments = match read(case, "args") {
        none if none.is_empty() => "@ROOT@/units".to_owned(),
        some => some,
    };
    let shown_root = root.display().to_string();
    let output = Command::new(PROGRAM)
        .args(arguments.lines().map(|line| line.replace("@ROOT@", &shown_root)))
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("TRUENO_ZRAM_ROOT", &root)
        .stdin(Stdio::null())
        .output()?;
    let normal = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        Node::File(text.replace(&shown_root, "@ROOT@").replace(PROGRAM, "@PROGRAM@").into_bytes())
    };
    let mut found = Tree::new();
    for (path, node) in read_tree(&root)? {
        if before.get(&path) != Some(&node) {
            let node = match node {
                Node::File(bytes) => normal(&bytes),
                link => link,
            };
            found.insert(Path::new("files").join(path), node);
        }
    }
    let status = output.status.code().map_or_else(|| output.status.to_string(), |s| s.to_string());
    for (name, bytes) in
        [("output", &output.stdout), ("messages", &output.stderr), ("status", &status.into_bytes())]
    {
        if !bytes.is_empty() {
            found.insert(PathBuf::from(name), normal(bytes));
        }
    }
    Ok(found)
}

fn read(case: &Path, name: &str) -> String {
    fs::read_to_string(case.join(name)).unwrap_or_default()
}
