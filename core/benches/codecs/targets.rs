//! What the codecs must reach, and whether they did in this run.

use std::fmt;

use trueno_zram_core::SimdBackend::{Avx2, Avx512, Portable};
use trueno_zram_core::benchmark::{Distribution, LatencyReport, LatencyRow, Report, Row};
use trueno_zram_core::{Algorithm, SimdBackend};

use crate::same_fill::SameFillRow;
use crate::{REFERENCE, ours};

/// A row of the tables.
#[derive(Clone, Copy)]
enum Codec {
    /// Of ours, on this backend.
    On(Algorithm, SimdBackend),
    /// Of ours, on the fastest backend that ran.
    Best(Algorithm),
    /// Of ours, the same on all backends.
    Any(Algorithm),
}

/// A figure of a codec.
#[derive(Clone, Copy)]
enum Figure {
    /// Compression time in total, as a multiple of that codec's.
    Compress(&'static str),
    /// Decompression time in total, likewise.
    Decompress(&'static str),
    /// Compression time in total, as a multiple of the same codec's without SIMD.
    CompressOfPortable,
    /// Decompression time, likewise.
    DecompressOfPortable,
    /// Ratio in total, as a multiple of that codec's.
    Ratio(&'static str),
    /// The same on the corpus where it is worst.
    RatioAnywhere(&'static str),
    /// The share of pages that are something else than words inside, on the corpus where it is highest.
    OtherThanWords,
    /// The 99th percentile of single calls over their median, on the corpus where it is highest.
    CompressTail,
    DecompressTail,
}

/// What a figure must be.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub(crate) struct Limit {
    at_least: Option<f64>,
    at_most: Option<f64>,
    /// A goal beyond what must be reached.
    stretch: Option<f64>,
}

const fn at_least(least: f64) -> Limit {
    Limit { at_least: Some(least), at_most: None, stretch: None }
}

const fn at_most(most: f64) -> Limit {
    Limit { at_least: None, at_most: Some(most), stretch: None }
}

impl Limit {
    const fn stretch(self, goal: f64) -> Self {
        Self { stretch: Some(goal), ..self }
    }
}

use Algorithm::{Lz4, Wm, WmHc};
use Codec::{Any, Best, On};
use Figure::{
    Compress, CompressOfPortable, CompressTail, Decompress, DecompressOfPortable, DecompressTail,
    OtherThanWords, Ratio, RatioAnywhere,
};

const ZSTD_1: Algorithm = Algorithm::Zstd { level: 1 };
/// Zstandard's fast level, whose ratio `wm` must reach.
const FAST: &str = "C zstd -1";
/// Zstandard's level 1, whose ratio `wmhc` must reach.
const DENSE: &str = "C zstd 1";

const LIMITS: &[(Codec, Figure, Limit)] = &[
    (Best(Lz4), Compress(REFERENCE), at_most(0.85)),
    (Best(Lz4), Decompress(REFERENCE), at_most(0.75)),
    (Best(Lz4), RatioAnywhere(REFERENCE), at_least(0.98)),
    (Best(Lz4), Ratio(REFERENCE), at_least(1.0)),
    (On(Wm, Avx512), Compress(REFERENCE), at_most(0.50).stretch(0.40)),
    (On(Wm, Avx512), Decompress(REFERENCE), at_most(0.80).stretch(0.65)),
    (On(Wm, Avx2), Compress(REFERENCE), at_most(0.70)),
    (On(Wm, Avx2), Decompress(REFERENCE), at_most(1.1)),
    (On(Wm, Portable), Compress(REFERENCE), at_most(1.2)),
    (On(Wm, Portable), Decompress(REFERENCE), at_most(1.8)),
    (Best(Wm), Ratio(FAST), at_least(1.0)),
    (Best(Wm), RatioAnywhere(REFERENCE), at_least(0.98)),
    (Best(Wm), OtherThanWords, at_most(1.0 / 3.0)),
    (Best(WmHc), Compress(REFERENCE), at_most(0.85).stretch(0.70)),
    (Best(WmHc), Decompress(REFERENCE), at_most(1.6)),
    (Best(WmHc), Ratio(DENSE), at_least(1.0)),
    (Best(WmHc), OtherThanWords, at_most(1.0 / 3.0)),
    (Any(ZSTD_1), Compress(DENSE), at_most(1.0)),
    (Any(ZSTD_1), Decompress(DENSE), at_most(1.0)),
    (Any(ZSTD_1), Ratio(DENSE), at_least(1.0)),
    // SIMD is at least 1.4 times as fast as the code without.
    (Best(Lz4), CompressOfPortable, at_most(1.0 / 1.4)),
    (Best(Lz4), DecompressOfPortable, at_most(1.0 / 1.4)),
    (Best(Wm), CompressOfPortable, at_most(1.0 / 1.4)),
    (Best(Wm), DecompressOfPortable, at_most(1.0 / 1.4)),
    (Best(Lz4), CompressTail, at_most(3.0)),
    (Best(Lz4), DecompressTail, at_most(3.0)),
    (Best(Wm), CompressTail, at_most(3.0)),
    (Best(Wm), DecompressTail, at_most(3.0)),
];

/// Finding a same-filled page, as a multiple of one pass over it.
const DETECT: Limit = at_most(1.3);
/// Restoring it, as a multiple of memset's time: as fast, give or take what a run is exact to.
const FILL: Limit = at_most(1.04);
/// The bytes it takes: an inner format and a byte, or a word.
const BYTES: &[(&str, Limit)] =
    &[("zero", at_most(2.0)), ("byte-filled", at_most(2.0)), ("word-filled", at_most(9.0))];

/// A limit and what was measured.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub(crate) struct Verdict {
    what: String,
    limit: Limit,
    /// Nothing if this run did not measure it.
    measured: Option<f64>,
}

impl Verdict {
    /// Whether the limit is kept; nothing if it was not measured.
    pub(crate) fn is_met(&self) -> Option<bool> {
        let keeps = |value: f64| {
            self.limit.at_least.is_none_or(|least| value >= least)
                && self.limit.at_most.is_none_or(|most| value <= most)
        };
        self.measured.map(keeps)
    }

    /// How many decimals tell the figure from its limit; three, unless it is that near.
    fn digits(&self) -> usize {
        let limits = || [self.limit.at_least, self.limit.at_most].into_iter().flatten();
        let looks_equal = |digits: usize| {
            let text = |value| format!("{value:.digits$}");
            let value = self.measured.map(text);
            limits().any(|limit| value == Some(text(limit)) && self.measured != Some(limit))
        };
        (3..9).find(|digits| !looks_equal(*digits)).unwrap_or(9)
    }
}

/// Compares everything that was measured with its limit.
pub(crate) fn verdicts(
    report: &Report,
    latency: &[LatencyReport],
    same_fill: &[SameFillRow],
) -> Vec<Verdict> {
    let results = Results { report, total: report.total().rows, latency };
    let mut verdicts: Vec<_> = LIMITS
        .iter()
        .map(|(codec, figure, limit)| {
            let name = results.name(*codec);
            let what = format!("{name}: {}", figure.title());
            Verdict { what, limit: *limit, measured: results.value(&name, *codec, *figure) }
        })
        .collect();
    for row in same_fill {
        let kind = row.kind;
        let mut verdict = |what: &str, limit: Limit, measured: f64| {
            let what = format!("{kind} page: {what}");
            verdicts.push(Verdict { what, limit, measured: Some(measured) });
        };
        verdict("page_same_filled of a read pass", DETECT, row.detect / row.read);
        verdict("fill_page_word of memset", FILL, row.fill / row.memset);
        for (_, limit) in BYTES.iter().filter(|(name, _)| *name == kind) {
            verdict("bytes", *limit, row.adaptive_bytes as f64);
        }
    }
    verdicts
}

struct Results<'a> {
    report: &'a Report,
    total: Vec<Row>,
    latency: &'a [LatencyReport],
}

impl Results<'_> {
    fn name(&self, codec: Codec) -> String {
        match codec {
            On(algorithm, backend) => ours::name(algorithm, Some(backend)),
            Any(algorithm) => ours::name(algorithm, None),
            Best(algorithm) => {
                let names = SimdBackend::ALL.map(|backend| ours::name(algorithm, Some(backend)));
                let ran = names.iter().rev().find(|name| self.row(name).is_some());
                ran.cloned().unwrap_or_else(|| ours::name(algorithm, None))
            }
        }
    }

