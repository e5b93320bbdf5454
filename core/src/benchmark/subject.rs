//! What is measured.

use std::string::String;

use crate::{Algorithm, Encoded, Page, PageCompressor, Scratch, wm};

/// A codec for pages, with whatever working memory it keeps between them.
///
/// Implement it for another library to see it in the same table.
pub trait Subject {
    /// What the tables call it.
    fn name(&self) -> &str;

    /// Compresses `page` into the first bytes of `out`, which has
    /// [`OUTPUT_SIZE`](super::OUTPUT_SIZE) bytes, and returns how many they are.
    ///
    /// With 4096 or more the benchmark keeps the page itself, as a store does; `None` is a failure.
    fn compress(&mut self, page: &Page, out: &mut [u8]) -> Option<usize>;

    /// Restores a page from what [`compress`](Self::compress) wrote; false if the codec refuses.
    fn decompress(&mut self, data: &[u8], page: &mut Page) -> bool;

    /// Which of several inner formats `data` is in, for codecs that choose one for each page.
    fn kind(&self, data: &[u8]) -> Option<&'static str> {
        let _ = data;
        None
    }
}

/// A [`PageCompressor`] with its scratch, used as the block device uses them: without allocations.
#[derive(Debug)]
pub struct CompressorSubject {
    name: String,
    compressor: PageCompressor,
    scratch: Scratch,
}

impl CompressorSubject {
    /// Shows `compressor` under `name`.
    pub fn new(name: impl Into<String>, compressor: PageCompressor) -> Self {
        let scratch = compressor.scratch();
        Self { name: name.into(), compressor, scratch }
    }
}

impl Subject for CompressorSubject {
    fn name(&self) -> &str {
        &self.name
    }

    fn compress(&mut self, page: &Page, out: &mut [u8]) -> Option<usize> {
        self.compressor.compress_into(page, &mut self.scratch, out).ok().map(Encoded::len)
    }

    fn decompress(&mut self, data: &[u8], page: &mut Page) -> bool {
        self.compressor.decompress_into(data, &mut self.scratch, page).is_ok()
    }

    fn kind(&self, data: &[u8]) -> Option<&'static str> {
        match self.compressor.algorithm() {
            Algorithm::Wm | Algorithm::WmHc | Algorithm::Adaptive => wm::inner_format(data),
            _ => None,
        }
    }
}
