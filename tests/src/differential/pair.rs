//! The devices that are compared: one of the model, and one of each real make.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::time::Duration;

use crate::zram::{Make, RealDevice};
use rustix::fs::OFlags;
use sysfs_compat::abi::attr::Info;
use sysfs_compat::abi::control::Control;
use sysfs_compat::abi::device::Device;
use sysfs_compat::abi::kernel::PAGE_SIZE;
use sysfs_compat::abi::memory::Memory;
use sysfs_compat::abi::{Attr, Errno, Feature, Kernel};

use super::coverage::Coverage;
use super::step::Page;
use super::terms::Terms;
use super::world::World;

/// Room for the text of any attribute, and for the state of as many slots as a device ever has.
const TEXT_BYTES: usize = 64 << 10;

/// A time before the run, in seconds: after the boot, but early enough that it does not matter how
/// long the kernel takes to see what the test writes, nor that one of its clocks is coarse.
pub(super) const BEFORE: u64 = 5;

/// What went wrong, in words: a difference, or a step that could not be done at all.
pub(super) type Failure = String;

/// All devices, and what they stand in.
#[derive(Debug)]
pub(super) struct Pair {
    /// What the model imitates.
    pub kernel: Kernel,
    pub terms: Terms,
    /// All devices of the machine; those of others are there to keep their numbers.
    pub control: Control<Memory>,
    /// One of each make, under one number.
    pub reals: Vec<Real>,
    /// What has been written and must be read again.
    pub pages: BTreeMap<u64, Page>,
    /// When the first device was made: no page has been touched before.
    pub born: u64,
    // Last, because devices let go of their backing device only when they are removed.
    pub world: World,
}

/// A real device. The order of the fields is that of the clean-up: a device that is open cannot be
/// removed.
#[derive(Debug)]
pub(super) struct Real {
    pub held: Option<File>,
    readers: Vec<(Attr, File)>,
    block_state: Option<File>,
    pub device: RealDevice,
    /// A second device, for `hot_add` and `hot_remove`.
    pub spare: Option<RealDevice>,
}

impl Pair {
    pub(super) fn new(kernel: Kernel, makes: &[Make], terms: Terms) -> Result<Self, Failure> {
        while uptime()? < 2 * BEFORE {
            std::thread::sleep(Duration::from_secs(1));
        }
        let born = uptime()?;
        let world = World::new(&kernel).map_err(unable("make the files"))?;
        let mut control = Control::new();
        let devices = add_devices(makes, &mut control, &kernel, &world)?;
        let reals = devices.into_iter().map(|device| Real::new(device, &kernel));
        let reals = reals.collect::<Result<_, _>>().map_err(unable("open the attributes"))?;
        Ok(Pair { kernel, terms, control, reals, pages: BTreeMap::new(), born, world })
    }

    /// The first of the real devices; the others have its number.
    pub(super) fn real(&self) -> &Real {
        self.reals.first().expect("there is one of each make")
    }

    fn makes(&self) -> Vec<Make> {
        self.reals.iter().map(|real| real.device.make()).collect()
    }

    /// The model's device.
    pub(super) fn model(&self) -> &Device<Memory> {
        self.control.get(self.real().device.number()).expect("it is there while the real one is")
    }

    pub(super) fn model_mut(&mut self) -> &mut Device<Memory> {
        let number = self.real().device.number();
        self.control.get_mut(number).expect("it is there while the real one is")
    }

    /// Pages of the device, 0 before it is initialised.
    pub(super) fn pages(&self) -> u64 {
        self.model().setup().disksize / PAGE_SIZE
    }

    /// Makes the second device. There must be none.
    pub(super) fn add_spare(&mut self) -> Result<(), Failure> {
        let spares = add_devices(&self.makes(), &mut self.control, &self.kernel, &self.world)?;
        for (real, spare) in self.reals.iter_mut().zip(spares) {
            real.spare = Some(spare);
        }
        Ok(())
    }

