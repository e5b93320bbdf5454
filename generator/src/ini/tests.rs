use ini::Ini;
use proptest::prelude::*;

use super::*;

fn entry(line: usize, key: &str, value: &str) -> Item {
    Item { line, what: What::Entry { key: key.to_owned(), value: value.to_owned() } }
}

fn section(line: usize, name: &str) -> Item {
    Item { line, what: What::Section(name.to_owned()) }
}

#[test]
fn sections_entries_and_lines() {
    let text = "set!a = echo 1\n\n# comment\n[ zram0 ]\nzram-size: ram / 2 # not one\n\noptions=\n";
    assert_eq!(
        read(text),
        [
            entry(1, "set!a", "echo 1"),
            section(4, "zram0"),
            entry(5, "zram-size", "ram / 2 # not one"),
            entry(7, "options", ""),
        ]
    );
}

#[test]
fn quotes_and_escapes() {
    for (text, value) in [
        (r#"k="a b" c"#, "a b c"),
        ("k='a\n  b'", "a\n  b"),
        (r"k=a\tb\x0041\\", "a\tbA\\"),
        ("k=a \\\n b", "a  b"),
        (r#"k=a "b""#, r#"a "b""#),
        ("k=\nl=1", ""),
        ("k=v", "v"),
    ] {
        assert_eq!(read(text).first(), Some(&entry(1, "k", value)), "{text:?}");
    }
}

#[test]
fn a_line_without_a_delimiter_becomes_part_of_the_next_key() {
    assert_eq!(
        read("[zram0]\nnonsense\nzram-size=1"),
        [section(1, "zram0"), entry(2, "nonsense\nzram-size", "1"),]
    );
}

fn is_fault(what: &What) -> bool {
    matches!(what, What::Fault(_) | What::BadSection(_))
}

#[test]
fn reading_goes_on_behind_a_fault() {
    let faults = |text: &str| -> Vec<_> {
        let items = read(text).into_iter();
        items.filter(|item| is_fault(&item.what)).map(|item| item.line).collect()
    };
    for (text, lines, items) in [
        ("[zram0]\nk=\"v\na=1\nb=2\n", vec![2], 4),
        ("a=\\x00zz\nb=1", vec![1], 2),
        ("=1\nb=1", vec![1], 2),
        ("b=1\nrest", vec![2], 2),
        ("b=1\n[zram0\nk=1", vec![2], 3),
        ("[a\\xzz]\nk=1\n[b]\n", vec![1], 3),
        ("b=1\\", vec![1], 1),
    ] {
        assert_eq!(faults(text), lines, "{text:?}");
        assert_eq!(read(text).len(), items, "{text:?}");
    }
}

#[test]
fn large_files_take_no_longer_than_they_must() {
    let start = std::time::Instant::now();
    for text in ["a\n", "[\n", "a=\"\n", "a=1\n", "#\n", "[zram0]\n", "\\", " "] {
        let items = read(&text.repeat((1 << 18) / text.len()));
        let faults = items.iter().filter(|item| is_fault(&item.what)).count();
        assert!(faults <= MOST_FAULTS + 1, "{text:?}");
    }
    let line = format!("k={}", "x".repeat(1 << 20));
    assert_eq!(read(&line).len(), 1);
    // Many times what it takes; without a bound it would be hours.
    assert!(start.elapsed().as_secs() < 60);
}

#[test]
fn indented_comments_are_told_from_others() {
    let items = read("# a\n  # b\n[zram0] ; c\nk=1\n");
    let comments: Vec<_> = items.iter().filter(|item| item.what == What::IndentedComment).collect();
    assert_eq!(comments.iter().map(|item| item.line).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(items.len(), 4);
}

/// What rust-ini makes of it, as a flat list. None: it refuses the file.
fn reference(text: &str) -> Option<Vec<What>> {
    let ini = Ini::load_from_str(text).ok()?;
    let mut found = Vec::new();
    for (name, entries) in ini.iter() {
        found.extend(name.map(|name| What::Section(name.to_owned())));
        found.extend(
            entries
                .iter()
                .map(|(key, value)| What::Entry { key: key.to_owned(), value: value.to_owned() }),
        );
    }
    Some(found)
}

/// Pieces from which the interesting files are made.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec![
            "\n", "\n\n", "\r\n", " ", "\t", "=", ":", "[", "]", "[zram0]\n", "[zram1]", "#", ";",
            "# c\n", "\"", "'", "\\", "\\\n", "\\x", "\\x0041", "\\n", "k", "key = value\n", "a=b",
            "zram-size = ram / 2\n", "\u{a0}", "\u{2028}", "ż", "\0",
        ]).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn the_same_as_rust_ini(pieces in prop::collection::vec(piece(), 0..24)) {
        let text = pieces.concat();
        let ours: Vec<_> = read(&text).into_iter().map(|item| item.what).collect();
        let refused = |what: &What| is_fault(what) || *what == What::IndentedComment;
        match reference(&text) {
            Some(theirs) => prop_assert_eq!(ours, theirs),
            None => prop_assert!(ours.iter().any(refused), "rust-ini refuses {:?}", text),
        }
    }
}
