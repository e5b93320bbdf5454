//! The stages of the word-mask codec with AVX2: four words in a register.
//!
//! AVX2 compares bytes in vectors and brings the results to general registers, as four masks of
//! eight bits in 32 (`movemask`). Bytes are packed and spread word by word, by a shuffle that a
//! table has for each mask: `pext` and `pdep` would need no table, but are slow on Zen 1 and 2.

/// Functions compiled for what [`SimdBackend::Avx2`](crate::SimdBackend::Avx2) promises.
macro_rules! avx2 {
    ($($(#[$doc:meta])* $visibility:vis fn $name:ident $(<const $generic:ident: $of:ty>)?
        ($($argument:tt)*) $(-> $result:ty)? $body:block)*) => {
        $($(#[$doc])*
        #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
        $visibility fn $name $(<const $generic: $of>)? ($($argument)*) $(-> $result)? $body)*
    };
}

mod analyse;
mod memory;
mod read;
mod shuffles;
mod write;

pub(super) use analyse::analyse;
pub(super) use read::read;
pub(super) use write::write;

/// Words of a vector.
const VECTOR: usize = 4;
/// Words that are looked at together while references are chosen.
const STEP: usize = 16;
/// Words whose literals are moved between two looks at where they are.
const GROUP: usize = 8;
