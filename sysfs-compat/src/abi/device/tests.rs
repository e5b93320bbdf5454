use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::kernel::{Feature, Version};
use super::super::memory::{File, Memory};
use super::*;

fn kernel(major: u16, minor: u16) -> Kernel {
    Kernel { version: Version(major, minor), ..Kernel::newest() }
}

fn device_of(kernel: Kernel) -> Device<Memory> {
    let files = BTreeMap::from([
        (b"/dev/vda".to_vec(), File::Block(4)),
        (b"/dev/loop0".to_vec(), File::Block(0)),
        (b"/dev/tiny".to_vec(), File::Block(1)),
        (b"/dev/link".to_vec(), File::Link(b"/dev/vda".to_vec())),
        (b"/dev/sda".to_vec(), File::Claimed),
        (b"/etc/dict".to_vec(), File::Regular(10)),
        (b"/etc/short".to_vec(), File::Regular(7)),
        (b"/etc/long".to_vec(), File::Regular((64 << 10) + 1)),
        (b"/".to_vec(), File::Directory),
    ]);
    Device::new(kernel.clone(), Memory::new(kernel, files))
}

fn device() -> Device<Memory> {
    device_of(Kernel::newest())
}

/// One line of a session: attribute, what is written, and the errno that follows, if any.
fn run(device: &mut Device<Memory>, steps: &[(&str, &str, Option<Errno>)]) {
    for (name, text, errno) in steps {
        let attr = Attr::by_name(name).expect(name);
        let result = device.store(attr, text.as_bytes());
        assert_eq!(result.err(), *errno, "{text:?} > {name}");
    }
}

fn text(device: &Device<Memory>, attr: Attr) -> String {
    String::from_utf8(device.show(attr).expect("readable")).expect("text")
}

#[test]
fn the_order_of_checks() {
    let mut device = device();
    run(
        &mut device,
        &[
            ("disksize", "0", Some(Errno::EINVAL)),
            ("compact", "1", Some(Errno::EINVAL)),
            ("idle", "all", Some(Errno::EINVAL)),
            ("writeback", "nonsense", Some(Errno::EINVAL)),
            ("mem_used_max", "0", None),
            ("mem_limit", "1", None),
            ("disksize", "5000", None),
            // Initialised now: what cannot be read is still told from what comes too late.
            ("disksize", "0", Some(Errno::EINVAL)),
            ("disksize", "4096", Some(Errno::EBUSY)),
            ("comp_algorithm", "nonsense", Some(Errno::EINVAL)),
            ("comp_algorithm", "lz4", Some(Errno::EBUSY)),
            ("algorithm_params", "level", Some(Errno::EINVAL)),
            ("algorithm_params", "level=1", Some(Errno::EBUSY)),
            ("recomp_algorithm", "algo=lz4", Some(Errno::EBUSY)),
            ("backing_dev", "/nonsense", Some(Errno::EBUSY)),
            ("writeback", "nonsense", Some(Errno::ENODEV)),
            ("compressed_writeback", "2", Some(Errno::EINVAL)),
            ("compressed_writeback", "1", Some(Errno::EBUSY)),
            ("compact", "x", None),
        ],
    );
    assert_eq!(text(&device, Attr::Disksize), "8192\n");
    assert!(text(&device, Attr::MmStat).contains(" 4096 "), "the limit is rounded up to a page");
}

