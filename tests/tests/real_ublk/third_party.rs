//! Programs that know nothing of us. util-linux's zramctl is led to the mirror in a mount namespace of
//! its own; what the kernel's zram selftests and LTP's zram01 to zram03 do is done here by ourselves,
//! on the mirror's files directly.

use std::fs::{self, File, OpenOptions};
use std::io::Write;

use libtest_mimic::Trial;
use sysfs_compat::abi::algorithm::CompAlgorithm;
use trueno_tests::check::{Outcome, ensure, equal, say, tool};
use trueno_tests::ioctl::{count_mapped, fill_mapped};
use trueno_tests::mount::{Mount, Swap};
use trueno_tests::pages::Frame;
use trueno_tests::seed;
use trueno_tests::zram::RealDevice;

use crate::stand::{
    Stand, fill, holds, make, mm_stat, needing, read, set_up, trial, trial_of_ours, write,
};

pub(super) fn trials() -> Vec<Trial> {
    let zramctl = |name, run| needing(&["zramctl", "unshare"], trial(name, run));
    vec![
        zramctl("third_party::zramctl_lists", zramctl_lists),
        zramctl("third_party::zramctl_sizes", zramctl_sizes),
        zramctl("third_party::zramctl_resets", zramctl_resets),
        needing(&["mkfs.ext4"], trial_of_ours("third_party::selftest_zram01", selftest_zram01)),
        trial("third_party::selftest_zram02", |_| swap_of("1048576", "1M")),
        needing(
            &["mkfs.ext4", "mkfs.xfs", "mkfs.btrfs"],
            trial("third_party::ltp_zram01", ltp_zram01),
        ),
        trial("third_party::ltp_zram02", |_| swap_of("107374182400", "1M")),
        trial("third_party::ltp_zram03", ltp_zram03),
    ]
}

/// A number that nothing has: those from 240 to 254 are for local use.
const PLACEHOLDER: (&str, &str) = ("252", "77");

/// Runs zramctl where `/dev/zram77` is this device and leads to its files. A device without a disksize
/// has no node yet, so a placeholder stands for it.
fn zramctl(device: &RealDevice, arguments: &[&str]) -> Outcome<String> {
    const SCRIPT: &str = "set -e
        files=$1 major=$2 minor=$3; shift 3
        # The files first: what is mounted next may hide them.
        mount --bind \"$files\" /mnt
        mount -t tmpfs tmpfs /sys/dev/block
        mkdir \"/sys/dev/block/$major:$minor\"
        mount --bind /mnt \"/sys/dev/block/$major:$minor\"
        mount -t tmpfs tmpfs /sys/block
        mkdir /sys/block/zram77
        mount --bind /mnt /sys/block/zram77
        mount -t tmpfs tmpfs /dev
        mknod /dev/zram77 b \"$major\" \"$minor\"
        exec zramctl \"$@\"";
    let (major, minor) = numbers(device)?;
    let directory = device.directory().display().to_string();
    let words = ["--mount", "sh", "-c", SCRIPT, "sh", &directory, &major, &minor];
    tool("unshare", &[&words[..], arguments].concat())
}

/// Of the node, or of the placeholder while there is none.
fn numbers(device: &RealDevice) -> Outcome<(String, String)> {
    let name = device.node().file_name().unwrap_or_default().to_string_lossy().into_owned();
    let text = fs::read_to_string(format!("/sys/block/{name}/dev"));
    let text = text.unwrap_or_else(|_| format!("{}:{}", PLACEHOLDER.0, PLACEHOLDER.1));
    let (major, minor) = text.trim_end().split_once(':').ok_or("no device number")?;
    Ok((major.to_owned(), minor.to_owned()))
}

fn zramctl_lists(_: &mut Stand) -> Outcome {
    let device = set_up("32M", &[("comp_algorithm", "zstd")])?;
    fill(&device, 0..1024, Frame::mixed)?;
    let columns = "NAME,DISKSIZE,DATA,COMPR,ALGORITHM,TOTAL,ZERO-PAGES";
    let line = ["--noheadings", "--raw", "--bytes", "-o", columns];
    let stat = mm_stat(&device)?;
    let expected = format!(
        "/dev/zram77 33554432 {} {} zstd {} {}\n",
        stat.orig_data_size, stat.compr_data_size, stat.mem_used_total, stat.same_pages
    );
    equal(
        "with the device named",
        zramctl(&device, &[&line[..], &["/dev/zram77"]].concat())?,
        expected.clone(),
    )?;
    equal("the list", zramctl(&device, &line)?, expected)
}

fn zramctl_sizes(_: &mut Stand) -> Outcome {
    let device = RealDevice::made_by(make())?;
    let line = ["--size", "24M", "--algorithm", "lz4", "/dev/zram77"];
    equal("what it says", zramctl(&device, &line)?.as_str(), "")?;
    equal("disksize", read(&device, "disksize")?.as_str(), "25165824")?;
    let algorithm = CompAlgorithm::parse(&read(&device, "comp_algorithm")?);
    equal("algorithm", algorithm.selected.as_deref(), Some("lz4"))?;
    fill(&device, [6143], Frame::noise)?;
    holds(&device, [6143], Frame::noise)
}

