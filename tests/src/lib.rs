//! Shared helpers of the end-to-end tests.
//!
//! In reading order: [`zram`] makes real devices and cleans up behind them, [`daemon`] runs
//! `trueno-ublk`, [`kernel`] finds out what the running kernel can do, [`loop_device`] makes block
//! devices out of small files in a [`scratch`] directory, [`ioctl`] discards pages, [`pages`] fills,
//! writes and reads them, [`mount`] has others use them, [`journal`] finds lost writes.
//! [`check`] has the words of which trials are made, [`seed`] is where chance
//! comes from, [`program`] finds the programs under test.

pub mod check;
pub mod daemon;
pub mod differential;
pub mod ioctl;
pub mod journal;
pub mod kernel;
pub mod loop_device;
pub mod mount;
pub mod pages;
pub mod program;
pub mod scratch;
pub mod seed;
pub mod zram;
