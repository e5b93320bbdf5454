//! What cannot be done is refused in a line that says why, with the right exit code, and nothing of
//! the attempt is left behind: every trial compares what there is before and after.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use libtest_mimic::Trial;
use sysfs_compat::abi::Errno;
use trueno_tests::check::{Outcome, ensure, equal};
use trueno_tests::daemon::{self, ARENAS, traces};
use trueno_tests::zram::{Make, RealDevice};
use trueno_tests::{pages, program};

use crate::stand::{Stand, fill, holds, read, refused, set_up, trial, trial_of_ours};

/// Exit codes of `trueno-ublk`.
pub(super) const FAILED: i32 = 1;
pub(super) const USAGE: i32 = 2;
/// Of the service, where it can never run.
pub(super) const UNFIT: i32 = 78;

/// Nobody.
const UNPRIVILEGED: u32 = 65534;

pub(super) fn trials() -> Vec<Trial> {
    vec![
        trial("bad_input::sizes_for_disksize", sizes_for_disksize),
        trial_of_ours("bad_input::sizes_for_create", sizes_for_create),
        trial_of_ours("bad_input::options_of_create", options_of_create),
        trial_of_ours("bad_input::announced_options", announced_options),
        trial_of_ours("bad_input::unknown_devices", unknown_devices),
        trial_of_ours("bad_input::without_root", without_root),
        trial_of_ours("bad_input::a_number_that_is_taken", taken),
        trial_of_ours("bad_input::a_second_daemon", second_daemon),
        trial_of_ours("bad_input::a_foreign_file_as_arena", foreign_arena),
    ]
}

/// Runs it, which must fail with that code and say all of that in one line, or in two where the second
/// tells where to find help.
pub(super) fn fails(command: &mut Command, code: i32, words: &[&str]) -> Outcome {
    let output = command.env("LC_ALL", "C").output()?;
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = format!("{command:?}: {}, {complaint:?}", output.status);
    equal(&line, output.status.code(), Some(code))?;
    ensure(output.stdout.is_empty(), || format!("{line}: prints something"))?;
    let lines: Vec<_> = complaint.lines().filter(|line| !line.starts_with("Try '")).collect();
    ensure(lines.len() == 1 && complaint.starts_with("trueno-ublk: "), || line.clone())?;
    for word in words {
        ensure(complaint.contains(word), || format!("no {word:?} in {line}"))?;
    }
    Ok(())
}

pub(super) fn ublk(arguments: &[&str]) -> Command {
    let mut command = Command::new(program::ublk());
    command.args(arguments);
    command
}

/// Does something that must leave everything as it was.
pub(super) fn leaving_nothing(attempt: impl FnOnce() -> Outcome) -> Outcome {
    let before = traces()?;
    attempt()?;
    daemon::nothing_left(&before)?;
    let after = traces()?;
    let lost: Vec<_> = before.difference(&after).collect();
    ensure(lost.is_empty(), || format!("gone: {lost:?}"))
}

fn sizes_for_disksize(_: &mut Stand) -> Outcome {
    let device = RealDevice::made_by(crate::stand::make())?;
    let sizes = [
        ("0", Errno::EINVAL),
        ("-1", Errno::EINVAL),
        ("x", Errno::EINVAL),
        ("", Errno::EINVAL),
        // A device may be as large, but no machine that this runs on has its tables' eight gigabytes.
        ("4T", Errno::ENOMEM),
        ("1P", Errno::ENOMEM),
        ("8E", Errno::ENOMEM),
    ];
    // A write(2) of nothing is none.
    for (size, errno) in sizes.into_iter().filter(|(size, _)| !size.is_empty()) {
        leaving_nothing(|| refused(&device, "disksize", size, errno))?;
        equal(size, read(&device, "disksize")?.as_str(), "0")?;
        equal(size, read(&device, "initstate")?.as_str(), "0")?;
    }
    // It is as good as new.
    crate::stand::write(&device, "disksize", "4M")?;
    fill(&device, 0..1024, pages::Frame::noise)?;
    holds(&device, 0..1024, pages::Frame::noise)
}

