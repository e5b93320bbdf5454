use proptest::prelude::*;

use super::super::kernel::Version;
use super::*;

fn kernel(major: u16, minor: u16) -> Kernel {
    Kernel { version: Version(major, minor), ..Kernel::newest() }
}

#[test]
fn idle_takes_an_age_where_slots_have_access_times() {
    let newest = Kernel::newest();
    assert_eq!(Idle::parse(b"all\n", &newest), Ok(Idle::All));
    assert_eq!(Idle::parse(b"0x10\n", &newest), Ok(Idle::OlderThan { seconds: 16 }));
    for text in ["", "ALL", "all ", "-1", "1 ", "4294967296"] {
        assert_eq!(Idle::parse(text.as_bytes(), &newest), Err(Errno::EINVAL), "{text:?}");
    }
    let seconds = 1 << 32;
    assert_eq!(Idle::parse(b"4294967296", &kernel(6, 18)), Ok(Idle::OlderThan { seconds }));
    let plain = Kernel { features: vec![], ..Kernel::newest() };
    assert_eq!(Idle::parse(b"all", &plain), Ok(Idle::All));
    assert_eq!(Idle::parse(b"1", &plain), Err(Errno::EINVAL));
}

#[test]
fn recompress_requests() {
    let newest = kernel(7, 2);
    let parse = |text: &str| Recompress::parse(text.as_bytes(), &newest);
    let request = parse("type=huge_idle threshold=3624 max_pages=7 algo=zstd priority=1\n");
    let request = request.expect("valid");
    assert!(request.pages.idle && request.pages.huge && !request.pages.incompressible);
    assert_eq!((request.threshold, request.max_pages, request.priority), (3624, Some(7), Some(1)));
    for text in ["type=foo", "type=incompressible", "type", "threshold=3625", "threshold=-1"] {
        assert_eq!(parse(text), Err(Errno::EINVAL), "{text:?}");
    }
    assert_eq!(parse("max_pages=18446744073709551616"), Err(Errno::ERANGE));
    assert_eq!(parse("type=idle type=foo").map(|r| r.pages.idle), Ok(true));
    let before = Recompress::parse(b"type=foo", &kernel(7, 1)).expect("all pages");
    assert_eq!(before.pages, Pages::default());
}

#[test]
fn recompress_finds_its_algorithms() {
    let chosen = [Some("lz4"), Some("zstd"), None, Some("deflate")];
    let no = || Err(Errno::EINVAL);
    for (text, newest, counting, oldest) in [
        ("\n", Ok(1..2), Ok(1..3), Ok(1..4)),
        ("algo=deflate", Ok(3..4), no(), Ok(3..4)),
        ("priority=3", Ok(3..4), no(), Ok(3..4)),
        ("priority=2", no(), Ok(2..3), Ok(2..3)),
        ("priority=0", no(), Ok(1..2), Ok(1..2)),
        ("priority=4", no(), no(), Ok(4..4)),
        ("priority=-1", no(), no(), no()),
        ("algo=zstd priority=1", Ok(1..2), Ok(1..2), Ok(1..2)),
        ("algo=zstd priority=3", no(), no(), no()),
        ("algo=deflate priority=1", no(), no(), Ok(3..4)),
        ("algo=lz4", no(), no(), no()),
    ] {
        let slots =
            |kernel: &Kernel| Recompress::parse(text.as_bytes(), kernel)?.slots(&chosen, kernel);
        let found = (slots(&kernel(7, 1)), slots(&kernel(6, 18)), slots(&kernel(6, 12)));
        assert_eq!(found, (newest, counting, oldest), "{text:?}");
    }
    let none = [Some("lz4"), None, None, None];
    for (kernel, slots) in [(kernel(6, 18), no()), (kernel(6, 12), Ok(1..4))] {
        let request = Recompress::parse(b"\n", &kernel).expect("all pages");
        assert_eq!(request.slots(&none, &kernel), slots);
    }
    assert_eq!(Recompress::parse(b"priority=4294967295", &kernel(7, 1)), Err(Errno::ERANGE));
}

#[test]
fn the_largest_objects_depend_on_the_allocator() {
    let parse = |text: &[u8], kernel| Recompress::parse(text, &kernel).map(|r| r.threshold);
    assert_eq!(parse(b"threshold=3256", kernel(6, 2)), Ok(3256));
    assert_eq!(parse(b"threshold=3257", kernel(6, 2)), Err(Errno::EINVAL));
    assert_eq!(parse(b"threshold=3624", kernel(6, 12)), Ok(3624));
}

#[test]
fn writeback_lists() {
    let parse = |text: &str| Writeback::parse(text.as_bytes(), 8, &Kernel::newest());
    let huge = || Writeback::Pages(Pages { huge: true, ..Pages::default() });
    let range = |first, last| Writeback::Range { first, last };
    assert_eq!(parse("\n"), Ok(vec![]));
    assert_eq!(parse("huge"), Ok(vec![huge()]));
    assert_eq!(parse("type=huge\n"), Ok(vec![huge()]));
    assert_eq!(parse("type=huge nonsense"), Ok(vec![huge()]));
    assert_eq!(parse("huge="), Ok(vec![huge()]));
    assert_eq!(
        parse("page_index=7 x=y page_indexes=0-3 huge"),
        Ok(vec![range(7, 7), range(0, 3), huge()])
    );
    for text in ["foo", "type=foo", "page_index", "page_index=x", "page_indexes=1", "HUGE"] {
        assert_eq!(parse(text), Err(Errno::EINVAL), "{text:?}");
    }
    for text in ["page_index=8", "page_indexes=0-8", "page_indexes=3-2", "page_indexes=8-9"] {
        assert_eq!(parse(text), Err(Errno::ERANGE), "{text:?}");
    }
}

#[test]
fn writeback_words_of_older_kernels() {
    let parse = |text: &str| Writeback::parse(text.as_bytes(), 8, &kernel(6, 12));
    assert!(
        parse("idle\n").is_ok() && parse("huge_idle").is_ok() && parse("incompressible").is_ok()
    );
    assert_eq!(parse("page_index=7\n"), Ok(vec![Writeback::Range { first: 7, last: 7 }]));
    for text in ["", "\n", "type=idle", "page_index=8", "page_index=-1", "page_index=", "idle idle"]
    {
        assert_eq!(parse(text), Err(Errno::EINVAL), "{text:?}");
    }
    assert_eq!(Writeback::parse(b"incompressible", 8, &kernel(6, 1)), Err(Errno::EINVAL));
}

proptest! {
    #[test]
    fn no_input_panics(buffer in proptest::collection::vec(any::<u8>(), 0..64), pages in any::<u64>()) {
        for kernel in [kernel(6, 1), kernel(6, 18), kernel(7, 2)] {
            std::hint::black_box(Idle::parse(&buffer, &kernel).ok());
            drop(Writeback::parse(&buffer, pages, &kernel));
            let chosen = [Some("lz4"), Some("zstd"), None, None];
            drop(Recompress::parse(&buffer, &kernel).and_then(|r| r.slots(&chosen, &kernel)));
        }
    }
}
