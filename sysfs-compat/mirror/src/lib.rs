//! zram's attribute files for devices of another make, as a file system.
//!
//! Whoever serves the devices is a [`Provider`]; a [`Mirror`] puts the rules of
//! [`sysfs_compat::abi`] in front of it and shows them as files that behave like those of sysfs:
//!
//! ```text
//! zram-control/{hot_add,hot_remove}
//! zramN/{disksize,mm_stat,...}        the attributes of the device's kernel
//! zramN/trueno/*                      the provider's own
//! zramN/{dev,size,ro,stat,queue/*}    those of the block device, while there is one
//! ```
//!
//! Nobody waits for more than what they ask for: whatever can take time (every write, reading
//! `hot_add`, the block device's files, what a provider says is slow) runs on a thread of its own, one
//! write at a time a device, while readers get the device as it was before that write.
//!
//! What differs from sysfs, because FUSE has it so: a file may be mapped privately, is at its end
//! after it was appended to, and has no extended attributes; statfs(2) tells another type; a writev(2)
//! of more than 256 buffers is several stores; and who opens a file with `O_TRUNC` while another
//! writes to it waits in open(2), not in write(2). What chmod(2), chown(2) and utimes(2) have changed
//! lasts as long as the process that serves the files, not as long as the device.
//!
//! # Example
//!
//! ```no_run
//! use std::collections::BTreeMap;
//! use std::path::Path;
//! use std::sync::Arc;
//! use trueno_zram_mirror::{Mirror, Provider};
//!
//! fn serve<P: Provider>(provider: P) -> Result<(), Box<dyn std::error::Error>> {
//!     let mirror = Arc::new(Mirror::new(provider, BTreeMap::new()));
//!     let mounted = mirror.mount(Path::new("/run/trueno"))?;
//!     // `cat /run/trueno/zram-control/hot_add` makes the first device.
//!     mounted.wait()?;
//!     Ok(())
//! }
//! ```

mod mirror;
mod mount;
mod provider;

mod block;
mod files;
mod kept;
mod mountinfo;
mod node;
mod open;
mod reader;
mod registry;
mod tree;

pub use mirror::Mirror;
pub use mount::{MountError, Mounted};
pub use provider::{OwnAttribute, Piece, Provider};
