//! The command line.

use std::path::PathBuf;

use lexopt::ValueExt as _;
use trueno_zram_core::{Error, SimdBackend};

use crate::{ours, peers};

pub(crate) const HELP: &str = "\
Usage: cargo bench -p trueno-zram-core -- [OPTION]...

  --corpus FILE     pages to measure with (FILE.pages or FILE.pages.zst), repeatable;
                    else the repository's corpus/*.pages.zst, else made-up pages
  --codec NAME      measure only this one (`wm`, `lz4_flex`, `wm (AVX2)`), repeatable;
                    C lz4 always runs, because everything is related to it
  --backend NAME    our codecs only on this backend (portable, avx2, avx512, neon)
  --rounds N        how many times each block is timed (8)
  --sub N           only every Nth block of 16 pages, for a quick look (1)
  --latency         also time single calls, and show how they are distributed
  --check           exit with failure if a target is missed
  --json FILE       write the results as JSON (needs `--features serde`)
  --svg FILE        draw compression time against ratio
";

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) corpora: Vec<PathBuf>,
    codecs: Vec<String>,
    pub(crate) backend: Option<SimdBackend>,
    pub(crate) rounds: usize,
    pub(crate) sub: usize,
    pub(crate) latency: bool,
    pub(crate) check: bool,
    pub(crate) json: Option<PathBuf>,
    pub(crate) svg: Option<PathBuf>,
    pub(crate) help: bool,
}

impl Options {
    /// Reads the arguments. Without any, not even the `--bench` that `cargo bench` passes, it is
    /// `cargo test --all-targets` that wants to see the program work: one round of few pages.
    pub(crate) fn from_env() -> Result<Self, lexopt::Error> {
        let is_test = std::env::args_os().len() <= 1;
        let mut options = Self {
            corpora: Vec::new(),
            codecs: Vec::new(),
            backend: None,
            rounds: if is_test { 1 } else { 8 },
            sub: if is_test { 64 } else { 1 },
            latency: false,
            check: false,
            json: None,
            svg: None,
            help: false,
        };
        let mut arguments = lexopt::Parser::from_env();
        while let Some(argument) = arguments.next()? {
            match argument {
                lexopt::Arg::Long("bench") => {}
                lexopt::Arg::Long("corpus") => options.corpora.push(arguments.value()?.into()),
                lexopt::Arg::Long("codec") => options.codecs.push(arguments.value()?.string()?),
                lexopt::Arg::Long("backend") => options.backend = Some(arguments.value()?.parse()?),
                lexopt::Arg::Long("rounds") => options.rounds = arguments.value()?.parse()?,
                lexopt::Arg::Long("sub") => options.sub = arguments.value()?.parse()?,
                lexopt::Arg::Long("latency") => options.latency = true,
                lexopt::Arg::Long("check") => options.check = true,
                lexopt::Arg::Long("json") => options.json = Some(arguments.value()?.into()),
                lexopt::Arg::Long("svg") => options.svg = Some(arguments.value()?.into()),
                lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => options.help = true,
                other => return Err(other.unexpected()),
            }
        }
        options.check()?;
        Ok(options)
    }

    /// Finds out at once what would spoil a long run at its end.
    fn check(&self) -> Result<(), lexopt::Error> {
        if let Some(backend) = self.backend.filter(|backend| !backend.is_available()) {
            return Err(Error::BackendUnavailable(backend).to_string().into());
        }
        if self.json.is_some() && cfg!(not(feature = "serde")) {
            return Err("--json needs `--features serde` before the `--`".into());
        }
        let ours = ours::names(self);
        let all = peers::all();
        let peers = all.iter().map(|peer| peer.name());
        let known: Vec<&str> = ours.iter().map(String::as_str).chain(peers).collect();
        match self.codecs.iter().find(|codec| !known.contains(&codec.as_str())) {
            Some(codec) => Err(format!("there is no codec `{codec}` here").into()),
            None => Ok(()),
        }
    }

    /// Whether to measure what is called `name` and is an instance of the algorithm `family`.
    pub(crate) fn wants(&self, name: &str, family: &str) -> bool {
        let is_named = |codec: &String| codec == name || codec == family;
        self.codecs.is_empty() || self.codecs.iter().any(is_named)
    }
}
