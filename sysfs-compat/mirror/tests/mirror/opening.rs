//! Permissions bind root too, and nothing can be made or taken away.

use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{FlockOperation, XattrFlags};

use crate::support::{errno, start};

fn open(path: &Path, flags: i32) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    match flags & libc::O_ACCMODE {
        libc::O_RDONLY => options.read(true),
        libc::O_WRONLY => options.write(true),
        _ => options.read(true).write(true),
    };
    options.custom_flags(flags).open(path)
}

#[test]
fn root_is_bound_by_the_modes() {
    let Some(mirrored) = start() else { return };
    let (r, w, rw) = (libc::O_RDONLY, libc::O_WRONLY, libc::O_RDWR);
    for (file, mode, refused) in [
        ("zram0/mm_stat", 0o444, &[w, rw][..]),
        ("zram0/disksize", 0o644, &[]),
        ("zram0/reset", 0o200, &[r, rw]),
        ("zram0/trueno/note", 0o644, &[]),
        ("zram0/trueno/long", 0o444, &[w, rw]),
        ("zram0/trueno/slow", 0o400, &[w, rw]),
        ("zram-control/hot_add", 0o400, &[w, rw]),
        ("zram-control/hot_remove", 0o200, &[r, rw]),
    ] {
        let path = mirrored.path(file);
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7777, mode, "{file}");
        assert_eq!((metadata.uid(), metadata.gid(), metadata.nlink()), (0, 0, 1));
        assert_eq!((metadata.size(), metadata.blksize(), metadata.blocks()), (4096, 4096, 0));
        for flags in [r, w, rw] {
            let opened = open(&path, flags);
            if refused.contains(&flags) {
                assert_eq!(errno(opened), libc::EACCES, "{file} {flags}");
            } else {
                assert!(opened.is_ok(), "{file} {flags}");
            }
        }
    }
    assert_eq!(mirrored.mirror.numbers(), [0, 1], "no device was made");
}

/// By which those who look for a free device keep each other off: the kernel does it by itself, and
/// asks nothing of the mirror.
#[test]
fn hot_add_can_be_locked() {
    let Some(mirrored) = start() else { return };
    let hot_add = || File::open(mirrored.path("zram-control/hot_add")).unwrap();
    let (one, other) = (hot_add(), hot_add());
    let lock = |file: &File, operation| rustix::fs::flock(file, operation);
    lock(&one, FlockOperation::NonBlockingLockExclusive).unwrap();
    let refused = lock(&other, FlockOperation::NonBlockingLockShared);
    assert_eq!(refused, Err(rustix::io::Errno::WOULDBLOCK));
    drop(one);
    lock(&other, FlockOperation::NonBlockingLockShared).unwrap();
    lock(&hot_add(), FlockOperation::NonBlockingLockShared).unwrap();
    assert_eq!(mirrored.mirror.numbers(), [0, 1], "no device was made");
}

/// What the kernel checks by itself, for everybody but root.
#[test]
fn others_may_read_what_is_for_all() {
    let Some(mirrored) = start() else { return };
    fs::set_permissions(&mirrored.place.path, Permissions::from_mode(0o755)).unwrap();
    let succeeds = |script: &str| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c", script]);
        let status =
            command.current_dir(mirrored.place.at()).stdout(Stdio::null()).stderr(Stdio::null());
        status.status().expect("setpriv runs").success()
    };
    assert!(succeeds("cat zram0/mm_stat zram0/comp_algorithm"));
    assert!(!succeeds("cat zram0/trueno/slow"), "for root only");
    assert!(!succeeds("cat zram-control/hot_add"));
    assert!(!succeeds("echo 1M > zram0/mem_limit"));
    assert!(!succeeds("echo lz4 > zram0/comp_algorithm"));
    assert_eq!(mirrored.mirror.numbers(), [0, 1]);
}

