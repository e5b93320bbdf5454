//! Putting the mirror in its place, and taking it away.

use std::ffi::CString;
use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use fuser::{Config, Session, SessionACL};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags};

use crate::files::Files;
use crate::mirror::Mirror;
use crate::mountinfo;
use crate::provider::Provider;

/// Where the kernel takes file systems from.
const FUSE: &str = "/dev/fuse";

/// How our mounts are marked, so that we find those that a killed mirror has left.
const KIND: &str = "fuse.trueno";
const SOURCE: &str = "trueno";

/// What is mounted over is as much everybody's as what is shown there.
const MODE: u32 = 0o755;

/// How long a mirror that is mounted already may take to answer before we believe that it hangs. A
/// dead one answers at once.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why the mirror could not be mounted.
#[derive(Debug)]
#[non_exhaustive]
pub enum MountError {
    /// Only root may mount what everybody may read.
    NotRoot,
    /// `/dev/fuse` cannot be opened.
    NoFuse(io::Error),
    /// The directory is missing and cannot be made, or cannot be looked into.
    Directory(PathBuf, io::Error),
    /// It is not a directory.
    NotADirectory(PathBuf),
    /// There are files in it, which are not ours and would be hidden.
    NotEmpty(PathBuf),
    /// Another mirror serves it; whether it answers is said by the flag.
    Served(PathBuf, bool),
    /// Something else is mounted there: source and type of file system.
    Occupied(PathBuf, String, String),
    /// What a killed mirror has left cannot be detached.
    Left(PathBuf, io::Error),
    /// The kernel does not mount it, or does not agree on a protocol.
    Refused(PathBuf, io::Error),
}

impl fmt::Display for MountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRoot => f.write_str("cannot mount the attribute files: this needs root"),
            Self::NoFuse(error) => write!(
                f,
                "cannot open {FUSE}: {error}; the attribute files need FUSE (CONFIG_FUSE_FS, \
                 modprobe fuse)"
            ),
            Self::Directory(at, error) => write!(
                f,
                "cannot make the directory {}: {error}; it has to be on a file system that can be \
                 written to and has space, such as a tmpfs at /run",
                at.display()
            ),
            Self::NotADirectory(at) => {
                write!(f, "{} is not a directory; move it out of the way", at.display())
            }
            Self::NotEmpty(at) => write!(
                f,
                "{} has files in it, which a mount would hide; move them away",
                at.display()
            ),
            Self::Served(at, true) => {
                write!(f, "{} is served by another process already", at.display())
            }
            Self::Served(at, false) => write!(
                f,
                "{} belongs to another process, which does not answer; end that process first",
                at.display()
            ),
            Self::Occupied(at, source, kind) => write!(
                f,
                "something else is mounted at {}: {source} (type {kind}); unmount it first",
                at.display()
            ),
            Self::Left(at, error) => write!(
                f,
                "cannot detach what a process that was killed left at {}: {error}; try umount -l",
                at.display()
            ),
            Self::Refused(at, error) => {
                write!(
                    f,
                    "the kernel does not mount the attribute files at {}: {error}",
                    at.display()
                )
            }
        }
    }
}

impl std::error::Error for MountError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NoFuse(error)
            | Self::Directory(_, error)
            | Self::Left(_, error)
            | Self::Refused(_, error) => Some(error),
            _ => None,
        }
    }
}

/// Mounts `mirror` at `at` and starts to serve it.
pub(crate) fn mount<P: Provider>(mirror: Arc<Mirror<P>>, at: &Path) -> Result<Mounted, MountError> {
    if !rustix::process::geteuid().is_root() {
        return Err(MountError::NotRoot);
    }
    let device = OpenOptions::new().read(true).write(true).open(FUSE);
    let device = device.map_err(MountError::NoFuse)?;
    let at = place(at)?;
    let (directory, was_made) = prepare(&at)?;
    let mounted = attach(mirror, &at, &directory, device, was_made);
    if mounted.is_err() && was_made {
        // It is empty, and should it not go, it does no harm.
        drop(fs::remove_dir(&at));
    }
    mounted.map_err(|error| MountError::Refused(at, error))
}

fn attach<P: Provider>(
    mirror: Arc<Mirror<P>>,
    at: &Path,
    directory: &OwnedFd,
    device: File,
    was_made: bool,
) -> io::Result<Mounted> {
    let options = format!(
        "fd={},rootmode=40755,user_id=0,group_id=0,default_permissions,allow_other",
        device.as_raw_fd()
    );
    let options = CString::new(options).map_err(io::Error::other)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    rustix::mount::mount(SOURCE, path_of(directory), KIND, flags, options.as_c_str())?;
    let identity = mountinfo::uppermost(at).map(|mount| mount.map(|mount| mount.identity));
    let mounted = Mounted {
        at: at.to_owned(),
        identity: identity.unwrap_or_default(),
        was_made,
        end: Arc::default(),
    };
    // From here on an error unmounts, because `mounted` is dropped.
    let session = Session::from_fd(
        Files::new(mirror),
        OwnedFd::from(device),
        SessionACL::All,
        Config::default(),
    )?;
    let end = Arc::clone(&mounted.end);
    let serve = move || end.come(session.run());
    thread::Builder::new().name("mirror".to_owned()).spawn(serve)?;
    Ok(mounted)
}

