//! zram's attribute files for devices of another make, as a file system.

mod provider;

pub use provider::{OwnAttribute, Provider};
