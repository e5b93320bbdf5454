//! A mirror of devices in plain memory, mounted in a temporary directory.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use rustix::mount::UnmountFlags;
use sysfs_compat::abi::attr::Mode;
use sysfs_compat::abi::device::Device;
use sysfs_compat::abi::memory::Memory;
use sysfs_compat::abi::{Errno, Kernel};
use trueno_zram_mirror::{Mirror, Mounted, OwnAttribute, Piece, Provider};

use crate::skip::skip;

/// How long somebody waits at a [`Gate`] before they go on.
const PATIENCE: Duration = Duration::from_secs(15);

/// No test takes longer; one that does is ended, and its mount with it.
const LIMIT: Duration = Duration::from_secs(120);

/// How many pieces `trueno/long` has, of how many bytes.
pub(crate) const PIECES: u64 = 300;
pub(crate) const PIECE: usize = 4000;

pub(crate) const OWN: &[OwnAttribute] = &[
    OwnAttribute { name: "note", mode: Mode::ReadWrite, is_slow: false },
    OwnAttribute { name: "long", mode: Mode::ReadOnly, is_slow: true },
    OwnAttribute { name: "pause", mode: Mode::WriteOnly, is_slow: false },
    OwnAttribute { name: "slow", mode: Mode::RootReadOnly, is_slow: true },
];

pub(crate) type Shared = Arc<Mutex<Memory>>;

/// Serves devices in memory and writes down what it is told.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    pub(crate) log: Mutex<Vec<String>>,
    pub(crate) note: Mutex<Vec<u8>>,
    /// Where writes to `trueno/pause` and reads of `trueno/slow` wait, and the making and removing of devices.
    pub(crate) gate: Gate,
    /// What making the next device fails with, if not 0.
    pub(crate) failure: AtomicUsize,
    pub(crate) block: Mutex<Option<PathBuf>>,
}

impl Keeper {
    fn tell(&self, line: String) {
        self.log.lock().expect("nobody has panicked").push(line);
    }

    pub(crate) fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock().expect("nobody has panicked"))
    }
}

/// Something to wait at while it is closed.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct GateState {
    is_closed: bool,
    waiting: usize,
}

impl Gate {
    pub(crate) fn close(&self) {
        self.state().is_closed = true;
    }

    pub(crate) fn open(&self) {
        self.state().is_closed = false;
        self.changed.notify_all();
    }

    /// Waits until so many wait here.
    pub(crate) fn expect(&self, number: usize) {
        let is_less = |state: &mut GateState| state.waiting < number;
        let waited = self.changed.wait_timeout_while(self.state(), PATIENCE, is_less);
        let (state, _) = waited.expect("nobody has panicked");
        assert_eq!(state.waiting, number, "nobody came");
    }

    /// Whoever is not let through goes on after a while all the same: tests are to fail, not hang.
    fn pass(&self) {
        let mut state = self.state();
        state.waiting += 1;
        self.changed.notify_all();
        let waited = self.changed.wait_timeout_while(state, PATIENCE, |state| state.is_closed);
        waited.expect("nobody has panicked").0.waiting -= 1;
    }

    fn state(&self) -> MutexGuard<'_, GateState> {
        self.state.lock().expect("nobody has panicked")
    }
}

pub(crate) fn device() -> Device<Shared> {
    let kernel = Kernel::newest();
    Device::new(kernel.clone(), Arc::new(Mutex::new(Memory::new(kernel, BTreeMap::new()))))
}

impl Provider for Keeper {
    type Backend = Shared;

    fn add(&self, number: u32) -> Result<Device<Shared>, Errno> {
        self.gate.pass();
        match self.failure.swap(0, Ordering::Relaxed) {
            0 => {
                self.tell(format!("add {number}"));
                Ok(device())
            }
            errno => Err(Errno::from_raw(i32::try_from(errno).expect("an errno"))),
        }
    }

    fn remove(&self, number: u32) {
        self.gate.pass();
        self.tell(format!("remove {number}"));
    }

    fn accepted(&self, number: u32, file: &str, text: &[u8], device: &Device<Shared>) {
        let text = String::from_utf8_lossy(text);
        self.tell(format!("{number} {file}={text:?} {}", device.setup().disksize));
    }