fn sizes_for_create(_: &mut Stand) -> Outcome {
    let sizes: [(&str, &[&str]); 10] = [
        ("0", &["--size 0"]),
        ("4097", &["4097", "4096"]),
        ("-4096", &["-4096"]),
        ("-1G", &["-1G"]),
        ("x", &["x"]),
        ("", &["--size"]),
        ("1.5.5G", &["1.5.5G"]),
        ("99999999999999999999G", &["99999999999999999999G"]),
        ("4T", &["memory"]),
        ("1P", &["memory"]),
    ];
    for (size, words) in sizes {
        // These are sizes, and this machine has not the memory.
        let code = if ["1P", "4T"].contains(&size) { FAILED } else { USAGE };
        leaving_nothing(|| fails(&mut ublk(&["create", &format!("--size={size}")]), code, words))?;
    }
    // Of these two, only the one whose tables could be made is said in figures.
    let told = daemon::log().matches(" are available").count();
    equal("sizes that are too large for this machine", told, 1)?;
    leaving_nothing(|| fails(&mut ublk(&["create"]), USAGE, &["--size"]))
}

fn options_of_create(_: &mut Stand) -> Outcome {
    let options: [(&str, &str); 12] = [
        ("--algorithm", "lzo-rle"),
        ("--algorithm", ""),
        ("--algorithm-params", "level=x"),
        ("--algorithm-params", "dict=/no/such/file"),
        ("--mem-limit", "much"),
        ("--queues", "0"),
        ("--queues", "1000"),
        ("--depth", "0"),
        ("--depth", "5000"),
        ("--io-size", "1000"),
        ("--io-size", "1G"),
        ("--id", "-7"),
    ];
    for (option, value) in options {
        let mut create = ublk(&["create", "--size=16M", &format!("{option}={value}")]);
        // Sizes are read by the command, and nothing is no value; the rest the device refuses.
        let is_misused = ["", "much"].contains(&value);
        let code = if is_misused { USAGE } else { FAILED };
        leaving_nothing(|| fails(&mut create, code, &[value]))?;
    }
    let mut swap = ublk(&["create", "--size=16M", "--swap=40000"]);
    leaving_nothing(|| fails(&mut swap, USAGE, &["40000", "32767"]))?;
    // Fewer pages than a swap area has, which is found out when there is a device.
    let mut small = ublk(&["create", "--size=32K", "--swap"]);
    leaving_nothing(|| fails(&mut small, FAILED, &["swap", "removed again"]))?;
    for words in [&["create", "--sise=16M"][..], &["create", "16M"], &["make"], &[], &["reset"]] {
        leaving_nothing(|| fails(&mut ublk(words), USAGE, &[]))?;
    }
    Ok(())
}

/// Never unknown, never ignored.
fn announced_options(_: &mut Stand) -> Outcome {
    let announced = [
        "backend=cuda",
        "entropy-routing",
        "zram-device=/dev/zram0",
        "high-perf",
        "max-perf",
        "visualize",
        "otlp-endpoint=http://localhost",
    ];
    for option in announced {
        let mut create = ublk(&["create", "--size=16M", &format!("--{option}")]);
        leaving_nothing(|| fails(&mut create, USAGE, &["not built yet"]))?;
    }
    leaving_nothing(|| fails(&mut ublk(&["benchmark"]), USAGE, &["not built yet"]))
}

fn unknown_devices(_: &mut Stand) -> Outcome {
    for name in ["trueno/zram9", "/dev/ublkb9", "/dev/null", "nonsense", "/run/trueno/zram9", ""] {
        for command in ["reset", "stat", "verify"] {
            let mut command = ublk(&[command, name]);
            let output = command.output()?;
            ensure(!output.status.success(), || format!("{command:?} succeeds"))?;
            let code = if name.is_empty() { USAGE } else { FAILED };
            leaving_nothing(|| fails(&mut command, code, &[]))?;
        }
    }
    Ok(())
}

