//! The kernel's ublk driver: block devices whose requests a process answers.
//!
//! Written against the driver's interface itself, on the `io-uring` crate, because the promises of a
//! swap device need it: every completion is looked at, an interrupted wait goes on, and a successor has
//! everything that needs memory ready before the device is its own. The cargo feature `libublk` replaces
//! the loop of a queue, and that alone, by one on the crate of that name: a second opinion, and a peer
//! for benchmarks.

mod bell;
pub mod control;
mod data;
#[cfg(feature = "libublk")]
pub mod libublk;
mod memory;
pub mod queue;
pub mod request;
pub mod uapi;

#[cfg(feature = "libublk")]
pub use self::libublk::{Node, Ring, open};
pub use bell::Bell;
pub use data::Copying;
#[cfg(not(feature = "libublk"))]
pub use queue::{Node, Ring, open};
