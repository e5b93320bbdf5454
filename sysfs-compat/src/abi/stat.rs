//! The statistics files: `mm_stat`, `io_stat`, `bd_stat`, `debug_stat`.
//!
//! `Display` gives the file's text to the byte, final newline included. Parsers take the fewer
//! columns that older kernels print.

use std::fmt;

use super::errno::Errno;

/// `mm_stat`: what is stored and what it costs. Sizes in bytes, the others counts of pages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MmStat {
    /// Uncompressed size of all stored pages, same-filled and written-back ones included.
    pub orig_data_size: u64,
    /// Sum of the compressed sizes; an incompressible page counts a whole page, a same-filled 0.
    pub compr_data_size: u64,
    /// Memory the allocator holds, waste included.
    pub mem_used_total: u64,
    /// The limit on the former, 0 for none.
    pub mem_limit: u64,
    /// The largest `mem_used_total` so far.
    pub mem_used_max: i64,
    /// Same-filled pages.
    pub same_pages: u64,
    /// Pages that compaction has freed.
    pub pages_compacted: u64,
    /// Incompressible pages held now. Since 4.18.
    pub huge_pages: Option<u64>,
    /// Incompressible pages ever stored since initialisation. Since 5.12.
    pub huge_pages_since: Option<u64>,
}

impl MmStat {
    /// Reads the 7, 8 or 9 columns that kernels since 4.1 print; further ones are ignored.
    ///
    /// # Errors
    /// `EINVAL` for fewer columns or for anything that is not a number.
    pub fn parse(text: &str) -> Result<Self, Errno> {
        let mut columns = text.split_ascii_whitespace();
        Ok(MmStat {
            orig_data_size: number(columns.next())?,
            compr_data_size: number(columns.next())?,
            mem_used_total: number(columns.next())?,
            mem_limit: number(columns.next())?,
            mem_used_max: number(columns.next())?,
            same_pages: number(columns.next())?,
            pages_compacted: number(columns.next())?,
            huge_pages: columns.next().map(|c| number(Some(c))).transpose()?,
            huge_pages_since: columns.next().map(|c| number(Some(c))).transpose()?,
        })
    }
}

impl fmt::Display for MmStat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:8} {:8} {:8} {:8} {:8} {:8} {:8}",
            self.orig_data_size,
            self.compr_data_size,
            self.mem_used_total,
            self.mem_limit,
            self.mem_used_max,
            self.same_pages,
            self.pages_compacted
        )?;
        for column in [self.huge_pages, self.huge_pages_since].into_iter().flatten() {
            write!(f, " {column:8}")?;
        }
        f.write_str("\n")
    }
}

/// `io_stat`: counts of requests, respectively of slots.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IoStat {
    /// Reads that failed.
    pub failed_reads: u64,
    /// Writes that failed, for want of memory mostly.
    pub failed_writes: u64,
    /// Requests out of bounds. `None`: the kernel prints a bare 0.
    pub invalid_io: Option<u64>,
    /// Slots freed by discard or by swap.
    pub notify_free: u64,
}

impl IoStat {
    /// Reads the four columns. A 0 in the third does not tell which way it was printed.
    ///
    /// # Errors
    /// `EINVAL`.
    pub fn parse(text: &str) -> Result<Self, Errno> {
        let mut columns = text.split_ascii_whitespace();
        Ok(IoStat {
            failed_reads: number(columns.next())?,
            failed_writes: number(columns.next())?,
            invalid_io: Some(number(columns.next())?).filter(|&count| count != 0),
            notify_free: number(columns.next())?,
        })
    }
}

impl fmt::Display for IoStat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { failed_reads, failed_writes, invalid_io, notify_free } = self;
        write!(f, "{failed_reads:8} {failed_writes:8} ")?;
        counter_or_zero(f, *invalid_io)?;
        writeln!(f, " {notify_free:8}")
    }
}

/// `bd_stat`: the backing device, in units of 4 KiB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BdStat {
    /// Blocks in use.
    pub count: u64,
    /// Blocks read back so far.
    pub reads: u64,
    /// Blocks written so far.
    pub writes: u64,
}

impl BdStat {
    /// Reads the three columns.
    ///
    /// # Errors
    /// `EINVAL`.
    pub fn parse(text: &str) -> Result<Self, Errno> {
        let mut columns = text.split_ascii_whitespace();
        Ok(BdStat {
            count: number(columns.next())?,
            reads: number(columns.next())?,
            writes: number(columns.next())?,
        })
    }
}

impl fmt::Display for BdStat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:8} {:8} {:8}", self.count, self.reads, self.writes)
    }
}

/// `debug_stat`, layout version 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DebugStat {
    /// Writes that had to wait for memory. `None`: the kernel prints a bare 0.
    pub writestall: Option<u64>,
    /// Frees that were skipped because the slot was locked.
    pub miss_free: u64,
}

