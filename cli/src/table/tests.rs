//! The expected outputs were printed by libsmartcols 2.38.1, given the same columns and cells and
//! the flags and width hints of zramctl.

use super::*;
use proptest::prelude::*;
use unicode_width::UnicodeWidthChar;

const NAME: Column = left("NAME", WidthHint::TerminalPart(4));
const DISKSIZE: Column = right("DISKSIZE", WidthHint::Cells(5));
const DATA: Column = right("DATA", WidthHint::Cells(5));
const COMPR: Column = right("COMPR", WidthHint::Cells(5));
const ALGORITHM: Column = left("ALGORITHM", WidthHint::Cells(3));
const STREAMS: Column = right("STREAMS", WidthHint::Cells(3));
const TOTAL: Column = right("TOTAL", WidthHint::Cells(5));
const MOUNTPOINT: Column =
    Column { truncate: true, ..left("MOUNTPOINT", WidthHint::TerminalPart(10)) };

/// The columns zramctl prints when not asked for others.
const DEFAULT: &[Column] = &[NAME, ALGORITHM, DISKSIZE, DATA, COMPR, TOTAL, STREAMS, MOUNTPOINT];

const fn left(name: &'static str, hint: WidthHint) -> Column {
    Column { name, align: Align::Left, truncate: false, hint }
}

const fn right(name: &'static str, hint: WidthHint) -> Column {
    Column { name, align: Align::Right, truncate: false, hint }
}

const UTF8: Charset = Charset::Utf8(<char as UnicodeWidthChar>::width);
const PIPE: Style<'_> =
    Style { raw: false, header: true, terminal_width: None, charset: UTF8, header_sgr: None };
const RAW: Style<'_> = Style { raw: true, ..PIPE };
const ASCII: Style<'_> = Style { charset: Charset::Ascii, ..PIPE };

const fn terminal(width: usize) -> Style<'static> {
    Style { terminal_width: Some(width), ..PIPE }
}

fn print(table: &Table, style: &Style<'_>) -> String {
    let mut out = Vec::new();
    table.write(&mut out, style).unwrap();
    String::from_utf8(out).unwrap()
}

#[track_caller]
fn check<const N: usize>(
    style: &Style<'_>,
    columns: [Column; N],
    rows: &[[&[u8]; N]],
    expected: &[&str],
) {
    let rows = rows.iter().map(|row| row.map(<[u8]>::to_vec).to_vec()).collect();
    let table = Table { columns: columns.to_vec(), rows };
    let expected = expected.iter().flat_map(|line| [line, "\n"]).collect::<String>();
    let printed = print(&table, style);
    assert_eq!(printed, expected, "printed:\n{printed}\nexpected:\n{expected}");
}

#[test]
fn a_row_of_stock_zramctl() {
    let row: &[u8] = b"/dev/zram0,lzo-rle,64M,296K,293K,324K,,";
    let cells = row.split(|&byte| byte == b',').map(<[u8]>::to_vec).collect();
    let table = Table { columns: DEFAULT.to_vec(), rows: vec![cells] };
    let expected = "\
NAME       ALGORITHM DISKSIZE  DATA COMPR TOTAL STREAMS MOUNTPOINT
/dev/zram0 lzo-rle        64M  296K  293K  324K         \n";
    assert_eq!(print(&table, &PIPE), expected);
    let expected = "\
NAME ALGORITHM DISKSIZE DATA COMPR TOTAL STREAMS MOUNTPOINT
/dev/zram0 lzo-rle 64M 296K 293K 324K  \n";
    assert_eq!(print(&table, &RAW), expected);
}

#[test]
fn no_rows_print_nothing() {
    for style in [PIPE, RAW, terminal(80)] {
        check(&style, [NAME, DATA], &[], &[]);
    }
}

#[test]
fn missing_cells_are_empty_and_cells_beyond_the_columns_ignored() {
    let short = Table { columns: vec![NAME, DATA, DATA], rows: vec![vec![b"x".to_vec()]] };
    assert_eq!(print(&short, &PIPE), "NAME DATA DATA\nx         \n");
    assert_eq!(print(&short, &RAW), "NAME DATA DATA\nx  \n");
    let long = Table { columns: vec![NAME], rows: vec![vec![b"x".to_vec(); 3]] };
    assert_eq!(print(&long, &PIPE), "NAME\nx\n");
}

#[test]
fn width_hint_counts_once_a_cell_is_as_wide_as_the_heading() {
    check(
        &PIPE,
        [NAME, DATA, MOUNTPOINT],
        &[[b"/dev/zram0", b"0B", b""]],
        &["NAME       DATA MOUNTPOINT", "/dev/zram0   0B "],
    );
    check(
        &PIPE,
        [NAME, DATA, MOUNTPOINT],
        &[[b"/dev/zram0", b"296K", b"/x"], [b"/dev/zram1", b"", b""]],
        &["NAME        DATA MOUNTPOINT", "/dev/zram0  296K /x", "/dev/zram1       "],
    );
}