#[test]
fn reset_clears_what_the_driver_clears() {
    let mut device = device();
    run(
        &mut device,
        &[
            ("comp_algorithm", "zstd\n", None),
            ("recomp_algorithm", "algo=lz4 priority=2", None),
            ("algorithm_params", "level=3", None),
            ("backing_dev", "/dev/vda\n", None),
            ("mem_limit", "1M", None),
            ("writeback_limit", "7", None),
            ("writeback_limit_enable", "1", None),
            ("writeback_batch_size", "9", None),
            ("compressed_writeback", "y", None),
            ("disksize", "1M", None),
            ("reset", "0", Some(Errno::EINVAL)),
            ("reset", "65536", Some(Errno::ERANGE)),
        ],
    );
    assert_eq!(text(&device, Attr::RecompAlgorithm).lines().count(), 1);
    assert_eq!(text(&device, Attr::BackingDev), "/dev/vda\n");
    device.backend_mut().openers = 1;
    run(&mut device, &[("reset", "1", Some(Errno::EBUSY))]);
    device.backend_mut().openers = 0;
    run(&mut device, &[("reset", "1", None)]);
    assert_eq!(text(&device, Attr::Initstate), "0\n");
    assert_eq!(text(&device, Attr::CompAlgorithm), "[lzo-rle] lzo lz4 lz4hc zstd deflate 842 \n");
    assert_eq!(text(&device, Attr::RecompAlgorithm), "");
    assert_eq!(text(&device, Attr::BackingDev), "none\n");
    assert_eq!(
        text(&device, Attr::MmStat),
        MmStat { huge_pages: Some(0), huge_pages_since: Some(0), ..MmStat::default() }.to_string()
    );
    assert_eq!(device.setup.params, <[AlgorithmParams; PRIORITIES]>::default());
    for (attr, kept) in [
        (Attr::WritebackLimit, "7\n"),
        (Attr::WritebackLimitEnable, "1\n"),
        (Attr::WritebackBatchSize, "9\n"),
        (Attr::CompressedWriteback, "1\n"),
    ] {
        assert_eq!(text(&device, attr), kept);
    }
}

#[test]
fn the_oldest_kernels_keep_the_algorithm_over_a_reset() {
    for (minor, selected) in [(1, "[zstd]"), (2, "[lzo-rle]")] {
        let mut device = device_of(kernel(6, minor));
        run(&mut device, &[("comp_algorithm", "zstd", None), ("reset", "1", None)]);
        assert!(text(&device, Attr::CompAlgorithm).contains(selected));
    }
}

#[test]
fn directions_bind_everybody() {
    let device = device();
    assert_eq!(device.open("mm_stat", true, true), Err(Errno::EACCES));
    assert_eq!(device.open("reset", true, false), Err(Errno::EACCES));
    assert_eq!(device.open("reset", false, true), Ok(Attr::Reset));
    assert_eq!(device.open("disksize", true, true), Ok(Attr::Disksize));
    assert_eq!(device.open("nonsense", true, false), Err(Errno::ENOENT));
    assert_eq!(device.show(Attr::Reset), Err(Errno::EACCES));
    let plain = device_of(Kernel { features: vec![], ..Kernel::newest() });
    assert_eq!(plain.show(Attr::BdStat), Err(Errno::ENOENT));
}

#[test]
fn a_write_is_a_page_at_most_and_nothing_at_least() {
    let mut device = device();
    let long = [b"1M".as_slice(), &[b' '; 5000]].concat();
    assert_eq!(device.store(Attr::MemLimit, &long), Ok(4096));
    assert_eq!(device.store(Attr::Reset, b""), Ok(0));
    assert_eq!(device.store(Attr::CompAlgorithm, &[b'x'; 127]), Err(Errno::EINVAL));
    assert_eq!(device.store(Attr::CompAlgorithm, &[b'x'; 128]), Err(Errno::E2BIG));
    assert_eq!(device.store(Attr::CompAlgorithm, b"lz4\0junk"), Ok(8));
    assert!(text(&device, Attr::CompAlgorithm).contains("[lz4]"));
}

#[test]
fn two_newlines_behind_a_name() {
    let mut newest = device();
    run(&mut newest, &[("comp_algorithm", "lz4\n\n", Some(Errno::EINVAL))]);
    let mut older = device_of(kernel(6, 18));
    run(&mut older, &[("comp_algorithm", "lz4\n\n", None)]);
    assert!(!text(&older, Attr::CompAlgorithm).contains('['));
    let mut oldest = device_of(kernel(6, 1));
    run(&mut oldest, &[("comp_algorithm", "lz4\n\n", Some(Errno::EINVAL))]);
}

