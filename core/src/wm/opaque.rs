//! A value that the optimiser knows nothing about.
#![expect(
    unsafe_code,
    reason = "an empty asm block; without it the decoder takes 1.7 times as long"
)]

/// Returns `value`, without the compiler knowing what it is.
///
/// The lanes of a page do the same thing to four registers, which LLVM takes for an invitation to
/// load from four tables with one gather instruction. That is much slower than four loads.
#[inline(always)]
pub(super) fn opaque(value: u64) -> u64 {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    {
        let mut value = value;
        // SAFETY: the block has no instruction.
        unsafe {
            core::arch::asm!(
                "/* {0} */",
                inout(reg) value,
                options(pure, nomem, nostack, preserves_flags)
            );
        }
        value
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    value
}
