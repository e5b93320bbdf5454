//! Building a compressor, and its two ways of use: with an allocation a page, and without any.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use crate::lzo;
use crate::{Algorithm, Error, PAGE_SIZE, Page, Result, SimdBackend, lz4, simd, wm};
#[cfg(feature = "std")]
use crate::{deflate, lz4hc, zstd};

/// How many bytes an output for [`PageCompressor::compress_into`] has: a page, and room for what the
/// worst page grows by and for stores that are wider than what they store.
pub const BUFFER_SIZE: usize = PAGE_SIZE + 256;

/// An output of the size that the encoders rely on.
pub(crate) type Buffer = [u8; BUFFER_SIZE];

/// Chooses what a [`PageCompressor`] does.
///
/// ```
/// use trueno_zram_core::{Algorithm, CompressorBuilder};
///
/// let compressor = CompressorBuilder::new().algorithm(Algorithm::Wm).build()?;
/// let page = [7; 4096];
/// let compressed = compressor.compress(&page)?;
/// assert!(compressed.ratio() > 50.0);
/// assert_eq!(compressor.decompress(&compressed)?, page);
/// # Ok::<(), trueno_zram_core::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct CompressorBuilder {
    algorithm: Algorithm,
    backend: Option<SimdBackend>,
    level: Option<i32>,
    dictionary: Option<Vec<u8>>,
    tables: Option<Arc<wm::Tables>>,
}

impl CompressorBuilder {
    /// [`Algorithm::Adaptive`] on the best backend.
    pub fn new() -> Self {
        Self::default()
    }

    /// Which algorithm.
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// Which instructions to use, in place of the best that the processor has and of `TRUENO_SIMD`.
    pub fn prefer_backend(mut self, backend: SimdBackend) -> Self {
        self.backend = Some(backend);
        self
    }

    /// The level of `lz4hc` (1 to 12), `deflate` (1 to 12) or `zstd` (in place of the one in
    /// [`Algorithm::Zstd`]).
    pub fn level(mut self, level: i32) -> Self {
        self.level = Some(level);
        self
    }

    /// A dictionary for `zstd`: any 8 bytes or more, or what `zstd::train` made.
    ///
    /// Pages can be read back only with the same dictionary, and nothing in a page says which one that
    /// is: with another one, or without, decompression mostly gives an error, but may also give a wrong
    /// page and `Ok`.
    pub fn dictionary(mut self, dictionary: impl Into<Vec<u8>>) -> Self {
        self.dictionary = Some(dictionary.into());
        self
    }

    /// Tables for `wm`, `wmhc` and `adaptive` in place of those that are built in, for measurements.
    ///
    /// Pages can be read back only with the same tables: others give an error, or a wrong page and `Ok`.
    pub fn tables(mut self, tables: Arc<wm::Tables>) -> Self {
        self.tables = Some(tables);
        self
    }

    /// Prepares tables, levels and dictionaries, so that no page has to.
    ///
    /// # Errors
    ///
    /// A backend that this processor lacks, a level that the algorithm has not, a setting that it does
    /// not take, an algorithm that this build lacks.
    pub fn build(self) -> Result<PageCompressor> {
        let backend = match self.backend {
            Some(backend) if backend.is_available() => backend,
            Some(backend) => return Err(Error::BackendUnavailable(backend)),
            None => simd::default_backend()?,
        };
        self.check_taken()?;
        let mut algorithm = self.algorithm;
        if let (Algorithm::Zstd { level }, Some(asked)) = (&mut algorithm, self.level) {
            *level = asked;
        }
        let engine = match algorithm {
            Algorithm::Lz4 => Engine::Lz4(lz4::Codec::new(backend)),
            Algorithm::Wm | Algorithm::WmHc | Algorithm::Adaptive => {
                Engine::Wm(wm::Codec::new(algorithm, backend, self.tables)?)
            }
            Algorithm::Lzo => Engine::Lzo(lzo::Codec::new()),
            #[cfg(feature = "std")]
            Algorithm::Zstd { level } => {
                Engine::Zstd(zstd::Codec::new(level, self.dictionary.as_deref())?)
            }
            #[cfg(feature = "std")]
            Algorithm::Lz4Hc => Engine::Lz4Hc(lz4hc::Codec::new(self.level, backend)?),
            #[cfg(feature = "std")]
            Algorithm::Deflate => Engine::Deflate(deflate::Codec::new(self.level)?),
            #[cfg(not(feature = "std"))]
            missing => return Err(Error::NotBuilt(missing)),
        };
        Ok(PageCompressor {
            algorithm,
            engine,
            #[cfg(feature = "std")]
            idle: std::sync::Mutex::default(),
        })
    }

