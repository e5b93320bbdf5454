//! `trueno-ublk worker`: the process that serves one device.
//!
//! ```text
//! armour.rs              what keeps it from waiting for itself
//! device.rs              making a device, taking one over
//! team.rs, serve.rs      the queues' threads, and the loop of each
//! pages.rs               where pages are: in the store, or nowhere
//! grow.rs                the thread that gets memory
//! socket.rs, jobs.rs     what a running device is asked to do
//! seat.rs, warm.rs       what is ready before it is needed
//! ready.rs               what it tells whoever has started it
//! ```
//!
//! Who has the directory's lock serves the device. Everything that needs memory is done before the
//! lock is asked for, so that a standby has next to nothing to do when the serving worker dies.

mod armour;
mod device;
mod grow;
mod jobs;
mod pages;
#[cfg(feature = "planted-early-acknowledgement")]
mod planted;
mod ready;
mod seat;
mod serve;
pub mod socket;
mod team;
mod warm;

use std::ffi::CStr;
use std::fmt;
use std::fs::File;
use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::channel;

use anyhow::{Context as _, bail, ensure};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use sysfs_compat::client::Root;
use trueno_zram_core::PageCompressor;
use trueno_zram_region::FileRegion;
use trueno_zram_store::{Codecs, Device, Error};

use crate::directory::{Directory, Settings, Ublk};
use crate::ublk::Bell;
use crate::ublk::control::{self, ControlDevice};
use crate::ublk::uapi::{DevInfo, flags};
use armour::Work;
pub(crate) use device::remove_orphan;
use grow::Grower;
use jobs::Workbench;
use ready::{Ready, Told};
use seat::Seat;
use socket::{Socket, Tray};
use team::{Engine, Team};
use warm::Warm;

/// What a worker is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The device's directory.
    pub directory: PathBuf,
    /// The descriptor, inherited from whoever starts it, to which it tells of its start; without, it
    /// tells standard error.
    pub ready: Option<u32>,
    /// Make the device, where there is none. Without, there must be one to take over: whoever is started
    /// in place of another and comes late, after a reset, makes nothing that nobody asked for.
    pub create: bool,
    /// Keep no pages: a ceiling for benchmarks, on a device of which nothing can be read back.
    pub null: bool,
}

/// What workers are called in lists of processes.
pub(crate) const NAME: &CStr = c"trueno-ublk";

/// Serves a device until it is stopped.
///
/// # Errors
///
/// There is no device to serve. It was told, with its errno, to whoever listens.
pub fn run(options: &Options, root: &Root) -> anyhow::Result<()> {
    // It was started by way of /proc/self/exe, and would be called so.
    rustix::thread::set_name(NAME).ok();
    let mut ready = Ready::open(options.ready, root).context("--ready")?;
    serve(options, root, &mut ready).map_err(|error| {
        ready.tell(&Told::Failed(&error));
        Reported.into()
    })
}

/// Why nothing is served was said already, to whoever can tell whether that matters: a worker that comes
/// up while its device goes away fails, and nobody wants to read of it.
#[derive(Debug)]
pub(crate) struct Reported;

impl fmt::Display for Reported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the worker has failed")
    }
}

impl std::error::Error for Reported {}

/// The number of a failure, for those who answer with one: `EINVAL` where it has none.
fn errno_of(error: &anyhow::Error) -> i32 {
    let number = |cause: &(dyn std::error::Error + 'static)| {
        if let Some(error) = cause.downcast_ref::<std::io::Error>() {
            return error.raw_os_error();
        }
        if let Some(error) = cause.downcast_ref::<Errno>() {
            return Some(error.raw_os_error());
        }
        if let Some(error) = cause.downcast_ref::<control::Error>() {
            return Some(error.errno());
        }
        cause.downcast_ref::<Error>().map(Error::errno)
    };
    error.chain().find_map(number).unwrap_or(libc::EINVAL)
}

/// What is ready before the device is ours.
struct Prepared {
    directory: Directory,
    settings: Settings,
    codec: Option<PageCompressor>,
    /// The arena, if there was one already.
    region: Option<FileRegion>,
    control: ControlDevice,
    team: Team,
    growing: Arc<Bell>,
    /// Without work yet.
    grow: Option<Seat<Grower>>,
    listen: Seat<Socket>,
    work: Seat<(Workbench, Tray)>,
}