#[test]
fn a_compressor_that_cannot_be_made_costs_the_settings() {
    let mut device = device();
    run(
        &mut device,
        &[
            ("comp_algorithm", "deflate", None),
            ("algorithm_params", "deflate.winbits=99", None),
            ("disksize", "1M", Some(Errno::EINVAL)),
        ],
    );
    assert!(text(&device, Attr::CompAlgorithm).contains("[lzo-rle]"));
    run(&mut device, &[("comp_algorithm", "deflate", None), ("disksize", "1M", None)]);
}

#[test]
fn deflate_and_lz4_are_particular_about_their_parameters() {
    for (params, errno) in [
        ("level=9", None),
        ("level=-1", None),
        ("level=-2147483648", None),
        ("level=10", Some(Errno::EINVAL)),
        ("deflate.winbits=-9", None),
        ("deflate.winbits=8", Some(Errno::EINVAL)),
    ] {
        let mut device = device();
        let steps = [("comp_algorithm", "deflate", None), ("algorithm_params", params, None)];
        run(&mut device, &steps);
        run(&mut device, &[("disksize", "1M", errno)]);
    }
    let short = [
        ("comp_algorithm", "lz4", None),
        ("algorithm_params", "dict=/etc/short", None),
        ("disksize", "1M", None),
    ];
    let mut older = device_of(kernel(6, 18));
    run(&mut older, &short);
    let pages = older.backend_mut();
    assert_eq!((pages.write(0, false), pages.write(0, true)), (Err(Errno::EIO), Ok(())));
    assert_eq!(text(&older, Attr::IoStat), "       0        1 0        0\n");
    let mut newer = device_of(kernel(7, 2));
    run(&mut newer, &short[..2]);
    run(&mut newer, &[("disksize", "1M", Some(Errno::EINVAL)), ("disksize", "1M", None)]);
    // A longer one is good enough for everybody but lz4hc, and its setup says nothing.
    run(&mut newer, &[("reset", "1", None), ("comp_algorithm", "lz4hc", None)]);
    run(&mut newer, &[("algorithm_params", "dict=/etc/long", None), ("disksize", "1M", None)]);
    assert_eq!(newer.backend_mut().write(0, false), Err(Errno::EIO));
}

#[test]
fn idle_by_age() {
    let device_at = |kernel: Kernel, uptime| {
        let mut device = device_of(kernel);
        run(&mut device, &[("disksize", "1M", None)]);
        let pages = device.backend_mut();
        pages.uptime = uptime;
        (0..2).for_each(|index| pages.write(index, index == 1).expect("no limit"));
        device
    };
    let flags = |device: &Device<Memory>| {
        device.backend().block_state().map(|(_, flags)| flags.to_string()).collect::<Vec<_>>()
    };
    // Pages of the current second are younger than any age, but for one beyond the boot.
    let mut newest = device_at(kernel(7, 2), 100);
    for (age, page) in [
        ("all", "..hi.."),
        ("0", "..h..."),
        ("99", "..h..."),
        ("100", "..hi.."),
        ("50", "..h..."),
        ("101", "..hi.."),
    ] {
        run(&mut newest, &[("idle", age, None)]);
        assert_eq!(flags(&newest), [page, "s....."], "{age}");
    }
    let mut middle = device_at(kernel(6, 18), 100);
    for (age, page) in [
        ("0", "..hi.."),
        ("101", "..h..."),
        ("18446744073709551615", "..hi.."),
        ("4294967296", "..h..."),
    ] {
        run(&mut middle, &[("idle", age, None)]);
        assert_eq!(flags(&middle), [page, "s....."], "{age}");
    }
    let mut oldest = device_at(kernel(6, 1), 100);
    run(&mut oldest, &[("idle", "50", None)]);
    assert_eq!(flags(&oldest), ["..h.", "s..."]);
    run(&mut oldest, &[("idle", "all", None), ("idle", "50", None)]);
    assert_eq!(flags(&oldest), ["..hi", "s..i"], "younger pages stay marked, same-filled ones too");
}

