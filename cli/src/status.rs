//! Showing devices: `zramctl`, `zramctl DEVICE`, with columns as a table, raw or JSON.

use std::ffi::OsStr;

use serde_json::{Map, Number, Value as Json};
use sysfs_compat::abi::{Errno, size};
use sysfs_compat::client::{Device, Kind, Root, mirror};

use crate::args::{Form, Shown, View};
use crate::columns::{Col, SharedUsage, Subject, Value};
use crate::error::{Failure, Result};
use crate::table::{Column, Style, Table};
use crate::world::World;

/// Bold, as `ls --color` and friends mark headings.
const HEADING_SGR: &str = "\x1b[1m";

/// Shows the device of that name, whatever its state, or else all that are set up.
pub(crate) fn show(world: &mut World<'_>, shown: &Shown, view: &View) -> Result<()> {
    let mut listing = Listing::default();
    match shown {
        Shown::One(name) => listing.one(world, name, view)?,
        Shown::All(kind) => listing.all(&world.root, *kind, view)?,
    }
    listing.complaints.iter().for_each(|complaint| world.complain(complaint));
    let rows = &listing.rows;
    match view.form {
        Form::Json => write_json(world, rows, view)?,
        // zramctl prints nothing at all, not even headings, when there is no device.
        Form::Table | Form::Raw if rows.is_empty() => {}
        Form::Table | Form::Raw => write_table(world, rows, view)?,
    }
    if listing.complaints.is_empty() { Ok(()) } else { Err(Failure::silent()) }
}

type Row = Vec<Value>;

/// What is shown, and what cannot be.
#[derive(Default)]
struct Listing {
    rows: Vec<Row>,
    /// One for each file that cannot be read; the cells that needed it are empty.
    complaints: Vec<Vec<u8>>,
}

impl Listing {
    fn one(&mut self, world: &World<'_>, name: &OsStr, view: &View) -> Result<()> {
        let row = self.row(&world.device(name)?, &SharedUsage::default(), view);
        self.rows.push(row.map_err(|gone| Failure::about(name, "", gone))?);
        Ok(())
    }

    fn all(&mut self, root: &Root, only: Option<Kind>, view: &View) -> Result<()> {
        let usage = SharedUsage::default();
        for kind in Kind::ALL.into_iter().filter(|kind| only.is_none_or(|only| only == *kind)) {
            let numbers = match kind {
                Kind::Kernel => Device::numbers(root).map_err(|error| {
                    Failure::new(format!("cannot open /dev/: {}", error.errno()))
                })?,
                Kind::Ublk => self.numbers_in_mirror(root),
            };
            let devices = numbers.into_iter().map(|number| Device::numbered(root, kind, number));
            self.initialised(devices.flatten(), &usage, view);
        }
        Ok(())
    }

    /// A mirror that cannot be read costs its own devices only.
    fn numbers_in_mirror(&mut self, root: &Root) -> Vec<u32> {
        mirror::numbers(root)
            .unwrap_or_else(|error| {
                let complaint =
                    format!("{error}: {}: the devices of trueno-ublk are not shown", error.errno());
                self.complaints.push(complaint.into_bytes());
                None
            })
            .unwrap_or_default()
    }

    fn initialised(
        &mut self,
        devices: impl Iterator<Item = Device>,
        usage: &SharedUsage,
        view: &View,
    ) {
        for device in devices.filter(Device::is_initialised) {
            // Removed between the list and the look: then it is not there, which is no failure.
            if let Ok(row) = self.row(&device, usage, view) {
                self.rows.push(row);
            }
        }
    }

    /// Fails only if the device has gone meanwhile.
    fn row(
        &mut self,
        device: &Device,
        usage: &SharedUsage,
        view: &View,
    ) -> std::result::Result<Row, Errno> {
        let subject = Subject::new(device, usage);
        let mut row = Row::with_capacity(view.columns.len());
        for &column in &view.columns {
            row.push(match subject.cell(column) {
                Ok(value) => value,
                Err(error) if error.errno() == Errno::ENODEV => return Err(Errno::ENODEV),
                Err(error) => {
                    let complaint = Failure::from(error).message;
                    if !self.complaints.contains(&complaint) {
                        self.complaints.push(complaint);
                    }
                    Value::Unknown
                }
            });
        }
        Ok(row)
    }
}

fn write_table(world: &mut World<'_>, rows: &[Row], view: &View) -> Result<()> {
    let columns = view.columns.iter().map(|column| {
        let row = column.row();
        let truncate = *column == Col::MountPoint;
        Column { name: row.name, align: row.align, truncate, hint: row.hint }
    });
    let point = world.locale.decimal_point.clone();
    let cell = |value: &Value| value.text(view.bytes, &point);
    let table = Table {
        columns: columns.collect(),
        rows: rows.iter().map(|row| row.iter().map(cell).collect()).collect(),
    };
    let style = Style {
        raw: view.form == Form::Raw,
        header: view.headings,
        terminal_width: world.terminal_width,
        charset: world.charset(),
        header_sgr: (world.color && view.form == Form::Table).then_some(HEADING_SGR),
    };
    write(table.write(world.out, &style))
}

fn write_json(world: &mut World<'_>, rows: &[Row], view: &View) -> Result<()> {
    let devices = rows.iter().map(|row| {
        let cells = view
            .columns
            .iter()
            .zip(row)
            .map(|(column, value)| (column.row().name.to_ascii_lowercase(), value.json()));
        Json::Object(cells.collect())
    });
    let document = Map::from_iter([("zram".to_owned(), Json::Array(devices.collect()))]);
    let text = format!("{:#}\n", Json::Object(document));
    write(world.out.write_all(text.as_bytes()))
}

/// Output that cannot be written is a failure, unless nobody wants to read on.
pub(crate) fn write(result: std::io::Result<()>) -> Result<()> {
    match result {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::new(format!("write error: {}", Errno::from(&error)))),
        Ok(()) => Ok(()),
    }
}

impl Value {
    /// As a cell of a table.
    fn text(&self, bytes: bool, decimal_point: &str) -> Vec<u8> {
        let text = match self {
            Value::Unknown => String::new(),
            Value::Text(text) => return text.clone(),
            Value::Count(count) => count.to_string(),
            Value::Size(size) if bytes => size.to_string(),
            Value::Size(size) => size::human(*size, decimal_point),
            // What printf makes of 0/0 on x86, sign included, and of 1/0.
            Value::Ratio(ratio) if ratio.is_nan() => "-nan".to_owned(),
            Value::Ratio(ratio) if ratio.is_infinite() => "inf".to_owned(),
            Value::Ratio(ratio) => format!("{ratio:.4}").replace('.', decimal_point),
        };
        text.into_bytes()
    }

    fn json(&self) -> Json {
        match self {
            Value::Unknown => Json::Null,
            Value::Text(text) if text.is_empty() => Json::Null,
            Value::Text(text) => Json::String(String::from_utf8_lossy(text).into_owned()),
            Value::Count(count) => Json::Number((*count).into()),
            Value::Size(size) => Json::Number((*size).into()),
            Value::Ratio(ratio) => Number::from_f64(*ratio).map_or(Json::Null, Json::Number),
        }
    }
}