    fn own(&self) -> &'static [OwnAttribute] {
        OWN
    }

    fn show_own(&self, _: u32, _: &Device<Shared>, name: &str) -> Result<Vec<u8>, Errno> {
        if name == "slow" {
            self.gate.pass();
        } else {
            assert_eq!(name, "note");
        }
        Ok(self.note.lock().expect("nobody has panicked").clone())
    }

    fn show_own_from(
        &self,
        number: u32,
        device: &Device<Shared>,
        name: &str,
        cursor: u64,
    ) -> Result<Piece, Errno> {
        if name != "long" {
            return Ok(Piece { text: self.show_own(number, device, name)?, next: None });
        }
        let letter = b'a' + u8::try_from(cursor % 26).expect("a letter");
        let next = Some(cursor + 1).filter(|&next| next < PIECES);
        Ok(Piece { text: vec![letter; PIECE], next })
    }

    fn store_own(
        &self,
        _: u32,
        _: &mut Device<Shared>,
        name: &str,
        text: &[u8],
    ) -> Result<(), Errno> {
        match name {
            "note" => *self.note.lock().expect("nobody has panicked") = text.to_vec(),
            "pause" if text == b"x" => return Err(Errno::EINVAL),
            "pause" => self.gate.pass(),
            name => panic!("a write to {name}"),
        }
        Ok(())
    }

    fn block_directory(&self, _: u32, _: &Device<Shared>) -> Option<PathBuf> {
        self.block.lock().expect("nobody has panicked").clone()
    }
}

/// A directory that goes away with everything mounted on it, whatever happens.
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    _watch: Sender<()>,
}

impl Place {
    #[expect(clippy::print_stderr, reason = "who aborts has no other way to say it")]
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("trueno-mirror-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).expect("a new directory");
        let (watch, end) = mpsc::channel::<()>();
        let watched = path.clone();
        thread::spawn(move || {
            if end.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
                clear(&watched);
                eprintln!("a test has taken too long: {}", watched.display());
                std::process::abort();
            }
        });
        Place { path, _watch: watch }
    }

    /// Where the mirror goes.
    pub(crate) fn at(&self) -> PathBuf {
        self.path.join("run")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        clear(&self.path);
    }
}

fn clear(path: &Path) {
    while rustix::mount::unmount(path.join("run"), UnmountFlags::DETACH).is_ok() {}
    drop(fs::remove_dir_all(path));
}

/// A mirror of two devices, 0 and 1. Its fields are dropped in this order.
pub(crate) struct Mirrored {
    pub(crate) mounted: Mounted,
    pub(crate) mirror: Arc<Mirror<Keeper>>,
    pub(crate) place: Place,
}

/// Says why there is no mirror here.
pub(crate) fn is_possible() -> bool {
    let why = if !rustix::process::geteuid().is_root() {
        "it needs root"
    } else if OpenOptions::new().read(true).write(true).open("/dev/fuse").is_err() {
        "it needs FUSE"
    } else {
        return true;
    };
    skip(why);
    false
}

/// A mirror with some changes made to its provider before; nothing where there can be none.
pub(crate) fn start() -> Option<Mirrored> {
    if !is_possible() {
        return None;
    }
    let place = Place::new();
    let devices = BTreeMap::from([(0, device()), (1, device())]);
    let mirror = Arc::new(Mirror::new(Keeper::default(), devices));
    let mounted = Arc::clone(&mirror).mount(&place.at()).expect("the mirror can be mounted");
    Some(Mirrored { mounted, mirror, place })
}

impl Mirrored {
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.place.at().join(file)
    }

    pub(crate) fn keeper(&self) -> &Keeper {
        self.mirror.provider()
    }

    /// The text of a file, by as many reads as it takes.
    pub(crate) fn read(&self, file: &str) -> io::Result<String> {
        let mut text = String::new();
        fs::File::open(self.path(file))?.read_to_string(&mut text)?;
        Ok(text)
    }

    /// One write.
    pub(crate) fn write(&self, file: &str, text: impl AsRef<[u8]>) -> io::Result<usize> {
        OpenOptions::new().write(true).open(self.path(file))?.write(text.as_ref())
    }
}

/// The error's number.
pub(crate) fn errno<T: std::fmt::Debug>(result: io::Result<T>) -> i32 {
    result.expect_err("should have failed").raw_os_error().expect("from the system")
}
