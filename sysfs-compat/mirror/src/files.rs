//! The kernel's requests, each answered at once or handed over to a thread of its own.
//!
//! There is one thread that takes requests. It waits for nobody: it takes no lock that is held for
//! longer than a look into memory. A second one would cost another buffer of 16 MiB, and would only
//! be another that could be held up.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use fuser::{
    BsdFileFlags, FileHandle, Filesystem, FopenFlags, Generation, INodeNo, LockOwner, OpenFlags,
    PollEvents, PollFlags, PollNotifier, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyPoll, ReplyStatfs, ReplyWrite,
    ReplyXattr, Request, TimeOrNow, WriteFlags,
};
use sysfs_compat::abi::Errno;
use sysfs_compat::abi::device::taken;

use crate::kept::Change;
use crate::mirror::Mirror;
use crate::node::Node;
use crate::open::{Handles, OpenFile};
use crate::provider::Provider;
use crate::tree::{self, Listed};

/// Nothing is remembered by the kernel: devices come and go, and their texts change by themselves.
const TIME_TO_LIVE: Duration = Duration::ZERO;

/// Inode numbers are not used twice.
const GENERATION: Generation = Generation(0);

/// For the threads of slow requests. Enough for a store that starts processes, and little for a
/// program that locks its memory.
const STACK_SIZE: usize = 512 << 10;

/// Longest name of a file (`NAME_MAX`).
const NAME_LENGTH: u32 = 255;

/// There are no extended attributes of these kinds; what others might be is not known.
const XATTR_KINDS: &[&str] = &["user.", "trusted.", "security."];

/// What `statfs` gives as the size of a block; there are none.
const BLOCK_SIZE: u32 = 4096;

/// The file system.
pub(crate) struct Files<P: Provider> {
    mirror: Arc<Mirror<P>>,
    files: Handles<OpenFile<P::Backend>>,
    /// Open directories, each with what was in it when reading it began.
    directories: Handles<Mutex<Vec<Listed>>>,
}

impl<P: Provider> Files<P> {
    pub(crate) fn new(mirror: Arc<Mirror<P>>) -> Self {
        Files { mirror, files: Handles::default(), directories: Handles::default() }
    }
}

fn node(number: INodeNo) -> Result<Node, fuser::Errno> {
    Node::from_number(number.0).ok_or(fuser::Errno::ENOENT)
}

fn errno(errno: Errno) -> fuser::Errno {
    fuser::Errno::from_i32(errno.raw())
}

/// Runs what may take long. Should there be no thread for it, the reply goes down with the job, which
/// answers the request with `EIO`.
fn hand_over(job: impl FnOnce() + Send + 'static) {
    let builder = thread::Builder::new().name("mirror-slow".to_owned()).stack_size(STACK_SIZE);
    drop(builder.spawn(job));
}

