//! Pages to start from, and pages made of any input.

use std::path::Path;

use trueno_zram_core::benchmark::load_pages;
use trueno_zram_core::{PAGE_SIZE, Page};

use crate::common::corpora;
use crate::common::pages::built_in;

/// The built-in pages and those of every corpus below `folder`, which may be missing.
///
/// # Panics
///
/// If a corpus cannot be read.
#[must_use]
pub fn all(folder: &Path) -> Vec<Page> {
    let mut pages = built_in();
    for path in corpora::files(folder) {
        let set = load_pages(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        pages.extend(set.pages);
    }
    pages
}

/// Makes a page of any input: the first byte chooses how, so that short inputs reach pages of every
/// kind, and a whole page can be had as it is.
#[must_use]
pub fn expand(data: &[u8]) -> Page {
    let mut page = [0; PAGE_SIZE];
    if let Some(whole) = data.first_chunk() {
        return *whole;
    }
    let Some((&how, data)) = data.split_first() else { return page };
    match how % 4 {
        // As it is, then zeros.
        0 => page[..data.len()].copy_from_slice(data),
        // Again and again.
        1 => page.iter_mut().zip(data.iter().cycle()).for_each(|(byte, from)| *byte = *from),
        // Single words: where, and what.
        2 => {
            let words = page.as_chunks_mut().0;
            for &[low, high, ref value @ ..] in data.as_chunks::<10>().0 {
                words[usize::from(u16::from_le_bytes([low, high])) % 512] = *value;
            }
        }
        // Instructions: a new word, or a copy of the word so far back, and one byte of it changed.
        _ => {
            let words: &mut [[u8; 8]] = page.as_chunks_mut().0;
            let mut data = data.iter().copied().cycle();
            let mut next = || data.next().unwrap_or(0);
            for at in 0..words.len() {
                let mut word = match usize::from(next()) {
                    0 => std::array::from_fn(|_| next()),
                    back => words[(at + 512 - back) % 512],
                };
                word[usize::from(next() % 8)] ^= next();
                words[at] = word;
            }
        }
    }
    page
}
