//! What the machine says of itself: memory, kernel command line, containers, zswap, algorithms.
//!
//! Pure functions of files' texts, and one that reads them below a root.

use std::collections::BTreeSet;
use std::fs;

use sysfs_compat::abi::algorithm::CompAlgorithm;
use sysfs_compat::client::Root;

/// The option of the kernel command line.
const OPTION: &str = "systemd.zram";

/// What the kernel command line says about zram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// `systemd.zram`, `systemd.zram=1`: zram0 is made, configured or not.
    Forced,
    /// `systemd.zram=0`: no device is made.
    Off,
}

/// The last word of the kernel command line about zram; what is not understood does not count.
#[must_use]
pub fn wish(cmdline: &str) -> Option<Wish> {
    let values = cmdline.split_whitespace().rev().filter_map(|word| word.strip_prefix(OPTION));
    let wishes = values.filter_map(|value| match value {
        "" | "=1" | "=yes" | "=true" | "=on" => Some(Wish::Forced),
        "=0" | "=no" | "=false" | "=off" => Some(Wish::Off),
        _ => None,
    });
    wishes.into_iter().next()
}

/// `MemTotal` of `/proc/meminfo` in whole MiB.
#[must_use]
pub fn total_memory(meminfo: &str) -> Option<u64> {
    let total = meminfo.lines().find_map(|line| {
        let mut fields = line.split_whitespace();
        (fields.next() == Some("MemTotal:")).then(|| fields.next())?
    });
    Some(total?.parse::<u64>().ok()? / 1024)
}

/// Names of everything in `/proc/crypto`.
#[must_use]
pub fn crypto(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| line.starts_with("name"));
    lines.filter_map(|line| Some(line.rsplit_once(':')?.1.trim().to_owned())).collect()
}

/// The algorithms that need no module any more: those of the crypto API, and those that zram
/// offers (it has its own since Linux 6.12, in no way connected with the crypto API).
#[must_use]
pub fn algorithms(root: &Root) -> BTreeSet<String> {
    let mut known = crypto(&read(root, "/proc/crypto"));
    known.extend(CompAlgorithm::parse(&read(root, "/sys/block/zram0/comp_algorithm")).names);
    known
}

/// Whether zswap is switched on: it takes pages before they get to any swap device.
#[must_use]
pub fn has_zswap(root: &Root) -> bool {
    read(root, "/sys/module/zswap/parameters/enabled").trim() == "Y"
}

/// Whether this is a container, told without starting `systemd-detect-virt`, from what that looks
/// at. PID 1 tells its generators in a variable since systemd 251.
#[must_use]
pub fn is_container(root: &Root, variable: Option<&str>) -> bool {
    match variable.filter(|_| root.is_system()) {
        Some(kind) => kind.starts_with("container"),
        None => has_traces_of_a_container(root),
    }
}

fn has_traces_of_a_container(root: &Root) -> bool {
    let exists = |path: &str| root.join(path).exists();
    let files = ["/run/systemd/container", "/run/host/container-manager", "/run/.containerenv"];
    let environment = fs::read(root.join("/proc/1/environ")).unwrap_or_default();
    let variable = environment
        .split(|&byte| byte == 0)
        .find_map(|pair| pair.strip_prefix(b"container=").filter(|kind| !kind.is_empty()));
    let release = read(root, "/proc/sys/kernel/osrelease");
    files.iter().any(|path| exists(path))
        || exists("/.dockerenv")
        || variable.is_some()
        // OpenVZ shows the second on the host only.
        || (exists("/proc/vz") && !exists("/proc/bc"))
        || release.contains("Microsoft")
        || release.contains("WSL")
}

/// A file's text; empty if there is none.
fn read(root: &Root, path: &str) -> String {
    let bytes = fs::read(root.join(path)).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_that_is_understood_counts() {
        for (cmdline, expected) in [
            ("", None),
            ("quiet systemd.zram\n", Some(Wish::Forced)),
            ("systemd.zram=1 systemd.zram=off", Some(Wish::Off)),
            ("systemd.zram=no systemd.zram=on", Some(Wish::Forced)),
            ("systemd.zram=0 systemd.zram=maybe systemd.zramx", Some(Wish::Off)),
            ("xsystemd.zram=0", None),
        ] {
            assert_eq!(wish(cmdline), expected, "{cmdline}");
        }
    }

    #[test]
    fn memory_in_whole_mebibytes() {
        assert_eq!(total_memory("MemTotal:        8013220 kB\nMemFree: 1 kB\n"), Some(7825));
        assert_eq!(total_memory("aMemTotal: 1 kB\nMemTotal:: 1 kB\n"), None);
        assert_eq!(total_memory("MemTotal: much kB\n"), None);
        assert_eq!(total_memory("MemTotal:"), None);
    }

    #[test]
    fn names_in_proc_crypto() {
        let text = "name         : zstd\ndriver       : zstd-scomp\n\nname : lz4\nname\n";
        assert_eq!(crypto(text), BTreeSet::from(["zstd".to_owned(), "lz4".to_owned()]));
    }
}
