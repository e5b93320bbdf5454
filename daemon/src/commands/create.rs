//! `create`: a device, step by step through its attribute files.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::json;
use sysfs_compat::abi::{Errno, size};
use sysfs_compat::client::control::Purpose;
use sysfs_compat::client::{Device, Kind, control, mirror, swap};

use super::daemon;
use super::{Usage, number, print, remove};
use crate::args::Call;
use crate::log::say;
use crate::paths::Paths;

/// devtmpfs makes the node at once; udev may move it about.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// What a command line asks for.
#[derive(Debug)]
pub(crate) struct Wanted {
    size: u64,
    /// To be written before `disksize`.
    settings: Vec<Setting>,
    /// Swap on it, with this priority.
    swap: Option<Option<u16>>,
    json: bool,
}

/// One file, and what to write to it.
#[derive(Debug)]
struct Setting {
    file: &'static str,
    text: String,
    /// As it stood on the command line, for messages.
    given: String,
}

/// A device that was made.
#[derive(Debug)]
pub(crate) struct Created {
    pub(crate) device: Device,
    node: PathBuf,
    json: bool,
}

/// Makes a device and prints its node.
pub(crate) fn run(paths: &Paths, call: &Call) -> anyhow::Result<()> {
    let wanted = wanted(call)?;
    daemon::ensure(paths)?;
    make(paths, &wanted)?.announce()
}

impl Created {
    /// Prints what it is called.
    pub(crate) fn announce(&self) -> anyhow::Result<()> {
        if !self.json {
            print(self.node.display());
            return Ok(());
        }
        let number = number(&self.device)?;
        print(json!({
            "node": self.node.to_string_lossy(),
            "name": format!("trueno/zram{number}"),
            "link": format!("/dev/trueno/zram{number}"),
            "attributes": format!("{}/zram{number}", crate::paths::MIRROR),
        }));
        Ok(())
    }
}

/// What the command line asks for.
///
/// # Errors
///
/// [`Usage`]: what it says is nothing that one can ask for.
pub(crate) fn wanted(call: &Call) -> anyhow::Result<Wanted> {
    Ok(read(call).map_err(Usage)?)
}

fn read(call: &Call) -> anyhow::Result<Wanted> {
    let text = call.value("size").context("--size is missing: how large shall the device be?")?;
    let size = parse_size("size", text)?;
    ensure!(size > 0, "--size 0: a device has at least one page");
    ensure!(
        size.is_multiple_of(4096),
        "--size {}: {size} bytes are no whole pages of 4096",
        text.display()
    );
    let mut settings = Vec::new();
    for (option, file) in [
        ("algorithm", "comp_algorithm"),
        ("algorithm-params", "algorithm_params"),
        ("queues", "trueno/queues"),
        ("depth", "trueno/depth"),
        ("id", "trueno/ublk_id"),
    ] {
        if let Some(value) = call.value(option) {
            let value = value.to_str().with_context(|| format!("--{option}: not UTF-8"))?;
            // Writing nothing is no write, so nobody else would object.
            ensure!(!value.is_empty(), "--{option}: the value is empty");
            let (text, given) = (value.to_owned(), value.to_owned());
            settings.push(Setting { file, text, given });
        }
    }
    for (option, file) in [("mem-limit", "mem_limit"), ("io-size", "trueno/io_size")] {
        if let Some(value) = call.value(option) {
            let text = parse_size(option, value)?.to_string();
            settings.push(Setting { file, text, given: value.display().to_string() });
        }
    }
    if call.has("user-copy") {
        let (text, given) = ("1".to_owned(), "1".to_owned());
        settings.push(Setting { file: "trueno/user_copy", text, given });
    }
    let swap = call.has("swap").then(|| call.value("swap").map(parse_priority).transpose());
    Ok(Wanted { size, settings, swap: swap.transpose()?, json: call.has("json") })
}

