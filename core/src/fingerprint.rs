//! Fingerprints of pages, to find equal ones.

use twox_hash::XxHash3_64;

use crate::Page;

/// The XXH3 hash of a page, 64 bits, seed 0.
///
/// The same on every machine and in every version of this crate, so it may be stored. It is not
/// cryptographic: whoever chooses the contents of pages can make two with the same hash, so compare
/// pages before taking them for equal. Among `n` pages that nobody chose, two different ones share a
/// hash with a probability of about n² / 2⁶⁵: one in eight million for a terabyte of pages.
///
/// ```
/// use trueno_zram_core::fingerprint::page_hash;
///
/// assert_eq!(page_hash(&[0; 4096]), page_hash(&[0; 4096]));
/// assert_ne!(page_hash(&[0; 4096]), page_hash(&[1; 4096]));
/// ```
#[must_use]
pub fn page_hash(page: &Page) -> u64 {
    XxHash3_64::oneshot(page)
}
