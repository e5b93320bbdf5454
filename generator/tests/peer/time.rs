//! How long each generator takes for one tree, from start to end of the process.

use std::fs;
use std::time::{Duration, Instant};

use libtest_mimic::Failed;

use crate::peer::{Peer, Run};
use crate::support::Scratch;

/// Runs of each program, taken in turn so that a slow moment of the machine hits both.
const RUNS: usize = 400;

const CONFIGURATION: &str = "\
[zram0]
zram-size = min(ram / 2, 4096)

[zram1]
zram-size = ram / 10
mount-point = /run/compressed-mount-point
";

pub(crate) fn compare(peer: &Peer) -> Result<(), Failed> {
    let scratch = Scratch::new("time")?;
    let root = scratch.path();
    for (path, text) in [
        ("proc/meminfo", "MemTotal: 8013220 kB\n"),
        ("proc/cmdline", "quiet\n"),
        ("etc/systemd/zram-generator.conf", CONFIGURATION),
    ] {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap_or(root))?;
        fs::write(path, text)?;
    }
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..RUNS {
        for (program, times) in [&peer.ours, &peer.program].into_iter().zip(&mut times) {
            let start = Instant::now();
            let status = Run::of(program, root, peer)?.status;
            times.push(start.elapsed());
            assert_eq!(status, 0, "{}", program.display());
            fs::remove_dir_all(root.join("units"))?;
        }
    }
    let [ours, theirs] = times.map(summary);
    println!("{RUNS} runs each, in turn: minimum, median");
    println!("trueno-zram-generator {:?}, {:?}", ours.0, ours.1);
    println!("zram-generator {:?}, {:?}", theirs.0, theirs.1);
    let ratio = |a: Duration, b: Duration| a.as_secs_f64() / b.as_secs_f64();
    println!("ratio {:.2}, {:.2}", ratio(ours.0, theirs.0), ratio(ours.1, theirs.1));
    Ok(())
}

/// Minimum and median.
fn summary(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort_unstable();
    let at = |index: usize| times.get(index).copied().unwrap_or_default();
    (at(0), at(times.len() / 2))
}
