//! Which pages of a process a kernel could swap out, and what is in them.
//!
//! The formats are those of proc_pid_maps(5) and proc_pid_pagemap(5).

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use anyhow::Context as _;

/// Bytes of a page: what zram stores, whatever the page size of the machine that is measured.
pub(crate) const PAGE: usize = 4096;
const PAGE_U64: u64 = 4096;

/// The most pages that are taken or left together, so that neighbours stay neighbours.
pub(crate) const LONGEST_WINDOW: usize = 16;

/// Files behind shared mappings that live in swap and not on a disk.
const SHARED_MEMORY: &[&str] = &["/memfd:", "/dev/shm/", "/dev/zero", "/SYSV"];

/// What the kernel itself puts into every process.
const OF_THE_KERNEL: &[&str] = &["[vdso]", "[vvar", "[vsyscall]"];

/// Entries of a pagemap file that are read at once: 2 GiB of address space.
const PAGEMAP_CHUNK: u64 = 1 << 19;

/// The swappable ones of some consecutive pages of one process, at most [`LONGEST_WINDOW`], aligned
/// to their number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Window {
    pub(crate) pid: u32,
    start: u64,
    /// Bit i: page i is there and can be swapped out.
    present: u16,
}

impl Window {
    pub(crate) fn pages(&self) -> u32 {
        self.present.count_ones()
    }
}

/// The windows of `length` pages of process `pid` in the order of their addresses. Page frames in `seen` are left out
/// and new ones are added to it, so that what processes share after fork(2) counts once.
///
/// Without root the kernel shows no frame numbers, and shared pages count for each process.
pub(crate) fn windows(
    pid: u32,
    length: usize,
    seen: &mut HashSet<u64>,
) -> anyhow::Result<Vec<Window>> {
    let length = length.clamp(1, LONGEST_WINDOW) as u64;
    let path = format!("/proc/{pid}/maps");
    let maps = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let path = format!("/proc/{pid}/pagemap");
    let pagemap = File::open(&path).with_context(|| format!("cannot open {path}"))?;
    let mut windows: Vec<Window> = Vec::new();
    for mapping in maps.lines().filter_map(Mapping::parse) {
        let Some(swappable) = mapping.swappable() else { continue };
        for (address, entry) in entries(&pagemap, mapping.addresses)? {
            let is_new = entry.frame().is_none_or(|frame| seen.insert(frame));
            if entry.is(swappable) && is_new {
                add(&mut windows, pid, length, address);
            }
        }
    }
    Ok(windows)
}

fn add(windows: &mut Vec<Window>, pid: u32, length: u64, address: u64) {
    let offset = address % (length * PAGE_U64);
    let (start, bit) = (address - offset, 1 << (offset / PAGE_U64));
    match windows.last_mut() {
        Some(last) if last.start == start => last.present |= bit,
        _ => windows.push(Window { pid, start, present: bit }),
    }
}

/// The pages of `window`, one after another.
pub(crate) fn read(window: &Window) -> anyhow::Result<Vec<[u8; PAGE]>> {
    let path = format!("/proc/{}/mem", window.pid);
    let memory = File::open(&path).with_context(|| format!("cannot open {path}"))?;
    let mut pages = Vec::with_capacity(LONGEST_WINDOW);
    for address in (window.start..).step_by(PAGE).take(LONGEST_WINDOW) {
        let bit = 1 << ((address - window.start) / PAGE_U64);
        if window.present & bit != 0 {
            let mut page = [0; PAGE];
            memory
                .read_exact_at(&mut page, address)
                .with_context(|| format!("cannot read {path} at {address:#x}"))?;
            pages.push(page);
        }
    }
    Ok(pages)
}

/// The pagemap entries of the pages in `addresses`.
fn entries(pagemap: &File, addresses: Range<u64>) -> io::Result<Vec<(u64, Entry)>> {
    let mut entries = Vec::new();
    let mut at = addresses.start;
    while at < addresses.end {
        let count = ((addresses.end - at) / PAGE_U64).min(PAGEMAP_CHUNK);
        let mut bytes = Vec::new();
        let mut source = Positioned { file: pagemap, offset: at / PAGE_U64 * Entry::BYTES };
        io::Read::read_to_end(&mut io::Read::take(&mut source, count * Entry::BYTES), &mut bytes)?;
        let (words, _) = bytes.as_chunks();
        let found = words.iter().map(|word| Entry(u64::from_le_bytes(*word)));
        let addresses = (at..).step_by(PAGE);
        entries.extend(addresses.zip(found).filter(|(_, entry)| entry.is_present()));
        at += count * PAGE_U64;
    }
    Ok(entries)
}

/// Reads a file from an offset on.
struct Positioned<'a> {
    file: &'a File,
    offset: u64,
}

impl io::Read for Positioned<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}

/// What can be swapped out of a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Swappable {
    /// Every page of shared memory.
    All,
    /// In a private mapping, what is not (or no longer) a page of a file.
    Anonymous,
}

/// One page's 64 bits in a pagemap file.
#[derive(Clone, Copy, Debug)]
struct Entry(u64);

impl Entry {
    const BYTES: u64 = 8;
    const PRESENT: u64 = 1 << 63;
    const OF_A_FILE: u64 = 1 << 61;
    const FRAME: u64 = (1 << 55) - 1;

