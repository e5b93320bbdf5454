//! A compiler for AArch64, made of Debian packages that are unpacked, not installed.
//!
//! rustc comes from the backports of Debian stable, the newest that matches a standard library for
//! arm64; it is newer than the host's C library allows and runs on its own. The C compiler and QEMU
//! are those of the host's release and run on the host's C library. Installing the C compiler would
//! remove gcc-multilib, with which Debian lets it conflict.

use std::fs::{self, File, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};

use crate::arm64::apt::{self, Apt, Suite};
use crate::arm64::version;
use crate::process::Console;

pub(super) const TARGET: &str = "aarch64-unknown-linux-gnu";

/// Where rustc is from. It must not be older than the workspace's `rust-version`.
const RUST_SUITE: &str = "trixie-backports";
/// What backports depend on.
const RUST_BASE: &str = "trixie";
/// What records the packages.
const PACKAGES: &str = "packages";

/// The programs that cargo calls, and how each finds the rest of its package: `$rust` and `$cross`
/// are the two roots.
const PROGRAMS: &[(&str, &str)] = &[
    (
        "rustc",
        "exec \"$rust/usr/lib64/ld-linux-x86-64.so.2\" \
         --library-path \"$rust/usr/lib/x86_64-linux-gnu\" \
         \"$rust/usr/bin/rustc\" --sysroot \"$rust/usr\" \"$@\"",
    ),
    (
        "gcc",
        "export LD_LIBRARY_PATH=$cross/usr/lib/x86_64-linux-gnu:$cross/lib/x86_64-linux-gnu\n\
         exec \"$cross/usr/bin/aarch64-linux-gnu-gcc\" --sysroot=\"$cross\" \"$@\"",
    ),
    (
        "ar",
        "export LD_LIBRARY_PATH=$cross/usr/lib/x86_64-linux-gnu:$cross/lib/x86_64-linux-gnu\n\
         exec \"$cross/usr/bin/aarch64-linux-gnu-ar\" \"$@\"",
    ),
    (
        // -U: the emulated program has libraries of its own.
        "qemu",
        "export LD_LIBRARY_PATH=$cross/usr/lib/x86_64-linux-gnu:$cross/lib/x86_64-linux-gnu\n\
         exec \"$cross/usr/bin/qemu-aarch64\" -U LD_LIBRARY_PATH \
         -L \"$cross/usr/aarch64-linux-gnu\" \"$@\"",
    ),
];

/// An unpacked compiler, C compiler and emulator.
#[derive(Debug)]
pub(crate) struct Toolchain {
    directory: PathBuf,
}

impl Toolchain {
    /// The cached toolchain; it is downloaded the first time and never refreshed: remove its
    /// directory for a newer one.
    pub(super) fn obtain(console: &mut Console) -> anyhow::Result<Self> {
        let architecture = std::env::consts::ARCH;
        ensure!(architecture == "x86_64", "the compiler runs on x86_64, not on {architecture}");
        let cache = cache()?;
        let directory = cache.join("toolchain");
        fs::create_dir_all(&cache).with_context(|| format!("cannot create {}", cache.display()))?;
        // Held to the end of this function: another run may be filling the cache.
        let lock = File::create(cache.join("lock"))?;
        lock.lock().context("cannot lock the cache")?;
        if !directory.exists() {
            console.line(&format!("downloading a compiler into {}", cache.display()))?;
            let incoming = cache.join("incoming");
            // What an interrupted run left.
            remove(&incoming)?;
            let fetched = fetch(&incoming, &directory);
            remove(&incoming)?;
            fetched.context("no compiler for AArch64")?;
        }
        Ok(Self::in_directory(directory))
    }

