//! What the driver has no parameter for, set in the disk's `queue/`.
//!
//! Whoever writes there waits until all requests are answered, and cannot be killed while he does. So it is
//! not for the process that answers them. A recovery leaves the values as they are.

use std::fs;
use std::io;
use std::path::Path;

use crate::paths::Paths;

/// How long the kernel waits for an answer before it looks whether the server still lives, in
/// milliseconds. Linux 6.12 needs it after a kill at which every tag of a queue was with the server.
const IO_TIMEOUT: &str = "1000";
/// With one queue the kernel chooses mq-deadline, at half the speed.
const SCHEDULER: &str = "none";

/// Sets what is not set yet. The device works without.
///
/// # Errors
///
/// What the operating system says, and of which file.
pub(super) fn tune(paths: &Paths, id: u32) -> Result<(), String> {
    let queue = paths.block_directory(id).join("queue");
    for (name, value) in [("io_timeout", IO_TIMEOUT), ("scheduler", SCHEDULER)] {
        let path = queue.join(name);
        set(&path, value).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

fn set(path: &Path, value: &str) -> io::Result<()> {
    if is_set(&fs::read_to_string(path)?, value) {
        return Ok(());
    }
    fs::write(path, value)
}

/// Whether a file says so: it has one value, or all there are and the one that is chosen in brackets.
fn is_set(text: &str, value: &str) -> bool {
    let mut words = text.split_whitespace();
    match text.contains('[') {
        true => words.any(|word| word.strip_prefix('[') == Some(&format!("{value}]"))),
        false => words.next() == Some(value),
    }
}

#[cfg(test)]
mod tests {
    use sysfs_compat::client::Root;

    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn what_is_set_is_left_alone() {
        assert!(is_set("1000\n", "1000") && !is_set("30000\n", "1000") && !is_set("\n", "1000"));
        assert!(is_set("[none] mq-deadline\n", "none") && is_set("none\n", "none"));
        assert!(!is_set("none [mq-deadline]\n", "none"));
    }

    #[test]
    fn the_rest_is_set() {
        let root = Scratch::new("tune");
        let paths = Paths::new(Root::new(&*root));
        let error = tune(&paths, 3).expect_err("no such device");
        assert!(error.contains("ublkb3/queue/io_timeout: No such file"), "{error}");
        let queue = paths.block_directory(3).join("queue");
        fs::create_dir_all(&queue).expect("made");
        fs::write(queue.join("io_timeout"), "30000\n").expect("written");
        fs::write(queue.join("scheduler"), "[none] mq-deadline\n").expect("written");
        tune(&paths, 3).expect("set");
        assert_eq!(fs::read_to_string(queue.join("io_timeout")).expect("a file"), "1000");
        let scheduler = fs::read_to_string(queue.join("scheduler")).expect("a file");
        assert_eq!(scheduler, "[none] mq-deadline\n", "a write would wait for nothing");
    }
}
