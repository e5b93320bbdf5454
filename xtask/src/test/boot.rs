//! Whole machines: a Debian that boots with our package, or with another maker's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::dist;
use crate::process;
use crate::tally::{Counter, Tally};
use crate::test::parts::{Outcome, Session};
use crate::tools;
use crate::vm;

/// A machine to boot.
struct Machine {
    /// Below `tests/boot`: its configuration, and what is looked at from inside.
    case: &'static str,
    /// The Debian package that takes the place of ours.
    peer: Option<&'static str>,
    /// Only in `soak`.
    is_long: bool,
}

const MACHINES: [Machine; 4] = [
    Machine { case: "devices", peer: None, is_long: false },
    Machine { case: "broken", peer: None, is_long: false },
    Machine { case: "kernel", peer: None, is_long: true },
    Machine { case: "kernel", peer: Some("systemd-zram-generator"), is_long: true },
];

impl Session<'_> {
    /// Boots the machines one after the other, each judged from inside.
    pub(super) fn boot(&mut self, series: &str) -> anyhow::Result<Outcome> {
        if !tools::is_root() {
            let reason = "making a system to boot, by its own programs, takes root";
            return Ok(Outcome::Skipped(reason.to_owned()));
        }
        // Two runs of xtask at once must not share it.
        let work = format!("boot-{series}-{}", std::process::id());
        let work = self.workspace.target_dir().join(work);
        let ours = dist::deb(self.workspace, dist::Profile::Dev, &work)?;
        let next = next_version(&ours, &work)?;
        let (mut tally, soaks) = (Tally::default(), self.soaks());
        for machine in MACHINES.iter().filter(|machine| soaks || !machine.is_long) {
            let package = match machine.peer {
                None => ours.clone(),
                Some(name) => self.package_of_a_peer(name)?,
            };
            let image = work.join("image");
            let mut make = Command::new(self.workspace.path("tests/vm/root"));
            make.arg(series).arg(&image).arg(package);
            let status = self.console.run(make, |_| ())?;
            if status.code() == Some(vm::NO_SUCH_KERNEL) {
                let reason = format!("the archive has no kernel of series {series}");
                return Ok(Outcome::Skipped(reason));
            }
            if !status.success() {
                bail!("there is no system to boot: tests/vm/root has failed");
            }
            tally += self.boot_machine(series, machine.case, &image, &next, &work)?;
        }
        if tally.failed == 0 {
            fs::remove_dir_all(&work)
                .with_context(|| format!("cannot remove {}", work.display()))?;
        }
        Ok(Outcome::Counted(tally))
    }

    fn boot_machine(
        &mut self,
        series: &str,
        case: &str,
        image: &Path,
        next: &Path,
        work: &Path,
    ) -> anyhow::Result<Tally> {
        let out = work.join(case);
        let mut boot = Command::new(self.workspace.path("tests/vm/boot"));
        boot.args(["-k", series, "-t", &self.vm_limit_s.to_string()]).env("VM_OUT", &out);
        boot.arg(image).arg(self.workspace.path("tests/boot").join(case)).arg(next);
        let mut counter = Counter::default();
        let status = self.console.run(boot, |line| counter.line(line))?;
        match status.code() {
            Some(0 | 1) => Ok(counter.finish(status.success())),
            Some(vm::TIMED_OUT) => bail!("the machine `{case}` ran past {} s", self.vm_limit_s),
            _ => bail!("the machine `{case}` did not come up, or died: see {}", out.display()),
        }
    }

    /// The file of a Debian package.
    fn package_of_a_peer(&self, name: &str) -> anyhow::Result<PathBuf> {
        let mut find = Command::new(self.workspace.path("tests/vm/root"));
        let path = process::output(find.arg("--package").arg(name))?;
        Ok(PathBuf::from(path.trim_end()))
    }
}

/// The same package in a later version, to upgrade to.
fn next_version(package: &Path, work: &Path) -> anyhow::Result<PathBuf> {
    let (tree, next) = (work.join("next"), work.join("next.deb"));
    process::output(Command::new("dpkg-deb").arg("--raw-extract").arg(package).arg(&tree))?;
    let control = tree.join("DEBIAN/control");
    let text = fs::read_to_string(&control)?;
    fs::write(&control, later(&text).context("a package without a version")?)?;
    let mut build = Command::new("dpkg-deb");
    // Unpacked once, by an emulated processor.
    build.args(["-Zgzip", "-z1", "--root-owner-group", "--build"]).arg(&tree).arg(&next);
    process::output(&mut build)?;
    fs::remove_dir_all(&tree)?;
    Ok(next)
}

/// The text of a control file with a later version in it.
fn later(control: &str) -> Option<String> {
    let line = control.lines().find(|line| line.starts_with("Version: "))?;
    Some(control.replacen(line, &format!("{line}+next"), 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Workspace;

    #[test]
    fn every_machine_has_its_files() {
        for Machine { case, .. } in &MACHINES {
            let files = Workspace::of_this_build().path("tests/boot").join(case);
            for file in ["checks", "etc/systemd/zram-generator.conf"] {
                assert!(files.join(file).is_file(), "{case}: {file}");
            }
        }
    }

    #[test]
    fn a_later_version() {
        let control = "Package: a\nVersion: 1-1\nDescription: Version: 2\n";
        let expected = "Package: a\nVersion: 1-1+next\nDescription: Version: 2\n";
        assert_eq!(later(control).as_deref(), Some(expected));
        assert_eq!(later("Package: a\n"), None);
    }
}
