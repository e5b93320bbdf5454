//! Reads and writes the attribute files of real devices.
//!
//! Everything is looked up below a [`Root`], so that the same code works on the running system, on
//! a tree that a test has made, and on whatever `--sysroot` names. In reading order: [`root`],
//! [`kind`] (the kernel's devices and those of trueno-ublk), [`device`] (find, read, write),
//! [`mirror`] (what only those of trueno-ublk need), [`control`] (make and remove), [`usage`] (swap
//! and mounts), [`holders`] (who has it open), [`patience`] (waiting, with a bound), [`swap`].

pub mod control;
pub mod device;
pub mod error;
pub mod holders;
pub mod kind;
pub mod mirror;
pub mod patience;
pub mod root;
pub mod swap;
pub mod usage;

pub use device::Device;
pub use error::{Error, Result};
pub use kind::Kind;
pub use root::Root;
