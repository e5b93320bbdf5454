//! The life of a device, as its attributes see it: what may be written when, in which order things
//! are checked, what a reset clears.
//!
//! [`Device`] is the state machine; what it cannot know (pages, memory, openers) it asks of a
//! [`Backend`]. It never blocks and has no side effect but through the backend, so the same code
//! serves tests, the mirror and anything else that wants to behave like zram.

use super::algorithm::{AlgorithmParams, CompAlgorithm, PRIORITIES, RecompAlgorithm, RecompChoice};
use super::attr::{ATTRIBUTES, Attr, Info};
use super::errno::Errno;
use super::kernel::{Change, Kernel, PAGE_SIZE};
use super::number::{
    Base, Memparse, c_string, kstrtobool, kstrtou16, kstrtouint, kstrtoull, memparse_of,
};
use super::request::{Idle, Recompress, Writeback};
use super::stat::{DebugStat, IoStat, MmStat};

mod backend;
pub use backend::{Backend, CreateError, Setup};

/// Longest algorithm name, final NUL included (`ZRAM_MAX_ALGO_NAME_SZ`).
const ALGORITHM_NAME_SIZE: usize = 128;

/// Longest path, final NUL included (`PATH_MAX`).
const PATH_SIZE: usize = 4096;

/// `writeback_batch_size` of a new device.
const WRITEBACK_BATCH_SIZE: u32 = 32;

/// One device: settings, rules, and the backend behind them.
#[derive(Debug, Clone)]
pub struct Device<B> {
    kernel: Kernel,
    backend: B,
    /// `disksize` is 0 until it is initialised.
    setup: Setup,
    mem_limit: u64,
    backing: Option<Vec<u8>>,
    writeback_limit: u64,
    writeback_limit_enable: bool,
    writeback_batch_size: u32,
}

impl<B: Backend> Device<B> {
    /// A device as hot_add makes it.
    pub fn new(kernel: Kernel, backend: B) -> Self {
        let setup = Setup::fresh(&kernel);
        Device {
            kernel,
            backend,
            setup,
            mem_limit: 0,
            backing: None,
            writeback_limit: 0,
            writeback_limit_enable: false,
            writeback_batch_size: WRITEBACK_BATCH_SIZE,
        }
    }

    /// The kernel it behaves like.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// The pages behind it.
    pub fn backend(&self) -> &B {
        &self.backend
    }

    /// The pages behind it, for whoever moves them.
    pub fn backend_mut(&mut self) -> &mut B {
        &mut self.backend
    }

    /// What it is made from, or the next `disksize` would make it from.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// How many pages `writeback` may have in flight.
    pub fn writeback_batch_size(&self) -> u32 {
        self.writeback_batch_size
    }

