//! The kernel's zram attributes as an interface: names, text formats, number grammars and rules
//! ([`abi`], pure), and the files of real devices (`client`, a feature).
//!
//! Whatever drives zram goes through these attributes: the command line and the generator write
//! them, and whoever serves a device of another make behind the same files takes the rules from
//! here. `docs/COMPAT.md` lists every attribute with the test that holds it.

pub mod abi;
#[cfg(feature = "client")]
pub mod client;
