//! Which steps must not be done: because they would harm the machine, or because their outcome
//! depends on something that no model knows.

use sysfs_compat::abi::device::taken;
use sysfs_compat::abi::number::{Base, c_string, kstrtoint, memparse_of};
use sysfs_compat::abi::request::{Idle, Writeback};
use sysfs_compat::abi::{Attr, Change};

use super::pair::Pair;
use super::step::{Age, Step, Text};

/// The largest device: its pages are few enough to be listed after every step.
const LARGEST: u64 = 1 << 20;

/// From here on no machine has memory for the table of pages.
const ABSURD: u64 = 1 << 51;

/// More requests in flight than this could eat up the memory: the driver allocates them all.
const LARGEST_BATCH: u32 = 256;

/// Ages in seconds that lead to far outside of any uptime, whether they wrap around or not.
const ABSURD_AGE: u64 = 1 << 30;

/// Whether the step can be done.
pub(super) fn is_safe(step: &Step, pair: &Pair) -> bool {
    pair.terms.allow(step, pair) && is_harmless(step, pair)
}

fn is_harmless(step: &Step, pair: &Pair) -> bool {
    match step {
        Step::Write { attr, texts, .. } => texts.iter().all(|text| is_safe_text(*attr, text, pair)),
        Step::Reread { between: Some((attr, text)), .. } => is_safe_text(*attr, text, pair),
        // Kernels that mark slots of the backing device too have forgotten when those were touched.
        Step::WriteAge(Age::BeforeTheRun) => pair.kernel.after(Change::IdleSkipsSameAndWrittenBack),
        Step::HotRemove { text } => is_ours(text, pair),
        // What has been planned may have no device to be done to.
        Step::WritePage { index, .. } | Step::ReadPage { index } => *index < pair.pages(),
        _ => true,
    }
}

fn is_safe_text(attr: Attr, text: &Text, pair: &Pair) -> bool {
    let text = c_string(taken(&text.0));
    match attr {
        Attr::Disksize => is_safe_size(text, pair),
        Attr::AlgorithmParams => !has_live_dictionary(pair),
        Attr::Idle => is_safe_age(text, pair),
        Attr::Writeback => is_safe_writeback(text, pair),
        _ => true,
    }
}

fn is_safe_size(text: &[u8], pair: &Pair) -> bool {
    // These kernels crash when `comp_algorithm` is read after a compressor could not be set up, or
    // when a page is written to a device that is made after that.
    let loses_default = pair.kernel.after(Change::DefaultIsLost);
    let crashes = loses_default && !pair.kernel.after(Change::DefaultComesBack);
    if crashes && pair.model().backend().check(pair.model().setup()).is_err() {
        return false;
    }
    let size = memparse_of(text, &pair.kernel).value;
    size <= LARGEST || size >= ABSURD
}

/// Kernels that take parameters of a live device free the dictionary that its compressor uses.
fn has_live_dictionary(pair: &Pair) -> bool {
    let model = pair.model();
    model.is_initialised()
        && !pair.kernel.after(Change::ParamsBeforeInit)
        && model.setup().dictionaries.iter().any(|dictionary| !dictionary.is_empty())
}

/// Other ages depend on when exactly a page was touched, see [`Age`].
fn is_safe_age(text: &[u8], pair: &Pair) -> bool {
    match Idle::parse(text, &pair.kernel) {
        // Less than a nanosecond old is nothing, less than a second some are.
        Ok(Idle::OlderThan { seconds: 0 }) => !pair.kernel.after(Change::IdleAge32),
        Ok(Idle::OlderThan { seconds }) => seconds >= ABSURD_AGE,
        _ => true,
    }
}

/// A page that is named twice may be written twice, depending on how fast the first write is.
fn is_safe_writeback(text: &[u8], pair: &Pair) -> bool {
    let model = pair.model();
    if model.writeback_batch_size() > LARGEST_BATCH {
        return false;
    }
    let items = Writeback::parse(text, pair.pages(), &pair.kernel).unwrap_or_default();
    let mut pages = model.backend().candidates(&items);
    pages.sort_unstable();
    !pages.windows(2).any(|pair| matches!(pair, [one, other] if one == other))
}

/// Removing somebody else's device would be a disaster.
fn is_ours(text: &Text, pair: &Pair) -> bool {
    let Ok(number) = kstrtoint(taken(&text.0), Base::Ten) else { return true };
    let ours = [Some(&pair.real().device), pair.real().spare.as_ref()];
    let is_ours =
        ours.into_iter().flatten().any(|device| i64::from(device.number()) == i64::from(number));
    // Nobody has made a million devices.
    is_ours || !(0..1_000_000).contains(&number)
}
