//! What trueno-zramctl does beyond zramctl, each observed by its effect on a real device: in the
//! kernel's own files and in the data, not in what the program says of itself.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::process::Command;

use libtest_mimic::{Failed, Trial};
use sysfs_compat::abi::stat::MmStat;
use sysfs_compat::abi::{Attr, Feature, Kernel};
use trueno_tests::program;
use trueno_tests::zram::{self, RealDevice};

mod busy;
mod dressed;
mod live;
mod names;
mod set_up;

/// Bytes of a page.
const PAGE: usize = 4096;

type Outcome = Result<(), Failed>;

pub(super) fn trials() -> Vec<Trial> {
    // Only a machine on which tests are wanted is looked at.
    let kernel = zram::obstacle().is_none().then(|| trueno_tests::kernel::probe().ok()).flatten();
    let kernel = kernel.as_ref();
    let groups = [
        set_up::trials(kernel),
        live::trials(kernel),
        busy::trials(),
        names::trials(kernel),
        dressed::trials(),
    ];
    groups.into_iter().flatten().collect()
}

fn trial(name: &str, run: impl FnOnce() -> Outcome + Send + 'static) -> Trial {
    let checked = || match zram::obstacle() {
        Some(obstacle) => Err(obstacle.into()),
        None => run(),
    };
    Trial::test(format!("beyond::{name}"), checked)
}

/// A trial for kernels that were built with `feature`.
fn trial_with(
    name: &str,
    kernel: Option<&Kernel>,
    feature: Feature,
    run: impl FnOnce() -> Outcome + Send + 'static,
) -> Trial {
    let can = kernel.is_some_and(|kernel| kernel.has(feature));
    trial(name, run).with_ignored_flag(!can)
}

/// A trial that asks for a free device: where somebody else's is free, it would be taken.
fn trial_finding(name: &str, run: impl FnOnce() -> Outcome + Send + 'static) -> Trial {
    trial(name, run).with_ignored_flag(zram::free_device().is_some())
}

/// What came of a run of the program.
#[derive(Debug)]
struct Answer {
    success: bool,
    stdout: String,
    stderr: String,
}

fn zramctl(arguments: &[&str]) -> Result<Answer, Failed> {
    let mut command = Command::new(program::zramctl());
    let output = command.args(arguments).env("LC_ALL", "C").output()?;
    Ok(Answer {
        success: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Runs the program, which must succeed without a word of complaint.
fn done(arguments: &[&str]) -> Result<String, Failed> {
    let answer = zramctl(arguments)?;
    ensure(answer.success && answer.stderr.is_empty(), || format!("{arguments:?}: {answer:?}"))?;
    Ok(answer.stdout)
}

/// Runs the program, which must fail and say all of that.
fn refused(arguments: &[&str], words: &[&str]) -> Outcome {
    let answer = zramctl(arguments)?;
    ensure(!answer.success, || format!("{arguments:?} succeeded: {answer:?}"))?;
    for word in words {
        ensure(answer.stderr.contains(word), || format!("no {word:?} in {:?}", answer.stderr))?;
    }
    Ok(())
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(otherwise().into()) }
}

fn equal<T: PartialEq + std::fmt::Debug>(what: &str, have: T, want: T) -> Outcome {
    ensure(have == want, || format!("{what}: {have:?}, not {want:?}"))
}

/// The name that operands use.
fn name(device: &RealDevice) -> String {
    format!("zram{}", device.number())
}

fn mm_stat(device: &RealDevice) -> Result<MmStat, Failed> {
    let text = device.read(Attr::MmStat.name())?;
    MmStat::parse(&text).map_err(|errno| format!("mm_stat: {errno}: {text}").into())
}

/// A page that no algorithm makes smaller, another one for every `index`.
fn noise(index: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(index);
    std::iter::repeat_with(|| random.u8(..)).take(PAGE).collect()
}

/// Writes pages through the page cache, and has them written out.
fn store(device: &RealDevice, pages: impl IntoIterator<Item = (u64, Vec<u8>)>) -> io::Result<()> {
    let node = OpenOptions::new().write(true).open(device.node())?;
    for (index, page) in pages {
        node.write_all_at(&page, index * PAGE as u64)?;
    }
    node.sync_all()
}

/// Reads a page, from the device and not from the page cache.
fn load(device: &RealDevice, index: u64) -> io::Result<Vec<u8>> {
    std::fs::write("/proc/sys/vm/drop_caches", "1")?;
    let mut page = vec![0; PAGE];
    File::open(device.node())?.read_exact_at(&mut page, index * PAGE as u64)?;
    Ok(page)
}

/// The attributes that set-up decides.
fn settings(device: &RealDevice) -> Result<String, Failed> {
    let mut text = String::new();
    for attr in [Attr::Disksize, Attr::CompAlgorithm, Attr::MmStat, Attr::Initstate] {
        writeln!(text, "{}: {}", attr.name(), device.read(attr.name())?.trim_end())?;
    }
    Ok(text)
}
