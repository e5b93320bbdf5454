//! Where randomised tests get their seed and length from.

use std::time::{SystemTime, UNIX_EPOCH};

/// TRUENO_SEED, or a seed left to chance. Nothing else may be: the test prints the seed, so that
/// whoever has seen it fail can see it again.
///
/// # Errors
/// When the variable is no number.
pub fn seed() -> Result<u64, String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let chance = u64::from(now.subsec_nanos()) ^ now.as_secs();
    Ok(number_from("TRUENO_SEED")?.unwrap_or(chance))
}

/// TRUENO_STEPS, if set; else `soak` where TRUENO_SOAK is set, else `usual`.
///
/// # Errors
/// When the variable is no number.
pub fn steps(usual: u64, soak: u64) -> Result<u64, String> {
    let soaks = std::env::var_os("TRUENO_SOAK").is_some();
    Ok(number_from("TRUENO_STEPS")?.unwrap_or(if soaks { soak } else { usual }))
}

fn number_from(variable: &str) -> Result<Option<u64>, String> {
    let value = std::env::var(variable).ok();
    let number = value.map(|value| value.parse().map_err(|error| format!("{variable}: {error}")));
    number.transpose()
}
