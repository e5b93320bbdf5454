//! `create --foreground`: the service and one device, for as long as this terminal is there.

use super::{create, is_served, remove};
use crate::args::Call;
use crate::log::say;
use crate::paths::Paths;
use crate::signals::Signals;
use crate::supervisor::Supervisor;

/// Serves the device until a signal asks to end and nobody uses it any more.
pub(crate) fn run(paths: &Paths, call: &Call) -> anyhow::Result<()> {
    let wanted = create::wanted(call)?;
    let signals = Signals::block()?;
    let supervisor = Supervisor::start(paths)?;
    let created = match create::make(paths, &wanted) {
        Ok(created) => created,
        Err(error) => {
            supervisor.end()?;
            return Err(error);
        }
    };
    created.announce()?;
    loop {
        signals.wait()?;
        match remove(&created.device) {
            Ok(()) => return supervisor.end(),
            // Lost: it is served on, and another service finds it.
            Err(_) if !is_served(paths) => return supervisor.end(),
            Err(error) => say(format_args!("{error:#}")),
        }
    }
}
