//! The public interface, as a program that depends on this crate meets it.
#![expect(clippy::cast_possible_truncation, reason = "bytes of larger numbers")]

use trueno_zram_core::{
    Algorithm, BUFFER_SIZE, CompressorBuilder, Encoded, Error, Page, PageCompressor, Scratch,
    SimdBackend, simd, wm,
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
        let by_us =
            [Algorithm::Adaptive, Algorithm::Wm, Algorithm::WmHc, Algorithm::Lz4, Algorithm::Lz4Hc];
        for algorithm in by_us {
            if algorithm == Algorithm::Lz4Hc && cfg!(not(feature = "std")) {
                continue;
            }
            let builder = CompressorBuilder::new().algorithm(algorithm).prefer_backend(backend);
            match builder.build() {
                Ok(compressor) => assert_eq!(compressor.backend(), backend, "{algorithm}"),
                Err(error) => {
                    assert!(!backend.is_available());
                    assert_eq!(error, Error::BackendUnavailable(backend));
                }
            }
        }
    }
    let lzo = CompressorBuilder::new().algorithm(Algorithm::Lzo).build().expect("it is built in");
    assert_eq!(lzo.backend(), SimdBackend::Portable);
}

#[test]
fn wishes_that_cannot_be_met() {
    let build = |algorithm| CompressorBuilder::new().algorithm(algorithm);
    for algorithm in [Algorithm::Lz4, Algorithm::Wm, Algorithm::Lzo] {
        let refused = |setting| Some(Error::NotTaken { algorithm, setting });
        assert_eq!(build(algorithm).level(3).build().err(), refused("level"));
        let dictionary = build(algorithm).dictionary(*b"some bytes").build().err();
        assert_eq!(dictionary, refused("dictionary"));
    }
    for algorithm in [Algorithm::Lz4, Algorithm::Lzo, Algorithm::Lz4Hc, Algorithm::Deflate] {
        let error = build(algorithm).tables(wm::Tables::shipped()).build().err();
        assert_eq!(error, Some(Error::NotTaken { algorithm, setting: "tables" }));
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
fn tables_of_ones_own_are_used() {
    // A code for all bytes and one for none of each of the eight kinds, and for no other masks.
    let len = |symbol| 4 * u8::from(symbol % 256 == 255 || symbol % 256 == 0);
    let plain =
        wm::Tables::file(&[core::array::from_fn(len); wm::TABLES], &[[8; 256]; wm::CLASSES]);
    let tables = std::sync::Arc::new(wm::Tables::from_bytes(&plain).expect("tables"));
    // Numbers that count, each four times.
    let page: Page = core::array::from_fn(|at| ((0x1001 * (at / 32)) >> (8 * (at % 8))) as u8);
    for algorithm in [Algorithm::Wm, Algorithm::WmHc, Algorithm::Adaptive] {
        let builder = CompressorBuilder::new().algorithm(algorithm);
        let shipped = builder.clone().build().expect("shipped tables");
        let own = builder.tables(tables.clone()).build().expect("own tables");
        let compressed = own.compress(&page).expect("it compresses");
        assert!(shipped.compress(&page).as_ref() != Ok(&compressed), "{algorithm}");
        assert!(own.decompress(&compressed) == Ok(page), "{algorithm}");
        assert!(shipped.decompress(&compressed) != Ok(page), "{algorithm}");
    }
}

#[test]
fn errors_say_what_of_what_and_what_else() {
    let name = |name: &str| name.parse::<Algorithm>().expect_err("no name").to_string();
    let rest = "; there are wm, wmhc, lz4, lz4hc, zstd, deflate, lzo, adaptive, and zstd with its \
                level as zstd:3";
    assert_eq!(name("zstd:x"), format!("no algorithm has the name \"zstd:x\"{rest}"));
    assert_eq!(name("lz4hc:9"), format!("no algorithm has the name \"lz4hc:9\"{rest}"));
    let zstd = Algorithm::Zstd { level: 1 };
    for (error, text) in [
        (Error::BufferTooSmall { got: 3 }, "the output has 3 bytes and needs 4352"),
        (Error::ForeignScratch, "the scratch belongs to another compressor"),
        (
            Error::OtherAlgorithm { algorithm: zstd, made_by: Algorithm::WmHc },
            "a page of wmhc, which a compressor for zstd does not read",
        ),
        (
            Error::UnknownBackend { name: "sse2".to_owned() },
            "no SIMD backend has the name \"sse2\"; there are portable, neon, avx2, avx512",
        ),
        (Error::BackendUnavailable(SimdBackend::Neon), "this processor or this build has no neon"),
        (Error::NotTaken { algorithm: Algorithm::Lz4, setting: "level" }, "lz4 takes no level"),
        (
            Error::Level { algorithm: Algorithm::Zstd { level: 99 }, level: 99, min: -7, max: 22 },
            "zstd has levels from -7 to 22, not 99",
        ),
        (Error::Corrupt { algorithm: zstd, what: "cut off" }, "not a page of zstd: cut off"),
        (
            Error::NotBuilt(Algorithm::Deflate),
            "built without deflate: it needs the cargo feature `std`",
        ),
    ] {
        assert_eq!(error.to_string(), text);
        let _: &dyn core::error::Error = &error;
    }
    let error = Error::Variable { value: "fast".to_owned() }.to_string();
    let start = "TRUENO_SIMD is \"fast\"; this processor has portable";
    assert!(error.starts_with(start), "{error}");
    assert_eq!(error.contains("avx2"), SimdBackend::Avx2.is_available(), "{error}");
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
    there_and_back(&Algorithm::WmHc, r#""wmhc""#);
    there_and_back(&Algorithm::Zstd { level: -1 }, r#""zstd:-1""#);
    there_and_back(&SimdBackend::Avx512, r#""avx512""#);
    let page = CompressedPage { data: vec![1, 2], algorithm: Algorithm::Lz4 };
    there_and_back(&page, r#"{"data":[1,2],"algorithm":"lz4"}"#);
    let error = serde_json::from_str::<Algorithm>(r#""WmHc""#).expect_err("no name of ours");
    assert!(error.to_string().contains("no algorithm has the name \"WmHc\""), "{error}");
}

/// What compressors and the functions of `lz4` do in a process with that value of the variable, which
/// is read once a process: this test binary runs again, for the test below. Nothing where it cannot,
/// since it is another processor's and emulated, as whoever emulates it says by a variable.
#[cfg(feature = "std")]
fn with_variable(value: Option<&str>) -> Option<Vec<String>> {
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
    let said = text.lines().filter_map(|line| line.split_once("said: "));
    Some(said.map(|(_, said)| said.to_owned()).collect())
}

#[cfg(feature = "std")]
const CHILD: &str = "TRUENO_TEST_CHILD";

#[test]
fn the_default_backend() {
    let built = CompressorBuilder::new().build().map(|compressor| compressor.backend());
    #[cfg(feature = "std")]
    if std::env::var_os(CHILD).is_some() {
        use trueno_zram_core::lz4;
        let mut page = [7; 4096];
        let block = lz4::compress_tls(&page).map(|block| block.len());
        let restored = lz4::decompress(&[], &mut page);
        println!("\nsaid: {built:?}\nsaid: {block:?}\nsaid: {restored:?}");
        return;
    }
    if std::env::var_os(simd::VARIABLE).is_none() {
        assert_eq!(built, Ok(simd::detect().best()));
    }
}

#[cfg(feature = "std")]
#[test]
fn the_variable_forces_a_backend() {
    let refused = |value: &str| Error::Variable { value: value.to_owned() };
    let is_refused = |value: &str| {
        let error = format!("Err({:?})", refused(value));
        let said = with_variable(Some(value));
        assert!(said.is_none_or(|said| said == [error.as_str(); 3]), "{value:?}");
    };
    let is_taken = |value: Option<&str>, backend: SimdBackend| {
        let Some(said) = with_variable(value) else { return };
        let [built, block, restored] = said.as_slice() else { panic!("{said:?}") };
        assert_eq!(*built, format!("Ok({backend:?})"), "{value:?}");
        assert!(block.starts_with("Ok("), "{value:?}: {block}");
        assert!(restored.starts_with("Err(Corrupt"), "{value:?}: {restored}");
    };
    let best = simd::detect().best();
    is_taken(None, best);
    is_taken(Some(""), best);
    for backend in SimdBackend::ALL {
        if backend.is_available() {
            is_taken(Some(backend.name()), backend);
        } else {
            is_refused(backend.name());
        }
    }
    for unknown in ["sse2", "AVX2", "avx2 ", "1"] {
        is_refused(unknown);
    }
}
