//! Programs that are not cargo's: what is missing, and the offer to install it.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::Command;

use crate::process;

/// A program that something here calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Need {
    pub(crate) program: &'static str,
    package: &'static str,
    purpose: &'static str,
}

const fn need(program: &'static str, package: &'static str, purpose: &'static str) -> Need {
    Need { program, package, purpose }
}

/// What tests of real zram devices call, wherever they run: the guest's root is the host's.
pub(crate) const REAL_ZRAM: &[Need] = &[
    need("zramctl", "util-linux", "is what trueno-zramctl is compared with"),
    need("mkfs.ext4", "e2fsprogs", "makes file systems on devices"),
    need("mkswap", "util-linux", "makes swap areas on devices"),
    need("swapon", "mount", "holds a device as swap"),
    need("mount", "mount", "holds a device as a file system"),
    need("modprobe", "kmod", "loads the zram module"),
];

/// What tests of compressed RAM disks of our own call beyond that, in virtual machines.
pub(crate) const REAL_UBLK: &[Need] = &[
    need("fio", "fio", "writes and verifies, at full queue depth too"),
    need("mkfs.xfs", "xfsprogs", "makes a file system and checks it"),
    need("mkfs.btrfs", "btrfs-progs", "makes a file system and checks it"),
    need("dmsetup", "dmsetup", "holds a device as a part of another"),
    need("blkdiscard", "util-linux", "discards pages as administrators do"),
    need("unshare", "util-linux", "leads zramctl to our devices"),
    need("zstd", "zstd", "unpacks the corpora"),
];

/// What the demonstration calls.
pub(crate) const DEMO: &[Need] = &[
    need("mkfs.ext4", "e2fsprogs", "makes the file system"),
    need("mount", "mount", "mounts it"),
    need("modprobe", "kmod", "loads the zram module"),
];

/// What `arm64` calls to download and unpack a compiler.
pub(crate) const ARM64: &[Need] = &[
    need("apt-get", "apt", "downloads the compiler's packages"),
    need("dpkg-deb", "dpkg", "unpacks them"),
    need(crate::arm64::KEYRING, "debian-archive-keyring", "checks what was downloaded"),
];

/// What `dist` calls for a Debian package.
pub(crate) const DEB: &[Need] = &[
    need("dpkg-deb", "dpkg", "makes the package"),
    need("dpkg-shlibdeps", "dpkg-dev", "tells which libraries the programs need"),
    need("strip", "binutils", "makes programs smaller"),
    need("gzip", "gzip", "compresses man pages"),
];

/// What `dist` calls for an RPM package.
pub(crate) const RPM: &[Need] = &[
    need("rpmbuild", "rpm", "makes the package, and tells which libraries the programs need"),
    need("strip", "binutils", "makes programs smaller"),
    need("gzip", "gzip", "compresses man pages"),
];

/// What `tests/vm/run` calls: the same table that it reads.
pub(crate) fn virtual_machine() -> Vec<Need> {
    vm_needs().filter(|(when, _)| *when != ROOT).map(|(_, need)| need).collect()
}

/// What `tests/vm/root` calls beyond that.
pub(crate) fn system_to_boot() -> Vec<Need> {
    vm_needs().filter(|(when, _)| *when == ROOT).map(|(_, need)| need).collect()
}

/// In the first column of the table.
const ROOT: &str = "root";

/// The rows of the table, with when each matters.
fn vm_needs() -> impl Iterator<Item = (&'static str, Need)> {
    include_str!("../../tests/vm/needs").lines().filter_map(vm_need)
}

fn vm_need(line: &'static str) -> Option<(&'static str, Need)> {
    if line.starts_with('#') {
        return None;
    }
    let (when, rest) = line.split_once(char::is_whitespace)?;
    let (program, rest) = rest.trim_start().split_once(char::is_whitespace)?;
    let (package, purpose) = rest.trim_start().split_once(char::is_whitespace)?;
    Some((when, need(program, package, purpose.trim_start())))
}

