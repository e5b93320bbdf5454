//! The pages that everything is measured with, in the order of a device.

use std::path::{Path, PathBuf};

use trueno_zram_core::benchmark::{PageSet, load_pages};
use trueno_zram_store::Page;

use crate::Result;

/// How many pages are timed at a time: 1 MiB, about a millisecond. Also the largest request.
pub(crate) const BLOCK: usize = 256;

/// So many pages one behind the other in memory that O_DIRECT takes.
#[derive(Clone)]
#[repr(C, align(4096))]
pub(crate) struct Block(pub(crate) [Page; BLOCK]);

impl Block {
    pub(crate) fn boxed() -> Box<Self> {
        Box::new(Self([[0; 4096]; BLOCK]))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_flattened()
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        self.0.as_flattened_mut()
    }
}

/// What a device is filled with.
pub(crate) struct Image {
    pub(crate) blocks: Vec<Block>,
    /// The page of the device at each position, where single pages are moved: all of them, shuffled.
    pub(crate) order: Vec<u32>,
}

impl Image {
    /// The pages of all sets again and again until there are `blocks` blocks, shuffled. Same-filled
    /// ones, which no codec sees, are not among them.
    pub(crate) fn tile(sets: &[PageSet], blocks: usize) -> Result<Self> {
        let all: Vec<&Page> = sets.iter().flat_map(|set| &set.pages).collect();
        if all.is_empty() {
            return Err("no pages to measure with".into());
        }
        let mut random = fastrand::Rng::with_seed(4);
        let mut pages: Vec<&Page> = all.iter().copied().cycle().take(blocks * BLOCK).collect();
        random.shuffle(&mut pages);
        let mut made = Vec::with_capacity(blocks);
        for chunk in pages.chunks(BLOCK) {
            let mut block = Block::boxed();
            block.0.iter_mut().zip(chunk).for_each(|(to, from)| *to = **from);
            made.push(*block);
        }
        let mut order: Vec<u32> = (0..).take(blocks * BLOCK).collect();
        random.shuffle(&mut order);
        Ok(Self { blocks: made, order })
    }

    pub(crate) fn pages(&self) -> usize {
        self.order.len()
    }

    pub(crate) fn page(&self, at: usize) -> &Page {
        &self.blocks[at / BLOCK].0[at % BLOCK]
    }
}

/// The corpora of the repository.
pub(crate) fn corpora() -> Result<Vec<PageSet>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus");
    let entries = std::fs::read_dir(folder)?.flatten().map(|entry| entry.path());
    let is_pages = |path: &PathBuf| path.to_string_lossy().ends_with(".pages.zst");
    let mut files: Vec<_> = entries.filter(is_pages).collect();
    files.sort();
    Ok(files.iter().map(load_pages).collect::<std::result::Result<_, _>>()?)
}
