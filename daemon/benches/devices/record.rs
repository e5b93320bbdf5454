//! Where measurements go: one JSON object a line.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::Result;

pub(crate) struct Records(File);

impl Records {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        Ok(Self(File::create(path).map_err(|error| format!("{}: {error}", path.display()))?))
    }

    pub(crate) fn put(&mut self, record: Value) -> Result {
        Ok(writeln!(self.0, "{record}")?)
    }
}
