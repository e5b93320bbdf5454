//! What is measured: one thread's way to move pages.

use crate::Result;
use crate::image::{BLOCK, Block, Image};

/// One thread's way to something that keeps pages. Positions are places of an image: which page of
/// a device that is, is the lane's choice, as long as it stays the same.
pub(crate) trait Lane: Send {
    /// What it moves.
    fn image(&self) -> &Image;

    /// Called once on the thread that uses it next, which runs on this processor only.
    fn enter(&mut self, _cpu: usize) -> Result {
        Ok(())
    }

    /// Forgets all pages of the whole device.
    fn clear(&mut self) -> Result {
        Ok(())
    }

    /// Stores the page at position `from` of the image at position `at`.
    fn write_page(&mut self, at: usize, from: usize) -> Result;

    /// Gets the page at position `at` as a page of [`out`](Self::out).
    fn read_page(&mut self, at: usize, into: usize) -> Result;

    /// Stores the block `from` of the image as the block `at`, all of it, whatever that takes.
    fn write(&mut self, at: usize, from: usize) -> Result {
        (0..BLOCK).try_for_each(|page| self.write_page(at * BLOCK + page, from * BLOCK + page))
    }

    /// Gets the block `at`.
    fn read(&mut self, at: usize) -> Result {
        (0..BLOCK).try_for_each(|page| self.read_page(at * BLOCK + page, page))
    }

    /// What the last reads have got.
    fn out(&self) -> &Block;
}

/// Something to measure, and a lane of it for each thread.
pub(crate) struct Subject<'a> {
    pub(crate) name: String,
    pub(crate) lanes: Vec<Box<dyn Lane + 'a>>,
}

impl<'a> Subject<'a> {
    pub(crate) fn new(name: impl Into<String>, lanes: Vec<Box<dyn Lane + 'a>>) -> Self {
        Self { name: name.into(), lanes }
    }

    /// Fills it with the image and compares what comes back.
    pub(crate) fn verify(&mut self) -> Result {
        for lane in &mut self.lanes {
            for block in 0..lane.image().blocks.len() {
                lane.write(block, block)?;
            }
            for block in 0..lane.image().blocks.len() {
                lane.read(block)?;
                if lane.out().bytes() != lane.image().blocks[block].bytes() {
                    return Err(format!("{}: block {block} comes back changed", self.name).into());
                }
            }
        }
        Ok(())
    }
}
