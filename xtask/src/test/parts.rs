//! The parts of a test run, and how each is run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::arm64;
use crate::fuzz;
use crate::process::Console;
use crate::tally::{Counter, Tally};
use crate::tools::{self, Need};
use crate::vm::{self, Guest};
use crate::workspace::Workspace;

/// The test target for real zram devices: `tests/tests/real_zram.rs`, without libtest's harness.
const REAL_ZRAM: &str = "real_zram";
/// Without this variable that target ignores all its tests, so that `cargo test` touches no device.
const REAL_ZRAM_CONSENT: (&str, &str) = ("TRUENO_REAL_ZRAM", "1");
/// The comparisons with zramctl that change nothing: hundreds of processes each, and the kernel below
/// matters little. Once seen on the host they are left to `soak` in the slow virtual machines.
const LOOKS: &str = "side_by_side::look";
/// The package of the codecs.
const LIBRARY: &str = "trueno-zram-core";
/// How long the store's tests go on in `soak`: operations against the model, seconds of threads
/// against each other, processes killed, devices damaged at random.
const STORE_SOAK: [(&str, &str); 5] = [
    ("TRUENO_MODEL_OPS", "5000000"),
    ("TRUENO_STRESS_SECONDS", "300"),
    ("TRUENO_KILLS", "20000"),
    ("TRUENO_SEEDS", "10000"),
    ("TRUENO_SOAK", "1"),
];
/// Set for the long forms.
pub(super) const SOAK: &str = "TRUENO_SOAK";
/// By these the tests repeat a failure; on the host they are inherited.
const REPEAT: [&str; 2] = ["TRUENO_SEED", "TRUENO_STEPS"];

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
    workspace: &'a Workspace,
    pub(super) console: Console,
    /// For the tests on devices.
    pub(super) env: Vec<(&'static str, &'static str)>,
    vm_limit_s: u32,
    real_zram: Option<PathBuf>,
    host_has_looked: bool,
}

impl<'a> Session<'a> {
    pub(super) fn new(workspace: &'a Workspace, console: Console, vm_limit_s: u32) -> Self {
        let env = vec![REAL_ZRAM_CONSENT];
        Self { workspace, console, env, vm_limit_s, real_zram: None, host_has_looked: false }
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

    fn check(&mut self, command: Command) -> anyhow::Result<Tally> {
        let status = self.console.run(command, |_| ())?;
        Ok(Tally::of_check(status.success()))
    }

    fn tests(&mut self) -> anyhow::Result<Outcome> {
        let mut command = self.workspace.cargo(["test", "--workspace", "--no-fail-fast"]);
        command.env_remove(REAL_ZRAM_CONSENT.0);
        let mut counter = Counter::without_target(REAL_ZRAM);
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
        let mut command = Command::new(self.build_real_zram()?);
        command.current_dir(self.workspace.path("tests")).env("PATH", tools::extend_path());
        command.envs(self.env.iter().copied());
        let mut counter = Counter::default();
        let status = self.console.run(command, |line| counter.line(line))?;
        self.host_has_looked = status.success();
        Ok(Outcome::Counted(counter.finish(status.success())))
    }

    fn vm(&mut self, series: &str) -> anyhow::Result<Outcome> {
        let program = self.build_real_zram()?;
        let repeated = REPEAT.map(|name| (name, std::env::var(name).ok()));
        let repeated = repeated.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?)));
        let env: Vec<_> = self.env.iter().copied().chain(repeated).collect();
        let guest = Guest { series, limit_s: self.vm_limit_s, env: &env };
        // A fresh guest has no zram module yet. Without a device that is there from the start, the
        // tests may ask for free ones.
        let mut command = guest.command(self.workspace, Path::new("sh"));
        command.args(["-c", "modprobe zram num_devices=0 && exec \"$0\" \"$@\""]).arg(program);
        if self.host_has_looked && !self.env.iter().any(|(name, _)| *name == SOAK) {
            command.args(["--skip", LOOKS]);
        }
        // Two runs of xtask at once must not share it.
        let out = format!("vm-{series}-{}", std::process::id());
        let out = self.workspace.target_dir().join(out);
        // As cargo would: in the directory of the package.
        command.current_dir(self.workspace.path("tests")).env("VM_OUT", &out);
        let mut counter = Counter::default();
        let status = self.console.run(command, |line| counter.line(line))?;
        // Without this file the status is the runner's own; the tests may use the same numbers.
        let ended = out.join("status").exists();
        let nothing_to_see = status.code() == Some(vm::NO_SUCH_KERNEL) && !ended;
        if (ended && status.success()) || nothing_to_see {
            fs::remove_dir_all(&out).with_context(|| format!("cannot remove {}", out.display()))?;
        }
        match status.code() {
            _ if ended => Ok(Outcome::Counted(counter.finish(status.success()))),
            Some(vm::NO_SUCH_KERNEL) => {
                Ok(Outcome::Skipped(format!("the archive has no kernel of series {series}")))
            }
            Some(vm::TIMED_OUT) => bail!("the guest ran past {} s", self.vm_limit_s),
            _ => bail!("the guest did not come up, or died: see {}/console", out.display()),
        }
    }

    fn arm64(&mut self) -> anyhow::Result<Outcome> {
        match arm64::toolchain(&mut self.console) {
            Ok(toolchain) => arm64::tests(self.workspace, &toolchain, &mut self.console, &[])
                .map(Outcome::Counted),
            Err(error) => Ok(Outcome::Skipped(format!("{error:#}"))),
        }
    }

    /// The tests on devices and the programs they start; the same build as that of `tests`.
    fn build_real_zram(&mut self) -> anyhow::Result<PathBuf> {
        if let Some(program) = &self.real_zram {
            return Ok(program.clone());
        }
        let programs = self.workspace.cargo(["build", "--workspace"]);
        if !self.console.run(programs, |_| ())?.success() {
            bail!("the workspace does not build");
        }
        let args = ["test", "--workspace", "--no-run"];
        let program = self.workspace.build_executable(&args, "test", REAL_ZRAM)?;
        Ok(self.real_zram.insert(program).clone())
    }
}
