//! Setting up: limits, algorithms, swap, dry runs, and what is left when it fails.

use std::fs;
use std::process::Command;

use libtest_mimic::{Failed, Trial};
use sysfs_compat::abi::{Attr, Feature, Kernel};
use trueno_tests::zram::{self, RealDevice};

use super::{
    Outcome, done, ensure, equal, mm_stat, name, noise, refused, settings, store, trial,
    trial_finding, trial_with,
};

pub(super) fn trials(kernel: Option<&Kernel>) -> Vec<Trial> {
    let has_multi_comp = kernel.is_some_and(|kernel| kernel.has(Feature::MultiComp));
    vec![
        trial("mem_limit", mem_limit),
        trial("swap_in_one_go", swap_in_one_go),
        trial("small_swap_is_refused", small_swap_is_refused),
        trial("a_dry_run_writes_nothing_and_says_everything", dry_run),
        trial("an_existing_device_is_reset_when_setting_up_fails", existing_device_is_reset),
        trial_finding("a_device_made_in_vain_is_removed", made_in_vain),
        trial_finding("a_dry_run_finds_and_makes", dry_run_finds),
        trial("secondary_algorithms_need_a_kernel_that_has_them", no_secondary_algorithm)
            .with_ignored_flag(has_multi_comp),
        trial_with("secondary_algorithm", kernel, Feature::MultiComp, secondary_algorithm),
    ]
}

fn mem_limit() -> Outcome {
    let device = RealDevice::add()?;
    let node = name(&device);
    done(&["--size", "8M", "--mem-limit", "1M", &node])?;
    equal("mem_limit", mm_stat(&device)?.mem_limit, 1 << 20)?;
    let pages = || (0..512).map(|index| (index, noise(index)));
    ensure(store(&device, pages()).is_err(), || "2 MiB of noise went into 1 MiB".into())?;
    done(&["--mem-limit", "4M", &node])?;
    equal("mem_limit", mm_stat(&device)?.mem_limit, 4 << 20)?;
    store(&device, pages())?;
    equal("stored", mm_stat(&device)?.orig_data_size, 2 << 20)
}

/// The line of `/proc/swaps` for the device.
fn swap_line(device: &RealDevice) -> Result<Option<String>, Failed> {
    let node = device.node().display().to_string();
    let swaps = fs::read_to_string("/proc/swaps")?;
    let mut lines = swaps.lines().map(str::to_owned);
    Ok(lines.find(|line| line.split_whitespace().next() == Some(&node)))
}

/// Switches swap off if a failed test has left it on.
struct SwapOff<'a>(&'a RealDevice);

impl Drop for SwapOff<'_> {
    fn drop(&mut self) {
        if swap_line(self.0).is_ok_and(|line| line.is_some()) {
            drop(Command::new("swapoff").arg(self.0.node()).status());
        }
    }
}

fn swap_in_one_go() -> Outcome {
    let device = RealDevice::add()?;
    let node = name(&device);
    {
        let _guard = SwapOff(&device);
        done(&["--size", "64M", "--swap=7", &node])?;
        let line = swap_line(&device)?.ok_or("it is not in /proc/swaps")?;
        let fields: Vec<_> = line.split_whitespace().collect();
        equal("size and priority", (fields.get(2), fields.get(4)), (Some(&"65532"), Some(&"7")))?;
        let cells = done(&["--raw", "-n", "-o", "MOUNTPOINT,PRIO,USED", &node])?;
        equal("columns", cells.as_str(), "[SWAP] 7 0B\n")?;
        refused(&["--reset", &node], &["failed to reset", "in use as swap", "swapoff /dev/"])?;
        ensure(swap_line(&device)?.is_some(), || "a refused reset took the swap away".into())?;
        done(&["--reset", "--force", &node])?;
        ensure(swap_line(&device)?.is_none(), || "it is still swap".into())?;
    }
    let is_gone = !zram::numbers()?.contains(&device.number());
    ensure(is_gone, || "the device is still there".into())?;
    device.forget();
    Ok(())
}

