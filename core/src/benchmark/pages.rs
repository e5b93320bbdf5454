//! Pages to measure with: from files, or made up the same way every time.

use std::borrow::ToOwned as _;
use std::fs;
use std::path::Path;
use std::string::String;
use std::vec::Vec;

use zstd_safe::{DCtx, InBuffer, OutBuffer};

use super::Error;
use crate::samefill::{fill_page_word, page_same_filled};
use crate::{PAGE_SIZE, Page};

/// Pages under a name, in a fixed order.
#[derive(Clone, Debug)]
pub struct PageSet {
    /// What the tables call it.
    pub name: String,
    /// The pages.
    pub pages: Vec<Page>,
    /// How many same-filled pages were left out.
    pub same_filled: usize,
}

impl PageSet {
    /// Takes `pages` without the same-filled ones, as a store does before any codec sees them.
    pub fn without_same_filled(name: impl Into<String>, mut pages: Vec<Page>) -> Self {
        let all = pages.len();
        pages.retain(|page| page_same_filled(page).is_none());
        let same_filled = all - pages.len();
        Self { name: name.into(), pages, same_filled }
    }

    /// Makes up `pages` pages of one kind; the same ones every time. Same-filled ones stay.
    #[must_use]
    pub fn synthetic(kind: Synthetic, pages: usize) -> Self {
        let mut random = Random(kind as u64);
        let pages = (0..pages).map(|_| kind.page(&mut random)).collect();
        Self { name: kind.name().to_owned(), pages, same_filled: 0 }
    }
}

/// Reads a file of raw pages, one behind the other, and drops the same-filled ones.
///
/// A name that ends in `.zst` is a Zstandard file of such pages. The set is named after the file, up
/// to the first dot.
///
/// # Errors
///
/// The file cannot be read, is no Zstandard file though named so, or is not a number of whole pages.
pub fn load_pages(path: impl AsRef<Path>) -> Result<PageSet, Error> {
    let path = path.as_ref();
    let not_pages = |what| Error::NotPages { path: path.to_owned(), what };
    let read = fs::read(path);
    let mut bytes = read.map_err(|source| Error::Read { path: path.to_owned(), source })?;
    if path.extension().is_some_and(|extension| extension == "zst") {
        bytes = decode_zstd(&bytes).ok_or_else(|| not_pages("a damaged Zstandard file"))?;
    }
    let (pages, rest) = bytes.as_chunks::<PAGE_SIZE>();
    if pages.is_empty() || !rest.is_empty() {
        return Err(not_pages("not a number of whole 4096-byte pages"));
    }
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let name = file.split('.').next().unwrap_or_default();
    Ok(PageSet::without_same_filled(name, pages.to_vec()))
}

/// All frames of a Zstandard file; nothing if it is damaged or cut short.
fn decode_zstd(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut context = DCtx::try_create()?;
    let mut input = InBuffer::around(bytes);
    let mut chunk = std::vec![0; DCtx::out_size()];
    let mut all = Vec::new();
    loop {
        let mut output = OutBuffer::around(chunk.as_mut_slice());
        let missing = context.decompress_stream(&mut output, &mut input).ok()?;
        let is_full = output.pos() == output.capacity();
        all.extend_from_slice(output.as_slice());
        let at_end = input.pos() == bytes.len();
        match (at_end, missing) {
            (true, 0) => return Some(all),
            (true, _) if !is_full => return None,
            _ => {}
        }
    }
}

/// A kind of made-up pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synthetic {
    /// Zeros.
    Zero,
    /// One byte again and again; another one in each page.
    ByteFilled,
    /// One 64-bit word again and again, of different bytes; another one in each page.
    WordFilled,
    /// Random bytes: what no codec makes smaller.
    Random,
    /// English words in lines of a log.
    Text,
    /// Zeros but for 1 to 32 random words.
    Sparse,
}

impl Synthetic {
    /// All kinds.
    pub const ALL: [Self; 6] =
        [Self::Zero, Self::ByteFilled, Self::WordFilled, Self::Random, Self::Text, Self::Sparse];

