//! What a device tells of itself.

/// zram's `mm_stat`. Sizes in bytes, the others counts of pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MmStat {
    /// Uncompressed size of all stored pages, same-filled ones included.
    pub orig_data_size: u64,
    /// Sum of the compressed sizes; an incompressible page counts a whole page, a same-filled 0.
    pub compr_data_size: u64,
    /// Memory of the arena that is in use, waste included.
    pub mem_used_total: u64,
    /// The limit on the former, 0 for none.
    pub mem_limit: u64,
    /// The most memory that was in use since it was reset, spans included that were open and empty.
    pub mem_used_max: u64,
    /// Same-filled pages.
    pub same_pages: u64,
    /// Pages of memory that moving objects together has freed.
    pub pages_compacted: u64,
    /// Incompressible pages held now.
    pub huge_pages: u64,
    /// Incompressible pages ever stored.
    pub huge_pages_since: u64,
}

/// zram's `io_stat`, and how many pages were read and written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IoStat {
    /// Pages read.
    pub reads: u64,
    /// Pages written.
    pub writes: u64,
    /// Pages that could not be read.
    pub failed_reads: u64,
    /// Pages that could not be written.
    pub failed_writes: u64,
    /// Requests outside the device.
    pub invalid_io: u64,
    /// Pages that somebody asked to free, stored or not.
    pub notify_free: u64,
}

/// Memory beside `mem_used_total`, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overhead {
    /// Header, table, access times and the spans' words.
    pub table: u64,
    /// Empty spans kept at hand.
    pub headroom: u64,
    /// Private memory of the threads: a buffer and remembered holes. What the codecs have for
    /// themselves is not counted.
    pub buffers: u64,
}
