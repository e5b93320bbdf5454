//! What a device takes of memory before a page is stored on it, and whether there is as much.
//!
//! Asked before anything is made. Workers are the last to be killed when memory runs out: one that
//! takes too much would have everybody else killed first.

use std::fs;

use sysfs_compat::client::Root;
use trueno_zram_store::Layout;

use crate::directory::Settings;

/// Bytes of the tables, and of the queues' buffers, which all workers of a device share.
pub(crate) fn fixed(settings: &Settings, layout: &Layout) -> u64 {
    let tables = layout.tables();
    (tables.end - tables.start).saturating_add(settings.buffer_bytes())
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
    fn what_is_available_is_read() {
        let root = Scratch::new("needs");
        fs::create_dir(root.join("proc")).expect("made");
        let text = "MemTotal:        2000000 kB\nMemAvailable:    1000 kB\n";
        fs::write(root.join("proc/meminfo"), text).expect("written");
        assert_eq!(available(&Root::new(&*root)), Some(1_024_000));
        assert_eq!(available(&Root::new("/nowhere")), None);
    }
}
