//! A compressed RAM disk in user space: `/dev/ublkbN`, whose pages lie compressed in memory that
//! outlives the process that serves them.
//!
//! ```text
//! args.rs        the command line, as tables
//! commands.rs    what a person asks for, through the attribute files
//! supervisor.rs  `serve`: the attribute files, and the processes behind them
//! worker.rs      the process that serves one device
//! ublk.rs        the kernel's driver: commands, queues, requests
//! directory.rs   a device's directory: settings, arena, lock; what supervisor and worker share
//! ```

mod args;
pub mod commands;
pub mod directory;
mod log;
mod paths;
#[cfg(test)]
mod scratch;
mod signals;
mod supervisor;
pub mod ublk;
pub mod worker;
