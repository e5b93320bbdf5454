//! The program under test, as the same build of the workspace makes it.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Names another `trueno-zramctl` to be tested instead, an installed one for example.
pub const PROGRAM_VARIABLE: &str = "TRUENO_ZRAMCTL";

/// The same for `trueno-ublk`.
pub const UBLK_VARIABLE: &str = "TRUENO_UBLK";

/// The path of `trueno-zramctl`: beside the running test, built from the present sources where cargo
/// runs the test, and as it is where nobody builds (inside a virtual machine).
///
/// # Panics
/// When it can neither be built nor found, without which no test makes sense.
#[must_use]
pub fn zramctl() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| found(Some(PROGRAM_VARIABLE), "trueno-zramctl", "trueno-zramctl"))
}

/// The path of `trueno-ublk`, found likewise.
///
/// # Panics
/// As [`zramctl`] does.
#[must_use]
pub fn ublk() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| found(Some(UBLK_VARIABLE), "trueno-ublk", "trueno-ublk"))
}

/// The path of `trueno-zram-generator`, likewise.
///
/// # Panics
/// As [`zramctl`] does.
#[must_use]
pub fn generator() -> &'static Path {
    const NAME: &str = "trueno-zram-generator";
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| found(None, NAME, NAME))
}

/// The path of the program that fills memory and checks it (`src/bin/trueno-eater.rs`).
///
/// # Panics
/// As [`zramctl`] does.
#[must_use]
pub fn eater() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| found(None, env!("CARGO_PKG_NAME"), "trueno-eater"))
}

fn found(variable: Option<&str>, package: &str, program: &str) -> PathBuf {
    match variable.and_then(env::var_os) {
        Some(path) => PathBuf::from(path),
        None => built(package, program).unwrap_or_else(|error| panic!("{program}: {error}")),
    }
}

/// That executable of the package, in the target directory that the running test lies in.
fn built(package: &str, program: &str) -> io::Result<PathBuf> {
    // TARGET/[TRIPLE/]PROFILE/deps/test
    let test = env::current_exe()?;
    let profile = test.ancestors().nth(2).ok_or_else(|| io::Error::other("no profile"))?;
    if let Some(cargo) = env::var_os("CARGO") {
        build(&cargo, package, program, profile)?;
    }
    let program = profile.join(program);
    match program.exists() {
        true => Ok(program),
        false => Err(io::Error::other(format!("{} is not built", program.display()))),
    }
}

fn build(cargo: &OsStr, package: &str, program: &str, profile: &Path) -> io::Result<()> {
    let name = profile.file_name().unwrap_or_default();
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--package", package, "--bin", program, "--profile"]);
    // The one profile whose directory has another name.
    command.arg(if name == "debug" { OsStr::new("dev") } else { name });
    let parent = profile.parent().ok_or_else(|| io::Error::other("no target directory"))?;
    // Cargo notes there what it knows of the compiler, and leaves its tag where it has made the directory.
    let is_target = [".rustc_info.json", "CACHEDIR.TAG"].map(|name| parent.join(name).exists());
    match parent.file_name().filter(|_| !is_target.contains(&true)) {
        // Only the target directory itself has them: this is the triple's.
        Some(triple) => {
            let target = parent.parent().unwrap_or(parent);
            command.arg("--target").arg(triple).arg("--target-dir").arg(target);
        }
        None => {
            command.arg("--target-dir").arg(parent);
        }
    }
    match command.current_dir(env!("CARGO_MANIFEST_DIR")).status()?.success() {
        true => Ok(()),
        false => Err(io::Error::other("cargo build failed")),
    }
}
