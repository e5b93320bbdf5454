//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use lexopt::ValueExt as _;

pub(crate) const HELP: &str = "\
Usage: devices --program FILE --out FILE [OPTION]... [PART]...

Parts: speed, memory, times; all of them if none is named. Makes and overwrites devices and starts a
service: for a virtual machine (cargo xtask bench ublk).

  --program FILE    trueno-ublk
  --out FILE        where measurements go, one JSON object a line
  --rounds N        how many times each thing is measured (5)
  --mib N           size of the devices whose speed is measured (256)
  --milliseconds N  how long each is driven in a round (400)
  --only NAME       speed: this device alone, as the tables call it; for profiles
";

const PARTS: [&str; 3] = ["speed", "memory", "times"];

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) program: PathBuf,
    pub(crate) out: PathBuf,
    pub(crate) rounds: u32,
    /// Bytes of the devices whose speed is measured.
    pub(crate) size: u64,
    pub(crate) time: Duration,
    /// The only device whose speed is measured.
    only: Option<String>,
    parts: Vec<String>,
}

impl Options {
    pub(crate) fn from_env() -> Result<Self, lexopt::Error> {
        let (mut program, mut out, mut only) = (None, None, None);
        let (mut rounds, mut mib, mut milliseconds) = (5, 256, 400);
        let mut parts = Vec::new();
        let mut arguments = lexopt::Parser::from_env();
        while let Some(argument) = arguments.next()? {
            match argument {
                lexopt::Arg::Long("program") => program = Some(arguments.value()?.into()),
                lexopt::Arg::Long("out") => out = Some(arguments.value()?.into()),
                lexopt::Arg::Long("rounds") => rounds = arguments.value()?.parse()?,
                lexopt::Arg::Long("mib") => mib = arguments.value()?.parse()?,
                lexopt::Arg::Long("milliseconds") => milliseconds = arguments.value()?.parse()?,
                lexopt::Arg::Long("only") => only = Some(arguments.value()?.string()?),
                lexopt::Arg::Value(part) if PARTS.iter().any(|known| part == *known) => {
                    parts.push(part.string()?);
                }
                other => return Err(other.unexpected()),
            }
        }
        Ok(Self {
            program: program.ok_or("--program is missing")?,
            out: out.ok_or("--out is missing")?,
            rounds,
            size: u64::from(u32::max(mib, 1)) << 20,
            time: Duration::from_millis(milliseconds),
            only,
            parts,
        })
    }

    pub(crate) fn wants_subject(&self, name: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == name)
    }

    pub(crate) fn wants(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|wanted| wanted == part)
    }
}
