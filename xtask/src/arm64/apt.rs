//! apt on a state of its own: nothing is installed, and the host's package lists stay as they are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

use crate::process;

/// What Debian signs its archive with.
pub(crate) const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The mirror, as for the kernels of the virtual machines.
const MIRROR_VARIABLE: &str = "TRUENO_VM_MIRROR";
const DEFAULT_MIRROR: &str = "http://deb.debian.org/debian";

/// A suite of the archive, and the architectures of interest.
pub(super) struct Suite<'a> {
    pub(super) name: &'a str,
    pub(super) architectures: &'a str,
}

/// Downloads packages of some suites into one directory.
pub(super) struct Apt {
    state: PathBuf,
}

impl Apt {
    /// Reads the package lists of `suites`; everything is kept below `state`.
    pub(super) fn of(state: PathBuf, suites: &[Suite<'_>]) -> anyhow::Result<Self> {
        for directory in ["lists/partial", "debs/partial"] {
            let directory = state.join(directory);
            fs::create_dir_all(&directory)
                .with_context(|| format!("cannot create {}", directory.display()))?;
        }
        let mirror = mirror();
        let line = |Suite { name, architectures }: &Suite<'_>| {
            // target: no translations or component metadata.
            format!(
                "deb [arch={architectures} target=Packages signed-by={KEYRING}] {mirror} {name} main\n"
            )
        };
        fs::write(state.join("sources.list"), suites.iter().map(line).collect::<String>())?;
        let apt = Self { state };
        let mut update = apt.command("apt-get");
        run(update.args(["update", "-qq"]), &format!("read the package lists of {mirror}"))?;
        Ok(apt)
    }

    /// Downloads `packages` with all that they depend on, from `suite` where it has them.
    pub(super) fn download_closure(&self, suite: &str, packages: &[&str]) -> anyhow::Result<()> {
        let options = ["--download-only", "--no-install-recommends", "--yes", "-qq", "-t", suite];
        let mut command = self.command("apt-get");
        command.arg("install").args(options).args(packages);
        // Only apt's list of what would be installed.
        run(command.stdout(Stdio::null()), &format!("download {} and more", packages.join(" ")))
    }

    /// Downloads `packages` alone.
    pub(super) fn download(&self, suite: &str, packages: &[&str]) -> anyhow::Result<()> {
        let mut command = self.command("apt-get");
        command.args(["download", "-qq", "-t", suite]).args(packages);
        run(command.current_dir(self.debs()), &format!("download {}", packages.join(" ")))
    }

    fn debs(&self) -> PathBuf {
        self.state.join("debs")
    }

    /// What was downloaded, in the order of names.
    pub(super) fn files(&self) -> anyhow::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(self.debs())? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "deb") {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }

    fn command(&self, program: &str) -> Command {
        let state = self.state.display();
        let options = [
            format!("Dir::Etc::SourceList={state}/sources.list"),
            "Dir::Etc::SourceParts=-".into(),
            format!("Dir::State::Lists={state}/lists"),
            format!("Dir::Cache={state}"),
            format!("Dir::Cache::Archives={state}/debs"),
            // Dependencies that the host has installed are needed here as well.
            "Dir::State::Status=/dev/null".into(),
            // The host's lock needs root, and this run changes nothing that it protects.
            "Debug::NoLocking=true".into(),
            "APT::Architecture=amd64".into(),
            "APT::Architectures=amd64,arm64".into(),
            "Acquire::Languages=none".into(),
            "APT::Update::Error-Mode=any".into(),
            // A download user may not enter our home directory.
            "APT::Sandbox::User=".into(),
        ];
        let mut command = Command::new(program);
        for option in options {
            command.arg("-o").arg(option);
        }
        command
    }
}

/// Runs apt, which says itself why it failed; its command line is too long for a message.
fn run(apt: &mut Command, purpose: &str) -> anyhow::Result<()> {
    let status = apt.status().with_context(|| format!("cannot {purpose}"))?;
    ensure!(status.success(), "apt could not {purpose}");
    Ok(())
}

/// The first Debian mirror that the host's apt is set up for, unless the variable names one.
fn mirror() -> String {
    if let Ok(mirror) = std::env::var(MIRROR_VARIABLE) {
        return mirror;
    }
    // It prints its mirrors whatever the format of its configuration, and with empty lists, too.
    let mut update = Command::new("apt-get");
    let uris = process::output(update.args(["update", "--print-uris"])).unwrap_or_default();
    first_mirror(&uris).unwrap_or(DEFAULT_MIRROR).to_owned()
}

fn first_mirror(uris: &str) -> Option<&str> {
    uris.lines()
        .filter_map(|line| Some(line.strip_prefix('\'')?.split_once("/dists/")?.0))
        .find(|mirror| mirror.ends_with("/debian"))
}

/// Unpacks the files of a package.
pub(super) fn unpack(package: &Path, root: &Path) -> anyhow::Result<()> {
    process::run(Command::new("dpkg-deb").arg("-x").arg(package).arg(root))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_the_first_for_debian() {
        let uris = "'http://security.example/debian-security/dists/bookworm-security/InRelease' a 0 \n\
            'http://mirror.example/debian/dists/bookworm/InRelease' b 0 \n\
            'http://other.example/debian/dists/bookworm/InRelease' c 0 \n";
        assert_eq!(first_mirror(uris), Some("http://mirror.example/debian"));
        assert_eq!(first_mirror("E: no\n"), None);
    }
}
