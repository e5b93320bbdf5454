//! One device, as the state machine's backend: memory, workers, and the kernel's block device.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::fs::OFlags;

use sysfs_compat::abi::device::{Backend, CreateError, Setup};
use sysfs_compat::abi::request::{Idle, Recompress, Writeback};
use sysfs_compat::abi::stat::{BdStat, DebugStat, IoStat, MmStat};
use sysfs_compat::abi::{Errno, PAGE_SIZE};
use sysfs_compat::client::Root;
use trueno_zram_region::Reader;
use trueno_zram_store::{Layout, Statistics};

use super::arena_mount::{self, Swapping};
use super::call::Call;
use super::claim::{self, LONGEST_ANSWER};
use super::needs;
use super::own;
use super::pending::Pending;
use super::workers::Workers;
use crate::directory::{Directory, Settings, Ublk};
use crate::log::say;
use crate::paths::Paths;
use crate::ublk::control::{self, ControlDevice};
use crate::ublk::uapi::{DevInfo, State};
use crate::worker;

/// A worker whose device is stopped has nothing left to do.
const LONGEST_END: Duration = Duration::from_secs(5);
/// A worker that somebody else has started makes its disk in a fraction of that.
const LONGEST_MAKING: Duration = Duration::from_secs(5);
/// Enough for some thousand pages.
const BLOCK_STATE_PIECE: usize = 256 << 10;
/// The kernel reads no longer dictionary, and no codec uses as much.
const LONGEST_DICTIONARY: u64 = 1 << 20;

/// A handle of a device.
#[derive(Clone, Debug)]
pub(crate) struct Served(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    number: u32,
    paths: Paths,
    directory: Directory,
    workers: Workers,
    settings: Mutex<Settings>,
    live: Mutex<Option<Live>>,
    /// For looking at the kernel's device while others change it. Whoever looks waits for nobody but
    /// others who look at this device.
    control: Mutex<Option<ControlDevice>>,
}

/// What there is once a device is initialised.
#[derive(Clone, Debug)]
struct Live {
    /// The kernel's number of it.
    id: u32,
    /// Its arena, for reading its header.
    arena: Arc<Reader>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Served {
    /// The device whose directory is there.
    pub(crate) fn new(paths: &Paths, number: u32, settings: Settings) -> Self {
        let directory = Directory::new(paths.device(number));
        Self(Arc::new(Shared {
            number,
            paths: paths.clone(),
            workers: Workers::new(&directory),
            directory,
            settings: Mutex::new(settings),
            live: Mutex::new(None),
            control: Mutex::new(None),
        }))
    }

    pub(crate) fn workers(&self) -> &Workers {
        &self.0.workers
    }

    pub(crate) fn root(&self) -> &Root {
        self.0.paths.root()
    }

    /// Whether its memory stays where it is, whatever becomes of its processes.
    pub(crate) fn is_never_swapped(&self) -> bool {
        let mounts = fs::read_to_string(self.root().join("/proc/mounts")).unwrap_or_default();
        arena_mount::swapping(&mounts, self.path()) == Swapping::Never
    }

    /// Where what outlives its processes is.
    pub(crate) fn directory(&self) -> &Directory {
        &self.0.directory
    }

    fn path(&self) -> &Path {
        self.0.directory.path()
    }

    /// Says something of this device.
    fn say(&self, text: impl std::fmt::Display) {
        say(format_args!("zram{}: {text}", self.0.number));
    }

    /// What was set.
    pub(crate) fn settings(&self) -> MutexGuard<'_, Settings> {
        lock(&self.0.settings)
    }

    /// Keeps the settings where the worker and a later supervisor find them.
    pub(crate) fn keep(&self) -> anyhow::Result<()> {
        let settings = self.settings().clone();
        self.0.directory.set_settings(&settings)
    }

    /// Takes note of what the state machine has accepted, and keeps it.
    pub(crate) fn accept(&self, file: &str, setup: &Setup) -> anyhow::Result<()> {
        match file {
            "reset" => self.settings().reset(),
            // The limit has come by `limit_memory`, and our own are there already. Whatever else is
            // accepted for a device with pages is of no consequence, as in the kernel.
            "comp_algorithm" | "algorithm_params" if setup.disksize == 0 => {
                self.write_down(setup)?;
            }
            _ => {}
        }
        self.keep()
    }

    /// The kernel's number of the device, once it is initialised.
    pub(crate) fn id(&self) -> Option<u32> {
        lock(&self.0.live).as_ref().map(|live| live.id)
    }