#[test]
fn a_failed_write_touches_its_page_on_the_oldest_kernels() {
    for (minor, flags) in [(1, "..h."), (4, "..hi..")] {
        let mut device = device_of(kernel(6, minor));
        run(&mut device, &[("disksize", "1M", None)]);
        device.backend_mut().write(0, false).expect("no limit");
        run(&mut device, &[("idle", "all", None), ("mem_limit", "1", None)]);
        assert_eq!(device.backend_mut().write(0, false), Err(Errno::EIO));
        let state = device.backend().block_state().map(|(_, flags)| flags.to_string());
        assert_eq!(state.collect::<Vec<_>>(), [flags]);
    }
}

#[test]
fn paths_of_backing_devices() {
    let mut device = device();
    let long = format!("/{}", "x".repeat(256));
    run(
        &mut device,
        &[
            ("backing_dev", "\n", Some(Errno::EISDIR)),
            ("backing_dev", &long, Some(Errno::ENAMETOOLONG)),
            ("backing_dev", &long[..256], Some(Errno::ENOENT)),
            ("backing_dev", &format!("/missing{long}"), Some(Errno::ENOENT)),
            ("backing_dev", "/dev/vda/x", Some(Errno::ENOTDIR)),
            ("backing_dev", "/dev/", Some(Errno::EISDIR)),
            ("backing_dev", "/dev/vda\n\n", Some(Errno::ENOENT)),
            ("backing_dev", "//dev/./link\n", None),
            ("backing_dev", "/dev/vda", Some(Errno::EBUSY)),
        ],
    );
    assert_eq!(text(&device, Attr::BackingDev), "/dev/vda\n");
    let mut oldest = device_of(kernel(6, 1));
    run(&mut oldest, &[("backing_dev", "/dev/vda", None), ("backing_dev", "/dev/vda", None)]);
}

#[test]
fn parameters_of_unreadable_dictionaries() {
    let mut device = device();
    run(
        &mut device,
        &[
            ("algorithm_params", "level=3 dict=/etc/dict", None),
            ("algorithm_params", "level=4 dict=/nonsense", Some(Errno::EINVAL)),
            ("algorithm_params", "algo=zstd", Some(Errno::EINVAL)),
            ("recomp_algorithm", "algo=zstd priority=2", None),
            ("algorithm_params", "algo=zstd priority=1", Some(Errno::EINVAL)),
            ("algorithm_params", "algo=zstd priority=2 level=19", None),
        ],
    );
    assert_eq!(device.setup.params[0], AlgorithmParams::default());
    assert_eq!(device.setup.params[2].level, Some(19));
}

#[test]
fn memory_limit_and_statistics() {
    let mut device = device();
    run(&mut device, &[("mem_limit", "8K", None), ("disksize", "1M", None)]);
    let pages = device.backend_mut();
    pages.write(0, true).expect("same-filled pages take nothing");
    pages.write(1, false).expect("fits");
    pages.write(2, false).expect("fits");
    assert_eq!(pages.write(3, false), Err(Errno::EIO));
    assert_eq!(pages.write(1, false), Err(Errno::EIO), "both places are held for a moment");
    pages.discard(2..4);
    let stat = device.mm_stat();
    assert_eq!((stat.orig_data_size, stat.mem_used_total, stat.mem_used_max), (8192, 4096, 12288));
    assert_eq!((stat.mem_limit, stat.same_pages, stat.huge_pages), (8192, 1, Some(1)));
    assert_eq!(text(&device, Attr::IoStat), "       0        2 0        2\n");
    run(&mut device, &[("mem_used_max", "0", None), ("mem_used_max", "1", Some(Errno::EINVAL))]);
    assert_eq!(device.mm_stat().mem_used_max, 4096);
}