    /// The name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Zero => "zero",
            Self::ByteFilled => "byte-filled",
            Self::WordFilled => "word-filled",
            Self::Random => "random",
            Self::Text => "text",
            Self::Sparse => "sparse",
        }
    }

    fn page(self, random: &mut Random) -> Page {
        let mut page = [0; PAGE_SIZE];
        match self {
            Self::Zero => {}
            Self::ByteFilled => {
                // Never zero, which is another kind.
                let [byte, ..] = random.next().to_le_bytes();
                page.fill(byte | 1);
            }
            Self::WordFilled => fill_page_word(&mut page, random.next()),
            Self::Random => {
                for word in page.as_chunks_mut::<8>().0 {
                    *word = random.next().to_le_bytes();
                }
            }
            Self::Text => write_text(&mut page, random),
            Self::Sparse => {
                for _ in 0..=random.below(32) {
                    let at = random.below(512);
                    if let Some(word) = page.as_chunks_mut::<8>().0.get_mut(at) {
                        *word = random.next().to_le_bytes();
                    }
                }
            }
        }
        page
    }
}

/// The words of [`Synthetic::Text`], frequent ones first.
const WORDS: [&str; 40] = [
    "the",
    "of",
    "page",
    "and",
    "to",
    "in",
    "is",
    "memory",
    "was",
    "for",
    "device",
    "read",
    "with",
    "written",
    "at",
    "block",
    "from",
    "error",
    "this",
    "size",
    "by",
    "request",
    "not",
    "queue",
    "kernel",
    "completed",
    "after",
    "microseconds",
    "process",
    "started",
    "worker",
    "connection",
    "closed",
    "configuration",
    "warning",
    "temperature",
    "retrying",
    "unexpectedly",
    "checksum",
    "maintenance",
];

/// Fills the page with numbered lines of [`WORDS`].
fn write_text(page: &mut Page, random: &mut Random) {
    let mut text = String::with_capacity(2 * PAGE_SIZE);
    let mut line = random.below(100_000);
    while text.len() < PAGE_SIZE {
        text.push_str(&std::format!("[{:>6}.{:06}]", line, random.below(1_000_000)));
        for _ in 0..4 + random.below(12) {
            // The smaller of two: frequent words are frequent, as in any language.
            let word = random.below(WORDS.len()).min(random.below(WORDS.len()));
            text.push(' ');
            text.push_str(WORDS.get(word).unwrap_or(&"the"));
        }
        text.push('\n');
        line += 1;
    }
    for (byte, letter) in page.iter_mut().zip(text.bytes()) {
        *byte = letter;
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014): 64 random bits a step from any seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `limit`, which is small: the tiny bias of the remainder does not matter here.
    fn below(&mut self, limit: usize) -> usize {
        let bits = usize::try_from(self.next() >> 33).unwrap_or(0);
        bits % limit.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn made_up_pages_are_the_same_every_time_and_of_their_kind() {
        for kind in Synthetic::ALL {
            let set = PageSet::synthetic(kind, 64);
            assert_eq!(set.pages, PageSet::synthetic(kind, 64).pages, "{kind:?}");
            let filled = set.pages.iter().filter(|page| page_same_filled(page).is_some()).count();
            let is_filled =
                matches!(kind, Synthetic::Zero | Synthetic::ByteFilled | Synthetic::WordFilled);
            assert_eq!(filled, if is_filled { 64 } else { 0 }, "{kind:?}");
            let different: BTreeSet<_> = set.pages.iter().collect();
            assert!(kind == Synthetic::Zero || different.len() > 32, "{kind:?}");
        }
        let text = PageSet::synthetic(Synthetic::Text, 1);
        assert!(text.pages[0].iter().all(|byte| byte.is_ascii_graphic() || b" \n".contains(byte)));
    }

    #[test]
    fn files_are_read_plain_and_compressed() {
        let folder = std::env::temp_dir().join(std::format!("trueno-pages-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mut pages = PageSet::synthetic(Synthetic::Text, 40).pages;
        pages.insert(3, [0; PAGE_SIZE]);
        pages.insert(9, [7; PAGE_SIZE]);
        let raw = pages.as_flattened();
        let mut frame = std::vec![0; zstd_safe::compress_bound(raw.len())];
        let len = zstd_safe::compress(frame.as_mut_slice(), raw, 1).unwrap();
        frame.truncate(len);

        for (name, bytes) in [("a.pages", raw), ("a.pages.zst", frame.as_slice())] {
            let path = folder.join(name);
            fs::write(&path, bytes).unwrap();
            let set = load_pages(&path).unwrap();
            assert_eq!((set.name.as_str(), set.pages.len(), set.same_filled), ("a", 40, 2));
            // Cut short by one byte, neither is right.
            fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
            let error = load_pages(&path).unwrap_err();
            assert!(matches!(error, Error::NotPages { .. }), "{name}: {error}");
        }
        assert!(matches!(load_pages(folder.join("none")), Err(Error::Read { .. })));
        fs::remove_dir_all(&folder).unwrap();
    }
}