    /// What the kernel says of the device, which asks no worker; nothing where there is none. Takes as
    /// long as the driver takes.
    pub(crate) fn kernel_view(&self) -> Option<DevInfo> {
        let id = self.id()?;
        let mut kept = lock(&self.0.control);
        let control = match kept.take() {
            Some(control) => control,
            None => ControlDevice::open(self.root()).ok()?,
        };
        kept.insert(control).info(id).ok()
    }

    /// Something of the statistics, which are read from the arena and ask no other process.
    pub(crate) fn statistics<T>(&self, of: impl FnOnce(Statistics<'_>) -> T) -> Option<T> {
        let live = lock(&self.0.live).clone()?;
        live.arena.statistics().ok().map(of)
    }

    /// Lines of `block_state` from a page on, and the page to go on with.
    pub(crate) fn block_state(&self, from: u64) -> Option<(String, Option<u64>)> {
        use std::fmt::Write as _;
        self.statistics(|statistics| {
            let mut text = String::new();
            for slot in statistics.block_states(from..u64::MAX) {
                if text.len() >= BLOCK_STATE_PIECE {
                    return (text, Some(u64::from(slot.page)));
                }
                write!(text, "{slot}").ok();
            }
            (text, None)
        })
    }

    /// Asks the worker.
    pub(crate) fn ask(&self, name: &str, text: &str) -> Result<String, Errno> {
        let call = Call::to(self.path()).map_err(|error| {
            self.say(format_args!("no worker answers: {error}"));
            Errno::ETIMEDOUT
        })?;
        call.request(name, text)
    }

    /// Asks the worker if there is one: what was set before is read when one starts.
    fn tell(&self, name: &str, text: &str) -> Result<(), Errno> {
        if self.id().is_some() { self.ask(name, text).map(drop) } else { Ok(()) }
    }

    fn serve(&self, setup: &Setup) -> Result<(), CreateError> {
        let layout =
            Layout::new(setup.disksize / PAGE_SIZE, false).map_err(|_| CreateError::Table)?;
        let bytes = layout.region_bytes().saturating_add(self.settings().buffer_bytes());
        arena_mount::resize(self.path(), bytes).map_err(|error| {
            self.say(error);
            CreateError::Table
        })?;
        match self.disk().map_err(|error| CreateError::Served(self.errno(&error)))? {
            // It is served already, or will be as soon as somebody has taken over. What cannot be
            // shown now keeps its pages, for the next try.
            Some(id) => {
                self.workers().want(own::workers(&self.settings()));
                self.go_live(id)
            }
            None => {
                let fixed = self.check_memory(&layout)?;
                let longest = needs::longest_start(fixed);
                let started = self.start(setup, longest).and_then(|id| self.go_live(id));
                started.inspect_err(|_| self.take_back())
            }
        }
    }

    /// Refuses what there is no memory for; how much it takes.
    fn check_memory(&self, layout: &Layout) -> Result<u64, CreateError> {
        let settings = self.settings().clone();
        let needed = needs::fixed(&settings, layout);
        match needs::available(self.root()) {
            Some(available) if needed > available => {
                self.say(format_args!(
                    "its tables and buffers take {needed} bytes of memory, and {available} are available"
                ));
                Err(CreateError::Table)
            }
            _ => Ok(needed),
        }
    }

    /// Has a worker make a disk, within a time; its number.
    fn start(&self, setup: &Setup, longest: Duration) -> Result<u32, CreateError> {
        self.write_down(setup).map_err(|error| CreateError::Served(self.errno(&error)))?;
        let wanted = own::workers(&self.settings());
        self.workers().start(wanted, longest).map_err(|failure| {
            self.say(failure.text);
            match failure.errno {
                Errno::ENOMEM | Errno::ENOSPC => CreateError::Table,
                errno => CreateError::Served(errno),
            }
        })
    }

    fn go_live(&self, id: u32) -> Result<(), CreateError> {
        let path = self.0.directory.arena();
        let arena = Reader::open(&path).with_context(|| path.display().to_string());
        let arena = arena.map_err(|error| CreateError::Served(self.errno(&error)))?;
        *lock(&self.0.live) = Some(Live { id, arena: Arc::new(arena) });
        self.tune(id);
        // The device works without its second name.
        if let Err(error) = super::links::make(&self.0.paths, self.0.number, id) {
            self.say(format_args!("no link in {}: {error}", self.0.paths.links().display()));
        }
        Ok(())
    }

    /// Sets what can be set once there is a disk. Its worker may die just then, and the other one have to
    /// come first.
    fn tune(&self, id: u32) {
        let paths = self.0.paths.clone();
        let tuning = Pending::begin("tune", move || super::tune::tune(&paths, id));
        let tuned = tuning.map(|tuning| tuning.wait(LONGEST_ANSWER));
        match tuned {
            Ok(Some(Ok(()))) => {}
            Ok(Some(Err(error))) => self.say(format_args!("warning: {error}")),
            Ok(None) => self.say("warning: its requests are not answered"),
            Err(error) => self.say(format_args!("warning: cannot be tuned: {error}")),
        }
    }

    /// Says why something failed, and gives its number.
    fn errno(&self, error: &anyhow::Error) -> Errno {
        self.say(format_args!("{error:#}"));
        if let Some(error) = error.downcast_ref::<control::Error>() {
            return Errno::from_raw(error.errno());
        }
        error.downcast_ref::<io::Error>().map_or(Errno::EIO, Errno::from)
    }

    /// Writes down what a worker reads.
    fn write_down(&self, setup: &Setup) -> anyhow::Result<()> {
        let dictionary = setup.dictionaries.first().map_or(&[][..], Vec::as_slice);
        self.0.directory.set_dictionary(dictionary)?;
        {
            let mut settings = self.settings();
            settings.disksize = setup.disksize;
            // As kernels from 6.12 to 6.18 store it, a name may have a line's end behind it.
            let primary = setup.algorithms.first().and_then(Option::as_deref);
            let name = primary.unwrap_or_default().trim_end_matches('\n');
            name.clone_into(&mut settings.comp_algorithm);
            settings.algorithm_params = self.params(setup);
        }
        self.keep()
    }

    /// The primary algorithm's parameters, as one would write them. The dictionary is our own copy.
    fn params(&self, setup: &Setup) -> String {
        let Some(params) = setup.params.first() else { return String::new() };
        let dictionary = self.path().join("dictionary").display().to_string();
        let texts = [
            ("level", params.level.map(|level| level.to_string())),
            ("dict", params.dictionary.as_ref().map(|_| dictionary)),
            ("deflate.winbits", params.winbits.map(|bits| bits.to_string())),
        ];
        let given = texts.into_iter().filter_map(|(key, text)| Some(format!("{key}={}", text?)));
        given.collect::<Vec<_>>().join(" ")
    }

    /// Takes back what a failed start has left behind.
    fn take_back(&self) {
        self.workers().end(Duration::ZERO);
        match self.remove_new() {
            Ok(()) => self.forget_pages(),
            // What the kernel still has needs its pages.
            Err(error) => self.say(format_args!("{error:#}")),
        }
    }

    /// Removes the kernel's device. It is so new that nobody has written to it.
    fn remove_new(&self) -> anyhow::Result<()> {
        let mut control = ControlDevice::open(self.root())?;
        if let Some(info) = self.kernel_device(&mut control)? {
            control.stop(info.dev_id)?;
            self.delete(&mut control, info.dev_id)?;
        }
        worker::remove_orphan(&mut control, &self.0.directory)
    }

    /// Removes a stopped device of the kernel's.
    fn delete(&self, control: &mut ControlDevice, id: u32) -> Result<(), control::Error> {
        if !control.delete(id)? {
            self.say(format_args!(
                "some process has /dev/ublkc{id} open, and until it ends there is no other device of \
                 that number"
            ));
        }
        Ok(())
    }

    fn forget_pages(&self) {
        *lock(&self.0.live) = None;
        // While it is open the driver cannot be unloaded.
        drop(self.0.control.try_lock().map(|mut control| control.take()));
        super::links::remove(&self.0.paths, self.0.number);
        self.settings().disksize = 0;
        let kept = self.keep();
        if let Err(error) = kept.and_then(|()| self.0.directory.remove_pages()) {
            self.say(format_args!("{error:#}"));
        }
    }

    /// The kernel's device, if it still has the one that carries our mark: the number alone may be
    /// another device's by now.
    fn kernel_device(&self, control: &mut ControlDevice) -> anyhow::Result<Option<DevInfo>> {
        let Some(Ublk { id, mark }) = self.0.directory.ublk()? else { return Ok(None) };
        match control.info(id) {
            Ok(info) => Ok((info.ublksrv_flags == mark).then_some(info)),
            Err(error) if error.errno() == libc::ENODEV => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The number of the disk that the kernel has for this device, served or waiting for a server.
    /// What else a process of ours, killed on the way, has left with the kernel is removed: without a
    /// disk nobody can have it open.
    ///
    /// # Errors
    ///
    /// It cannot be told whether there is one; nothing has changed then.
    pub(crate) fn disk(&self) -> anyhow::Result<Option<u32>> {
        let mut control = ControlDevice::open(self.root())?;
        let deadline = Instant::now() + LONGEST_MAKING;
        loop {
            let found = self.kernel_device(&mut control)?;
            let is_dead = |info: &DevInfo| control::state(info) == State::Dead;
            if let Some(info) = found.filter(|info| !is_dead(info)) {
                return Ok(Some(info.dev_id));
            }
            if !self.0.directory.is_locked()? {
                break;
            }
            // A supervisor was killed, and its worker is making the disk.
            if Instant::now() >= deadline {
                self.say("a process that has its directory locked makes no disk, and is ended");
                anyhow::ensure!(self.workers().end(Duration::ZERO), "it does not end");
            }
            thread::sleep(Duration::from_millis(5));
        }
        if let Some(info) = self.kernel_device(&mut control)? {
            self.delete(&mut control, info.dev_id)?;
        }
        self.0.directory.remove_ublk()?;
        super::links::remove(&self.0.paths, self.0.number);
        Ok(None)
    }
}

impl Backend for Served {
    fn is_open(&self) -> bool {
        self.id().is_some_and(|id| claim::is_open(&self.0.paths, id, self.workers()))
    }

    fn create(&mut self, setup: &Setup) -> Result<(), CreateError> {
        self.serve(setup)
    }

    fn destroy(&mut self) -> Result<(), Errno> {
        let errno = |error: control::Error| self.errno(&error.into());
        let mut control = ControlDevice::open(self.root()).map_err(errno)?;
        // While the kernel may have a disk, its pages stay.
        let found = self.kernel_device(&mut control).map_err(|error| self.errno(&error))?;
        if let Some(info) = found {
            let serving = info.ublksrv_pid.unsigned_abs();
            if let Err(error) = claim::stop(&self.0.paths, &info, self.workers()) {
                self.workers().want(own::workers(&self.settings()));
                return Err(error);
            }
            self.workers().want(0);
            self.workers().end_standbys(serving);
            self.workers().end(LONGEST_END);
            self.delete(&mut control, info.dev_id).map_err(errno)?;
        }
        self.workers().end(Duration::ZERO);
        self.forget_pages();
        Ok(())
    }

    fn memory(&self) -> MmStat {
        let stat = self.statistics(|statistics| statistics.mm_stat()).unwrap_or_default();
        MmStat {
            orig_data_size: stat.orig_data_size,
            compr_data_size: stat.compr_data_size,
            mem_used_total: stat.mem_used_total,
            mem_limit: stat.mem_limit,
            mem_used_max: stat.mem_used_max.try_into().unwrap_or(i64::MAX),
            same_pages: stat.same_pages,
            pages_compacted: stat.pages_compacted,
            huge_pages: Some(stat.huge_pages),
            huge_pages_since: Some(stat.huge_pages_since),
        }
    }

    fn io(&self) -> IoStat {
        let stat = self.statistics(|statistics| statistics.io_stat()).unwrap_or_default();
        IoStat {
            failed_reads: stat.failed_reads,
            failed_writes: stat.failed_writes,
            invalid_io: Some(stat.invalid_io),
            notify_free: stat.notify_free,
        }
    }

    fn debug(&self) -> DebugStat {
        // Frees never have to be put off: no lock is held that could be in the way.
        DebugStat::default()
    }

    fn limit_memory(&mut self, bytes: u64) -> Result<(), Errno> {
        self.tell("mem_limit", &bytes.to_string())?;
        self.settings().mem_limit = bytes;
        Ok(())
    }

    fn reset_peak(&mut self) -> Result<(), Errno> {
        self.tell("mem_used_max", "0")
    }

    fn compact(&mut self) -> Result<(), Errno> {
        self.tell("compact", "1")
    }

    fn mark_idle(&mut self, idle: Idle) -> Result<(), Errno> {
        match idle {
            Idle::All => self.tell("idle", "all"),
            // Without access times the attribute takes no age.
            Idle::OlderThan { .. } => Err(Errno::EINVAL),
        }
    }

    fn recompress(&mut self, _: &Recompress, _: std::ops::Range<usize>) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    fn dictionary(&mut self, path: &[u8]) -> Result<Vec<u8>, Errno> {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt as _;
        let path = Path::new(OsStr::from_bytes(path));
        if !path.is_absolute() {
            // Relative to what is not known here: whoever writes it stands in another directory.
            let path = path.display();
            self.say(format_args!("dict={path}: the path of a dictionary begins with a slash"));
            return Err(Errno::EINVAL);
        }
        read_dictionary(path)
    }

    fn attach(&mut self, _: &[u8]) -> Result<Vec<u8>, Errno> {
        Err(Errno::EINVAL)
    }

    fn backing(&self) -> BdStat {
        BdStat::default()
    }

    fn writeback(&mut self, _: &[Writeback], _: Option<&mut u64>) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }
}

/// # Errors
///
/// `EINVAL` for what is no regular file, as the kernel says, and for one that is empty or too long.
fn read_dictionary(path: &Path) -> Result<Vec<u8>, Errno> {
    use std::io::Read as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let errno = |error: io::Error| Errno::from(&error);
    // Or opening a pipe would wait until somebody writes to it.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path).map_err(errno)?;
    if !file.metadata().map_err(errno)?.is_file() {
        return Err(Errno::EINVAL);
    }
    let mut bytes = Vec::new();
    file.take(LONGEST_DICTIONARY + 1).read_to_end(&mut bytes).map_err(errno)?;
    let is_taken = (1..=LONGEST_DICTIONARY).contains(&(bytes.len() as u64));
    if is_taken { Ok(bytes) } else { Err(Errno::EINVAL) }
}

#[cfg(test)]
mod tests {
    use sysfs_compat::abi::device::Device;
    use sysfs_compat::abi::{Attr, Kernel};
    use trueno_zram_store::MOST_PARAMETERS;

    use super::*;
    use crate::scratch::Scratch;

    /// However long the line was that the parameters were given with.
    #[test]
    fn settings_fit_into_the_arena() {
        let directory = Scratch::new("long");
        fs::write(directory.join("words"), "words").expect("written");
        // As many slashes as one likes are one.
        let path = format!("{}{}", "/".repeat(3900), directory.join("words").display());
        let served = Served::new(&Paths::new(Root::new("/")), u32::MAX, Settings::new(0));
        let mut device = Device::new(Kernel::newest(), served.clone());
        let line = format!("level={} deflate.winbits={} dict={path}", i32::MIN, i32::MIN);
        device.store(Attr::AlgorithmParams, line.as_bytes()).expect("accepted");
        let settings = Settings {
            disksize: u64::MAX,
            comp_algorithm: "deflate".to_owned(),
            algorithm_params: served.params(device.setup()),
            mem_limit: u64::MAX,
            ..Settings::new(0)
        };
        let params = &settings.algorithm_params;
        assert!(params.contains("dict=/run/trueno-ublk/zram4294967295/dictionary"), "{params}");
        assert!(settings.to_string().len() < MOST_PARAMETERS / 2, "{settings}");
    }

    #[test]
    fn a_dictionary_by_a_relative_path_is_refused() {
        let mut served = Served::new(&Paths::new(Root::new("/")), u32::MAX, Settings::new(0));
        let whole = fs::canonicalize("Cargo.toml").expect("where tests run");
        assert!(served.dictionary(whole.display().to_string().as_bytes()).is_ok());
        assert_eq!(served.dictionary(b"Cargo.toml"), Err(Errno::EINVAL));
    }

    #[test]
    fn a_dictionary_is_a_file_with_something_in_it() {
        let directory = Scratch::new("dictionary");
        let at = |name: &str| directory.join(name);
        let longest = usize::try_from(LONGEST_DICTIONARY).expect("a megabyte");
        fs::write(at("good"), "words").expect("written");
        fs::write(at("longest"), vec![1; longest]).expect("written");
        fs::write(at("too-long"), vec![1; longest + 1]).expect("written");
        fs::write(at("empty"), "").expect("written");
        assert_eq!(read_dictionary(&at("good")), Ok(b"words".to_vec()));
        assert_eq!(read_dictionary(&at("longest")).map(|bytes| bytes.len()), Ok(longest));
        assert_eq!(read_dictionary(&at("missing")), Err(Errno::ENOENT));
        rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), rustix::fs::Mode::RWXU).expect("made");
        for path in [at("too-long"), at("empty"), at("pipe"), "/dev/zero".into(), at(".")] {
            assert_eq!(read_dictionary(&path), Err(Errno::EINVAL), "{}", path.display());
        }
    }
}
