//! More than one device, what they are called, and what is found on one that is damaged.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use libtest_mimic::Trial;
use trueno_tests::check::{Outcome, ensure, equal, tool};
use trueno_tests::daemon::{self, ARENAS};
use trueno_tests::pages::Frame;
use trueno_tests::program;
use trueno_tests::zram::{Make, RealDevice};

use crate::bad_input::{FAILED, fails, leaving_nothing, ublk};
use crate::stand::{Stand, direct, fill, holds, read, set_up, trial_of_ours, write};

pub(super) fn trials() -> Vec<Trial> {
    vec![
        trial_of_ours("several::two_at_once", two_at_once),
        trial_of_ours("several::anothers_number", anothers_number),
        trial_of_ours("several::a_damaged_one", damaged),
    ]
}

fn run(arguments: &[&str]) -> Outcome<String> {
    tool(&program::ublk().display().to_string(), arguments)
}

fn two_at_once(stand: &mut Stand) -> Outcome {
    // Ids against the order of the numbers.
    equal("one", run(&["create", "--size=8M", "--id=9"])?.as_str(), "/dev/ublkb9\n")?;
    equal("other", run(&["create", "--size=16M", "--id=5"])?.as_str(), "/dev/ublkb5\n")?;
    let [one, other] = [0, 1].map(|number| RealDevice::adopt_from(Make::Ublk, number));
    fill(&one, 0..256, Frame::mixed)?;
    fill(&other, 0..256, Frame::noise)?;
    for (link, target) in [("/dev/trueno/zram0", "../ublkb9"), ("/dev/trueno/zram1", "../ublkb5")] {
        equal(link, fs::read_link(link)?.as_path(), Path::new(target))?;
    }
    // By whatever name, it is the same one.
    for name in ["trueno/zram1", "/dev/trueno/zram1", "/run/trueno/zram1", "/dev/ublkb5"] {
        let stat = run(&["stat", name])?;
        let has =
            |line: &str| stat.lines().any(|other| other.split_whitespace().eq(line.split(' ')));
        ensure(has("disksize 16777216") && has("ublk_id 5"), || format!("{name}: {stat}"))?;
    }
    // A bare name is the kernel's, whether or not the kernel has such a device.
    let clash = |words: &[&str]| {
        let mut reset = ublk(&["reset", "zram0"]);
        leaving_nothing(|| fails(&mut reset, FAILED, words))
    };
    clash(&["zram0 would be the kernel's device; ours is trueno/zram0"])?;
    let kernel = RealDevice::made_by(Make::Kernel)?;
    equal("the kernel's number", kernel.number(), 0)?;
    clash(&["/dev/zram0 is not a device of trueno-ublk", "trueno-zramctl"])?;
    drop(kernel);
    for id in [5, 9] {
        let mut create = ublk(&["create", "--size=4M", &format!("--id={id}")]);
        leaving_nothing(|| fails(&mut create, FAILED, &["taken"]))?;
    }
    // Whoever comes later finds both, each where it was.
    stand.daemon()?.kill()?;
    stand.daemon()?.restart()?;
    equal("nodes", [one.node(), other.node()], ["/dev/ublkb9", "/dev/ublkb5"].map(Into::into))?;
    run(&["reset", "/dev/ublkb9"])?;
    one.forget();
    ensure(!Path::new("/dev/ublkb9").exists(), || "/dev/ublkb9 is still there".into())?;
    holds(&other, 0..256, Frame::noise)?;
    // The lowest number is free again, and so is the id.
    equal("the next", run(&["create", "--size=4M", "--id=9"])?.as_str(), "/dev/ublkb9\n")?;
    let next = RealDevice::adopt_from(Make::Ublk, 0);
    holds(&next, 0..64, |_| Frame::filled(0))?;
    holds(&other, 0..256, Frame::noise)
}

