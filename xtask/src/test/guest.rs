//! One run of a test program in a virtual machine.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};

use crate::tally::Counter;
use crate::test::parts::{Outcome, Session};
use crate::vm::{self, Guest};

/// By these the tests repeat a failure; on the host they are inherited.
const REPEAT: [&str; 2] = ["TRUENO_SEED", "TRUENO_STEPS"];

/// How a guest ended.
pub(super) enum Ended {
    /// With the command, and whether that was a success.
    With(bool),
    /// There was none, for want of a kernel; this is what the part comes to.
    NoKernel(Outcome),
}

impl Session<'_> {
    /// Boots a kernel of `series` with so much memory in MiB and runs `command` in it, whose results
    /// `counter` sums.
    ///
    /// # Errors
    ///
    /// When the guest does not come up, dies, or takes too long.
    pub(super) fn in_guest(
        &mut self,
        series: &str,
        memory: u32,
        env: &[(&str, &str)],
        command: &[OsString],
        counter: &mut Counter,
    ) -> anyhow::Result<Ended> {
        let repeated = REPEAT.map(|name| (name, std::env::var(name).ok()));
        let repeated = repeated.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?)));
        let env: Vec<_> = env.iter().copied().chain(repeated).collect();
        let guest = Guest { series, limit_s: self.vm_limit_s, memory, env: &env, options: &[] };
        let (program, arguments) = command.split_first().context("no command")?;
        let mut command = guest.command(self.workspace, Path::new(program));
        // Two runs of xtask at once must not share it.
        let out = format!("vm-{series}-{}", std::process::id());
        let out = self.workspace.target_dir().join(out);
        // As cargo would: in the directory of the package.
        command.args(arguments).current_dir(self.workspace.path("tests")).env("VM_OUT", &out);
        let status = self.console.run(command, |line| counter.line(line))?;
        // Without this file the status is the runner's own; the tests may use the same numbers.
        let ended = out.join("status").exists();
        let nothing_to_see = status.code() == Some(vm::NO_SUCH_KERNEL) && !ended;
        if (ended && status.success()) || nothing_to_see {
            fs::remove_dir_all(&out).with_context(|| format!("cannot remove {}", out.display()))?;
        }
        match status.code() {
            _ if ended => Ok(Ended::With(status.success())),
            Some(vm::NO_SUCH_KERNEL) => {
                let reason = format!("the archive has no kernel of series {series}");
                Ok(Ended::NoKernel(Outcome::Skipped(reason)))
            }
            Some(vm::TIMED_OUT) => bail!("the guest ran past {} s", self.vm_limit_s),
            _ => bail!("the guest did not come up, or died: see {}/console", out.display()),
        }
    }
}
