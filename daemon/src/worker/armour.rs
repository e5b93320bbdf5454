#![expect(
    unsafe_code,
    reason = "signal masks, namespaces and malloc's settings have no safe wrapper"
)]
//! What lets a process serve a swap device: it never waits for memory that would come from itself.
//!
//! Each piece says what fails without it. Where a privilege is missing the piece is left out and told:
//! the device works then, but is none to swap on.

use std::fmt::{self, Write as _};
use std::fs;
use std::io;
use std::ptr::NonNull;
use std::thread::{Builder, JoinHandle};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::mm::{MapFlags, MlockAllFlags, ProtFlags, mlockall, mmap_anonymous, munmap};
use rustix::mount::{MountPropagationFlags, UnmountFlags, mount_change, unmount};
use rustix::process::{Resource, Rlimit, chdir, configure_io_flusher_behavior, setrlimit, setsid};
use rustix::thread::{UnshareFlags, disable_transparent_huge_pages, unshare_unsafe};
use sysfs_compat::client::Root;

/// What a thread does, which says how large its stack is: all of it is pinned.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    /// It runs codecs.
    Pages,
    /// Everything else.
    Chores,
}

/// Codecs, of which the test below runs each, take less than half of it: `wm`, the greediest, up to
/// 160 KiB without optimisation.
const PAGES_STACK: usize = 512 << 10;
const CHORES_STACK: usize = 128 << 10;
/// What the start of a thread may have used already.
const UNTOUCHED: usize = 64 << 10;

/// A piece that could not be put on, and what that means.
#[derive(Debug)]
pub(crate) struct Missing {
    what: &'static str,
    error: io::Error,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; do not swap on this device", self.what, self.error)
    }
}

/// Puts everything on, before there are other threads: they inherit it. What is mapped afterwards is
/// there and pinned at once, but for what is [`sparse`].
pub(crate) fn put_on(root: &Root, keep: &std::path::Path) -> Vec<Missing> {
    // A login shell's end is not ours. A failure: we lead a session already.
    setsid().ok();
    // To stand in a directory is to keep its file system mounted.
    chdir("/").ok();
    block_signals();
    one_heap();
    let core = Rlimit { current: Some(0), maximum: Some(0) };
    let pieces: [(&'static str, io::Result<()>); 6] = [
        // A process that writes a core dump lives until it is written, and nobody takes over.
        ("no core dumps", setrlimit(Resource::Core, core).map_err(io::Error::from)),
        // The arena counts as ours: we would be the first to be killed.
        ("oom_score_adj", fs::write(root.join("/proc/self/oom_score_adj"), "-1000")),
        // Huge pages are compacted and zeroed in faults.
        ("no huge pages", disable_transparent_huge_pages(true).map_err(io::Error::from)),
        // What the kernel allocates for us must not be got by swapping, to us.
        ("PR_SET_IO_FLUSHER", configure_io_flusher_behavior(true).map_err(io::Error::from)),
        // A mount of our own device would end with us, and want to be written back, by us.
        ("a mount namespace of its own", leave_mounts(root, keep)),
        // Text and data that were swapped out could not be read back: by us.
        ("mlockall", lock(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE)),
    ];
    let missing =
        |(what, done): (_, io::Result<()>)| done.err().map(|error| Missing { what, error });
    pieces.into_iter().filter_map(missing).collect()
}

/// Maps something sparse: to pin it whole would be to fill it, so its pages are pinned as they come. For
/// nothing else: in this mode MAP_POPULATE does nothing, and the kernel would fault a queue's buffers in
/// while it swaps, which it never ends.
pub(crate) fn sparse<T>(map: impl FnOnce() -> T) -> T {
    // If memory cannot be pinned, `put_on` has told so.
    lock(MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT).ok();
    let mapped = map();
    lock(MlockAllFlags::FUTURE).ok();
    mapped
}

fn lock(flags: MlockAllFlags) -> io::Result<()> {
    mlockall(flags).map_err(io::Error::from)
}

/// No signal ends the worker but SIGKILL, from which another one recovers: SIGTERM at shutdown would
/// take swap away from those who still run. None interrupts a queue's thread.
fn block_signals() {
    // SAFETY: all zeros are a signal set, and the calls write to nothing but it.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, std::ptr::null_mut());
    }
}

/// All threads allocate from one heap that never shrinks, so that what was had once is there again
/// when a recovery needs it. Only what is very large goes back: a list of all pages.
fn one_heap() {
    for (parameter, value) in [
        (libc::M_ARENA_MAX, 1),
        (libc::M_MMAP_THRESHOLD, 16 << 20),
        (libc::M_TRIM_THRESHOLD, i32::MAX),
        // How much is taken from the kernel at once, and pinned.
        (libc::M_TOP_PAD, 1 << 20),
    ] {
        // SAFETY: changes numbers of malloc's own; no other thread is there.
        unsafe { libc::mallopt(parameter, value) };
    }
}

/// A mount namespace with nothing in it but what the worker uses. It must not have what users of the
/// device have mounted, or their unmounting would leave it mounted here.
fn leave_mounts(root: &Root, keep: &std::path::Path) -> io::Result<()> {
    // SAFETY: does not touch the table of descriptors.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
    // At first whoever unmounts something takes it away from here too: else this process could be the last
    // to have a file system mounted on a device that it is about to serve.
    mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)?;
    leave_others(root, keep)?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    // What was mounted in between has come here as well.
    leave_others(root, keep)
}

