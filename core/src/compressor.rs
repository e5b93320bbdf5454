//! The output that the encoders rely on.

use crate::PAGE_SIZE;

/// How many bytes an output has: a page, and room for what the worst page grows by and for stores that
/// are wider than what they store.
pub const BUFFER_SIZE: usize = PAGE_SIZE + 256;

/// An output of that size.
pub(crate) type Buffer = [u8; BUFFER_SIZE];