/// What is left of a device says a number that the kernel has given to another one since: as after a
/// crash, and a disk that somebody has removed with other means. Only the mark tells.
fn anothers_number(stand: &mut Stand) -> Outcome {
    equal("node", run(&["create", "--size=4M", "--id=9"])?.as_str(), "/dev/ublkb9\n")?;
    let gone = RealDevice::adopt_from(Make::Ublk, 0);
    fill(&gone, 0..16, Frame::mixed)?;
    let directory = Path::new(ARENAS).join("zram0");
    let [arena, kept] = ["arena", "kept"].map(|name| directory.join(name));
    let [ublk, settings] = ["ublk", "settings"].map(|name| directory.join(name));
    let left = [fs::read(&ublk)?, fs::read(&settings)?];
    fs::hard_link(&arena, &kept)?;
    write(&gone, "reset", "1")?;
    equal("node", run(&["create", "--size=4M", "--id=9"])?.as_str(), "/dev/ublkb9\n")?;
    let other = RealDevice::adopt_from(Make::Ublk, 1);
    fill(&other, 0..256, Frame::noise)?;
    let worker = daemon::worker(&other)?;

    stand.daemon()?.kill()?;
    fs::rename(&kept, &arena)?;
    for (path, content) in [ublk, settings].iter().zip(left) {
        fs::write(path, content)?;
    }
    not_served(&directory)?;
    stand.daemon()?.restart()?;
    equal("disksize", read(&gone, "disksize")?.as_str(), "0")?;
    ensure(daemon::log().contains("zram0: its disk is gone"), daemon::log)?;
    write(&gone, "reset", "1")?;
    drop(gone);
    equal("node", other.node().as_path(), Path::new("/dev/ublkb9"))?;
    equal("worker", daemon::worker(&other)?, worker)?;
    holds(&other, 0..256, Frame::noise)
}

/// A worker of that directory takes nothing over.
fn not_served(directory: &Path) -> Outcome {
    let mut command = Command::new("timeout");
    // It would wait for the end of the other device's worker.
    command.args(["--signal=KILL", "20"]).arg(program::ublk());
    let output = command.args(["worker", "--directory"]).arg(directory).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    equal("status of a worker", output.status.code(), Some(FAILED))?;
    ensure(said.contains("ublk device 9 is not the one of this directory"), || said.into_owned())
}

/// What `verify` says, and its exit status.
fn verify(device: &RealDevice) -> Outcome<(String, Option<i32>, String)> {
    let output = Command::new(program::ublk()).args(["verify", &device.name()]).output()?;
    let [said, complaint] = [output.stdout, output.stderr].map(String::from_utf8);
    Ok((said?, output.status.code(), complaint?))
}

/// Damage is found and told, costs the pages that it hit, and no other.
fn damaged(_: &mut Stand) -> Outcome {
    const HIT: [u64; 2] = [7, 40];
    let device = set_up("4M", &[])?;
    fill(&device, 0..64, Frame::noise)?;
    fill(&device, 64..128, Frame::mixed)?;
    let worker = daemon::worker(&device)?;
    equal("undamaged", verify(&device)?, ("pages=128 damaged=0\n".into(), Some(0), String::new()))?;
    let path = Path::new(ARENAS).join(format!("zram{}", device.number())).join("arena");
    let bytes = fs::read(&path)?;
    let arena = OpenOptions::new().write(true).open(&path)?;
    for page in HIT {
        // Incompressible pages are stored as they are, behind a word that says whose they are.
        let Frame(content) = Frame::noise(page);
        let start = bytes.chunks_exact(8).position(|word| Some(word) == content.get(..8));
        let start = start.ok_or(format!("page {page} is not in the arena"))? * 8;
        ensure(bytes.get(start..start + 4096) == Some(&content[..]), || "in pieces".into())?;
        arena.write_all_at(&[0xa5; 8], start as u64 - 8)?;
    }
    let (said, status, complaint) = verify(&device)?;
    equal("damaged", said.as_str(), "pages=128 damaged=2\n")?;
    equal("status", status, Some(FAILED))?;
    let says_so = complaint == "trueno-ublk: pages of /dev/trueno/zram0 are damaged\n";
    ensure(says_so, || complaint.clone())?;
    let is_hit = |index: &u64| HIT.contains(index);
    holds(&device, (0..64).filter(|index| !is_hit(index)), Frame::noise)?;
    holds(&device, 64..128, Frame::mixed)?;
    let direct = direct(&device)?;
    for page in HIT {
        let read = direct.read(page).map_err(|error| error.raw_os_error());
        // EIO: nobody gets something else for it.
        ensure(read == Err(Some(5)), || format!("page {page}: {:?}", read.err()))?;
        direct.write(page, &Frame::noise(page))?;
    }
    holds(&device, 0..64, Frame::noise)?;
    equal("the worker", daemon::worker(&device)?, worker)?;
    equal("mended", verify(&device)?, ("pages=128 damaged=0\n".into(), Some(0), String::new()))
}