#[test]
fn heading_counts_for_the_width_even_when_not_printed() {
    let style = Style { header: false, ..PIPE };
    check(&style, [ALGORITHM, STREAMS, NAME], &[[b"lz4", b"4", b"u"]], &["lz4             4 u"]);
}

#[test]
fn a_right_aligned_last_column_is_padded_unless_empty() {
    check(
        &PIPE,
        [NAME, DATA],
        &[[b"/dev/zram0", b""], [b"/dev/zram1", b"123456789"], [b"", b"1"]],
        &["NAME            DATA", "/dev/zram0 ", "/dev/zram1 123456789", "                   1"],
    );
    check(&PIPE, [DATA], &[[b""]], &["DATA", ""]);
}

#[test]
fn unprintable_bytes_are_escaped() {
    let rows: &[[&[u8]; 2]] = &[
        [b"/mnt/a b\tc\\x\\y", b"z"],
        ["/mnt/\u{e9}\u{6f22}\u{5b57}\u{85}".as_bytes(), b"\xff\x01\xc3"],
    ];
    check(
        &PIPE,
        [MOUNTPOINT, NAME],
        rows,
        &[
            r"MOUNTPOINT           NAME",
            r"/mnt/a b\x09c\x5cx\y z",
            "/mnt/\u{e9}\u{6f22}\u{5b57}\\xc2\\x85   \\xff\\x01\\xc3",
        ],
    );
    check(
        &ASCII,
        [MOUNTPOINT, NAME],
        rows,
        &[
            r"MOUNTPOINT                                    NAME",
            r"/mnt/a b\x09c\x5cx\y                          z",
            r"/mnt/\xc3\xa9\xe6\xbc\xa2\xe5\xad\x97\xc2\x85 \xff\x01\xc3",
        ],
    );
    for charset in [UTF8, Charset::Ascii] {
        check(
            &Style { charset, ..RAW },
            [MOUNTPOINT, NAME],
            rows,
            &[
                r"MOUNTPOINT NAME",
                r"/mnt/a\x20b\x09c\x5cx\x5cy z",
                r"/mnt/\xc3\xa9\xe6\xbc\xa2\xe5\xad\x97\xc2\x85 \xff\x01\xc3",
            ],
        );
    }
}

#[test]
fn a_cell_of_no_width_is_empty() {
    check(
        &PIPE,
        [NAME, DATA, NAME],
        &[["\u{301}".as_bytes(), b"e\xcc\x81", b"\xcc\x81"]],
        &["NAME DATA NAME", "        e\u{301} "],
    );
}

#[test]
fn a_wide_terminal_changes_nothing() {
    for width in [25, 80, 100_000] {
        check(
            &terminal(width),
            [MOUNTPOINT, DATA, NAME],
            &[[b"/a", b"1", b"/dev/zram0"]],
            &["MOUNTPOINT DATA NAME", "/a            1 /dev/zram0"],
        );
    }
}

#[test]
fn the_mount_point_is_cut_first() {
    let row: &[[&[u8]; 3]] = &[[b"/dev/zram0", b"0B", b"/mnt/averylongmountpointname"]];
    check(
        &terminal(30),
        [NAME, DATA, MOUNTPOINT],
        row,
        &["NAME       DATA MOUNTPOINT", "/dev/zram0   0B /mnt/averylong"],
    );
    check(
        &PIPE,
        [NAME, DATA, MOUNTPOINT],
        row,
        &["NAME       DATA MOUNTPOINT", "/dev/zram0   0B /mnt/averylongmountpointname"],
    );
    check(
        &Style { raw: true, ..terminal(30) },
        [NAME, DATA, MOUNTPOINT],
        row,
        &["NAME DATA MOUNTPOINT", "/dev/zram0 0B /mnt/averylongmountpointname"],
    );
}

#[test]
fn a_name_that_does_not_fit_moves_the_rest_to_the_next_line() {
    let row: &[[&[u8]; 3]] = &[[b"/dev/zram0", b"0B", b"/mnt/averylongmountpointname"]];
    check(
        &terminal(22),
        [NAME, DATA, MOUNTPOINT],
        row,
        &["NAME   DATA MOUNTPOINT", "/dev/zram0", "         0B /mnt/avery"],
    );
    check(
        &terminal(22),
        [MOUNTPOINT, NAME, DATA],
        &[[b"/dev/zram0", b"/averylongname", b"2"]],
        &["MOUNTPOINT NAME   DATA", "/dev/zram0 /averylongname", "                     2"],
    );
}

