//! The dialect of INI that zram-generator.conf is written in: that of rust-ini 0.18 with its
//! default options, which is what zram-generator reads it with. A property test compares the two.
//!
//! `=` or `:` ends a key, the end of the line a value. A value may begin with a quoted part, which
//! may span lines. A backslash escapes; before the end of a line it joins the next one. `#` and `;`
//! start a comment in the first column only; anywhere else in a line they belong to what they are
//! found in. Sections and keys may come again; nothing is merged here.
//!
//! rust-ini stops at the first fault. This reader goes on behind the line in which the faulty item
//! began, so that one slip costs no more than it must.

use std::str::Chars;

/// One thing found in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Where it begins, counted from 1.
    pub line: usize,
    /// What it is.
    pub what: What,
}

/// What can be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// `[name]`, without blanks around the name.
    Section(String),
    /// `key = value`, both without blanks around them, escapes resolved.
    Entry {
        /// What is before the `=`. It spans lines if the first of them has no `=`.
        key: String,
        /// What is behind it.
        value: String,
    },
    /// A comment that does not start in the first column: rust-ini refuses the whole file, we only
    /// pass over the line.
    IndentedComment,
    /// A line that cannot be read, and why.
    Fault(&'static str),
    /// A section whose name cannot be read: nobody knows what the lines behind it are about.
    BadSection(&'static str),
}

/// To find a fault may take until the end of the file, and then reading goes on where it began. A
/// file with more of them than this is no configuration.
const MOST_FAULTS: usize = 20;

/// Reads a whole file. Never fails: faults are items like others. After too many of them the rest
/// is not read.
#[must_use]
pub fn read(text: &str) -> Vec<Item> {
    let mut reader = Reader { rest: text.chars(), line: 1, is_first_column: true };
    let mut items = Vec::new();
    let mut faults = 0;
    loop {
        reader.skip(char::is_whitespace);
        let line = reader.line;
        let Some(found) = reader.item() else { return items };
        let Some(what) = found else { continue };
        faults += usize::from(matches!(what, What::Fault(_) | What::BadSection(_)));
        items.push(Item { line, what });
        if faults == MOST_FAULTS {
            let what = What::BadSection("too much is wrong: the rest of the file is not read");
            items.push(Item { line, what });
            return items;
        }
    }
}

type Read<T> = Result<T, &'static str>;

#[derive(Clone)]
struct Reader<'a> {
    rest: Chars<'a>,
    line: usize,
    is_first_column: bool,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.clone().next()
    }

    fn bump(&mut self) -> Option<char> {
        let letter = self.rest.next()?;
        self.is_first_column = letter == '\n';
        self.line += usize::from(self.is_first_column);
        Some(letter)
    }

    fn skip(&mut self, unwanted: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&unwanted) {
            self.bump();
        }
    }

    /// The next item: none at the end of the file, nothing worth an item for a comment.
    fn item(&mut self) -> Option<Option<What>> {
        let start = self.clone();
        let what = match self.peek()? {
            '#' | ';' => {
                let indented = !self.is_first_column;
                self.skip(|letter| letter != '\n');
                return Some(indented.then_some(What::IndentedComment));
            }
            '[' => self.section().map_err(What::BadSection),
            _ => self.entry().map_err(What::Fault),
        };
        Some(Some(what.unwrap_or_else(|fault| {
            *self = start;
            self.skip(|letter| letter != '\n');
            fault
        })))
    }

    fn section(&mut self) -> Read<What> {
        self.bump();
        let name = self.until(|letter| letter == ']', Some("a section's name needs a ]"))?;
        self.bump();
        Ok(What::Section(name.trim().to_owned()))
    }

    fn entry(&mut self) -> Read<What> {
        let missing = Some("neither a section nor `key = value`");
        let key = self.until(|letter| letter == '=' || letter == ':', missing)?;
        let key = key.trim();
        if key.is_empty() {
            return Err("there is no key before the =");
        }
        self.bump();
        self.skip(|letter| letter.is_whitespace() && !ends_line(letter));
        let mut value = String::new();
        if let Some(quote @ ('"' | '\'')) = self.peek() {
            self.bump();
            let missing = Some("a quotation mark without its other half");
            value = self.until(|letter| letter == quote, missing)?;
            self.bump();
        }
        value.push_str(&self.until(ends_line, None)?);
        Ok(What::Entry { key: key.to_owned(), value: value.trim().to_owned() })
    }

    /// Everything before the letter that ends it, escapes resolved. What to say if no such letter
    /// comes; nothing: the end of the file will do.
    fn until(
        &mut self,
        ends: impl Fn(char) -> bool,
        missing: Option<&'static str>,
    ) -> Read<String> {
        let mut text = String::new();
        while let Some(letter) = self.peek() {
            if ends(letter) {
                return Ok(text);
            }
            text.extend(self.letter()?);
        }
        missing.map_or(Ok(text), Err)
    }

    /// One letter, or what an escape stands for, which may be nothing.
    fn letter(&mut self) -> Read<Option<char>> {
        match self.bump() {
            Some('\\') => {}
            other => return Ok(other),
        }
        Ok(Some(match self.bump().ok_or("the file ends with a backslash")? {
            '\n' => return Ok(None),
            '0' => '\0',
            'a' => '\x07',
            'b' => '\x08',
            't' => '\t',
            'r' => '\r',
            'n' => '\n',
            'x' => self.code_point()?,
            other => other,
        }))
    }

    /// Four hexadecimal digits.
    fn code_point(&mut self) -> Read<char> {
        let digits: String = (0..4).map_while(|_| self.bump()).collect();
        let whole = (digits.chars().count() == 4).then_some(digits);
        let number = whole.and_then(|digits| u32::from_str_radix(&digits, 16).ok());
        number.and_then(char::from_u32).ok_or(r"\x needs four hexadecimal digits of a character")
    }
}

fn ends_line(letter: char) -> bool {
    matches!(letter, '\n' | '\r')
}

#[cfg(test)]
mod tests;
