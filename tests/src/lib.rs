//! Shared helpers of the end-to-end tests.
//!
//! In reading order: [`zram`] makes real devices and cleans up behind them, [`kernel`] finds out
//! what the running kernel can do, [`loop_device`] makes block devices out of small files in a
//! [`scratch`] directory, [`ioctl`] discards pages. [`seed`] is where chance comes from,
//! [`program`] finds the program under test.

pub mod ioctl;
pub mod kernel;
pub mod loop_device;
pub mod program;
pub mod scratch;
pub mod seed;
pub mod zram;
