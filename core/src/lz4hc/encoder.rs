//! `LZ4_compress_HC` on memory of ours, which `lz4-sys` links but does not declare.
//!
//! Why unsafe: the function that `lz4-sys` does declare takes 256 KiB from `malloc` for each page and
//! clears them, which is 5 µs more: 11.5 µs a page in place of 6.6 at level 1, 51 in place of 44 at
//! level 9 (pages of the corpus, one Zen 5 core).

#![expect(unsafe_code, reason = "a C library, called on memory that is prepared once")]

use alloc::boxed::Box;
use alloc::vec;
use core::ffi::{c_char, c_int, c_void};

use crate::{PAGE_SIZE, Page};

// As in `lz4hc.h` of LZ4 1.10, which lz4-sys 1.11 builds and links.
unsafe extern "C" {
    safe fn LZ4_sizeofStateHC() -> c_int;
    fn LZ4_initStreamHC(memory: *mut c_void, size: usize) -> *mut c_void;
    fn LZ4_compress_HC_extStateHC_fastReset(
        state: *mut c_void,
        source: *const c_char,
        target: *mut c_char,
        source_size: c_int,
        target_capacity: c_int,
        level: c_int,
    ) -> c_int;
}

/// The crate that builds the library has to be named for the library to be linked.
use lz4_sys as _;

/// The library's hash tables, and the level to use them at.
///
/// **Invariant.** `LZ4_initStreamHC` was called on `memory`, and nothing but the library wrote there
/// since.
pub(super) struct Encoder {
    /// Words, for the alignment.
    memory: Box<[u64]>,
    level: c_int,
}

impl Encoder {
    pub(super) fn new(level: c_int) -> Self {
        let size = usize::try_from(LZ4_sizeofStateHC()).unwrap_or_default();
        let mut memory = vec![0; size.div_ceil(size_of::<u64>())].into_boxed_slice();
        // SAFETY: `memory` is writable for as many bytes as are told, and has the alignment of the
        // largest member that the state has, a pointer; the library checks both and otherwise
        // returns null without a write. Then, zeroes remain: "correctly initialized" by `lz4hc.h`.
        let _state =
            unsafe { LZ4_initStreamHC(memory.as_mut_ptr().cast(), size_of_val::<[u64]>(&memory)) };
        Self { memory, level }
    }

    pub(super) const fn level(&self) -> c_int {
        self.level
    }

    /// The length of what is now in `out`; `None` if the page does not fit there compressed.
    pub(super) fn compress(&mut self, page: &Page, out: &mut [u8]) -> Option<usize> {
        const SOURCE_SIZE: c_int = 4096;
        const _: () = assert!(PAGE_SIZE == 4096);
        let capacity = c_int::try_from(out.len()).unwrap_or(c_int::MAX);
        // SAFETY: by the invariant the state is initialized, so that this call may reset it the fast
        // way; a state in which an earlier call failed is reset wholly by the library. `page` is
        // readable for 4096 bytes and `out` is writable for `capacity`, which the library keeps to
        // (`LZ4_compress_HC_extStateHC_fastReset` and `LZ4_compress_HC` in `lz4hc.h`). It keeps no
        // pointer that it follows in a later call.
        let len = unsafe {
            LZ4_compress_HC_extStateHC_fastReset(
                self.memory.as_mut_ptr().cast(),
                page.as_ptr().cast(),
                out.as_mut_ptr().cast(),
                SOURCE_SIZE,
                capacity,
                self.level,
            )
        };
        usize::try_from(len).ok().filter(|&len| len > 0)
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "test data")]
mod tests {
    use super::*;

    fn page(seed: usize) -> Page {
        core::array::from_fn(|at| (at / 16 * seed + at * at / 3000) as u8)
    }

    #[test]
    fn a_used_state_is_as_good_as_a_new_one() {
        for level in [1, 3, 9, 12] {
            let mut used = Encoder::new(level);
            for seed in 1..50 {
                let (mut first, mut second) = ([0; 5000], [0; 5000]);
                let page = page(seed);
                let length = used.compress(&page, &mut first).expect("room");
                assert_eq!(Encoder::new(level).compress(&page, &mut second), Some(length));
                assert_eq!(first[..length], second[..length], "level {level}, seed {seed}");
            }
        }
    }

    #[test]
    fn the_library_keeps_to_its_output() {
        let mut encoder = Encoder::new(9);
        for len in 0..200 {
            let mut out = [0xa5; 300];
            let fits = encoder.compress(&page(7), &mut out[..len]);
            assert!(fits.is_none_or(|fits| fits <= len));
            assert!(out[len..].iter().all(|&byte| byte == 0xa5), "written past {len}");
        }
        let mut out = [0; 5000];
        let len = encoder.compress(&page(7), &mut out).expect("good again after failures");
        assert_eq!(lz4_flex::block::decompress(&out[..len], 4096).expect("LZ4"), page(7));
    }
}
