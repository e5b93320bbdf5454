//! Rules of the workspace that no compiler checks.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Our own packages and which of our own they may use. Dependencies point down only.
const EDGES: &[(&str, &[&str])] = &[
    ("trueno-zram-core", &[]),
    // The region is for the store's tests only.
    ("trueno-zram-store", &["trueno-zram-core", "trueno-zram-region"]),
    // A codec is for the region's tests only.
    ("trueno-zram-region", &["trueno-zram-core", "trueno-zram-store"]),
    ("sysfs-compat", &[]),
    ("trueno-zram-mirror", &["sysfs-compat"]),
    (
        "trueno-ublk",
        &[
            "sysfs-compat",
            "trueno-zram-core",
            "trueno-zram-mirror",
            "trueno-zram-region",
            "trueno-zram-store",
        ],
    ),
    ("trueno-zram-generator", &["sysfs-compat"]),
    ("trueno-zramctl", &["sysfs-compat"]),
    ("trueno-tests", &["sysfs-compat", "trueno-zram-core", "trueno-zram-mirror", "trueno-zramctl"]),
    ("xtask", &["sysfs-compat", "trueno-zramctl", "trueno-zram-core", "trueno-zram-generator"]),
];

/// What the command line must never link: it starts in a millisecond.
const TOO_HEAVY: &[&str] = &["zstd-sys", "io-uring", "fuser", "cudarc", "tokio", "clap"];

/// No source file is longer, tests included.
const LONGEST_FILE: usize = 600;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").to_owned()
}

fn metadata(arguments: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO"));
    command.args(["metadata", "--format-version=1", "--offline"]).args(arguments);
    let output = command.current_dir(root()).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}

#[test]
fn our_packages_depend_downwards_only() {
    let metadata = metadata(&["--no-deps"]);
    let packages = metadata["packages"].as_array().expect("packages");
    let ours: BTreeSet<_> = packages.iter().map(|package| text(&package["name"])).collect();
    let listed: BTreeSet<_> = EDGES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(ours, listed, "list every package in EDGES");
    for package in packages {
        let name = text(&package["name"]);
        let (_, allowed) = EDGES.iter().find(|(listed, _)| *listed == name).expect("listed");
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let dependency = text(&dependency["name"]);
            let is_upwards = ours.contains(&dependency) && !allowed.contains(&dependency.as_str());
            assert!(!is_upwards, "{name} must not depend on {dependency}");
        }
    }
}

#[test]
fn the_command_line_stays_light() {
    let linked = crates(&["-p", "trueno-zramctl", "-e", "normal"]);
    for name in TOO_HEAVY {
        assert!(!linked.contains(*name), "trueno-zramctl must not link {name}");
    }
}

/// What comes with libublk needs libclang, and has advisories against it.
#[test]
fn libublk_is_compiled_for_its_feature_only() {
    let ours = crates(&["-p", "trueno-ublk", "-e", "normal,build,dev"]);
    let with = crates(&["-p", "trueno-ublk", "-e", "normal,build", "--features", "libublk"]);
    for name in ["libublk", "bindgen", "bitmaps", "smol"] {
        assert!(!ours.contains(name), "{name} is in the default build");
        assert!(with.contains(name), "{name} does not come with libublk any more");
    }
}

/// The names of what a build consists of.
fn crates(arguments: &[&str]) -> BTreeSet<String> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["tree", "--offline", "--prefix", "none"]).args(arguments);
    let output = command.current_dir(root()).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).expect("text");
    assert!(tree.lines().count() > 3, "a tree: {tree}");
    tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn unsafe_code_is_in_the_listed_islands() {
    let architecture = read("docs/ARCHITECTURE.md");
    let section = architecture.split("## Unsafe code").nth(1).expect("the section");
    let section = section.split("\n## ").next().expect("its end");
    let listed = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let listed: BTreeSet<_> = listed.map(str::to_owned).collect();
    let opens = |path: &&String| {
        let text = read(path);
        text.contains("#![expect(unsafe_code")
            || text.contains("#![allow(unsafe_code")
            || text.contains("unsafe_code,")
    };
    let islands: BTreeSet<_> = sources().iter().filter(opens).cloned().collect();
    let islands: BTreeSet<_> =
        islands.into_iter().filter(|path| !path.ends_with("tidy.rs")).collect();
    assert_eq!(islands, listed, "docs/ARCHITECTURE.md lists the islands of unsafe code");
    for island in &islands {
        let text = read(island);
        let blocks = text.matches("unsafe {").count();
        assert!(text.matches("// SAFETY:").count() >= blocks, "{island}: a SAFETY for each block");
    }
}

