//! Measures codecs on pages, ours beside others, so that the figures can be believed.
//!
//! Timing a codec page by page flatters it: after a few repetitions the branch predictor knows the
//! data, and C lz4 seems a third faster than it is. So every codec goes over the whole set before it
//! sees a page again, codecs take turns round by round in one process so that a slow moment of the
//! machine hits all of them, and of every block of [`BLOCK`] pages the fastest round counts. Every
//! page of every codec is decompressed and compared once before anything is timed.
//!
//! Believe ratios between rows of one run; absolute times move with the machine.
//!
//! ```
//! use trueno_zram_core::benchmark::{Benchmark, CompressorSubject, PageSet, Subject, Synthetic};
//! use trueno_zram_core::{Algorithm, CompressorBuilder};
//!
//! let set = PageSet::synthetic(Synthetic::Sparse, 256);
//! let compressor = CompressorBuilder::new().algorithm(Algorithm::Lz4).build()?;
//! let mut subjects: Vec<Box<dyn Subject>> =
//!     vec![Box::new(CompressorSubject::new("lz4", compressor))];
//! let report = Benchmark::new().rounds(2).run(&set, &mut subjects, |_| ())?;
//! println!("{}", report.table("lz4"));
//! assert_eq!(report.rows.len(), 1);
//! # Ok::<(), trueno_zram_core::benchmark::Error>(())
//! ```

mod latency;
mod measure;
mod pages;
mod report;
mod subject;
#[cfg(test)]
mod tests;

use core::fmt;
use std::io;
use std::path::PathBuf;
use std::string::String;

pub use latency::{Distribution, LatencyReport, LatencyRow};
pub use measure::{BLOCK, Benchmark, OUTPUT_SIZE, Progress};
pub use pages::{PageSet, Synthetic, load_pages};
pub use report::{Report, Row, SetReport};
pub use subject::{CompressorSubject, Subject};

/// Why there is no result.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A file of pages could not be read.
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file does not hold whole pages, or its compression is damaged.
    NotPages {
        /// Which file.
        path: PathBuf,
        /// What was wrong.
        what: &'static str,
    },
    /// A codec did not give a page back. Its times would be worth nothing, so there are none.
    RoundTrip {
        /// Which codec.
        codec: String,
        /// In which set.
        set: String,
        /// Which page of the set, counted from 0.
        page: usize,
    },
    /// A codec made other sizes in a timed round than in the one that was verified.
    Unsteady {
        /// Which codec.
        codec: String,
        /// In which set.
        set: String,
    },
    /// A compressor could not be built.
    Codec(crate::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, .. } => write!(f, "cannot read {}", path.display()),
            Self::NotPages { path, what } => write!(f, "{}: {what}", path.display()),
            Self::RoundTrip { codec, set, page } => {
                write!(f, "{codec} does not give page {page} of {set} back")
            }
            Self::Unsteady { codec, set } => {
                write!(f, "{codec} compresses the pages of {set} differently each time")
            }
            Self::Codec(_) => f.write_str("cannot build a compressor"),
        }
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Read { source, .. } => Some(source),
            Self::Codec(source) => Some(source),
            _ => None,
        }
    }
}

impl From<crate::Error> for Error {
    fn from(error: crate::Error) -> Self {
        Self::Codec(error)
    }
}
