//! Signals that ask us to end, taken when we are ready for them.

use anyhow::Context as _;
use nix::sys::signal::{SigSet, Signal};

/// SIGINT, SIGTERM and SIGHUP, blocked in this thread and all that it starts from now on.
pub(crate) struct Signals(SigSet);

impl Signals {
    pub(crate) fn block() -> anyhow::Result<Self> {
        let mut set = SigSet::empty();
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            set.add(signal);
        }
        set.thread_block().context("cannot block signals")?;
        Ok(Self(set))
    }

    /// Waits for one of them.
    pub(crate) fn wait(&self) -> anyhow::Result<()> {
        self.0.wait().map(drop).context("cannot wait for signals")
    }
}
