//! Looking at a device that another process serves.

use std::fs::File;
use std::io;
use std::path::Path;

use trueno_zram_store::{Error, Statistics};

use crate::backed_from;
use crate::mapping::Mapping;

/// A device's file, mapped for reading only, so that its statistics can be told without asking the
/// process that serves it.
///
/// A read of a hole in a tmpfs file that is mapped takes memory for it, or is a signal where there is
/// none. So only what a device has memory behind as long as it lives is read ([`Layout::tables`]), and
/// [`open`](Self::open) makes sure of it. Whoever formats the file anew must open it again.
///
/// [`Layout::tables`]: trueno_zram_store::Layout::tables
#[derive(Debug)]
pub struct Reader {
    mapping: Mapping,
}

impl Reader {
    /// Maps a file that there is, and that holds a device.
    ///
    /// # Errors
    ///
    /// What the operating system says; `InvalidData` for a file that holds no device, in the words of
    /// [`Error`].
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::map(&File::open(path)?)
    }

    /// Maps an open file.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn map(file: &File) -> io::Result<Self> {
        let reader = Self { mapping: Mapping::read_only(file, file.metadata()?.len())? };
        // Nothing of the mapping is touched before it is known to have memory.
        let backed = backed_from(file, 0)?.filter(|bytes| bytes.start == 0);
        let backed = backed.ok_or_else(|| io::Error::new(INVALID, Error::Foreign(0)))?;
        let statistics = reader.statistics().map_err(|error| io::Error::new(INVALID, error))?;
        let (got, needed) = (backed.end, statistics.layout().tables().end);
        if got < needed {
            return Err(io::Error::new(INVALID, Error::Truncated { got, needed }));
        }
        Ok(reader)
    }

    /// What the device says of itself now.
    ///
    /// # Errors
    ///
    /// The file holds no device any more.
    pub fn statistics(&self) -> Result<Statistics<'_>, Error> {
        Statistics::of(self.mapping.words())
    }
}

const INVALID: io::ErrorKind = io::ErrorKind::InvalidData;

#[cfg(test)]
mod tests {
    use trueno_zram_core::CompressorBuilder;
    use trueno_zram_store::{Codecs, Device, Layout, Options, Written};

    use super::*;
    use crate::FileRegion;

    const PAGES: u64 = 4096;

    fn device() -> Device<FileRegion> {
        let bytes = Layout::new(PAGES, true).expect("a size").region_bytes();
        let region = FileRegion::anonymous(bytes).expect("a memfd");
        let options =
            Options { access_times: true, parameters: "mem_limit=0", ..Options::default() };
        let codec = CompressorBuilder::new().build().expect("a codec");
        Device::format(region, PAGES, options, Codecs::new(codec)).expect("a device")
    }

    #[test]
    fn a_reader_sees_what_the_device_says_and_takes_no_memory() {
        let device = device();
        device.maintain();
        let reader = Reader::map(device.region().file()).expect("a device's file");
        let mut queue = device.queue().expect("a thread");
        let mut page = [7; 4096];
        for at in 0..1000 {
            page[..8].copy_from_slice(&u64::to_le_bytes(at));
            assert_eq!(queue.write(at, &page), Ok(Written::Done));
        }
        let backed = device.region().backed_bytes().expect("blocks");
        let seen = reader.statistics().expect("a device");
        assert_eq!((seen.mm_stat(), seen.io_stat()), (device.mm_stat(), device.io_stat()));
        assert_eq!((seen.overhead(), seen.id()), (device.overhead(), device.id()));
        assert_eq!(seen.parameters(), "mem_limit=0");
        assert_eq!(seen.block_states(0..PAGES).count(), 1000);
        for page in [0, 999, 1000, 4095] {
            assert_eq!(seen.slot(page), device.slot(page));
        }
        assert_eq!(seen.slot(4096), None);
        assert_eq!(device.region().backed_bytes().expect("blocks"), backed, "reading is free");
    }

    #[test]
    fn what_holds_no_device_is_not_read() {
        let region = FileRegion::anonymous(1 << 20).expect("a memfd");
        let refusal =
            |region: &FileRegion| Reader::map(region.file()).map(|_| ()).map_err(|e| e.to_string());
        assert_eq!(refusal(&region), Err("this memory holds no device: it is empty".to_owned()));
        assert_eq!(region.backed_bytes().expect("blocks"), 0, "looking has taken no memory");
        let device = device();
        let tables = device.layout().tables();
        let region = device.into_region().expect("nobody else has it");
        trueno_zram_store::Region::punch(&region, tables.end - 4096..tables.end).expect("tmpfs");
        let (got, needed) = (tables.end - 4096, tables.end);
        assert_eq!(refusal(&region), Err(Error::Truncated { got, needed }.to_string()));
        assert_eq!(region.backed_bytes().expect("blocks"), got, "looking has taken no memory");
    }
}
