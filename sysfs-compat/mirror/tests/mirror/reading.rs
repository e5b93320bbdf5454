//! Texts are made at the first read and then served from a buffer; hot_add makes a device each time.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::Ordering;

use crate::support::{errno, start};

#[test]
fn an_open_file_keeps_its_text_until_it_is_read_from_the_start() {
    let Some(mirrored) = start() else { return };
    let mut file = File::open(mirrored.path("zram0/disksize")).unwrap();
    let mut byte = [0];
    file.read_exact(&mut byte).unwrap();
    assert_eq!(&byte, b"0");
    mirrored.write("zram0/disksize", "8192").unwrap();
    let mut rest = String::new();
    file.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "\n", "still the old text");
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "\n8192\n");
    let mut buffer = [0; 9];
    assert_eq!(file.read_at(&mut buffer, 2).unwrap(), 3);
    assert_eq!(&buffer[..3], b"92\n");
    assert_eq!(file.read_at(&mut buffer, 100).unwrap(), 0);
}

#[test]
fn hot_add_makes_a_device_where_a_buffer_is_begun() {
    let Some(mirrored) = start() else { return };
    let mut file = File::open(mirrored.path("zram-control/hot_add")).unwrap();
    assert_eq!(mirrored.mirror.numbers(), [0, 1], "open makes nothing");
    let mut byte = [0];
    assert_eq!(file.read(&mut byte).unwrap(), 1);
    assert_eq!(file.read(&mut byte).unwrap(), 1);
    assert_eq!(file.read(&mut byte).unwrap(), 0);
    assert_eq!(mirrored.mirror.numbers(), [0, 1, 2], "byte after byte makes one");
    file.seek(SeekFrom::Start(0)).unwrap();
    assert_eq!(file.read(&mut byte).unwrap(), 1);
    assert_eq!(&byte, b"3", "from the start another");
    assert_eq!(file.read_at(&mut byte, 1).unwrap(), 1, "goes on");
    assert_eq!(mirrored.mirror.numbers(), [0, 1, 2, 3]);
    assert_eq!(file.read_at(&mut byte, 1).unwrap(), 1);
    assert_eq!(mirrored.mirror.numbers(), [0, 1, 2, 3, 4], "elsewhere another");
    assert_eq!(mirrored.read("zram4/initstate").unwrap(), "0\n");
}

#[test]
fn the_lowest_free_number_comes_next_and_errors_reach_the_reader() {
    let Some(mirrored) = start() else { return };
    mirrored.write("zram-control/hot_remove", "0\n").unwrap();
    assert_eq!(errno(mirrored.read("zram0/disksize")), libc::ENOENT);
    let keeper = mirrored.keeper();
    keeper.failure.store(usize::try_from(libc::ENOMEM).unwrap(), Ordering::Relaxed);
    assert_eq!(errno(mirrored.read("zram-control/hot_add")), libc::ENOMEM);
    assert_eq!(mirrored.read("zram-control/hot_add").unwrap(), "0\n");
    assert_eq!(keeper.log(), ["remove 0", "add 0"]);
}

#[test]
fn a_number_that_is_taken_by_others_is_left_out() {
    let Some(mirrored) = start() else { return };
    let keeper = mirrored.keeper();
    keeper.failure.store(usize::try_from(libc::EEXIST).unwrap(), Ordering::Relaxed);
    assert_eq!(mirrored.read("zram-control/hot_add").unwrap(), "3\n");
    assert_eq!(mirrored.read("zram-control/hot_add").unwrap(), "4\n", "for good");
    assert_eq!(keeper.log(), ["add 3", "add 4"]);
}

#[test]
fn what_is_removed_is_gone_for_those_who_have_it_open() {
    let Some(mirrored) = start() else { return };
    let mut begun = File::open(mirrored.path("zram1/mm_stat")).unwrap();
    let fresh = File::open(mirrored.path("zram1/mm_stat")).unwrap();
    let mut byte = [0];
    begun.read_exact(&mut byte).unwrap();
    mirrored.write("zram-control/hot_remove", "1").unwrap();
    assert_eq!(mirrored.read("zram-control/hot_add").unwrap(), "1\n");
    assert_eq!(errno(fresh.read_at(&mut byte, 0)), libc::ENODEV, "not the new device's");
    assert_eq!(begun.read(&mut byte).unwrap(), 1, "what is in the buffer stays");
    assert_eq!(errno(begun.read_to_end(&mut Vec::new())), libc::ENODEV);
    assert!(begun.metadata().is_ok());
    assert!(mirrored.read("zram1/mm_stat").is_ok());
    for (text, errno_of) in [("7", libc::ENODEV), ("x", libc::EINVAL), ("-1", libc::EINVAL)] {
        assert_eq!(errno(mirrored.write("zram-control/hot_remove", text)), errno_of, "{text}");
    }
}
