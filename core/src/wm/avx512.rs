//! The stages of the word-mask codec with AVX-512: eight words in a register, bytes compared,
//! counted, packed and spread by one instruction each.

/// Functions compiled for what [`SimdBackend::Avx512`](crate::SimdBackend::Avx512) promises.
macro_rules! avx512 {
    ($($(#[$doc:meta])* $visibility:vis fn $name:ident $(<const $generic:ident: $of:ty>)?
        ($($argument:tt)*) $(-> $result:ty)? $body:block)*) => {
        $($(#[$doc])*
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vbmi2")]
        #[target_feature(enable = "avx512bitalg,avx512vpopcntdq,bmi1,bmi2,lzcnt,popcnt")]
        $visibility fn $name $(<const $generic: $of>)? ($($argument)*) $(-> $result)? $body)*
    };
}

mod analyse;
mod memory;
mod read;
mod write;

pub(in crate::wm) use analyse::analyse;
pub(in crate::wm) use read::read;
pub(in crate::wm) use write::write;

/// Words of a vector.
const STEP: usize = 8;
