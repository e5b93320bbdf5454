//! The command line.

use std::path::PathBuf;

use lexopt::ValueExt as _;

pub(crate) const HELP: &str = "\
Usage: cargo bench -p trueno-zram-store -- [OPTION]... [PART]...

Parts: speed, latency, same-fill, memory, scale; all of them if none is named.

  --zram DEVICE     a zram device of lz4 and of at least the image's size, which is overwritten;
                    without it there is no kernel beside us
  --loop DEVICE     a loop device of the same size over a file on tmpfs, for the cost of the way
  --blocks N        size of the image in MiB (256)
  --rounds N        how many times each block is timed (8)
";

/// Which parts there are.
pub(crate) const PARTS: [&str; 5] = ["speed", "latency", "same-fill", "memory", "scale"];

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) zram: Option<PathBuf>,
    pub(crate) loop_device: Option<PathBuf>,
    pub(crate) blocks: usize,
    pub(crate) rounds: usize,
    pub(crate) help: bool,
    /// One look that everything works, as a test.
    pub(crate) is_test: bool,
    parts: Vec<String>,
}

impl Options {
    /// Reads the arguments. Without any, not even the `--bench` that `cargo bench` passes, it is
    /// `cargo test --all-targets` that wants to see the program work: one round of few pages.
    pub(crate) fn from_env() -> Result<Self, lexopt::Error> {
        let is_test = std::env::args_os().len() <= 1;
        let mut options = Self {
            zram: None,
            loop_device: None,
            blocks: if is_test { 4 } else { 256 },
            rounds: if is_test { 1 } else { 8 },
            help: false,
            is_test,
            parts: Vec::new(),
        };
        let mut arguments = lexopt::Parser::from_env();
        while let Some(argument) = arguments.next()? {
            match argument {
                lexopt::Arg::Long("bench") => {}
                lexopt::Arg::Long("zram") => options.zram = Some(arguments.value()?.into()),
                lexopt::Arg::Long("loop") => options.loop_device = Some(arguments.value()?.into()),
                lexopt::Arg::Long("blocks") => options.blocks = arguments.value()?.parse()?,
                lexopt::Arg::Long("rounds") => options.rounds = arguments.value()?.parse()?,
                lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => options.help = true,
                lexopt::Arg::Value(part) if PARTS.iter().any(|known| part == *known) => {
                    options.parts.push(part.string()?);
                }
                other => return Err(other.unexpected()),
            }
        }
        Ok(options)
    }

    pub(crate) fn wants(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|wanted| wanted == part)
    }

    /// With how many threads to measure: one, and two where there are two processors.
    pub(crate) fn threads(&self) -> Vec<usize> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        (1..=processors.min(2)).collect()
    }
}