fn serve(options: &Options, root: &Root, ready: &mut Ready) -> anyhow::Result<()> {
    let path = options.directory.canonicalize();
    let path = path.with_context(|| options.directory.display().to_string())?;
    let directory = Directory::new(path);
    for missing in armour::put_on(root, directory.path()) {
        ready.tell(&Told::Warning(missing.to_string()));
    }
    let (over, is_over) = channel();
    let ended = move |how| over.send(how).unwrap_or(());
    let mut prepared = Prepared::new(directory, root, options.null, ended)?;
    // Only the end of the process opens it, when no thread is left that touches the arena; also when this
    // function fails.
    let lock = ManuallyDrop::new(prepared.directory.lock()?);
    let has_waited = prepared.wait_for(&lock, ready)?;
    let may_create = options.create && !has_waited;
    let begun = prepared.begin(root, may_create, has_waited, ready)?;
    let Some((info, engine)) = begun else { return Ok(()) };
    let queues = prepared.team.len();
    prepared.serve(&info, &engine)?;
    ready.tell(&Told::Ready(info.dev_id));
    for _ in 0..queues {
        if let Err(error) = is_over.recv().context("a queue's thread has ended")? {
            armour::last_words(&format_args!("{error:#}"));
            std::process::abort();
        }
    }
    // The other threads end with the process, wherever they are: no more than a kill would do.
    Ok(())
}

impl Prepared {
    /// Everything that needs memory, as far as it can be had before the device.
    fn new(
        directory: Directory,
        root: &Root,
        is_null: bool,
        ended: impl Fn(anyhow::Result<()>) + Clone + Send + 'static,
    ) -> anyhow::Result<Self> {
        let mut settings = directory.settings()?;
        ensure!(settings.disksize > 0, "{}: disksize is not set", directory.path().display());
        let region = match directory.ublk()? {
            Some(_) if !is_null => Some(device::open_arena(&directory)?),
            _ => None,
        };
        if let Some((_, parameters)) = &region {
            // What the pages were written with, whatever the file says now.
            settings = parameters.parse().context("the parameters of the arena")?;
        }
        let codec = match is_null {
            true => None,
            false => Some(device::codec(&settings, directory.dictionary()?.as_deref())?),
        };
        if let Some(codec) = &codec {
            // For each thread what it will need, so that the heap has it then.
            drop((0..=settings.queues).map(|_| codec.scratch()).collect::<Vec<_>>());
        }
        // The kernel's worker for this ring inherits the armour, and one such worker stays.
        let mut control = ControlDevice::open(root)?;
        control.features()?;
        Ok(Self {
            team: Team::prepare(&directory, &settings, ended)?,
            directory,
            settings,
            codec,
            region: region.map(|(region, _)| region),
            control,
            growing: Arc::new(Bell::new()?),
            grow: Some(Seat::new("grow", Work::Chores, |grower: Grower| grower.run())?),
            listen: Seat::new("socket", Work::Chores, Socket::run)?,
            work: Seat::new("jobs", Work::Pages, |(mut bench, tray): (Workbench, Tray)| {
                tray.run(|job| bench.work(job));
            })?,
        })
    }