    fn is_present(self) -> bool {
        self.0 & Self::PRESENT != 0
    }

    fn is(self, swappable: Swappable) -> bool {
        self.is_present() && (swappable == Swappable::All || self.0 & Self::OF_A_FILE == 0)
    }

    fn frame(self) -> Option<u64> {
        Some(self.0 & Self::FRAME).filter(|frame| *frame != 0)
    }
}

/// A line of a maps file.
#[derive(Debug, PartialEq)]
struct Mapping<'a> {
    addresses: Range<u64>,
    permissions: &'a str,
    name: &'a str,
}

impl<'a> Mapping<'a> {
    /// `start-end perms offset device inode name`, the name padded with spaces, or absent.
    fn parse(line: &'a str) -> Option<Self> {
        let (addresses, rest) = line.split_once(' ')?;
        let (start, end) = addresses.split_once('-')?;
        let start = u64::from_str_radix(start, 16).ok()?;
        let end = u64::from_str_radix(end, 16).ok()?;
        let mut fields = rest.splitn(5, ' ');
        let permissions = fields.next()?;
        let name = fields.nth(3).unwrap_or_default().trim_start();
        Some(Self { addresses: start..end, permissions, name })
    }

    fn swappable(&self) -> Option<Swappable> {
        let is_one_of = |names: &[&str]| names.iter().any(|name| self.name.starts_with(name));
        // Nothing was ever written where nothing may be: the address space that runtimes reserve by
        // the terabyte.
        if self.permissions.starts_with("---") || is_one_of(OF_THE_KERNEL) {
            None
        } else if self.permissions.ends_with('p') {
            Some(Swappable::Anonymous)
        } else {
            is_one_of(SHARED_MEMORY).then_some(Swappable::All)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_maps_are_read() {
        let line = "7f5c00000000-7f5c00021000 rw-p 00000000 00:00 0 ";
        let expected = Mapping {
            addresses: 0x7f5c_0000_0000..0x7f5c_0002_1000,
            permissions: "rw-p",
            name: "",
        };
        assert_eq!(Mapping::parse(line), Some(expected));
        let line = "00400000-00401000 r--s 00001000 fe:00 131    /memfd:a b (deleted)";
        let mapping = Mapping::parse(line).unwrap();
        assert_eq!((mapping.permissions, mapping.name), ("r--s", "/memfd:a b (deleted)"));
        for line in ["", "00400000 rw-p 0 0 0", "x-y rw-p 0 00:00 0"] {
            assert_eq!(Mapping::parse(line), None, "{line}");
        }
    }

    #[test]
    fn only_what_lives_in_swap_is_swappable() {
        let swappable = |permissions, name| {
            let line = format!("1000-2000 {permissions} 00000000 00:00 0    {name}");
            Mapping::parse(&line).unwrap().swappable()
        };
        assert_eq!(swappable("rw-p", ""), Some(Swappable::Anonymous));
        assert_eq!(swappable("r--p", "/usr/lib/libc.so.6"), Some(Swappable::Anonymous));
        assert_eq!(swappable("rw-s", "/dev/zero (deleted)"), Some(Swappable::All));
        assert_eq!(swappable("rw-s", "/home/database"), None);
        assert_eq!(swappable("---p", ""), None);
        assert_eq!(swappable("r-xp", "[vdso]"), None);
        assert_eq!(swappable("r--p", "[vvar_vclock]"), None);
    }

    #[test]
    fn entries_tell_whose_page_it_is() {
        let anonymous = Entry(Entry::PRESENT | 7);
        assert!(anonymous.is(Swappable::Anonymous) && anonymous.is(Swappable::All));
        assert_eq!(anonymous.frame(), Some(7));
        let of_a_file = Entry(Entry::PRESENT | Entry::OF_A_FILE);
        assert!(!of_a_file.is(Swappable::Anonymous) && of_a_file.is(Swappable::All));
        assert_eq!(of_a_file.frame(), None);
        assert!(!Entry(7).is(Swappable::All));
    }

    #[test]
    fn pages_gather_in_aligned_windows() {
        let mut windows = Vec::new();
        let addresses = [0x1_0000, 0x1_f000, 0x2_0000, 0x9_3000];
        addresses.iter().for_each(|address| add(&mut windows, 1, 16, *address));
        let window = |start, present| Window { pid: 1, start, present };
        assert_eq!(
            windows,
            [window(0x1_0000, 0x8001), window(0x2_0000, 1), window(0x9_0000, 1 << 3)]
        );
        windows.clear();
        addresses.iter().for_each(|address| add(&mut windows, 1, 2, *address));
        assert_eq!(
            windows,
            [(0x1_0000, 1), (0x1_e000, 2), (0x2_0000, 1), (0x9_2000, 2)].map(|(a, p)| window(a, p))
        );
    }

    #[test]
    fn our_own_memory_is_found_and_read() {
        let mut mine = vec![0_u8; 3 * PAGE];
        mine.fill(0xa5);
        let pid = std::process::id();
        let windows = windows(pid, 4, &mut HashSet::new()).unwrap();
        let address = mine.as_ptr() as u64 + PAGE_U64;
        let holds = |window: &&Window| window.start == address - address % (4 * PAGE_U64);
        let pages = read(windows.iter().find(holds).unwrap()).unwrap();
        assert!(pages.contains(&[0xa5; PAGE]));
    }
}
