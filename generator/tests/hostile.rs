//! Files that no text editor makes, and files that cannot be read: the program ends soon, with the
//! right status and short messages, and a device that is configured elsewhere is made as ever.

#[path = "support/mod.rs"]
mod support;

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use support::{Node, PROGRAM, Scratch, Tree, read_tree, write_tree};

/// Nothing here starts a program that hangs, so this is a lot.
const LONGEST: Duration = Duration::from_secs(20);
/// More than any message needs that does not repeat what it was given.
const LONGEST_LINE: usize = 1000;
/// A file with more to say than this has said the same before.
const MOST_LINES: usize = 60;

/// Nobody: may read what everybody may.
const UNPRIVILEGED: u32 = 65534;

const MAIN: &str = "usr/lib/systemd/zram-generator.conf";

/// What a run came to.
struct Answer {
    status: Option<i32>,
    messages: String,
    units: Tree,
}

/// A root with a device of its own, in a file of its own, which is always good.
fn root() -> Scratch {
    let scratch = Scratch::new("hostile").expect("a directory");
    let file = |text: &str| Node::File(text.into());
    let tree = Tree::from([
        ("proc/meminfo".into(), file("MemTotal: 801322 kB\n")),
        ("proc/cmdline".into(), file("quiet\n")),
        ("etc/systemd/zram-generator.conf.d/good.conf".into(), file("[zram7]\nzram-size = 7\n")),
    ]);
    write_tree(scratch.path(), &tree).expect("written");
    let units = scratch.path().join("units");
    fs::create_dir(&units).expect("made");
    fs::set_permissions(&units, Permissions::from_mode(0o777)).expect("for everybody");
    scratch
}

fn put(root: &Scratch, path: &str, bytes: impl AsRef<[u8]>) {
    let path = root.path().join(path);
    fs::create_dir_all(path.parent().expect("a directory")).expect("made");
    fs::write(path, bytes).expect("written");
}

/// A program that is being copied is open for writing in every process that is started meanwhile, and
/// cannot be run until they have let go of it.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Runs the program, as somebody who may not read everything if that is possible and asked for.
fn run(root: &Scratch, is_privileged: bool) -> io::Result<Answer> {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let units = root.path().join("units");
    let mut program = PathBuf::from(PROGRAM);
    if !is_privileged {
        // To where everybody can start it.
        program = root.path().join("program");
        fs::copy(PROGRAM, &program)?;
    }
    let mut command = Command::new(&program);
    command.arg(&units).env_clear().env("PATH", "/usr/bin:/bin");
    command.env("TRUENO_ZRAM_ROOT", root.path()).stdin(Stdio::null());
    if !is_privileged && rustix::process::geteuid().is_root() {
        command.uid(UNPRIVILEGED).gid(UNPRIVILEGED);
    }
    let start = Instant::now();
    let output = command.output()?;
    assert!(start.elapsed() < LONGEST, "it took {:?}", start.elapsed());
    let messages = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok(Answer { status: output.status.code(), messages, units: read_tree(&units)? })
}

/// What there must be of the good device.
fn good_units() -> Tree {
    let answer = run(&root(), true).expect("it runs");
    assert_eq!((answer.status, answer.messages.as_str()), (Some(0), ""));
    assert_eq!(answer.units.len(), 3);
    without_program(answer.units)
}

/// The program's path is another one each time.
fn without_program(mut units: Tree) -> Tree {
    for node in units.values_mut() {
        if let Node::File(bytes) = node {
            let end = bytes.iter().position(|&byte| byte == b'\n').expect("a line");
            *bytes = bytes.split_off(end);
        }
    }
    units
}

/// The good device must be there, and the status and messages be as they should.
fn is_harmless(what: &str, answer: Answer, status: i32, words: &[&str], good: &Tree) {
    let Answer { messages, .. } = &answer;
    let shown: String = messages.chars().take(2000).collect();
    assert_eq!(answer.status, Some(status), "{what}: {shown}");
    let longest = messages.lines().map(str::len).max().unwrap_or(0);
    assert!(longest <= LONGEST_LINE, "{what}: a line of {longest} bytes: {shown}");
    assert!(messages.lines().count() <= MOST_LINES, "{what}: {shown}");
    assert!(!messages.contains("panicked"), "{what}: {shown}");
    for word in words {
        assert!(messages.contains(word), "{what}: no {word:?} in {shown}");
    }
    let units = without_program(answer.units);
    for (path, node) in good {
        assert_eq!(units.get(path), Some(node), "{what}: {}: {shown}", path.display());
    }
}

