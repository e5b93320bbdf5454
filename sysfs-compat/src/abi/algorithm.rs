//! Algorithms and their parameters: `comp_algorithm`, `recomp_algorithm`, `algorithm_params`.

use std::fmt;

use super::errno::Errno;
use super::kernel::{Change, Feature, Kernel};
use super::number::{Base, arguments, kstrtoint};

/// Slots for algorithms: the primary one, and up to three to recompress with.
pub const PRIORITIES: usize = 4;

/// One `comp_algorithm` line: the names on offer, one of them selected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CompAlgorithm {
    /// In the kernel's order.
    pub names: Vec<String>,
    /// The one in brackets, if any is.
    pub selected: Option<String>,
}

impl CompAlgorithm {
    /// Reads a line such as `lzo-rle lzo [lz4] `. Never fails: what is there is a name.
    #[must_use]
    pub fn parse(line: &str) -> Self {
        let mut algorithm = CompAlgorithm::default();
        for word in line.split_ascii_whitespace() {
            let inner = word.strip_prefix('[').and_then(|word| word.strip_suffix(']'));
            algorithm.names.push(inner.unwrap_or(word).to_owned());
            if let Some(name) = inner {
                algorithm.selected = Some(name.to_owned());
            }
        }
        algorithm
    }
}

impl fmt::Display for CompAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for name in &self.names {
            match &self.selected {
                Some(selected) if selected == name => write!(f, "[{name}] ")?,
                _ => write!(f, "{name} ")?,
            }
        }
        f.write_str("\n")
    }
}

/// The `recomp_algorithm` file: one line for each secondary algorithm that is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecompAlgorithm {
    /// Priority (1..=3) and the line behind `#N: `.
    pub lines: Vec<(u32, CompAlgorithm)>,
}

impl RecompAlgorithm {
    /// Reads the file; lines of another form are passed over.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter_map(|line| {
            let (priority, names) = line.strip_prefix('#')?.split_once(": ")?;
            Some((priority.parse().ok()?, CompAlgorithm::parse(names)))
        });
        RecompAlgorithm { lines: lines.collect() }
    }
}

impl fmt::Display for RecompAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|(priority, names)| write!(f, "#{priority}: {names}"))
    }
}

/// What is written to `recomp_algorithm`: `algo=NAME [priority=N]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecompChoice {
    /// The algorithm's name, not yet looked up.
    pub algorithm: Vec<u8>,
    /// 1, 2 or 3. Default 1.
    pub priority: usize,
}

impl RecompChoice {
    /// Reads what was written.
    ///
    /// # Errors
    /// `EINVAL` (no algorithm, key without value, priority outside of 1..=3), `ERANGE`.
    pub fn parse(buffer: &[u8]) -> Result<Self, Errno> {
        let mut algorithm = None;
        let mut priority = 1;
        for pair in pairs(buffer) {
            match pair? {
                (b"algo", name) => algorithm = Some(name.to_vec()),
                (b"priority", value) => priority = kstrtoint(value, Base::Ten)?,
                _ => {}
            }
        }
        let algorithm = algorithm.ok_or(Errno::EINVAL)?;
        Ok(RecompChoice { algorithm, priority: secondary(priority)? })
    }
}

/// What is written to `algorithm_params`: the parameters of one algorithm. A store replaces all of
/// them, so absent keys fall back to the algorithm's defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlgorithmParams {
    /// The algorithm they are for, by name ...
    pub algorithm: Option<Vec<u8>>,
    /// ... or by slot. Neither: the primary one.
    pub priority: Option<i32>,
    /// Compression level, in the algorithm's own scale.
    pub level: Option<i32>,
    /// Path of a dictionary that the kernel reads.
    pub dictionary: Option<Vec<u8>>,
    /// Window bits of deflate.
    pub winbits: Option<i32>,
}

impl AlgorithmParams {
    /// Reads what was written; unknown keys are ignored, as the kernel ignores them.
    ///
    /// # Errors
    /// `EINVAL` (key without value, no number), `ERANGE` (beyond 32 bits).
    pub fn parse(buffer: &[u8], kernel: &Kernel) -> Result<Self, Errno> {
        let mut params = AlgorithmParams::default();
        for pair in pairs(buffer) {
            match pair? {
                (b"priority", value) => params.priority = Some(kstrtoint(value, Base::Ten)?),
                (b"level", value) => params.level = Some(kstrtoint(value, Base::Ten)?),
                (b"algo", name) => params.algorithm = Some(name.to_vec()),
                (b"dict", path) => params.dictionary = Some(path.to_vec()),
                (b"deflate.winbits", value) if kernel.after(Change::DeflateWinbits) => {
                    params.winbits = Some(kstrtoint(value, Base::Ten)?);
                }
                _ => {}
            }
        }
        Ok(params)
    }

