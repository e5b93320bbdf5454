//! What is told on standard error.

use std::fmt;

/// Says a line, with the program's name in front. A standard error that is gone or full is none of
/// our business: nothing here depends on somebody reading.
pub(crate) fn say(text: impl fmt::Display) {
    use std::io::Write as _;
    writeln!(std::io::stderr(), "trueno-ublk: {text}").ok();
}
