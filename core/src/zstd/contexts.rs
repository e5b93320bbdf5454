//! The library's contexts, kept together with the dictionary that they point to.
//!
//! Why unsafe: a dictionary is prepared once and shared by every scratch, so a scratch owns a context
//! and a share of what that context borrows, which safe Rust cannot express. The safe ways out cost
//! too much: to load a dictionary of 16 KiB again for each page makes a page at level 1 take 29 µs in
//! place of 7.5, and a copy of it in each scratch would be borrowed from in just the same way.

#![expect(unsafe_code, reason = "a scratch owns a context and a share of what it borrows")]

use alloc::sync::Arc;

use zstd_safe::{
    CCtx, CDict, CParameter, DCtx, DDict, DParameter, ErrorCode, FrameFormat, SafeResult,
};

use crate::{PAGE_SIZE, Page};

/// `ZSTD_error_memory_allocation` as the library returns it: negative.
const NO_MEMORY: ErrorCode = 64_usize.wrapping_neg();

/// A window that holds a page.
const WINDOW_LOG: u32 = PAGE_SIZE.ilog2();

/// A dictionary, prepared for both directions; some kilobytes more than its bytes take.
pub(super) struct Dictionary {
    compress: CDict<'static>,
    decompress: DDict<'static>,
}

impl Dictionary {
    /// `None` if the bytes have the mark of a trained dictionary and are not one.
    pub(super) fn new(bytes: &[u8], level: i32) -> Option<Self> {
        let compress = CDict::try_create(bytes, level)?;
        let decompress = DDict::try_create(bytes)?;
        Some(Self { compress, decompress })
    }
}

/// Working memory for both directions.
///
/// **Invariant.** The contexts never leave this struct, and stand before `dictionary`: fields are
/// dropped in order.
pub(super) struct Contexts {
    compress: CCtx<'static>,
    decompress: DCtx<'static>,
    dictionary: Option<Arc<Dictionary>>,
    level: i32,
}

impl Contexts {
    /// Sets everything up, so that no page allocates.
    pub(super) fn new(level: i32, dictionary: Option<Arc<Dictionary>>) -> Result<Self, ErrorCode> {
        let mut contexts = Self {
            compress: CCtx::try_create().ok_or(NO_MEMORY)?,
            decompress: DCtx::try_create().ok_or(NO_MEMORY)?,
            dictionary,
            level,
        };
        contexts.set_parameters()?;
        contexts.borrow_dictionary()?;
        // The library allocates its tables with the first page of a kind, and keeps them.
        contexts.compress(&[0; PAGE_SIZE], &mut [0; PAGE_SIZE])?;
        Ok(contexts)
    }

    fn set_parameters(&mut self) -> Result<(), ErrorCode> {
        for parameter in [
            CParameter::Format(FrameFormat::Magicless),
            CParameter::ContentSizeFlag(false),
            CParameter::ChecksumFlag(false),
            CParameter::DictIdFlag(false),
            CParameter::CompressionLevel(self.level),
            CParameter::WindowLog(WINDOW_LOG),
        ] {
            self.compress.set_parameter(parameter)?;
        }
        if is_fast(self.level) {
            // The library would take twice as many slots as a page has bytes. As many do as well (the
            // ratio is the same to 0.1 %) and make a scratch 16 KiB smaller.
            self.compress.set_parameter(CParameter::HashLog(WINDOW_LOG))?;
        }
        self.decompress.set_parameter(DParameter::Format(FrameFormat::Magicless))?;
        Ok(())
    }

    fn borrow_dictionary(&mut self) -> Result<(), ErrorCode> {
        let Some(dictionary) = &self.dictionary else { return Ok(()) };
        // SAFETY: the reference goes to the two contexts only. They are private, never moved out of
        // `self`, and dropped before `dictionary`, which nothing replaces: while they live, this
        // share of the `Arc` keeps the dictionary where it is, unchanged.
        let dictionary: &'static Dictionary = unsafe { &*Arc::as_ptr(dictionary) };
        self.compress.ref_cdict(&dictionary.compress)?;
        self.decompress.ref_ddict(&dictionary.decompress)?;
        Ok(())
    }

    /// Whether they were made for this level and, not only for an equal one, this dictionary.
    pub(super) fn are_for(&self, level: i32, dictionary: Option<&Arc<Dictionary>>) -> bool {
        let ours = self.dictionary.as_ref().map(Arc::as_ptr);
        self.level == level && ours == dictionary.map(Arc::as_ptr)
    }

    /// The length of what is now in `out`.
    pub(super) fn compress(&mut self, page: &Page, out: &mut [u8]) -> SafeResult {
        self.compress.compress2(out, page)
    }

    /// The length of what is now in `page`.
    pub(super) fn decompress(&mut self, data: &[u8], page: &mut Page) -> SafeResult {
        self.decompress.decompress(page.as_mut_slice(), data)
    }
}

/// The levels with the plainest match finder, which has one table (`ZSTD_fast`, `clevels.h`).
const fn is_fast(level: i32) -> bool {
    level < 0 || level == 1 || level == 2
}
