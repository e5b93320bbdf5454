//! The kernel's names and parameters of algorithms, and what of them there is here.
//!
//! Sources: the kernel's `drivers/block/zram/zcomp.c` and `backend_*.c` (names, defaults, ranges),
//! `zram_drv.c` (the keys of `algorithm_params`) and `lib/cmdline.c` (how a line is split). Ranges are
//! those that recent kernels check; older ones left some to the libraries.
//!
//! ```
//! use trueno_zram_core::{Algorithm, compat::Params};
//!
//! let params: Params = "algo=zstd level=8".parse()?;
//! let compressor = params.builder(Algorithm::Lz4, None)?.build()?;
//! assert_eq!(compressor.algorithm(), Algorithm::Zstd { level: 8 });
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod params;

pub use params::{Params, ParamsError};

use crate::Algorithm;

/// An algorithm of the kernel's zram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelAlgorithm {
    /// As in `comp_algorithm`.
    pub name: &'static str,
    /// The one that takes its place here, if there is one, with the kernel's default parameters.
    pub ours: Option<Algorithm>,
    /// What the kernel takes for `level`; `None` if the backend looks at no level.
    pub levels: Option<Levels>,
    /// Whether the kernel's backend uses a `dict`.
    pub takes_dictionary: bool,
    /// What of the above is different here, and why.
    pub difference: &'static str,
}

/// The levels of an algorithm in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels {
    /// The least.
    pub min: i32,
    /// The greatest.
    pub max: i32,
    /// What the kernel takes if none is given.
    pub default: i32,
}

/// What the kernel has, in the order in which it lists them (since 6.12).
pub const KERNEL_ALGORITHMS: [KernelAlgorithm; 7] = [
    KernelAlgorithm {
        name: "lzo-rle",
        ours: None,
        levels: None,
        takes_dictionary: false,
        difference: "not offered: lz4 and wm are smaller and faster, and nothing else reads it",
    },
    KernelAlgorithm {
        name: "lzo",
        ours: Some(Algorithm::Lzo),
        levels: None,
        takes_dictionary: false,
        difference: "the same stream",
    },
    KernelAlgorithm {
        name: "lz4",
        ours: Some(Algorithm::Lz4),
        // Of the backend's acceleration; the library stops at LZ4_ACCELERATION_MAX.
        levels: Some(Levels { min: 1, max: 65537, default: 1 }),
        takes_dictionary: true,
        difference: "the same blocks; no acceleration but 1, no dictionary",
    },
    KernelAlgorithm {
        name: "lz4hc",
        ours: Some(Algorithm::Lz4Hc),
        // LZ4HC_MAX_CLEVEL of the kernel's older LZ4.
        levels: Some(Levels { min: 1, max: 16, default: 9 }),
        takes_dictionary: true,
        difference: "the same blocks; levels above 12 are 12, no dictionary",
    },
    KernelAlgorithm {
        name: "zstd",
        ours: Some(Algorithm::Zstd { level: 3 }),
        // ZSTD_minCLevel() and ZSTD_maxCLevel().
        levels: Some(Levels { min: -131_072, max: 22, default: 3 }),
        takes_dictionary: true,
        difference: "frames without magic number and content size; levels from -7",
    },
    KernelAlgorithm {
        name: "deflate",
        ours: Some(Algorithm::Deflate),
        // Z_DEFAULT_COMPRESSION, which is 6, to Z_BEST_COMPRESSION.
        levels: Some(Levels { min: -1, max: 9, default: -1 }),
        takes_dictionary: false,
        difference: "the same raw streams with a window of a page; levels 10 to 12 too, not 0",
    },
    KernelAlgorithm {
        name: "842",
        ours: None,
        levels: None,
        takes_dictionary: false,
        difference: "not offered: made for IBM's hardware, slow and weak without",
    },
];

/// The kernel's algorithm of this name, which is case-sensitive as in the kernel.
#[must_use]
pub fn find(name: &str) -> Option<&'static KernelAlgorithm> {
    KERNEL_ALGORITHMS.iter().find(|algorithm| algorithm.name == name)
}