    /// Replaces the devices, which have been removed, by new ones.
    pub(super) fn replace(&mut self) -> Result<(), Failure> {
        let fresh = add_devices(&self.makes(), &mut self.control, &self.kernel, &self.world)?;
        for (real, device) in self.reals.iter_mut().zip(fresh) {
            let mut new = Real::new(device, &self.kernel).map_err(unable("open the attributes"))?;
            new.spare = real.spare.take();
            std::mem::replace(real, new).device.forget();
        }
        self.pages.clear();
        Ok(())
    }

    /// Compares the text of every attribute that can be read.
    pub(super) fn compare_texts(&self, coverage: &mut Coverage) -> Result<(), Failure> {
        for real in &self.reals {
            let make = real.device.make();
            for (attr, file) in &real.readers {
                let text = read_from_start(file);
                coverage.shows += 1;
                coverage.count(reads_of(*attr), text.as_ref().map_err(|errno| *errno));
                let what = format!("text of {}", attr.name());
                // Of what is not there yet, no make has anything of its own to say.
                let is_bare = *attr == Attr::MmStat && !self.model().is_initialised();
                match (self.model().show(*attr), text) {
                    (Ok(model), Ok(text)) if is_bare => {
                        same(make, &what, lossy(&model), lossy(&text))?
                    }
                    (Ok(model), Ok(text)) => self.same_text(*attr, make, &what, &model, &text)?,
                    (model, text) => same(make, &what, model, text)?,
                }
            }
        }
        Ok(())
    }

    /// Compares texts of an attribute, by the terms where they grant something.
    pub(super) fn same_text(
        &self,
        attr: Attr,
        make: Make,
        what: &str,
        model: &[u8],
        real: &[u8],
    ) -> Result<(), Failure> {
        let [model, real] = self.terms.substituted(attr, make, [model, real].map(lossy))?;
        same(make, what, model, real)
    }

    /// Compares what the slots hold.
    pub(super) fn compare_slots(&self, coverage: &mut Coverage) -> Result<(), Failure> {
        for real in &self.reals {
            let Some(file) = &real.block_state else { continue };
            let model = if self.model().is_initialised() {
                let slots = self.model().backend().block_state();
                Ok(slots.map(|(index, flags)| format!("{index:12} {flags}")).collect::<Vec<_>>())
            } else {
                Err(Errno::EINVAL)
            };
            let slots = read_from_start(file)
                .map(|state| String::from_utf8_lossy(&state).lines().map(without_time).collect());
            coverage.block_states += 1;
            same(real.device.make(), "block_state", model, slots)?;
        }
        Ok(())
    }
}

impl Real {
    fn new(device: RealDevice, kernel: &Kernel) -> io::Result<Self> {
        let mut readers = Vec::new();
        let rows = sysfs_compat::abi::ATTRIBUTES.iter().filter(|row| row.exists(kernel));
        for row in rows.filter(|row| row.mode.reads()) {
            readers.push((row.attr, File::open(device.attribute(row.name))?));
        }
        let tracks = kernel.has(Feature::MemoryTracking);
        let block_state = tracks.then(|| File::open(device.block_state())).transpose()?;
        Ok(Real { held: None, readers, block_state, device, spare: None })
    }

    /// The block device, past the page cache: what is read and written there reaches the driver
    /// page by page and at once.
    pub(super) fn open_node(&self) -> Result<File, Failure> {
        let direct = i32::try_from(OFlags::DIRECT.bits()).unwrap_or_default();
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).custom_flags(direct).open(self.device.node());
        file.map_err(unable("open the block device"))
    }
}

