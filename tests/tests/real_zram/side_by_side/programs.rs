//! Both programs, under the same name and in the same surroundings.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use libtest_mimic::Failed;
use trueno_tests::program;
use trueno_tests::scratch::Scratch;

use super::differences;

/// Names another `zramctl` than the installed one to compare with.
const STOCK_VARIABLE: &str = "TRUENO_STOCK_ZRAMCTL";

/// Who is nobody.
const NOBODY: u32 = 65534;

/// How often a comparison is repeated if somebody else changes devices meanwhile.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(50);

/// A release of util-linux.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Release(pub(super) u32, pub(super) u32, pub(super) u32);

impl Release {
    /// Out of `zramctl from util-linux 2.38.1`.
    fn parse(version: &str) -> Option<Self> {
        let last = version.split_whitespace().last()?;
        let mut numbers = last.split(['.', '-']).map(|number| number.parse().ok());
        let (major, minor) = (numbers.next()??, numbers.next()??);
        Some(Release(major, minor, numbers.next().flatten().unwrap_or(0)))
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "util-linux {}.{}.{}", self.0, self.1, self.2)
    }
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: Option<i32>,
    pub(super) stdout: String,
    /// The first line; below it, we explain.
    pub(super) complaint: String,
}

/// Where they run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Surroundings {
    pub(super) locale: &'static str,
    pub(super) is_root: bool,
}

pub(super) const ROOT: Surroundings = Surroundings { locale: "C", is_root: true };
pub(super) const ROOT_UTF8: Surroundings = Surroundings { locale: "C.UTF-8", is_root: true };
pub(super) const USER: Surroundings = Surroundings { locale: "C", is_root: false };
pub(super) const USER_UTF8: Surroundings = Surroundings { locale: "C.UTF-8", is_root: false };

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Stock,
    Ours,
}

/// Both.
#[derive(Debug)]
pub(super) struct Programs {
    copies: Copies,
    release: Release,
}

/// Copies of both where everybody may run them, wherever they come from, and where they are read
/// quickly (from a virtual machine).
#[derive(Debug)]
struct Copies(Scratch);

impl Copies {
    fn make(stock: &Path, ours: &Path) -> io::Result<Self> {
        let copies = Copies(Scratch::new("side-by-side")?);
        fs::set_permissions(copies.0.path(), PermissionsExt::from_mode(0o755))?;
        fs::copy(stock, copies.path(Which::Stock))?;
        fs::copy(ours, copies.path(Which::Ours))?;
        Ok(copies)
    }

    fn path(&self, which: Which) -> PathBuf {
        self.0.path().join(match which {
            Which::Stock => "theirs",
            Which::Ours => "ours",
        })
    }
}

impl Programs {
    /// Looks for them.
    pub(super) fn find() -> Result<Self, String> {
        if std::env::var_os("TRUENO_REAL_ZRAM").is_none() {
            return Err("TRUENO_REAL_ZRAM=1 is not set".to_owned());
        }
        let stock = std::env::var_os(STOCK_VARIABLE).map(PathBuf::from);
        let directories = ["/usr/sbin", "/sbin", "/usr/bin", "/usr/local/sbin"];
        let installed = || directories.iter().map(|dir| PathBuf::from(dir).join("zramctl"));
        let stock = stock.or_else(|| installed().find(|path| path.exists()));
        let stock = stock.ok_or("there is no zramctl (package util-linux or zramctl)")?;
        let version = Command::new(&stock).arg("--version").output().map_err(|e| e.to_string())?;
        let version = String::from_utf8_lossy(&version.stdout).into_owned();
        let release = Release::parse(&version).ok_or(format!("{version:?} has no release"))?;
        let copies = Copies::make(&stock, program::zramctl()).map_err(|error| error.to_string())?;
        Ok(Programs { copies, release })
    }

    pub(super) fn stock_release(&self) -> Release {
        self.release
    }

    /// Why nothing can be set up by theirs here.
    pub(super) fn stock_obstacle(&self) -> Option<String> {
        let waits = self.release >= differences::WAITS_FOR_UDEV;
        let lacks = waits && !Path::new("/run/udev").exists();
        lacks.then(|| format!("{} does nothing without udev", self.release))
    }

    pub(super) fn path(&self, which: Which) -> PathBuf {
        self.copies.path(which)
    }

    /// Runs one of them.
    pub(super) fn run(
        &self,
        which: Which,
        surroundings: Surroundings,
        arguments: &[OsString],
    ) -> Result<Answer, Failed> {
        let mut command = Command::new(self.path(which));
        command.arg0("zramctl").args(arguments).stdin(Stdio::null());
        for variable in ["LANG", "LANGUAGE", "LC_CTYPE", "LC_NUMERIC", "POSIXLY_CORRECT"] {
            command.env_remove(variable);
        }
        command.env("LC_ALL", surroundings.locale);
        if !surroundings.is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        let output = command.output()?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        Ok(Answer {
            status: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            complaint: without_directory(complaint.lines().next().unwrap_or_default()),
        })
    }

    /// Runs both on what is there, and compares.
    pub(super) fn compare(&self, surroundings: Surroundings, arguments: &[OsString]) -> Outcome {
        for tries_left in (0..TRIES).rev() {
            let stock = self.run(Which::Stock, surroundings, arguments)?;
            let ours = self.run(Which::Ours, surroundings, arguments)?;
            // Somebody else's devices may come and go meanwhile; what differs every time, differs.
            match self.judge(arguments, &stock, &ours) {
                Err(error) if tries_left == 0 => return Err(error),
                Err(_) => sleep(PAUSE),
                Ok(()) => break,
            }
        }
        Ok(())
    }

    /// Whether two answers are what they have to be.
    pub(super) fn judge(&self, arguments: &[OsString], stock: &Answer, ours: &Answer) -> Outcome {
        differences::judge(self.release, arguments, stock, ours).map_err(|why| {
            let line: Vec<_> = arguments.iter().map(|argument| argument.display()).collect();
            format!("zramctl {line:?}: {why}\n{}: {stock:#?}\nours: {ours:#?}", self.release).into()
        })
    }
}

type Outcome = Result<(), Failed>;

/// A program that is started through another (a script, a loader) cannot be told its name.
fn without_directory(complaint: &str) -> String {
    match complaint.split_once("/zramctl: ") {
        Some((directory, rest)) if directory.starts_with('/') => format!("zramctl: {rest}"),
        _ => complaint.to_owned(),
    }
}

/// The words of a line, blanks between them.
pub(super) fn words(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(OsString::from).collect()
}
