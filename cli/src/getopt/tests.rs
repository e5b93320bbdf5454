use super::*;
use proptest::prelude::*;
use std::process::Command;

#[path = "../../../tests/skip.rs"]
mod skip;

/// The options of stock zramctl in its own order, which shows in messages, then some of ours. The
/// ids are the long names.
const TABLE: &[Spec<&str>] = &[
    stock('a', "algorithm", Argument::Required),
    stock('b', "bytes", Argument::None),
    stock('f', "find", Argument::None),
    stock('h', "help", Argument::None),
    stock('o', "output", Argument::Required),
    Spec { short: None, ..stock(' ', "output-all", Argument::None) },
    stock('n', "noheadings", Argument::None),
    stock('r', "reset", Argument::None),
    Spec { short: None, ..stock(' ', "raw", Argument::None) },
    stock('s', "size", Argument::Required),
    stock('t', "streams", Argument::Required),
    stock('V', "version", Argument::None),
    ours(Some('i'), "idle", Argument::Optional),
    ours(None, "recompress", Argument::Required),
    ours(None, "sysroot", Argument::Required),
    ours(None, "sys-compat", Argument::None),
    ours(None, "find-all", Argument::None),
];

const fn stock(short: char, long: &'static str, argument: Argument) -> Spec<&'static str> {
    Spec { id: long, short: Some(short), long, argument, stock: true }
}

const fn ours(short: Option<char>, long: &'static str, argument: Argument) -> Spec<&'static str> {
    Spec { id: long, short, long, argument, stock: false }
}

/// Options with their values, and operands.
type Outcome = (Vec<(&'static str, Option<OsString>)>, Vec<OsString>);

fn parse(
    table: &[Spec<&'static str>],
    args: &[OsString],
    ordering: Ordering,
) -> Result<Outcome, Error> {
    let mut scanner = Scanner::new(table, args.iter().cloned(), ordering);
    let options = scanner
        .by_ref()
        .map(|option| option.map(|parsed| (parsed.id, parsed.value)))
        .collect::<Result<_, _>>()?;
    Ok((options, scanner.into_operands()))
}

fn words(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(OsString::from).collect()
}

/// Shows an outcome as `name name=value | operand operand`.
fn show(outcome: &Outcome) -> String {
    let options = outcome.0.iter().map(|(name, value)| match value {
        Some(value) => format!("{name}={}", value.display()),
        None => (*name).to_owned(),
    });
    let operands = outcome.1.iter().map(|operand| operand.display().to_string());
    options.chain(["|".to_owned()]).chain(operands).collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn check(line: &str, expected: &str) {
    let outcome = parse(TABLE, &words(line), Ordering::Permute);
    assert_eq!(outcome.map(|outcome| show(&outcome)), Ok(expected.to_owned()), "{line}");
}

#[track_caller]
fn check_error(line: &str, expected: &str) {
    let error = parse(TABLE, &words(line), Ordering::Permute).unwrap_err();
    assert_eq!(error.to_string(), expected, "{line}");
    assert_eq!(error.message(), expected.as_bytes(), "{line}");
}

#[test]
fn nothing() {
    check("", "|");
    check("--", "|");
}

#[test]
fn values_of_long_options() {
    check("--size=1G", "size=1G |");
    check("--size 1G", "size=1G |");
    check("--size=", "size= |");
    check("--size=a=b", "size=a=b |");
    check("--size --raw", "size=--raw |");
    check("--size -- x", "size=-- | x");
}

#[test]
fn values_of_short_options() {
    check("-s1G", "size=1G |");
    check("-s 1G", "size=1G |");
    check("-s=1G", "size==1G |");
    check("-s -b", "size=-b |");
    check("-s -- x", "size=-- | x");
}

#[test]
fn bundles() {
    check("-bn", "bytes noheadings |");
    check("-bs1G", "bytes size=1G |");
    check("-bs 1G", "bytes size=1G |");
    check("-bsn", "bytes size=n |");
    check("-bi7", "bytes idle=7 |");
}

#[test]
fn optional_values_are_attached() {
    check("--idle=30 x", "idle=30 | x");
    check("--idle 30", "idle | 30");
    check("--idle=", "idle= |");
    check("-i30", "idle=30 |");
    check("-i 30", "idle | 30");
}

#[test]
fn operands_between_options() {
    check("x -b y --raw z", "bytes raw | x y z");
    check("x -b -- --raw -n", "bytes | x --raw -n");
    check("- -b", "bytes | -");
    check("-b -- -- x", "bytes | -- x");
}

#[test]
fn posixly_correct_stops_at_the_first_operand() {
    let outcome = parse(TABLE, &words("-b -s 1G x -n -- y"), Ordering::PosixlyCorrect).unwrap();
    assert_eq!(show(&outcome), "bytes size=1G | x -n -- y");
    let outcome = parse(TABLE, &words("-b -- x -n"), Ordering::PosixlyCorrect).unwrap();
    assert_eq!(show(&outcome), "bytes | x -n");
    let outcome = parse(TABLE, &words("- -n"), Ordering::PosixlyCorrect).unwrap();
    assert_eq!(show(&outcome), "| - -n");
}

#[test]
fn unique_prefixes() {
    check("--res --si=1 --h", "reset size=1 help |");
    check("--output-", "output-all |");
    check("--sysr=/x", "sysroot=/x |");
    check("--idl", "idle |");
}

#[test]
fn an_exact_name_beats_longer_ones() {
    check("--output NAME", "output=NAME |");
    check("--find --find-all", "find find-all |");
}

#[test]
fn stock_options_win_abbreviations() {
    // --re is also a prefix of our --recompress, --fin of --find-all.
    check("--re --fin", "reset find |");
    check("--rec=zstd", "recompress=zstd |");
    check_error("--s", "option '--s' is ambiguous; possibilities: '--size' '--streams'");
    check_error(
        "--sys=1",
        "option '--sys=1' is ambiguous; possibilities: '--sysroot' '--sys-compat'",
    );
}

#[test]
fn complaints() {
    check_error("--foo", "unrecognized option '--foo'");
    check_error("--foo=1", "unrecognized option '--foo=1'");
    check_error("---raw", "unrecognized option '---raw'");
    check_error("-x", "invalid option -- 'x'");
    check_error("-bx", "invalid option -- 'x'");
    check_error("-b-", "invalid option -- '-'");
    check_error("-:", "invalid option -- ':'");
    check_error("-s", "option requires an argument -- 's'");
    check_error("--size", "option '--size' requires an argument");
    check_error("--siz", "option '--size' requires an argument");
    check_error("--find=x", "option '--find' doesn't allow an argument");
    check_error("--fi=", "option '--find' doesn't allow an argument");
    check_error("--out", "option '--out' is ambiguous; possibilities: '--output' '--output-all'");
    check_error(
        "--=",
        "option '--=' is ambiguous; possibilities: '--algorithm' '--bytes' '--find' '--help' \
         '--output' '--output-all' '--noheadings' '--reset' '--raw' '--size' '--streams' \
         '--version'",
    );
}

#[test]
fn a_letter_beyond_ascii_is_not_found_by_half_of_its_bytes() {
    let table = [stock('\u{c3}', "odd", Argument::None)];
    let error = parse(&table, &words("-\u{c3}"), Ordering::Permute).unwrap_err();
    assert_eq!(error, Error::InvalidShort(0xc3));
}

#[test]
fn options_before_an_error_are_seen_first() {
    let mut scanner = Scanner::new(TABLE, words("--version --nonsense"), Ordering::Permute);
    assert_eq!(scanner.next(), Some(Ok(Parsed { id: "version", value: None })));
    assert_eq!(scanner.next(), Some(Err(Error::Unrecognized("--nonsense".into()))));
}

#[test]
fn arguments_need_not_be_utf8() {
    let bytes = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    let args = [bytes(b"/dev/\xff"), bytes(b"--size=\xfe"), bytes(b"-a\xfd"), bytes(b"-s")];
    let args = [&args[..], &[bytes(b"\xfc")]].concat();
    let (options, operands) = parse(TABLE, &args, Ordering::Permute).unwrap();
    let values = options.into_iter().map(|(_, value)| value.unwrap()).collect::<Vec<_>>();
    assert_eq!(values, [bytes(b"\xfe"), bytes(b"\xfd"), bytes(b"\xfc")]);
    assert_eq!(operands, [bytes(b"/dev/\xff")]);

    let message =
        |arg: &[u8]| parse(TABLE, &[bytes(arg)], Ordering::Permute).unwrap_err().message();
    assert_eq!(message(b"--f\xff"), b"unrecognized option '--f\xff'");
    assert_eq!(message("-\u{e9}".as_bytes()), b"invalid option -- '\xc3'");
    assert_eq!(
        message(b"--o=\xff"),
        [&b"option '--o=\xff' is ambiguous; "[..], b"possibilities: '--output' '--output-all'",]
            .concat()
    );
}

/// An argument that is likely to mean something, alone or after the one before it.
fn any_arg() -> impl Strategy<Value = OsString> {
    let long_name = prop::sample::select(TABLE).prop_map(|spec| spec.long);
    let long = (long_name, 0..12_usize, prop::sample::select(&["", "=", "=1G", "=-b", "= '"][..]))
        .prop_map(|(name, length, value)| format!("--{}{value}", &name[..length.min(name.len())]));
    let bundle = prop::collection::vec(prop::sample::select(&b"abfhonrstViisx=-: "[..]), 0..5)
        .prop_map(|letters| [&b"-"[..], &letters].concat());
    let odd = prop::sample::select(
        &["", "-", "--", "---", "x", "/dev/zram0", "1G", "--foo", "it's", "a b", "=", "\\"][..],
    );
    let bytes = prop::collection::vec(1..=u8::MAX, 0..6);
    prop_oneof![
        6 => long.prop_map(String::into_bytes),
        4 => bundle,
        4 => odd.prop_map(|arg| arg.as_bytes().to_vec()),
        1 => bytes,
    ]
    .prop_map(OsString::from_vec)
}

fn any_argv() -> impl Strategy<Value = Vec<OsString>> {
    prop::collection::vec(any_arg(), 0..6)
}

fn any_ordering() -> impl Strategy<Value = Ordering> {
    prop::sample::select(&[Ordering::Permute, Ordering::PosixlyCorrect][..])
}

const GETOPT: &str = "/usr/bin/getopt";

/// What GNU `getopt_long` makes of `args`, or its first complaint.
fn gnu_getopt(
    table: &[Spec<&'static str>],
    args: &[OsString],
    ordering: Ordering,
) -> Result<Outcome, Vec<u8>> {
    let colons = |argument| match argument {
        Argument::None => "",
        Argument::Required => ":",
        Argument::Optional => "::",
    };
    let short = table.iter().filter_map(|s| Some(format!("{}{}", s.short?, colons(s.argument))));
    let long = table.iter().map(|s| format!("{}{}", s.long, colons(s.argument)));

    let mut command = Command::new(GETOPT);
    command.args(["--name", "name", "--options", &short.collect::<String>()]);
    command.args(["--longoptions", &long.collect::<Vec<_>>().join(","), "--"]).args(args);
    command.env("LC_ALL", "C").env_remove("POSIXLY_CORRECT");
    if ordering == Ordering::PosixlyCorrect {
        command.env("POSIXLY_CORRECT", "1");
    }
    let output = command.output().unwrap();
    if !output.status.success() {
        // The quoted argument may contain a line feed, so the end of the line proves nothing.
        return Err(output.stderr.strip_prefix(b"name: ").unwrap().to_vec());
    }

    // Options are bare words, values and operands quoted ones.
    let mut outcome = (Vec::new(), Vec::new());
    let mut only_operands = false;
    for (quoted, word) in unquote(&output.stdout) {
        let word = OsString::from_vec(word);
        if only_operands {
            outcome.1.push(word);
        } else if quoted {
            let (name, value): &mut (&str, Option<OsString>) = outcome.0.last_mut().unwrap();
            // Printed as '' both when empty and when missing.
            let optional = table.iter().any(|s| s.id == *name && s.argument == Argument::Optional);
            *value = (!optional || !word.is_empty()).then_some(word);
        } else if word == "--" {
            only_operands = true;
        } else {
            let is_it = |s: &&Spec<_>| {
                s.short.is_some_and(|short| word == *format!("-{short}"))
                    || word == *format!("--{}", s.long)
            };
            outcome.0.push((table.iter().find(is_it).unwrap().id, None));
        }
    }
    Ok(outcome)
}

/// Splits shell words, each with whether it was quoted.
fn unquote(line: &[u8]) -> Vec<(bool, Vec<u8>)> {
    let mut words = Vec::new();
    let mut word: Option<(bool, Vec<u8>)> = None;
    let mut inside = false;
    let mut bytes = line.strip_suffix(b"\n").unwrap().iter();
    while let Some(&byte) = bytes.next() {
        if byte == b' ' && !inside {
            words.extend(word.take());
            continue;
        }
        let (quoted, text) = word.get_or_insert_default();
        match byte {
            b'\'' => {
                inside = !inside;
                *quoted = true;
            }
            b'\\' if !inside => text.push(*bytes.next().unwrap()),
            _ => text.push(byte),
        }
    }
    words.extend(word);
    words
}

/// Drops the difference between an empty and a missing optional value, which getopt(1) hides.
fn as_printed_by_getopt(mut outcome: Outcome) -> Outcome {
    for (name, value) in &mut outcome.0 {
        if *name == "idle" {
            value.take_if(|value| value.is_empty());
        }
    }
    outcome
}

fn skip_without_getopt() -> bool {
    let missing = !std::path::Path::new(GETOPT).exists();
    if missing {
        skip::skip(&format!("there is no {GETOPT} to compare with"));
    }
    missing
}

#[test]
fn agrees_with_getopt_long() {
    if skip_without_getopt() {
        return;
    }
    // All rows stock, since GNU knows no precedence.
    let mut table = TABLE.to_vec();
    for spec in &mut table {
        spec.stock = true;
    }
    proptest!(|(args in any_argv(), ordering in any_ordering())| {
        match (parse(&table, &args, ordering), gnu_getopt(&table, &args, ordering)) {
            (Ok(ours), Ok(gnu)) => prop_assert_eq!(as_printed_by_getopt(ours), gnu),
            (Err(ours), Err(gnu)) => {
                let line = [&ours.message()[..], b"\n"].concat();
                prop_assert!(gnu.starts_with(&line), "{} {}", ours, String::from_utf8_lossy(&gnu));
            }
            (ours, gnu) => prop_assert!(false, "ours: {:?}\nGNU: {:?}", ours, gnu),
        }
    });
}

#[test]
fn what_stock_zramctl_accepts_means_the_same_with_our_options_added() {
    if skip_without_getopt() {
        return;
    }
    let stock = TABLE.iter().filter(|spec| spec.stock).copied().collect::<Vec<_>>();
    proptest!(|(args in any_argv(), ordering in any_ordering())| {
        if let Ok(gnu) = gnu_getopt(&stock, &args, ordering) {
            prop_assert_eq!(parse(TABLE, &args, ordering), Ok(gnu));
        }
    });
}

proptest! {
    #[test]
    fn any_argv_is_parsed_or_refused(
        args in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..8), 0..8),
        ordering in any_ordering(),
    ) {
        let args = args.into_iter().map(OsString::from_vec).collect::<Vec<_>>();
        match parse(TABLE, &args, ordering) {
            Ok((options, operands)) => {
                prop_assert!(operands.iter().all(|operand| args.contains(operand)));
                for (name, value) in options {
                    let spec = TABLE.iter().find(|spec| spec.id == name).unwrap();
                    match spec.argument {
                        Argument::None => prop_assert_eq!(value, None),
                        Argument::Required => prop_assert!(value.is_some()),
                        Argument::Optional => {}
                    }
                }
            }
            Err(error) => prop_assert!(!error.message().is_empty()),
        }
    }

    #[test]
    fn a_scanner_goes_on_after_an_error_and_ends(args in any_argv()) {
        let length = args.iter().map(|arg| arg.len() + 1).sum::<usize>();
        let scanner = Scanner::new(TABLE, args, Ordering::Permute);
        prop_assert!(scanner.count() <= length);
    }
}
