//! From files to devices.
//!
//! Pure but for the programs of `set!`, which a caller runs. A fault costs what it is found in and
//! nothing else: a line its device, a file its lines, a variable the devices that use it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::device::{self, Assignment, Device, Host, Section, Usage};
use crate::expression::Expression;
use crate::files::Source;
use crate::ini::{self, Item, What};
use crate::keys::Key;
use crate::notes::{Level, Notes, Origin, printable};
use crate::program::Answer;
use crate::units;

/// The kernel gives a new device the lowest free number, so that each device needs all before it.
/// Nobody has more than a few; a number beyond this is a slip.
pub const HIGHEST_NUMBER: u32 = 1023;

/// What stands for a character that is not UTF-8.
const REPLACEMENT: char = '\u{fffd}';

/// Runs the program of a `set!`.
pub type Run<'a> = &'a mut dyn FnMut(&str) -> Result<Answer, String>;

/// Everything that the files say.
#[derive(Debug, Default)]
pub struct Configuration {
    /// The devices to be made, by number.
    pub devices: Vec<Device>,
    /// What was written about each, made or not.
    pub sections: BTreeMap<u32, Section>,
    /// What there is to say.
    pub notes: Notes,
}

/// Reads the files. `ram` is in MiB; `forced` asks for zram0 even if it is nowhere configured.
#[must_use]
pub fn read(sources: &[Source], ram: u64, forced: bool, run: Run<'_>) -> Configuration {
    let host = Host { ram, ..Host::default() };
    let mut reader = Reader { host, sections: BTreeMap::new(), notes: Notes::default(), run };
    for source in sources {
        reader.source(source);
    }
    let Reader { host, mut sections, mut notes, .. } = reader;
    if sources.is_empty() && !forced {
        notes.general(Level::Info, "no devices: there is no configuration");
    } else if sections.is_empty() && !forced {
        notes.general(Level::Info, "no devices: the configuration has no section [zramN]");
    }
    if forced {
        sections.entry(0).or_default();
    }
    let devices = sections
        .iter()
        .filter_map(|(&number, section)| device::resolve(number, section, &host, &mut notes));
    let devices = devices.collect();
    let devices = without_clashes(devices, &mut notes);
    Configuration { devices, sections, notes }
}

/// No two devices can be mounted on the same directory: the first one is.
fn without_clashes(devices: Vec<Device>, notes: &mut Notes) -> Vec<Device> {
    let mut points = BTreeMap::new();
    let mut kept = Vec::new();
    for device in devices {
        if let Usage::Mount { point } = &device.usage {
            let name = units::name_of_path(point, ".mount");
            if let Some(other) = points.get(&name) {
                let text = format!("not made: its mount-point {point} is that of {other}");
                notes.device(Level::Fault, &device.name(), None, text);
                continue;
            }
            points.insert(name, device.name());
        }
        kept.push(device);
    }
    kept
}

struct Reader<'a> {
    host: Host,
    sections: BTreeMap<u32, Section>,
    notes: Notes,
    run: Run<'a>,
}

/// The section that a line belongs to.
#[derive(Clone, Copy)]
enum Place {
    /// Before the first section.
    Top,
    /// That of a device.
    Device(u32),
    /// One that counts for nothing.
    Ignored,
}

