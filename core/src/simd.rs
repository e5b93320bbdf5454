//! What the processor can do, and which code is run on it.

use alloc::borrow::ToOwned as _;
use core::fmt;
use core::str::FromStr;

use crate::{Error, Result};

/// A set of instructions that the codecs have code for. All of them write and read the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SimdBackend {
    /// Plain Rust: any processor.
    Portable,
    /// x86-64 with AVX2, BMI1, BMI2, LZCNT and POPCNT (Haswell and Zen, or newer).
    Avx2,
    /// x86-64 with AVX-512 F, BW, DQ, VL, VBMI, VBMI2, BITALG and VPOPCNTDQ (Ice Lake and Zen 4, or
    /// newer).
    Avx512,
    /// AArch64.
    Neon,
}

impl SimdBackend {
    /// All there are, slowest first.
    pub const ALL: [Self; 4] = [Self::Portable, Self::Neon, Self::Avx2, Self::Avx512];

    /// The name that `TRUENO_SIMD` takes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Neon => "neon",
        }
    }

    /// Whether this processor can run it.
    #[must_use]
    pub fn is_available(self) -> bool {
        let features = detect();
        match self {
            Self::Portable => true,
            Self::Avx2 => features.has_avx2(),
            Self::Avx512 => features.has_avx512(),
            Self::Neon => features.has_neon(),
        }
    }
}

impl fmt::Display for SimdBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(feature = "serde")]
crate::names::serialized_by_name!(SimdBackend);

impl FromStr for SimdBackend {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|backend| backend.name() == text);
        found.ok_or_else(|| Error::UnknownBackend { name: text.to_owned() })
    }
}

/// What [`detect`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    avx2: bool,
    avx512: bool,
    neon: bool,
}

impl Features {
    /// Everything that [`SimdBackend::Avx2`] needs.
    #[must_use]
    pub const fn has_avx2(self) -> bool {
        self.avx2
    }

    /// Everything that [`SimdBackend::Avx512`] needs.
    #[must_use]
    pub const fn has_avx512(self) -> bool {
        self.avx512
    }

    /// Everything that [`SimdBackend::Neon`] needs.
    #[must_use]
    pub const fn has_neon(self) -> bool {
        self.neon
    }

    /// The fastest backend that these features allow.
    #[must_use]
    pub const fn best(self) -> SimdBackend {
        if self.avx512 {
            SimdBackend::Avx512
        } else if self.avx2 {
            SimdBackend::Avx2
        } else if self.neon {
            SimdBackend::Neon
        } else {
            SimdBackend::Portable
        }
    }
}

#[cfg(all(target_arch = "x86_64", feature = "std"))]
macro_rules! has {
    ($($feature:tt),+) => { $(std::is_x86_feature_detected!($feature))&&+ };
}

#[cfg(all(target_arch = "x86_64", not(feature = "std")))]
macro_rules! has {
    ($($feature:tt),+) => { $(cfg!(target_feature = $feature))&&+ };
}

/// Asks the processor (without the feature `std`: the compiler's target) what it can do.
#[must_use]
pub fn detect() -> Features {
    #[cfg(target_arch = "x86_64")]
    {
        let avx2 = has!("avx2", "bmi1", "bmi2", "lzcnt", "popcnt");
        let avx512 = has!(
            "avx512f",
            "avx512bw",
            "avx512dq",
            "avx512vl",
            "avx512vbmi",
            "avx512vbmi2",
            "avx512bitalg",
            "avx512vpopcntdq"
        );
        Features { avx2, avx512: avx2 && avx512, neon: false }
    }
    #[cfg(not(target_arch = "x86_64"))]
    Features { avx2: false, avx512: false, neon: cfg!(target_arch = "aarch64") }
}

/// The environment variable that forces a backend, for tests and measurements.
///
/// It is read once a process, when a backend is first needed: a later change has no effect.
pub const VARIABLE: &str = "TRUENO_SIMD";

/// The backend to use where nobody asked for one: what [`VARIABLE`] names, else the best (always the
/// best without the feature `std`).
///
/// # Errors
///
/// [`Error::Variable`]: the variable's value is no backend's name, or one's that this processor lacks.
pub fn default_backend() -> Result<SimdBackend> {
    #[cfg(feature = "std")]
    {
        static ANSWER: std::sync::OnceLock<Result<SimdBackend>> = std::sync::OnceLock::new();
        ANSWER.get_or_init(asked_for).clone()
    }
    #[cfg(not(feature = "std"))]
    Ok(detect().best())
}

#[cfg(feature = "std")]
fn asked_for() -> Result<SimdBackend> {
    let value = std::env::var_os(VARIABLE).unwrap_or_default();
    if value.is_empty() {
        return Ok(detect().best());
    }
    let named = value.to_str().and_then(|name| name.parse().ok());
    let available = named.filter(|backend: &SimdBackend| backend.is_available());
    available.ok_or_else(|| Error::Variable { value: value.to_string_lossy().into_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for backend in SimdBackend::ALL {
            assert_eq!(backend.name().parse(), Ok(backend));
        }
        let error = Error::UnknownBackend { name: "sse2".into() };
        assert_eq!("sse2".parse::<SimdBackend>(), Err(error));
    }

    #[test]
    fn the_best_is_available() {
        assert!(detect().best().is_available());
        assert!(SimdBackend::Portable.is_available());
    }
}