/// Unmounts, here, everything but what the worker uses.
fn leave_others(root: &Root, keep: &std::path::Path) -> io::Result<()> {
    let listed = fs::read_to_string(root.join("/proc/self/mountinfo"))?;
    let used = ["/", "/dev", "/proc", "/sys"].map(|path| root.join(path));
    for place in listed.lines().rev().filter_map(mount_point) {
        let place = std::path::Path::new(&place);
        if used.iter().all(|used| used != place) && !keep.starts_with(place) {
            // Gone with another one, or hidden below one.
            unmount(place, UnmountFlags::DETACH).ok();
        }
    }
    Ok(())
}

/// The fifth field of a line of mountinfo, its blanks and backslashes written as octal numbers.
fn mount_point(line: &str) -> Option<String> {
    let field = line.split(' ').nth(4)?;
    let mut parts = field.split('\\');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (code, rest) = part.split_at_checked(3)?;
        bytes.push(u8::from_str_radix(code, 8).ok()?);
        bytes.extend(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

/// Memory that is given back when it is needed most.
#[derive(Debug)]
pub(crate) struct Reserve(NonNull<libc::c_void>);

impl Reserve {
    /// Page tables for 1 GiB.
    const BYTES: usize = 2 << 20;

    /// Memory that is there, and pinned, as all that is mapped.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub(crate) fn new() -> io::Result<Self> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::PRIVATE | MapFlags::POPULATE;
        // SAFETY: the kernel chooses where, so nothing that there is gets replaced.
        let start =
            unsafe { mmap_anonymous(std::ptr::null_mut(), Self::BYTES, protection, flags) }?;
        NonNull::new(start).map(Self).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
    }
}

impl Drop for Reserve {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this length; nobody has a reference into it.
        unsafe { munmap(self.0.as_ptr(), Self::BYTES) }.ok();
    }
}

/// A thread with a small stack that is there.
pub(crate) fn spawn(
    name: &str,
    work: Work,
    run: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let (stack, touch): (_, fn()) = match work {
        Work::Pages => (PAGES_STACK, touch_stack::<{ PAGES_STACK - UNTOUCHED }>),
        Work::Chores => (CHORES_STACK, touch_stack::<{ CHORES_STACK - UNTOUCHED }>),
    };
    Builder::new().name(name.to_owned()).stack_size(stack).spawn(move || {
        touch();
        run();
    })
}

/// Has the kernel map it now, not in the middle of a request.
#[inline(never)]
fn touch_stack<const BYTES: usize>() {
    let mut room = [0_u8; BYTES];
    std::hint::black_box(&mut room);
}

/// Says why the process ends, if that can be done without waiting for whoever reads it.
pub(crate) fn last_words(why: &fmt::Arguments<'_>) {
    let mut line = Line { bytes: [0; 256], len: 0 };
    // What does not fit is left out.
    writeln!(line, "trueno-ublk: {why}").ok();
    let stderr = rustix::stdio::stderr();
    let mut fds = [PollFd::new(&stderr, PollFlags::OUT)];
    let is_ready = poll(&mut fds, Some(&Timespec::default())).is_ok_and(|count| count == 1);
    if is_ready {
        rustix::io::write(stderr, line.bytes.get(..line.len).unwrap_or_default()).ok();
    }
}

/// A line that needs no heap.
struct Line {
    bytes: [u8; 256],
    len: usize,
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let rest = self.bytes.get_mut(self.len..).unwrap_or_default();
        let len = rest.len().min(text.len());
        rest.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
        self.len += len;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use trueno_zram_core::{Algorithm, BUFFER_SIZE, CompressorBuilder, Encoded};

    use super::*;

    #[test]
    fn every_codec_has_enough_with_half_a_stack() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut page = [0; 4096];
        page[..1024].fill_with(|| random.u8(..20));
        for algorithm in Algorithm::ALL {
            let codec = CompressorBuilder::new().algorithm(algorithm).build().expect("a codec");
            let work = move || {
                let mut scratch = codec.scratch();
                let (mut buffer, mut back) = ([0; BUFFER_SIZE], [1; 4096]);
                let encoded = codec.compress_into(&page, &mut scratch, &mut buffer);
                let Ok(Encoded::Compressed(len)) = encoded else {
                    panic!("{algorithm}: {encoded:?}")
                };
                codec.decompress_into(&buffer[..len], &mut scratch, &mut back).expect("our own");
                assert_eq!(back, page, "{algorithm}");
            };
            // One that is too small is a signal, which ends the test.
            let thread = Builder::new().stack_size(PAGES_STACK / 2).spawn(work).expect("a thread");
            thread.join().expect("it has not panicked");
        }
    }

    #[test]
    fn mount_points_are_read_as_the_kernel_writes_them() {
        let line = r"36 35 98:0 /mnt1 /mnt\0402\134x rw,noatime master:1 - ext3 /dev/root rw";
        assert_eq!(mount_point(line).as_deref(), Some(r"/mnt 2\x"));
        assert_eq!(mount_point("36 35 98:0 / / rw - ext3 a b").as_deref(), Some("/"));
        for line in ["", "1 2 3 4", r"1 2 3 4 /a\0", r"1 2 3 4 /a\999"] {
            assert_eq!(mount_point(line), None, "{line}");
        }
    }

    #[test]
    fn a_long_line_is_cut() {
        let mut line = Line { bytes: [0; 256], len: 0 };
        line.write_str(&"x".repeat(300)).expect("cut");
        line.write_str("y").expect("nothing");
        assert_eq!((line.len, line.bytes), (256, [b'x'; 256]));
    }
}
