//! The public interface, as a program that depends on this crate meets it.
#![expect(clippy::cast_possible_truncation, reason = "bytes of larger numbers")]

use trueno_zram_core::{
    Algorithm, BUFFER_SIZE, CompressorBuilder, Encoded, Error, Page, PageCompressor, Scratch,
    SimdBackend, simd,
};

#[test]
fn ten_lines_are_a_program() -> Result<(), Error> {
    let compressor = CompressorBuilder::new().algorithm(Algorithm::Wm).build()?;
    let page = core::array::from_fn(|at| (at / 16 % 16) as u8);
    let compressed = compressor.compress(&page)?;
    assert!(compressed.ratio() > 4.0, "{}", compressed.ratio());
    assert_eq!(compressor.decompress(&compressed)?, page);
    Ok(())
}

#[test]
fn as_many_lines_without_allocations() -> Result<(), Error> {
    let compressor = CompressorBuilder::new().algorithm("lz4".parse()?).build()?;
    let (mut scratch, mut out, mut page) = (compressor.scratch(), [0; BUFFER_SIZE], [0; 4096]);
    let data = match compressor.compress_into(&[7; 4096], &mut scratch, &mut out)? {
        Encoded::Compressed(len) => &out[..len],
        Encoded::Incompressible => &[7; 4096][..],
    };
    assert!(data.len() < 64);
    compressor.decompress_into(data, &mut scratch, &mut page)?;
    assert_eq!(page, [7; 4096]);
    Ok(())
}

#[test]
fn a_builder_without_wishes() {
    let compressor = CompressorBuilder::new().build().expect("the default");
    assert_eq!(compressor.algorithm(), Algorithm::Adaptive);
    assert!(compressor.backend().is_available());
    for backend in SimdBackend::ALL {
        let built = CompressorBuilder::new().prefer_backend(backend).build();
        match built {
            Ok(compressor) => assert_eq!(compressor.backend(), backend),
            Err(error) => {
                assert!(!backend.is_available());
                assert_eq!(error, Error::BackendUnavailable(backend));
            }
        }
    }
}

#[test]
fn wishes_that_cannot_be_met() {
    let build = |algorithm| CompressorBuilder::new().algorithm(algorithm);
    for algorithm in [Algorithm::Lz4, Algorithm::Wm, Algorithm::Lzo] {
        let error = build(algorithm).level(3).build().expect_err("it has no levels");
        assert!(matches!(error, Error::Level { level: 3, .. }), "{error:?}");
        let error = build(algorithm).dictionary(*b"some bytes").build().expect_err("none");
        assert!(matches!(error, Error::Dictionary { .. }), "{error:?}");
    }
    #[cfg(feature = "std")]
    for (algorithm, wrong) in [
        (Algorithm::Zstd { level: 1 }, 23),
        (Algorithm::Zstd { level: 1 }, i32::MIN),
        (Algorithm::Lz4Hc, 13),
        (Algorithm::Deflate, 0),
    ] {
        let error = build(algorithm).level(wrong).build().expect_err("out of range");
        assert!(matches!(error, Error::Level { level, .. } if level == wrong), "{error:?}");
    }
    #[cfg(feature = "std")]
    {
        let zstd = build(Algorithm::Zstd { level: 1 }).level(5).build().expect("a level it has");
        assert_eq!(zstd.algorithm(), Algorithm::Zstd { level: 5 });
    }
    #[cfg(not(feature = "std"))]
    assert_eq!(build(Algorithm::Deflate).build().err(), Some(Error::NotBuilt(Algorithm::Deflate)));
}

#[test]
fn errors_are_sentences_of_their_own() {
    let errors = [
        Error::BufferTooSmall { got: 3 },
        Error::ForeignScratch,
        Error::UnknownAlgorithm,
        Error::UnknownBackend,
        Error::BackendUnavailable(SimdBackend::Neon),
        Error::Corrupt { algorithm: Algorithm::Zstd { level: 1 }, what: "short" },
        Error::NotBuilt(Algorithm::Deflate),
    ];
    for error in errors {
        let text = error.to_string();
        assert!(text.len() > 10 && !text.ends_with('.') && !text.contains('{'), "{text:?}");
        let _: &dyn std::error::Error = &error;
    }
}

