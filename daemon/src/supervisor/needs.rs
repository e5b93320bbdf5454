//! What a device takes of memory before a page is stored on it, and whether there is as much.
//!
//! Asked before anything is made. Workers are the last to be killed when memory runs out: one that
//! takes too much would have everybody else killed first.

use std::fs;
use std::time::Duration;

use sysfs_compat::client::Root;
use trueno_zram_store::Layout;

use crate::directory::Settings;

/// Bytes of the tables, and of the queues' buffers, which all workers of a device share.
pub(crate) fn fixed(settings: &Settings, layout: &Layout) -> u64 {
    let tables = layout.tables();
    (tables.end - tables.start).saturating_add(settings.buffer_bytes())
}

/// What a worker's start may take without its memory: reading the program, making threads, the driver's
/// commands, on a machine that swaps or boots. It takes a twentieth of a second in general.
const START: Duration = Duration::from_secs(30);
/// Bytes of memory that come in a second at least, in an emulated machine too.
const SLOWEST: u64 = 16 << 20;

/// How long a worker that makes a device with so much memory may take, before it is taken for one that
/// stands still: 38 seconds for a device of 64 GiB, a quarter of an hour for the largest.
pub(crate) fn longest_start(fixed: u64) -> Duration {
    START + Duration::from_secs(fixed / SLOWEST)
}

/// Bytes that can be had without swapping: `MemAvailable` of proc_meminfo(5).
pub(crate) fn available(root: &Root) -> Option<u64> {
    let text = fs::read_to_string(root.join("/proc/meminfo")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn tables_and_buffers_are_counted() {
        let layout = Layout::new(1 << 18, false).expect("a gigabyte");
        let tables = layout.tables().end - layout.tables().start;
        assert!(tables >= 8 << 18, "eight bytes a page");
        let mut settings = Settings::new(1 << 30);
        (settings.queues, settings.depth, settings.io_size) = (63, 4096, 1 << 20);
        assert_eq!(fixed(&settings, &layout), tables + (63 << 32));
        settings.user_copy = true;
        assert_eq!(fixed(&settings, &layout), tables + (63 << 20));
    }

    #[test]
    fn a_large_device_may_take_longer() {
        let limit = |disk_bytes: u64| {
            let layout = Layout::new(disk_bytes >> 12, false).expect("a size");
            longest_start(fixed(&Settings::new(disk_bytes), &layout)).as_secs()
        };
        assert!((30..38).contains(&limit(1 << 30)), "a gigabyte");
        assert!((38..60).contains(&limit(64 << 30)), "64 GiB");
        assert!((900..1200).contains(&limit(8 << 40)), "8 TiB");
    }

    #[test]
    fn what_is_available_is_read() {
        let root = Scratch::new("needs");
        fs::create_dir(root.join("proc")).expect("made");
        let text = "MemTotal:        2000000 kB\nMemAvailable:    1000 kB\n";
        fs::write(root.join("proc/meminfo"), text).expect("written");
        assert_eq!(available(&Root::new(&*root)), Some(1_024_000));
        assert_eq!(available(&Root::new("/nowhere")), None);
    }
}
