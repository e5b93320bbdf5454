//! The reference LZ4: the C library, called as a caller who cares for speed calls it.
#![expect(unsafe_code, reason = "lz4-sys has plain C functions only, and lacks two of them")]

use std::ffi::{c_char, c_int, c_void};

use trueno_zram_core::benchmark::Subject;
use trueno_zram_core::{PAGE_SIZE, Page};

unsafe extern "C" {
    // Of lz4.h 1.10; exported by the library that lz4-sys builds, but not declared by it.
    safe fn LZ4_sizeofState() -> c_int;
    fn LZ4_compress_fast_extState(
        state: *mut c_void,
        source: *const c_char,
        destination: *mut c_char,
        source_size: c_int,
        destination_capacity: c_int,
        acceleration: c_int,
    ) -> c_int;
}

/// The library's default speed, which is also the kernel's.
const ACCELERATION: c_int = 1;

/// C lz4 with a state that is allocated once.
pub(crate) struct CLz4 {
    /// Words, because the library wants the state aligned to 8 bytes.
    state: Vec<u64>,
}

impl CLz4 {
    pub(crate) fn new() -> Self {
        let size = usize::try_from(LZ4_sizeofState()).unwrap_or_default();
        Self { state: vec![0; size.div_ceil(8)] }
    }
}

impl Subject for CLz4 {
    fn name(&self) -> &str {
        super::REFERENCE
    }

    fn compress(&mut self, page: &Page, out: &mut [u8]) -> Option<usize> {
        let source_size = page.len().try_into().ok()?;
        let capacity = out.len().try_into().ok()?;
        // SAFETY: the state has at least as many bytes as the library asked for and is aligned to 8;
        // both sizes are those of the slices that the pointers come from, and the library keeps no
        // pointer.
        let len = unsafe {
            LZ4_compress_fast_extState(
                self.state.as_mut_ptr().cast(),
                page.as_ptr().cast(),
                out.as_mut_ptr().cast(),
                source_size,
                capacity,
                ACCELERATION,
            )
        };
        // 0 means that the output is too small.
        usize::try_from(len).ok().filter(|len| *len > 0)
    }

    fn decompress(&mut self, data: &[u8], page: &mut Page) -> bool {
        let (Ok(size), Ok(capacity)) = (data.len().try_into(), page.len().try_into()) else {
            return false;
        };
        // SAFETY: both sizes are those of the slices that the pointers come from; this function of
        // the library stays within them whatever the data.
        let len = unsafe {
            lz4_sys::LZ4_decompress_safe(
                data.as_ptr().cast(),
                page.as_mut_ptr().cast(),
                size,
                capacity,
            )
        };
        usize::try_from(len) == Ok(PAGE_SIZE)
    }
}
