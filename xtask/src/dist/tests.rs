//! What can be seen without root and without a build: the programs are copies of one that is there.

mod removal;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;

use super::contents::{CONTENTS, Source};
use super::*;
use crate::skip::skip;

/// Who else makes devices at boot, by the names of all distributions: two must never both do so.
const OTHER_MAKERS: [&str; 3] = ["systemd-zram-generator", "zram-generator", "zram-tools"];

/// An empty directory that goes with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("xtask-dist-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).expect("it is removed");
    }
}

fn text_of(workspace: &Workspace, path: &str) -> String {
    read(&workspace.path(path)).expect("a file of the tree")
}

#[test]
fn command_lines() {
    let parse = |args: &[&str]| Options::parse(lexopt::Parser::from_args(args));
    let options = parse(&["--deb", "--profile", "dev", "--out", "x", "--yes"]).expect("good");
    assert_eq!(options.formats, [Format::Deb]);
    assert_eq!((options.profile, options.yes), (Profile::Dev, true));
    assert_eq!(options.out, Some("x".into()));
    assert_eq!(parse(&[]).expect("good").formats, [Format::Deb, Format::Rpm]);
    for bad in [&["--profile", "fast"][..], &["--out"], &["--msi"], &["x"]] {
        assert!(parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn no_file_of_the_tree_is_forgotten() {
    let workspace = Workspace::of_this_build();
    for format in [Format::Deb, Format::Rpm] {
        let packaged: BTreeSet<_> = contents::of(format)
            .filter_map(|row| match row.source {
                Source::File(path) | Source::Gzip(path) => Some(path.to_owned()),
                _ => None,
            })
            .collect();
        for path in &packaged {
            assert!(workspace.path(path).is_file(), "{path} is packaged and not there");
        }
        for directory in ["man", "completions", "packaging/systemd", "packaging/udev"] {
            let entries = fs::read_dir(workspace.path(directory)).expect("a directory");
            for entry in entries {
                let name = entry.expect("an entry").file_name().into_string().expect("text");
                let path = format!("{directory}/{name}");
                assert!(packaged.contains(&path), "{path} is in no {format:?} package");
            }
        }
    }
}

#[test]
fn no_path_is_packaged_twice_and_none_is_the_administrators() {
    for format in [Format::Deb, Format::Rpm] {
        let mut seen = BTreeSet::new();
        for row in contents::of(format) {
            assert!(seen.insert(row.path), "{} comes twice", row.path);
            assert!(row.path.starts_with("usr/"), "{} is not below /usr", row.path);
        }
    }
}

/// Programs that units start, manuals that they name, and what scripts and links lead to.
#[test]
fn what_packaged_files_name_is_packaged() {
    let workspace = Workspace::of_this_build();
    let paths: BTreeSet<_> = CONTENTS.iter().map(|row| row.path).collect();
    let is_page = |page: &str| {
        let (name, section) = page.trim_end_matches(')').split_once('(').expect("a section");
        paths.contains(format!("usr/share/man/man{section}/{name}.{section}.gz").as_str())
    };
    let mut started = 0;
    for row in CONTENTS {
        let Source::File(source) = row.source else { continue };
        if !source.starts_with("packaging/systemd/") {
            continue;
        }
        for line in text_of(&workspace, source).lines() {
            if let Some(command) = line.strip_prefix("Exec").and_then(|rest| rest.split_once('=')) {
                let program = command.1.split(' ').next().expect("a word");
                assert!(paths.contains(&program[1..]), "{source}: {program} is not packaged");
                started += 1;
            }
            for page in line.split(' ').filter_map(|word| word.split("man:").nth(1)) {
                assert!(is_page(page), "{source}: {page} is not packaged");
            }
        }
    }
    assert_eq!(started, 5, "lines that start programs");
    for row in CONTENTS {
        let Source::Link(to) = row.source else { continue };
        let target = Path::new("/").join(row.path).with_file_name("").join(to);
        let target = target.display().to_string().replace("/sbin/../", "/");
        assert!(paths.contains(&target[1..]), "{} leads nowhere", row.path);
    }
    let removing = text_of(&workspace, "packaging/scripts/removing");
    assert!(removing.contains("/usr/bin/trueno-ublk*)"), "the service's program");
    assert!(paths.contains("usr/bin/trueno-ublk"));
}

/// What systemd makes a mount namespace for: the devices' memory is mounts that all must see, and that
/// outlive the service.
#[test]
fn the_service_has_no_mounts_of_its_own() {
    let text = text_of(&Workspace::of_this_build(), "packaging/systemd/trueno-ublk.service");
    let keys: BTreeSet<_> = text.lines().filter_map(|line| line.split('=').next()).collect();
    let set = |key: &str| keys.iter().any(|set| set.starts_with(key));
    for key in [
        "Bind",
        "DynamicUser",
        "ExecPaths",
        "Extension",
        "InaccessiblePaths",
        "LogNamespace",
        "Mount",
        "NoExecPaths",
        "PrivateBPF",
        "PrivateDevices",
        "PrivateIPC",
        "PrivatePIDs",
        "PrivateTmp",
        "ProcSubset",
        "ProtectControlGroups",
        "ProtectHome",
        "ProtectKernel",
        "ProtectProc",
        "ProtectSystem",
        "ReadOnlyPaths",
        "ReadWritePaths",
        "Root",
        "TemporaryFileSystem",
    ] {
        assert!(!set(key), "{key} gives the service a mount namespace");
    }
    // Without it, PrivateNetwork= does too.
    assert!(text.contains("\nPrivateMounts=no\n") && set("PrivateNetwork"), "{text}");
}

#[test]
fn scripts_run_when_they_are_meant_to() {
    let workspace = Workspace::of_this_build();
    let all = |of: fn(&scripts::Script, &Workspace) -> anyhow::Result<String>| {
        scripts::SCRIPTS.iter().map(|script| of(script, &workspace).expect("a script")).collect()
    };
    let deb: Vec<String> = all(scripts::Script::for_deb);
    for (script, when) in deb.iter().zip(["configure", "remove", "remove"]) {
        assert!(script.starts_with("#!/bin/sh\n[ \"$1\" = "), "{script}");
        // At any other time it ends before its first command.
        let mut shell = Command::new("sh");
        shell.args(["-xc", script, "script", "upgrade"]);
        let output = shell.output().expect("a shell");
        let steps = String::from_utf8_lossy(&output.stderr).lines().count();
        assert_eq!((output.status.code(), steps), (Some(0), 2), "{script}");
        assert!(script.lines().nth(1).is_some_and(|line| line.contains(when)), "{script}");
    }
    let rpm: Vec<String> = all(scripts::Script::for_rpm);
    let heads: Vec<_> = rpm.iter().map(|s| s.lines().take(2).collect::<Vec<_>>()).collect();
    assert_eq!(heads[1], ["%preun", "[ \"$1\" = 0 ] || exit 0"]);
    assert_eq!(heads[2], ["%postun", "[ \"$1\" = 0 ] || exit 0"]);
    assert!(!rpm[1].contains("${unit%."), "a percent sign is doubled");
}

/// A Debian package of the whole table, with another program in place of ours.
fn small_deb(out: &Path) -> PathBuf {
    let program = PathBuf::from("/bin/true").canonicalize().expect("a program");
    let made = Made {
        programs: contents::programs().map(|name| (name, program.clone())).collect(),
        licences: "Terms\n".to_owned(),
        epoch: 1_700_000_000,
        profile: Profile::Dev,
    };
    deb::make(&Workspace::of_this_build(), &made, out).expect("a package")
}

fn shown(command: &str, arguments: &[&str], package: &Path) -> String {
    let mut dpkg = Command::new("dpkg-deb");
    dpkg.arg(command).arg(package).args(arguments).env("TZ", "UTC");
    process::output(&mut dpkg).expect("dpkg-deb")
}

#[test]
fn a_debian_package_is_what_the_table_says_and_always_the_same() {
    if !tools::missing(tools::DEB.iter().copied()).is_empty() {
        skip("programs that make packages are missing");
        return;
    }
    let (scratch, again) = (Scratch::new("deb"), Scratch::new("deb-again"));
    let package = small_deb(&scratch.0);
    let field = |name| shown("--field", &[name], &package).trim().to_owned();
    assert_eq!(field("Package"), "trueno-zram");
    assert_eq!(field("Version"), concat!(env!("CARGO_PKG_VERSION"), "-1"));
    assert!(field("Depends").starts_with("libc6 (>= 2."), "{}", field("Depends"));
    let (conflicts, replaces) = (field("Conflicts"), field("Replaces"));
    for name in OTHER_MAKERS {
        for list in [&conflicts, &replaces] {
            assert!(list.split(", ").any(|other| other == name), "{name} is not in {list}");
        }
    }
    let control = shown("--info", &["control"], &package);
    assert!(!control.contains('@') || control.matches('@').count() == 1, "a mark: {control}");
    for script in &scripts::SCRIPTS {
        assert!(shown("--info", &[script.deb], &package).starts_with("#!/bin/sh\n"));
    }
    let listed = shown("--contents", &[], &package);
    for row in contents::of(Format::Deb) {
        // As tar shows names.
        let path = format!("./{}", row.path.replace('\\', r"\\"));
        let line = listed.lines().find(|line| line.split(' ').any(|word| word == path));
        let line = line.unwrap_or_else(|| panic!("{path} is missing: {listed}"));
        let mode = match row.source {
            Source::Link(_) => "lrwxrwxrwx",
            Source::Program(_) => "-rwxr-xr-x",
            _ => "-rw-r--r--",
        };
        assert!(line.starts_with(&format!("{mode} root/root")), "{line}");
        assert!(line.contains("2023-11-14 22:13"), "the date of the commit: {line}");
    }
    let sums = shown("--info", &["md5sums"], &package);
    let files = listed.lines().filter(|line| line.starts_with('-')).count();
    assert_eq!(sums.lines().count(), files, "{sums}");
    for line in sums.lines() {
        let path = line.get(34..).expect("a sum, two blanks, and a path");
        assert!(CONTENTS.iter().any(|row| row.path == path), "{line}");
    }

    let left: Vec<_> = fs::read_dir(&scratch.0).expect("a directory").collect();
    assert_eq!(left.len(), 1, "nothing but the package is left: {left:?}");
    let second = small_deb(&again.0);
    assert!(fs::read(&package).expect("read") == fs::read(second).expect("read"), "not the same");
}

#[test]
fn an_rpm_package_is_what_the_table_says() {
    if !tools::missing(tools::RPM.iter().copied()).is_empty() {
        skip("programs that make RPM packages are missing");
        return;
    }
    let scratch = Scratch::new("rpm");
    let program = PathBuf::from("/bin/true").canonicalize().expect("a program");
    let made = Made {
        programs: contents::programs().map(|name| (name, program.clone())).collect(),
        licences: "Terms\n".to_owned(),
        epoch: 1_700_000_000,
        profile: Profile::Dev,
    };
    let make = || rpm::make(&Workspace::of_this_build(), &made, &scratch.0).expect("a package");
    let package = make();
    let bytes = fs::read(&package).expect("read");
    let query = |arguments: &[&str]| {
        let mut rpm = Command::new("rpm");
        rpm.args(["--query", "--package"]).args(arguments).arg(&package);
        process::output(&mut rpm).expect("rpm")
    };
    let listed = query(&["--list"]);
    let listed: BTreeSet<_> = listed.lines().collect();
    for row in contents::of(Format::Rpm) {
        assert!(listed.contains(format!("/{}", row.path).as_str()), "{} is missing", row.path);
    }
    assert!(query(&["--requires"]).contains("libc.so.6("), "{}", query(&["--requires"]));
    let conflicts = query(&["--conflicts"]);
    for name in OTHER_MAKERS {
        assert!(conflicts.lines().any(|line| line == name), "{name} is not in {conflicts}");
    }
    let scripts = query(&["--scripts"]);
    let removing = text_of(&Workspace::of_this_build(), "packaging/scripts/removing");
    let body = removing.split_once('\n').expect("a line").1.trim_end();
    assert!(scripts.contains(body), "the script, as it is in the tree: {scripts}");
    assert!(fs::read(make()).expect("read") == bytes, "not the same");
}

#[test]
fn the_crates_in_the_programs_are_told_with_their_terms() {
    let text = licences::of(&Workspace::of_this_build()).expect("a list");
    for name in ["rustix", "fuser", "zstd-sys", "lz4-sys", "libdeflate-sys"] {
        let of_crate = text.split(&format!("\n======== {name} ")).nth(1);
        let of_crate = of_crate.unwrap_or_else(|| panic!("{name} is missing"));
        let of_crate = of_crate.split("\n======== ").next().expect("its end");
        assert!(of_crate.contains("\n-------- "), "no terms: {of_crate}");
    }
    assert!(!text.contains("\n======== proptest "), "for tests only");
    assert!(!text.contains("\n======== trueno-zram-core "), "our own");
}

#[test]
fn whatever_the_umask_files_can_be_read() {
    let scratch = Scratch::new("modes");
    let root = scratch.0.join("root");
    fs::create_dir(&root).expect("made");
    fs::set_permissions(&root, fs::Permissions::from_mode(0o700)).expect("set");
    stage::finish(&root, 5).expect("finished");
    let metadata = fs::metadata(&root).expect("there");
    assert_eq!(metadata.permissions().mode() & 0o777, 0o755);
    let time = metadata.modified().expect("a time");
    assert_eq!(time, std::time::UNIX_EPOCH + std::time::Duration::from_secs(5));
}
