//! What our devices need not have in common with the kernel's, and the steps that would lead there.
//!
//! Two things are substituted: the list of algorithms, of which each make has its own, and the columns
//! of `mm_stat` that say what an allocator makes of the pages. They are held to what must be true of
//! any. Everything else is the same to the byte. `docs/COMPAT.md` tells of both, and which trial holds
//! what a step that is left out would.

use sysfs_compat::abi::algorithm::CompAlgorithm;
use sysfs_compat::abi::device::taken;
use sysfs_compat::abi::number::c_string;
use sysfs_compat::abi::request::Idle;
use sysfs_compat::abi::stat::MmStat;
use sysfs_compat::abi::{Attr, Errno, Feature, Kernel};

use super::coverage::WRITE_PAGE;
use super::pair::{Failure, Pair};
use super::step::{Page, Step, Text};
use crate::zram::{Make, RealDevice};

/// With so little memory in use as a test ever needs no limit from here on is felt.
const AMPLE: u64 = 64 << 20;

/// What is granted.
#[derive(Debug, Default)]
pub struct Terms {
    /// Each make's algorithms. Without any, nothing is granted.
    algorithms: Vec<(Make, Algorithms)>,
}

#[derive(Debug)]
struct Algorithms {
    /// What `comp_algorithm` shows, less the brackets.
    shown: String,
    names: Vec<String>,
    default: String,
}

impl Algorithms {
    fn of(make: Make) -> Result<Self, String> {
        let device = RealDevice::made_by(make).map_err(|error| error.to_string())?;
        let text = device.read(Attr::CompAlgorithm.name()).map_err(|error| error.to_string())?;
        let CompAlgorithm { names, selected, .. } = CompAlgorithm::parse(&text);
        Ok(Algorithms { shown: bare(&text), names, default: selected.unwrap_or_default() })
    }
}

/// Whether a page takes memory on a device of ours, where a word that repeats has to fit into a slot:
/// 55 bits, or four bytes twice. The kernel keeps every word that repeats.
fn needs_memory(page: Page) -> bool {
    match page {
        Page::Random(_) => true,
        Page::Filled(word) => {
            let word = u64::from_le_bytes(word);
            word >> 55 != 0 && word >> 32 != word & u64::from(u32::MAX)
        }
    }
}

fn bare(text: &str) -> String {
    text.replace(['[', ']'], "")
}

impl Terms {
    /// Those between the kernel's devices and ours.
    ///
    /// # Errors
    /// When there are no such devices.
    pub fn with_mirror() -> Result<Self, String> {
        let makes = [Make::Kernel, Make::Ublk].into_iter();
        let algorithms = makes.map(|make| Ok((make, Algorithms::of(make)?)));
        Ok(Terms { algorithms: algorithms.collect::<Result<_, String>>()? })
    }

    /// A kernel with what both have: no feature that our devices lack, no algorithm that one lacks.
    #[must_use]
    pub fn common(&self, mut kernel: Kernel) -> Kernel {
        kernel.features.retain(|&feature| feature == Feature::MemoryTracking);
        let is_common =
            |name: &String| self.algorithms.iter().all(|(_, known)| known.names.contains(name));
        let default = kernel.default_algorithm.clone();
        kernel.algorithms.retain(|name| is_common(name) || *name == default);
        kernel
    }

    fn is_granted(&self) -> bool {
        !self.algorithms.is_empty()
    }

    /// The text of the model and the one that was read, alike where they may differ.
    pub(super) fn substituted(
        &self,
        attr: Attr,
        make: Make,
        [model, real]: [String; 2],
    ) -> Result<[String; 2], Failure> {
        let known = self.algorithms.iter().find(|(known, _)| *known == make);
        let Some((_, algorithms)) = known else { return Ok([model, real]) };
        match attr {
            Attr::CompAlgorithm if bare(&real) == algorithms.shown => {
                let default = self.algorithms.first().map(|(_, kernel)| kernel.default.as_str());
                let model = selected(&model, default.unwrap_or_default());
                Ok([model, selected(&real, &algorithms.default)])
            }
            Attr::MmStat if make == Make::Ublk => substituted_columns(&model, real),
            _ => Ok([model, real]),
        }
    }