/// The directory without symbolic links on the way. It is not looked at itself: a mount that a killed
/// mirror has left cannot be.
fn place(at: &Path) -> Result<PathBuf, MountError> {
    let fails = |error| MountError::Directory(at.to_owned(), error);
    let name = at.file_name().ok_or_else(|| fails(io::ErrorKind::InvalidInput.into()))?;
    let above = match at.parent() {
        Some(above) if above != Path::new("") => above,
        _ => Path::new("."),
    };
    Ok(above.canonicalize().map_err(fails)?.join(name))
}

/// Makes sure that `at` is an empty directory with nothing mounted on it. Returns it, and whether it
/// was missing. What the name leads to afterwards does not matter any more.
fn prepare(at: &Path) -> Result<(OwnedFd, bool), MountError> {
    let fails = |error| MountError::Directory(at.to_owned(), error);
    while let Some(mount) = mountinfo::uppermost(at).map_err(fails)? {
        if mount.kind != KIND || mount.source != SOURCE {
            let source = mount.source.to_string_lossy().into_owned();
            return Err(MountError::Occupied(at.to_owned(), source, mount.kind));
        }
        match answer(at) {
            Some(Ok(())) => return Err(MountError::Served(at.to_owned(), true)),
            None => return Err(MountError::Served(at.to_owned(), false)),
            Some(Err(_)) => detach(at).map_err(|error| MountError::Left(at.to_owned(), error))?,
        }
    }
    let was_made = match DirBuilder::new().mode(MODE).create(at) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
        Err(error) => return Err(fails(error)),
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = rustix::fs::open(at, flags, Mode::empty()).map_err(|errno| match errno {
        Errno::NOTDIR | Errno::LOOP => MountError::NotADirectory(at.to_owned()),
        errno => fails(errno.into()),
    })?;
    if path_of(&directory).read_dir().map_err(fails)?.next().is_some() {
        return Err(MountError::NotEmpty(at.to_owned()));
    }
    Ok((directory, was_made))
}

/// A path that leads to this very directory.
fn path_of(directory: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()))
}

/// What stat(2) says of a mirror; `None` if it does not answer in time.
fn answer(at: &Path) -> Option<io::Result<()>> {
    let (sender, receiver) = mpsc::channel();
    let at = at.to_owned();
    // The thread is left alone if it hangs; it ends when what it asks does.
    let ask = move || drop(sender.send(at.metadata().map(drop)));
    thread::Builder::new().spawn(ask).ok()?;
    receiver.recv_timeout(PATIENCE).ok()
}

fn detach(at: &Path) -> io::Result<()> {
    Ok(rustix::mount::unmount(at, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW)?)
}

/// A mirror in its place. Unmounted when dropped.
#[derive(Debug)]
pub struct Mounted {
    at: PathBuf,
    /// Which mount is ours: [`mountinfo::Mount::identity`].
    identity: Option<String>,
    was_made: bool,
    end: Arc<End>,
}

impl Mounted {
    /// Where it is: absolute, without symbolic links.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.at
    }

    /// Whether ours is what is mounted there.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn is_there(&self) -> io::Result<bool> {
        let uppermost = mountinfo::uppermost(&self.at)?;
        Ok(uppermost.is_some_and(|mount| Some(mount.identity) == self.identity))
    }

    /// Takes the files away, and the directory if [`Mirror::mount`] has made it. Files that somebody
    /// has open still work until they are closed, or the process ends. Does nothing when ours is not
    /// what is mounted there any more.
    ///
    /// # Errors
    /// Those of umount2(2) and rmdir(2), and when `/proc` cannot be read.
    pub fn unmount(&self) -> io::Result<()> {
        if !self.is_there()? {
            return Ok(());
        }
        detach(&self.at)?;
        if self.was_made { fs::remove_dir(&self.at) } else { Ok(()) }
    }

    /// Waits until nobody is served any more: it has been unmounted, by whomever, and nobody has a
    /// file open, or the connection was aborted.
    ///
    /// # Errors
    /// What has ended it, if it was nothing of that kind.
    pub fn wait(&self) -> io::Result<()> {
        self.end.wait()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // A destructor has nobody to tell. What stays is detached by the next mirror.
        drop(self.unmount());
    }
}

/// The end of serving, for those who wait for it.
#[derive(Debug, Default)]
struct End {
    /// `Some` once it has come, with the error's number and text.
    outcome: Mutex<Option<Result<(), (io::ErrorKind, String)>>>,
    changed: Condvar,
}

impl End {
    fn come(&self, result: io::Result<()>) {
        let outcome = result.map_err(|error| (error.kind(), error.to_string()));
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        self.changed.notify_all();
    }

    fn wait(&self) -> io::Result<()> {
        let outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = self.changed.wait_while(outcome, |outcome| outcome.is_none());
        let outcome = outcome.unwrap_or_else(PoisonError::into_inner);
        match &*outcome {
            Some(Err((kind, text))) => Err(io::Error::new(*kind, text.clone())),
            _ => Ok(()),
        }
    }
}
