//! The pages that are written, and what each codec of a device makes of them.

use std::cell::{OnceCell, RefCell};

use trueno_zram_core::{Algorithm, BUFFER_SIZE, Encoded, Scratch};
use trueno_zram_store::slot::Priority;
use trueno_zram_store::{Codecs, HUGE_FROM, Page};

use super::common::{KINDS, codec, page};

/// How many pages there are of each kind: enough that one page's bytes in another's place show.
const EACH: usize = 24;
pub(crate) const SAMPLES: usize = KINDS.len() * EACH;

/// Which codecs a device has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CodecSet {
    /// `lz4`; `wm` at 1, `zstd` at 3.
    Lz4,
    /// `wm`; `wmhc` at 1, `zstd` at 2.
    Wm,
}

impl CodecSet {
    pub(crate) fn codecs(self) -> Codecs {
        let at = |priority| Priority::new(priority).expect("below 4");
        match self {
            Self::Lz4 => Codecs::new(codec(Algorithm::Lz4))
                .with(at(1), codec(Algorithm::Wm))
                .with(at(3), codec(Algorithm::Zstd { level: 1 })),
            Self::Wm => Codecs::new(codec(Algorithm::Wm))
                .with(at(1), codec(Algorithm::WmHc))
                .with(at(2), codec(Algorithm::Zstd { level: 1 })),
        }
    }
}

/// What is stored for a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    Empty,
    /// In the slot.
    Same(u64),
    /// In the arena.
    FarSame(u64),
    Stored {
        len: usize,
        codec: Priority,
    },
    Huge,
}

impl Kept {
    /// How many bytes of data the object has, if there is one.
    pub(crate) fn object(self) -> Option<usize> {
        match self {
            Self::Empty | Self::Same(_) => None,
            Self::FarSame(_) => Some(8),
            Self::Stored { len, .. } => Some(len),
            Self::Huge => Some(4096),
        }
    }

    /// As `compr_data_size` counts it.
    pub(crate) fn compressed(self) -> u64 {
        match self {
            Self::FarSame(_) => 0,
            other => other.object().unwrap_or(0) as u64,
        }
    }

    pub(crate) fn is_same(self) -> bool {
        matches!(self, Self::Same(_) | Self::FarSame(_))
    }

    /// Whether it can be idle, or be compressed again.
    pub(crate) fn is_compressible(self) -> bool {
        matches!(self, Self::Stored { .. } | Self::Huge)
    }
}

/// The bytes that a codec makes; `None` if it cannot make them fewer.
type Compressed = OnceCell<Option<Box<[u8]>>>;

struct Sample {
    page: Page,
    compressed: [Compressed; Priority::COUNT],
}

/// All pages, made when they are first asked for.
pub(crate) struct Samples {
    codecs: Codecs,
    scratch: RefCell<[Option<Scratch>; Priority::COUNT]>,
    samples: Vec<OnceCell<Box<Sample>>>,
}

impl Samples {
    pub(crate) fn new(set: CodecSet) -> Self {
        let codecs = set.codecs();
        let scratch = priorities().map(|at| codecs.get(at).map(|codec| codec.scratch()));
        let samples = (0..SAMPLES).map(|_| OnceCell::new()).collect();
        Self { codecs, scratch: RefCell::new(scratch), samples }
    }

    fn sample(&self, at: usize) -> &Sample {
        self.samples[at].get_or_init(|| {
            let page = page(KINDS[at % KINDS.len()], (at / KINDS.len()) as u64);
            Box::new(Sample { page, compressed: Default::default() })
        })
    }

    pub(crate) fn page(&self, at: usize) -> &Page {
        &self.sample(at).page
    }

    /// What the codec of this priority, which the device has, makes of the page.
    pub(crate) fn compressed(&self, at: usize, priority: Priority) -> Option<&[u8]> {
        let sample = self.sample(at);
        let compressed = sample.compressed[priority.index()].get_or_init(|| {
            let codec = self.codecs.get(priority).expect("one of the device's");
            let mut scratch = self.scratch.borrow_mut();
            let scratch = scratch[priority.index()].as_mut().expect("as above");
            let mut out = [0; BUFFER_SIZE];
            match codec.compress_into(&sample.page, scratch, &mut out).expect("no codec fails") {
                Encoded::Compressed(len) => Some(out[..len].into()),
                Encoded::Incompressible => None,
            }
        });
        compressed.as_deref()
    }

    pub(crate) fn has_codec(&self, priority: Priority) -> bool {
        self.codecs.get(priority).is_some()
    }

    pub(crate) fn has_codec_above(&self, priority: Priority) -> bool {
        priorities().iter().any(|other| *other > priority && self.has_codec(*other))
    }

    /// What a write of the page stores.
    pub(crate) fn written(&self, at: usize) -> Kept {
        let page = self.page(at);
        let word = u64::from_ne_bytes(page[..8].try_into().expect("8 bytes"));
        if page.chunks(8).all(|bytes| bytes == word.to_ne_bytes()) {
            let fits = word < 1 << 55 || word >> 32 == word & 0xffff_ffff;
            return if fits { Kept::Same(word) } else { Kept::FarSame(word) };
        }
        match self.compressed(at, Priority::PRIMARY) {
            Some(bytes) if bytes.len() < HUGE_FROM => {
                Kept::Stored { len: bytes.len(), codec: Priority::PRIMARY }
            }
            _ => Kept::Huge,
        }
    }

    /// The bytes of the object of a page that is kept in this way.
    pub(crate) fn object(&self, at: usize, kept: Kept) -> &[u8] {
        match kept {
            Kept::Empty | Kept::Same(_) => &[],
            Kept::FarSame(_) => &self.page(at)[..8],
            Kept::Stored { codec, .. } => self.compressed(at, codec).expect("it was compressed"),
            Kept::Huge => self.page(at),
        }
    }
}

pub(crate) fn priorities() -> [Priority; Priority::COUNT] {
    [0, 1, 2, 3].map(|priority| Priority::new(priority).expect("below 4"))
}