#[test]
fn chmod_opens_a_file_to_others_but_not_in_a_direction_it_has_not() {
    let Some(mirrored) = start() else { return };
    let chmod = |file: &str, mode| {
        fs::set_permissions(mirrored.path(file), Permissions::from_mode(mode)).unwrap();
    };
    chmod("zram0/mm_stat", 0o666);
    assert_eq!(errno(mirrored.write("zram0/mm_stat", "1")), libc::EIO);
    chmod("zram0/mem_limit", 0);
    assert_eq!(errno(mirrored.write("zram0/mem_limit", "1M")), libc::EACCES);
    assert!(mirrored.write("zram1/mem_limit", "1M").is_ok(), "the other one's is as it was");
    chmod("zram0/mem_limit", 0o220);
    mirrored.write("zram0/mem_limit", "1M").unwrap();
    std::os::unix::fs::chown(mirrored.path("zram0/mem_limit"), Some(7), Some(8)).unwrap();
    let metadata = fs::metadata(mirrored.path("zram0/mem_limit")).unwrap();
    assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o7777), (7, 8, 0o220));
    // A new device starts afresh.
    mirrored.write("zram-control/hot_remove", "0").unwrap();
    assert_eq!(mirrored.read("zram-control/hot_add").unwrap(), "0\n");
    let metadata = fs::metadata(mirrored.path("zram0/mem_limit")).unwrap();
    assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o7777), (0, 0, 0o200));
}

#[test]
fn nothing_is_made_or_taken_away() {
    let Some(mirrored) = start() else { return };
    let (file, missing) = (mirrored.path("zram0/disksize"), mirrored.path("zram0/nonsense"));
    assert_eq!(errno(fs::write(&missing, "1")), libc::EACCES);
    assert_eq!(errno(File::open(&missing)), libc::ENOENT);
    assert_eq!(errno(File::create_new(&file)), libc::EEXIST);
    assert_eq!(errno(File::create_new(&missing)), libc::EACCES);
    assert_eq!(errno(fs::create_dir(&missing)), libc::EPERM);
    assert_eq!(errno(fs::remove_file(&file)), libc::EPERM);
    assert_eq!(errno(fs::remove_dir(mirrored.path("zram0/trueno"))), libc::EPERM);
    assert_eq!(errno(fs::rename(&file, &missing)), libc::EPERM);
    assert_eq!(errno(fs::hard_link(&file, &missing)), libc::EPERM);
    assert_eq!(errno(std::os::unix::fs::symlink("x", &missing)), libc::EPERM);
    assert_eq!(errno(open(&file, libc::O_DIRECTORY)), libc::ENOTDIR);
    assert_eq!(errno(open(&file, libc::O_DIRECT)), libc::EINVAL);
    for length in [0, 1, 1 << 40] {
        OpenOptions::new().write(true).open(&file).unwrap().set_len(length).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().size(), 4096);
    }
    let xattr = rustix::fs::setxattr(&file, "user.x", b"1", XattrFlags::empty());
    assert_eq!(xattr.unwrap_err().raw_os_error(), libc::EOPNOTSUPP);
    let file = OpenOptions::new().read(true).write(true).open(&file).unwrap();
    file.sync_all().unwrap();
    file.set_len(7).unwrap();
}

#[test]
fn poll_tells_of_news_until_the_file_is_read() {
    let Some(mirrored) = start() else { return };
    let file = File::open(mirrored.path("zram1/mm_stat")).unwrap();
    let poll = || {
        let mut set = [PollFd::new(&file, PollFlags::IN | PollFlags::PRI | PollFlags::OUT)];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        rustix::event::poll(&mut set, Some(&at_once)).unwrap();
        set[0].revents()
    };
    let ready = PollFlags::IN | PollFlags::OUT;
    let news = ready | PollFlags::ERR | PollFlags::PRI;
    assert_eq!(poll(), news);
    std::io::read_to_string(&file).unwrap();
    assert_eq!(poll(), ready);
    mirrored.write("zram-control/hot_remove", "1").unwrap();
    assert_eq!(poll(), news);
}
