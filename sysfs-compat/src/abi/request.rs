//! Requests to a live device: `idle`, `recompress`, `writeback`.

use std::fmt;

use super::algorithm::{PRIORITIES, agree, find, pairs, secondary};
use super::errno::Errno;
use super::kernel::{Change, Feature, Kernel};
use super::number::{
    Base, arguments, c_string, kstrtoint, kstrtoll, kstrtouint, kstrtoull, sysfs_streq,
};

/// What is written to `idle`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idle {
    /// Mark every page.
    All,
    /// Mark pages not touched for that many seconds, and unmark the others.
    OlderThan {
        /// Age in seconds.
        seconds: u64,
    },
}

impl Idle {
    /// Reads what was written.
    ///
    /// # Errors
    /// `EINVAL` for all that is not `all` or, where slots have access times, a number (C notation).
    pub fn parse(buffer: &[u8], kernel: &Kernel) -> Result<Self, Errno> {
        if sysfs_streq(buffer, "all") {
            return Ok(Idle::All);
        }
        // Access times had no option of their own before 6.8 and came with memory tracking.
        let has_times =
            kernel.has(Feature::TrackEntryActime) || kernel.has(Feature::MemoryTracking);
        let seconds = match kstrtoull(buffer, Base::Auto) {
            Ok(seconds) if has_times => seconds,
            _ => return Err(Errno::EINVAL),
        };
        if kernel.after(Change::IdleAge32) && u32::try_from(seconds).is_err() {
            return Err(Errno::EINVAL);
        }
        Ok(Idle::OlderThan { seconds })
    }
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Idle::All => f.write_str("all"),
            Idle::OlderThan { seconds } => write!(f, "{seconds}"),
        }
    }
}

/// Which of the stored pages a pass is for: all for which no condition fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pages {
    /// Only those marked idle.
    pub idle: bool,
    /// Only those stored raw.
    pub huge: bool,
    /// Only those that recompression has given up on.
    pub incompressible: bool,
}

impl Pages {
    /// Reads the words that `type=` takes.
    #[must_use]
    pub fn parse(word: &[u8]) -> Option<Self> {
        let (idle, huge, incompressible) = match word {
            b"idle" => (true, false, false),
            b"huge" => (false, true, false),
            b"huge_idle" => (true, true, false),
            b"incompressible" => (false, false, true),
            _ => return None,
        };
        Some(Pages { idle, huge, incompressible })
    }
}

/// What is written to `recompress`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recompress {
    /// Which pages.
    pub pages: Pages,
    /// Only objects of at least that many bytes, 0 for any.
    pub threshold: u32,
    /// At most that many pages, if given.
    pub max_pages: Option<u64>,
    /// The algorithm by name ...
    pub algorithm: Option<Vec<u8>>,
    /// ... or by slot.
    pub priority: Option<i32>,
}

/// Objects from this size on are stored raw, with the allocator's usual classes on 4 KiB pages
/// (`zs_huge_class_size`).
#[must_use]
pub fn huge_class_size(kernel: &Kernel) -> u32 {
    if kernel.after(Change::EightPageChains) { 3625 } else { 3257 }
}

impl Recompress {
    /// Reads what was written.
    ///
    /// # Errors
    /// `EINVAL`, `ERANGE`.
    pub fn parse(buffer: &[u8], kernel: &Kernel) -> Result<Self, Errno> {
        let mut pages = None;
        let mut request = Recompress {
            pages: Pages::default(),
            threshold: 0,
            max_pages: None,
            algorithm: None,
            priority: None,
        };
        for pair in pairs(buffer) {
            match pair? {
                (b"type", word) => {
                    let known = Pages::parse(word).filter(|pages| !pages.incompressible);
                    pages = known.or(pages);
                    if pages.is_none() && kernel.after(Change::RecompressTypeChecked) {
                        return Err(Errno::EINVAL);
                    }
                }
                (b"max_pages", value) => request.max_pages = Some(kstrtoull(value, Base::Ten)?),
                (b"threshold", value) => request.threshold = kstrtouint(value, Base::Ten)?,
                (b"algo", name) => request.algorithm = Some(name.to_vec()),
                (b"priority", value) => request.priority = Some(Self::priority(value, kernel)?),
                _ => {}
            }
        }
        if request.threshold >= huge_class_size(kernel) {
            return Err(Errno::EINVAL);
        }
        request.pages = pages.unwrap_or_default();
        Ok(request)
    }

    fn priority(value: &[u8], kernel: &Kernel) -> Result<i32, Errno> {
        if kernel.after(Change::RecompressOneAlgorithm) {
            return kstrtoint(value, Base::Ten);
        }
        let priority = kstrtouint(value, Base::Ten)?;
        // What does not fit is out of range all the same.
        Ok(i32::try_from(priority.max(1)).unwrap_or(i32::MAX))
    }