    /// Whether a step leads to nothing but what must be the same.
    pub(super) fn allow(&self, step: &Step, pair: &Pair) -> bool {
        if !self.is_granted() {
            return true;
        }
        match step {
            Step::Write { attr, texts, .. } => {
                texts.iter().all(|text| self.allow_text(*attr, text, pair))
            }
            Step::Reread { between: Some((attr, text)), .. } => self.allow_text(*attr, text, pair),
            // Ages need access times, which the kernel may have.
            Step::WriteAge(_) => false,
            // Ours have no block device before.
            Step::Hold => pair.model().is_initialised(),
            // Where a limit bites depends on the allocator.
            Step::WritePage { page, .. } if needs_memory(*page) => {
                let text = pair.model().show(Attr::MmStat).unwrap_or_default();
                let stat = MmStat::parse(&String::from_utf8_lossy(&text)).unwrap_or_default();
                stat.mem_limit == 0 || stat.mem_limit >= AMPLE
            }
            _ => true,
        }
    }

    fn allow_text(&self, attr: Attr, text: &Text, pair: &Pair) -> bool {
        let text = c_string(taken(&text.0));
        match attr {
            Attr::CompAlgorithm | Attr::AlgorithmParams => !self.names_a_stranger(text),
            // What an algorithm makes of its parameters is its own affair.
            Attr::Disksize => {
                pair.model().setup().params.iter().all(|params| *params == Default::default())
            }
            Attr::Idle => {
                let mut kernel = pair.kernel.clone();
                kernel.features.push(Feature::TrackEntryActime);
                !matches!(Idle::parse(text, &kernel), Ok(Idle::OlderThan { .. }))
            }
            _ => true,
        }
    }

    /// Whether a run need not have seen what is missing: without a limit that bites, and without an
    /// algorithm that its parameters break, no write of a page fails.
    pub(super) fn grant(&self, gap: &str) -> bool {
        self.is_granted() && gap == format!("{WRITE_PAGE}: no {:?}", Errno::EIO)
    }

    /// Whether the text names an algorithm that only one make has, or that is what one begins with:
    /// whether such a device was told so could not be seen.
    fn names_a_stranger(&self, text: &[u8]) -> bool {
        let text = String::from_utf8_lossy(text);
        let mut words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-');
        words.any(|word| {
            let knows = |(_, known): &&(Make, Algorithms)| known.names.iter().any(|n| n == word);
            let count = self.algorithms.iter().filter(knows).count();
            let is_default = self.algorithms.iter().any(|(_, known)| known.default == word);
            is_default || (count > 0 && count < self.algorithms.len())
        })
    }
}

/// Which algorithm is selected, the default one by no name.
fn selected(text: &str, default: &str) -> String {
    let selected = CompAlgorithm::parse(text).selected;
    selected.map_or("none".to_owned(), |name| match name == default {
        true => "the default".to_owned(),
        false => name,
    })
}

/// Compressed size, memory, its peak, pages compacted, huge pages: each make has its own, but memory
/// holds what is compressed, the peak is no less than what is in use, and no page takes no memory.
fn substituted_columns(model: &str, real: String) -> Result<[String; 2], Failure> {
    let wrong = |errno| format!("mm_stat: {errno}: {real:?}");
    let stat = MmStat::parse(&real).map_err(wrong)?;
    let expected = MmStat::parse(model).map_err(wrong)?;
    let peak = u64::try_from(stat.mem_used_max).unwrap_or(0);
    let holds = stat.mem_used_total >= stat.compr_data_size && peak >= stat.mem_used_total;
    let is_empty = stat.orig_data_size == 0;
    let of_pages = [Some(stat.compr_data_size), Some(stat.mem_used_total), stat.huge_pages];
    let is_nothing = of_pages == [Some(0); 3];
    let text = stat.to_string();
    if !holds || (is_empty && !is_nothing) || text != real {
        return Err(format!("mm_stat cannot be: {real:?} ({stat:?})"));
    }
    let granted = MmStat {
        compr_data_size: expected.compr_data_size,
        mem_used_total: expected.mem_used_total,
        mem_used_max: expected.mem_used_max,
        pages_compacted: expected.pages_compacted,
        huge_pages: expected.huge_pages,
        ..stat
    };
    Ok([model.to_owned(), granted.to_string()])
}