fn small_swap_is_refused() -> Outcome {
    let device = RealDevice::add()?;
    let words = ["failed to make swap", "40 KiB at least", "is reset and not set up"];
    refused(&["--size", "36K", "--swap", &name(&device)], &words)?;
    equal("initstate", device.read(Attr::Initstate.name())?.as_str(), "0\n")
}

fn dry_run() -> Outcome {
    let [by_hand, by_program] = [RealDevice::add()?, RealDevice::add()?];
    let fresh = settings(&by_hand)?;
    let algorithm = "lz4";
    let line = ["--size", "8M", "--algorithm", algorithm, "--mem-limit", "1.5M", "--streams", "2"];
    let with = |device: &RealDevice, more: &[&str]| {
        done(&[&line[..], more, &[name(device).as_str()]].concat())
    };
    let commands = with(&by_hand, &["--dry-run"])?;
    equal("settings after a dry run", settings(&by_hand)?, fresh)?;
    shell(&commands)?;
    with(&by_program, &[])?;
    equal("settings made by the shell", settings(&by_hand)?, settings(&by_program)?)?;
    ensure(settings(&by_hand)?.contains(&format!("[{algorithm}]")), || commands)
}

/// Runs printed commands; returns what they print.
fn shell(commands: &str) -> Result<String, Failed> {
    let output = Command::new("sh").args(["-ec", commands]).output()?;
    ensure(output.status.success(), || format!("{commands}\n{output:?}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn dry_run_finds() -> Outcome {
    let before = zram::numbers()?;
    let commands = done(&["--find", "--size", "8M", "--dry-run"])?;
    equal("devices after a dry run", zram::numbers()?, before.clone())?;
    let printed = shell(&commands)?;
    let new = zram::numbers()?.into_iter().find(|number| !before.contains(number));
    let device = new.map(RealDevice::adopt).ok_or("no device was made")?;
    equal("printed name", printed.trim_end(), &device.node().display().to_string())?;
    equal("disksize", device.read(Attr::Disksize.name())?.as_str(), "8388608\n")
}

fn made_in_vain() -> Outcome {
    let before = zram::numbers()?;
    for (line, word) in [
        (&["--algorithm", "nonsense"][..], "This kernel has: "),
        (&["--backing-dev", "/nonsense"], "failed to set backing device"),
        (&["--algorithm-params", "level"], "failed to set algorithm params"),
    ] {
        let line = [&["--find", "--size", "1M"], line].concat();
        refused(&line, &[word, "had been made for this, is removed"])?;
        equal("devices", zram::numbers()?, before.clone())?;
    }
    Ok(())
}

fn existing_device_is_reset() -> Outcome {
    let device = RealDevice::add()?;
    let fresh = settings(&device)?;
    // Not the algorithm: a reset leaves it as it is before Linux 6.2.
    let line = ["--size", "0", "--mem-limit", "1M", &name(&device)];
    refused(&line, &["failed to set disksize (0 bytes): Invalid argument", "is reset"])?;
    equal("settings", settings(&device)?, fresh)
}

fn no_secondary_algorithm() -> Outcome {
    let device = RealDevice::add()?;
    let line = ["--size", "1M", "--recompress-algorithm", "lz4:2", &name(&device)];
    refused(&line, &["failed to set secondary algorithm (algo=lz4 priority=2)", "MULTI_COMP"])?;
    equal("initstate", device.read(Attr::Initstate.name())?.as_str(), "0\n")
}

fn secondary_algorithm() -> Outcome {
    let device = RealDevice::add()?;
    done(&["--size", "1M", "--recompress-algorithm", "lz4:2", &name(&device)])?;
    let text = device.read(Attr::RecompAlgorithm.name())?;
    ensure(text.starts_with("#2: ") && text.contains("[lz4]"), || text)
}
