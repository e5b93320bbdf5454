//! Small pages and what they are compressed to, every byte explained: files in `tests/vectors/`, and
//! the same text in the document.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::common::{compressor, pages};
use super::naive::Decoder;
use super::{by_codec, codecs, decoder};
use trueno_zram_core::{Algorithm, PAGE_SIZE, Page};

struct Vector {
    name: &'static str,
    what: &'static str,
    /// Which encoder writes it, or bytes that no encoder of ours writes.
    from: From,
    page: fn() -> Page,
}

enum From {
    Encoder(Algorithm),
    Bytes(&'static [u8]),
}

const VECTORS: &[Vector] = &[
    Vector {
        name: "words",
        what: "four records of three words: a pointer, a number, a flag; then zeros",
        from: From::Encoder(Algorithm::Wm),
        page: || records(4),
    },
    Vector {
        name: "dense-words",
        what: "the same with eight records",
        from: From::Encoder(Algorithm::WmHc),
        page: || records(8),
    },
    Vector {
        name: "odd-distance",
        what: "seven records of 20 bytes: five 32-bit numbers; then zeros",
        from: From::Encoder(Algorithm::WmHc),
        page: small_records,
    },
    Vector {
        name: "byte-fill",
        what: "a page of one byte",
        from: From::Encoder(Algorithm::Adaptive),
        page: || [0x5a; PAGE_SIZE],
    },
    Vector {
        name: "word-fill",
        what: "a page of one word",
        from: From::Encoder(Algorithm::Adaptive),
        page: || pages::of_words(|_| 0x0123_4567_89ab_cdef),
    },
    Vector {
        name: "lz4",
        what: "an LZ4 block: `mempage ` again and again (not what our encoder makes of this page)",
        from: From::Bytes(&[
            0x03, 0x8f, b'm', b'e', b'm', b'p', b'a', b'g', b'e', b' ', 0x08, 0x00, 0xff, 0xff,
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xef,
            0x50, b'p', b'a', b'g', b'e', b' ',
        ]),
        page: || core::array::from_fn(|at| b"mempage "[at % 8]),
    },
    Vector {
        name: "zstd",
        what: "a zstd frame: header, window, one block that repeats a byte (likewise)",
        from: From::Bytes(&[0x04, 0x00, 0x10, 0x03, 0x80, 0x00, b'z']),
        page: || [b'z'; PAGE_SIZE],
    },
];

fn records(count: usize) -> Page {
    pages::of_words(|at| match (at / 3, at % 3) {
        (record, _) if record >= count => 0,
        (record, 0) => 0x7f3c_52a1_0040 + 0x60 * record as u64,
        (record, 1) => record as u64,
        _ => 1,
    })
}

fn small_records() -> Page {
    pages::of_halves(|at| match (at / 5, at % 5) {
        (7.., _) => 0,
        (record, 0) => 0x0804_9a00 + 0x24 * record,
        (record, 1) => 1000 + record,
        (_, field) => 0x1122_3344 << field,
    })
}

impl Vector {
    /// The text of its file, from what the codec writes now.
    fn text(&self, decoder: &Decoder) -> String {
        let page = (self.page)();
        let data = match self.from {
            From::Encoder(algorithm) => {
                let codec = codecs(algorithm).pop().expect("a backend");
                codec.compress(&page).expect("it works").data
            }
            From::Bytes(bytes) => bytes.to_vec(),
        };
        let decoded = decoder.decode(&data).expect("a page by the document");
        assert!(decoded.page == page, "{}: another page", self.name);
        let mut text = format!("{}: {}\n\nthe page\n", self.name, self.what);
        text += &page_as_text(&page);
        let by = match self.from {
            From::Encoder(algorithm) => format!("as {algorithm} writes it"),
            From::Bytes(_) => "compressed".to_owned(),
        };
        writeln!(text, "\n{by}: {} bytes", data.len()).expect("a String takes everything");
        let mut at = 0;
        for part in decoded.parts.iter().filter(|part| !part.bytes.is_empty()) {
            for (line, bytes) in part.bytes.chunks(16).enumerate() {
                let what = if line == 0 { part.what[0].as_str() } else { "" };
                let line = format!("{at:04x}  {:48} {what}", hex(bytes));
                text += line.trim_end();
                text.push('\n');
                at += bytes.len();
            }
            for what in &part.what[1..] {
                writeln!(text, "{:55}{what}", "").expect("a String takes everything");
            }
        }
        text
    }