impl<P: Provider> Filesystem for Files<P> {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let found = node(parent).and_then(|parent| self.mirror.lookup(parent, name).map_err(errno));
        match found {
            Ok(node) => {
                reply.entry(&TIME_TO_LIVE, &self.mirror.attributes(node), GENERATION);
            }
            Err(errno) => reply.error(errno),
        }
    }

    fn getattr(&self, _: &Request, number: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match node(number) {
            Ok(node) => reply.attr(&TIME_TO_LIVE, &self.mirror.attributes(node)),
            Err(errno) => reply.error(errno),
        }
    }

    /// A size is accepted and means nothing; the rest is kept.
    fn setattr(
        &self,
        _: &Request,
        number: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        _size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        ctime: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let node = match node(number) {
            Ok(node) => node,
            Err(errno) => return reply.error(errno),
        };
        let time = |time: TimeOrNow| match time {
            TimeOrNow::SpecificTime(time) => time,
            TimeOrNow::Now => SystemTime::now(),
        };
        let (atime, mtime) = (atime.map(time), mtime.map(time));
        self.mirror.keep(node, Change { mode, uid, gid, atime, mtime, ctime });
        reply.attr(&TIME_TO_LIVE, &self.mirror.attributes(node));
    }

    fn open(&self, _: &Request, number: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let opened = node(number).and_then(|node| self.mirror.open(node, flags.0).map_err(errno));
        match opened {
            // Past the page cache: each read and each write is to get here as it is. And closing a
            // copy waits for no write: that of a child on its way to exec(2) would wait for the write
            // that it is started for, where one process serves these files and uses them.
            Ok(file) => {
                let handle = FileHandle(self.files.insert(file));
                let flags = FopenFlags::FOPEN_DIRECT_IO | FopenFlags::FOPEN_NOFLUSH;
                reply.opened(handle, flags);
            }
            Err(errno) => reply.error(errno),
        }
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let Some(file) = self.files.get(handle.0) else {
            return reply.error(fuser::Errno::EBADF);
        };
        let mirror = Arc::clone(&self.mirror);
        let may_wait = file.read_may_wait();
        let job = move || {
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            mirror.read(&file, offset, size, |result| match result {
                Ok(bytes) => reply.data(bytes),
                Err(error) => reply.error(errno(error)),
            });
        };
        if may_wait { hand_over(job) } else { job() }
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let Some(file) = self.files.get(handle.0) else {
            return reply.error(fuser::Errno::EBADF);
        };
        let mirror = Arc::clone(&self.mirror);
        let buffer = taken(data).to_vec();
        hand_over(move || match mirror.write(&file, &buffer) {
            Ok(written) => reply.written(u32::try_from(written).unwrap_or(u32::MAX)),
            Err(error) => reply.error(errno(error)),
        });
    }

    /// Once told that there is no such thing, the kernel leaves it out of every close(2).
    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.error(fuser::Errno::ENOSYS);
    }

    fn fsync(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        reply.ok();
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.files.remove(handle.0);
        reply.ok();
    }

    fn poll(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: PollNotifier,
        _: PollEvents,
        _: PollFlags,
        reply: ReplyPoll,
    ) {
        use PollEvents as Events;
        let Some(file) = self.files.get(handle.0) else {
            return reply.error(fuser::Errno::EBADF);
        };
        let mut events = Events::POLLIN | Events::POLLRDNORM | Events::POLLOUT | Events::POLLWRNORM;
        if file.has_news() {
            events |= Events::POLLERR | Events::POLLPRI;
        }
        reply.poll(events);
    }

    fn opendir(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let handle = FileHandle(self.directories.insert(Mutex::default()));
        reply.opened(handle, FopenFlags::empty());
    }

    fn readdir(
        &self,
        _: &Request,
        number: INodeNo,
        handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let (node, directory) = match (node(number), self.directories.get(handle.0)) {
            (Ok(node), Some(directory)) => (node, directory),
            (Err(errno), _) => return reply.error(errno),
            (_, None) => return reply.error(fuser::Errno::EBADF),
        };
        let mut listed = directory.lock().unwrap_or_else(PoisonError::into_inner);
        if offset == 0 {
            // The kernel knows the number of the directory above; any will do.
            let dot = |name: &str| Listed { node, name: name.into() };
            *listed = vec![dot("."), dot("..")];
            listed.extend(self.mirror.list(node));
        }
        let skipped = usize::try_from(offset).unwrap_or(usize::MAX);
        for (next, entry) in (offset + 1..).zip(listed.iter().skip(skipped)) {
            let number = INodeNo(entry.node.number());
            if reply.add(number, next, tree::kind(entry.node), &entry.name) {
                break;
            }
        }
        reply.ok();
    }

    fn releasedir(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        reply: ReplyEmpty,
    ) {
        self.directories.remove(handle.0);
        reply.ok();
    }

    fn fsyncdir(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        reply.error(fuser::Errno::EINVAL);
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        reply.statfs(0, 0, 0, 0, 0, BLOCK_SIZE, NAME_LENGTH, BLOCK_SIZE);
    }

    fn create(
        &self,
        _: &Request,
        _: INodeNo,
        _: &OsStr,
        _: u32,
        _: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        reply.error(fuser::Errno::EACCES);
    }

    /// open(2) and mknod(2) of a regular file are one thing to the kernel.
    fn mknod(
        &self,
        _: &Request,
        _: INodeNo,
        _: &OsStr,
        mode: u32,
        _: u32,
        _: u32,
        reply: ReplyEntry,
    ) {
        let is_regular = mode & libc::S_IFMT == libc::S_IFREG;
        reply.error(if is_regular { fuser::Errno::EACCES } else { fuser::Errno::EPERM });
    }

    fn mkdir(&self, _: &Request, _: INodeNo, _: &OsStr, _: u32, _: u32, reply: ReplyEntry) {
        reply.error(fuser::Errno::EPERM);
    }

    fn unlink(&self, _: &Request, _: INodeNo, _: &OsStr, reply: ReplyEmpty) {
        reply.error(fuser::Errno::EPERM);
    }

    fn rmdir(&self, _: &Request, _: INodeNo, _: &OsStr, reply: ReplyEmpty) {
        reply.error(fuser::Errno::EPERM);
    }

    fn symlink(&self, _: &Request, _: INodeNo, _: &OsStr, _: &Path, reply: ReplyEntry) {
        reply.error(fuser::Errno::EPERM);
    }

    fn rename(
        &self,
        _: &Request,
        _: INodeNo,
        _: &OsStr,
        _: INodeNo,
        _: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let is_plain = flags.is_empty();
        reply.error(if is_plain { fuser::Errno::EPERM } else { fuser::Errno::EINVAL });
    }

    fn link(&self, _: &Request, _: INodeNo, _: INodeNo, _: &OsStr, reply: ReplyEntry) {
        reply.error(fuser::Errno::EPERM);
    }

    fn setxattr(
        &self,
        _: &Request,
        _: INodeNo,
        _: &OsStr,
        _: &[u8],
        _: i32,
        _: u32,
        reply: ReplyEmpty,
    ) {
        reply.error(fuser::Errno::EOPNOTSUPP);
    }

    fn getxattr(&self, _: &Request, _: INodeNo, name: &OsStr, _: u32, reply: ReplyXattr) {
        let name = name.as_encoded_bytes();
        let is_known = XATTR_KINDS.iter().any(|kind| name.starts_with(kind.as_bytes()));
        reply.error(if is_known { fuser::Errno::NO_XATTR } else { fuser::Errno::EOPNOTSUPP });
    }

    fn listxattr(&self, _: &Request, _: INodeNo, size: u32, reply: ReplyXattr) {
        if size == 0 { reply.size(0) } else { reply.data(&[]) }
    }

    fn removexattr(&self, _: &Request, _: INodeNo, _: &OsStr, reply: ReplyEmpty) {
        reply.error(fuser::Errno::EOPNOTSUPP);
    }
}
