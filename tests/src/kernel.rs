//! What the running kernel is, in the words of the contract.

use std::fs;
use std::io;

use sysfs_compat::abi::algorithm::CompAlgorithm;
use sysfs_compat::abi::{Attr, Change, Feature, Kernel, Version};

use crate::zram::RealDevice;

/// Names that the crypto API of old kernels may know beyond its list. All others that a test writes
/// must be ones that no kernel knows.
const UNLISTED: [&str; 7] = [
    "deflate",
    "842",
    "lzo-generic",
    "lzo-rle-generic",
    "lz4-generic",
    "lz4hc-generic",
    "zstd-generic",
];

/// An age that no page can have.
const ANCIENT: &[u8] = b"1000000000";

/// Finds out about the running kernel, on a device of its own that is gone afterwards.
///
/// # Errors
/// When the device cannot be made or read.
pub fn probe() -> io::Result<Kernel> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let version = Version::parse(&release)
        .ok_or_else(|| io::Error::other(format!("cannot read the release {release:?}")))?;
    let device = RealDevice::add()?;
    let fresh = CompAlgorithm::parse(&device.read(Attr::CompAlgorithm.name())?);
    let cpus = device.read(Attr::MaxCompStreams.name()).ok();
    let mut kernel = Kernel {
        version,
        features: Vec::new(),
        algorithms: fresh.names,
        unlisted_algorithms: Vec::new(),
        default_algorithm: fresh.selected.unwrap_or_default(),
        cpus: cpus.and_then(|cpus| cpus.trim_end().parse().ok()).unwrap_or(1),
    };
    if !kernel.after(Change::OwnAlgorithms) {
        kernel.unlisted_algorithms = unlisted_algorithms(&device, &kernel);
    }
    for &feature in Feature::ALL {
        if has(&device, feature)? {
            kernel.features.push(feature);
        }
    }
    Ok(kernel)
}

/// Some names are known only once the module of another is loaded, which selecting it does: hence
/// all are tried, and then tried again.
fn unlisted_algorithms(device: &RealDevice, kernel: &Kernel) -> Vec<String> {
    let is_taken = |name: &str| device.write(Attr::CompAlgorithm.name(), name.as_bytes()).is_ok();
    for name in kernel.algorithms.iter().map(String::as_str).chain(UNLISTED) {
        is_taken(name);
    }
    let is_listed = |name: &str| kernel.algorithms.iter().any(|listed| listed == name);
    let taken = UNLISTED.into_iter().filter(|name| !is_listed(name) && is_taken(name));
    taken.map(str::to_owned).collect()
}

fn has(device: &RealDevice, feature: Feature) -> io::Result<bool> {
    Ok(match feature {
        Feature::Writeback => device.attribute(Attr::Writeback.name()).exists(),
        Feature::MultiComp => device.attribute(Attr::Recompress.name()).exists(),
        Feature::MemoryTracking => device.block_state().exists(),
        Feature::TrackEntryActime => {
            device.write(Attr::Disksize.name(), b"4096")?;
            let takes_age = device.write(Attr::Idle.name(), ANCIENT).is_ok();
            device.write(Attr::Reset.name(), b"1")?;
            takes_age
        }
    })
}