    fn path(&self) -> PathBuf {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
        folder.join(self.name).with_extension("txt")
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

/// Sixteen bytes a line; `*` for lines like the one before.
fn page_as_text(page: &Page) -> String {
    let mut text = String::new();
    let mut last = None;
    for (number, line) in page.chunks(16).enumerate() {
        if last != Some(line) {
            writeln!(text, "{:04x}  {}", 16 * number, hex(line))
                .expect("a String takes everything");
        } else if !text.ends_with("*\n") {
            text += "*\n";
        }
        last = Some(line);
    }
    text
}

/// The bytes behind the addresses in a part of a file.
fn bytes_of(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in text.lines() {
        let Some((address, rest)) = line.split_once("  ") else { continue };
        if address.len() == 4 && usize::from_str_radix(address, 16) == Ok(bytes.len()) {
            let digits = rest.get(..47).unwrap_or(rest).split(' ');
            bytes.extend(digits.map_while(|digits| u8::from_str_radix(digits, 16).ok()));
        }
    }
    bytes
}

fn document() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/FORMAT-WM.md")
}

/// How a vector's text stands in the document.
fn block(text: &str) -> String {
    format!("```text\n{text}```\n")
}

fn blesses() -> bool {
    std::env::var_os("TRUENO_BLESS").is_some_and(|set| set == "1")
}

#[test]
fn the_encoder_writes_the_vectors_and_the_document_shows_them() {
    let decoder = decoder();
    let blesses = blesses();
    let mut shown = fs::read_to_string(document()).expect("the document");
    for vector in VECTORS {
        let text = vector.text(&decoder);
        let stored = fs::read_to_string(vector.path()).unwrap_or_default();
        if blesses {
            let head = format!("```text\n{}: ", vector.name);
            let start = shown.find(&head).expect("its place in the document");
            let end = shown[start + 3..].find("```\n").expect("its end") + start + 3 + 4;
            shown.replace_range(start..end, &block(&text));
            fs::write(vector.path(), &text).expect("a file");
        } else {
            let name = vector.name;
            assert!(stored == text, "{name}: other bytes; see the top of format.rs. Now:\n{text}");
            assert!(shown.contains(&block(&text)), "{name} is not so in docs/FORMAT-WM.md");
        }
    }
    if blesses {
        fs::write(document(), shown).expect("the document");
    }
}

#[test]
fn every_backend_reads_the_vectors() {
    if blesses() {
        // They are being written.
        return;
    }
    let decoder = decoder();
    for vector in VECTORS {
        let text = fs::read_to_string(vector.path()).expect("a vector");
        let (_, compressed) = text.rsplit_once("\n\n").expect("the page, and the compressed page");
        let data = bytes_of(compressed);
        let page = (vector.page)();
        assert!(compressed.contains(&format!(": {} bytes", data.len())), "{}", vector.name);
        assert!(decoder.decode(&data).is_ok_and(|decoded| decoded.page == page), "{}", vector.name);
        assert_eq!(by_codec(&codecs(Algorithm::WmHc), &data), Some(page), "{}", vector.name);
        let adaptive = compressor(Algorithm::Adaptive, codecs(Algorithm::Adaptive)[0].backend());
        let by_adaptive =
            adaptive.decompress_into(&data, &mut adaptive.scratch(), &mut [0; PAGE_SIZE]);
        assert_eq!(by_adaptive.is_ok(), vector.name != "zstd", "{}", vector.name);
    }
}