    fn row(&self, name: &str) -> Option<&Row> {
        self.total.iter().find(|row| row.codec == name)
    }

    fn value(&self, name: &str, codec: Codec, figure: Figure) -> Option<f64> {
        let of = |peer: &str, value: fn(&Row) -> f64| {
            Some(value(self.row(name)?) / value(self.row(peer)?))
        };
        match figure {
            Compress(peer) => of(peer, Row::compress_ns),
            Decompress(peer) => of(peer, Row::decompress_ns),
            Ratio(peer) => of(peer, Row::ratio),
            CompressOfPortable => of(&without_simd(name, codec)?, Row::compress_ns),
            DecompressOfPortable => of(&without_simd(name, codec)?, Row::decompress_ns),
            RatioAnywhere(peer) => {
                let ratios = self
                    .report
                    .sets
                    .iter()
                    .map(|set| Some(set.row(name)?.ratio() / set.row(peer)?.ratio()));
                ratios.collect::<Option<Vec<_>>>()?.into_iter().reduce(f64::min)
            }
            OtherThanWords => {
                let shares = self.report.sets.iter().map(|set| {
                    let row = set.row(name)?;
                    let words = row.kind_share("words") + row.kind_share("dense words");
                    (!row.kinds.is_empty()).then_some(1.0 - words)
                });
                shares.collect::<Option<Vec<_>>>()?.into_iter().reduce(f64::max)
            }
            CompressTail => self.tail(name, |row| &row.compress_calls),
            DecompressTail => self.tail(name, |row| &row.decompress_calls),
        }
    }

