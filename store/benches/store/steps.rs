#![expect(unsafe_code, reason = "the processor's trap flag is set by an instruction")]
//! Counting instructions by single steps, each of which is a signal.
//!
//! Slow, but exact, and it needs neither a processor that lets a guest count nor a program that
//! knows all of its instructions: valgrind maps no terabyte and runs no AVX-512.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use crate::Result;

static STEPS: AtomicU64 = AtomicU64::new(0);

extern "C" fn step(_: libc::c_int) {
    STEPS.fetch_add(1, Relaxed);
}

/// How many instructions `work` takes in this process, the kernel's not counted; a repeated string
/// instruction counts as often as it repeats. None where it cannot be counted.
#[cfg(target_arch = "x86_64")]
pub(crate) fn count(work: impl FnOnce() -> Result) -> Result<Option<u64>> {
    // SAFETY: all zero is an action without flags, mask and handler.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = step as extern "C" fn(libc::c_int) as libc::sighandler_t;
    // SAFETY: the handler has the form of one without SA_SIGINFO, and adds to an atomic only.
    if unsafe { libc::sigaction(libc::SIGTRAP, &action, std::ptr::null_mut()) } != 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    let before = STEPS.load(Relaxed);
    // SAFETY: sets the trap flag, whose signal is handled as above; the kernel keeps it clear in
    // handlers and sets it again behind them.
    unsafe { std::arch::asm!("pushfq", "or qword ptr [rsp], 0x100", "popfq") };
    let worked = work();
    // SAFETY: clears it.
    unsafe { std::arch::asm!("pushfq", "and qword ptr [rsp], -0x101", "popfq") };
    worked.map(|()| Some(STEPS.load(Relaxed) - before))
}

/// Elsewhere nothing is counted.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn count(_: impl FnOnce() -> Result) -> Result<Option<u64>> {
    Ok(None)
}
