//! The store, and the bare codecs beside it.

use std::hint::black_box;

use trueno_zram_core::{
    Algorithm, BUFFER_SIZE, CompressorBuilder, Encoded, PAGE_SIZE, PageCompressor, Scratch,
};
use trueno_zram_region::FileRegion;
use trueno_zram_store::{Codecs, Device, Layout, Options, Page, QueueStore, Written};

use crate::Result;
use crate::image::{Block, Image};
use crate::lane::{Lane, Subject};

pub(crate) fn codec(algorithm: Algorithm) -> Result<PageCompressor> {
    Ok(CompressorBuilder::new().algorithm(algorithm).build()?)
}

/// An empty device of so many pages, in memory without a name.
pub(crate) fn device(pages: u64, algorithm: Algorithm) -> Result<Device<FileRegion>> {
    let region = FileRegion::anonymous(Layout::new(pages, false)?.region_bytes())?;
    Ok(Device::format(region, pages, Options::default(), Codecs::new(codec(algorithm)?))?)
}

/// Writes a page and gets memory whenever it has run out.
pub(crate) fn write(queue: &mut QueueStore<FileRegion>, page: u64, data: &Page) -> Result {
    while queue.write(page, data)? == Written::Parked {
        queue.device().maintain();
    }
    Ok(())
}

/// A store with lanes for so many threads.
pub(crate) fn store(image: &Image, algorithm: Algorithm, threads: usize) -> Result<Subject<'_>> {
    let device = device(image.pages() as u64, algorithm)?;
    let lane = |_| -> Result<Box<dyn Lane + '_>> {
        let (queue, device) = (device.queue()?, device.clone());
        Ok(Box::new(StoreLane { image, device, queue, out: Block::boxed() }))
    };
    let lanes = (0..threads).map(lane).collect::<Result<_>>()?;
    Ok(Subject::new(format!("store, {}", algorithm.name()), lanes))
}

struct StoreLane<'a> {
    image: &'a Image,
    device: Device<FileRegion>,
    queue: QueueStore<FileRegion>,
    out: Box<Block>,
}

impl Lane for StoreLane<'_> {
    fn image(&self) -> &Image {
        self.image
    }

    fn clear(&mut self) -> Result {
        self.queue.discard(0..self.device.pages())?;
        self.device.maintain();
        Ok(())
    }

    fn write_page(&mut self, at: usize, from: usize) -> Result {
        write(&mut self.queue, self.image.order[at].into(), self.image.page(from))
    }

    fn read_page(&mut self, at: usize, into: usize) -> Result {
        Ok(self.queue.read(self.image.order[at].into(), &mut self.out.0[into])?)
    }

    fn write(&mut self, at: usize, from: usize) -> Result {
        for page in 0..crate::image::BLOCK {
            self.write_page(at * crate::image::BLOCK + page, from * crate::image::BLOCK + page)?;
        }
        // What another thread would do ahead of need is part of the price here, block by block.
        self.device.maintain();
        Ok(())
    }

    fn out(&self) -> &Block {
        &self.out
    }
}

/// The codec alone on the same pages: what of the store's time is not the store's.
pub(crate) fn bare(image: &Image, algorithm: Algorithm, threads: usize) -> Result<Subject<'_>> {
    let lane = |_| -> Result<Box<dyn Lane + '_>> {
        let codec = codec(algorithm)?;
        let (mut data, mut ends) = (Vec::new(), vec![0]);
        let (mut scratch, mut buffer) = (codec.scratch(), [0; BUFFER_SIZE]);
        for page in image.blocks.iter().flat_map(|block| &block.0) {
            match codec.compress_into(page, &mut scratch, &mut buffer)? {
                Encoded::Compressed(len) => data.extend_from_slice(&buffer[..len]),
                Encoded::Incompressible => data.extend_from_slice(page),
            }
            ends.push(data.len());
        }
        let out = Block::boxed();
        Ok(Box::new(CodecLane { image, codec, scratch, buffer, data, ends, out }))
    };
    let lanes = (0..threads).map(lane).collect::<Result<_>>()?;
    Ok(Subject::new(format!("codec alone, {}", algorithm.name()), lanes))
}

struct CodecLane<'a> {
    image: &'a Image,
    codec: PageCompressor,
    scratch: Scratch,
    buffer: [u8; BUFFER_SIZE],
    /// All pages compressed, one behind the other, and where they end.
    data: Vec<u8>,
    ends: Vec<usize>,
    out: Box<Block>,
}

impl Lane for CodecLane<'_> {
    fn image(&self) -> &Image {
        self.image
    }

    fn write_page(&mut self, _: usize, from: usize) -> Result {
        let page = self.image.page(from);
        let encoded = self.codec.compress_into(page, &mut self.scratch, &mut self.buffer)?;
        match black_box(encoded) {
            Encoded::Compressed(_) | Encoded::Incompressible => Ok(()),
        }
    }

    fn read_page(&mut self, at: usize, into: usize) -> Result {
        let data = &self.data[self.ends[at]..self.ends[at + 1]];
        let out = &mut self.out.0[into];
        Ok(self.codec.decompress_into(data, &mut self.scratch, out)?)
    }

    fn out(&self) -> &Block {
        &self.out
    }
}

const _: () = assert!(PAGE_SIZE == size_of::<Page>());
