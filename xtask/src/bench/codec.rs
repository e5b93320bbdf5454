//! `cargo xtask bench codec`: our codecs beside the reference libraries, on the repository's pages.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::process;
use crate::workspace::Workspace;

/// Where the picture in docs/BENCHMARKS.md comes from.
const PICTURE: &str = "docs/codecs.svg";

/// Runs the benchmark of `trueno-zram-core` with `options`; without any, everything that
/// docs/BENCHMARKS.md records, and the picture in it is drawn anew.
pub(crate) fn run(workspace: &Workspace, options: &[OsString]) -> anyhow::Result<ExitCode> {
    let mut command = workspace.cargo(["bench", "--quiet", "-p", "trueno-zram-core"]);
    command.args(["--features", "serde", "--bench", "codecs", "--"]);
    if options.is_empty() {
        command.arg("--latency").arg("--svg").arg(workspace.path(PICTURE));
        command.arg("--json").arg(workspace.target_dir().join("codecs.json"));
    }
    command.args(options);
    process::run(&mut command)?;
    if options.is_empty() {
        println!("\n{PICTURE}: drawn anew");
    }
    Ok(ExitCode::SUCCESS)
}
