//! `serve`: the service itself.

use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketType, sendto, socket};

use crate::log::say;
use crate::paths::Paths;
use crate::signals::Signals;
use crate::supervisor::Supervisor;

/// Serves until it is told to end. The devices are served on by their own processes then.
pub(crate) fn run(paths: &Paths) -> anyhow::Result<()> {
    let signals = Signals::block()?;
    let supervisor = Supervisor::start(paths)?;
    notify("READY=1");
    say(format_args!("attribute files are in {}", paths.mirror().display()));
    signals.wait()?;
    notify("STOPPING=1");
    supervisor.end()
}

/// Tells systemd, if it has started us: sd_notify(3).
fn notify(state: &str) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let path = path.to_string_lossy();
    let address = match path.strip_prefix('@') {
        Some(name) => SocketAddrUnix::new_abstract_name(name.as_bytes()),
        None => SocketAddrUnix::new(&*path),
    };
    let socket = socket(AddressFamily::UNIX, SocketType::DGRAM, None);
    if let (Ok(address), Ok(socket)) = (address, socket) {
        sendto(&socket, state.as_bytes(), SendFlags::empty(), &address).ok();
    }
}