    fn tail(&self, name: &str, of: fn(&LatencyRow) -> &Distribution) -> Option<f64> {
        let tails = self.latency.iter().filter_map(|report| Some(of(report.row(name)?).tail()));
        tails.reduce(f64::max)
    }
}

/// The row of the same codec without SIMD, unless that is the row itself.
fn without_simd(name: &str, codec: Codec) -> Option<String> {
    let (On(algorithm, _) | Best(algorithm) | Any(algorithm)) = codec;
    Some(ours::name(algorithm, Some(Portable))).filter(|portable| portable != name)
}

impl Figure {
    fn title(self) -> String {
        match self {
            Compress(peer) => format!("compression time of {peer}'s"),
            Decompress(peer) => format!("decompression time of {peer}'s"),
            CompressOfPortable => "compression time of portable's".to_owned(),
            DecompressOfPortable => "decompression time of portable's".to_owned(),
            Ratio(peer) => format!("ratio of {peer}'s, in total"),
            RatioAnywhere(peer) => format!("ratio of {peer}'s, on the worst corpus"),
            OtherThanWords => "share of pages not as words, on the worst corpus".to_owned(),
            CompressTail => "compression of one page, p99 of the median".to_owned(),
            DecompressTail => "decompression of one page, p99 of the median".to_owned(),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.is_met() {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "not measured",
        };
        write!(f, "{word:12}  {:62}", self.what)?;
        let digits = self.digits();
        match self.measured {
            Some(value) => write!(f, "{value:>7.digits$}")?,
            None => write!(f, "{:>7}", "-")?,
        }
        if let Some(least) = self.limit.at_least {
            write!(f, "  >= {least:.digits$}")?;
        }
        if let Some(most) = self.limit.at_most {
            write!(f, "  <= {most:.digits$}")?;
        }
        match self.limit.stretch {
            Some(stretch) => write!(f, "  (stretch {stretch:.2})"),
            None => Ok(()),
        }
    }
}