#[test]
fn types_go_where_threads_need_them() {
    fn is_shared<T: Send + Sync>() {}
    fn is_sent<T: Send>() {}
    is_shared::<PageCompressor>();
    is_shared::<CompressorBuilder>();
    is_shared::<Error>();
    is_sent::<Scratch>();
}

#[test]
fn threads_share_a_compressor() {
    for algorithm in [Algorithm::Adaptive, Algorithm::Lz4, Algorithm::WmHc] {
        let compressor = CompressorBuilder::new().algorithm(algorithm).build().expect("it builds");
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let compressor = &compressor;
                scope.spawn(move || {
                    for number in 0..100 {
                        let page: Page = core::array::from_fn(|at| {
                            (at / (thread + 2) * (number + 1) % 250) as u8
                        });
                        let compressed = compressor.compress(&page).expect("it compresses");
                        assert_eq!(compressor.decompress(&compressed), Ok(page));
                    }
                });
            }
        });
    }
}

#[cfg(feature = "serde")]
#[test]
fn what_configurations_and_reports_hold_is_serialized() {
    fn there_and_back<T>(value: &T, json: &str)
    where
        T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug,
    {
        let text = serde_json::to_string(value).expect("JSON");
        assert_eq!(text, json);
        assert_eq!(serde_json::from_str::<T>(&text).expect("its own JSON"), *value);
    }
    use trueno_zram_core::CompressedPage;
    there_and_back(&Algorithm::WmHc, r#""WmHc""#);
    there_and_back(&Algorithm::Zstd { level: -1 }, r#"{"Zstd":{"level":-1}}"#);
    there_and_back(&SimdBackend::Avx512, r#""Avx512""#);
    let page = CompressedPage { data: vec![1, 2], algorithm: Algorithm::Lz4 };
    there_and_back(&page, r#"{"data":[1,2],"algorithm":"Lz4"}"#);
}

/// What a compressor's backend is in a process with that value of the variable, which is read once a
/// process: this test binary runs again, for the test below. Nothing where it cannot, since it is
/// another processor's and emulated, as whoever emulates it says by a variable.
#[cfg(feature = "std")]
fn with_variable(value: Option<&str>) -> Option<String> {
    use std::process::{Command, Output};
    if std::env::var_os("TRUENO_TEST_EMULATED").is_some() {
        return None;
    }
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "the_default_backend", "--nocapture"]).env(CHILD, "1");
    match value {
        Some(value) => command.env(simd::VARIABLE, value),
        None => command.env_remove(simd::VARIABLE),
    };
    let Output { status, stdout, .. } = command.output().expect("it runs");
    let text = String::from_utf8(stdout).expect("text");
    assert!(status.success(), "{text}");
    let line = text.lines().find_map(|line| line.split_once("default: "));
    Some(line.unwrap_or_else(|| panic!("no line in {text}")).1.to_owned())
}

const CHILD: &str = "TRUENO_TEST_CHILD";

#[test]
fn the_default_backend() {
    let built = CompressorBuilder::new().build().map(|compressor| compressor.backend());
    if std::env::var_os(CHILD).is_some() {
        println!("default: {built:?}");
    } else if std::env::var_os(simd::VARIABLE).is_none() {
        assert_eq!(built, Ok(simd::detect().best()));
    }
}

#[cfg(feature = "std")]
#[test]
fn the_variable_forces_a_backend() {
    let check = |value: Option<&str>, expected: Result<SimdBackend, Error>| {
        if let Some(said) = with_variable(value) {
            assert_eq!(said, format!("{expected:?}"), "{value:?}");
        }
    };
    let best = simd::detect().best();
    check(None, Ok(best));
    check(Some(""), Ok(best));
    for backend in SimdBackend::ALL {
        let unavailable = Err(Error::BackendUnavailable(backend));
        let expected = if backend.is_available() { Ok(backend) } else { unavailable };
        check(Some(backend.name()), expected);
    }
    for unknown in ["sse2", "AVX2", "avx2 ", "1"] {
        check(Some(unknown), Err(Error::UnknownBackend));
    }
}
