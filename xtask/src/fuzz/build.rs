//! Building the programs of `fuzz/`, with and without a sanitizer.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::Driver;
use crate::process;
use crate::workspace::Workspace;

/// What rustc needs to count branches for libFuzzer; the options of the LLVM pass are documented at
/// <https://clang.llvm.org/docs/SanitizerCoverage.html>.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Ccodegen-units=1";

/// Rust's AddressSanitizer is behind an unstable option; `RUSTC_BOOTSTRAP` opens it on the stable
/// compiler.
const SANITIZER: &str = "-Zsanitizer=address";

/// The same two for C.
const C_COVERAGE: &str = "-fsanitize-coverage=inline-8bit-counters,pc-table,trace-cmp";
const C_SANITIZER: &str = "-fsanitize=address";

/// The folder of the programs that `driver` runs, built.
pub(super) fn programs(workspace: &Workspace, driver: Driver) -> anyhow::Result<PathBuf> {
    let target_dir = target_dir(workspace);
    let (arguments, folder): (&[&str], _) = match driver {
        Driver::LibFuzzer => (&["--release", "--features=libfuzzer", "--bins"], "release"),
        Driver::Storm { .. } => (&["--profile=shipped", "--bin=storm"], "shipped"),
    };
    let mut cargo = cargo(workspace, "build");
    cargo.args(arguments);
    if driver == (Driver::Storm { asan: false }) {
        process::run(&mut cargo)?;
        return Ok(target_dir.join(folder));
    }
    // With --target, cargo keeps the flags from build scripts and macros.
    let host = host()?;
    cargo.arg("--target").arg(&host).env("RUSTC_BOOTSTRAP", "1");
    let is_libfuzzer = driver == Driver::LibFuzzer;
    let extend = |sanitizer: &str, coverage: &str| {
        if is_libfuzzer { format!("{sanitizer} {coverage}") } else { sanitizer.to_owned() }
    };
    cargo.env("RUSTFLAGS", extend(SANITIZER, COVERAGE));
    if has_clang() {
        let triple = host.replace('-', "_");
        cargo.env(format!("CC_{triple}"), "clang");
        cargo.env(format!("CFLAGS_{triple}"), extend(C_SANITIZER, C_COVERAGE));
    } else {
        println!("without clang, AddressSanitizer does not see into the libraries written in C");
    }
    process::run(&mut cargo)?;
    Ok(target_dir.join(host).join(folder))
}

/// Makes the inputs that libFuzzer starts from.
pub(super) fn seeds(workspace: &Workspace) -> anyhow::Result<()> {
    let mut cargo = cargo(workspace, "run");
    cargo.args(["--profile=shipped", "--bin=seeds", "--"]);
    cargo.arg(workspace.path("corpus")).arg(workspace.path("generator/tests/cases"));
    cargo.arg(workspace.path("fuzz/corpus"));
    process::run(&mut cargo)
}

/// The format and the lints of what is not libFuzzer's.
pub(super) fn lints(workspace: &Workspace) -> [Command; 2] {
    let format = workspace.cargo(["fmt", "--manifest-path=fuzz/Cargo.toml", "--check"]);
    let mut clippy = cargo(workspace, "clippy");
    clippy.args(["--all-targets", "--", "-D", "warnings"]);
    [format, clippy]
}

fn cargo(workspace: &Workspace, command: &str) -> Command {
    let mut cargo = workspace.cargo([command, "--manifest-path=fuzz/Cargo.toml"]);
    cargo.arg("--target-dir").arg(target_dir(workspace));
    cargo
}

/// Apart from that of the workspace, which is locked while xtask is run by cargo.
fn target_dir(workspace: &Workspace) -> PathBuf {
    workspace.target_dir().join("fuzz")
}

/// The triple of this machine.
fn host() -> anyhow::Result<String> {
    let version = process::output(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc -vV names no host")
}

fn has_clang() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder: PathBuf| Path::new(&folder).join("clang").exists())
}
