//! Results, and the tables they are read in.

use core::fmt;
use std::collections::BTreeMap;
use std::string::{String, ToString as _};
use std::time::Duration;
use std::vec::Vec;

use crate::PAGE_SIZE;

/// One codec on one set of pages, or on all sets of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Row {
    /// The codec's name.
    pub codec: String,
    /// How many pages were measured.
    pub pages: usize,
    /// What they take in bytes; a page never counts for more than 4096.
    pub stored_bytes: usize,
    /// How many of them the codec did not make smaller.
    pub incompressible: usize,
    /// Time to compress all of them, once: the sum over blocks of each block's fastest round.
    #[cfg_attr(feature = "serde", serde(rename = "compress_ns", with = "nanoseconds"))]
    pub compress: Duration,
    /// Time to decompress all of them, once, likewise. A page that is stored as it is costs a copy.
    #[cfg_attr(feature = "serde", serde(rename = "decompress_ns", with = "nanoseconds"))]
    pub decompress: Duration,
    /// How many pages are in which inner format, for codecs that have several.
    pub kinds: BTreeMap<String, usize>,
}

/// Durations as whole numbers of nanoseconds, which every reader of JSON understands.
#[cfg(feature = "serde")]
mod nanoseconds {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_nanos)
    }
}

impl Row {
    /// Compression time in nanoseconds a page.
    #[must_use]
    pub fn compress_ns(&self) -> f64 {
        per(self.compress, self.pages)
    }

    /// Decompression time in nanoseconds a page.
    #[must_use]
    pub fn decompress_ns(&self) -> f64 {
        per(self.decompress, self.pages)
    }

    /// Uncompressed over compressed size: 4.0 is a quarter.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        (self.pages * PAGE_SIZE) as f64 / self.stored_bytes.max(1) as f64
    }

    /// Which part of the pages, 0 to 1, did not get smaller.
    #[must_use]
    pub fn incompressible_share(&self) -> f64 {
        self.incompressible as f64 / self.pages.max(1) as f64
    }

    /// Which part of the pages, 0 to 1, is in the inner format `kind`.
    #[must_use]
    pub fn kind_share(&self, kind: &str) -> f64 {
        self.kinds.get(kind).copied().unwrap_or_default() as f64 / self.pages.max(1) as f64
    }

    fn add(&mut self, other: &Self) {
        self.pages += other.pages;
        self.stored_bytes += other.stored_bytes;
        self.incompressible += other.incompressible;
        self.compress += other.compress;
        self.decompress += other.decompress;
        for (kind, pages) in &other.kinds {
            *self.kinds.entry(kind.clone()).or_default() += pages;
        }
    }
}

fn per(time: Duration, pages: usize) -> f64 {
    time.as_secs_f64() * 1e9 / pages.max(1) as f64
}

/// All codecs on one set of pages.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SetReport {
    /// The name of the set.
    pub name: String,
    /// How many pages were measured.
    pub pages: usize,
    /// How many same-filled pages had been left out of the set.
    pub same_filled: usize,
    /// One row a codec, in the order in which they took turns.
    pub rows: Vec<Row>,
}

impl SetReport {
    /// The row of `codec`.
    #[must_use]
    pub fn row(&self, codec: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.codec == codec)
    }

    /// A table for people; times also as multiples of those of the codec `reference`, if it ran.
    #[must_use]
    pub fn table(&self, reference: &str) -> impl fmt::Display {
        Table { set: self, reference: self.row(reference) }
    }
}

/// All codecs on several sets of pages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Report {
    /// The codec that the tables relate times to.
    pub reference: String,
    /// One entry a set.
    pub sets: Vec<SetReport>,
}

impl Report {
    /// The sum over all sets, of those codecs that ran on all of them.
    #[must_use]
    pub fn total(&self) -> SetReport {
        let mut total = SetReport {
            name: "total".to_string(),
            pages: self.sets.iter().map(|set| set.pages).sum(),
            same_filled: self.sets.iter().map(|set| set.same_filled).sum(),
            rows: Vec::new(),
        };
        let Some((first, others)) = self.sets.split_first() else { return total };
        for row in &first.rows {
            let mut sum = row.clone();
            let found = others.iter().filter_map(|set| set.row(&row.codec));
            if found.inspect(|other| sum.add(other)).count() == others.len() {
                total.rows.push(sum);
            }
        }
        total
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for set in &self.sets {
            writeln!(f, "{}", set.table(&self.reference))?;
        }
        if self.sets.len() > 1 {
            writeln!(f, "{}", self.total().table(&self.reference))?;
        }
        Ok(())
    }
}

struct Table<'a> {
    set: &'a SetReport,
    reference: Option<&'a Row>,
}

/// Below this many pages the branch predictor may learn the set itself.
const FEW_PAGES: usize = 256;

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SetReport { name, pages, same_filled, rows } = self.set;
        write!(f, "{name}: {pages} pages")?;
        if *same_filled > 0 {
            write!(f, " ({same_filled} same-filled ones left out)")?;
        }
        if *pages < FEW_PAGES {
            write!(f, "; too few for times to be believed")?;
        }
        let width = rows.iter().map(|row| row.codec.chars().count()).max().unwrap_or(0).max(5);
        writeln!(
            f,
            "\n{:width$}  {:>17}  {:>17}  {:>6}  {:>7}",
            "codec", "compress", "decompress", "ratio", "raw"
        )?;
        for row in rows {
            self.row(f, row, width)?;
        }
        for row in rows.iter().filter(|row| !row.kinds.is_empty()) {
            write!(f, "{:width$}  inner formats:", row.codec)?;
            for (kind, count) in &row.kinds {
                write!(f, "  {kind} {:.1} %", 100.0 * *count as f64 / row.pages.max(1) as f64)?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl Table<'_> {
    fn row(&self, f: &mut fmt::Formatter<'_>, row: &Row, width: usize) -> fmt::Result {
        write!(f, "{:width$}", row.codec)?;
        let base = self.reference;
        let compress = (row.compress_ns(), base.map(Row::compress_ns));
        let decompress = (row.decompress_ns(), base.map(Row::decompress_ns));
        for (ns, reference) in [compress, decompress] {
            write!(f, "  {ns:>7.0} ns ")?;
            match reference {
                Some(reference) if reference > 0.0 => write!(f, "{:>5.2}x", ns / reference)?,
                _ => write!(f, "      ")?,
            }
        }
        writeln!(f, "  {:>6.3}  {:>5.1} %", row.ratio(), 100.0 * row.incompressible_share())
    }
}