    /// The attribute files it has, in the order of the table.
    pub fn attributes(&self) -> impl Iterator<Item = &'static Info> {
        ATTRIBUTES.iter().filter(|info| info.exists(&self.kernel))
    }

    /// What open(2) of an attribute file finds: `ENOENT`, or `EACCES` for the wrong direction.
    ///
    /// # Errors
    /// As said.
    pub fn open(&self, name: &str, read: bool, write: bool) -> Result<Attr, Errno> {
        let info = self.attributes().find(|info| info.name == name).ok_or(Errno::ENOENT)?;
        if (read && !info.mode.reads()) || (write && !info.mode.writes()) {
            return Err(Errno::EACCES);
        }
        Ok(info.attr)
    }

    /// Whether `disksize` is set.
    pub fn is_initialised(&self) -> bool {
        self.setup.disksize != 0
    }

    /// The text of an attribute file.
    ///
    /// # Errors
    /// `ENOENT` when the device has no such file, `EACCES` when it cannot be read.
    pub fn show(&self, attr: Attr) -> Result<Vec<u8>, Errno> {
        self.open(attr.name(), true, false)?;
        let flag = |set: bool| format!("{}\n", u8::from(set));
        Ok(match attr {
            Attr::Disksize => format!("{}\n", self.setup.disksize),
            Attr::Initstate => flag(self.is_initialised()),
            Attr::CompAlgorithm => self.algorithm_line(0).to_string(),
            Attr::RecompAlgorithm => self.recomp_algorithm().to_string(),
            Attr::MaxCompStreams => format!("{}\n", self.kernel.cpus),
            Attr::MmStat => self.mm_stat().to_string(),
            Attr::IoStat => self.io_stat().to_string(),
            Attr::DebugStat => self.debug_stat().to_string(),
            Attr::BdStat => self.backend.backing().to_string(),
            Attr::BackingDev => {
                let mut path = self.backing.clone().unwrap_or_else(|| b"none".to_vec());
                path.push(b'\n');
                return Ok(path);
            }
            Attr::WritebackLimit => format!("{}\n", self.writeback_limit),
            Attr::WritebackLimitEnable => flag(self.writeback_limit_enable),
            Attr::WritebackBatchSize => format!("{}\n", self.writeback_batch_size),
            Attr::CompressedWriteback => flag(self.setup.compressed_writeback),
            Attr::Reset
            | Attr::AlgorithmParams
            | Attr::MemLimit
            | Attr::MemUsedMax
            | Attr::Compact
            | Attr::Idle
            | Attr::Recompress
            | Attr::Writeback => return Err(Errno::EACCES),
        }
        .into_bytes())
    }

    /// One write(2) to an attribute file. Returns how many bytes it took: all of them, or a page
    /// at most.
    ///
    /// # Errors
    /// Those that the attribute's row names, and `ENOENT` or `EACCES` as for [`Device::show`].
    pub fn store(&mut self, attr: Attr, buffer: &[u8]) -> Result<usize, Errno> {
        self.open(attr.name(), false, true)?;
        let taken = taken(buffer);
        if taken.is_empty() {
            return Ok(0);
        }
        let text = c_string(taken);
        match attr {
            Attr::Disksize => self.store_disksize(text),
            Attr::Reset => self.store_reset(text),
            Attr::CompAlgorithm => self.store_algorithm(0, text),
            Attr::RecompAlgorithm => {
                let choice = RecompChoice::parse(text)?;
                self.store_algorithm(choice.priority, &choice.algorithm)
            }
            Attr::AlgorithmParams => self.store_params(text),
            Attr::MemLimit => self.store_mem_limit(text),
            Attr::MemUsedMax => self.store_mem_used_max(text),
            Attr::Compact => self.initialised().and_then(|()| self.backend.compact()),
            Attr::Idle => {
                let idle = Idle::parse(text, &self.kernel)?;
                self.initialised().and_then(|()| self.backend.mark_idle(idle))
            }
            Attr::MaxCompStreams => Ok(()),
            Attr::Recompress => self.store_recompress(text),
            Attr::BackingDev => self.store_backing_dev(text),
            Attr::Writeback => self.store_writeback(text),
            Attr::WritebackLimit => {
                self.writeback_limit = kstrtoull(text, Base::Ten).map_err(|_| Errno::EINVAL)?;
                Ok(())
            }
            Attr::WritebackLimitEnable => {
                let number = kstrtoull(text, Base::Ten).map_err(|_| Errno::EINVAL)?;
                self.writeback_limit_enable = number != 0;
                Ok(())
            }
            Attr::WritebackBatchSize => match kstrtouint(text, Base::Ten) {
                Ok(size @ 1..) => {
                    self.writeback_batch_size = size;
                    Ok(())
                }
                _ => Err(Errno::EINVAL),
            },
            Attr::CompressedWriteback => {
                let compressed = kstrtobool(text)?;
                self.not_initialised()?;
                self.setup.compressed_writeback = compressed;
                Ok(())
            }
            Attr::Initstate | Attr::IoStat | Attr::MmStat | Attr::DebugStat | Attr::BdStat => {
                Err(Errno::EACCES)
            }
        }?;
        Ok(taken.len())
    }

    fn store_disksize(&mut self, text: &[u8]) -> Result<(), Errno> {
        let Memparse { value, .. } = memparse_of(text, &self.kernel);
        if value == 0 {
            return Err(Errno::EINVAL);
        }
        self.not_initialised()?;
        // Rounding up the largest values wraps to 0, for which no table can be allocated.
        let disksize = value.wrapping_add(PAGE_SIZE - 1) & !(PAGE_SIZE - 1);
        if disksize == 0 {
            return Err(Errno::ENOMEM);
        }
        let setup = Setup { disksize, ..self.setup.clone() };
        match self.backend.create(&setup) {
            Ok(()) => {
                self.setup = setup;
                Ok(())
            }
            Err(CreateError::Table) => Err(Errno::ENOMEM),
            Err(CreateError::Served(errno)) => Err(errno),
            Err(CreateError::Compressor(errno)) => {
                if self.kernel.after(Change::FailedSetupForgets) {
                    self.forget_algorithms();
                }
                Err(errno)
            }
        }
    }

    fn store_reset(&mut self, text: &[u8]) -> Result<(), Errno> {
        if kstrtou16(text, Base::Ten)? == 0 {
            return Err(Errno::EINVAL);
        }
        if self.backend.is_open() {
            return Err(Errno::EBUSY);
        }
        self.backend.destroy()?;
        // The limits on writeback and how it is done outlive a reset, whatever the kernel's
        // documentation says.
        let fresh = Setup::fresh(&self.kernel);
        let old = std::mem::replace(&mut self.setup, fresh);
        self.setup.compressed_writeback = old.compressed_writeback;
        if !self.kernel.after(Change::ResetForgetsAlgorithm) {
            self.setup.algorithms = old.algorithms;
        }
        self.mem_limit = 0;
        self.backing = None;
        self.backend.limit_memory(0)
    }

    fn store_algorithm(&mut self, slot: usize, text: &[u8]) -> Result<(), Errno> {
        let kernel = &self.kernel;
        let name = if kernel.after(Change::OwnAlgorithms) {
            if text.len() >= ALGORITHM_NAME_SIZE {
                return Err(Errno::E2BIG);
            }
            text
        } else {
            text.get(..ALGORITHM_NAME_SIZE - 1).unwrap_or(text)
        };
        let stored = kernel.algorithm(name).ok_or(Errno::EINVAL)?;
        self.not_initialised()?;
        if let Some(algorithm) = self.setup.algorithms.get_mut(slot) {
            *algorithm = Some(stored);
        }
        Ok(())
    }

    fn store_params(&mut self, text: &[u8]) -> Result<(), Errno> {
        let params = AlgorithmParams::parse(text, &self.kernel)?;
        if self.kernel.after(Change::ParamsBeforeInit) {
            self.not_initialised()?;
        }
        let slot = params.slot(&self.setup.algorithms, &self.kernel)?;
        let dictionary = params.dictionary.as_deref().map(|path| self.backend.dictionary(path));
        // The old parameters go before the dictionary is read, and stay gone if that fails.
        let (params, dictionary, result) = match dictionary.transpose() {
            Ok(dictionary) => (params, dictionary.unwrap_or_default(), Ok(())),
            Err(_) => (AlgorithmParams::default(), Vec::new(), Err(Errno::EINVAL)),
        };
        // On kernels that take parameters of a live device they serve nobody: the compressor read
        // them when it was made, and reset forgets them.
        if let Some(place) = self.setup.params.get_mut(slot) {
            *place = params;
        }
        if let Some(place) = self.setup.dictionaries.get_mut(slot) {
            *place = dictionary;
        }
        result
    }

    fn store_mem_limit(&mut self, text: &[u8]) -> Result<(), Errno> {
        let number = memparse_of(text, &self.kernel);
        let nothing_read = if self.kernel.after(Change::MemparseSaturates) {
            !number.digits
        } else {
            !number.digits && !number.suffix
        };
        if nothing_read {
            return Err(Errno::EINVAL);
        }
        let limit = number.value.wrapping_add(PAGE_SIZE - 1) & !(PAGE_SIZE - 1);
        self.backend.limit_memory(limit)?;
        self.mem_limit = limit;
        Ok(())
    }

    fn store_mem_used_max(&mut self, text: &[u8]) -> Result<(), Errno> {
        if kstrtoull(text, Base::Ten) != Ok(0) {
            return Err(Errno::EINVAL);
        }
        if self.is_initialised() { self.backend.reset_peak() } else { Ok(()) }
    }

    fn store_recompress(&mut self, text: &[u8]) -> Result<(), Errno> {
        let request = Recompress::parse(text, &self.kernel)?;
        self.initialised()?;
        let slots = request.slots(&self.setup.algorithms, &self.kernel)?;
        self.backend.recompress(&request, slots)
    }

    fn store_backing_dev(&mut self, text: &[u8]) -> Result<(), Errno> {
        self.not_initialised()?;
        let path = text.get(..PATH_SIZE - 1).unwrap_or(text);
        let path = path.strip_suffix(b"\n").unwrap_or(path);
        self.backing = Some(self.backend.attach(path)?);
        Ok(())
    }

    fn store_writeback(&mut self, text: &[u8]) -> Result<(), Errno> {
        let pages = self.setup.disksize / PAGE_SIZE;
        let has_backing = || if self.backing.is_some() { Ok(()) } else { Err(Errno::ENODEV) };
        let items = if self.kernel.after(Change::WritebackList) {
            self.initialised()?;
            has_backing()?;
            Writeback::parse(text, pages, &self.kernel)?
        } else {
            let item = Writeback::parse_word(text, &self.kernel)?;
            self.initialised()?;
            let fits = if item.fits(pages) { Ok(()) } else { Err(Errno::EINVAL) };
            if self.kernel.after(Change::WritebackIndexFirst) {
                fits.and_then(|()| has_backing())?;
            } else {
                has_backing().and(fits)?;
            }
            vec![item]
        };
        let budget = self.writeback_limit_enable.then_some(&mut self.writeback_limit);
        self.backend.writeback(&items, budget)
    }

    fn initialised(&self) -> Result<(), Errno> {
        if self.is_initialised() { Ok(()) } else { Err(Errno::EINVAL) }
    }

    fn not_initialised(&self) -> Result<(), Errno> {
        if self.is_initialised() { Err(Errno::EBUSY) } else { Ok(()) }
    }

    fn forget_algorithms(&mut self) {
        let fresh = Setup::fresh(&self.kernel);
        self.setup.algorithms = fresh.algorithms;
        self.setup.params = fresh.params;
        self.setup.dictionaries = fresh.dictionaries;
        let lost = self.kernel.after(Change::DefaultIsLost);
        if lost && !self.kernel.after(Change::DefaultComesBack) {
            self.setup.algorithms = [const { None }; PRIORITIES];
        }
    }

    fn mm_stat(&self) -> MmStat {
        MmStat { mem_limit: self.mem_limit, ..self.backend.memory() }
    }

    fn io_stat(&self) -> IoStat {
        let stat = self.backend.io();
        let prints_invalid = !self.kernel.after(Change::IoStatWithoutInvalid);
        let invalid_io = prints_invalid.then(|| stat.invalid_io.unwrap_or(0));
        IoStat { invalid_io, ..stat }
    }

    fn debug_stat(&self) -> DebugStat {
        let stat = self.backend.debug();
        let prints_stalls = !self.kernel.after(Change::DebugStatWithoutWritestall);
        let writestall = prints_stalls.then(|| stat.writestall.unwrap_or(0));
        DebugStat { writestall, ..stat }
    }

    fn recomp_algorithm(&self) -> RecompAlgorithm {
        let set = (0u32..).zip(&self.setup.algorithms).skip(1).filter(|(_, name)| name.is_some());
        let lines = set.map(|(slot, _)| (slot, self.algorithm_line(slot as usize)));
        RecompAlgorithm { lines: lines.collect() }
    }

    fn algorithm_line(&self, slot: usize) -> CompAlgorithm {
        let selected = self.setup.algorithms.get(slot).cloned().flatten();
        let mut names = self.kernel.algorithms.clone();
        if !self.kernel.after(Change::OwnAlgorithms) {
            // What the crypto API knows beyond the list stands behind it.
            names.extend(
                selected.iter().filter(|&name| !self.kernel.algorithms.contains(name)).cloned(),
            );
        }
        CompAlgorithm { names, selected }
    }
}

/// How much of a write(2) the driver sees: sysfs hands over a page at most. With nothing at all the
/// driver is not called, and the write returns 0.
#[must_use]
pub fn taken(buffer: &[u8]) -> &[u8] {
    let page = usize::try_from(PAGE_SIZE).unwrap_or(usize::MAX);
    buffer.get(..page).unwrap_or(buffer)
}

#[cfg(test)]
mod tests;