    /// Refuses what would have no effect.
    fn check_taken(&self) -> Result<()> {
        use Algorithm::{Adaptive, Deflate, Lz4Hc, Wm, WmHc, Zstd};
        let algorithm = self.algorithm;
        let is_zstd = matches!(algorithm, Zstd { .. });
        let takes_level = is_zstd || matches!(algorithm, Lz4Hc | Deflate);
        let takes_tables = matches!(algorithm, Wm | WmHc | Adaptive);
        let settings = [
            ("level", self.level.is_some(), takes_level),
            ("dictionary", self.dictionary.is_some(), is_zstd),
            ("tables", self.tables.is_some(), takes_tables),
        ];
        let refused = settings.into_iter().find(|(_, is_set, is_taken)| *is_set && !*is_taken);
        refused.map_or(Ok(()), |(setting, ..)| Err(Error::NotTaken { algorithm, setting }))
    }
}

/// The codecs; which one is decided once, when the compressor is built.
enum Engine {
    Lz4(lz4::Codec),
    Wm(wm::Codec),
    Lzo(lzo::Codec),
    #[cfg(feature = "std")]
    Zstd(zstd::Codec),
    #[cfg(feature = "std")]
    Lz4Hc(lz4hc::Codec),
    #[cfg(feature = "std")]
    Deflate(deflate::Codec),
}

/// Working memory of a compressor, for one thread at a time; made by [`PageCompressor::scratch`].
pub struct Scratch(State);

enum State {
    Lz4(Box<lz4::State>),
    Wm(wm::Scratch),
    Lzo(Box<lzo::State>),
    #[cfg(feature = "std")]
    Zstd(zstd::State),
    #[cfg(feature = "std")]
    Lz4Hc(lz4hc::State),
    #[cfg(feature = "std")]
    Deflate(deflate::State),
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scratch").finish_non_exhaustive()
    }
}

/// What [`PageCompressor::compress_into`] made of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Encoded {
    /// The first so many bytes of the output, 1 to 4095, are the compressed page.
    Compressed(usize),
    /// The page does not get smaller; what the output holds is of no use. Store the page itself:
    /// 4096 bytes are always taken for a page as it is.
    Incompressible,
}

impl Encoded {
    /// How many bytes the page takes, 4096 if incompressible.
    #[must_use]
    pub const fn len(self) -> usize {
        match self {
            Self::Compressed(len) => len,
            Self::Incompressible => PAGE_SIZE,
        }
    }

    /// Always false: no page takes no bytes.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// A page, compressed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CompressedPage {
    /// The compressed bytes; exactly 4096 of them are the page itself.
    pub data: Vec<u8>,
    /// What compressed it.
    pub algorithm: Algorithm,
}

impl CompressedPage {
    /// Uncompressed over compressed size: 4.0 is a quarter. At least 1.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "at most 4096")]
        let len = self.data.len().max(1) as f64;
        4096.0 / len
    }

    /// Whether the page is stored as it is.
    #[must_use]
    pub fn is_incompressible(&self) -> bool {
        self.data.len() == PAGE_SIZE
    }
}

/// Compresses and decompresses pages; shared by any number of threads.
pub struct PageCompressor {
    algorithm: Algorithm,
    engine: Engine,
    /// Scratch that `compress` and `decompress` used and that waits for their next call.
    #[cfg(feature = "std")]
    idle: std::sync::Mutex<Vec<Scratch>>,
}

impl fmt::Debug for PageCompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageCompressor")
            .field("algorithm", &self.algorithm)
            .field("backend", &self.backend())
            .finish_non_exhaustive()
    }
}

impl PageCompressor {
    /// Which algorithm it was built with, level included.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Which code it runs: [`SimdBackend::Portable`] also for `lzo`, which has one only, and for the
    /// codecs that are libraries, which choose theirs themselves.
    #[must_use]
    pub fn backend(&self) -> SimdBackend {
        match &self.engine {
            Engine::Lz4(codec) => codec.backend(),
            Engine::Wm(codec) => codec.backend(),
            #[cfg(feature = "std")]
            Engine::Lz4Hc(codec) => codec.backend(),
            _ => SimdBackend::Portable,
        }
    }

    /// Working memory for [`compress_into`](Self::compress_into) and
    /// [`decompress_into`](Self::decompress_into). Keep one a thread.
    #[must_use]
    pub fn scratch(&self) -> Scratch {
        Scratch(match &self.engine {
            Engine::Lz4(_) => State::Lz4(lz4::State::new()),
            Engine::Wm(codec) => State::Wm(codec.scratch()),
            Engine::Lzo(_) => State::Lzo(lzo::State::new()),
            #[cfg(feature = "std")]
            Engine::Zstd(codec) => State::Zstd(codec.state()),
            #[cfg(feature = "std")]
            Engine::Lz4Hc(codec) => State::Lz4Hc(codec.state()),
            #[cfg(feature = "std")]
            Engine::Deflate(codec) => State::Deflate(codec.state()),
        })
    }

