//! The provider's own attributes.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::os::unix::fs::FileExt as _;

use crate::support::{PIECE, PIECES, errno, start};

#[test]
fn own_files_go_through_the_provider() {
    let Some(mirrored) = start() else { return };
    assert_eq!(mirrored.write("zram1/trueno/note", "hello\n").unwrap(), 6);
    assert_eq!(mirrored.read("zram1/trueno/note").unwrap(), "hello\n");
    assert_eq!(errno(mirrored.write("zram1/trueno/pause", "x")), libc::EINVAL);
    assert_eq!(mirrored.keeper().log(), [r#"1 trueno/note="hello\n" 0"#]);
}

#[test]
fn a_long_text_is_read_in_pieces() {
    let Some(mirrored) = start() else { return };
    let total = usize::try_from(PIECES).unwrap() * PIECE;
    let text = mirrored.read("zram0/trueno/long").unwrap();
    assert_eq!(text.len(), total);
    for (letter, piece) in (b'a'..=b'z').cycle().zip(text.as_bytes().chunks(PIECE)) {
        assert!(piece.iter().all(|&byte| byte == letter));
    }
    // By small reads that end inside a piece.
    let mut file = File::open(mirrored.path("zram0/trueno/long")).unwrap();
    let mut buffer = [0; 777];
    let mut read = Vec::new();
    loop {
        match file.read(&mut buffer).unwrap() {
            0 => break,
            length => read.extend_from_slice(&buffer[..length]),
        }
    }
    assert_eq!(read, text.as_bytes());
    assert_eq!(errno(file.read_at(&mut buffer, 5000)), libc::ESPIPE);
    assert_eq!(file.read_at(&mut buffer, 3999).unwrap(), 1);
    file.rewind().unwrap();
    assert_eq!(file.read_to_end(&mut Vec::new()).unwrap(), total, "from the start it goes on");
}
