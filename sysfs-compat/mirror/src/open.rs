//! Open files: what they read from and write to.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use sysfs_compat::abi::device::taken;
use sysfs_compat::abi::{Errno, PAGE_SIZE};

use crate::mirror::Mirror;
use crate::node::{Entry, Node};
use crate::provider::{Piece, Provider};
use crate::reader::Reader;
use crate::registry::Slot;

/// What is behind an open file.
#[derive(Debug)]
enum Source<B> {
    HotAdd,
    HotRemove,
    /// A file of a device. It stays the same device's when that is removed.
    Device(Arc<Slot<B>>, Entry),
    /// A file of the block device.
    Real(File),
}

/// An open file.
#[derive(Debug)]
pub(crate) struct OpenFile<B> {
    source: Source<B>,
    reader: Mutex<Reader>,
    /// A read may take longer than looking something up in memory.
    read_may_wait: bool,
    /// Its text has been made at least once.
    was_shown: AtomicBool,
}

impl<B> OpenFile<B> {
    fn new(source: Source<B>, read_may_wait: bool) -> Self {
        OpenFile {
            source,
            reader: Mutex::default(),
            read_may_wait,
            was_shown: AtomicBool::new(false),
        }
    }

    /// Whether a read is for a thread of its own.
    pub(crate) fn read_may_wait(&self) -> bool {
        self.read_may_wait
    }

    /// Whether poll(2) is to say that there is something new. sysfs says so until the file has been
    /// read, and when it is no more; nothing else in zram ever does.
    pub(crate) fn has_news(&self) -> bool {
        let is_gone = matches!(&self.source, Source::Device(slot, _) if slot.is_gone());
        is_gone || !self.was_shown.load(Ordering::Relaxed)
    }
}

impl<P: Provider> Mirror<P> {
    /// open(2). Root is bound by the permissions too, but of the three sets of them any will do:
    /// whether they are the caller's own set, the kernel has found out before. Where chmod(2) has
    /// opened a direction that a file does not have, it is I/O that fails.
    pub(crate) fn open(&self, node: Node, flags: i32) -> Result<OpenFile<P::Backend>, Errno> {
        // What is neither of the three can do no I/O at all.
        let (reads, writes) = match flags & libc::O_ACCMODE {
            libc::O_RDONLY => (true, false),
            libc::O_WRONLY => (false, true),
            libc::O_RDWR => (true, true),
            _ => (false, false),
        };
        let mode = self.attributes(node).perm;
        if (reads && mode & 0o444 == 0) || (writes && mode & 0o222 == 0) {
            return Err(Errno::EACCES);
        }
        let (source, read_may_wait) = match node {
            Node::HotAdd => (Source::HotAdd, true),
            Node::HotRemove => (Source::HotRemove, false),
            Node::Of(serial, entry) if !node.is_directory() => {
                let slot = self.registry.by_serial(serial).ok_or(Errno::ENODEV)?;
                match entry {
                    Entry::Block(_) | Entry::Queue(_) => {
                        let path = self.real(&slot, entry).ok_or(Errno::ENOENT)?;
                        let mut options = OpenOptions::new();
                        let real = options.read(reads || !writes).write(writes).open(path);
                        let real = real.map_err(|error| Errno::from(&error))?;
                        // They wait for locks that a hung server of the device may hold.
                        (Source::Real(real), true)
                    }
                    Entry::Own(index) => (Source::Device(slot, entry), self.own(index)?.is_slow),
                    _ => (Source::Device(slot, entry), false),
                }
            }
            _ => return Err(Errno::EISDIR),
        };
        if flags & libc::O_DIRECT != 0 {
            return Err(Errno::EINVAL);
        }
        Ok(OpenFile::new(source, read_may_wait))
    }

    /// One read; hands the bytes to `serve`, which may be none at the end.
    pub(crate) fn read<R>(
        &self,
        file: &OpenFile<P::Backend>,
        offset: u64,
        size: usize,
        serve: impl FnOnce(Result<&[u8], Errno>) -> R,
    ) -> R {
        let mut reader = file.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let result = match &file.source {
            Source::Real(real) => {
                file.was_shown.store(true, Ordering::Relaxed);
                return with_real(real, offset, size, serve);
            }
            Source::HotRemove => Err(Errno::EIO),
            Source::HotAdd => reader.read(offset, size, |_| {
                file.was_shown.store(true, Ordering::Relaxed);
                let number = self.hot_add()?;
                Ok(Piece { text: format!("{number}\n").into_bytes(), next: None })
            }),
            Source::Device(slot, entry) => {
                let result = reader.read(offset, size, |cursor| {
                    file.was_shown.store(true, Ordering::Relaxed);
                    self.show(slot, *entry, cursor)
                });
                match result {
                    // What is in the buffer may be read still, but of its end nobody is told.
                    Ok([]) if slot.is_gone() => Err(Errno::ENODEV),
                    result => result,
                }
            }
        };
        serve(result)
    }

    /// One write(2). Returns how many bytes it took.
    pub(crate) fn write(&self, file: &OpenFile<P::Backend>, buffer: &[u8]) -> Result<usize, Errno> {
        match &file.source {
            Source::HotAdd => Err(Errno::EIO),
            Source::HotRemove => self.hot_remove(buffer).map(|()| taken(buffer).len()),
            Source::Device(slot, entry) => self.store(slot, *entry, buffer),
            Source::Real(real) => {
                let mut real = real;
                real.write(buffer).map_err(|error| Errno::from(&error))
            }
        }
    }
}

/// The block device's file keeps to the same rules, so that they need not be applied here.
fn with_real<R>(
    real: &File,
    offset: u64,
    size: usize,
    serve: impl FnOnce(Result<&[u8], Errno>) -> R,
) -> R {
    let page = usize::try_from(PAGE_SIZE).unwrap_or(usize::MAX);
    let mut buffer = vec![0; size.min(page)];
    match real.read_at(&mut buffer, offset) {
        Ok(length) => serve(Ok(buffer.get(..length).unwrap_or_default())),
        Err(error) => serve(Err(Errno::from(&error))),
    }
}

/// What is open, by handle.
#[derive(Debug)]
pub(crate) struct Handles<T> {
    open: Mutex<HashMap<u64, Arc<T>>>,
    next: AtomicU64,
}

impl<T> Default for Handles<T> {
    fn default() -> Self {
        Handles { open: Mutex::default(), next: AtomicU64::new(1) }
    }
}

impl<T> Handles<T> {
    pub(crate) fn insert(&self, open: T) -> u64 {
        let handle = self.next.fetch_add(1, Ordering::Relaxed);
        self.all().insert(handle, Arc::new(open));
        handle
    }

    pub(crate) fn get(&self, handle: u64) -> Option<Arc<T>> {
        self.all().get(&handle).cloned()
    }

    pub(crate) fn remove(&self, handle: u64) {
        self.all().remove(&handle);
    }

    fn all(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Arc<T>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
