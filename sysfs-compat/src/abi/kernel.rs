//! Which kernel: its version, the options it was built with, and what changed from one to the next.
//!
//! Differences between kernels are rows of [`Change`], never conditions on a version somewhere in
//! the code.

use std::fmt;

/// Bytes in a page. Kernels with larger pages are refused by everything that cares.
pub const PAGE_SIZE: u64 = 4096;

/// A kernel release, as far as attributes depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u16, pub u16);

impl Version {
    /// Reads the front of `uname -r` (`6.12.117+deb12-amd64`).
    #[must_use]
    pub fn parse(release: &str) -> Option<Self> {
        let mut numbers = release.split(|c: char| !c.is_ascii_digit());
        Some(Version(numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// Generates an enum of build options with their Kconfig names.
macro_rules! features {
    ($($(#[$doc:meta])* $name:ident $config:literal),* $(,)?) => {
        /// A build option of the driver that decides whether attributes exist.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Feature { $($(#[$doc])* $name),* }

        impl Feature {
            /// All of them.
            pub const ALL: &[Feature] = &[$(Feature::$name),*];

            /// The Kconfig symbol, for messages and documentation.
            #[must_use]
            pub const fn config(self) -> &'static str {
                match self { $(Feature::$name => $config),* }
            }
        }
    };
}

features! {
    /// Pages can be moved to a backing device.
    Writeback "CONFIG_ZRAM_WRITEBACK",
    /// Pages can be compressed again by a second algorithm.
    MultiComp "CONFIG_ZRAM_MULTI_COMP",
    /// Each slot knows when it was last touched, so that `idle` takes an age.
    TrackEntryActime "CONFIG_ZRAM_TRACK_ENTRY_ACTIME",
    /// debugfs shows the state of every slot.
    MemoryTracking "CONFIG_ZRAM_MEMORY_TRACKING",
}

/// Generates the enum of changes and its table.
macro_rules! changes {
    ($($(#[doc = $doc:literal])* $name:ident ($major:literal, $minor:literal)),* $(,)?) => {
        /// Something that zram's attributes do differently from a certain release on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Change { $($(#[doc = $doc])* $name),* }

        impl Change {
            /// All of them, oldest first.
            pub const ALL: &[Change] = &[$(Change::$name),*];

            /// The first release with the new behaviour.
            #[must_use]
            pub const fn since(self) -> Version {
                match self { $(Change::$name => Version($major, $minor)),* }
            }

            /// What is different, as the documentation of the variant says it.
            #[must_use]
            pub const fn what(self) -> &'static str {
                match self { $(Change::$name => concat!($($doc),*)),* }
            }
        }
    };
}

changes! {
    /// `writeback` knows pages that recompression has given up on.
    IncompressibleWriteback (6, 2),
    /// A disksize whose compressor cannot be set up forgets the algorithms that were chosen, and
    /// their parameters. Before, the choice stayed.
    FailedSetupForgets (6, 2),
    /// A reset brings the default algorithm back. Before, the one that was chosen stayed.
    ResetForgetsAlgorithm (6, 2),
    /// `block_state` tells recompressed and incompressible pages too; before, it had four flags.
    SixSlotFlags (6, 2),
    /// The allocator joins up to eight pages, so that fewer sizes round up to a whole page.
    EightPageChains (6, 3),
    /// A write that fails leaves the idle mark of its page; before, the page counted as touched.
    FailedAccessKeepsIdle (6, 4),
    /// The third column of `io_stat` is a literal 0; before, it counted requests out of bounds.
    IoStatWithoutInvalid (6, 4),
    /// `idle` leaves slots alone that hold a same-filled or a written-back page; before, they were
    /// marked like any other.
    IdleSkipsSameAndWrittenBack (6, 12),
    /// `idle` with an age unmarks the younger pages; before, they stayed as they were.
    IdleUnmarksYounger (6, 12),
    /// An algorithm is a name the driver was built with, at most 127 bytes long (longer is `E2BIG`).
    /// Before, it was any compressor the crypto API knew, cut at 127 bytes.
    OwnAlgorithms (6, 12),
    /// To write the path of the backing device that is set already is `EBUSY`; before, it was set
    /// once more.
    BackingDeviceClaimsAnew (6, 12),
    /// `writeback` looks at a page index before it looks for a backing device.
    WritebackIndexFirst (6, 12),
    /// The first column of `debug_stat` is a literal 0.
    DebugStatWithoutWritestall (6, 15),
    /// `writeback` takes a `key=value` list, and looks whether the device is initialised, then
    /// whether it has a backing device, before it reads what was written. An index out of range is
    /// `ERANGE`, was `EINVAL`. The limit and the space on the backing device count once there is a
    /// page to write; before, an empty run met them too.
    WritebackList (6, 16),
    /// `algorithm_params` knows `deflate.winbits`; before, the key was ignored like any unknown one.
    DeflateWinbits (6, 16),
    /// A disksize whose compressor cannot be set up forgets every algorithm, the default included,
    /// and the kernel crashes when `comp_algorithm` is read after that. Mended in 7.0.
    DefaultIsLost (6, 18),
    /// `recompress` is `EINVAL` when no algorithm is set where it would look; before, it was
    /// accepted and did nothing.
    RecompressNeedsAlgorithm (6, 18),
    /// `algorithm_params` after initialisation is `EBUSY`; before, it was accepted and without use.
    ParamsBeforeInit (7, 0),
    /// `comp_algorithm` stores the canonical name. Before, what was written less one newline: with
    /// two newlines the name was accepted, worked, and no name was shown as selected.
    CanonicalName (7, 0),
    /// A disksize whose compressor cannot be set up brings the default algorithm back, as before
    /// 6.18.
    DefaultComesBack (7, 0),
    /// Block 0 of the backing device is used; before it was kept back to mean "none".
    BackingBlockZero (7, 0),
    /// An incompressible page that is written back still shows as such in `block_state`.
    WrittenBackStaysHuge (7, 0),
    /// `idle` counts in whole seconds of 32 bits: a page touched in the second that the age leads
    /// to is too young, and an age beyond the time since boot takes in every page. Before, it
    /// counted nanoseconds in 64 bits, where only absurd ages wrap around.
    IdleAge32 (7, 0),
    /// In `algorithm_params`, `algo` and `priority` must agree; before, `algo` won.
    ParamsMustAgree (7, 1),
    /// In `recompress`, a priority outside of 1..=3 is `EINVAL` (0 meant 1 before), `algo` and
    /// `priority` must agree, and exactly one algorithm is tried.
    RecompressOneAlgorithm (7, 1),
    /// An unknown `type` of `recompress` is `EINVAL`; before, it meant all pages.
    RecompressTypeChecked (7, 2),
    /// A suffix alone is no number for `memparse` (0 before), and a number that does not fit into
    /// 64 bits, with or without its suffix, is 2^64-1 (wrapped before).
    MemparseSaturates (7, 2),
    /// A dictionary of a length that lz4 cannot use is refused by `disksize`; before, the device
    /// was made and every write that needed the compressor failed.
    Lz4DictionaryChecked (7, 2),
}

/// The kernel that a device claims to be run by, or is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// The release.
    pub version: Version,
    /// Build options that are there.
    pub features: Vec<Feature>,
    /// Algorithms in the order in which `comp_algorithm` lists them.
    pub algorithms: Vec<String>,
    /// Names that are accepted though they are not listed: before 6.12, whatever else the crypto
    /// API has a compressor for.
    pub unlisted_algorithms: Vec<String>,
    /// The algorithm of a fresh device.
    pub default_algorithm: String,
    /// What `max_comp_streams` shows.
    pub cpus: u32,
}

impl Kernel {
    /// The newest kernel the contract describes, with every option.
    #[must_use]
    pub fn newest() -> Self {
        let algorithms = ["lzo-rle", "lzo", "lz4", "lz4hc", "zstd", "deflate", "842"];
        Kernel {
            version: Version(7, 1),
            features: Feature::ALL.to_vec(),
            algorithms: algorithms.map(str::to_owned).to_vec(),
            unlisted_algorithms: Vec::new(),
            default_algorithm: "lzo-rle".to_owned(),
            cpus: 1,
        }
    }

    /// Whether the kernel was built with `feature`.
    #[must_use]
    pub fn has(&self, feature: Feature) -> bool {
        self.features.contains(&feature)
    }

    /// The algorithm that `name` selects, as it is stored: see [`Change::CanonicalName`].
    #[must_use]
    pub fn algorithm(&self, name: &[u8]) -> Option<String> {
        let mut known = self.algorithms.iter().chain(&self.unlisted_algorithms);
        let name_less_newline = name.strip_suffix(b"\n").unwrap_or(name);
        if self.after(Change::CanonicalName) {
            return known.find(|known| name_less_newline == known.as_bytes()).cloned();
        }
        // Between 6.12 and 6.18 the look-up forgives one more newline, the crypto API does not.
        let looked_up = if self.after(Change::OwnAlgorithms) {
            name_less_newline.strip_suffix(b"\n").unwrap_or(name_less_newline)
        } else {
            name_less_newline
        };
        known.find(|known| looked_up == known.as_bytes())?;
        String::from_utf8(name_less_newline.to_vec()).ok()
    }

    /// Whether the kernel has the new behaviour that `change` describes.
    #[must_use]
    pub fn after(&self, change: Change) -> bool {
        self.version >= change.since()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases() {
        assert_eq!(Version::parse("6.12.117+deb12-amd64"), Some(Version(6, 12)));
        assert_eq!(Version::parse("7.2-rc1"), Some(Version(7, 2)));
        assert_eq!(Version::parse("6"), None);
        assert_eq!(Version::parse(""), None);
        assert!(Version(6, 9) < Version(6, 12));
    }

    #[test]
    fn changes_are_listed_in_order() {
        assert!(Change::ALL.is_sorted_by_key(|change| change.since()));
    }
}