/// Code for a processor's instructions runs where `simd::detect` found its backend, so what it is
/// compiled for must be what is asked for there.
#[test]
fn simd_code_is_compiled_for_what_is_detected() {
    let detect = read("core/src/simd.rs");
    let detected = |backend: &str| -> BTreeSet<String> {
        let list = detect.split(&format!("let {backend} =")).nth(1).expect("the backend");
        let list = list.split(';').next().expect("its end");
        quoted(list).into_iter().flat_map(features).collect()
    };
    let mut avx2 = detected("avx2");
    assert!(!avx2.is_empty());
    // Part of AVX2 by definition.
    avx2.insert("ssse3".to_owned());
    let avx512 = &detected("avx512") | &avx2;
    let mut seen = 0;
    for path in sources().iter().filter(|path| path.starts_with("core/src/")) {
        let text = read(path);
        let enables =
            |line: &&str| line.contains("target_feature(enable") || line.contains("code!(");
        for line in text.lines().filter(enables) {
            for list in quoted(line).into_iter().filter(|list| *list != "neon") {
                let compiled: BTreeSet<_> = features(list).collect();
                let is_avx512 = path.contains("avx512") || list.contains("avx512");
                let asked_for = if is_avx512 { &avx512 } else { &avx2 };
                let missing: Vec<_> = compiled.difference(asked_for).collect();
                assert!(missing.is_empty(), "{path}: {missing:?} is not asked for in simd.rs");
                seen += compiled.len();
            }
        }
    }
    assert!(seen > 20, "only {seen} features found");
}

/// What is between double quotes.
fn quoted(text: &str) -> Vec<&str> {
    text.split('"').skip(1).step_by(2).collect()
}

fn features(list: &str) -> impl Iterator<Item = String> {
    list.split(',').map(|feature| feature.trim().to_owned())
}

#[test]
fn files_stay_readable() {
    for path in sources() {
        let lines = read(&path).lines().count();
        assert!(lines <= LONGEST_FILE, "{path} has {lines} lines");
    }
}

#[test]
fn every_dependency_is_argued_for() {
    let argued = read("docs/DEPENDENCIES.md");
    for package in metadata(&["--no-deps"])["packages"].as_array().expect("packages") {
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let name = text(&dependency["name"]);
            let ours = EDGES.iter().any(|(package, _)| *package == name);
            let named = argued.contains(&format!("`{name}`"));
            assert!(ours || named, "docs/DEPENDENCIES.md does not say why {name}");
        }
    }
}

#[test]
fn documents_name_files_that_exist() {
    const DOCUMENTS: [&str; 8] = [
        "README.md",
        "CONTRIBUTING.md",
        "core/README.md",
        "docs/ARCHITECTURE.md",
        "docs/BENCHMARKS.md",
        "docs/COMPAT.md",
        "docs/DEPENDENCIES.md",
        "docs/FORMAT-WM.md",
    ];
    for document in DOCUMENTS {
        let text = read(document);
        let names = text.split('`').skip(1).step_by(2);
        let ends = [".rs", ".md", ".8", "/"];
        let paths = names.filter(|name| {
            name.contains('/') && ends.iter().any(|end| name.ends_with(end)) && !name.contains(' ')
        });
        for path in paths.filter(|path| !path.starts_with('/')) {
            assert!(root().join(path).exists(), "{document} names {path}");
        }
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every Rust file that git tracks or would.
fn sources() -> Vec<String> {
    let mut command = Command::new("git");
    command.args(["ls-files", "--cached", "--others", "--exclude-standard", "*.rs"]);
    let output = command.current_dir(root()).output().expect("git runs");
    let list = String::from_utf8(output.stdout).expect("text");
    let files: Vec<_> = list.lines().map(str::to_owned).collect();
    assert!(files.len() > 20, "not a checkout: {files:?}");
    files.into_iter().filter(|path| root().join(path).exists()).collect()
}
