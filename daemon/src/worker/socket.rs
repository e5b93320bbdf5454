//! Where a serving worker takes requests: `socket` in the device's directory, SOCK_SEQPACKET.
//!
//! ```text
//! on connecting    trueno-ublk 1 pid=PID id=N      1 is the version of this protocol
//! request          name=text                       one at a time
//! replies          busy                            every second while it is worked on
//!                  ok | ok TEXT | error ERRNO      its end
//! ```
//!
//! `busy` is what lets a request take minutes while a worker that stands still is told from one that
//! works.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept_with,
    bind, listen, recv, send, socket_with,
};

use super::jobs::Job;
use crate::ublk::Bell;

/// The version of the protocol.
pub const VERSION: u32 = 1;
/// How often a request that is worked on is told to be.
pub const BUSY_EVERY: Duration = Duration::from_secs(1);
/// The longest request.
const MOST_BYTES: usize = 4096;
/// How many may be connected; others wait until one leaves.
const MOST_CONNECTIONS: usize = 8;

/// A connection among all that there ever were.
type Key = u64;
/// What came of a job.
type Outcome = Result<String, Errno>;

/// The end of a job's way: the thread that works takes jobs out here.
#[derive(Debug)]
pub(crate) struct Tray {
    jobs: Receiver<(Key, Job)>,
    done: Sender<(Key, Outcome)>,
    bell: Arc<Bell>,
}

impl Tray {
    /// Does jobs for as long as there is a socket.
    pub(crate) fn run(&self, mut work: impl FnMut(Job) -> Outcome) {
        while let Ok((key, job)) = self.jobs.recv() {
            let outcome = work(job);
            // Only if the socket's thread has ended, which it does not.
            self.done.send((key, outcome)).ok();
            self.bell.strike();
        }
    }
}

#[derive(Debug)]
struct Connection {
    fd: OwnedFd,
    key: Key,
    /// When `busy` is due, while its request is worked on.
    busy: Option<Instant>,
}

/// The socket and its connections.
#[derive(Debug)]
pub(crate) struct Socket {
    listener: OwnedFd,
    greeting: String,
    connections: Vec<Connection>,
    next_key: Key,
    jobs: Sender<(Key, Job)>,
    done: Receiver<(Key, Outcome)>,
    bell: Arc<Bell>,
}

impl Socket {
    /// Binds it in place of what a former worker has left. `id` is the device's number.
    pub(crate) fn bind(path: &Path, id: u32) -> io::Result<(Self, Tray)> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let listener = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        bind(&listener, &SocketAddrUnix::new(path)?)?;
        listen(&listener, 8)?;
        let bell = Arc::new(Bell::new()?);
        let ((jobs, tray_jobs), (tray_done, done)) = (channel(), channel());
        let tray = Tray { jobs: tray_jobs, done: tray_done, bell: Arc::clone(&bell) };
        let greeting = format!("trueno-ublk {VERSION} pid={} id={id}", std::process::id());
        let connections = Vec::with_capacity(MOST_CONNECTIONS);
        Ok((Self { listener, greeting, connections, next_key: 0, jobs, done, bell }, tray))
    }

    /// Talks to whoever connects, for as long as the process lives.
    pub(crate) fn run(mut self) {
        loop {
            let now = Instant::now();
            let due = self.connections.iter().filter_map(|connection| connection.busy).min();
            let at_most = due.map(|due| due.saturating_duration_since(now));
            let events = self.wait(at_most);
            self.bell.silence();
            self.finish();
            self.hear(&events);
            self.reassure();
            if events.last().is_some_and(|events| events.contains(PollFlags::IN)) {
                self.accept();
            }
        }
    }

    /// What has happened to each connection, and to the listener at the end.
    fn wait(&self, at_most: Option<Duration>) -> Vec<PollFlags> {
        let at_most = at_most.and_then(|time| Timespec::try_from(time).ok());
        let bell = self.bell.fd();
        let mut fds = vec![PollFd::new(&bell, PollFlags::IN)];
        fds.extend(self.connections.iter().map(|one| PollFd::new(&one.fd, PollFlags::IN)));
        let has_room = self.connections.len() < MOST_CONNECTIONS;
        let wanted = if has_room { PollFlags::IN } else { PollFlags::empty() };
        fds.push(PollFd::new(&self.listener, wanted));
        if poll(&mut fds, at_most.as_ref()).is_err() {
            // Interrupted, or no memory for a moment: nothing has happened.
            fds.iter_mut().for_each(PollFd::clear_revents);
        }
        fds.iter().skip(1).map(PollFd::revents).collect()
    }

    fn accept(&mut self) {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let Ok(fd) = accept_with(&self.listener, flags) else { return };
        let connection = Connection { fd, key: self.next_key, busy: None };
        self.next_key += 1;
        if connection.say(&self.greeting) {
            self.connections.push(connection);
        }
    }

    /// Takes requests, and lets go of those who have left.
    fn hear(&mut self, events: &[PollFlags]) {
        let jobs = &self.jobs;
        let mut events = events.iter();
        self.connections.retain_mut(|connection| match events.next() {
            Some(events) if !events.is_empty() => connection.hear(jobs),
            _ => true,
        });
    }

    /// Hands out what was done.
    fn finish(&mut self) {
        while let Ok((key, outcome)) = self.done.try_recv() {
            let text = match outcome {
                Ok(text) if text.is_empty() => "ok".to_owned(),
                Ok(text) => format!("ok {text}"),
                Err(errno) => format!("error {}", errno.raw_os_error()),
            };
            let found = self.connections.iter_mut().find(|connection| connection.key == key);
            if let Some(connection) = found {
                connection.busy = None;
                // Whoever cannot be told has left, and is heard to have.
                connection.say(&text);
            }
        }
    }

    fn reassure(&mut self) {
        let now = Instant::now();
        for connection in &mut self.connections {
            if connection.busy.is_some_and(|due| due <= now) {
                connection.busy = Some(now + BUSY_EVERY);
                connection.say("busy");
            }
        }
    }
}

impl Connection {
    /// Whether it could be told.
    fn say(&self, text: &str) -> bool {
        send(&self.fd, text.as_bytes(), SendFlags::NOSIGNAL).is_ok()
    }

    /// Reads a request; whether the connection goes on.
    fn hear(&mut self, jobs: &Sender<(Key, Job)>) -> bool {
        let mut buffer = [0; MOST_BYTES];
        let text = match recv(&self.fd, &mut buffer[..], RecvFlags::TRUNC) {
            Err(Errno::AGAIN | Errno::INTR) => return true,
            Ok((_, 0)) | Err(_) => return false,
            // Longer than what there is room for is no request.
            Ok((_, len)) => buffer.get(..len),
        };
        let job = match self.busy {
            Some(_) => Err(Errno::BUSY),
            None => text.ok_or(Errno::INVAL).and_then(Job::parse),
        };
        match job {
            Ok(job) => {
                self.busy = Some(Instant::now() + BUSY_EVERY);
                jobs.send((self.key, job)).is_ok()
            }
            Err(errno) => self.say(&format!("error {}", errno.raw_os_error())),
        }
    }
}
