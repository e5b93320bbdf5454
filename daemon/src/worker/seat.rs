//! A thread that is made beforehand and waits for its work.

use std::sync::mpsc::{Sender, channel};

use anyhow::Context as _;

use super::armour::{self, Work};

/// A thread without work.
#[derive(Debug)]
pub(crate) struct Seat<T>(Sender<T>);

impl<T: Send + 'static> Seat<T> {
    /// Makes the thread.
    pub(crate) fn new(
        name: &str,
        work: Work,
        run: impl FnOnce(T) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (give, given) = channel();
        // Without work it ends when the seat is dropped.
        armour::spawn(name, work, move || {
            if let Ok(work) = given.recv() {
                run(work);
            }
        })?;
        Ok(Self(give))
    }

    /// Gives it its work.
    pub(crate) fn take(self, work: T) -> anyhow::Result<()> {
        self.0.send(work).ok().context("a thread has ended before it had work")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_works_when_it_is_told_to() {
        let (done, is_done) = channel();
        let seat = Seat::new("seat", Work::Chores, move |work: u32| {
            done.send(work + 1).expect("listening")
        });
        let seat = seat.expect("a thread");
        assert!(is_done.try_recv().is_err());
        seat.take(6).expect("it waits");
        assert_eq!(is_done.recv(), Ok(7));
        assert!(is_done.recv().is_err(), "it has ended");
    }
}