/// Those of `needs` that are not there.
pub(crate) fn missing(needs: impl IntoIterator<Item = Need>) -> BTreeSet<Need> {
    needs.into_iter().filter(|need| !is_present(need.program)).collect()
}

/// The names of the missing programs, for a message.
pub(crate) fn names(missing: &BTreeSet<Need>) -> String {
    missing.iter().map(|need| need.program).collect::<Vec<_>>().join(", ")
}

/// `program` is a name or the absolute path of a file.
fn is_present(program: &str) -> bool {
    // Administration tools live outside an ordinary user's PATH on Debian.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    directories.map(|directory| directory.join(program)).any(|file| file.exists())
}

/// The programs that tests and demonstration call by name must be found by them, too.
pub(crate) fn extend_path() -> std::ffi::OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin");
    path
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Loads the zram module if it can be loaded, and says whether the kernel offers zram.
pub(crate) fn zram_is_offered() -> bool {
    let control = Path::new("/sys/class/zram-control");
    if !control.exists() && is_root() {
        // Whether it worked is read from sysfs, and there may be no modprobe.
        let mut modprobe = Command::new("modprobe");
        if let Err(error) = modprobe.args(["--quiet", "zram"]).env("PATH", extend_path()).status() {
            println!("cannot run modprobe: {error}");
        }
    }
    control.exists()
}

/// Offers to install what is missing. Nothing is installed without consent, and failing to install
/// is no error here: the caller looks again.
pub(crate) fn offer(missing: &BTreeSet<Need>, yes: bool) -> anyhow::Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    println!("Missing programs:");
    for Need { program, package, purpose } in missing {
        println!("  {program:24} Debian package {package:24} {purpose}");
    }
    let packages: BTreeSet<_> = missing.iter().map(|need| need.package).collect();
    let mut install = Command::new("apt-get");
    install.args(["install", "--yes", "--no-remove", "--no-install-recommends"]).args(packages);
    install.env("DEBIAN_FRONTEND", "noninteractive");
    println!("They would be installed by: {}", process::shown(&install));

    if !is_root() || !is_present("apt-get") {
        println!("Not installed: that needs apt-get and root.");
    } else if !consent(yes)? {
        println!("Not installed: there was no consent (--yes gives it).");
    } else if let Err(error) = install_packages(&mut install) {
        println!("Not installed: {error:#}");
    }
    Ok(())
}

fn install_packages(install: &mut Command) -> anyhow::Result<()> {
    if process::run(install).is_ok() {
        return Ok(());
    }
    // On a fresh container the package lists are empty, on an old machine stale.
    println!("Once more, after: apt-get update");
    process::run(Command::new("apt-get").arg("update"))?;
    process::run(install)
}

/// `--yes`, or a person's word.
fn consent(yes: bool) -> io::Result<bool> {
    if yes || is_ci() {
        return Ok(true);
    }
    if !io::stdin().is_terminal() {
        return Ok(false);
    }
    print!("Install them now? [y/N] ");
    io::stdout().flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(answer.starts_with(['y', 'Y']))
}

fn is_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "1" || value == "true")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runners_table_is_read_whole() {
        let text = include_str!("../../tests/vm/needs");
        let rows = text.lines().filter(|line| !line.starts_with('#')).count();
        let needs = virtual_machine();
        assert_eq!(needs.len() + system_to_boot().len(), rows);
        assert!(system_to_boot().iter().any(|need| need.program == "mmdebstrap"));
        assert!(needs.contains(&need(
            "qemu-system-x86_64",
            "qemu-system-x86",
            "emulates the machine"
        )));
    }

    #[test]
    fn programs_are_found_by_name_and_by_path() {
        let absent = need("no-such-program", "p", "");
        let needs = [need("sh", "dash", ""), need("/bin/sh", "dash", ""), absent];
        assert_eq!(missing(needs), BTreeSet::from([absent]));
        assert_eq!(names(&missing(needs)), "no-such-program");
    }
}
