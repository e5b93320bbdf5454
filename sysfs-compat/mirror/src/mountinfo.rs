//! What is mounted at a directory, from `/proc/self/mountinfo` (proc_pid_mountinfo(5)).

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// Its id and the device number of its file system, `ID MAJOR:MINOR`: no two mounts at one time
    /// have the same.
    pub(crate) identity: String,
    /// Type of file system, `fuse.trueno`.
    pub(crate) kind: String,
    /// What is mounted, as whoever mounted it calls it.
    pub(crate) source: OsString,
}

/// The uppermost mount at `directory`, which is an absolute path without symbolic links.
///
/// # Errors
/// When `/proc` cannot be read.
pub(crate) fn uppermost(directory: &Path) -> io::Result<Option<Mount>> {
    Ok(find(&fs::read("/proc/self/mountinfo")?, directory))
}

fn find(table: &[u8], directory: &Path) -> Option<Mount> {
    // Later lines are mounted over earlier ones.
    table.split(|&byte| byte == b'\n').rev().find_map(|line| parse(line, directory))
}

fn parse(line: &[u8], directory: &Path) -> Option<Mount> {
    let mut fields = line.split(|&byte| byte == b' ');
    let id = fields.next()?;
    let _parent = fields.next()?;
    let device = fields.next()?;
    let _root = fields.next()?;
    let point = fields.next()?;
    if unescape(point) != directory.as_os_str().as_bytes() {
        return None;
    }
    // Optional fields, then a hyphen.
    let mut fields = fields.skip_while(|field| *field != b"-").skip(1);
    let text = |field: &[u8]| String::from_utf8_lossy(field).into_owned();
    Some(Mount {
        identity: format!("{} {}", text(id), text(device)),
        kind: text(fields.next()?),
        source: OsString::from_vec(unescape(fields.next()?)),
    })
}

/// Blank, tabulator, newline and backslash are written as a backslash and three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        rest = tail;
        let escape = (*first == b'\\').then(|| tail.split_at_checked(3)).flatten();
        let code = escape.and_then(|(digits, behind)| {
            let digits = std::str::from_utf8(digits).ok()?;
            Some((u8::from_str_radix(digits, 8).ok()?, behind))
        });
        match code {
            Some((byte, behind)) => {
                plain.push(byte);
                rest = behind;
            }
            None => plain.push(*first),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"\
22 1 0:20 / /run rw,nosuid shared:3 master:1 - tmpfs tmpfs rw,size=1k
30 22 0:31 / /run/a\\040b rw - fuse.trueno tru\\134eno rw,user_id=0
31 30 0:32 / /run/a\\040b rw - tmpfs none rw
short line
";

    #[test]
    fn the_last_one_is_on_top() {
        let mount = |directory| find(TABLE, Path::new(directory));
        let top = mount("/run/a b").expect("is there");
        assert_eq!((top.identity.as_str(), top.kind.as_str()), ("31 0:32", "tmpfs"));
        let run = mount("/run").expect("is there");
        assert_eq!((run.kind.as_str(), run.source.as_os_str()), ("tmpfs", "tmpfs".as_ref()));
        assert_eq!(mount("/run/a"), None);
    }

    #[test]
    fn escapes() {
        assert_eq!(unescape(b"tru\\134eno"), b"tru\\eno");
        assert_eq!(unescape(b"a\\04"), b"a\\04");
        assert_eq!(unescape(b"a\\777"), b"a\\777");
        assert_eq!(unescape(b"\\011\\"), b"\t\\");
    }
}
