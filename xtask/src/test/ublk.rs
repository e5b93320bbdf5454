//! Compressed RAM disks of our own, in two guests: a usual one, and a small one that has to swap.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, bail};

use crate::tally::{Counter, Tally};
use crate::test::guest::Ended;
use crate::test::parts::{Outcome, REAL_UBLK, Session};

/// Without this variable the tests are ignored, so that `cargo test` touches no device.
pub(super) const CONSENT: (&str, &str) = ("TRUENO_REAL_UBLK", "1");
/// Names a build of `trueno-ublk` that must fail.
const PLANTED: &str = "TRUENO_UBLK_PLANTED";
/// The feature of `trueno-ublk` that breaks it: a write is acknowledged before it can be found.
const PLANTED_FEATURE: &str = "planted-early-acknowledgement";
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
        let planted = self.build_planted()?;
        let planted = planted.to_str().context("a target directory that is no text")?.to_owned();
        let program = OsString::from(self.build_tests(REAL_UBLK)?);
        let mut tally = Tally::default();
        let mut guests = vec![(USUAL, vec!["--skip", SWAP])];
        match SHORT_SWAP {
            _ if self.soaks() => guests.push((SMALL, vec![SWAP])),
            (kernel, trial) if kernel == series => guests.push((SMALL, vec![trial])),
            _ => {}
        }
        for (memory, arguments) in guests {
            let arguments = arguments.iter().map(OsString::from);
            let command: Vec<_> = [program.clone()].into_iter().chain(arguments).collect();
            let mut env = self.env.clone();
            env.extend([CONSENT, (PLANTED, planted.as_str())]);
            let mut counter = Counter::default();
            match self.in_guest(series, memory, &env, &command, &mut counter)? {
                Ended::With(success) => tally += counter.finish(success),
                Ended::NoKernel(outcome) => return Ok(outcome),
            }
        }
        Ok(Outcome::Counted(tally))
    }

    /// Builds the broken program among everything else that is built already, and puts it aside before
    /// the right one takes its place again.
    fn build_planted(&mut self) -> anyhow::Result<PathBuf> {
        let aside = self.workspace.target_dir().join("planted");
        fs::create_dir_all(&aside).with_context(|| format!("cannot make {}", aside.display()))?;
        let aside = aside.join("trueno-ublk");
        let args = ["build", "-p", "trueno-ublk", "--features", PLANTED_FEATURE];
        let program = self.workspace.build_executable(&args, "bin", "trueno-ublk")?;
        fs::copy(&program, &aside).with_context(|| format!("cannot copy {}", program.display()))?;
        let right = self.workspace.cargo(["build", "-p", "trueno-ublk"]);
        if !self.console.run(right, |_| ())?.success() {
            bail!("trueno-ublk does not build");
        }
        Ok(aside)
    }
}
