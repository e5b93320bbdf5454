use alloc::string::ToString;

use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<Params, ParamsError> {
    text.parse()
}

#[test]
fn every_key_is_read() {
    let expect = Params {
        algorithm: Some("deflate".to_owned()),
        priority: Some(2),
        level: Some(-7),
        dictionary: Some("/etc/d".to_owned()),
        winbits: Some(9),
    };
    let line = "algo=deflate priority=2 level=-7 dict=/etc/d deflate.winbits=9";
    assert_eq!(parse(line), Ok(expect.clone()));
    assert_eq!(parse(&line.replace(' ', "\n\t ")), Ok(expect));
    assert_eq!(parse(" \n"), Ok(Params::default()));
    assert_eq!(parse("newkey=1 =x=2"), Ok(Params::default()));
}

#[test]
fn lines_are_split_as_in_the_kernel() {
    let level = |text: &str| parse(text).expect("a level").level;
    assert_eq!(level("level=1 level=2"), Some(2));
    assert_eq!(level("level=\"3\""), Some(3));
    assert_eq!(level("\"level=4\""), Some(4));
    assert_eq!(level("level=+5\0 level=6"), Some(5));
    let path = |text: &str| parse(text).expect("a path").dictionary;
    assert_eq!(path("dict=\"/a b\" level=1").as_deref(), Some("/a b"));
    assert_eq!(path("\"dict=/a b\"").as_deref(), Some("/a b"));
    assert_eq!(path("dict=a=b").as_deref(), Some("a=b"));
    assert_eq!(path("dict=\"ä").as_deref(), Some("ä"));
}

#[test]
fn wrong_values() {
    let key = || "level".to_owned();
    for text in ["level", "level=", "level=\"\"", "\"level\""] {
        assert!(matches!(parse(text), Err(ParamsError::NoValue { .. })), "{text:?}");
    }
    for text in ["level=x", "level=0x1", "level=1.5", "level=--1", "level=-", "level=1a"] {
        assert_eq!(parse(text), Err(ParamsError::NotANumber { key: key() }), "{text:?}");
    }
    for text in ["level=2147483648", "level=-2147483649", "level=99999999999999999999"] {
        assert_eq!(parse(text), Err(ParamsError::TooLarge { key: key() }), "{text:?}");
    }
    let error = parse("priority=x").expect_err("no number").to_string();
    assert_eq!(error, "the value of priority is not a decimal number");
}

fn built(text: &str) -> Result<CompressorBuilder, ParamsError> {
    parse(text).expect("parameters").builder(Algorithm::Lz4, None)
}

#[test]
fn names_of_the_kernel_and_ours() {
    let chosen = |text: &str| built(text).map(|builder| builder.build().map(|c| c.algorithm()));
    assert_eq!(chosen(""), Ok(Ok(Algorithm::Lz4)));
    assert_eq!(chosen("algo=lzo"), Ok(Ok(Algorithm::Lzo)));
    assert_eq!(chosen("algo=wm priority=1"), Ok(Ok(Algorithm::Wm)));
    for missing in ["842", "lzo-rle"] {
        let text = alloc::format!("algo={missing}");
        assert!(
            matches!(chosen(&text), Err(ParamsError::NotOffered { name, .. }) if name == missing)
        );
    }
    for unknown in ["LZ4", "zstd:3", "gzip"] {
        let error = Err(ParamsError::UnknownAlgorithm { name: unknown.to_owned() });
        assert_eq!(chosen(&alloc::format!("algo={unknown}")), error);
    }
}

#[test]
fn parameters_without_effect_are_refused() {
    for (text, refused) in [
        ("algo=lzo level=1", "level"),
        ("algo=lz4 level=2", "level"),
        ("algo=wm level=1", "level"),
        ("algo=lz4 deflate.winbits=-15", "deflate.winbits"),
        ("algo=deflate deflate.winbits=-11", "deflate.winbits"),
        ("algo=deflate deflate.winbits=15", "deflate.winbits"),
    ] {
        let is_refused = |key| key == refused;
        let error = built(text).map(|_| ());
        assert!(
            matches!(error, Err(ParamsError::NotTaken { key, .. }) if is_refused(key)),
            "{text}"
        );
    }
    for taken in ["algo=lz4 level=1", "algo=deflate deflate.winbits=-12 level=-1"] {
        assert!(built(taken).is_ok(), "{taken}");
    }
}

#[test]
fn a_dictionary_needs_its_bytes() {
    let builder =
        |text: &str, bytes| parse(text).expect("parameters").builder(Algorithm::Lz4, bytes);
    let bytes = Some(&[7; 100][..]);
    assert_eq!(builder("algo=zstd dict=/d", None).map(|_| ()), Err(ParamsError::Dictionary));
    assert_eq!(builder("algo=zstd", bytes).map(|_| ()), Err(ParamsError::Dictionary));
    assert!(builder("algo=zstd dict=/d", bytes).is_ok());
    let refused = builder("algo=lz4 dict=/d", bytes).map(|_| ());
    assert!(matches!(refused, Err(ParamsError::NotTaken { key: "dict", .. })));
}

#[cfg(feature = "std")]
#[test]
fn levels_reach_the_codec() {
    let level = |text: &str| built(text).map(|builder| builder.build().err());
    for taken in ["zstd level=8", "zstd level=-7", "lz4hc level=16", "deflate level=9"] {
        assert_eq!(level(&alloc::format!("algo={taken}")), Ok(None), "{taken}");
    }
    for refused in ["zstd level=23", "lz4hc level=17", "lz4hc level=0", "deflate level=0"] {
        let error = level(&alloc::format!("algo={refused}"));
        assert!(matches!(error, Ok(Some(crate::Error::Level { .. }))), "{refused}: {error:?}");
    }
}

#[test]
fn the_table_tells_the_truth() {
    use crate::compat::KERNEL_ALGORITHMS;

    for known in KERNEL_ALGORITHMS {
        assert_eq!(find(known.name), Some(&known));
        let default = known.levels.map(|levels| levels.default);
        let params =
            Params { algorithm: Some(known.name.to_owned()), level: default, ..Params::default() };
        let Some(ours) = known.ours else {
            assert!(params.builder(Algorithm::Lz4, None).is_err());
            continue;
        };
        assert_eq!(ours.name(), known.name);
        let built = params.builder(Algorithm::Wm, None).expect("the default level").build();
        if cfg!(feature = "std") {
            assert_eq!(built.expect("the default level").algorithm(), ours);
        }
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "[ \"=\\n\u{e4}a-z0-9.\\-]{0,60}") {
        if let Ok(params) = parse(&text) {
            prop_assert!(params.dictionary.is_none_or(|path| !path.is_empty()));
        }
    }

    #[test]
    fn numbers_are_read_back(level in any::<i32>(), bits in any::<i32>()) {
        let params = parse(&alloc::format!("deflate.winbits={bits} level={level}"));
        let expect = Params { level: Some(level), winbits: Some(bits), ..Params::default() };
        prop_assert_eq!(params, Ok(expect));
    }
}