    /// Waits until nobody else serves the device; whether somebody did.
    fn wait_for(&mut self, lock: &File, ready: &mut Ready) -> anyhow::Result<bool> {
        let told = "the lock of the directory";
        match flock(lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(false),
            Err(Errno::WOULDBLOCK) => {}
            Err(errno) => return Err(errno).context(told),
        }
        let warm = self.region.take().map(Warm::begin).transpose()?;
        ready.tell(&Told::Standby);
        loop {
            match flock(lock, FlockOperation::LockExclusive) {
                Ok(()) => break,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno).context(told),
            }
        }
        self.region = warm.and_then(Warm::end);
        Ok(true)
    }

    /// Makes the device or takes it over; nothing if there is none any more.
    fn begin(
        &mut self,
        root: &Root,
        may_create: bool,
        has_waited: bool,
        ready: &mut Ready,
    ) -> anyhow::Result<Option<(DevInfo, Engine)>> {
        let Some(ublk) = self.directory.ublk()? else {
            // Somebody may have changed his mind, or another supervisor does not know of this process.
            let is_wanted = may_create && self.directory.settings()?.disksize > 0;
            return is_wanted.then(|| self.create(root)).transpose();
        };
        let taken = self.take_over(root, ublk, ready)?;
        if taken.is_none() && !has_waited {
            return Err(Errno::NODEV).with_context(|| {
                format!(
                    "{}: ublk device {} was stopped; remove the file `ublk` there to begin anew",
                    self.directory.path().display(),
                    ublk.id
                )
            });
        }
        Ok(taken)
    }

    fn create(&mut self, root: &Root) -> anyhow::Result<(DevInfo, Engine)> {
        let (engine, mark) = match self.codec.take() {
            None => (Engine::Null, device::mark(device::new_id()?)),
            Some(codec) => {
                device::remove_orphan(&mut self.control, &self.directory)?;
                let device = device::format(&self.directory, &self.settings, codec)?;
                let mark = device::mark(device.id());
                device.maintain();
                (Engine::Store(device), mark)
            }
        };
        let info = device::add(&mut self.control, &self.directory, &self.settings, mark)?;
        let started = self.load(&info, &engine).and_then(|()| self.attach(root, &info));
        let started = started.and_then(|()| Ok(self.control.start(info.dev_id)?));
        if let Err(error) = started {
            // Tags that were fetched come back, the threads end and close the device.
            self.control.stop(info.dev_id).ok();
            if std::mem::take(&mut self.team).end() {
                device::remove(&mut self.control, &self.directory, info.dev_id);
            }
            return Err(error);
        }
        Ok((info, engine))
    }

    /// Takes the device over; nothing if it was stopped. All that takes time or may fail comes first.
    fn take_over(
        &mut self,
        root: &Root,
        ublk: Ublk,
        ready: &mut Ready,
    ) -> anyhow::Result<Option<(DevInfo, Engine)>> {
        let Some(info) = device::look(&mut self.control, ublk)? else { return Ok(None) };
        let engine = self.recover(ublk, ready)?;
        self.load(&info, &engine)?;
        let Some(info) = device::take_over(&mut self.control, ublk)? else { return Ok(None) };
        let attached = self.attach(root, &info);
        attached.with_context(|| format!("ublk device {} cannot be taken over", ublk.id))?;
        self.control.end_recovery(info.dev_id)?;
        Ok(Some((info, engine)))
    }

    /// The pages. Who served them is dead: the kernel has opened the lock when the last of its threads
    /// has closed its files, and none does anything of its own after that. The kernel itself, which may
    /// still be busy with its requests, knows nothing of the arena.
    fn recover(&mut self, ublk: Ublk, ready: &mut Ready) -> anyhow::Result<Engine> {
        let Some(codec) = self.codec.take() else { return Ok(Engine::Null) };
        let region = match self.region.take() {
            Some(region) => region,
            None => {
                let (region, parameters) = device::open_arena(&self.directory)?;
                // There was none when the codec was made: who made it may have read other settings.
                ensure!(
                    parameters == self.settings.to_string(),
                    "the arena was made with other settings than this process has read"
                );
                region
            }
        };
        let told = || self.directory.arena().display().to_string();
        // What was backed since the last look.
        region.populate_backed().with_context(told)?;
        let recovered = Device::recover(region, Codecs::new(codec));
        let (device, found) = recovered.with_context(told)?;
        if let Some(first) = found.first_damaged {
            let text = format!("{} pages are damaged, {first} first", found.damaged);
            ready.tell(&Told::Warning(text));
        }
        let is_its = device::mark(device.id()) == ublk.mark;
        ensure!(is_its, "{} is not the arena of ublk device {}", told(), ublk.id);
        Ok(Engine::Store(device))
    }

    /// Gives the queues' threads and the grow thread what they serve from.
    fn load(&mut self, info: &DevInfo, engine: &Engine) -> anyhow::Result<()> {
        let Settings { depth, io_size, user_copy, .. } = self.settings;
        let is_copying = info.flags & flags::USER_COPY != 0;
        if info.queue_depth != depth || info.max_io_buf_bytes > io_size || is_copying != user_copy {
            bail!("ublk device {} was made with other settings than its arena", info.dev_id);
        }
        self.team.truncate(info.nr_hw_queues);
        // Before the first request: what has died took its headroom along.
        if let (Engine::Store(device), Some(grow)) = (engine, self.grow.take()) {
            let (bell, queues) = (Arc::clone(&self.growing), self.team.bells());
            grow.take(Grower { device: device.clone(), bell, queues })?;
        }
        self.team.load(self.settings.pages(), engine, &self.growing)
    }

    /// Gives the queues' threads the device.
    fn attach(&self, root: &Root, info: &DevInfo) -> anyhow::Result<()> {
        self.team.attach(device::open(root, info)?)
    }

    /// Gives the other threads their work.
    fn serve(self, info: &DevInfo, engine: &Engine) -> anyhow::Result<()> {
        let Engine::Store(device) = engine else { return Ok(()) };
        let path = self.directory.socket();
        let bound = Socket::bind(&path, info.dev_id);
        let (socket, tray) = bound.with_context(|| path.display().to_string())?;
        self.work.take((Workbench::new(device.clone(), self.growing)?, tray))?;
        self.listen.take(socket)
    }
}
