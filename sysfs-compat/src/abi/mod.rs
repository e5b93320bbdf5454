//! The contract of the kernel's zram attributes, written down once.
//!
//! Pure: no file, no system call, no clock. In reading order: [`attr`] is the table of attributes,
//! [`device`] the rules of a device's life, [`control`] making and removing devices; [`stat`],
//! [`algorithm`] and [`request`] are the values, [`number`] and [`size`] the grammars they are
//! written in, [`kernel`] what differs from kernel to kernel, [`memory`] a device without a kernel.

pub mod attr;
pub mod device;

pub mod control;

pub mod algorithm;
pub mod request;
pub mod stat;

pub mod number;
pub mod size;

pub mod errno;
pub mod kernel;
pub mod memory;

pub use attr::{ATTRIBUTES, Attr};
pub use errno::Errno;
pub use kernel::{Change, Feature, Kernel, PAGE_SIZE, Version};
