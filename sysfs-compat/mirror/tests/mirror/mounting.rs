//! Coming and going, and what is found in the way.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::mount::{MountFlags, UnmountFlags};
use trueno_zram_mirror::{Mirror, MountError, Mounted};

use crate::skip::skip;
use crate::support::{Keeper, Place, device, errno, is_possible, start};

/// Where the process that is to be killed mounts its mirror.
const AT: &str = "TRUENO_TEST_MIRROR_AT";

fn mount(at: &Path) -> Result<Mounted, MountError> {
    let devices = BTreeMap::from([(0, device())]);
    Arc::new(Mirror::new(Keeper::default(), devices)).mount(at)
}

/// Not a test: what the process does that is to be killed.
#[test]
fn in_another_process() {
    let Some(at) = std::env::var_os(AT) else { return };
    let mounted = mount(Path::new(&at)).unwrap_or_else(|error| panic!("{error}"));
    println!("mounted");
    mounted.wait().unwrap();
}

struct Process(Child);

impl Process {
    fn start(at: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["mounting::in_another_process", "--exact", "--nocapture"])
            .env(AT, at)
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program runs");
        let lines = BufReader::new(child.stdout.take().expect("is piped")).lines();
        let mut lines = lines.map_while(Result::ok);
        assert!(lines.any(|line| line.ends_with("mounted")), "the other process has failed");
        Process(child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn the_directory_comes_and_goes_with_the_mirror() {
    let Some(mirrored) = start() else { return };
    let at = mirrored.place.at();
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let name = at.to_str().unwrap();
    let line = table.lines().find(|line| line.contains(name)).unwrap();
    assert!(line.contains("nosuid,nodev,noexec") && line.contains(" fuse.trueno trueno "));
    mirrored.mounted.unmount().unwrap();
    assert!(!at.exists());
    mirrored.mounted.wait().unwrap();
    mirrored.mounted.unmount().expect("twice is once");
    // One that is made is nobody else's to write to, whatever the process allows.
    let open_to_all = rustix::fs::Mode::empty();
    let usual = rustix::process::umask(open_to_all);
    let mounted = mount(&at).unwrap();
    rustix::process::umask(usual);
    rustix::mount::unmount(&at, UnmountFlags::DETACH).unwrap();
    assert_eq!(fs::metadata(&at).unwrap().permissions().mode() & 0o7777, 0o755);
    drop(mounted);
    fs::remove_dir(&at).unwrap();
    // A directory that was there stays.
    fs::create_dir(&at).unwrap();
    drop(mount(&at).unwrap());
    assert!(at.is_dir());
}

#[test]
fn open_files_outlive_an_unmount() {
    let Some(mirrored) = start() else { return };
    let file = fs::File::open(mirrored.path("zram0/mm_stat")).unwrap();
    mirrored.mounted.unmount().unwrap();
    assert!(std::io::read_to_string(&file).unwrap().ends_with('\n'));
    drop(file);
    mirrored.mounted.wait().unwrap();
}

#[test]
fn what_a_killed_mirror_left_is_replaced() {
    if !is_possible() {
        return;
    }
    let place = Place::new();
    let mut process = Process::start(&place.at());
    let file = fs::File::open(place.at().join("zram0/mm_stat")).unwrap();
    assert!(matches!(mount(&place.at()), Err(MountError::Served(_, true))), "it is alive");
    process.0.kill().unwrap();
    process.0.wait().unwrap();
    assert_eq!(errno(fs::metadata(place.at())), libc::ENOTCONN);
    assert_eq!(errno(std::io::read_to_string(&file)), libc::ENOTCONN);
    let mounted = mount(&place.at()).expect("the left one is detached");
    assert_eq!(fs::read_to_string(place.at().join("zram0/disksize")).unwrap(), "0\n");
    drop(mounted);
    assert!(place.at().read_dir().unwrap().next().is_none(), "nothing is left beneath");
}

#[test]
fn a_mirror_that_does_not_answer_is_left_alone() {
    if !is_possible() {
        return;
    }
    let place = Place::new();
    let process = Process::start(&place.at());
    let id = rustix::process::Pid::from_child(&process.0);
    rustix::process::kill_process(id, rustix::process::Signal::STOP).unwrap();
    thread::sleep(Duration::from_millis(100));
    let error = mount(&place.at()).unwrap_err();
    assert!(matches!(error, MountError::Served(_, false)), "{error}");
    rustix::process::kill_process(id, rustix::process::Signal::CONT).unwrap();
    assert!(fs::metadata(place.at().join("zram0")).is_ok());
}

#[test]
fn what_is_in_the_way_is_named() {
    if !is_possible() {
        return;
    }
    let place = Place::new();
    let at = place.at();
    let refusal = || mount(&at).expect_err("is in the way").to_string();
    fs::write(&at, "").unwrap();
    assert!(refusal().ends_with("/run is not a directory; move it out of the way"));
    fs::remove_file(&at).unwrap();
    std::os::unix::fs::symlink("/", &at).unwrap();
    assert!(refusal().contains("is not a directory"), "and no way around is taken");
    fs::remove_file(&at).unwrap();
    fs::create_dir_all(at.join("something")).unwrap();
    assert!(refusal().contains("has files in it"));
    fs::remove_dir_all(&at).unwrap();

    fs::create_dir(&at).unwrap();
    rustix::mount::mount("else", &at, "tmpfs", MountFlags::empty(), None).unwrap();
    assert!(
        refusal().contains("something else is mounted") && refusal().contains("else (type tmpfs)")
    );
    rustix::mount::unmount(&at, UnmountFlags::empty()).unwrap();

    let nowhere = place.path.join("missing/run");
    let error = mount(&nowhere).unwrap_err().to_string();
    assert!(error.starts_with("cannot make the directory") && error.contains("No such file"));
}

#[test]
fn a_place_that_cannot_be_written_to() {
    if !is_possible() {
        return;
    }
    let place = Place::new();
    let run = place.at();
    fs::create_dir(&run).unwrap();
    rustix::mount::mount("run", &run, "tmpfs", MountFlags::RDONLY, None).unwrap();
    let error = mount(&run.join("trueno")).unwrap_err().to_string();
    assert!(error.contains("Read-only file system") && error.contains("has space"), "{error}");
    rustix::mount::unmount(&run, UnmountFlags::empty()).unwrap();
    // One inode, which the root has.
    rustix::mount::mount("run", &run, "tmpfs", MountFlags::empty(), c"nr_inodes=1").unwrap();
    let error = mount(&run.join("trueno")).unwrap_err().to_string();
    assert!(error.contains("No space left on device"), "{error}");
}

/// The same process as above, but where it lacks something.
#[test]
fn what_is_missing_is_named() {
    if !is_possible() {
        return;
    }
    let place = Place::new();
    let program = std::env::current_exe().unwrap();
    let others = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    for (tool, options, script, message) in [
        (
            "unshare",
            &["--mount"][..],
            "mount -t tmpfs none /dev && exec \"$@\"",
            "open /dev/fuse: No",
        ),
        ("setpriv", &others, "exec \"$@\"", "this needs root"),
    ] {
        let output = Command::new(tool)
            .args(options)
            .args(["sh", "-c", script, "sh"])
            .arg(&program)
            .args(["mounting::in_another_process", "--exact", "--nocapture"])
            .env(AT, place.at())
            .output()
            .expect("util-linux is there");
        let text = String::from_utf8_lossy(&output.stderr);
        if text.contains("sh: ") {
            skip(&format!("others may not start {}: {}", program.display(), text.trim_end()));
            return;
        }
        assert!(text.contains(message), "{tool}: {text}");
        assert!(!place.at().exists(), "nothing is left behind");
    }
}
