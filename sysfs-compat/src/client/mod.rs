//! Reads and writes the attribute files of real devices.
//!
//! Everything is looked up below a [`Root`], so that the same code works on the running system, on
//! a tree that a test has made, and on whatever `--sysroot` names. In reading order: [`root`],
//! [`device`] (find, read, write), [`control`] (make and remove), [`usage`] (swap and mounts),
//! [`holders`] (who has it open), [`patience`] (waiting for udev, with a bound), [`swap`].

pub mod control;
pub mod device;
pub mod error;
pub mod holders;
pub mod patience;
pub mod root;
pub mod swap;
pub mod usage;

pub use device::Device;
pub use error::{Error, Result};
pub use root::Root;