impl fmt::Display for DebugStat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("version: 1\n")?;
        counter_or_zero(f, self.writestall)?;
        writeln!(f, " {:8}", self.miss_free)
    }
}

/// What a slot of the device holds, as debugfs shows it in `block_state`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SlotFlags {
    /// Same-filled.
    pub same: bool,
    /// On the backing device.
    pub written_back: bool,
    /// Incompressible.
    pub huge: bool,
    /// Marked idle.
    pub idle: bool,
    /// Recompressed. `None`: the kernel does not print it.
    pub recompressed: Option<bool>,
    /// Recompression has given up on it. `None`: the kernel does not print it.
    pub incompressible: Option<bool>,
}

/// The letters at the end of a line.
impl fmt::Display for SlotFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = [
            ('s', Some(self.same)),
            ('w', Some(self.written_back)),
            ('h', Some(self.huge)),
            ('i', Some(self.idle)),
            ('r', self.recompressed),
            ('n', self.incompressible),
        ];
        letters.into_iter().try_for_each(|(letter, flag)| match flag {
            Some(true) => write!(f, "{letter}"),
            Some(false) => f.write_str("."),
            None => Ok(()),
        })
    }
}

/// A counter that newer kernels have dropped, leaving a bare 0 in its place.
fn counter_or_zero(f: &mut fmt::Formatter<'_>, count: Option<u64>) -> fmt::Result {
    match count {
        Some(count) => write!(f, "{count:8}"),
        None => f.write_str("0"),
    }
}

fn number<T: std::str::FromStr>(column: Option<&str>) -> Result<T, Errno> {
    column.and_then(|text| text.parse().ok()).ok_or(Errno::EINVAL)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Text of a live 6.18 kernel.
    const FRESH: &str =
        "       0        0        0        0        0        0        0        0        0\n";

    #[test]
    fn texts_of_a_live_kernel() {
        let fresh = MmStat::parse(FRESH).expect("nine columns");
        assert_eq!(fresh.to_string(), FRESH);
        assert_eq!(fresh.huge_pages_since, Some(0));
        let io = "       0        0 0        0\n";
        assert_eq!(IoStat::default().to_string(), io);
        assert_eq!(IoStat::parse(io), Ok(IoStat::default()));
        let old = IoStat { invalid_io: Some(0), ..IoStat::default() };
        assert_eq!(old.to_string(), "       0        0        0        0\n");
        let slot = SlotFlags { written_back: true, huge: true, ..SlotFlags::default() };
        assert_eq!(slot.to_string(), ".wh.");
        let slot = SlotFlags { recompressed: Some(true), incompressible: Some(false), ..slot };
        assert_eq!(slot.to_string(), ".wh.r.");
        assert_eq!(DebugStat::default().to_string(), "version: 1\n0        0\n");
        let old = DebugStat { writestall: Some(0), miss_free: 0 };
        assert_eq!(old.to_string(), "version: 1\n       0        0\n");
        assert_eq!(BdStat::default().to_string(), "       0        0        0\n");
    }

    #[test]
    fn older_kernels_print_fewer_columns() {
        for (text, huge, since) in [
            ("1 2 3 4 5 6 7\n", None, None),
            ("1 2 3 4 5 6 7 8\n", Some(8), None),
            ("1 2 3 4 5 6 7 8 9\n", Some(8), Some(9)),
            ("1 2 3 4 5 6 7 8 9 10\n", Some(8), Some(9)),
        ] {
            let stat = MmStat::parse(text).expect(text);
            assert_eq!((stat.huge_pages, stat.huge_pages_since), (huge, since), "{text:?}");
            assert_eq!((stat.orig_data_size, stat.pages_compacted), (1, 7));
        }
        for text in ["", "1 2 3 4 5 6\n", "1 2 3 4 5 6 x\n", "1 2 3 4 5 6 7 x\n"] {
            assert_eq!(MmStat::parse(text), Err(Errno::EINVAL), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn statistics_are_read_back(n in any::<[u64; 8]>(), peak in any::<i64>(), old in 0..3) {
            let mm = MmStat {
                orig_data_size: n[0], compr_data_size: n[1], mem_used_total: n[2], mem_limit: n[3],
                mem_used_max: peak, same_pages: n[4], pages_compacted: n[5],
                huge_pages: (old < 2).then_some(n[6]),
                huge_pages_since: (old < 1).then_some(n[7]),
            };
            prop_assert_eq!(MmStat::parse(&mm.to_string()), Ok(mm));
            let bd = BdStat { count: n[0], reads: n[1], writes: n[2] };
            prop_assert_eq!(BdStat::parse(&bd.to_string()), Ok(bd));
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            std::hint::black_box(MmStat::parse(&text).ok());
            std::hint::black_box(IoStat::parse(&text).ok());
            std::hint::black_box(BdStat::parse(&text).ok());
        }
    }
}