/// Makes a device on every side, and checks that it gets the same number and has the same files.
fn add_devices(
    makes: &[Make],
    control: &mut Control<Memory>,
    kernel: &Kernel,
    world: &World,
) -> Result<Vec<RealDevice>, Failure> {
    follow_others(makes, control, kernel)?;
    let made = makes.iter().map(|&make| RealDevice::made_by(make));
    let devices: Vec<_> = made.collect::<Result<_, _>>().map_err(unable("make a device"))?;
    let first = devices.first().map(RealDevice::node).unwrap_or_default();
    let memory = Memory::new(kernel.clone(), world.files_for(&first));
    let number = control.hot_add(Device::new(kernel.clone(), memory));
    for device in &devices {
        let make = device.make();
        same(make, "hot_add", &number, &format!("{}\n", device.number()))?;
        let rows = sysfs_compat::abi::ATTRIBUTES.iter();
        for row in rows.filter(|row| is_known_of(make, row, makes)) {
            let is_there = device.attribute(row.name).exists();
            same(make, &format!("existence of {}", row.name), row.exists(kernel), is_there)?;
        }
    }
    Ok(devices)
}

/// Beside ours the kernel's may have been built with what both do not have, and then has more files.
fn is_known_of(make: Make, row: &Info, makes: &[Make]) -> bool {
    row.needs.is_none() || makes.len() == 1 || make == Make::Ublk
}

/// Gives the model the devices that others have made, and takes those that they have removed.
fn follow_others(
    makes: &[Make],
    control: &mut Control<Memory>,
    kernel: &Kernel,
) -> Result<(), Failure> {
    let mut real = BTreeSet::new();
    for make in makes {
        let numbers = make.numbers().map_err(unable("list the devices"))?;
        let numbers = numbers.into_iter().collect::<BTreeSet<_>>();
        if Some(make) != makes.first() && numbers != real {
            return Err(format!("devices {real:?} of one make and {numbers:?} of the other"));
        }
        real = numbers;
    }
    loop {
        let model = control.numbers().collect::<BTreeSet<_>>();
        if real.is_subset(&model) {
            break;
        }
        // Fills the lowest gap, wanted or not.
        let memory = Memory::new(kernel.clone(), BTreeMap::new());
        control.hot_add(Device::new(kernel.clone(), memory));
    }
    let extra = control.numbers().filter(|number| !real.contains(number)).collect::<Vec<_>>();
    for number in extra {
        control.hot_remove(number.to_string().as_bytes()).map_err(|errno| errno.to_string())?;
    }
    Ok(())
}

/// Seconds since boot.
pub(super) fn uptime() -> Result<u64, Failure> {
    let text = fs::read_to_string("/proc/uptime").map_err(unable("read the uptime"))?;
    let seconds = text.split('.').next().and_then(|seconds| seconds.parse().ok());
    seconds.ok_or_else(|| format!("cannot read the uptime {text:?}"))
}

/// A difference, unless there is none.
pub(super) fn same<T: PartialEq + Debug>(
    make: Make,
    what: &str,
    model: T,
    real: T,
) -> Result<(), Failure> {
    if model == real {
        return Ok(());
    }
    let who = match make {
        Make::Kernel => "the kernel",
        Make::Ublk => "the mirror",
    };
    Err(format!("{what}:\n    the model says  {model:?}\n    {who} says {real:?}"))
}

/// Reading a writable attribute is no sign that writing it has been tried.
fn reads_of(attr: Attr) -> &'static str {
    if attr.info().mode.writes() { super::coverage::READ } else { attr.name() }
}

fn read_from_start(file: &File) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0; TEXT_BYTES];
    let length = file.read_at(&mut buffer, 0).map_err(|error| Errno::from(&error))?;
    buffer.truncate(length);
    Ok(buffer)
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// A line of `block_state` less the time of the last access, which is 12 + 1 + 6 wide.
fn without_time(line: &str) -> String {
    const INDEX: usize = 12;
    const TIME: usize = 12 + 1 + 6;
    let index = line.get(..INDEX).unwrap_or(line);
    format!("{index}{}", line.get(INDEX + 1 + TIME..).unwrap_or_default())
}

pub(super) fn unable(what: &str) -> impl Fn(io::Error) -> Failure {
    move |error| format!("cannot {what}: {error}")
}