    /// The slot they are for, given the algorithms that are `chosen` now.
    ///
    /// # Errors
    /// `EINVAL`: no such slot, the algorithm is not chosen, or the two do not agree.
    pub fn slot<S: AsRef<str>>(
        &self,
        chosen: &[Option<S>; PRIORITIES],
        kernel: &Kernel,
    ) -> Result<usize, Errno> {
        let priority = self.priority.unwrap_or(0);
        let named = self.algorithm.as_deref().map(|name| find(chosen, 0, name));
        if !kernel.after(Change::ParamsMustAgree) {
            // The name wins, and a priority beside it is not even looked at.
            return named.unwrap_or_else(|| slot_of(priority, kernel));
        }
        match (self.priority, named) {
            (None, None) => Ok(0),
            (None, Some(named)) => named,
            (Some(_), None) => slot_of(priority, kernel),
            (Some(_), Some(_)) => {
                let slot = slot_of(priority, kernel)?;
                agree(chosen, slot, self.algorithm.as_deref().unwrap_or_default()).map(|()| slot)
            }
        }
    }
}

/// The line to write, keys in the order of the kernel's documentation.
impl fmt::Display for AlgorithmParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let pairs = [
            ("algo", self.algorithm.as_deref().map(text)),
            ("priority", self.priority.map(|n| n.to_string())),
            ("level", self.level.map(|n| n.to_string())),
            ("dict", self.dictionary.as_deref().map(text)),
            ("deflate.winbits", self.winbits.map(|n| n.to_string())),
        ];
        let given = pairs.into_iter().filter_map(|(key, value)| Some(format!("{key}={}", value?)));
        f.write_str(&given.collect::<Vec<_>>().join(" "))
    }
}

/// The slot, from `first` on, that holds the algorithm `name`.
pub(super) fn find<S: AsRef<str>>(
    chosen: &[Option<S>; PRIORITIES],
    first: usize,
    name: &[u8],
) -> Result<usize, Errno> {
    let mut slots = chosen.iter().enumerate().skip(first);
    let found = slots.find(|(_, algorithm)| is_named(algorithm.as_ref(), name));
    found.map(|(slot, _)| slot).ok_or(Errno::EINVAL)
}

/// Whether the algorithm in `slot` is `name`.
pub(super) fn agree<S: AsRef<str>>(
    chosen: &[Option<S>; PRIORITIES],
    slot: usize,
    name: &[u8],
) -> Result<(), Errno> {
    let algorithm = chosen.get(slot).and_then(Option::as_ref);
    if is_named(algorithm, name) { Ok(()) } else { Err(Errno::EINVAL) }
}

fn is_named<S: AsRef<str>>(algorithm: Option<&S>, name: &[u8]) -> bool {
    algorithm.is_some_and(|algorithm| algorithm.as_ref().as_bytes() == name)
}

/// Without recompression there is but the primary algorithm.
fn slot_of(priority: i32, kernel: &Kernel) -> Result<usize, Errno> {
    let slots = if kernel.has(Feature::MultiComp) { PRIORITIES } else { 1 };
    usize::try_from(priority).ok().filter(|&slot| slot < slots).ok_or(Errno::EINVAL)
}

/// A slot other than the primary one.
pub(super) fn secondary(priority: i32) -> Result<usize, Errno> {
    let slot = usize::try_from(priority).ok();
    slot.filter(|slot| (1..PRIORITIES).contains(slot)).ok_or(Errno::EINVAL)
}

