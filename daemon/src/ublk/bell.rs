//! How one thread wakes another, at the cost of a system call only when the other one waits.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

/// An eventfd, and whether somebody waits for it.
#[derive(Debug)]
pub struct Bell {
    fd: OwnedFd,
    is_expected: AtomicBool,
}

impl Bell {
    /// One that nobody waits for.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn new() -> io::Result<Self> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { fd, is_expected: AtomicBool::new(false) })
    }

    /// What becomes readable.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Asks for the next [`ring`](Self::ring). What it tells of may have happened just before: look
    /// again after this.
    pub fn expect(&self) {
        self.is_expected.store(true, Release);
    }

    /// Rings if somebody has asked for it.
    #[inline]
    pub fn ring(&self) {
        if self.is_expected.load(Acquire) && self.is_expected.swap(false, AcqRel) {
            self.strike();
        }
    }

    /// Rings in any case.
    pub fn strike(&self) {
        // Fails when 2^64 - 1 rings are unheard.
        rustix::io::write(&self.fd, &1_u64.to_ne_bytes()).ok();
    }

    /// Forgets what was rung; whether it was.
    pub fn silence(&self) -> bool {
        // Fails when nothing was.
        rustix::io::read(&self.fd, &mut [0; 8]).is_ok()
    }

    /// Waits for a ring, or for so long, or for a signal; whether it was rung.
    pub fn wait(&self, at_most: Option<Duration>) -> bool {
        let at_most = at_most.and_then(|time| Timespec::try_from(time).ok());
        // Whatever it says, the caller looks again.
        poll(&mut [PollFd::new(&self.fd, PollFlags::IN)], at_most.as_ref()).ok();
        self.silence()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_rung(bell: &Bell) -> bool {
        let mut fds = [PollFd::new(&bell.fd, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec::default())).expect("poll") == 1
    }

    #[test]
    fn it_rings_once_for_those_who_have_asked() {
        let bell = Bell::new().expect("an eventfd");
        bell.ring();
        assert!(!is_rung(&bell), "nobody has asked");
        bell.expect();
        bell.ring();
        assert!(is_rung(&bell));
        assert!(bell.wait(None));
        bell.ring();
        assert!(!is_rung(&bell), "asked for once");
        bell.strike();
        bell.strike();
        assert!(bell.wait(None));
        assert!(!is_rung(&bell));
        assert!(!bell.wait(Some(Duration::from_millis(1))));
    }
}
