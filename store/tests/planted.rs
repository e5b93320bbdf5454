//! Bugs are planted in a copy of the store, one at a time, and `crash.rs` must find each.
//!
//! It is wrong orders and forgotten steps that a kill makes visible. They are planted in the text of a
//! copy below the target folder, so that the store itself needs no switch for being wrong. It takes
//! minutes, so: `cargo test -p trueno-zram-store --test planted -- --ignored --nocapture`.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

/// A bug.
struct Planted {
    what: &'static str,
    file: &'static str,
    /// What is replaced, and by what. There must be exactly one.
    changes: &'static [(&'static str, &'static str)],
}

/// By that many kills it must have been found.
const KILLS: u32 = 4000;

const PLANTED: &[Planted] = &[
    Planted {
        what: "the slot points to an object whose bytes are written afterwards",
        file: "write.rs",
        changes: &[(
            "        self.install(page, slot)?;\n",
            "        let shared = std::sync::Arc::clone(&self.shared);
        let object = slot.object().map(|(place, len)| shared.arena().object(place, len));
        let object = object.unwrap_or(&[]).iter().skip(1);
        let order = core::sync::atomic::Ordering::SeqCst;
        let bytes: Vec<u64> = object.clone().map(|word| word.swap(0, order)).collect();
        self.install(page, slot)?;
        object.zip(bytes).for_each(|(word, value)| word.store(value, order));\n",
        )],
    },
    Planted {
        what: "the old object's place is free before the slot points to the new one",
        file: "write.rs",
        changes: &[
            (
                "        let placed = match page_same_filled(data) {",
                "        let old = self.shared.table().peek(page as usize).and_then(Slot::object);
        old.into_iter().for_each(|(place, len)| self.space().free(place, len));
        let placed = match page_same_filled(data) {",
            ),
            (
                "        self.install(page, slot)?;\n",
                "        let mut space = self.space();
        let old = space.table.replace(page as usize, slot).unwrap_or_default();
        crate::space::account(space.counters, old, slot);\n",
            ),
        ],
    },
    Planted {
        what: "evacuation installs an object's new place before the object is there",
        file: "space.rs",
        changes: &[
            (
                "        let (from, into) = (self.arena.object(place, len), self.arena.object(to, len));\n",
                "        let moved = held.slot().at(to);
        held.install(moved);
        let (from, into) = (self.arena.object(place, len), self.arena.object(to, len));\n",
            ),
            (
                "            first.store(header(page, to), Relaxed);
        }
        let moved = held.slot().at(to);
        held.install(moved);\n",
                "            first.store(header(page, to), Relaxed);
        }\n",
            ),
        ],
    },
    Planted {
        what: "lock bits stay",
        file: "table.rs",
        changes: &[(
            "            word.store(slot.unlocked().to_bits(), Relaxed);\n        }\n        Some(slot",
            "            let _ = word;\n        }\n        Some(slot",
        )],
    },
    Planted {
        what: "recovery does not count what spans hold",
        file: "recover.rs",
        changes: &[("            arena.spans.fill(span, need);\n", "")],
    },
    Planted {
        what: "recovery does not count the spans in use",
        file: "recover.rs",
        changes: &[("        gauges.set(Gauge::Used, used);\n", "")],
    },
    Planted {
        what: "recovery leaves the sums of what is stored as they were",
        file: "recover.rs",
        changes: &[("        counters.set(Stored::Bytes, counted.bytes);\n", "")],
    },
    Planted {
        what: "recovery leaks the memory of empty spans",
        file: "recover.rs",
        changes: &[("        punch(self.layout.arena().end);\n", "")],
    },
    Planted {
        what: "parameters are written over those that count",
        file: "header.rs",
        changes: &[(
            "    let other = if count.is_multiple_of(2) { two } else { one };\n",
            "    let other = if count.is_multiple_of(2) { one } else { two };\n",
        )],
    },
];

#[test]
#[ignore = "builds the store once for each bug, which takes minutes"]
fn every_planted_bug_is_found() {
    let copy = Workspace::copy();
    let sound = copy.crash(100);
    assert!(sound.status.success(), "without a bug:\n{}", text(&sound));
    for planted in PLANTED {
        let path = copy.0.join("store/src").join(planted.file);
        let original = fs::read_to_string(&path).expect("a source file");
        let mut wrong = original.clone();
        for (from, to) in planted.changes {
            assert_eq!(wrong.matches(from).count(), 1, "where to plant: {}\n{from}", planted.what);
            wrong = wrong.replacen(from, to, 1);
        }
        fs::write(&path, wrong).expect("our copy");
        let start = Instant::now();
        let output = copy.crash(KILLS);
        fs::write(&path, original).expect("our copy");
        let text = text(&output);
        assert!(!output.status.success(), "not found: {}\n{text}", planted.what);
        let is_found = FOUND.iter().any(|sign| text.contains(sign));
        assert!(is_found, "{} failed otherwise:\n{text}", planted.what);
        // The first panic is the worker's own, if it has noticed.
        let first = text.lines().skip_while(|line| !line.contains("panicked at")).nth(1);
        let first: String = first.unwrap_or_default().chars().take(120).collect();
        println!("{} ({:.0} s)\n    {first}", planted.what, start.elapsed().as_secs_f64());
    }
}

/// How `crash.rs` says what it has found. What does not build, or does not run, says nothing of it.
const FOUND: [&str; 3] = ["after kill ", "ended by itself", "a worker ended before it began"];

fn text(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&text).into_owned()
}

/// A workspace of the store and what it needs, in which the store's sources are a copy.
struct Workspace(PathBuf);

impl Workspace {
    fn copy() -> Self {
        let ours = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
        let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join("planted");
        fs::create_dir_all(copy.join("store")).expect("a folder below target");
        for name in ["core", "region", "corpus", "clippy.toml", "store/tests", "store/benches"] {
            match symlink(ours.join(name), copy.join(name)) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => panic!("{name}: {error}"),
                _ => {}
            }
        }
        let manifest = fs::read_to_string(ours.join("Cargo.toml")).expect("the workspace");
        fs::write(copy.join("Cargo.toml"), with_members(&manifest)).expect("our copy");
        for name in ["Cargo.lock", "store/Cargo.toml"] {
            fs::copy(ours.join(name), copy.join(name)).expect("our copy");
        }
        copy_folder(&ours.join("store/src"), &copy.join("store/src"));
        Self(copy)
    }

    /// Builds and runs `crash.rs`.
    fn crash(&self, kills: u32) -> Output {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["test", "--offline", "--package", "trueno-zram-store", "--test", "crash"]);
        cargo.env("CARGO_TARGET_DIR", self.0.join("target")).env("TRUENO_KILLS", kills.to_string());
        cargo.current_dir(&self.0).output().expect("cargo runs")
    }
}

/// The manifest of a workspace of these packages only; its lists may have several lines.
fn with_members(manifest: &str) -> String {
    let mut rest = manifest;
    let mut text = String::new();
    for key in ["\nmembers = [", "\ndefault-members = ["] {
        let (before, list) = rest.split_once(key).expect("a list of packages");
        let (_, after) = list.split_once(']').expect("its end");
        text.extend([before, key, "\"core\", \"store\", \"region\"]"]);
        rest = after;
    }
    text + rest
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("sources") {
        let entry = entry.expect("a source file");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy_folder(&from, &to);
        } else {
            fs::copy(from, to).expect("our copy");
        }
    }
}
