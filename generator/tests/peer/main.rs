//! Side by side with zram-generator 1.2.1 on random trees: where it makes units, ours are the same
//! to the byte, and where the two differ on purpose, [`differences`] says how.
//!
//! The peer is built from the Rust registry when it is first needed, below the target directory. It
//! writes to the kernel's log, which the test hides from it in a mount namespace of its own.
//!
//! `cargo test --release -p trueno-zram-generator --test peer -- --ignored time` compares the times.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a test's report")]

#[path = "../support/mod.rs"]
mod support;

mod differences;
mod peer;
mod time;
mod tree;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use fastrand::Rng;
use libtest_mimic::{Arguments, Failed, Trial};

use differences::{DIFFERENCES, Difference, are_in_the_manual_page};
use peer::{Peer, Run};
use support::{Node, Scratch, Tree, difference, write_tree};

/// Trees for one test run, and for the long form.
const TREES: u64 = 2000;
const TREES_OF_SOAK: u64 = 50_000;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    if let Some(code) = peer::enter_namespace()? {
        return Ok(code);
    }
    let arguments = Arguments::from_args();
    let peer = Peer::build();
    let missing = match &peer {
        Ok(_) => false,
        Err(why) => {
            eprintln!("******** nothing is compared, as zram-generator cannot be had: {why}");
            true
        }
    };
    let peer = Arc::new(peer);
    let trial = |name, run: fn(&Peer) -> Result<(), Failed>| {
        let peer = Arc::clone(&peer);
        Trial::test(name, move || (*peer).as_ref().map_err(Failed::from).and_then(run))
    };
    let trials = vec![
        Trial::test("the_differences_are_in_the_manual_page", are_in_the_manual_page),
        trial("random_trees", compare).with_ignored_flag(missing),
        trial("time", time::compare).with_ignored_flag(true),
    ];
    libtest_mimic::run(&arguments, trials).exit()
}

fn number(variable: &str) -> Result<Option<u64>, Failed> {
    Ok(std::env::var(variable).ok().map(|text| text.parse()).transpose()?)
}

fn compare(peer: &Peer) -> Result<(), Failed> {
    let seed = number("TRUENO_SEED")?.unwrap_or_else(|| fastrand::u64(..));
    let soaks = std::env::var_os("TRUENO_SOAK").is_some();
    let count = number("TRUENO_STEPS")?.unwrap_or(if soaks { TREES_OF_SOAK } else { TREES });
    println!("TRUENO_SEED={seed} TRUENO_STEPS={count}");
    let mut random = Rng::with_seed(seed);
    let mut seen = DIFFERENCES.map(|difference| (difference, 0));
    let (mut same, mut units) = (0, 0);
    for number in 0..count {
        let configuration = tree::random(&mut random);
        let found = check(peer, &configuration)
            .map_err(|why| format!("tree {number} of TRUENO_SEED={seed}:\n{why}"))?;
        units += found.units;
        same += u64::from(found.differences.is_empty());
        for (difference, count) in &mut seen {
            *count += u32::from(found.differences.contains(&difference.name));
        }
    }
    println!("{same} of {count} trees without a difference; {units} files of units compared");
    for (difference, count) in &seen {
        println!("{count:6} {}", difference.name);
    }
    // A list that claims more than it shows is no list.
    match seen.iter().find(|(_, seen)| *seen == 0) {
        Some((never, _)) if count >= TREES => Err(format!("never seen: {}", never.name).into()),
        _ => Ok(()),
    }
}

/// What one tree has shown.
struct Found {
    units: usize,
    /// Which differences it has, by name.
    differences: Vec<&'static str>,
}

/// Ours on the tree must do what the peer does on the tree as the differences rewrite it.
fn check(peer: &Peer, configuration: &tree::Configuration) -> Result<Found, Box<dyn Error>> {
    let scratch = Scratch::new("peer")?;
    let root = scratch.path().join("ours");
    write_tree(&root, &configuration.files())?;
    let ours = Run::of(&peer.ours, &root, peer)?;
    let mut rewritten = configuration.clone();
    let has = |difference: &&Difference| (difference.rewrite)(&mut rewritten);
    let found: Vec<_> = DIFFERENCES.iter().filter(has).collect();
    // A machine whose kernel command line wants no devices does not even look.
    let any = |is: fn(&Difference) -> bool| {
        !configuration.is_off() && found.iter().any(|difference| is(difference))
    };
    let root = scratch.path().join("theirs");
    write_tree(&root, &rewritten.files())?;
    let theirs = Run::of(&peer.program, &root, peer)?;
    let context = || format!("{configuration}\n--- messages of ours\n{}", ours.messages);
    if theirs.status != 0 {
        let status = theirs.status;
        return Err(
            format!("the peer still fails ({status}): {rewritten}{}", theirs.messages).into()
        );
    }
    if let Some(text) = difference(&doubled(theirs.units), &ours.units) {
        return Err(format!("the units differ\n{text}\n{}", context()).into());
    }
    if ours.status != i32::from(any(|difference| difference.is_fault)) {
        return Err(format!("ours ends with {}\n{}", ours.status, context()).into());
    }
    if any(|difference| difference.stops_the_peer) {
        let root = scratch.path().join("stopped");
        write_tree(&root, &configuration.files())?;
        let stopped = Run::of(&peer.program, &root, peer)?;
        if stopped.status == 0 {
            return Err(format!("the peer does not fail\n{}", context()).into());
        }
    }
    Ok(Found {
        units: ours.units.len(),
        differences: found.iter().map(|difference| difference.name).collect(),
    })
}

/// The one difference in what is written: a `%` in a directory's name is doubled, or systemd would
/// take it for a specifier.
fn doubled(mut units: Tree) -> Tree {
    for node in units.values_mut() {
        if let Node::File(bytes) = node {
            let text = String::from_utf8_lossy(bytes).into_owned();
            let lines = text.split_inclusive('\n').map(|line| match line.strip_prefix("Where=") {
                Some(path) => format!("Where={}", path.replace('%', "%%")),
                None => line.to_owned(),
            });
            *bytes = lines.collect::<String>().into_bytes();
        }
    }
    units
}
