//! Several programs that make devices at the same time.

use std::process::{Child, Command, Stdio};

use libtest_mimic::Trial;
use sysfs_compat::abi::Attr;
use trueno_tests::check::{Outcome, ensure, equal};
use trueno_tests::program;
use trueno_tests::zram::{Make, RealDevice};

use crate::bad_input::ublk;
use crate::stand::{Stand, read, trial_of_ours, write};

pub(super) fn trials() -> Vec<Trial> {
    vec![trial_of_ours("together::to_each_a_device_of_its_own", to_each_its_own)]
}

fn zramctl() -> Command {
    let mut command = Command::new(program::zramctl());
    command.args(["-f", "--kind", "ublk", "-s", "16M"]);
    command
}

/// What it prints, once it has succeeded.
fn printed(child: Child) -> Outcome<String> {
    let output = child.wait_with_output()?;
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure(output.status.success(), || format!("{}: {complaint}", output.status))?;
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}

/// A device looks free until it has its size: two that look at once must not take the same one, and
/// none that somebody else is making.
fn to_each_its_own(_: &mut Stand) -> Outcome {
    let free = RealDevice::made_by(Make::Ublk)?;
    equal("the free one", free.number(), 0)?;
    write(&free, "trueno/queues", "1")?;
    let others = [1, 2].map(|number| RealDevice::adopt_from(Make::Ublk, number));
    let commands = [ublk(&["create", "--size=8M"]), zramctl(), zramctl()];
    let children = commands.map(|mut command| {
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(Into::into)
    });
    // All are waited for before anything is said of one.
    let printed: Vec<_> = children.into_iter().map(|child| child.and_then(printed)).collect();
    let mut nodes = printed.into_iter().collect::<Outcome<Vec<_>>>()?;
    let devices = [&free, &others[0], &others[1]];
    let mut sizes = Vec::new();
    for device in devices {
        sizes.push(read(device, Attr::Disksize.name())?);
    }
    sizes.sort_unstable();
    equal("sizes", sizes, ["16777216", "16777216", "8388608"].map(str::to_owned).to_vec())?;
    nodes.sort_unstable();
    nodes.dedup();
    equal("different nodes", nodes.len(), 3)?;
    equal("devices", Make::Ublk.numbers()?, vec![0, 1, 2])?;
    // Setting a device up resets it first; what only our devices have stays as it was set.
    equal("queues", read(&free, "trueno/queues")?.as_str(), "1")
}