/// Whatever the main file holds, it is bad or it is not; the other file's device is made.
fn check(cases: &[(&str, Vec<u8>, i32, &[&str])]) {
    let good = good_units();
    for (what, content, status, words) in cases {
        let root = root();
        put(&root, MAIN, content);
        is_harmless(what, run(&root, true).expect("it runs"), *status, words, &good);
    }
}

#[test]
fn lines_of_a_megabyte() {
    let long = |begin: &str, part: &str, end: &str| {
        let count = (1 << 20) / part.len();
        [begin, &part.repeat(count), end].concat().into_bytes()
    };
    check(&[
        ("a comment", long("#", "x", "\n[zram0]\n"), 0, &[]),
        ("a section", long("[zram0", "0", "]\n"), 1, &["the device is called zram0"]),
        ("another section", long("[", "x", "]\n"), 0, &["is ignored"]),
        ("an open section", long("[", "x", "\n"), 1, &["needs a ]"]),
        ("a key", long("[zram0]\n", "k", " = 1\n"), 0, &["there is no key"]),
        ("no value", long("[zram0]\n", "k", "\n"), 1, &["zram0: not made"]),
        ("a value", long("[zram0]\nzram-size = ", "1", "\n"), 1, &["4096 characters"]),
        ("a sum", long("[zram0]\nzram-size = 1", "+1", "\n"), 1, &["4096 characters"]),
        ("parentheses", long("[zram0]\nzram-size = ", "(", "\n"), 1, &["zram0: not made"]),
        ("options", long("[zram0]\noptions = ", "x", "\n"), 0, &[]),
        ("algorithms", long("[zram0]\ncompression-algorithm = ", "lz4 ", "\n"), 0, &["algorithms"]),
        ("a path", long("[zram0]\nmount-point = /", "x", "\n"), 1, &["zram0: not made"]),
        ("a node", long("[zram0]\nwriteback-device = /", "x", "\n"), 1, &["zram0: not made"]),
        ("a type", long("[zram0]\nfs-type = ", "x", "\n"), 0, &[]),
        ("an open quote", long("[zram0]\noptions = '", "x", "\n"), 1, &["quotation mark"]),
        ("escapes", long("[zram0]\noptions = ", "\\x0041", "\n"), 0, &[]),
        ("empty lines", long("[zram0]\n", "\n", ""), 0, &[]),
        ("sections", long("", "[zram0]\n", ""), 0, &[]),
        ("a program", long("set!x = : ", "x", "\n"), 1, &["set!x"]),
        ("a variable", long("set!", "x", " = echo 1\n"), 0, &[]),
    ]);
}

#[test]
fn zero_bytes() {
    let keys = [
        ("zram-size", 1),
        ("zram-resident-limit", 1),
        ("host-memory-limit", 1),
        ("compression-algorithm", 0),
        ("writeback-device", 1),
        ("swap-priority", 1),
        ("mount-point", 1),
        ("fs-type", 1),
        ("options", 1),
        ("backend", 1),
        ("queues", 1),
        ("recompress", 1),
        ("unknown", 0),
    ];
    let in_value = |(key, status): (&'static str, i32)| {
        let text = format!("[zram0]\n{key} = /a\0b\n");
        let words: &[&str] = if status == 1 { &["\\u{0}"] } else { &[] };
        (key, text.into_bytes(), status, words)
    };
    check(&keys.map(in_value));
    check(&[
        ("a section", b"[zram0\0]\n".to_vec(), 0, &["is ignored"]),
        ("a key", b"[zram0]\nzram\0size = 1\n".to_vec(), 0, &["there is no key"]),
        ("a program", b"set!x = echo 1\0\n[zram0]\nzram-size = x\n".to_vec(), 1, &["set!x"]),
        ("nothing else", vec![0; 1 << 16], 1, &["neither a section"]),
    ]);
}

