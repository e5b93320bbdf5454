//! Which backend runs: a choice made when the codec is built, looked up three times a page.
#![expect(unsafe_code, reason = "code for instructions that the processor was found to have")]

use super::state::State;
use super::tables::Tables;
use super::{Chosen, Effort, portable};
use crate::compressor::Buffer;
use crate::{Page, Result, SimdBackend};

/// A backend that this processor has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backend(SimdBackend);

impl Backend {
    /// `None` if the processor lacks it.
    pub(super) fn new(backend: SimdBackend) -> Option<Self> {
        backend.is_available().then_some(Self(backend))
    }

    pub(super) const fn get(self) -> SimdBackend {
        self.0
    }

    pub(super) const fn portable() -> Self {
        Self(SimdBackend::Portable)
    }

    /// Hashes, candidates, references, masks: everything that is to be known of a page.
    pub(super) fn analyse(self, page: &Page, state: &mut State, effort: Effort) -> Chosen {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `new` asked the processor.
            SimdBackend::Avx512 => unsafe { super::avx512::analyse(page, state, effort) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `new` asked the processor.
            SimdBackend::Avx2 => unsafe { super::avx2::analyse(page, state, effort) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: every such processor has NEON.
            SimdBackend::Neon => unsafe { super::neon::analyse(page, state, effort) },
            _ => portable::analyse(page, state, effort),
        }
    }

    /// Writes what [`analyse`](Self::analyse) found; returns the length, which is at least that of a
    /// page if the page does not get smaller.
    pub(super) fn write(
        self,
        state: &mut State,
        tables: &Tables,
        chosen: Chosen,
        effort: Effort,
        out: &mut Buffer,
    ) -> usize {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `new` asked the processor.
            SimdBackend::Avx512 => unsafe {
                super::avx512::write(state, tables, chosen, effort, out)
            },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `new` asked the processor.
            SimdBackend::Avx2 => unsafe { super::avx2::write(state, tables, chosen, effort, out) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: every such processor has NEON.
            SimdBackend::Neon => unsafe { super::neon::write(state, tables, chosen, effort, out) },
            _ => portable::write(state, tables, chosen, effort, out),
        }
    }

    /// Restores a page of words, or of dense words.
    pub(super) fn read(
        self,
        state: &mut State,
        tables: &Tables,
        data: &[u8],
        is_dense: bool,
        page: &mut Page,
    ) -> Result<()> {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `new` asked the processor.
            SimdBackend::Avx512 => unsafe {
                super::avx512::read(state, tables, data, is_dense, page)
            },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `new` asked the processor.
            SimdBackend::Avx2 => unsafe { super::avx2::read(state, tables, data, is_dense, page) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: every such processor has NEON.
            SimdBackend::Neon => unsafe { super::neon::read(state, tables, data, is_dense, page) },
            _ => portable::read(state, tables, data, is_dense, page),
        }
    }
}
