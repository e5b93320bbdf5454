//! Fuzz targets for the page codecs and the generator, and what checks one input.
//!
//! A target is a row of [`TARGETS`]; two programs drive it. libFuzzer (`targets/`) grows its input by
//! what code it reaches. `storm` damages pages that are really compressed, some hundred thousand a
//! second, in numbered batches that can be repeated one by one.
//!
//! What is asked of a decoder and of an encoder is in [`common`], shared with the tests of the codecs;
//! what is asked of the generator is in [`configurations`].

pub mod batch;
pub mod configurations;
pub mod pages;
pub mod sentences;

#[path = "../../core/tests/common/mod.rs"]
pub mod common;

use std::cell::RefCell;

use trueno_zram_core::Algorithm;

use crate::common::decoders::Decoders;
use crate::common::encoders::Encoders;
use crate::common::{Finding, Rigor, Verdict};

/// What is fuzzed.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// What it is called on the command line, and the name of its folder of seeds.
    pub name: &'static str,
    /// What is done with an input.
    pub kind: Kind,
}

/// What is done with an input.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// It is decoded by each of these, which must agree.
    Decoder {
        /// Algorithms that read the same format.
        algorithms: &'static [Algorithm],
        /// The inner format that the input's first byte is turned into, if all executions are to
        /// reach that one decoder.
        inner: Option<&'static str>,
    },
    /// It is made into a page, which goes through each of these and back.
    RoundTrip(&'static [Algorithm]),
    /// It is files and a kernel command line, of which the generator makes devices and units.
    Configuration,
}

const fn decoder(name: &'static str, algorithms: &'static [Algorithm]) -> Target {
    Target { name, kind: Kind::Decoder { algorithms, inner: None } }
}

const fn inner(name: &'static str, algorithm: &'static [Algorithm], inner: &'static str) -> Target {
    Target { name, kind: Kind::Decoder { algorithms: algorithm, inner: Some(inner) } }
}

/// All targets, those of our own codecs first.
pub const TARGETS: &[Target] = &[
    decoder("lz4", &[Algorithm::Lz4]),
    decoder("container", &[Algorithm::Adaptive, Algorithm::Wm]),
    // The same container, and zstd in it.
    decoder("wmhc", &[Algorithm::WmHc]),
    inner("words", &[Algorithm::Wm], "words"),
    inner("dense", &[Algorithm::WmHc], "dense words"),
    decoder("lzo", &[Algorithm::Lzo]),
    Target {
        name: "round_trip",
        kind: Kind::RoundTrip(&[
            Algorithm::Lz4,
            Algorithm::Wm,
            Algorithm::WmHc,
            Algorithm::Adaptive,
            Algorithm::Lzo,
        ]),
    },
    decoder("zstd", &[Algorithm::Zstd { level: 1 }]),
    decoder("deflate", &[Algorithm::Deflate]),
    decoder("lz4hc", &[Algorithm::Lz4Hc]),
    Target {
        name: "libraries",
        kind: Kind::RoundTrip(&[
            Algorithm::Zstd { level: -1 },
            Algorithm::Zstd { level: 3 },
            Algorithm::Deflate,
            Algorithm::Lz4Hc,
        ]),
    },
    Target { name: "generator", kind: Kind::Configuration },
];

impl Target {
    /// The target of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        TARGETS.iter().copied().find(|target| target.name == name)
    }
}

/// Checks inputs of one target.
#[derive(Debug)]
pub enum Harness {
    /// Of a decoder.
    Decode(Decoders),
    /// Of encoders and their decoders.
    RoundTrip(Encoders),
    /// Of the generator.
    Configuration,
}

impl Harness {
    /// Builds every compressor that the target needs.
    ///
    /// # Panics
    ///
    /// If one cannot be built.
    #[must_use]
    pub fn new(target: Target) -> Self {
        match target.kind {
            Kind::Decoder { algorithms, inner } => Self::Decode(Decoders::new(algorithms, inner)),
            Kind::RoundTrip(algorithms) => Self::RoundTrip(Encoders::new(algorithms)),
            Kind::Configuration => Self::Configuration,
        }
    }

    /// Runs one input.
    ///
    /// # Errors
    ///
    /// What is wrong, if something is.
    pub fn check(&mut self, data: &[u8], rigor: Rigor) -> Result<Verdict, Finding> {
        match self {
            Self::Decode(decoders) => decoders.check(data, rigor),
            Self::RoundTrip(encoders) => encoders.check(&pages::expand(data), rigor),
            Self::Configuration => configurations::check(data),
        }
    }

    /// Leaves contents that depend on `salt` only in every scratch.
    pub fn dirty(&mut self, salt: usize) {
        match self {
            Self::Decode(decoders) => decoders.dirty(salt),
            Self::RoundTrip(encoders) => encoders.dirty(salt),
            Self::Configuration => {}
        }
    }

    /// How often a codec, or the generator, is called for one input.
    #[must_use]
    pub fn calls(&self) -> u64 {
        match self {
            Self::Decode(decoders) => decoders.calls(),
            Self::RoundTrip(encoders) => encoders.calls(),
            // By itself, and beside others.
            Self::Configuration => 2,
        }
    }
}

/// Runs one input for libFuzzer, which takes a panic for a finding.
///
/// # Panics
///
/// On a finding.
pub fn run(target: &str, data: &[u8]) {
    thread_local! {
        static HARNESS: RefCell<Option<Harness>> = const { RefCell::new(None) };
    }
    HARNESS.with_borrow_mut(|harness| {
        let harness = harness
            .get_or_insert_with(|| Harness::new(Target::named(target).expect("a row of TARGETS")));
        if let Err(finding) = harness.check(data, Rigor::Thrice) {
            panic!("{target}: {finding}");
        }
    });
}
