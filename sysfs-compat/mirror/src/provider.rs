//! What a mirror needs of whoever serves the devices.

use std::path::PathBuf;

use sysfs_compat::abi::Errno;
use sysfs_compat::abi::attr::Mode;
use sysfs_compat::abi::device::{Backend, Device};

/// An attribute that only these devices have, below `zramN/trueno/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnAttribute {
    /// The file's name.
    pub name: &'static str,
    /// Who may do what with it.
    pub mode: Mode,
    /// Whether its text may take long to make, or wait for something: then each read has a thread of
    /// its own, and nobody waits but the reader.
    pub is_slow: bool,
}

/// A part of a text that is too long to be made at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The part; some ten thousand bytes are a good measure. It may be empty.
    pub text: Vec<u8>,
    /// Where the next part begins, in whatever the provider counts; `None` after the last.
    pub next: Option<u64>,
}

/// Whoever serves the devices. Its functions may block as long as the operation takes; they are
/// called for one device at a time, but [`show_own`](Self::show_own),
/// [`show_own_from`](Self::show_own_from) and [`block_directory`](Self::block_directory), which
/// answer at any time, and at once, from what they have at hand: all readers wait for them, unless
/// the file [is slow](OwnAttribute::is_slow). So must the functions of [`Backend`] that report
/// statistics.
pub trait Provider: Send + Sync + 'static {
    /// What keeps a device's pages. Clones are handles of the same pages.
    type Backend: Backend + Clone + Send + Sync + 'static;

    /// Makes a device without `disksize` for a read of `hot_add`.
    ///
    /// # Errors
    /// What the reader gets; but for `EEXIST`, with which the number is left out and the next one
    /// comes.
    fn add(&self, number: u32) -> Result<Device<Self::Backend>, Errno>;

    /// Forgets a device that `hot_remove` has destroyed.
    fn remove(&self, number: u32);

    /// Keeps what was accepted: the file's name, `trueno/` in front of an own one, and the text. Called
    /// before the writer gets its answer; the device is already as it was asked to be.
    fn accepted(&self, number: u32, file: &str, text: &[u8], device: &Device<Self::Backend>);

    /// The files of `zramN/trueno/`.
    fn own(&self) -> &'static [OwnAttribute];

    /// The text of one of them.
    ///
    /// # Errors
    /// What the reader gets.
    fn show_own(
        &self,
        number: u32,
        device: &Device<Self::Backend>,
        name: &str,
    ) -> Result<Vec<u8>, Errno>;

    /// A part of the text of one of them, from `cursor` on: 0 for the first part, then what the
    /// part before named. To be written for texts that may grow beyond a megabyte; without it the
    /// text is one part. A text of several can be read from front to back only (`ESPIPE`).
    ///
    /// # Errors
    /// What the reader gets.
    fn show_own_from(
        &self,
        number: u32,
        device: &Device<Self::Backend>,
        name: &str,
        cursor: u64,
    ) -> Result<Piece, Errno> {
        debug_assert_eq!(cursor, 0, "there is one part only");
        Ok(Piece { text: self.show_own(number, device, name)?, next: None })
    }

    /// One write(2) to one of them.
    ///
    /// # Errors
    /// What the writer gets.
    fn store_own(
        &self,
        number: u32,
        device: &mut Device<Self::Backend>,
        name: &str,
        text: &[u8],
    ) -> Result<(), Errno>;

    /// The block device's directory in sysfs, while there is one: `dev`, `size`, `ro`, `stat` and
    /// `queue/` are shown from it.
    fn block_directory(&self, number: u32, device: &Device<Self::Backend>) -> Option<PathBuf>;
}
