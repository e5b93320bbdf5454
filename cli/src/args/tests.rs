use proptest::prelude::*;

use super::*;

fn read(line: &str) -> Result<Invocation> {
    let words = line.split_whitespace().map(|word| OsString::from(word.replace('_', " ")));
    parse(words, "zramctl", ".", Ordering::Permute)
}

fn command(line: &str) -> Command {
    read(line).unwrap_or_else(|failure| panic!("{line}: {failure}")).command
}

fn refusal(line: &str) -> String {
    match read(line) {
        Ok(invocation) => panic!("{line}: {invocation:?}"),
        Err(failure) => String::from_utf8(failure.message).expect("text"),
    }
}

fn setup(line: &str) -> Setup {
    match command(line) {
        Command::Create(_, setup, _) => setup,
        other => panic!("{line}: {other:?}"),
    }
}

fn view(line: &str) -> View {
    match command(line) {
        Command::Status(_, view) => view,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn what_is_meant() {
    assert!(matches!(command(""), Command::Status(Shown::All(None), _)));
    assert!(matches!(command("zram0 -n"), Command::Status(Shown::One(name), _) if name == "zram0"));
    assert_eq!(command("-f"), Command::Find(None));
    assert_eq!(command("--kind ublk -f"), Command::Find(Some(Kind::Ublk)));
    assert!(matches!(command("-fs1G"), Command::Create(Target::Free(None), _, None)));
    let kernel = command("-fs1G --kind=kernel");
    assert!(matches!(kernel, Command::Create(Target::Free(Some(Kind::Kernel)), _, None)));
    assert!(matches!(command("--kind ublk"), Command::Status(Shown::All(Some(Kind::Ublk)), _)));
    let named = command("--size=1G zram3");
    assert!(matches!(named, Command::Create(Target::Named(name), _, None) if name == "zram3"));
    let shown = command("-f -s 1G --json");
    assert!(matches!(shown, Command::Create(_, _, Some(view)) if view.form == Form::Json));
    assert_eq!(command("--help --nonsense"), Command::Help);
    assert_eq!(command("-V"), Command::Version);
    let devices = vec!["a".into(), "b".into()];
    assert_eq!(command("-r a b"), Command::Reset { devices: devices.clone(), force: false });
    assert_eq!(
        command("a --idle=60 --writeback b"),
        Command::Act(
            devices,
            vec![
                Action::Idle(Idle::OlderThan { seconds: 60 }),
                Action::Writeback(b"idle".to_vec())
            ]
        )
    );
    assert_eq!(
        command("--mem-limit 1M z"),
        Command::Act(vec!["z".into()], vec![Action::MemLimit(1 << 20)])
    );
}

#[test]
fn what_is_refused_and_in_which_words() {
    let combined =
        "options --algorithm, --algorithm-params, and --streams must be combined with --size";
    for (line, message) in [
        ("-s 1x zram0", "failed to parse size: '1x': Invalid argument"),
        ("-s 17E zram0", "failed to parse size: '17E': Numerical result out of range"),
        ("-t x", "failed to parse streams: 'x'"),
        ("-t 1_", "failed to parse streams: '1 '"),
        ("-t -4", "failed to parse streams: '-4': Numerical result out of range"),
        (
            "-t 18446744073709551616",
            "failed to parse streams: '18446744073709551616': Numerical result out of range",
        ),
        ("-a lz4", combined),
        ("-t 2 zram0", combined),
        ("-p level=1 -f", combined),
        ("-f zram0", "option --find is mutually exclusive with <device>"),
        ("zram0 zram1", "only one <device> at a time is allowed"),
        ("-s 1M zram0 zram1", "only one <device> at a time is allowed"),
        ("-f -r", "options --find and --reset cannot be combined"),
        ("-r -s 1M", "options --reset and --size cannot be combined"),
        ("-o NAME -f", "options --output and --find cannot be combined"),
        ("-o NAME -s 1M", "options --output and --size cannot be combined"),
        ("-r", "no device specified"),
        ("-s 1M", "no device specified"),
        ("--compact", "no device specified"),
        ("-o NAME,FOO,DATA", "unknown column: FOO,DATA"),
        ("-o NAME,", "unknown column: NAME,"),
        ("--nonsense", "unrecognized option '--nonsense'"),
        ("--backing-dev /dev/x zram0", "option --backing-dev must be combined with --size"),
        ("--swap zram0", "option --swap must be combined with --size"),
        ("-f -s 1M --swap=32768", "--swap=32768: the priority is 0 to 32767"),
        ("-f -s 1M --compact", "option --compact does not go with --size"),
        ("-r --idle zram0", "option --idle does not go with --reset"),
        ("-r --mem-limit 1M zram0", "option --mem-limit does not go with --reset"),
        ("-r --backing-dev x zram0", "option --backing-dev does not go with --reset"),
        ("-r --writeback-limit 1M zram0", "option --writeback-limit does not go with --reset"),
        (
            "-r --recompress-algorithm zstd zram0",
            "option --recompress-algorithm does not go with --reset",
        ),
        ("-r --swap zram0", "option --swap does not go with --reset"),
        ("-f -s 1M --json --dry-run", "option --json does not go with --dry-run"),
        ("-f -s 1M --json --raw", "options --raw and --json cannot be combined"),
        ("--force zram0", "--force goes with --reset only"),
        ("--dry-run", "--dry-run: nothing would be written"),
        ("--json --raw", "options --raw and --json cannot be combined"),
        ("--idle=x zram0", "--idle=x: not a number of seconds"),
        ("--color=x", "--color=x: auto, always or never"),
        (
            "-f -s 1M --recompress-algorithm a:4",
            "--recompress-algorithm a:4: the priority is 1, 2 or 3",
        ),
        (
            "-f -s 1M --recompress-algorithm :1",
            "--recompress-algorithm :1: not a name of an algorithm",
        ),
    ] {
        assert_eq!(refusal(line), message, "{line}");
    }
}

/// Where nothing is written, nobody would say that nothing is done.
#[test]
fn an_empty_value_of_an_option_of_ours_is_refused() {
    for row in crate::options::OPTIONS.iter().filter(|row| !row.stock && !row.value.is_empty()) {
        let line = match row.group {
            crate::options::Group::Live => format!("zram0 --{}=", row.long),
            _ => format!("-f -s 1M --{}=", row.long),
        };
        let message = refusal(&line);
        let says_which = message.starts_with(&format!("--{}", row.long))
            || message.starts_with("failed to parse ");
        assert!(says_which, "{line}: {message}");
    }
    assert_eq!(refusal("zram0 --writeback=type="), refusal("zram0 --writeback="));
    assert_eq!(refusal("zram0 --recompress=type="), refusal("zram0 --recompress="));
}

#[test]
fn set_up_options() {
    assert_eq!(setup("-f -s 1M -t 0").streams, None, "0 is what zramctl starts from");
    assert_eq!(setup("-f -s 1M -t _+4").streams, Some(4));
    assert_eq!(setup("-f -s 1M -s 2M").disksize, 2 << 20, "the last one counts");
    assert_eq!(setup("-f -s 1M --writeback-limit 9000").writeback_limit, Some(2));
    assert_eq!(setup("-f -s 1M --swap").swap, Some(SwapOn { priority: None }));
    assert_eq!(setup("-f -s 1M --swap=7").swap, Some(SwapOn { priority: Some(7) }));
    assert_eq!(setup("-f -s 1M -p a=1_b=2 -p c=3").params, ["a=1 b=2", "c=3"]);
    let line = "-f -s 1M --recompress-algorithm lz4:2 --recompress-algorithm zstd --recompress-algorithm x";
    let expect = [("lz4", 2), ("zstd", 1), ("x", 3)].map(|(name, prio)| (name.to_owned(), prio));
    assert_eq!(setup(line).recompress, expect);
    assert!(refusal(&format!("{line} --recompress-algorithm y")).contains("all are taken"));
}

#[test]
fn views() {
    assert_eq!(view("").columns, DEFAULT);
    assert_eq!(view("-o name,Comp-Ratio,NAME").columns, [Col::Name, Col::CompRatio, Col::Name]);
    assert_eq!(view("-o +PRIO").columns.last(), Some(&Col::Prio));
    assert_eq!(view("--output-all -o DATA").columns, [Col::Data]);
    assert_eq!(view("--output-all -o +DATA").columns.len(), COLUMNS.len() + 1);
    assert_eq!(view("--json").columns.len(), COLUMNS.len());
    assert_eq!(view("-J -o DATA").columns, [Col::Data]);
    assert_eq!(
        (view("--raw -bn").form, view("-b").bytes, view("-n").headings),
        (Form::Raw, true, false)
    );
}

#[test]
fn requests_are_passed_on_as_the_kernel_reads_them() {
    let requests = |line: &str| match command(line) {
        Command::Act(_, actions) => actions,
        other => panic!("{other:?}"),
    };
    for (line, action) in [
        ("--recompress z", Action::Recompress(b"\n".to_vec())),
        ("--recompress=huge z", Action::Recompress(b"type=huge".to_vec())),
        (
            "--recompress=algo=zstd_threshold=3000 z",
            Action::Recompress(b"algo=zstd threshold=3000".to_vec()),
        ),
        ("--writeback=huge z", Action::Writeback(b"huge".to_vec())),
        ("--writeback=type=huge z", Action::Writeback(b"huge".to_vec())),
        ("--writeback=type=huge_x z", Action::Writeback(b"type=huge x".to_vec())),
        ("--writeback=page_index=1 z", Action::Writeback(b"page index=1".to_vec())),
        ("--idle z", Action::Idle(Idle::All)),
        ("--idle=all z", Action::Idle(Idle::All)),
    ] {
        assert_eq!(requests(line), [action], "{line}");
    }
}

proptest! {
    /// Whatever is typed is understood or refused with words; nothing panics.
    #[test]
    fn no_command_line_panics(words in proptest::collection::vec(any::<Vec<u8>>(), 0..6)) {
        let words = words.into_iter().map(OsString::from_vec);
        if let Err(failure) = parse(words, "zramctl", ".", Ordering::Permute) {
            prop_assert!(!failure.message.is_empty());
        }
    }

    #[test]
    fn no_plausible_command_line_panics(
        words in proptest::collection::vec("--?[a-z-]{1,12}(=[A-Za-z0-9:+,=-]{0,8})?|[0-9.]{1,6}[KMG]?|zram[0-9]", 0..8)
    ) {
        if let Err(failure) = parse(words.into_iter().map(OsString::from), "zramctl", ".", Ordering::Permute) {
            prop_assert!(!failure.message.is_empty());
        }
    }
}
