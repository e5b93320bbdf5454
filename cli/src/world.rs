//! What the program sees of its surroundings, handed to it by `main` or by a test.

use std::ffi::{OsStr, OsString};
use std::io::Write;

use sysfs_compat::client::{Device, Root};

use crate::error::Result;
use crate::explain;
use crate::locale::Locale;
use crate::table::Charset;

/// Streams, environment and root.
pub(crate) struct World<'a> {
    /// Name the program was called by, for messages: a link named `zramctl` speaks as zramctl.
    pub(crate) program: String,
    pub(crate) locale: Locale,
    pub(crate) posixly_correct: bool,
    pub(crate) root: Root,
    /// What the environment says of which kind the device is that `--find` finds.
    pub(crate) default_kind: Option<OsString>,
    /// Columns of the terminal that standard output is, if it is one.
    pub(crate) terminal_width: Option<usize>,
    /// Whether colour is wanted unless an option says otherwise.
    pub(crate) color: bool,
    pub(crate) out: &'a mut dyn Write,
    pub(crate) err: &'a mut dyn Write,
}

impl World<'_> {
    pub(crate) fn charset(&self) -> Charset {
        if self.locale.utf8 { Charset::Utf8(crate::locale::char_width) } else { Charset::Ascii }
    }

    /// The device that was named.
    pub(crate) fn device(&self, name: &OsStr) -> Result<Device> {
        Device::find(&self.root, name).map_err(|error| explain::lookup(self, name, "", &error))
    }

    /// Says something on standard error. When even that fails there is nobody left to tell.
    pub(crate) fn complain(&mut self, message: &[u8]) {
        let line = [self.program.as_bytes(), b": ", message, b"\n"].concat();
        self.err.write_all(&line).ok();
    }

    pub(crate) fn hint(&mut self, line: &str) {
        self.err.write_all(format!("{line}\n").as_bytes()).ok();
    }
}

/// The last part of `argv[0]`, if it has one.
pub(crate) fn program_name(argv0: Option<&OsString>) -> String {
    let name = argv0.and_then(|path| std::path::Path::new(path).file_name());
    name.map_or_else(|| env!("CARGO_PKG_NAME").to_owned(), |name| name.display().to_string())
}
