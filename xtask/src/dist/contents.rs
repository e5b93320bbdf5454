//! What the packages hold: one table, for all formats.

use Source::{DebianChangelog, File, Gzip, Licences, Link, Program};

/// A kind of package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Deb,
    Rpm,
}

/// Where a packaged file comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A program of that name, which cargo builds from the package of that name.
    Program(&'static str),
    /// A file of the tree.
    File(&'static str),
    /// A file of the tree, compressed.
    Gzip(&'static str),
    /// A symbolic link, and where it leads.
    Link(&'static str),
    /// What of others is in the programs, and on which terms; compressed.
    Licences,
    /// The change log of the packaging, as Debian wants it; compressed.
    DebianChangelog,
}

/// One packaged file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) source: Source,
    /// Where it is installed, without the leading slash.
    pub(super) path: &'static str,
    /// The only kind of package that has it.
    only: Option<Format>,
}

impl Row {
    /// Its permissions.
    pub(super) fn mode(&self) -> u32 {
        if matches!(self.source, Program(_)) { 0o755 } else { 0o644 }
    }
}

const fn row(source: Source, path: &'static str) -> Row {
    Row { source, path, only: None }
}

const fn deb(source: Source, path: &'static str) -> Row {
    Row { source, path, only: Some(Format::Deb) }
}

const fn rpm(source: Source, path: &'static str) -> Row {
    Row { source, path, only: Some(Format::Rpm) }
}

/// Nothing is below `/etc`: configuration is the administrator's.
pub(super) const CONTENTS: &[Row] = &[
    row(Program("trueno-zramctl"), "usr/sbin/trueno-zramctl"),
    row(Program("trueno-ublk"), "usr/bin/trueno-ublk"),
    row(Program("trueno-zram-generator"), GENERATOR),
    // People call it too, for `--check`.
    row(
        Link("../lib/systemd/system-generators/trueno-zram-generator"),
        "usr/sbin/trueno-zram-generator",
    ),
    row(
        File("packaging/systemd/systemd-zram-setup@.service"),
        "usr/lib/systemd/system/systemd-zram-setup@.service",
    ),
    row(
        File("packaging/systemd/trueno-zram-setup@.service"),
        "usr/lib/systemd/system/trueno-zram-setup@.service",
    ),
    row(
        File("packaging/systemd/trueno-ublk.service"),
        "usr/lib/systemd/system/trueno-ublk.service",
    ),
    // Additions to units that systemd makes of what is mounted; `\x2d` is its dash in a name.
    row(
        File("packaging/systemd/attribute-files.conf"),
        "usr/lib/systemd/system/run-trueno.mount.d/trueno-ublk.conf",
    ),
    row(
        File("packaging/systemd/memory.conf"),
        r"usr/lib/systemd/system/run-trueno\x2dublk-.mount.d/trueno-ublk.conf",
    ),
    row(File("packaging/udev/61-trueno-ublk.rules"), "usr/lib/udev/rules.d/61-trueno-ublk.rules"),
    row(Gzip("man/trueno-zramctl.8"), "usr/share/man/man8/trueno-zramctl.8.gz"),
    row(Gzip("man/trueno-ublk.8"), "usr/share/man/man8/trueno-ublk.8.gz"),
    row(Gzip("man/trueno-zram-generator.8"), "usr/share/man/man8/trueno-zram-generator.8.gz"),
    row(
        Gzip("man/trueno-zram-generator.conf.5"),
        "usr/share/man/man5/trueno-zram-generator.conf.5.gz",
    ),
    // Units of kernel devices name these, as those of zram-generator do; its package is never beside ours.
    row(Link("trueno-zram-generator.8.gz"), "usr/share/man/man8/zram-generator.8.gz"),
    row(Link("trueno-zram-generator.conf.5.gz"), "usr/share/man/man5/zram-generator.conf.5.gz"),
    row(
        File("completions/trueno-zramctl.bash"),
        "usr/share/bash-completion/completions/trueno-zramctl",
    ),
    row(
        File("completions/trueno-zramctl.fish"),
        "usr/share/fish/vendor_completions.d/trueno-zramctl.fish",
    ),
    deb(File("completions/_trueno-zramctl"), "usr/share/zsh/vendor-completions/_trueno-zramctl"),
    rpm(File("completions/_trueno-zramctl"), "usr/share/zsh/site-functions/_trueno-zramctl"),
    row(
        File("packaging/zram-generator.conf.example"),
        "usr/share/doc/trueno-zram/examples/zram-generator.conf",
    ),
    row(File("docs/SWITCHING.md"), "usr/share/doc/trueno-zram/SWITCHING.md"),
    row(File("docs/SWAP-SAFETY.md"), "usr/share/doc/trueno-zram/SWAP-SAFETY.md"),
    row(Gzip("CHANGELOG.md"), "usr/share/doc/trueno-zram/changelog.gz"),
    deb(DebianChangelog, "usr/share/doc/trueno-zram/changelog.Debian.gz"),
    deb(File("packaging/deb/copyright"), "usr/share/doc/trueno-zram/copyright"),
    deb(File("packaging/deb/lintian-overrides"), "usr/share/lintian/overrides/trueno-zram"),
    deb(Licences, "usr/share/doc/trueno-zram/third-party-licences.gz"),
    rpm(File("LICENSE-APACHE"), "usr/share/licenses/trueno-zram/LICENSE-APACHE"),
    rpm(File("LICENSE-MIT"), "usr/share/licenses/trueno-zram/LICENSE-MIT"),
    rpm(Licences, "usr/share/licenses/trueno-zram/third-party-licences.gz"),
];

const GENERATOR: &str = "usr/lib/systemd/system-generators/trueno-zram-generator";

/// The rows of one kind of package.
pub(super) fn of(format: Format) -> impl Iterator<Item = &'static Row> {
    CONTENTS.iter().filter(move |row| row.only.is_none_or(|only| only == format))
}

/// The programs' names, which are those of their packages.
pub(super) fn programs() -> impl Iterator<Item = &'static str> {
    CONTENTS.iter().filter_map(|row| match row.source {
        Program(name) => Some(name),
        _ => None,
    })
}
