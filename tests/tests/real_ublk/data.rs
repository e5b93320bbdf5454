//! Data goes in and comes out again: fio's verification, file systems, full speed, another daemon.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use libtest_mimic::Trial;
use trueno_tests::check::{Outcome, ensure, equal, tool, wait_for};
use trueno_tests::mount::Mount;
use trueno_tests::pages::Frame;
use trueno_tests::scratch::Scratch;
use trueno_tests::zram::{Make, RealDevice};
use trueno_tests::{daemon, seed};

use crate::stand::{
    Stand, fill, holds, make, mm_stat, needing, read, set_up, trial, trial_of_ours, write,
};

pub(super) fn trials() -> Vec<Trial> {
    vec![
        needing(&["fio"], trial("data::fio_verifies", fio)),
        needing(&["fio"], trial_of_ours("data::fio_verifies_user_copy", fio_user_copy)),
        needing(&["mkfs.ext4"], trial("data::ext4", ext4)),
        needing(&["mkfs.xfs"], trial("data::xfs", xfs)),
        needing(&["mkfs.btrfs"], trial("data::btrfs", btrfs)),
        needing(&["blkdiscard"], trial("data::blkdiscard", blkdiscard)),
        needing(&["fio", "chrt"], trial_of_ours("data::full_speed_and_a_slow_helper", full_speed)),
        trial_of_ours("data::daemon_stopped_while_mounted", stopped_while_mounted),
        trial_of_ours("data::daemon_killed_while_mounted", killed_while_mounted),
    ]
}

/// Two jobs on halves of the device: one writes everything twice, one here and there and over what it
/// has written, with trims between. fio checks what it wrote, while it writes and at the end.
const FIO: &str = "
[global]
direct=1
ioengine=io_uring
iodepth=16
bsrange=4k-512k
verify=crc32c
verify_fatal=1
verify_backlog=64
do_verify=1
buffer_compress_percentage=60
refill_buffers=1
group_reporting=1
[twice]
rw=randwrite
loops=2
offset=0
[here and there]
rw=randtrimwrite
norandommap=1
serialize_overlap=1
";

fn fio(_: &mut Stand) -> Outcome {
    run_fio(&set_up("64M", &[])?)
}

fn fio_user_copy(_: &mut Stand) -> Outcome {
    let settings = [("comp_algorithm", "lz4"), ("trueno/user_copy", "1"), ("trueno/queues", "1")];
    let device = set_up("64M", &settings)?;
    equal("user_copy", read(&device, "trueno/user_copy")?.as_str(), "1")?;
    run_fio(&device)
}

fn run_fio(device: &RealDevice) -> Outcome {
    let scratch = Scratch::new("fio")?;
    let file = scratch.path().join("jobs");
    let half = 32 << 20;
    let node = device.node().display().to_string();
    let seed = seed::seed()?;
    let jobs = FIO.replace("[global]", &format!("[global]\nfilename={node}\nrandseed={seed}"));
    let jobs = jobs.replace("[twice]", &format!("size={half}\n[twice]"));
    fs::write(&file, format!("{jobs}offset={half}\n"))?;
    let directory = scratch.path().display().to_string();
    let file = file.display().to_string();
    let report = tool("fio", &[&format!("--aux-path={directory}"), &file])
        .map_err(|failed| format!("TRUENO_SEED={seed}: {}", failed.message().unwrap_or("")))?;
    ensure(report.contains("err= 0"), || report.clone())
}

fn ext4(_: &mut Stand) -> Outcome {
    file_system("64M", &["mkfs.ext4", "-q", "-E", "nodiscard"], &["e2fsck", "-fn"])
}

fn xfs(_: &mut Stand) -> Outcome {
    file_system("400M", &["mkfs.xfs", "-q", "-f"], &["xfs_repair", "-n"])
}

fn btrfs(_: &mut Stand) -> Outcome {
    file_system("400M", &["mkfs.btrfs", "-q", "-f"], &["btrfs", "check", "--readonly"])
}

/// Makes a file system, copies a tree, and compares it after everything was read anew.
fn file_system(size: &str, make: &[&str], check: &[&str]) -> Outcome {
    let device = set_up(size, &[])?;
    let node = device.node().display().to_string();
    let run = |words: &[&str]| {
        let (program, arguments) = words.split_first().ok_or("no program")?;
        tool(program, &[arguments, &[&node]].concat())
    };
    run(make)?;
    let scratch = Scratch::new("tree")?;
    let tree = scratch.path().display().to_string();
    grow_tree(scratch.path())?;
    let mount = Mount::new(&device.node())?;
    let copy = mount.path().join("copy").display().to_string();
    tool("cp", &["-a", &tree, &copy])?;
    tool("sync", &["-f", &copy])?;
    fs::write("/proc/sys/vm/drop_caches", "3")?;
    tool("diff", &["-r", &tree, &copy])?;
    mount.unmount()?;
    run(check)?;
    let mount = Mount::new(&device.node())?;
    let copy = mount.path().join("copy").display().to_string();
    tool("diff", &["-r", &tree, &copy])?;
    mount.unmount()?;
    let stat = mm_stat(&device)?;
    ensure(stat.orig_data_size > 4 << 20, || format!("where is the tree? {stat:?}"))
}