#[test]
fn expressions_without_a_size() {
    let size = |text: &str| format!("[zram0]\nzram-size = {text}\n").into_bytes();
    let functions = |depth: usize| format!("{}1{}", "max(".repeat(depth), ")".repeat(depth));
    let recursive = b"set!a = echo b\nset!b = echo a\n[zram0]\nzram-size = a\n".to_vec();
    check(&[
        ("a division by zero", size("-1 / 0"), 1, &["the size is -inf MiB"]),
        ("nothing of nothing", size("0 / 0"), 1, &["the size is NaN MiB"]),
        ("a remainder by zero", size("5 % 0"), 1, &["the size is NaN MiB"]),
        ("a logarithm", size("log(0)"), 1, &["the size is -inf MiB"]),
        ("too deep", size(&"(".repeat(40)), 1, &["nested more than 32 deep"]),
        ("functions too deep", size(&functions(40)), 1, &["deep"]),
        ("a minus a minus", size(&format!("{}1", "-".repeat(4000))), 1, &["deep"]),
        ("a power of powers", size("9^9^9^9^9"), 0, &["no algorithm compresses that well"]),
        ("beyond all numbers", size("1e400"), 0, &["no algorithm compresses that well"]),
        ("many digits", size(&"9".repeat(4000)), 0, &["no algorithm compresses that well"]),
        ("less than a byte", size("1e-400"), 0, &[]),
        ("a variable by itself", recursive, 1, &["no variable or function `b`"]),
    ]);
}

#[test]
fn files_that_may_not_be_read() {
    let good = good_units();
    let forbid = |root: &Scratch, path: &str| {
        let path = root.path().join(path);
        fs::set_permissions(path, Permissions::from_mode(0o000)).expect("its mode is set");
    };
    for (path, status, words) in [
        (MAIN, 1, "usr/lib/systemd/zram-generator.conf: cannot be read: Permission denied"),
        (
            "etc/systemd/zram-generator.conf.d/a.conf",
            1,
            "a.conf: cannot be read: Permission denied",
        ),
        // Then nobody has switched anything off.
        ("proc/cmdline", 0, "proc/cmdline: Permission denied"),
    ] {
        let root = root();
        put(&root, path, "[zram0]\n");
        forbid(&root, path);
        is_harmless(path, run(&root, false).expect("it runs"), status, &[words], &good);
    }
    let root = root();
    forbid(&root, "proc/meminfo");
    let answer = run(&root, false).expect("it runs");
    assert_eq!(answer.status, Some(1));
    assert!(answer.messages.contains("proc/meminfo: Permission denied"), "{}", answer.messages);
    assert!(answer.units.is_empty());
}

#[test]
fn directories_in_the_place_of_files() {
    let good = good_units();
    for (path, status, words) in [
        (MAIN, 1, "is not a file"),
        ("etc/systemd/zram-generator.conf.d/a.conf", 0, ""),
        ("proc/cmdline", 0, "cannot read"),
        ("proc/crypto", 0, ""),
        // A unit of another device.
        ("units/dev-zram0.swap", 1, "zram0: cannot write"),
    ] {
        let root = root();
        put(&root, "run/systemd/zram-generator.conf.d/zram0.conf", "[zram0]\n");
        let directory = root.path().join(path);
        if directory.exists() {
            fs::remove_file(&directory).expect("removed");
        }
        fs::create_dir_all(directory.join("inside")).expect("made");
        is_harmless(path, run(&root, true).expect("it runs"), status, &[words], &good);
    }
    // Nowhere to write to.
    let root = root();
    fs::remove_dir(root.path().join("units")).expect("removed");
    put(&root, "units", "a file");
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let output = Command::new(PROGRAM)
        .arg(root.path().join("units"))
        .env("TRUENO_ZRAM_ROOT", root.path())
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(messages.contains("zram7: cannot write"), "{messages}");
    assert_eq!(fs::read(root.path().join("units")).expect("still a file"), b"a file");
}

#[test]
fn names_of_files() {
    let good = good_units();
    for (name, status) in [("a\nb.conf", 1), ("\u{1b}[2J.conf", 1), (".conf", 0), ("a.conf~", 0)] {
        let root = root();
        put(
            &root,
            &format!("etc/systemd/zram-generator.conf.d/{name}"),
            "[zram0]\nzram-size = (\n",
        );
        let answer = run(&root, true).expect("it runs");
        let is_plain = |letter: char| letter == '\n' || !letter.is_control();
        assert!(answer.messages.chars().all(is_plain), "{:?}", answer.messages);
        let lines = answer.messages.lines().count();
        assert_eq!(lines, if status == 1 { 2 } else { 0 }, "{:?}", answer.messages);
        is_harmless(name, answer, status, &[], &good);
    }
}
