//! The directory of one device: what outlives the process that serves it.
//!
//! ```text
//! settings    what was accepted, one `name=value` a line; the supervisor writes it
//! dictionary  the bytes of the algorithm's dictionary, if it has one
//! arena       the pages
//! buffers     memory for requests under way, of which nothing outlives them
//! ublk        the kernel's number of the device, and our mark; the worker writes it
//! lock        flock: who holds it serves the device, who waits for it is the standby
//! socket      where the serving worker takes requests
//! ```

mod settings;

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use sysfs_compat::abi::PAGE_SIZE;
use trueno_zram_region::FileRegion;
use trueno_zram_store::Header;

pub use settings::{Recovery, Settings, SettingsError};

/// A device's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory(PathBuf);

/// What the kernel knows the device by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ublk {
    /// The N of `/dev/ublkbN`.
    pub id: u32,
    /// Our mark: the low half of the arena's id.
    pub mark: u64,
}

impl Ublk {
    fn parse(text: &str) -> Option<Self> {
        let [id, mark] = text.lines().collect::<Vec<_>>().try_into().ok()?;
        let id = id.strip_prefix("id=")?.parse().ok()?;
        let mark = u64::from_str_radix(mark.strip_prefix("mark=")?, 16).ok()?;
        Some(Self { id, mark })
    }

    fn text(self) -> String {
        format!("id={}\nmark={:016x}\n", self.id, self.mark)
    }
}

impl Directory {
    /// The device's directory at this path.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The file with the pages.
    #[must_use]
    pub fn arena(&self) -> PathBuf {
        self.0.join("arena")
    }

    /// Where the serving worker listens.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.0.join("socket")
    }

    /// What was accepted; nothing yet, if there is no such file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or a line of it says nothing that is known.
    pub fn settings(&self) -> anyhow::Result<Settings> {
        let path = self.0.join("settings");
        let bytes = self.optional("settings")?.unwrap_or_default();
        let text = String::from_utf8(bytes).with_context(|| told(&path))?;
        text.parse::<Settings>().with_context(|| told(&path))
    }

    /// Replaces the settings in one step.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn set_settings(&self, settings: &Settings) -> anyhow::Result<()> {
        self.replace("settings", settings.to_string().as_bytes())
    }

    /// The bytes of the dictionary, if there is one.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn dictionary(&self) -> anyhow::Result<Option<Vec<u8>>> {
        self.optional("dictionary")
    }

    /// Keeps the bytes of the dictionary; none if there are none.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn set_dictionary(&self, bytes: &[u8]) -> anyhow::Result<()> {
        if bytes.is_empty() { self.remove("dictionary") } else { self.replace("dictionary", bytes) }
    }

    /// Whether there is somebody else's file in the place of the arena: one that is no arena, and that
    /// was not to become one either when whoever made it was killed.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn has_foreign_arena(&self) -> io::Result<bool> {
        let mut begin = Vec::new();
        match File::open(self.arena()) {
            Ok(file) => file.take(PAGE_SIZE).read_to_end(&mut begin)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        if begin.iter().all(|&byte| byte == 0) {
            return Ok(false);
        }
        let region = FileRegion::open(self.arena());
        Ok(region.map_or(true, |region| Header::read(&region).is_err()))
    }

    /// Removes everything but the settings, and what was never ours. The device is gone.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn remove_pages(&self) -> anyhow::Result<()> {
        let is_ours = !self.has_foreign_arena().with_context(|| told(&self.arena()))?;
        let names = ["ublk", "socket", "dictionary", "buffers"].into_iter();
        names.chain(is_ours.then_some("arena")).try_for_each(|name| self.remove(name))
    }

    fn remove(&self, name: &str) -> anyhow::Result<()> {
        let path = self.0.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| told(&path))
            }
            _ => Ok(()),
        }
    }

    /// What the kernel knows the device by, if it knows it.
    ///
    /// # Errors
    ///
    /// What the operating system says, or a file that says something else.
    pub fn ublk(&self) -> anyhow::Result<Option<Ublk>> {
        let Some(bytes) = self.optional("ublk")? else { return Ok(None) };
        let ublk = std::str::from_utf8(&bytes).ok().and_then(Ublk::parse);
        let ublk = ublk.context("not the number and mark of a device");
        ublk.map(Some).with_context(|| told(&self.0.join("ublk")))
    }

    /// Notes it.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn set_ublk(&self, ublk: Ublk) -> anyhow::Result<()> {
        self.replace("ublk", ublk.text().as_bytes())
    }

    /// Forgets it: the kernel has the device no more.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn remove_ublk(&self) -> anyhow::Result<()> {
        self.remove("ublk")
    }

    /// The file that holds the queues' buffers.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn buffers(&self) -> anyhow::Result<File> {
        self.shared("buffers")
    }

    /// Bytes of memory that the queues' buffers have.
    #[must_use]
    pub fn buffer_bytes(&self) -> u64 {
        fs::metadata(self.0.join("buffers")).map_or(0, |file| file.blocks() * 512)
    }

    /// The file that is locked by who serves the device.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn lock(&self) -> anyhow::Result<File> {
        self.shared("lock")
    }

    /// A file that several processes open, whoever comes first.
    fn shared(&self, name: &str) -> anyhow::Result<File> {
        let path = self.0.join(name);
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        file.open(&path).with_context(|| told(&path))
    }

    /// Whether somebody serves the device, or is about to. To ask makes no file.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn is_locked(&self) -> anyhow::Result<bool> {
        let path = self.0.join("lock");
        let lock = match File::open(&path) {
            Ok(lock) => lock,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error).with_context(|| told(&path)),
        };
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            // At once, and not when the last copy is closed: a process that is just being started may
            // have one.
            Ok(()) => Ok(flock(&lock, FlockOperation::Unlock).map(|()| false)?),
            Err(Errno::WOULDBLOCK) => Ok(true),
            Err(errno) => Err(errno).with_context(|| told(&path)),
        }
    }

    /// The processes that serve the device, or wait to: who has the lock, and who waits for it.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn lock_users(&self) -> anyhow::Result<Vec<u32>> {
        let lock = self.lock()?.metadata()?;
        let locks = fs::read_to_string("/proc/locks").context("/proc/locks")?;
        Ok(users(&locks, &lock))
    }

    fn optional(&self, name: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let path = self.0.join(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| told(&path)),
        }
    }

    /// Whoever reads it finds the old or the new, and never half of one.
    fn replace(&self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let (path, new) = (self.0.join(name), self.0.join(format!("{name}.new")));
        let written = fs::write(&new, bytes).and_then(|()| fs::rename(&new, &path));
        written.with_context(|| told(&path))
    }
}

