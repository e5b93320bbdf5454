//! No page costs an allocation.
//!
//! Most of the codecs that are libraries are written in C, and what they allocate no Rust allocator
//! sees. So this test puts itself in place of the C library's `malloc`, under which Rust's allocator
//! lies too.

#![cfg(all(feature = "std", target_os = "linux", target_env = "gnu"))]
#![expect(unsafe_code, reason = "malloc is counted by replacing it")]
#![expect(clippy::cast_possible_truncation, clippy::indexing_slicing, reason = "tests may panic")]

use std::cell::Cell;
use std::ffi::{c_int, c_void};

use trueno_zram_core::{
    Algorithm, BUFFER_SIZE, CompressorBuilder, Encoded, PAGE_SIZE, Page, PageCompressor,
};

thread_local! {
    /// Calls of this thread; `const`, so that its first use allocates nothing.
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    CALLS.set(CALLS.get() + 1);
}

// glibc's own names for what is replaced.
unsafe extern "C" {
    fn __libc_malloc(size: usize) -> *mut c_void;
    fn __libc_calloc(count: usize, size: usize) -> *mut c_void;
    fn __libc_realloc(memory: *mut c_void, size: usize) -> *mut c_void;
    fn __libc_memalign(alignment: usize, size: usize) -> *mut c_void;
}

// SAFETY: what the C library calls and expects by this name.
#[unsafe(no_mangle)]
extern "C" fn malloc(size: usize) -> *mut c_void {
    count();
    // SAFETY: any size is allowed.
    unsafe { __libc_malloc(size) }
}

// SAFETY: as `malloc`.
#[unsafe(no_mangle)]
extern "C" fn calloc(members: usize, size: usize) -> *mut c_void {
    count();
    // SAFETY: any size is allowed.
    unsafe { __libc_calloc(members, size) }
}

/// # Safety
///
/// `memory` is null or comes from this family of functions.
// SAFETY: as `malloc`.
#[unsafe(no_mangle)]
unsafe extern "C" fn realloc(memory: *mut c_void, size: usize) -> *mut c_void {
    count();
    // SAFETY: the caller's promise is what the callee asks for.
    unsafe { __libc_realloc(memory, size) }
}

// SAFETY: as `malloc`.
#[unsafe(no_mangle)]
extern "C" fn aligned_alloc(alignment: usize, size: usize) -> *mut c_void {
    count();
    // SAFETY: glibc takes any alignment and size.
    unsafe { __libc_memalign(alignment, size) }
}

/// # Safety
///
/// `out` is writable.
// SAFETY: as `malloc`.
#[unsafe(no_mangle)]
unsafe extern "C" fn posix_memalign(out: *mut *mut c_void, alignment: usize, size: usize) -> c_int {
    const ENOMEM: c_int = 12;
    let memory = aligned_alloc(alignment, size);
    if memory.is_null() {
        return ENOMEM;
    }
    // SAFETY: the caller's promise.
    unsafe { out.write(memory) };
    0
}

/// How often `work` allocates.
fn allocations(work: impl FnOnce()) -> usize {
    let before = CALLS.get();
    work();
    CALLS.get() - before
}

/// Pages of several kinds; one in 16 is noise.
fn pages() -> Vec<Page> {
    let mut state = 1_u64;
    let mut noise = move || {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (state >> 56) as u8
    };
    let page = |kind: usize| {
        core::array::from_fn(|at| match kind % 16 {
            0 => noise(),
            1 => b"the quick brown fox jumps over the lazy dog. "[(at + at / 300) % 45],
            2 => 0,
            _ if at % 8 < kind % 8 => noise() % 16,
            _ => (kind + at / 64) as u8,
        })
    };
    (0..64).map(page).collect()
}

/// Calls for many pages there and back, in a scratch that has seen none before.
fn allocations_for_pages(compressor: &PageCompressor) -> usize {
    let (pages, mut scratch) = (pages(), compressor.scratch());
    let (mut out, mut back) = ([0; BUFFER_SIZE], [0; PAGE_SIZE]);
    let rounds = if cfg!(debug_assertions) { 200 } else { 2_000 };
    allocations(|| {
        for page in pages.iter().cycle().take(rounds) {
            let encoded =
                compressor.compress_into(page, &mut scratch, &mut out).expect("compresses");
            if let Encoded::Compressed(len) = encoded {
                let read = compressor.decompress_into(&out[..len], &mut scratch, &mut back);
                read.expect("decompresses");
                assert!(back == *page, "{:?}", compressor.algorithm());
            }
            // What is refused must not allocate either.
            drop(compressor.decompress_into(&out[..100], &mut scratch, &mut back));
        }
    })
}

#[test]
fn the_counter_counts() {
    let made = allocations(|| drop(std::hint::black_box(vec![1; 100])));
    assert_eq!(made, 1);
    let builder = CompressorBuilder::new().algorithm(Algorithm::Deflate);
    let deflate = builder.build().expect("the default level");
    assert!(allocations(|| drop(deflate.scratch())) >= 2, "libdeflate's tables");
}

#[test]
fn no_page_allocates() {
    let mut algorithms = Algorithm::ALL.to_vec();
    algorithms.extend([-7, -1, 1, 9, 19].map(|level| Algorithm::Zstd { level }));
    for algorithm in algorithms {
        let builder = CompressorBuilder::new().algorithm(algorithm);
        let compressor = builder.build().expect("a compressor");
        assert_eq!(allocations_for_pages(&compressor), 0, "{algorithm:?}");
    }
}

/// But the bytes that are returned: what a call needs beside them waits for the next call.
#[test]
fn calls_without_a_scratch_share_one() {
    for algorithm in Algorithm::ALL {
        let compressor = CompressorBuilder::new().algorithm(algorithm).build().expect("it builds");
        let page = core::array::from_fn(|at| (at / 64) as u8);
        let mut compressed = compressor.compress(&page).expect("compresses");
        let calls = allocations(|| compressed = compressor.compress(&page).expect("compresses"));
        assert_eq!(calls, 1, "{algorithm:?}");
        let calls = allocations(|| assert_eq!(compressor.decompress(&compressed), Ok(page)));
        assert_eq!(calls, 0, "{algorithm:?}");
    }
}

#[test]
fn no_page_allocates_at_other_levels() {
    for (algorithm, level) in [
        (Algorithm::Lz4Hc, 1),
        (Algorithm::Lz4Hc, 3),
        (Algorithm::Deflate, 1),
        (Algorithm::Deflate, 12),
    ] {
        let builder = CompressorBuilder::new().algorithm(algorithm).level(level);
        let compressor = builder.build().expect("a compressor");
        assert_eq!(allocations_for_pages(&compressor), 0, "{algorithm:?} {level}");
    }
}

/// As the head of `lz4hc.rs` admits.
#[test]
fn the_best_levels_of_lz4hc_allocate() {
    let builder = CompressorBuilder::new().algorithm(Algorithm::Lz4Hc).level(10);
    assert!(allocations_for_pages(&builder.build().expect("a compressor")) > 0);
}

#[test]
fn dictionaries_are_prepared_once() {
    let dictionary = pages().as_flattened()[..16384].to_vec();
    for level in [-1, 1, 3, 19] {
        let builder = CompressorBuilder::new().algorithm(Algorithm::Zstd { level });
        let compressor = builder.dictionary(dictionary.clone()).build().expect("a dictionary");
        assert_eq!(allocations_for_pages(&compressor), 0, "level {level}");
    }
}
