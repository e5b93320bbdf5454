//! This crate's codecs, each on every SIMD backend that it has code for and the processor can run.

use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

use trueno_zram_core::benchmark::{CompressorSubject, Error, Subject};
use trueno_zram_core::wm::Tables;
use trueno_zram_core::{Algorithm, CompressorBuilder, SimdBackend};

use crate::options::Options;

/// What is measured, and whether its code differs between backends.
const CODECS: &[(Algorithm, bool)] = &[
    (Algorithm::Lz4, true),
    (Algorithm::Wm, true),
    (Algorithm::WmHc, true),
    (Algorithm::Adaptive, false),
    (Algorithm::Zstd { level: -1 }, false),
    (Algorithm::Zstd { level: 1 }, false),
    (Algorithm::Lz4Hc, false),
    (Algorithm::Deflate, false),
    (Algorithm::Lzo, false),
];

/// Those of our codecs that `options` ask for, with tables that never saw the corpus `corpus`.
pub(crate) fn subjects(options: &Options, corpus: &str) -> Result<Vec<Box<dyn Subject>>, Error> {
    let mut subjects: Vec<Box<dyn Subject>> = Vec::new();
    let held_out = held_out_tables(corpus)?;
    for (algorithm, has_backends) in CODECS {
        for (place, backend) in backends(options, *has_backends).into_iter().enumerate() {
            let name = name(*algorithm, has_backends.then_some(backend));
            if !options.wants(&name, algorithm.name()) {
                continue;
            }
            let builder = CompressorBuilder::new().algorithm(*algorithm).prefer_backend(backend);
            let Some(tables) = held_out.as_ref().filter(|_| uses_tables(*algorithm)) else {
                subjects.push(Box::new(CompressorSubject::new(name, builder.build()?)));
                continue;
            };
            let shipped = builder.clone().build()?;
            let held_out = builder.tables(Arc::clone(tables)).build()?;
            subjects.push(Box::new(CompressorSubject::new(name, held_out)));
            // The tables change nothing about which code runs: one backend shows what they change.
            if place == 0 {
                let name = format!("{}, shipped tables", algorithm.name());
                subjects.push(Box::new(CompressorSubject::new(name, shipped)));
            }
        }
    }
    Ok(subjects)
}

/// Every name that `--codec` can select here.
pub(crate) fn names(options: &Options) -> Vec<String> {
    let mut names = Vec::new();
    for (algorithm, has_backends) in CODECS {
        names.push(algorithm.name().to_owned());
        let backends = backends(options, *has_backends).into_iter();
        names.extend(backends.map(|backend| name(*algorithm, has_backends.then_some(backend))));
    }
    names
}

/// The backends to run a codec on: the best one only, if its code is the same on all.
fn backends(options: &Options, has_backends: bool) -> Vec<SimdBackend> {
    let available = SimdBackend::ALL.into_iter().rev().filter(|backend| backend.is_available());
    let wanted = available.filter(|backend| options.backend.is_none_or(|only| only == *backend));
    wanted.take(if has_backends { usize::MAX } else { 1 }).collect()
}

/// "wm (AVX-512)"; "zstd 1".
pub(crate) fn name(algorithm: Algorithm, backend: Option<SimdBackend>) -> String {
    let name = match algorithm {
        Algorithm::Zstd { level } => format!("zstd {level}"),
        other => other.name().to_owned(),
    };
    let backend = match backend {
        Some(SimdBackend::Avx512) => "AVX-512",
        Some(SimdBackend::Avx2) => "AVX2",
        Some(SimdBackend::Neon) => "NEON",
        Some(SimdBackend::Portable) => "portable",
        None => return name,
    };
    format!("{name} ({backend})")
}

const fn uses_tables(algorithm: Algorithm) -> bool {
    matches!(algorithm, Algorithm::Wm | Algorithm::WmHc | Algorithm::Adaptive)
}

/// Tables of the word-mask format that were trained without `corpus`, where the repository has them:
/// a codec must not be judged by pages that its tables were made from.
fn held_out_tables(corpus: &str) -> Result<Option<Arc<Tables>>, Error> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/tables");
    let path = folder.join(format!("without-{corpus}.wmt"));
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(Arc::new(Tables::from_bytes(&bytes)?))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Read { path, source }),
    }
}

/// A line about the tables that the word-mask codecs had.
pub(crate) fn which_tables(corpus: &str) -> Result<String, Error> {
    Ok(match held_out_tables(corpus)? {
        Some(_) => format!("wm, wmhc, adaptive: with tables that were trained without {corpus}"),
        None => "wm, wmhc, adaptive: with the shipped tables".to_owned(),
    })
}