/// Who has a file flocked, or waits to, of proc_locks(5):
///
/// ```text
/// 1: FLOCK  ADVISORY  WRITE 317 00:2f:4 0 EOF
/// 1: -> FLOCK  ADVISORY  WRITE 318 00:2f:4 0 EOF
/// ```
fn users(locks: &str, file: &Metadata) -> Vec<u32> {
    let (major, minor) = (rustix::fs::major(file.dev()), rustix::fs::minor(file.dev()));
    let file = format!("{major:02x}:{minor:02x}:{}", file.ino());
    let user = |line: &str| {
        let mut fields = line.split_ascii_whitespace().skip(1).skip_while(|field| *field == "->");
        let (kind, pid, of) = (fields.next()?, fields.nth(2)?, fields.next()?);
        (kind == "FLOCK" && of == file).then(|| pid.parse().ok()).flatten()
    };
    locks.lines().filter_map(user).collect()
}

/// Which file an error is about.
fn told(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::{Duration, Instant};

    use rustix::fs::FallocateFlags;

    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn the_kernels_number_and_our_mark_are_read_back() {
        let ublk = Ublk { id: 7, mark: 0xfedc_ba98_7654_3210 };
        assert_eq!(ublk.text(), "id=7\nmark=fedcba9876543210\n");
        assert_eq!(Ublk::parse(&ublk.text()), Some(ublk));
        for text in
            ["", "id=7\n", "id=7\nmark=\n", "id=x\nmark=1\n", "mark=1\nid=7\n", "id=7\nmark=1\n3"]
        {
            assert_eq!(Ublk::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_directory_without_files_is_a_device_without_settings() {
        let made = Scratch::new("settings");
        let directory = Directory::new(&*made);
        assert_eq!(directory.settings().expect("no file"), Settings::new(0));
        assert_eq!(directory.ublk().expect("no file"), None);
        fs::write(made.join("settings"), b"\xff").expect("written");
        assert!(directory.settings().is_err());
    }

    #[test]
    fn buffers_are_counted_while_there_are_pages() {
        let made = Scratch::new("buffers");
        let directory = Directory::new(&*made);
        assert_eq!(directory.buffer_bytes(), 0);
        let file = directory.buffers().expect("made");
        rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, 64 << 10).expect("room");
        // Whoever comes next does not empty it.
        directory.buffers().expect("opened");
        assert!(directory.buffer_bytes() >= 64 << 10);
        directory.remove_pages().expect("removed");
        assert_eq!(directory.buffer_bytes(), 0);
    }

    #[test]
    fn whether_it_is_locked_is_found_out_without_locking_it() {
        let made = Scratch::new("lock");
        let directory = Directory::new(&*made);
        assert!(!directory.is_locked().expect("no file"));
        assert!(!made.join("lock").exists(), "to ask has made one");
        let lock = directory.lock().expect("a file");
        flock(&lock, FlockOperation::NonBlockingLockExclusive).expect("nobody has it");
        assert!(directory.is_locked().expect("a file"));
        drop(lock);
        assert!(!directory.is_locked().expect("a file"));
    }

    #[test]
    fn who_has_the_lock_and_who_waits_for_it_is_known() {
        let made = Scratch::new("users");
        let directory = Directory::new(&*made);
        assert!(directory.lock_users().expect("a file").is_empty());
        let lock = || {
            let mut command = Command::new("flock");
            command.arg("--no-fork").arg(made.join("lock")).args(["sleep", "60"]);
            command.spawn().expect("util-linux is there")
        };
        let wait_for = |wanted: &[u32]| {
            let begin = Instant::now();
            loop {
                let users = directory.lock_users().expect("a file");
                if users == wanted || begin.elapsed() > Duration::from_secs(20) {
                    return users;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        };
        let mut first = lock();
        let has = wait_for(&[first.id()]);
        let mut second = lock();
        let both = wait_for(&[first.id(), second.id()]);
        let (one, other) = (first.id(), second.id());
        for child in [&mut first, &mut second] {
            child.kill().and_then(|()| child.wait()).expect("ended");
        }
        assert_eq!((has, both), (vec![one], vec![one, other]));
        assert!(directory.lock_users().expect("a file").is_empty());
    }
}
