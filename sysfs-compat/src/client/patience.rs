//! Waiting for a device that udev is looking at.
//!
//! A device that was just made, or just changed its size, is opened by udev for a moment to see
//! what is on it; a reset in that moment fails with `EBUSY`. udev takes a shared lock on the node
//! before it looks, and stays away from nodes that somebody has locked exclusively. So: take the
//! lock, which waits for udev to finish, let go (an open node cannot be reset), reset, and if udev
//! was faster after all, try again. All of it within a bound.

use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use super::control;
use super::device::Device;
use super::error::Result;
use super::holders::lasting;
use super::kind::Kind;
use crate::abi::Errno;

/// As long as zramctl 2.42 waits for udev.
pub const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(25);

/// Resets `device`, patiently.
///
/// Fails at once when what holds the device will not go away by itself (swap, a mount), and after
/// [`LONGEST_WAIT`] in any other case.
///
/// # Errors
/// What the last try said; [`super::holders`] tells who is in the way.
pub fn reset(device: &Device) -> Result<()> {
    until_free(device, || device.write("reset", b"1"))
}

/// Removes zram device `number`, which is `device`, as patiently: a device that was just reset is
/// one that udev looks at.
///
/// # Errors
/// As [`reset`].
pub fn hot_remove(device: &Device, number: u32) -> Result<()> {
    let kind = device.kind().unwrap_or(Kind::Kernel);
    until_free(device, || control::hot_remove(device.root(), kind, number))
}

fn until_free(device: &Device, act: impl Fn() -> Result<()>) -> Result<()> {
    let deadline = Instant::now() + LONGEST_WAIT;
    loop {
        wait_for_lock(device, deadline);
        match act() {
            Err(error) if error.errno() == Errno::EBUSY => {
                if Instant::now() >= deadline || !lasting(device).is_empty() {
                    return Err(error);
                }
                sleep(PAUSE);
            }
            result => return result,
        }
    }
}

/// Waits until nobody has the node locked. Whether the lock could be had decides nothing (a node
/// that cannot be opened says so again at the next step), it only makes the next step succeed.
fn wait_for_lock(device: &Device, deadline: Instant) {
    if !device.root().is_system() {
        return;
    }
    let Ok(node) = device.open_node() else { return };
    while flock(&node, FlockOperation::NonBlockingLockExclusive).is_err() {
        if Instant::now() >= deadline {
            return;
        }
        sleep(PAUSE);
    }
}