/// A `key=value` list in which every key must have a value.
pub(super) fn pairs(buffer: &[u8]) -> impl Iterator<Item = Result<(&[u8], &[u8]), Errno>> {
    arguments(buffer).map(|(key, value)| match value {
        Some(value) if !value.is_empty() => Ok((key, value)),
        _ => Err(Errno::EINVAL),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::kernel::Version;
    use super::*;

    #[test]
    fn lines_are_read_back() {
        for line in ["[lzo-rle] lzo lz4 \n", "lzo [lz4] zstd \n", "lzo lz4 \n", "\n"] {
            assert_eq!(CompAlgorithm::parse(line).to_string(), line);
        }
        let text = "#1: lz4 [zstd] \n#3: [lz4] zstd \n";
        assert_eq!(RecompAlgorithm::parse(text).to_string(), text);
        assert_eq!(RecompAlgorithm::parse("").to_string(), "");
        assert_eq!(RecompAlgorithm::parse("nonsense\n#x: y\n").lines, []);
    }

    #[test]
    fn parameters() {
        let kernel = Kernel::newest();
        let parse = |text: &str| AlgorithmParams::parse(text.as_bytes(), &kernel);
        let all = "algo=deflate priority=2 level=-7 dict=/etc/d deflate.winbits=9";
        assert_eq!(parse(all).expect("valid").to_string(), all);
        assert_eq!(parse("\n"), Ok(AlgorithmParams::default()));
        assert_eq!(parse("level=1 level=2 x=y").expect("valid").level, Some(2));
        assert_eq!(parse("level=\"3\"").expect("valid").level, Some(3));
        for text in ["level", "level=", "level=x", "level=0x1", "priority=1.5", "x"] {
            assert_eq!(parse(text), Err(Errno::EINVAL), "{text:?}");
        }
        assert_eq!(parse("level=2147483648"), Err(Errno::ERANGE));
        let old = Kernel { version: Version(6, 12), ..Kernel::newest() };
        assert_eq!(
            AlgorithmParams::parse(b"deflate.winbits=x", &old),
            Ok(AlgorithmParams::default())
        );
    }

    #[test]
    fn parameters_find_their_slot() {
        let chosen = [Some("lz4"), None, Some("zstd"), None];
        let newest = Kernel::newest();
        let older = Kernel { version: Version(6, 18), ..Kernel::newest() };
        for (text, new, old) in [
            ("level=1", Ok(0), Ok(0)),
            ("priority=3", Ok(3), Ok(3)),
            ("algo=zstd", Ok(2), Ok(2)),
            ("algo=zstd priority=2", Ok(2), Ok(2)),
            ("algo=zstd priority=0", Err(Errno::EINVAL), Ok(2)),
            ("algo=zstd priority=9", Err(Errno::EINVAL), Ok(2)),
            ("algo=lzo", Err(Errno::EINVAL), Err(Errno::EINVAL)),
            ("priority=4", Err(Errno::EINVAL), Err(Errno::EINVAL)),
            ("priority=-1", Err(Errno::EINVAL), Err(Errno::EINVAL)),
        ] {
            let slot = |kernel: &Kernel| {
                AlgorithmParams::parse(text.as_bytes(), kernel)?.slot(&chosen, kernel)
            };
            assert_eq!((slot(&newest), slot(&older)), (new, old), "{text:?}");
        }
    }

    #[test]
    fn without_recompression_there_is_one_slot() {
        let chosen = [Some("lz4"), None, None, None];
        let plain = Kernel { features: vec![], ..Kernel::newest() };
        for (text, slot) in [
            ("level=1", Ok(0)),
            ("priority=0", Ok(0)),
            ("priority=1", Err(Errno::EINVAL)),
            ("priority=3", Err(Errno::EINVAL)),
            ("priority=-1", Err(Errno::EINVAL)),
        ] {
            let params = AlgorithmParams::parse(text.as_bytes(), &plain).expect("numbers");
            assert_eq!(params.slot(&chosen, &plain), slot, "{text:?}");
        }
    }

    #[test]
    fn recompression_choices() {
        let parse = |text: &str| RecompChoice::parse(text.as_bytes());
        assert_eq!(
            parse("algo=zstd"),
            Ok(RecompChoice { algorithm: b"zstd".to_vec(), priority: 1 })
        );
        assert_eq!(parse("priority=3 algo=lz4\n").map(|choice| choice.priority), Ok(3));
        for text in ["", "\n", "priority=1", "zstd", "algo=x priority=0", "algo=x priority=4"] {
            assert_eq!(parse(text), Err(Errno::EINVAL), "{text:?}");
        }
        assert_eq!(parse("algo=x priority=99999999999"), Err(Errno::ERANGE));
    }

    proptest! {
        #[test]
        fn no_input_panics(buffer in proptest::collection::vec(any::<u8>(), 0..64)) {
            drop(AlgorithmParams::parse(&buffer, &Kernel::newest()));
            drop(RecompChoice::parse(&buffer));
            let text = String::from_utf8_lossy(&buffer);
            std::hint::black_box((CompAlgorithm::parse(&text), RecompAlgorithm::parse(&text)));
        }

        #[test]
        fn parameters_are_read_back(level in any::<i32>(), priority in 0..4i32) {
            let params = AlgorithmParams {
                algorithm: Some(b"zstd".to_vec()), priority: Some(priority), level: Some(level),
                ..AlgorithmParams::default()
            };
            let kernel = Kernel::newest();
            let text = params.to_string();
            prop_assert_eq!(AlgorithmParams::parse(text.as_bytes(), &kernel), Ok(params));
        }
    }
}