/// Some hundred files of all lengths: text, noise, and holes.
fn grow_tree(root: &Path) -> Outcome {
    let mut random = fastrand::Rng::with_seed(7);
    for directory in 0..8 {
        let directory = root.join(format!("directory-{directory}"));
        fs::create_dir(&directory)?;
        for file in 0..24 {
            let most = 1 << random.u32(1..17);
            let length = random.usize(0..most);
            let content: Vec<u8> = match file % 3 {
                0 => std::iter::repeat_with(|| random.u8(..)).take(length).collect(),
                1 => (0..length).flat_map(|line| format!("{line} lines\n").into_bytes()).collect(),
                _ => vec![0; length],
            };
            fs::write(directory.join(format!("file-{file}")), content)?;
        }
    }
    Ok(())
}

fn blkdiscard(_: &mut Stand) -> Outcome {
    let device = set_up("32M", &[])?;
    let node = device.node().display().to_string();
    fill(&device, (0..8192).step_by(8), Frame::noise)?;
    tool("blkdiscard", &["-o", "4M", "-l", "8M", &node])?;
    let is_gone = |index: u64| (1024..3072).contains(&index);
    let expected = |index| if is_gone(index) { Frame::filled(0) } else { Frame::noise(index) };
    holds(&device, (0..8192).step_by(8), expected)?;
    tool("blkdiscard", &["-z", "-o", "16M", "-l", "4M", &node])?;
    holds(&device, (4096..5120).step_by(8), |_| Frame::filled(0))?;
    tool("blkdiscard", &["-f", &node])?;
    let stat = mm_stat(&device)?;
    equal("pages left", (stat.orig_data_size, stat.compr_data_size), (0, 0))?;
    holds(&device, (0..8192).step_by(64), |_| Frame::filled(0))
}

/// Writes faster than whoever gets more memory can be scheduled: requests wait, none fails.
fn full_speed(_: &mut Stand) -> Outcome {
    let device = set_up("128M", &[])?;
    let pid = daemon::worker(&device)?.to_string();
    let mut slowed = Vec::new();
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let task = task?;
        let comm = fs::read_to_string(task.path().join("comm"))?;
        if comm.contains("grow") {
            let id = task.file_name().to_string_lossy().into_owned();
            tool("chrt", &["--idle", "--pid", "0", &id])?;
            slowed.push(comm);
        }
    }
    equal("threads that get memory", slowed.len(), 1)?;
    let node = format!("--filename={}", device.node().display());
    let line = ["--name=full", &node, "--direct=1", "--rw=write", "--bs=512k", "--iodepth=32"];
    let rest = ["--ioengine=io_uring", "--refill_buffers=1", "--randrepeat=0"];
    let verify = ["--verify=crc32c", "--do_verify=1", "--verify_fatal=1"];
    tool("fio", &[&line[..], &rest, &verify].concat())?;
    let stat = mm_stat(&device)?;
    ensure(stat.huge_pages > Some(30_000), || format!("not the noise that was meant: {stat:?}"))
}

fn stopped_while_mounted(stand: &mut Stand) -> Outcome {
    without_daemon(stand, |stand| {
        stand.daemon()?.stop()?;
        Ok(())
    })
}

fn killed_while_mounted(stand: &mut Stand) -> Outcome {
    without_daemon(stand, |stand| {
        stand.daemon()?.kill()?;
        Ok(())
    })
}

/// A mounted file system is used all the while that the daemon is not there.
fn without_daemon(stand: &mut Stand, end: fn(&mut Stand) -> Outcome) -> Outcome {
    let device = set_up("64M", &[("comp_algorithm", "zstd"), ("algorithm_params", "level=1")])?;
    let node = device.node();
    tool("mkfs.ext4", &["-q", &node.display().to_string()])?;
    let mount = Mount::new(&node)?;
    let worker = daemon::worker(&device)?;
    let stop = AtomicBool::new(false);
    let target = mount.path();
    let written = thread::scope(|scope| -> Outcome<u64> {
        let writer = scope.spawn(|| -> std::io::Result<u64> {
            let mut count = 0;
            while !stop.load(Ordering::Relaxed) {
                let file = fs::File::create(target.join(format!("{:03}", count % 200)))?;
                std::io::Write::write_all(&mut { &file }, &Frame::mixed(count).0)?;
                file.sync_all()?;
                count += 1;
            }
            Ok(count)
        });
        let outcome = (|| -> Outcome {
            end(stand)?;
            let files = || fs::read_dir(target).ok().map(Iterator::count);
            let before = files();
            wait_for("work without a daemon", 10, || (files() > before).then_some(()))?;
            stand.daemon()?.restart()
        })();
        stop.store(true, Ordering::Relaxed);
        let count = writer.join().map_err(|_| "the writer panicked")??;
        outcome.map(|()| count)
    })?;
    ensure(written > 2, || format!("only {written} files"))?;
    // The same device, the same worker, and the settings it was made with.
    equal("the worker", daemon::worker(&device)?, worker)?;
    equal("disksize", read(&device, "disksize")?.as_str(), "67108864")?;
    let algorithm = read(&device, "comp_algorithm")?;
    ensure(algorithm.contains("[zstd]"), || algorithm.clone())?;
    ensure(mm_stat(&device)?.orig_data_size > 0, || "the statistics are gone".into())?;
    for last in written.saturating_sub(200)..written {
        let file = fs::read(mount.path().join(format!("{:03}", last % 200)))?;
        ensure(file == Frame::mixed(last).0, || format!("file {last} is not what was written"))?;
    }
    mount.unmount()?;
    tool("e2fsck", &["-fn", &node.display().to_string()])?;
    write(&device, "reset", "1")?;
    ensure(make() == Make::Ublk && !node.exists(), || "the node outlived its reset".into())
}