impl Reader<'_> {
    fn source(&mut self, source: &Source) {
        let whole = Origin { path: Arc::clone(&source.path), line: None };
        let bytes = match &source.text {
            Ok(bytes) => bytes,
            Err(why) => return self.notes.at(Level::Fault, &whole, why),
        };
        let text = String::from_utf8_lossy(bytes);
        let is_text = text.len() == bytes.len() && std::str::from_utf8(bytes).is_ok();
        let mut place = Place::Top;
        for Item { line, what } in ini::read(&text) {
            let origin = Origin { line: Some(line), ..whole.clone() };
            match what {
                What::Section(name) => place = self.section(&name, &origin),
                What::Entry { key, value } if !is_text && has_replacement(&key, &value) => {
                    self.break_section(place, &origin, "it is not UTF-8");
                }
                What::Entry { key, value } => self.entry(place, key, value, origin),
                What::Fault(why) => self.break_section(place, &origin, why),
                What::BadSection(why) => {
                    self.notes.at(Level::Fault, &origin, why);
                    place = Place::Ignored;
                }
                What::IndentedComment => {
                    let text = "a comment that does not start its line (passed over; \
                                zram-generator refuses all files for it)";
                    self.notes.at(Level::Warning, &origin, text);
                }
            }
        }
    }

    fn section(&mut self, name: &str, origin: &Origin) -> Place {
        let shown = printable(name);
        let digits = name.strip_prefix("zram").filter(|digits| digits.parse::<u64>().is_ok());
        let Some(digits) = digits else {
            let text = format!("section [{shown}] is ignored: it is not [zramN]");
            self.notes.at(Level::Warning, origin, text);
            return Place::Ignored;
        };
        let number = digits.parse().ok().filter(|&number: &u32| number <= HIGHEST_NUMBER);
        match number {
            Some(number) if number.to_string() == digits => {
                self.sections.entry(number).or_default();
                Place::Device(number)
            }
            Some(number) => {
                let text = format!("section [{shown}]: the device is called zram{number}");
                self.notes.at(Level::Fault, origin, text);
                Place::Ignored
            }
            None => {
                let text = format!("section [{shown}]: device numbers end with {HIGHEST_NUMBER}");
                self.notes.at(Level::Fault, origin, text);
                Place::Ignored
            }
        }
    }

    /// A line that cannot be read costs the device that it may be about.
    fn break_section(&mut self, place: Place, origin: &Origin, why: &str) {
        match place {
            Place::Device(number) => {
                self.sections.entry(number).or_default().is_broken = true;
                let name = format!("zram{number}");
                self.notes.device(Level::Fault, &name, Some(origin), why);
            }
            Place::Top | Place::Ignored => self.notes.at(Level::Fault, origin, why),
        }
    }

    fn entry(&mut self, place: Place, key: String, value: String, origin: Origin) {
        match (place, Key::by_name(&key)) {
            (Place::Top, _) => self.top(&key, &value, &origin),
            (Place::Device(number), Some(key)) => {
                let section = self.sections.entry(number).or_default();
                section.assignments.push(Assignment { key, value, origin });
            }
            (Place::Device(number), None) => {
                let mut text = format!("there is no key `{}`; ignored", printable(&key));
                if key.contains('\n') {
                    text.push_str(" (has a line before it no `=`?)");
                }
                let name = format!("zram{number}");
                self.notes.device(Level::Warning, &name, Some(&origin), text);
            }
            (Place::Ignored, _) => {}
        }
    }

    /// `set!VARIABLE = PROGRAM`, which is all that can stand before the first section.
    fn top(&mut self, key: &str, program: &str, origin: &Origin) {
        let shown = printable(key);
        let Some((operation, variable)) = key.split_once('!') else {
            let text = format!("`{shown}` is ignored: it stands before the first section");
            return self.notes.at(Level::Warning, origin, text);
        };
        if operation != "set" {
            let text = format!("`{shown}` is ignored: the only operation is set!");
            return self.notes.at(Level::Warning, origin, text);
        }
        if variable == "ram" {
            let text = "set!ram has no effect: the name is taken";
            self.notes.at(Level::Warning, origin, text);
        }
        match self.variable(program, &shown, origin) {
            Ok(value) => {
                self.host.variables.insert(variable.to_owned(), value);
            }
            Err(why) => {
                // What an earlier file has set would be another value than the one asked for.
                self.host.variables.remove(variable);
                let text = format!("{shown} = {}: {why}", printable(program));
                self.notes.at(Level::Fault, origin, text);
            }
        }
    }

    fn variable(&mut self, program: &str, shown: &str, origin: &Origin) -> Result<f64, String> {
        let answer = (self.run)(program)?;
        if answer.status != 0 {
            let text = format!("{shown}: the program ended with status {}", answer.status);
            self.notes.at(Level::Warning, origin, text);
        }
        let output = String::from_utf8(answer.output);
        let output = output.map_err(|_| "the program's output is not text".to_owned())?;
        let value = Expression::parse(&output)
            .and_then(|expression| expression.value(self.host.ram, &self.host.variables));
        value.map_err(|why| {
            let start: String = output.chars().take(40).collect();
            format!("the program's output `{}`: {why}", printable(&start))
        })
    }
}

fn has_replacement(key: &str, value: &str) -> bool {
    key.contains(REPLACEMENT) || value.contains(REPLACEMENT)
}

#[cfg(test)]
mod tests;
