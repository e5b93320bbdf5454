//! Prints a table the way libsmartcols 2.38 prints it for zramctl, byte for byte.
//!
//! # Contract
//! * Columns are separated by one blank. Cells are padded to the width of their column, except a
//!   left-aligned last one; an empty last cell is not padded at all, so lines may end in a blank.
//! * A table without rows prints nothing, not even its header.
//! * What is not printable comes out as `\xHH` for each of its bytes. So does a backslash before
//!   an `x`, otherwise output could not be told from escapes.
//! * Raw: no padding, and blanks, backslashes and all bytes beyond ASCII are escaped as well, so
//!   that a line always splits at blanks into its cells.
//! * On a terminal that is too narrow, columns shrink as [`WidthHint`] says. A cell that is still
//!   too wide is cut if its column may be; otherwise it is printed whole, and the rest of the row
//!   goes to a second line under the right headings.
//!
//! Header names must not be empty.

use std::io::{self, Write};

/// Between two columns.
const SEPARATOR: &str = " ";
const SEPARATOR_WIDTH: usize = SEPARATOR.len();

/// A column and how it is laid out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    /// The heading. Counts for the width even when the header is not printed.
    pub(crate) name: &'static str,
    pub(crate) align: Align,
    /// Whether cells may be cut on a terminal that is too narrow.
    pub(crate) truncate: bool,
    pub(crate) hint: WidthHint,
}

/// The side of the column that cells lean on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// How wide a column would like to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WidthHint {
    /// At least this many cells, once some cell is as wide as the heading. Made narrower only if
    /// cells may be cut.
    Cells(usize),
    /// The n-th part of the terminal: may be made narrower, down to the heading, if lines do not
    /// fit. Columns that may be cut and exceed their part give way first.
    TerminalPart(usize),
}

/// The rows of a table under their columns.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) columns: Vec<Column>,
    /// Cells as bytes, since mount points are. A missing cell is an empty one.
    pub(crate) rows: Vec<Vec<Vec<u8>>>,
}

/// How a table is to be printed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style<'a> {
    /// For scripts: see the module's contract.
    pub(crate) raw: bool,
    /// Print the names of the columns first.
    pub(crate) header: bool,
    /// Cells per line of the terminal, `None` if the output is none.
    pub(crate) terminal_width: Option<usize>,
    /// Which bytes are text.
    pub(crate) charset: Charset,
    /// An escape sequence such as `"\x1b[1m"` that starts the header line. It is followed by a
    /// reset, and neither counts for widths. Raw output is never styled.
    pub(crate) header_sgr: Option<&'a str>,
}

/// Which bytes are text, and how wide.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Charset {
    /// Bytes above 0x7f are not printable.
    Ascii,
    /// UTF-8; the function gives the terminal cells of a character, `None` if not printable. A
    /// parameter because the answer depends on the host's C library.
    Utf8(fn(char) -> Option<usize>),
}

impl Table {
    /// Writes the table, or nothing if it has no rows.
    pub(crate) fn write(&self, out: &mut dyn Write, style: &Style<'_>) -> io::Result<()> {
        let mut text = String::new();
        if self.rows.is_empty() || self.columns.is_empty() {
            return Ok(());
        } else if style.raw {
            self.print_raw(&mut text, style.header);
        } else {
            self.print_aligned(&mut text, style);
        }
        out.write_all(text.as_bytes())
    }

    fn print_raw(&self, out: &mut String, header: bool) {
        if header {
            print_raw_row(out, self.columns.iter().map(|column| column.name.as_bytes()));
        }
        for row in &self.rows {
            print_raw_row(out, self.cells(row));
        }
    }

    fn print_aligned(&self, out: &mut String, style: &Style<'_>) {
        let encode = |cell: &[u8]| Text::encode(cell, style.charset);
        let header =
            self.columns.iter().map(|column| encode(column.name.as_bytes())).collect::<Vec<_>>();
        let rows = self
            .rows
            .iter()
            .map(|row| self.cells(row).map(encode).collect())
            .collect::<Vec<Vec<_>>>();

        let mut layout = self.natural_layout(&header, &rows);
        if let Some(width) = style.terminal_width {
            shrink(&mut layout, width);
        }

        if style.header {
            let (start, reset) = style.header_sgr.map_or(("", ""), |sgr| (sgr, "\x1b[0m"));
            out.push_str(start);
            print_row(out, &layout, &header, style.charset);
            out.push_str(reset);
            out.push('\n');
        }
        for row in &rows {
            print_row(out, &layout, row, style.charset);
            out.push('\n');
        }
    }

    /// The cells of `row`, one for each column.
    fn cells<'r>(&self, row: &'r [Vec<u8>]) -> impl Iterator<Item = &'r [u8]> {
        let missing = std::iter::repeat(&[][..]);
        row.iter().map(Vec::as_slice).chain(missing).take(self.columns.len())
    }

    /// The widths that show everything.
    fn natural_layout(&self, header: &[Text], rows: &[Vec<Text>]) -> Vec<Slot> {
        let mut slots = Vec::with_capacity(self.columns.len());
        for (index, (column, name)) in self.columns.iter().zip(header).enumerate() {
            let minimum = name.width;
            let content = rows.iter().filter_map(|row| row.get(index)).map(|cell| cell.width).max();
            let content = content.unwrap_or(0);
            let width = match column.hint {
                // The hint comes second: a column whose cells are all narrower than its heading
                // is as wide as the heading, however much wider the hint is.
                WidthHint::Cells(hint) if content >= minimum => content.max(hint),
                _ => content.max(minimum),
            };
            slots.push(Slot { column: *column, minimum, width });
        }
        slots
    }
}