fn parse_size(option: &str, text: &OsStr) -> anyhow::Result<u64> {
    let shown = text.display();
    let parsed = size::parse(text.as_encoded_bytes(), ".");
    parsed.map_err(|_| anyhow::anyhow!("--{option} {shown}: not a size; 512M or 8G, for example"))
}

fn parse_priority(text: &OsStr) -> anyhow::Result<u16> {
    let number = text.to_str().and_then(|text| text.parse().ok()).filter(|&n| n <= 32767);
    number.with_context(|| format!("--swap={}: a priority is 0 to 32767", text.display()))
}

/// Makes a device; the service runs already.
pub(crate) fn make(paths: &Paths, wanted: &Wanted) -> anyhow::Result<Created> {
    // Who looks for a free device waits until this one has its size.
    let _lock =
        control::lock(paths.root(), Kind::Ublk, Purpose::Add).context("cannot make a device")?;
    let device =
        control::hot_add(paths.root(), Kind::Ublk).map_err(|error| match error.errno() {
            Errno::EACCES => anyhow::anyhow!("making a device takes root"),
            _ => anyhow::Error::new(error).context("cannot make a device"),
        })?;
    set_up(paths, &device, wanted).inspect_err(|_| {
        // Nothing half made stays behind. Why it could not be made is what the caller wants to know.
        if let Err(error) = remove(&device) {
            say(format_args!("{error:#}"));
        }
    })
}

fn set_up(paths: &Paths, device: &Device, wanted: &Wanted) -> anyhow::Result<Created> {
    let number = number(device)?;
    if wanted.swap.is_some() {
        swap::check(device).map_err(|error| match error.errno() {
            Errno::EOPNOTSUPP => anyhow::anyhow!(
                "this kernel cannot keep the device's memory out of swap (noswap, Linux 6.4), so swap on \
                 it could wait for itself"
            ),
            _ => error.into(),
        })?;
    }
    for Setting { file, text, given } in &wanted.settings {
        device.write(file, text.as_bytes()).map_err(|error| refused(file, given, error.errno()))?;
    }
    let size = wanted.size.to_string();
    device
        .write("disksize", size.as_bytes())
        .map_err(|error| refused("disksize", &size, error.errno()))?;
    // Now it has a node.
    let device = Device::numbered(paths.root(), Kind::Ublk, number)?;
    let id = device.read("trueno/ublk_id")?;
    let node = PathBuf::from(format!("/dev/ublkb{}", id.trim()));
    wait_for(paths, &node)?;
    if let Some(priority) = wanted.swap {
        let swap_on = swap::make(&device, wanted.size).and_then(|()| swap::on(&device, priority));
        swap_on.context("cannot swap on the new device, which is removed again")?;
    }
    Ok(Created { device, node, json: wanted.json })
}

fn wait_for(paths: &Paths, node: &std::path::Path) -> anyhow::Result<()> {
    let deadline = Instant::now() + LONGEST_WAIT;
    while !paths.root().join(node).exists() {
        if Instant::now() >= deadline {
            bail!("{} does not appear", node.display());
        }
        sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// What a refusal of an attribute means here.
fn refused(file: &str, text: &str, errno: Errno) -> anyhow::Error {
    let why = match (file, errno) {
        ("comp_algorithm", Errno::EINVAL) => "there is no such algorithm",
        ("algorithm_params", Errno::EINVAL) => {
            "not a parameter of the algorithm, or an unreadable dictionary; its path begins with a slash"
        }
        ("trueno/ublk_id", _) => "a device has a number of 0 to 1048575",
        ("trueno/queues", _) => "a device has 1 to 63 queues",
        ("trueno/depth", _) => "a queue has 1 to 4096 requests under way",
        ("trueno/io_size", _) => "a request has 4096 bytes to 1 MiB, in whole pages",
        ("disksize", Errno::EINVAL) => "the algorithm does not take these parameters",
        ("disksize", errno) => mirror::why_not_made(errno).unwrap_or_default(),
        _ => "",
    };
    let colon = if why.is_empty() { "" } else { ": " };
    anyhow::anyhow!("cannot set {file} to {text} ({errno}){colon}{why}")
}
