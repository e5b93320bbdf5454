//! The parts of a test run, and how each is run.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::bail;

use crate::arm64;
use crate::fuzz;
use crate::process::Console;
use crate::tally::{Counter, Tally};
use crate::test::guest::Ended;
use crate::tools::{self, Need};
use crate::workspace::Workspace;

/// The test target for real zram devices: `tests/tests/real_zram.rs`, without libtest's harness.
pub(super) const REAL_ZRAM: &str = "real_zram";
/// The one for compressed RAM disks of our own.
pub(super) const REAL_UBLK: &str = "real_ublk";
/// Without this variable that target ignores all its tests, so that `cargo test` touches no device.
const REAL_ZRAM_CONSENT: (&str, &str) = ("TRUENO_REAL_ZRAM", "1");
/// The comparisons with zramctl that change nothing: hundreds of processes each, and the kernel below
/// matters little. Once seen on the host they are left to `soak` in the slow virtual machines.
const LOOKS: &str = "side_by_side::look";
/// The package of the codecs.
const LIBRARY: &str = "trueno-zram-core";
/// How long the store's tests go on in `soak`: operations against the model, seconds of threads
/// against each other, rounds of them at the limit, processes killed, devices damaged at random.
const STORE_SOAK: [(&str, &str); 6] = [
    ("TRUENO_MODEL_OPS", "5000000"),
    ("TRUENO_STRESS_SECONDS", "300"),
    ("TRUENO_LIMIT_ROUNDS", "1000"),
    ("TRUENO_KILLS", "20000"),
    ("TRUENO_SEEDS", "10000"),
    ("TRUENO_SOAK", "1"),
];
/// Set for the long forms.
pub(super) const SOAK: &str = "TRUENO_SOAK";
/// What a guest of the tests on zram has, in MiB.
const MEMORY: u32 = 2048;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Format and lints: two checks of the workspace and two of the fuzz targets.
    Lint,
    /// The documentation builds without warnings: one check.
    Doc,
    /// Everything that needs no device.
    Tests,
    /// `core` as others build it: every page of the corpora in release, without the standard library
    /// (lints and documentation too), with all features, from its package.
    Library,
    /// The page store for long: random operations, threads, kills.
    Store,
    /// Hostile input for the codecs; so many seconds for each target by each driver.
    Fuzz { libfuzzer_seconds: u64, storm_seconds: u64 },
    /// Real zram devices of this machine.
    HostZram,
    /// Real zram devices under a stock kernel of that series.
    Vm(&'static str),
    /// Compressed RAM disks of our own under a stock kernel of that series.
    Ublk(&'static str),
    /// Our devices with the queues of `libublk`, in place of our own; trials of theirs under a stock
    /// kernel of that series.
    Libublk(&'static str),
    /// Machines that boot with our package under a stock kernel of that series.
    Boot(&'static str),
    /// The codecs on AArch64, emulated.
    Arm64,
}

impl Part {
    pub(super) fn name(self) -> String {
        match self {
            Self::Lint => "fmt+clippy".into(),
            Self::Doc => "doc".into(),
            Self::Tests => "tests".into(),
            Self::Library => "library".into(),
            Self::Store => "store".into(),
            Self::Fuzz { .. } => "fuzz".into(),
            Self::HostZram => "host zram".into(),
            Self::Vm(series) => format!("vm {series}"),
            Self::Ublk(series) => format!("ublk {series}"),
            Self::Libublk(_) => "libublk".into(),
            Self::Boot(series) => format!("boot {series}"),
            Self::Arm64 => "arm64".into(),
        }
    }

    pub(super) fn needs(self) -> Vec<Need> {
        match self {
            Self::Lint | Self::Doc | Self::Tests | Self::Library | Self::Store => Vec::new(),
            Self::Fuzz { .. } => Vec::new(),
            Self::HostZram => tools::REAL_ZRAM.to_vec(),
            Self::Arm64 => tools::ARM64.to_vec(),
            Self::Vm(_) => [tools::REAL_ZRAM.to_vec(), tools::virtual_machine()].concat(),
            Self::Ublk(_) | Self::Libublk(_) => {
                let devices = [tools::REAL_ZRAM, tools::REAL_UBLK].concat();
                [devices, tools::virtual_machine()].concat()
            }
            Self::Boot(_) => {
                [tools::DEB.to_vec(), tools::virtual_machine(), tools::system_to_boot()].concat()
            }
        }
    }
}

#[derive(Debug)]
pub(super) enum Outcome {
    Counted(Tally),
    /// With the reason.
    Skipped(String),
}

/// What the parts of one run share.
pub(super) struct Session<'a> {
    pub(super) workspace: &'a Workspace,
    pub(super) console: Console,
    /// For the tests on devices.
    pub(super) env: Vec<(&'static str, &'static str)>,
    pub(super) vm_limit_s: u32,
    /// Test programs that were built.
    programs: BTreeMap<&'static str, PathBuf>,
    host_has_looked: bool,
}

impl<'a> Session<'a> {
    pub(super) fn new(workspace: &'a Workspace, console: Console, vm_limit_s: u32) -> Self {
        let env = vec![REAL_ZRAM_CONSENT];
        let programs = BTreeMap::new();
        Self { workspace, console, env, vm_limit_s, programs, host_has_looked: false }
    }

    pub(super) fn run(&mut self, part: Part) -> anyhow::Result<Outcome> {
        match part {
            Part::Lint => self.lint(),
            Part::Doc => self.doc(),
            Part::Tests => self.tests(),
            Part::Library => self.codecs_as_others_build_them(),
            Part::Store => self.store_for_long(),
            Part::Fuzz { libfuzzer_seconds, storm_seconds } => {
                let tally = fuzz::all(self.workspace, libfuzzer_seconds, storm_seconds)?;
                Ok(Outcome::Counted(tally))
            }
            Part::HostZram => self.host_zram(),
            Part::Vm(series) => self.vm(series),
            Part::Ublk(series) => self.ublk(series),
            Part::Libublk(series) => self.libublk(series),
            Part::Boot(series) => self.boot(series),
            Part::Arm64 => self.arm64(),
        }
    }

    fn lint(&mut self) -> anyhow::Result<Outcome> {
        let format = self.workspace.cargo(["fmt", "--all", "--check"]);
        let mut tally = self.check(format)?;
        let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
        tally += self.check(self.workspace.cargo(clippy))?;
        for command in fuzz::lints(self.workspace) {
            tally += self.check(command)?;
        }
        Ok(Outcome::Counted(tally))
    }

    fn doc(&mut self) -> anyhow::Result<Outcome> {
        let mut doc = self.workspace.cargo(["doc", "--workspace", "--no-deps"]);
        doc.env("RUSTDOCFLAGS", "-D warnings");
        Ok(Outcome::Counted(self.check(doc)?))
    }

    pub(super) fn check(&mut self, command: Command) -> anyhow::Result<Tally> {
        let status = self.console.run(command, |_| ())?;
        Ok(Tally::of_check(status.success()))
    }

    fn tests(&mut self) -> anyhow::Result<Outcome> {
        let mut command = self.workspace.cargo(["test", "--workspace", "--no-fail-fast"]);
        command.env_remove(REAL_ZRAM_CONSENT.0).env_remove(super::ublk::CONSENT.0);
        let mut counter = Counter::without_targets(&[REAL_ZRAM, REAL_UBLK]);
        let status = self.console.run(command, |line| counter.line(line))?;
        Ok(Outcome::Counted(counter.finish(status.success())))
    }

    fn codecs_as_others_build_them(&mut self) -> anyhow::Result<Outcome> {
        let test = ["test", "-p", LIBRARY, "--no-fail-fast"];
        let forms: [&[&str]; 3] = [
            &["--release", "--test", "round_trip"],
            &["--no-default-features", "--lib", "--tests"],
            &["--all-features", "--test", "api"],
        ];
        let mut tally = Tally::default();
        for form in forms {
            let command = self.workspace.cargo(test.iter().chain(form).copied());
            let mut counter = Counter::default();
            let status = self.console.run(command, |line| counter.line(line))?;
            tally += counter.finish(status.success());
        }
        let bare = ["-p", LIBRARY, "--no-default-features"];
        let clippy = ["clippy"].into_iter().chain(bare);
        let clippy = clippy.chain(["--all-targets", "--", "-D", "warnings"]);
        tally += self.check(self.workspace.cargo(clippy))?;
        let mut doc = self.workspace.cargo(["doc", "--no-deps"].into_iter().chain(bare));
        doc.env("RUSTDOCFLAGS", "-D warnings");
        tally += self.check(doc)?;
        let package = ["package", "-p", LIBRARY, "--allow-dirty"];
        tally += self.check(self.workspace.cargo(package))?;
        Ok(Outcome::Counted(tally))
    }

    fn store_for_long(&mut self) -> anyhow::Result<Outcome> {
        // Among the ignored ones is the test of the tests: bugs planted in a copy of the store.
        let test = ["test", "-p", "trueno-zram-store", "--release", "--no-fail-fast"];
        let mut command =
            self.workspace.cargo(test.iter().chain(&["--", "--include-ignored"]).copied());
        command.envs(STORE_SOAK);
        let mut counter = Counter::default();
        let status = self.console.run(command, |line| counter.line(line))?;
        Ok(Outcome::Counted(counter.finish(status.success())))
    }

    fn host_zram(&mut self) -> anyhow::Result<Outcome> {
        if !tools::is_root() {
            return Ok(Outcome::Skipped("zram devices need root".into()));
        }
        if !tools::zram_is_offered() {
            return Ok(Outcome::Skipped("this kernel has no zram".into()));
        }
        let mut command = Command::new(self.build_tests(REAL_ZRAM)?);
        command.current_dir(self.workspace.path("tests")).env("PATH", tools::extend_path());
        command.envs(self.env.iter().copied());
        let mut counter = Counter::default();
        let status = self.console.run(command, |line| counter.line(line))?;
        self.host_has_looked = status.success();
        Ok(Outcome::Counted(counter.finish(status.success())))
    }

    fn vm(&mut self, series: &str) -> anyhow::Result<Outcome> {
        let program = self.build_tests(REAL_ZRAM)?;
        // A fresh guest has no zram module yet. Without a device that is there from the start, the
        // tests may ask for free ones.
        let mut command = vec![OsString::from("sh"), "-c".into()];
        command.push("modprobe zram num_devices=0 && exec \"$0\" \"$@\"".into());
        command.push(program.into());
        if self.host_has_looked && !self.soaks() {
            command.extend(["--skip", LOOKS].map(OsString::from));
        }
        let mut counter = Counter::default();
        let env = self.env.clone();
        let ended = self.in_guest(series, MEMORY, &env, &command, &mut counter)?;
        Ok(match ended {
            Ended::With(success) => Outcome::Counted(counter.finish(success)),
            Ended::NoKernel(outcome) => outcome,
        })
    }

    /// Whether these are the long forms.
    pub(super) fn soaks(&self) -> bool {
        self.env.iter().any(|(name, _)| *name == SOAK)
    }

    fn arm64(&mut self) -> anyhow::Result<Outcome> {
        match arm64::toolchain(&mut self.console) {
            Ok(toolchain) => arm64::tests(self.workspace, &toolchain, &mut self.console, &[])
                .map(Outcome::Counted),
            Err(error) => Ok(Outcome::Skipped(format!("{error:#}"))),
        }
    }

    /// The tests on devices and the programs they start; the same build as that of `tests`.
    pub(super) fn build_tests(&mut self, name: &'static str) -> anyhow::Result<PathBuf> {
        if let Some(program) = self.programs.get(name) {
            return Ok(program.clone());
        }
        let programs = self.workspace.cargo(["build", "--workspace"]);
        if !self.console.run(programs, |_| ())?.success() {
            bail!("the workspace does not build");
        }
        let args = ["test", "--workspace", "--no-run"];
        let program = self.workspace.build_executable(&args, "test", name)?;
        self.programs.insert(name, program.clone());
        Ok(program)
    }
}