/// A column with the width it was given.
#[derive(Debug)]
struct Slot {
    column: Column,
    /// Not made narrower than this.
    minimum: usize,
    width: usize,
}

/// Makes columns narrower until lines have at most `terminal` cells, or nothing can give way.
///
/// Each stage takes one cell from each of its columns in turn, and the next one begins when the
/// stage has nothing more to take.
fn shrink(layout: &mut [Slot], terminal: usize) {
    let stages: [fn(&Slot, usize) -> bool; 3] = [
        |slot, terminal| {
            slot.column.truncate
                && slot.terminal_part(terminal).is_some_and(|part| slot.width >= part)
        },
        |slot, _| slot.column.truncate,
        |slot, terminal| slot.terminal_part(terminal).is_some(),
    ];

    let separators = layout.len().saturating_sub(1) * SEPARATOR_WIDTH;
    let line = layout.iter().map(|slot| slot.width).sum::<usize>() + separators;
    let mut excess = line.saturating_sub(terminal);
    for gives_way in stages {
        let mut taken = true;
        while taken {
            taken = false;
            for slot in &mut *layout {
                if excess > 0 && slot.width > slot.minimum && gives_way(slot, terminal) {
                    slot.width -= 1;
                    excess -= 1;
                    taken = true;
                }
            }
        }
    }
}

impl Slot {
    /// The width that the column's hint means on this terminal, `None` for an absolute hint.
    fn terminal_part(&self, terminal: usize) -> Option<usize> {
        match self.column.hint {
            WidthHint::Cells(_) => None,
            WidthHint::TerminalPart(divisor) => terminal.checked_div(divisor),
        }
    }
}

/// Adds one line without its end; two lines if a cell is wider than its column.
fn print_row(out: &mut String, layout: &[Slot], row: &[Text], charset: Charset) {
    let mut slots = layout.iter().zip(row).peekable();
    // Where the current column ends.
    let mut end = 0;
    while let Some((slot, cell)) = slots.next() {
        let last = slots.peek().is_none();
        if last && cell.text.is_empty() {
            return;
        }

        let cut;
        let cell = if cell.width > slot.width && slot.column.truncate {
            cut = cell.cut(slot.width, charset);
            &cut
        } else {
            cell
        };
        let padding = slot.width.saturating_sub(cell.width);
        if slot.column.align == Align::Right {
            pad(out, padding);
        }
        out.push_str(&cell.text);
        if last {
            return;
        }
        end += slot.width;
        if slot.column.align == Align::Left {
            pad(out, padding);
            if cell.width > slot.width {
                out.push('\n');
                pad(out, end);
            }
        }
        out.push_str(SEPARATOR);
        end += SEPARATOR_WIDTH;
    }
}

fn pad(out: &mut String, cells: usize) {
    out.extend(std::iter::repeat_n(' ', cells));
}

fn print_raw_row<'c>(out: &mut String, cells: impl Iterator<Item = &'c [u8]>) {
    for (index, cell) in cells.enumerate() {
        if index > 0 {
            out.push_str(SEPARATOR);
        }
        for &byte in cell {
            if byte.is_ascii_graphic() && byte != b'\\' {
                out.push(char::from(byte));
            } else {
                push_escape(out, byte);
            }
        }
    }
    out.push('\n');
}

/// A cell with what can not be printed escaped.
#[derive(Debug)]
struct Text {
    text: String,
    /// Terminal cells.
    width: usize,
}

impl Text {
    fn encode(bytes: &[u8], charset: Charset) -> Self {
        let mut encoded = Self { text: String::with_capacity(bytes.len()), width: 0 };
        for chunk in bytes.utf8_chunks() {
            let mut chars = chunk.valid().chars().peekable();
            while let Some(c) = chars.next() {
                let looks_escaped = c == '\\' && chars.peek() == Some(&'x');
                match charset.width(c) {
                    Some(width) if !looks_escaped => {
                        encoded.text.push(c);
                        encoded.width += width;
                    }
                    _ => encoded.escape(c.encode_utf8(&mut [0; 4]).as_bytes()),
                }
            }
            encoded.escape(chunk.invalid());
        }
        // Marks with nothing to stand on would stick to the padding.
        if encoded.width == 0 {
            encoded.text.clear();
        }
        encoded
    }

    fn escape(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.width += push_escape(&mut self.text, byte);
        }
    }

    /// The first characters that fill at most `width` cells. May end within an escape.
    fn cut(&self, width: usize, charset: Charset) -> Self {
        let mut kept = Self { text: String::new(), width: 0 };
        for c in self.text.chars() {
            let next = kept.width + charset.width(c).unwrap_or(0);
            if next > width {
                break;
            }
            kept.text.push(c);
            kept.width = next;
        }
        kept
    }
}

/// Adds `\xHH` and returns its width.
fn push_escape(out: &mut String, byte: u8) -> usize {
    let escape = format!("\\x{byte:02x}");
    out.push_str(&escape);
    escape.len()
}

impl Charset {
    /// Terminal cells of a character, `None` if it is to be escaped.
    fn width(self, c: char) -> Option<usize> {
        match self {
            _ if c.is_ascii() => (!c.is_ascii_control()).then_some(1),
            Self::Ascii => None,
            Self::Utf8(width) => width(c),
        }
    }
}

#[cfg(test)]
mod tests;
