//! The control side of ublk by hand, for tests in a virtual machine.
//!
//! ```text
//! control info ID | stop ID | try-stop ID | delete ID
//! control ask SOCKET NAME=TEXT      prints each reply of a worker
//! control probe DEVICE SECONDS      reads the first page again and again; prints the longest time in ms
//! ```
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a console program")]

use std::fs::OpenOptions;
use std::io::IoSliceMut;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketType, connect, recv, send, socket,
};
use sysfs_compat::client::Root;
use trueno_ublk::ublk::control::{ControlDevice, state};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("control: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> anyhow::Result<()> {
    let open = || ControlDevice::open(&Root::new("/"));
    match arguments {
        ["info", id] => {
            let mut control = open()?;
            let info = control.info(id.parse()?)?;
            let params = control.params(id.parse()?)?;
            println!("{:?} {info:?} {params:?}", state(&info));
            for queue in 0..info.nr_hw_queues {
                let mask = control.queue_affinity(id.parse()?, queue)?;
                println!("queue {queue}: processors {:#x}", mask.first().unwrap_or(&0));
            }
            Ok(())
        }
        ["stop", id] => Ok(open()?.stop(id.parse()?)?),
        ["try-stop", id] => Ok(open()?.try_stop(id.parse()?)?),
        ["delete", id] => Ok(open()?.delete(id.parse()?).map(drop)?),
        ["ask", path, request] => ask(path, request),
        ["probe", device, seconds] => probe(device, Duration::from_secs(seconds.parse()?)),
        _ => bail!("usage: info|stop|try-stop|delete ID, ask SOCKET REQUEST, probe DEVICE SECONDS"),
    }
}

fn ask(path: &str, request: &str) -> anyhow::Result<()> {
    let socket = socket(AddressFamily::UNIX, SocketType::SEQPACKET, None)?;
    connect(&socket, &SocketAddrUnix::new(path)?).with_context(|| path.to_owned())?;
    let hear = || -> anyhow::Result<String> {
        let mut buffer = [0; 4096];
        let (_, len) = recv(&socket, &mut buffer[..], RecvFlags::empty())?;
        let text = buffer.get(..len).filter(|text| !text.is_empty()).context("it has hung up")?;
        Ok(String::from_utf8_lossy(text).into_owned())
    };
    println!("{}", hear()?);
    send(&socket, request.as_bytes(), SendFlags::NOSIGNAL)?;
    loop {
        let reply = hear()?;
        println!("{reply}");
        if reply != "busy" {
            return Ok(());
        }
    }
}

/// A page, aligned as O_DIRECT wants it.
#[repr(align(4096))]
struct Aligned([u8; 4096]);

fn probe(device: &str, time: Duration) -> anyhow::Result<()> {
    let flags = rustix::fs::OFlags::DIRECT.bits();
    let file = OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(device)?;
    let mut page = Box::new(Aligned([0; 4096]));
    let (begin, mut longest, mut count) = (Instant::now(), Duration::ZERO, 0_u64);
    while begin.elapsed() < time {
        let start = Instant::now();
        rustix::io::preadv(&file, &mut [IoSliceMut::new(&mut page.0)], 0)?;
        longest = longest.max(start.elapsed());
        count += 1;
    }
    println!("{} ms of {count} reads", longest.as_millis());
    Ok(())
}
