//! Asking the process that serves a device to do something.
//!
//! A seqpacket socket, one request at a time: `name=text`, and `ok`, `ok TEXT` or `error ERRNO` back.
//! While the worker is at it, it says `busy` every second, so an operation may take as long as it
//! takes while a process that stands still is noticed.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recv,
    send, socket_with, sockopt,
};
use sysfs_compat::abi::Errno;

/// In a device's directory.
const SOCKET: &str = "socket";
/// The protocol's version, and what the greeting begins with.
const GREETING: &str = "trueno-ublk 1 ";
/// A worker that is alive says something that often.
const SILENCE: Duration = Duration::from_secs(5);
/// Longer than any answer.
const MESSAGE: usize = 4096;

/// A connection to the worker that serves a device.
#[derive(Debug)]
pub(crate) struct Call(OwnedFd);

impl Call {
    /// Connects to the worker that serves the device of this directory.
    pub(crate) fn to(directory: &Path) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        for timeout in [sockopt::Timeout::Recv, sockopt::Timeout::Send] {
            sockopt::set_socket_timeout(&socket, timeout, Some(SILENCE))?;
        }
        connect(&socket, &SocketAddrUnix::new(directory.join(SOCKET))?)?;
        let text = receive(&socket)?;
        if text.starts_with(GREETING) {
            return Ok(Self(socket));
        }
        let what = format!("a worker of another version: {text:?}");
        Err(io::Error::new(io::ErrorKind::InvalidData, what))
    }

    /// Gives a request and waits for its end; the text that came with `ok`.
    pub(crate) fn request(&self, name: &str, text: impl fmt::Display) -> Result<String, Errno> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Errno::ETIMEDOUT,
            _ => Errno::EIO,
        };
        let request = format!("{name}={text}");
        send(&self.0, request.as_bytes(), SendFlags::NOSIGNAL)
            .map_err(|errno| failed(errno.into()))?;
        loop {
            let answer = receive(&self.0).map_err(failed)?;
            match answer.split_once(' ').unwrap_or((&answer, "")) {
                ("busy", _) => {}
                ("ok", text) => return Ok(text.to_owned()),
                ("error", errno) => return Err(errno.parse().map_or(Errno::EIO, Errno::from_raw)),
                _ => return Err(Errno::EIO),
            }
        }
    }
}

fn receive(socket: &OwnedFd) -> io::Result<String> {
    let mut buffer = [0; MESSAGE];
    let (len, _) = recv(socket, &mut buffer, RecvFlags::empty())?;
    if len == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(String::from_utf8_lossy(buffer.get(..len).unwrap_or(&buffer)).into_owned())
}