fn zramctl_resets(_: &mut Stand) -> Outcome {
    let device = set_up("24M", &[])?;
    fill(&device, 0..64, Frame::noise)?;
    equal("what it says", zramctl(&device, &["--reset", "/dev/zram77"])?.as_str(), "")?;
    equal("initstate", read(&device, "initstate")?.as_str(), "0")
}

/// Every name that is listed can be chosen.
fn choose_each(device: &RealDevice) -> Outcome {
    for name in CompAlgorithm::parse(&read(device, "comp_algorithm")?).names {
        write(device, "comp_algorithm", &name)?;
    }
    Ok(())
}

/// Fills a file with zeros in pieces until there is no space.
fn fill_with_zeros(mount: &Mount, piece: usize) -> Outcome<u64> {
    let mut file = File::create(mount.path().join("zero"))?;
    let zeros = vec![0; piece];
    let mut written = 0;
    while file.write_all(&zeros).is_ok() {
        written += piece as u64;
    }
    // What is on its way may have no space either.
    drop(file.sync_all());
    Ok(written)
}

/// Takes it away in the way of the suites: by the files, without a second try.
fn cleaned_up(device: RealDevice) -> Outcome {
    write(&device, "reset", "1")?;
    fs::write(make().control().join("hot_remove"), device.number().to_string())?;
    device.forget();
    Ok(())
}

fn selftest_zram01(_: &mut Stand) -> Outcome {
    let device = RealDevice::made_by(make())?;
    for (name, text) in [("comp_algorithm", "lzo"), ("disksize", "2097152"), ("mem_limit", "2M")] {
        write(&device, name, text)?;
    }
    tool("mkfs.ext4", &["-q", &device.node().display().to_string()])?;
    let mount = Mount::new(&device.node())?;
    let written = fill_with_zeros(&mount, 1024)?;
    let used = mm_stat(&device)?.mem_used_total;
    let percent = (100 * written).checked_div(used).ok_or("no memory is used")?;
    ensure(percent >= 100, || format!("{written} bytes take {used}"))?;
    mount.unmount()?;
    cleaned_up(device)
}

/// The second of both suites, but for the size.
fn swap_of(size: &str, limit: &str) -> Outcome {
    let device = RealDevice::made_by(make())?;
    write(&device, "disksize", size)?;
    write(&device, "mem_limit", limit)?;
    let node = device.node();
    drop(Swap::on(&node)?);
    ensure(!Swap::is_on(&node), || "swapoff has failed".into())?;
    cleaned_up(device)
}

fn ltp_zram01(_: &mut Stand) -> Outcome {
    let small = [("ext2", "25M"), ("ext3", "25M"), ("ext4", "25M")];
    let large = [("xfs", "300M"), ("btrfs", "384M")];
    let large = large.into_iter().filter(|_| std::env::var_os("TRUENO_SOAK").is_some());
    let systems = small.into_iter().chain(large);
    for (system, size) in systems {
        let device = RealDevice::made_by(make())?;
        choose_each(&device)?;
        write(&device, "disksize", size)?;
        write(&device, "mem_limit", size)?;
        let node = device.node().display().to_string();
        tool(&format!("mkfs.{system}"), &["-q", &node])?;
        let mount = Mount::new(&device.node())?;
        let written = fill_with_zeros(&mount, 1 << 20)?;
        let stat = mm_stat(&device)?;
        say(&format!("{system}: {written} bytes of zeros, {stat:?}"));
        ensure(stat.mem_used_total > 0, || "no memory is used".into())?;
        ensure(written >= stat.mem_used_total, || format!("{system}: {written} in {stat:?}"))?;
        mount.unmount()?;
        cleaned_up(device)?;
    }
    Ok(())
}

fn ltp_zram03(_: &mut Stand) -> Outcome {
    // The size that LTP has is for soak: an emulated machine takes half a minute for it.
    let megabytes = seed::steps(96, 512)?;
    let size = megabytes << 20;
    let device = set_up(&size.to_string(), &[])?;
    // All bytes but the last, in memory.
    let length = usize::try_from(size)? - 1;
    let node = OpenOptions::new().read(true).write(true).open(device.node())?;
    fill_mapped(&node, length, b'a')?;
    // With the last opener the page cache goes: what is read next comes from the device.
    drop(node);
    let node = File::open(device.node())?;
    equal("bytes as they were written", count_mapped(&node, length, b'a')?, length)?;
    drop(node);
    equal("initstate", read(&device, "initstate")?.as_str(), "1")?;
    equal("disksize", read(&device, "disksize")?, size.to_string())?;
    let stat = mm_stat(&device)?;
    equal("mm_stat", (stat.orig_data_size, stat.same_pages), (size, (size >> 12) - 1))?;
    ensure(stat.compr_data_size < 4096 && stat.mem_used_total < 1 << 20, || format!("{stat:?}"))?;
    let stat = read(&device, "stat")?;
    let requests = |at| stat.split_whitespace().nth(at).and_then(|n| n.parse::<u64>().ok());
    ensure(requests(0) > Some(0) && requests(4) > Some(0), || format!("stat: {stat}"))?;
    write(&device, "reset", "1")?;
    equal("initstate", read(&device, "initstate")?.as_str(), "0")?;
    equal("mm_stat", mm_stat(&device)?, mm_stat(&RealDevice::made_by(make())?)?)?;
    cleaned_up(device)
}
