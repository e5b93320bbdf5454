//! What an open file has been read: the text is made at the first read, then served from a buffer.
//!
//! The rules are those of the kernel's `seq_file`, in which sysfs shows its attributes. A read at
//! offset 0 makes the text anew. One that goes on where the last ended is served from the buffer. One
//! anywhere else makes the text anew too, and skips to the place.

use sysfs_compat::abi::Errno;

use crate::provider::Piece;

/// Where the text goes on when the buffer is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Next {
    /// At the piece that begins there.
    #[default]
    Start,
    Cursor(u64),
    /// Nowhere.
    End,
}

/// The state of one open file.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    text: Vec<u8>,
    /// How much of `text` has been read.
    done: usize,
    /// The offset at which `text[done]` is.
    position: u64,
    next: Next,
}

/// The kernel's error for a place that cannot be gone to (`asm-generic/errno-base.h`).
const ESPIPE: Errno = Errno::from_raw(29);

impl Reader {
    /// One read of at most `size` bytes at `offset`; nothing at the end. `make` makes the piece of
    /// the text that begins at a cursor.
    ///
    /// # Errors
    /// Those of `make`; `ESPIPE` for a place in a text of several pieces that is neither its start
    /// nor where the last read ended.
    pub(crate) fn read(
        &mut self,
        offset: u64,
        size: usize,
        mut make: impl FnMut(u64) -> Result<Piece, Errno>,
    ) -> Result<&[u8], Errno> {
        if offset == 0 {
            *self = Reader::default();
        } else if offset != self.position {
            *self = Reader::default();
            *self = Self::from_offset(offset, &mut make)?;
        }
        while self.done == self.text.len() {
            let cursor = match self.next {
                Next::Start => 0,
                Next::Cursor(cursor) => cursor,
                Next::End => break,
            };
            self.take(make(cursor)?);
        }
        let rest = self.text.get(self.done..).unwrap_or_default();
        let served = rest.get(..size).unwrap_or(rest);
        self.done += served.len();
        self.position += served.len() as u64;
        Ok(served)
    }

    /// Whether there is more to come than what is in the buffer.
    pub(crate) fn is_long(&self) -> bool {
        matches!(self.next, Next::Cursor(_))
    }

    fn from_offset(
        offset: u64,
        make: &mut impl FnMut(u64) -> Result<Piece, Errno>,
    ) -> Result<Self, Errno> {
        let mut reader = Reader { position: offset, ..Reader::default() };
        reader.take(make(0)?);
        let length = reader.text.len();
        reader.done = usize::try_from(offset).unwrap_or(length).min(length);
        if reader.done == length && reader.is_long() {
            return Err(ESPIPE);
        }
        Ok(reader)
    }

    fn take(&mut self, piece: Piece) {
        self.text = piece.text;
        self.done = 0;
        self.next = piece.next.map_or(Next::End, Next::Cursor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text of one piece that says how often it was made.
    #[derive(Default)]
    struct Counter(u32);

    impl Counter {
        fn make(&mut self) -> impl FnMut(u64) -> Result<Piece, Errno> {
            |cursor| {
                assert_eq!(cursor, 0);
                self.0 += 1;
                Ok(Piece { text: format!("text {}\n", self.0).into_bytes(), next: None })
            }
        }
    }

    fn read(reader: &mut Reader, counter: &mut Counter, offset: u64, size: usize) -> String {
        let bytes = reader.read(offset, size, counter.make()).expect("no error");
        String::from_utf8(bytes.to_vec()).expect("text")
    }

    #[test]
    fn byte_after_byte_is_one_text() {
        let (mut reader, mut counter) = Default::default();
        let bytes = (0..=7).map(|offset| read(&mut reader, &mut counter, offset, 1));
        let text: String = bytes.collect();
        assert_eq!((text.as_str(), counter.0), ("text 1\n", 1));
    }

    #[test]
    fn back_to_the_start_makes_it_anew() {
        let (mut reader, mut counter) = Default::default();
        assert_eq!(read(&mut reader, &mut counter, 0, 99), "text 1\n");
        assert_eq!(read(&mut reader, &mut counter, 7, 99), "");
        assert_eq!(read(&mut reader, &mut counter, 0, 99), "text 2\n");
        assert_eq!(read(&mut reader, &mut counter, 0, 0), "");
        assert_eq!(read(&mut reader, &mut counter, 0, 3), "tex");
        assert_eq!(counter.0, 4);
    }

    #[test]
    fn elsewhere_makes_it_anew_too() {
        let (mut reader, mut counter) = Default::default();
        assert_eq!(read(&mut reader, &mut counter, 5, 1), "1");
        assert_eq!(read(&mut reader, &mut counter, 6, 9), "\n", "goes on");
        assert_eq!(read(&mut reader, &mut counter, 5, 9), "2\n");
        assert_eq!(read(&mut reader, &mut counter, 99, 9), "");
        assert_eq!(read(&mut reader, &mut counter, 99, 9), "", "goes on, at the end");
        assert_eq!(counter.0, 3);
    }

    #[test]
    fn an_error_is_nothing_to_go_on_from() {
        let mut reader = Reader::default();
        let fails = |_| Err(Errno::EIO);
        assert_eq!(reader.read(0, 9, fails), Err(Errno::EIO));
        assert_eq!(reader.read(3, 9, fails), Err(Errno::EIO));
        assert_eq!(read(&mut reader, &mut Counter::default(), 3, 9), "t 1\n");
    }

    /// Three pieces, one of them empty.
    fn pieces(cursor: u64) -> Result<Piece, Errno> {
        let (text, next) = match cursor {
            0 => ("ab", Some(10)),
            10 => ("", Some(20)),
            20 => ("c", None),
            _ => return Err(Errno::EIO),
        };
        Ok(Piece { text: text.into(), next })
    }

    #[test]
    fn pieces_follow_each_other() {
        let mut reader = Reader::default();
        assert_eq!(reader.read(0, 9, pieces), Ok(&b"ab"[..]));
        assert!(reader.is_long());
        assert_eq!(reader.read(2, 9, pieces), Ok(&b"c"[..]));
        assert!(!reader.is_long());
        assert_eq!(reader.read(3, 9, pieces), Ok(&b""[..]));
        assert_eq!(reader.read(1, 9, pieces), Ok(&b"b"[..]), "still in the first piece");
        assert_eq!(reader.read(9, 9, pieces), Err(ESPIPE));
        assert_eq!(reader.read(0, 1, pieces), Ok(&b"a"[..]), "and nothing is broken by that");
    }
}
