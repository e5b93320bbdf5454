//! What there is to say about a configuration: where, how bad, what.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// So many letters of a user's text tell it from others.
const MOST_LETTERS: usize = 200;

/// A user's text on one line: control characters are escaped, all others stay. What is very long is
/// told by its beginning.
#[must_use]
pub fn printable(text: &str) -> String {
    match text.char_indices().nth(MOST_LETTERS) {
        Some((end, _)) => escaped(text.get(..end).unwrap_or_default()) + "...",
        None => escaped(text),
    }
}

fn escaped(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter.is_control() {
            true => line.extend(letter.escape_default()),
            false => line.push(letter),
        }
    }
    line
}

/// A line of a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The file.
    pub path: Arc<Path>,
    /// The line, counted from 1. None: the file as a whole.
    pub line: Option<usize>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escaped(&self.path.display().to_string()))?;
        self.line.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Good to know: why there is no device, for example.
    Info,
    /// Probably not what was meant.
    Warning,
    /// Something that was asked for is not done, but the device is made all the same.
    Error,
    /// Wrong: it costs a device, or a setting its value. The exit status says so.
    Fault,
}

/// One thing to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// How bad it is.
    pub level: Level,
    /// What it is about, if it comes from a file.
    pub origin: Option<Origin>,
    /// The device it is about, by name.
    pub device: Option<String>,
    /// Lower case, no full stop.
    pub text: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.origin {
            write!(f, "{origin}: ")?;
        }
        if let Some(device) = &self.device {
            write!(f, "{device}: ")?;
        }
        f.write_str(&self.text)
    }
}

/// Notes in the order in which they were made.
#[derive(Debug, Default)]
pub struct Notes(Vec<Note>);

impl Notes {
    /// Adds one that is about the configuration as a whole.
    pub fn general(&mut self, level: Level, text: impl Into<String>) {
        self.add(level, None, None, text);
    }

    /// Adds one about a line.
    pub fn at(&mut self, level: Level, origin: &Origin, text: impl Into<String>) {
        self.add(level, Some(origin), None, text);
    }

    /// Adds one about a device.
    pub fn device(
        &mut self,
        level: Level,
        name: &str,
        origin: Option<&Origin>,
        text: impl Into<String>,
    ) {
        self.add(level, origin, Some(name), text);
    }

    fn add(
        &mut self,
        level: Level,
        origin: Option<&Origin>,
        device: Option<&str>,
        text: impl Into<String>,
    ) {
        self.0.push(Note {
            level,
            origin: origin.cloned(),
            device: device.map(str::to_owned),
            text: text.into(),
        });
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Note> {
        self.0.iter()
    }

    /// Whether anything is that bad, or worse.
    #[must_use]
    pub fn reach(&self, level: Level) -> bool {
        self.0.iter().any(|note| note.level >= level)
    }
}