fn without_root(_: &mut Stand) -> Outcome {
    let unprivileged = |arguments: &[&str]| {
        let mut command = ublk(arguments);
        command.uid(UNPRIVILEGED).gid(UNPRIVILEGED);
        command
    };
    leaving_nothing(|| fails(&mut unprivileged(&["create", "--size=16M"]), FAILED, &["root"]))?;
    leaving_nothing(|| fails(&mut unprivileged(&["serve"]), UNFIT, &["root"]))?;
    // Nothing of what is there is for everybody to change.
    let device = set_up("4M", &[])?;
    fill(&device, 0..16, pages::Frame::noise)?;
    let name = format!("/run/trueno/zram{}", device.number());
    leaving_nothing(|| fails(&mut unprivileged(&["reset", &name]), FAILED, &[]))?;
    let mut shell = Command::new("sh");
    shell.args(["-c", "echo 1 >\"$0\""]).arg(device.attribute("reset"));
    let output = shell.uid(UNPRIVILEGED).gid(UNPRIVILEGED).output()?;
    ensure(!output.status.success(), || "anybody can reset it".into())?;
    let mut read = Command::new("cat");
    let output =
        read.arg(device.attribute("mm_stat")).uid(UNPRIVILEGED).gid(UNPRIVILEGED).output()?;
    ensure(output.status.success(), || format!("not everybody can read mm_stat: {output:?}"))?;
    holds(&device, 0..16, pages::Frame::noise)
}

/// By another ublk device of ours; a foreign one makes no difference to the driver.
fn taken(_: &mut Stand) -> Outcome {
    let device = set_up("4M", &[("trueno/ublk_id", "3")])?;
    equal("node", device.node().display().to_string().as_str(), "/dev/ublkb3")?;
    fill(&device, 0..16, pages::Frame::noise)?;
    let mut create = ublk(&["create", "--size=4M", "--id=3"]);
    leaving_nothing(|| fails(&mut create, FAILED, &["taken"]))?;
    holds(&device, 0..16, pages::Frame::noise)
}

fn second_daemon(stand: &mut Stand) -> Outcome {
    let device = set_up("4M", &[])?;
    fill(&device, 0..16, pages::Frame::noise)?;
    let process = stand.daemon()?.id().to_string();
    leaving_nothing(|| fails(&mut ublk(&["serve"]), FAILED, &["already"]))?;
    ensure(Path::new("/proc").join(process).exists(), || "the first one is gone".into())?;
    equal("disksize", read(&device, "disksize")?.as_str(), "4194304")?;
    holds(&device, 0..16, pages::Frame::noise)
}

/// Somebody's data where a device's pages are expected. Whatever becomes of the device, the file is
/// not touched, and the daemon goes on for all others.
fn foreign_arena(stand: &mut Stand) -> Outcome {
    const LETTER: &str = "Dear reader, this is no arena.\n";
    let device = RealDevice::made_by(Make::Ublk)?;
    let arena = Path::new(ARENAS).join(format!("zram{}", device.number())).join("arena");
    fs::write(&arena, LETTER)?;
    let written = device.write("disksize", b"4M").map_err(|error| Errno::from(&error));
    equal("disksize", written, Err(Errno::EINVAL))?;
    let why = format!("{} is no arena and is left as it is", arena.display());
    ensure(daemon::log().contains(&why), || format!("nobody says that {why}"))?;
    equal("the file", fs::read_to_string(&arena)?.as_str(), LETTER)?;
    equal("initstate", read(&device, "initstate")?.as_str(), "0")?;
    stand.daemon()?.stop()?;
    stand.daemon()?.restart()?;
    equal("the file", fs::read_to_string(&arena)?.as_str(), LETTER)?;
    fs::remove_file(&arena)?;
    let other = set_up("4M", &[])?;
    fill(&other, 0..16, pages::Frame::noise)?;
    holds(&other, 0..16, pages::Frame::noise)
}