#[test]
fn writeback_obeys_limit_and_space() {
    let mut device = device();
    run(
        &mut device,
        &[
            ("backing_dev", "/", Some(Errno::EISDIR)),
            ("backing_dev", "/etc/dict", Some(Errno::ENOTBLK)),
            ("backing_dev", "/dev/sda", Some(Errno::EBUSY)),
            ("backing_dev", "/dev/loop0", Some(Errno::EINVAL)),
            ("backing_dev", "/dev/vda", None),
            ("disksize", "1M", None),
            ("writeback", "\n", None),
            ("writeback_limit", "2", None),
            ("writeback_limit_enable", "1", None),
        ],
    );
    (0..6).for_each(|index| device.backend_mut().write(index, index == 0).expect("no limit"));
    run(
        &mut device,
        &[
            ("writeback", "idle", None),
            ("writeback", "page_index=256", Some(Errno::ERANGE)),
            ("writeback", "page_index=0", None),
            ("idle", "all", None),
            ("writeback", "huge_idle", Some(Errno::EIO)),
        ],
    );
    assert_eq!(text(&device, Attr::BdStat), "       2        0        2\n");
    assert_eq!(text(&device, Attr::WritebackLimit), "0\n");
    run(
        &mut device,
        &[("writeback_limit_enable", "0", None), ("writeback", "huge", Some(Errno::ENOSPC))],
    );
    device.backend_mut().read(5);
    device.backend_mut().discard(4..6);
    assert_eq!(text(&device, Attr::BdStat), "       2        1        4\n");
    assert_eq!(device.mm_stat().orig_data_size, 4 * PAGE_SIZE);
}

#[test]
fn older_kernels_look_at_the_writeback_limit_first() {
    let mut device = device_of(kernel(6, 12));
    run(
        &mut device,
        &[
            ("writeback", "nonsense", Some(Errno::EINVAL)),
            ("backing_dev", "/dev/tiny", None),
            ("disksize", "4096", None),
        ],
    );
    // Not a page is stored, but there is a slot to look at.
    run(
        &mut device,
        &[
            ("writeback", "huge", Some(Errno::ENOSPC)),
            ("writeback_limit_enable", "1", None),
            ("writeback", "huge", Some(Errno::EIO)),
        ],
    );
}

#[test]
fn older_kernels_differ_in_what_writeback_misses_first() {
    for (minor, errno) in [(1, Errno::ENODEV), (12, Errno::EINVAL)] {
        let mut device = device_of(kernel(6, minor));
        run(&mut device, &[("disksize", "8192", None)]);
        for index in ["page_index=2", "page_index=-1", "page_index=9223372036854775807"] {
            run(&mut device, &[("writeback", index, Some(errno))]);
        }
        run(&mut device, &[("writeback", "page_index=1", Some(Errno::ENODEV))]);
    }
}

#[test]
fn recompression_needs_an_algorithm() {
    let mut device = device();
    run(
        &mut device,
        &[
            ("recomp_algorithm", "algo=nonsense", Some(Errno::EINVAL)),
            ("recomp_algorithm", "algo=zstd priority=1", None),
            ("recompress", "type=idle", Some(Errno::EINVAL)),
            ("disksize", "1M", None),
            ("recompress", "type=idle", None),
            ("recompress", "priority=2", Some(Errno::EINVAL)),
            ("recompress", "algo=zstd priority=2", Some(Errno::EINVAL)),
            ("recompress", "threshold=3625", Some(Errno::EINVAL)),
            ("recompress", "max_pages=x", Some(Errno::EINVAL)),
        ],
    );
    let plain = device_of(Kernel { features: vec![Feature::Writeback], ..Kernel::newest() });
    assert_eq!(plain.open("recompress", false, true), Err(Errno::ENOENT));
}

proptest! {
    /// Whatever is written to whatever, the device stays readable, and an error changes nothing
    /// that can be read, but where the table of changes says so.
    #[test]
    fn refusals_change_nothing(
        steps in proptest::collection::vec((0..ATTRIBUTES.len(), "[a-z0-9=_/ \n-]{0,12}|[0-9]{1,6}[KMG]?\n?"), 1..40)
    ) {
        let mut device = device();
        let show_all = |device: &Device<Memory>| ATTRIBUTES.iter().map(|i| device.show(i.attr)).collect::<Vec<_>>();
        for (row, text) in steps {
            let before = show_all(&device);
            if device.store(ATTRIBUTES[row].attr, text.as_bytes()).is_err() {
                prop_assert_eq!(before, show_all(&device));
            }
        }
    }
}