    /// The slots to try in turn, given the algorithms that are `chosen`: one, except on kernels
    /// before 7.1, where a request without algorithm and priority tries all of them.
    ///
    /// # Errors
    /// `EINVAL`: no such slot, nothing chosen there, or name and priority do not agree.
    pub fn slots<S: AsRef<str>>(
        &self,
        chosen: &[Option<S>; PRIORITIES],
        kernel: &Kernel,
    ) -> Result<std::ops::Range<usize>, Errno> {
        if kernel.after(Change::RecompressOneAlgorithm) {
            return self.one_slot(chosen).map(|slot| slot..slot + 1);
        }
        let first = self.priority.map_or(1, |p| usize::try_from(p).unwrap_or(usize::MAX));
        let (first, end) = match self.algorithm.as_deref() {
            Some(name) => find(chosen, first, name).map(|slot| (slot, slot + 1))?,
            None if self.priority.is_some() => (first, first.saturating_add(1)),
            None => (first, PRIORITIES),
        };
        if !kernel.after(Change::RecompressNeedsAlgorithm) {
            return Ok(first..end.min(PRIORITIES));
        }
        // The driver takes the number of algorithms for the end of the slots in use: with a gap
        // before it, the last one is out of reach.
        let end = end.min(chosen.iter().flatten().count());
        if first < end { Ok(first..end) } else { Err(Errno::EINVAL) }
    }

    fn one_slot<S: AsRef<str>>(&self, chosen: &[Option<S>; PRIORITIES]) -> Result<usize, Errno> {
        let slot = match (self.priority.map(secondary).transpose()?, self.algorithm.as_deref()) {
            (Some(slot), Some(name)) => agree(chosen, slot, name).map(|()| slot)?,
            (None, Some(name)) => find(chosen, 1, name)?,
            (slot, None) => slot.unwrap_or(1),
        };
        let set = chosen.get(slot).is_some_and(Option::is_some);
        if set { Ok(slot) } else { Err(Errno::EINVAL) }
    }
}

/// What is written to `writeback`, one item after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Writeback {
    /// These pages, out of the range that the items before have set (the whole device at first).
    Pages(Pages),
    /// Pages by index, both ends included.
    Range {
        /// First index.
        first: u64,
        /// Last index.
        last: u64,
    },
}

impl Writeback {
    /// Reads what was written, for a device of `pages` pages.
    ///
    /// Up to 6.15 a single word or `page_index=N`; since then a list, in which a type, bare or
    /// behind `type=`, is the last item that is looked at.
    ///
    /// # Errors
    /// `EINVAL`, `ERANGE`.
    pub fn parse(buffer: &[u8], pages: u64, kernel: &Kernel) -> Result<Vec<Self>, Errno> {
        if !kernel.after(Change::WritebackList) {
            let item = Self::parse_word(buffer, kernel)?;
            return if item.fits(pages) { Ok(vec![item]) } else { Err(Errno::EINVAL) };
        }
        let mut items = Vec::new();
        for (key, value) in arguments(buffer) {
            match (key, value.filter(|value| !value.is_empty())) {
                (word, None) | (b"type", Some(word)) => {
                    items.push(Writeback::Pages(Pages::parse(word).ok_or(Errno::EINVAL)?));
                    return Ok(items);
                }
                (b"page_index", Some(value)) => items.push(Self::index(value, pages)?),
                (b"page_indexes", Some(value)) => items.push(Self::range(value, pages)?),
                _ => {}
            }
        }
        Ok(items)
    }

    /// Kernels before [`Change::WritebackList`]: reads the one word, but does not look whether the
    /// index is there ([`Writeback::fits`]); these kernels do other things in between.
    pub(super) fn parse_word(buffer: &[u8], kernel: &Kernel) -> Result<Self, Errno> {
        let text = c_string(buffer);
        let word = text.strip_suffix(b"\n").unwrap_or(text);
        let has_incompressible = kernel.after(Change::IncompressibleWriteback);
        match Pages::parse(word) {
            Some(known) if !known.incompressible || has_incompressible => {
                return Ok(Writeback::Pages(known));
            }
            _ => {}
        }
        let value = text.strip_prefix(b"page_index=").ok_or(Errno::EINVAL)?;
        // Read as a signed number, kept in an unsigned one: a negative index is a very large one.
        let index = kstrtoll(value, Base::Ten).map_err(|_| Errno::EINVAL)?.cast_unsigned();
        Ok(Writeback::Range { first: index, last: index })
    }

    /// Whether a device of `pages` pages has what the item names.
    pub(super) fn fits(&self, pages: u64) -> bool {
        match *self {
            Writeback::Pages(_) => true,
            Writeback::Range { last, .. } => last < pages,
        }
    }

    fn index(value: &[u8], pages: u64) -> Result<Self, Errno> {
        match kstrtoull(value, Base::Ten)? {
            index if index < pages => Ok(Writeback::Range { first: index, last: index }),
            _ => Err(Errno::ERANGE),
        }
    }

    fn range(value: &[u8], pages: u64) -> Result<Self, Errno> {
        let dash = value.iter().position(|&byte| byte == b'-').ok_or(Errno::EINVAL)?;
        let (first, last) = value.split_at(dash);
        let first = kstrtoull(first, Base::Ten)?;
        if first >= pages {
            return Err(Errno::ERANGE);
        }
        match kstrtoull(last.get(1..).unwrap_or_default(), Base::Ten)? {
            last if last < pages && first <= last => Ok(Writeback::Range { first, last }),
            _ => Err(Errno::ERANGE),
        }
    }
}

#[cfg(test)]
mod tests;
