//! Compressed RAM disks of our own, in two guests: a usual one, and a small one that has to swap.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, bail};

use crate::tally::{Counter, Tally};
use crate::test::guest::Ended;
use crate::test::parts::{Outcome, REAL_UBLK, SOAK, Session};

/// Without this variable the tests are ignored, so that `cargo test` touches no device.
pub(super) const CONSENT: (&str, &str) = ("TRUENO_REAL_UBLK", "1");
/// Names a build of `trueno-ublk` that must fail.
const PLANTED: &str = "TRUENO_UBLK_PLANTED";
/// The feature of `trueno-ublk` that breaks it: a write is acknowledged before it can be found.
const PLANTED_FEATURE: &str = "planted-early-acknowledgement";
/// The feature that puts the queues of another library in the place of ours, and the part of that name.
const LIBUBLK: &str = "libublk";
/// Names the build of `trueno-ublk` that trials use, in place of the usual one.
const PROGRAM: &str = "TRUENO_UBLK";
/// The trials that swap.
const SWAP: &str = "swap::";
/// The one of them that has time outside of `soak`, and on which kernel: it swaps under kills.
const SHORT_SWAP: (&str, &str) = ("6.12", "swap::with_kills");

/// What the guests have, in MiB.
const USUAL: u32 = 2048;
const SMALL: u32 = 512;

impl Session<'_> {
    /// All trials on devices of our own.
    pub(super) fn ublk(&mut self, series: &str) -> anyhow::Result<Outcome> {
        let planted = self.build_with(PLANTED_FEATURE)?;
        let mut env = self.env.clone();
        env.push((PLANTED, planted.as_str()));
        let mut tally = Tally::default();
        let mut guests = vec![(USUAL, vec!["--skip", SWAP])];
        match SHORT_SWAP {
            _ if self.soaks() => guests.push((SMALL, vec![SWAP])),
            (kernel, trial) if kernel == series => guests.push((SMALL, vec![trial])),
            _ => {}
        }
        for (memory, arguments) in guests {
            match self.trials(series, memory, &env, &arguments)? {
                Outcome::Counted(counted) => tally += counted,
                skipped @ Outcome::Skipped(_) => return Ok(skipped),
            }
        }
        Ok(Outcome::Counted(tally))
    }

    /// Those trials that the arguments choose, in one guest.
    fn trials(
        &mut self,
        series: &str,
        memory: u32,
        env: &[(&str, &str)],
        arguments: &[&str],
    ) -> anyhow::Result<Outcome> {
        let program = OsString::from(self.build_tests(REAL_UBLK)?);
        let arguments = arguments.iter().map(OsString::from);
        let command: Vec<_> = [program].into_iter().chain(arguments).collect();
        let env = [env, &[CONSENT]].concat();
        let mut counter = Counter::default();
        Ok(match self.in_guest(series, memory, &env, &command, &mut counter)? {
            Ended::With(success) => Outcome::Counted(counter.finish(success)),
            Ended::NoKernel(outcome) => outcome,
        })
    }

    /// The feature `libublk`: lints and unit tests; in `soak` all trials but those that swap.
    pub(super) fn libublk(&mut self, series: &str) -> anyhow::Result<Outcome> {
        if !libclang_is_there() {
            let reason = "libublk is built with libclang (Debian package libclang-dev)";
            return Ok(Outcome::Skipped(reason.to_owned()));
        }
        let package = ["-p", "trueno-ublk", "--features", LIBUBLK];
        let clippy = ["clippy"].into_iter().chain(package);
        let clippy = clippy.chain(["--all-targets", "--", "-D", "warnings"]);
        let mut tally = self.check(self.workspace.cargo(clippy))?;
        let test = self.workspace.cargo(["test"].into_iter().chain(package));
        let mut counter = Counter::default();
        let status = self.console.run(test, |line| counter.line(line))?;
        tally += counter.finish(status.success());
        if self.soaks() {
            let other = self.build_with(LIBUBLK)?;
            let mut env = self.env.clone();
            // Its long forms are for the queues that everybody has.
            env.retain(|(name, _)| *name != SOAK);
            env.push((PROGRAM, other.as_str()));
            match self.trials(series, USUAL, &env, &["--skip", SWAP])? {
                Outcome::Counted(counted) => tally += counted,
                skipped @ Outcome::Skipped(_) => return Ok(skipped),
            }
        }
        Ok(Outcome::Counted(tally))
    }

    /// Builds the program with a feature among everything else that is built already, and puts it aside
    /// before the right one takes its place again.
    fn build_with(&mut self, feature: &str) -> anyhow::Result<String> {
        let aside = self.workspace.target_dir().join(feature);
        fs::create_dir_all(&aside).with_context(|| format!("cannot make {}", aside.display()))?;
        let aside = aside.join("trueno-ublk");
        let args = ["build", "-p", "trueno-ublk", "--features", feature];
        let program = self.workspace.build_executable(&args, "bin", "trueno-ublk")?;
        fs::copy(&program, &aside).with_context(|| format!("cannot copy {}", program.display()))?;
        let right = self.workspace.cargo(["build", "-p", "trueno-ublk"]);
        if !self.console.run(right, |_| ())?.success() {
            bail!("trueno-ublk does not build");
        }
        Ok(aside.to_str().context("a target directory that is no text")?.to_owned())
    }
}

/// Where it is looked for by what builds libublk's bindings: LIBCLANG_PATH, or the directories of
/// Debian's packages.
fn libclang_is_there() -> bool {
    let is_it = |name: OsString| name.to_string_lossy().starts_with("libclang");
    let has_it = |directory: PathBuf| {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name()).any(is_it)
    };
    if let Some(path) = std::env::var_os("LIBCLANG_PATH") {
        return has_it(path.into());
    }
    let versions = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let llvm = versions.filter(|entry| entry.file_name().to_string_lossy().starts_with("llvm-"));
    llvm.map(|entry| entry.path().join("lib")).any(has_it)
}