#[test]
fn a_column_beyond_its_part_of_the_terminal_gives_way_before_others() {
    let backing = Column { truncate: true, ..left("BACKING", WidthHint::Cells(9)) };
    let row: &[[&[u8]; 3]] = &[[b"/dev/disk/by-id/0123", b"/mnt/0123456789", b"u"]];
    check(
        &terminal(40),
        [backing, MOUNTPOINT, NAME],
        row,
        &["BACKING              MOUNTPOINT     NAME", "/dev/disk/by-id/0123 /mnt/012345678 u"],
    );
    check(
        &terminal(34),
        [backing, MOUNTPOINT, NAME],
        row,
        &["BACKING            MOUNTPOINT NAME", "/dev/disk/by-id/01 /mnt/01234 u"],
    );
    // Nothing gets narrower than its heading, so lines may end up too long.
    check(
        &terminal(10),
        [backing, MOUNTPOINT, NAME],
        row,
        &["BACKING MOUNTPOINT NAME", "/dev/di /mnt/01234 u"],
    );
}

#[test]
fn numbers_are_never_cut() {
    check(
        &terminal(12),
        [MOUNTPOINT, DISKSIZE, NAME],
        &[[b"/dev/zram0", b"111111111111111111111111", b"u"]],
        &["MOUNTPOINT                 DISKSIZE NAME", "/dev/zram0 111111111111111111111111 u"],
    );
}

#[test]
fn wide_characters_are_not_cut_in_half() {
    let wide = "\u{6f22}\u{5b57}".repeat(6);
    let row: &[[&[u8]; 2]] = &[[wide.as_bytes(), b"u"]];
    check(
        &terminal(16),
        [MOUNTPOINT, NAME],
        row,
        &["MOUNTPOINT  NAME", "\u{6f22}\u{5b57}\u{6f22}\u{5b57}\u{6f22}  u"],
    );
    check(
        &terminal(17),
        [MOUNTPOINT, NAME],
        row,
        &["MOUNTPOINT   NAME", "\u{6f22}\u{5b57}\u{6f22}\u{5b57}\u{6f22}\u{5b57} u"],
    );
}

#[test]
fn escapes_may_be_cut_in_half() {
    check(
        &terminal(16),
        [MOUNTPOINT, NAME],
        &[[b"aaaaaaaaa\xff\xffbbbbb", b"u"]],
        &["MOUNTPOINT  NAME", r"aaaaaaaaa\x u"],
    );
}

#[test]
fn a_styled_header_keeps_its_columns() {
    let styled = Style { header_sgr: Some("\x1b[1m"), ..PIPE };
    check(
        &styled,
        [DATA, NAME],
        &[[b"12345678", b"u"]],
        &["\x1b[1m    DATA NAME\x1b[0m", "12345678 u"],
    );
    let raw = Style { raw: true, ..styled };
    check(&raw, [DATA, NAME], &[[b"1", b"u"]], &["DATA NAME", "1 u"]);
}

#[test]
fn errors_of_the_output_are_returned() {
    let table = Table { columns: vec![NAME], rows: vec![vec![]] };
    let mut full: &mut [u8] = &mut [0; 3];
    assert_eq!(table.write(&mut full, &PIPE).unwrap_err().kind(), io::ErrorKind::WriteZero);
}

fn any_table() -> impl Strategy<Value = Table> {
    let column = prop::sample::select(DEFAULT);
    let cell = prop_oneof![
        "[ -~]{0,30}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..20),
        any::<String>().prop_map(String::into_bytes),
    ];
    let rows = prop::collection::vec(prop::collection::vec(cell, 0..9), 0..4);
    (prop::collection::vec(column, 0..9), rows).prop_map(|(columns, rows)| Table { columns, rows })
}

proptest! {
    #[test]
    fn raw_lines_split_at_blanks_into_cells(table in any_table()) {
        let printed = print(&table, &RAW);
        if table.rows.is_empty() || table.columns.is_empty() {
            prop_assert_eq!(printed, "");
        } else {
            prop_assert!(printed.bytes().all(|b| b == b'\n' || b == b' ' || b.is_ascii_graphic()));
            prop_assert_eq!(printed.lines().count(), table.rows.len() + 1);
            for line in printed.lines() {
                prop_assert_eq!(line.split(' ').count(), table.columns.len());
            }
        }
    }

    #[test]
    fn no_control_character_reaches_the_terminal(table in any_table(), width in 0..150_usize) {
        for style in [PIPE, ASCII, terminal(width)] {
            let printed = print(&table, &style);
            prop_assert!(printed.chars().all(|c| c == '\n' || !c.is_control()));
        }
    }

    #[test]
    fn columns_that_may_be_cut_fit_any_terminal_with_room_for_their_headings(
        cells in prop::collection::vec(any::<String>(), 1..5),
        width in 0..150_usize,
    ) {
        let cells = cells.into_iter().map(String::into_bytes).collect::<Vec<_>>();
        let columns = vec![MOUNTPOINT; cells.len()];
        let room = columns.len() * (MOUNTPOINT.name.len() + 1) - 1;
        let table = Table { columns, rows: vec![cells] };
        let printed = print(&table, &terminal(width));
        prop_assert_eq!(printed.lines().count(), 2);
        for line in printed.lines() {
            let cells = line.chars().filter_map(UnicodeWidthChar::width).sum::<usize>();
            prop_assert!(cells <= width.max(room), "{:?} has {} cells", line, cells);
        }
    }
}
