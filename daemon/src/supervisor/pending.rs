//! Something that the kernel may not come back from: it is waited for, but not for ever.

use std::io;
use std::sync::mpsc::{Receiver, channel};
use std::thread::Builder;
use std::time::Duration;

/// What runs on a thread of its own.
#[derive(Debug)]
pub(super) struct Pending<T>(Receiver<T>);

impl<T: Send + 'static> Pending<T> {
    /// Begins it.
    pub(super) fn begin(name: &str, run: impl FnOnce() -> T + Send + 'static) -> io::Result<Self> {
        let (over, is_over) = channel();
        // If nobody waits any more, what has come of it is dropped.
        let run = move || drop(over.send(run()));
        Builder::new().name(name.to_owned()).spawn(run)?;
        Ok(Self(is_over))
    }

    /// What has come of it; nothing if it takes longer than this. It goes on then.
    pub(super) fn wait(&self, at_most: Duration) -> Option<T> {
        self.0.recv_timeout(at_most).ok()
    }

    /// The same, but as long as what is looked at changes within that time, something is being done, and it
    /// is waited for on.
    pub(super) fn wait_while_it_moves<M: PartialEq>(
        &self,
        at_most: Duration,
        look: impl Fn() -> M,
    ) -> Option<T> {
        let mut before = look();
        loop {
            if let Some(done) = self.wait(at_most) {
                return Some(done);
            }
            let now = look();
            if now == before {
                return None;
            }
            before = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn it_is_waited_for_and_not_for_ever() {
        let (go, may_go) = channel::<()>();
        let pending = Pending::begin("test", move || may_go.recv().is_ok()).expect("a thread");
        assert_eq!(pending.wait(Duration::from_millis(20)), None);
        go.send(()).expect("it waits");
        assert_eq!(pending.wait(Duration::from_secs(20)), Some(true));
        assert_eq!(pending.wait(Duration::from_secs(20)), None, "once");
    }

    #[test]
    fn what_moves_is_waited_for() {
        let (go, may_go) = channel::<()>();
        let pending = Pending::begin("test", move || may_go.recv().is_ok()).expect("a thread");
        let step = Duration::from_millis(5);
        let looks = Cell::new(0);
        let moving = || {
            looks.set(looks.get() + 1);
            if looks.get() == 5 {
                go.send(()).expect("it waits");
            }
            looks.get()
        };
        assert_eq!(pending.wait_while_it_moves(step, || 1), None, "nothing moves");
        assert_eq!(pending.wait_while_it_moves(step, moving), Some(true));
        assert!(looks.get() >= 5, "it was not given up before");
    }
}
