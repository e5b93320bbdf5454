//! What ours is measured against, each used as its documentation recommends for many small inputs.

use lz4_flex::block::{CompressTable, compress_into_with_table, decompress_into};
use trueno_zram_core::benchmark::Subject;
use trueno_zram_core::{PAGE_SIZE, Page};
use zstd_safe::{CCtx, DCtx};

use crate::c_lz4::CLz4;

/// All peers; the reference comes first.
pub(crate) fn all() -> Vec<Box<dyn Subject>> {
    let mut peers: Vec<Box<dyn Subject>> = vec![Box::new(CLz4::new()), Box::new(Lz4Flex::new())];
    for level in [-1, 1, 3] {
        peers.push(Box::new(PlainZstd::new(level)));
    }
    peers
}

/// lz4_flex without unsafe code, its table reused.
struct Lz4Flex {
    table: CompressTable,
}

impl Lz4Flex {
    fn new() -> Self {
        // The small table is the one for inputs up to 64 KiB.
        Self { table: CompressTable::small() }
    }
}

impl Subject for Lz4Flex {
    fn name(&self) -> &str {
        "lz4_flex"
    }

    fn compress(&mut self, page: &Page, out: &mut [u8]) -> Option<usize> {
        compress_into_with_table(page, out, &mut self.table).ok()
    }

    fn decompress(&mut self, data: &[u8], page: &mut Page) -> bool {
        matches!(decompress_into(data, page), Ok(PAGE_SIZE))
    }
}

/// Zstandard as its simple API makes it (default frame, parameters by level), contexts reused.
struct PlainZstd {
    name: String,
    level: i32,
    compressor: CCtx<'static>,
    decompressor: DCtx<'static>,
}

impl PlainZstd {
    fn new(level: i32) -> Self {
        let name = super::plain_zstd(level);
        Self { name, level, compressor: CCtx::create(), decompressor: DCtx::create() }
    }
}

impl Subject for PlainZstd {
    fn name(&self) -> &str {
        &self.name
    }

    fn compress(&mut self, page: &Page, out: &mut [u8]) -> Option<usize> {
        self.compressor.compress(out, page, self.level).ok()
    }

    fn decompress(&mut self, data: &[u8], page: &mut Page) -> bool {
        self.decompressor.decompress(page.as_mut_slice(), data) == Ok(PAGE_SIZE)
    }
}
