//! What can be done to a device, one step at a time.

use std::fmt;

use sysfs_compat::abi::Attr;

/// One step, done to the model and to the kernel.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Opens an attribute for writing and writes each text with one write(2).
    Write {
        attr: Attr,
        open: Extra,
        texts: Vec<Text>,
    },
    /// Writes an age to `idle`; the number depends on the clock.
    WriteAge(Age),
    /// Opens a file, to no purpose but the answer.
    Open {
        file: FileName,
        open: Extra,
        read: bool,
        write: bool,
    },
    /// Reads the first bytes of an attribute, does the write in between, reads the rest, starts
    /// again from the beginning, and reads once more from the middle.
    Reread {
        attr: Attr,
        first: usize,
        between: Option<(Attr, Text)>,
    },
    /// Writes a page of the block device.
    WritePage {
        index: u64,
        page: Page,
    },
    /// Reads a page of the block device and compares it with what was written.
    ReadPage {
        index: u64,
    },
    /// Discards pages.
    Discard {
        first: u64,
        pages: u64,
    },
    /// Opens the block device and keeps it open, or closes it again.
    Hold,
    Release,
    /// Makes a second device, if there is none.
    HotAdd,
    /// Writes to `hot_remove`.
    HotRemove {
        text: Text,
    },
}

/// Flags of open(2) beyond the direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extra {
    None,
    Truncate,
    Append,
    Create,
    CreateNew,
}

/// Which file to open.
#[derive(Debug, Clone)]
pub(super) enum FileName {
    /// An attribute that the device has.
    Attribute(Attr),
    /// One that it does not have.
    Missing(&'static str),
    /// In the directory of all devices.
    HotAdd,
    HotRemove,
}

/// Ages that can be told apart from the time that the pages of a run have been touched at.
#[derive(Debug, Clone, Copy)]
pub(super) enum Age {
    /// Leads to shortly before the first device of the run was made.
    BeforeTheRun,
    /// Leads to long before the machine was booted.
    BeforeBoot,
}

/// The content of a page. None of them but the same-filled ones can be compressed, because the
/// model does not compress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Page {
    Filled([u8; 8]),
    Random(u64),
}

/// What is written, in bytes; shown in the log such that it can be read.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Text(pub Vec<u8>);

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 60;
        let shown = self.0.get(..SHOWN).unwrap_or(&self.0);
        write!(f, "\"{}\"", shown.escape_ascii())?;
        if shown.len() < self.0.len() {
            write!(f, "... ({} bytes)", self.0.len())?;
        }
        Ok(())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Text(text.as_bytes().to_vec())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Text(text.into_bytes())
    }
}