    pub(super) fn in_directory(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Makes a cargo command compile with this toolchain and run what it compiled.
    pub(super) fn configure(&self, command: &mut Command) {
        command.env("RUSTC", self.program("rustc"));
        command.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", self.program("gcc"));
        command.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER", self.program("qemu"));
        // For the crates that are C libraries.
        command.env("CC_aarch64_unknown_linux_gnu", self.program("gcc"));
        command.env("AR_aarch64_unknown_linux_gnu", self.program("ar"));
    }

    /// What the tests ran with, for a record.
    pub(super) fn versions(&self) -> anyhow::Result<String> {
        let packages = fs::read_to_string(self.directory.join(PACKAGES))?;
        let library = packages.lines().find(|line| is_standard_library(line));
        let library = library.context("the cache has no standard library for arm64")?;
        let [rustc, gcc, qemu] = ["rustc", "gcc", "qemu"].map(|name| version(&self.program(name)));
        Ok(format!("{}\n{library}\n{}\n{}", rustc?, gcc?, qemu?))
    }

    fn program(&self, name: &str) -> PathBuf {
        self.directory.join("bin").join(name)
    }
}

/// Where this and the kernels of the virtual machines are kept.
fn cache() -> anyhow::Result<PathBuf> {
    if let Some(cache) = std::env::var_os("TRUENO_ARM64_CACHE") {
        return std::path::absolute(cache).context("TRUENO_ARM64_CACHE is no path");
    }
    let base = match std::env::var_os("XDG_CACHE_HOME") {
        Some(cache) => PathBuf::from(cache),
        None => PathBuf::from(std::env::var_os("HOME").context("HOME is not set")?).join(".cache"),
    };
    Ok(base.join("trueno-zram/arm64"))
}

/// Downloads and unpacks below `incoming`, and moves a whole toolchain to `directory`.
fn fetch(incoming: &Path, directory: &Path) -> anyhow::Result<()> {
    let whole = incoming.join("toolchain");
    let rust = fetch_rust(&incoming.join("apt-rust"), &whole.join("rust"))?;
    let cross = fetch_cross(&incoming.join("apt-cross"), &whole.join("cross"))?;
    fs::write(whole.join(PACKAGES), [rust, cross].concat().join("\n") + "\n")?;
    write_programs(&whole.join("bin"))?;
    // A reader sees a whole toolchain or none.
    fs::rename(&whole, directory).context("cannot move the toolchain into place")
}

fn fetch_rust(state: &Path, root: &Path) -> anyhow::Result<Vec<String>> {
    let suites = [
        Suite { name: RUST_BASE, architectures: "amd64" },
        Suite { name: RUST_SUITE, architectures: "amd64,arm64" },
    ];
    let apt = Apt::of(state.to_owned(), &suites)?;
    // This has LLVM and a C library. rustc itself would bring a C compiler of no use here, and the
    // library for arm64 an LLVM that runs there.
    apt.download_closure(RUST_SUITE, &["libstd-rust-dev:amd64"])?;
    apt.download(RUST_SUITE, &["rustc:amd64", "libstd-rust-dev:arm64"])?;
    unpack_all(&apt.files()?, root)
}

fn fetch_cross(state: &Path, root: &Path) -> anyhow::Result<Vec<String>> {
    let release = host_release(&fs::read_to_string("/etc/os-release")?)?;
    let suites = [Suite { name: &release, architectures: "amd64" }];
    let apt = Apt::of(state.to_owned(), &suites)?;
    let packages = ["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross", "qemu-user"];
    apt.download_closure(&release, &packages)?;
    // These programs start on the host's loader, which takes only the C library it came with.
    let mut files = apt.files()?;
    files.retain(|file| !name_of(file).starts_with("libc6_"));
    unpack_all(&files, root)
}

/// Debian's name of the host's release.
fn host_release(os_release: &str) -> anyhow::Result<String> {
    let value = |key: &str| {
        let line = os_release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.map(|value| value.trim_matches('"'))
    };
    match (value("ID"), value("VERSION_CODENAME")) {
        (Some("debian"), Some(release)) => Ok(release.to_owned()),
        (system, _) => bail!("a C compiler is taken from Debian, but this is {system:?}"),
    }
}

/// Unpacks the packages and returns the names of their files, which have the versions.
fn unpack_all(packages: &[PathBuf], root: &Path) -> anyhow::Result<Vec<String>> {
    fs::create_dir_all(root)?;
    packages.iter().try_for_each(|package| apt::unpack(package, root))?;
    Ok(packages.iter().map(|package| name_of(package)).collect())
}

fn name_of(package: &Path) -> String {
    package.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn is_standard_library(package: &str) -> bool {
    package.starts_with("libstd-rust-dev_") && package.ends_with("_arm64.deb")
}

fn write_programs(bin: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(bin)?;
    for (name, body) in PROGRAMS {
        let file = bin.join(name);
        let roots = "rust=${0%/*}/../rust cross=${0%/*}/../cross";
        fs::write(&file, format!("#!/bin/sh\n{roots}\n{body}\n"))?;
        fs::set_permissions(&file, Permissions::from_mode(0o755))?;
    }
    Ok(())
}

fn remove(directory: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", directory.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_debian_has_a_release_name_of_use() {
        let debian = "PRETTY_NAME=\"Debian 12\"\nVERSION_CODENAME=bookworm\nID=debian\n";
        assert_eq!(host_release(debian).unwrap(), "bookworm");
        for other in ["ID=ubuntu\nVERSION_CODENAME=noble\n", "ID=\"debian\"\n", ""] {
            assert!(host_release(other).is_err(), "{other}");
        }
    }

    #[test]
    fn the_standard_library_for_arm64_is_told_from_the_other() {
        assert!(is_standard_library("libstd-rust-dev_1.96.1+dfsg1-2_arm64.deb"));
        assert!(!is_standard_library("libstd-rust-dev_1.96.1+dfsg1-2_amd64.deb"));
        assert!(!is_standard_library("libstd-rust-1.96_1.96.1+dfsg1-2_arm64.deb"));
    }
}
