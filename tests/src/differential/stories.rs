//! Sequences of steps that lead somewhere where chance rarely goes.

use fastrand::Rng;
use sysfs_compat::abi::attr::Mode;
use sysfs_compat::abi::memory::File;
use sysfs_compat::abi::{ATTRIBUTES, Attr};

use super::pair::Pair;
use super::step::{Extra, FileName, Page, Step, Text};
use super::texts;

/// What a person would do to see each state, and every refusal that chance brings about so rarely
/// that a run could miss it: done first.
pub(super) fn opening(pair: &Pair) -> Vec<Step> {
    let number = pair.real().device.number().to_string();
    let two_ends = format!("{}\n\n", pair.kernel.default_algorithm);
    let remove = |text: &str| Step::HotRemove { text: text.into() };
    let rows = ATTRIBUTES.iter().filter(|row| row.exists(&pair.kernel));
    let one_way = rows.filter(|row| row.mode != Mode::ReadWrite);
    let files = one_way.map(|row| (FileName::Attribute(row.attr), row.mode.writes()));
    let files = files.chain([(FileName::HotAdd, false), (FileName::HotRemove, true)]);
    let mut steps = files.map(|(file, writes)| open(file, writes)).collect::<Vec<_>>();
    steps.extend([
        write(Attr::CompAlgorithm, &"x".repeat(128)),
        write(Attr::Disksize, "1E"),
        write(Attr::Compact, "1"),
        write(Attr::Disksize, "65536"),
        Step::WritePage { index: 0, page: Page::Filled([0; 8]) },
        Step::WritePage { index: 1, page: Page::Random(1) },
        write(Attr::Idle, "all"),
        Step::ReadPage { index: 1 },
        Step::Discard { first: 0, pages: 2 },
        Step::Hold,
        write(Attr::Reset, "1"),
        remove(&number),
        Step::Release,
        write(Attr::Reset, "1"),
        // Some kernels take a name with two ends of a line, and keep one of them.
        write(Attr::CompAlgorithm, &two_ends),
        write(Attr::Disksize, "65536"),
        write(Attr::Reset, "1"),
        Step::HotAdd,
        remove("2147483647"),
    ]);
    steps
}

/// Opens a file in the direction that it does not have.
fn open(file: FileName, writes: bool) -> Step {
    Step::Open { file, open: Extra::None, read: writes, write: !writes }
}

/// An algorithm gets parameters that it cannot work with; perhaps they are taken back, with or
/// without success; then the device is made, perhaps twice, and written to.
pub(super) fn any(rng: &mut Rng, pair: &Pair) -> Vec<Step> {
    let kernel = &pair.kernel;
    let has = |wanted: &&str| kernel.algorithms.iter().any(|name| name == wanted);
    let names = ["deflate", "lz4", "lz4hc"].into_iter().filter(has).collect::<Vec<_>>();
    if names.is_empty() || !Attr::AlgorithmParams.info().exists(kernel) {
        return Vec::new();
    }
    let name = texts::any(rng, &names);
    let mut steps = vec![write(Attr::CompAlgorithm, name)];
    if name == "deflate" {
        let bad = ["level=10", "level=-2", "deflate.winbits=8", "level=100 deflate.winbits=99"];
        steps.push(write(Attr::AlgorithmParams, texts::any(rng, &bad)));
    } else {
        let paths = pair.world.paths(|file| matches!(file, File::Regular(_)));
        let text = [b"dict=".as_slice(), texts::any(rng, &paths)].concat();
        steps.push(written(Attr::AlgorithmParams, Text(text)));
    }
    let change = ["dict=/trueno-missing", "level=x", "algo=bogus", "level=1", "\n"];
    if rng.bool() {
        steps.push(write(Attr::AlgorithmParams, texts::any(rng, &change)));
    }
    steps.push(write(Attr::Disksize, "64K"));
    if rng.bool() {
        steps.push(write(Attr::Disksize, "32K"));
    }
    steps.extend((0..4).map(|index| Step::WritePage { index, page: Page::Random(rng.u64(..)) }));
    steps
}

fn write(attr: Attr, text: &str) -> Step {
    written(attr, text.into())
}

fn written(attr: Attr, text: Text) -> Step {
    Step::Write { attr, open: Extra::None, texts: vec![text] }
}
