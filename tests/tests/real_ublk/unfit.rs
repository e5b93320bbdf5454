//! Machines that cannot have such devices, and machines that have no service: one line that says so,
//! and nothing left behind. What a machine lacks is hidden in a mount namespace of its own.

use std::fs;
use std::process::Command;

use libtest_mimic::Trial;
use trueno_tests::check::{Outcome, equal, tool};
use trueno_tests::program;
use trueno_tests::scratch::Scratch;

use crate::bad_input::{FAILED, UNFIT, fails, leaving_nothing, ublk};
use crate::stand::{needing, trial_without_daemon};

/// The two ways to start a service.
const STARTS: [&[&str]; 2] = [&["serve"], &["create", "--size=16M"]];

pub(super) fn trials() -> Vec<Trial> {
    let hidden =
        |name, run: fn() -> Outcome| needing(&["unshare"], trial_without_daemon(name, run));
    vec![
        hidden("unfit::a_read_only_run", read_only_run),
        hidden("unfit::a_full_run", full_run),
        hidden("unfit::no_ublk", || without("ublk-control", "ublk driver (CONFIG_BLK_DEV_UBLK)")),
        hidden("unfit::no_fuse", || without("fuse", "FUSE (CONFIG_FUSE_FS)")),
        trial_without_daemon("unfit::an_old_kernel", old_kernel),
        trial_without_daemon("unfit::no_service", no_service),
    ]
}

/// Which of both codes one of these starts ends with there.
fn code_of(start: &[&str]) -> i32 {
    if start == ["serve"] { UNFIT } else { FAILED }
}

/// Runs our program, which must fail and say that, where the script has been.
fn fails_where(script: &str, arguments: &[&str], code: i32, words: &[&str]) -> Outcome {
    let script = format!("{script} && exec timeout 30 \"$@\"");
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &script, "sh"]).arg(program::ublk()).args(arguments);
    leaving_nothing(|| fails(&mut command, code, words))
}

fn read_only_run() -> Outcome {
    let script = "mount -o remount,bind,ro /run";
    let mut starts = STARTS.iter();
    starts.try_for_each(|start| {
        fails_where(script, start, FAILED, &["/run", "Read-only file system"])
    })
}

fn full_run() -> Outcome {
    let script = "mount -t tmpfs -o nr_inodes=1 tmpfs /run";
    let mut starts = STARTS.iter();
    starts.try_for_each(|start| {
        fails_where(script, start, FAILED, &["/run", "No space left on device"])
    })
}

/// A `/dev` with all that is needed but one node, which a module that is loaded cannot make, and
/// which no module makes where there is none.
fn without(node: &str, what: &str) -> Outcome {
    let dev = format!(
        "mount -t tmpfs tmpfs /mnt && cp -a /dev/null /dev/ublk-control /dev/fuse /mnt && \
         rm /mnt/{node} && mount --bind /mnt /dev"
    );
    let no_module = "ln -s /bin/false /dev/modprobe && export PATH=\"/dev:$PATH\"";
    let path = format!("/dev/{node}");
    for start in STARTS {
        let module = if node == "fuse" { "module fuse" } else { "module ublk_drv" };
        let code = code_of(start);
        fails_where(&dev, start, code, &[&path, "is missing although", module])?;
        let script = format!("{dev} && {no_module}");
        fails_where(&script, start, code, &[&format!("this kernel has no {what}: {path}")])?;
    }
    Ok(())
}

/// By the file that a kernel tells its version in, below another root.
fn old_kernel() -> Outcome {
    let scratch = Scratch::new("old-kernel")?;
    let directory = scratch.path().join("proc/sys/kernel");
    fs::create_dir_all(&directory)?;
    fs::write(directory.join("osrelease"), "6.11.0-29-generic\n")?;
    let mut serve = ublk(&["serve"]);
    serve.env("TRUENO_ZRAM_ROOT", scratch.path());
    leaving_nothing(|| fails(&mut serve, UNFIT, &["Linux 6.11 is too old", "6.12 or later"]))?;
    equal("files of a root that is unfit", fs::read_dir(scratch.path())?.count(), 1)
}

/// What only looks starts nothing.
fn no_service() -> Outcome {
    leaving_nothing(|| {
        equal("list", tool(&program::ublk().display().to_string(), &["list"])?.as_str(), "")?;
        for command in ["reset", "stat", "verify"] {
            fails(&mut ublk(&[command, "trueno/zram0"]), FAILED, &["not running"])?;
        }
        Ok(())
    })
}
