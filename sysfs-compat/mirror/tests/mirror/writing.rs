//! One write(2) is one store.

use std::fs::OpenOptions;
use std::io::{IoSlice, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};

use crate::support::{errno, start};

#[test]
fn each_write_is_a_store_wherever_it_is() {
    let Some(mirrored) = start() else { return };
    let mut file = OpenOptions::new().write(true).open(mirrored.path("zram0/mem_limit")).unwrap();
    assert_eq!(file.write(b"1").unwrap(), 1);
    assert_eq!(file.write(b"2M\n").unwrap(), 3);
    assert_eq!(file.write_at(b"3M", 12345).unwrap(), 2);
    assert_eq!(file.write_vectored(&[IoSlice::new(b"4"), IoSlice::new(b"M")]).unwrap(), 2);
    file.seek(SeekFrom::Start(1 << 40)).unwrap();
    assert_eq!(file.write(b"5M\0behind").unwrap(), 9);
    let log = mirrored.keeper().log();
    let texts = [r#""1""#, r#""2M\n""#, r#""3M""#, r#""4M""#, r#""5M""#];
    assert_eq!(log, texts.map(|text| format!("0 mem_limit={text} 0")));
}

#[test]
fn nothing_is_no_store() {
    let Some(mirrored) = start() else { return };
    assert_eq!(mirrored.write("zram0/disksize", "").unwrap(), 0);
    assert_eq!(mirrored.write("zram-control/hot_remove", "").unwrap(), 0);
    assert!(mirrored.keeper().log().is_empty());
}

#[test]
fn a_page_is_taken_of_a_long_write() {
    let Some(mirrored) = start() else { return };
    for length in [4095, 4096, 4097, 8192, 8193, 3 << 20] {
        let mut text = vec![b' '; length];
        text[..2].copy_from_slice(b"1M");
        assert_eq!(mirrored.write("zram0/mem_limit", &text).unwrap(), length.min(4096));
        assert_eq!(mirrored.keeper().log().len(), 1, "{length}");
    }
    let many: Vec<_> = (0..200).map(|_| IoSlice::new(b"1")).collect();
    let mut file = OpenOptions::new().write(true).open(mirrored.path("zram0/reset")).unwrap();
    assert_eq!(errno(file.write_vectored(&many)), libc::ERANGE, "one number of 200 digits");
}

#[test]
fn errors_are_the_state_machines() {
    let Some(mirrored) = start() else { return };
    let fails = |file: &str, text: &str| errno(mirrored.write(file, text));
    assert_eq!(fails("zram0/disksize", "0"), libc::EINVAL);
    assert_eq!(fails("zram0/comp_algorithm", "nonsense"), libc::EINVAL);
    mirrored.write("zram0/disksize", "1M").unwrap();
    assert_eq!(fails("zram0/disksize", "1M"), libc::EBUSY);
    assert_eq!(fails("zram0/reset", "65536"), libc::ERANGE);
    let backend = mirrored.mirror.device(0).unwrap().backend().clone();
    backend.lock().unwrap().openers = 1;
    assert_eq!(fails("zram0/reset", "1"), libc::EBUSY);
    assert_eq!(fails("zram-control/hot_remove", "0"), libc::EBUSY);
    backend.lock().unwrap().openers = 0;
    mirrored.write("zram0/reset", "1").unwrap();
    assert_eq!(mirrored.read("zram0/disksize").unwrap(), "0\n");
    // What is refused is not kept.
    assert_eq!(mirrored.keeper().log(), [r#"0 disksize="1M" 1048576"#, r#"0 reset="1" 0"#]);
}

#[test]
fn shells_write_as_they_do_to_sysfs() {
    let Some(mirrored) = start() else { return };
    let path = mirrored.path("zram0/comp_algorithm");
    std::fs::write(&path, "zstd\n").unwrap();
    assert!(mirrored.read("zram0/comp_algorithm").unwrap().contains("[zstd]"));
    let mut appending = OpenOptions::new().append(true).open(&path).unwrap();
    appending.write_all(b"lz4").unwrap();
    assert!(mirrored.read("zram0/comp_algorithm").unwrap().contains("[lz4]"));
    let mut creating = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .custom_flags(libc::O_SYNC)
        .open(&path)
        .unwrap();
    creating.write_all(b"lzo").unwrap();
    assert!(mirrored.read("zram0/comp_algorithm").unwrap().contains("[lzo]"));
}

/// A set-up that fails can change what is shown too.
#[test]
fn a_failed_store_is_shown_as_well() {
    let Some(mirrored) = start() else { return };
    mirrored.write("zram0/comp_algorithm", "deflate").unwrap();
    mirrored.write("zram0/algorithm_params", "level=77").unwrap();
    assert!(mirrored.read("zram0/comp_algorithm").unwrap().contains("[deflate]"));
    assert_eq!(errno(mirrored.write("zram0/disksize", "1M")), libc::EINVAL);
    assert!(mirrored.read("zram0/comp_algorithm").unwrap().contains("[lzo-rle]"));
}