    /// Compresses `page` into the first bytes of `out`, without allocating.
    ///
    /// # Errors
    ///
    /// `out` has fewer than [`BUFFER_SIZE`] bytes, `scratch` is another compressor's, or a library
    /// failed.
    pub fn compress_into(
        &self,
        page: &Page,
        scratch: &mut Scratch,
        out: &mut [u8],
    ) -> Result<Encoded> {
        let got = out.len();
        let Some(out) = out.first_chunk_mut::<BUFFER_SIZE>() else {
            return Err(Error::BufferTooSmall { got });
        };
        let len = match (&self.engine, &mut scratch.0) {
            (Engine::Lz4(codec), State::Lz4(state)) => codec.compress(page, state, out),
            (Engine::Wm(codec), State::Wm(state)) if codec.takes(state) => {
                codec.compress(page, state, out)
            }
            (Engine::Lzo(codec), State::Lzo(state)) => codec.compress(page, state, out),
            #[cfg(feature = "std")]
            (Engine::Zstd(codec), State::Zstd(state)) => codec.compress(page, state, out)?,
            #[cfg(feature = "std")]
            (Engine::Lz4Hc(codec), State::Lz4Hc(state)) => codec.compress(page, state, out)?,
            #[cfg(feature = "std")]
            (Engine::Deflate(codec), State::Deflate(state)) => codec.compress(page, state, out)?,
            _ => return Err(Error::ForeignScratch),
        };
        Ok(if len < PAGE_SIZE { Encoded::Compressed(len) } else { Encoded::Incompressible })
    }

    /// Restores the page that `data` was made from; 4096 bytes are the page itself.
    ///
    /// # Errors
    ///
    /// `data` is not a page that this algorithm writes, or `scratch` is another compressor's. `page`
    /// is all zero then.
    pub fn decompress_into(
        &self,
        data: &[u8],
        scratch: &mut Scratch,
        page: &mut Page,
    ) -> Result<()> {
        if let Some(raw) = data.first_chunk::<PAGE_SIZE>().filter(|_| data.len() == PAGE_SIZE) {
            *page = *raw;
            return Ok(());
        }
        let result = match (&self.engine, &mut scratch.0) {
            (Engine::Lz4(codec), State::Lz4(state)) => codec.decompress(data, state, page),
            (Engine::Wm(codec), State::Wm(state)) => codec.decompress(data, state, page),
            (Engine::Lzo(codec), State::Lzo(state)) => codec.decompress(data, state, page),
            #[cfg(feature = "std")]
            (Engine::Zstd(codec), State::Zstd(state)) => codec.decompress(data, state, page),
            #[cfg(feature = "std")]
            (Engine::Lz4Hc(codec), State::Lz4Hc(state)) => codec.decompress(data, state, page),
            #[cfg(feature = "std")]
            (Engine::Deflate(codec), State::Deflate(state)) => codec.decompress(data, state, page),
            _ => Err(Error::ForeignScratch),
        };
        result.map_err(|error| {
            // What a library has written by then may be of the page before.
            page.fill(0);
            match error {
                Error::Corrupt { what, .. } => Error::Corrupt { algorithm: self.algorithm, what },
                other => other,
            }
        })
    }

    /// Compresses a page into bytes of its own, which is the call's only allocation.
    ///
    /// # Errors
    ///
    /// A library failed.
    pub fn compress(&self, page: &Page) -> Result<CompressedPage> {
        let mut out = [0; BUFFER_SIZE];
        let encoded = self.with_scratch(|scratch| self.compress_into(page, scratch, &mut out))?;
        let data = match encoded {
            Encoded::Compressed(len) => out.get(..len).unwrap_or(page),
            Encoded::Incompressible => page,
        };
        Ok(CompressedPage { data: data.to_vec(), algorithm: self.algorithm })
    }

    /// Restores a page that [`compress`](Self::compress) made, here or elsewhere.
    ///
    /// # Errors
    ///
    /// The page was made by another algorithm, or is damaged. (The level of `zstd` does not matter.)
    pub fn decompress(&self, compressed: &CompressedPage) -> Result<Page> {
        if compressed.algorithm.name() != self.algorithm.name() {
            let (algorithm, made_by) = (self.algorithm, compressed.algorithm);
            return Err(Error::OtherAlgorithm { algorithm, made_by });
        }
        let mut page = [0; PAGE_SIZE];
        self.with_scratch(|scratch| self.decompress_into(&compressed.data, scratch, &mut page))?;
        Ok(page)
    }

    #[cfg(feature = "std")]
    fn with_scratch<T>(&self, work: impl FnOnce(&mut Scratch) -> T) -> T {
        let idle = || self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let kept = idle().pop();
        let mut scratch = kept.unwrap_or_else(|| self.scratch());
        let result = work(&mut scratch);
        idle().push(scratch);
        result
    }

    #[cfg(not(feature = "std"))]
    fn with_scratch<T>(&self, work: impl FnOnce(&mut Scratch) -> T) -> T {
        work(&mut self.scratch())
    }
}
