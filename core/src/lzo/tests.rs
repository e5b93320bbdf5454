#![expect(clippy::cast_possible_truncation, reason = "test data")]

use proptest::prelude::*;

use super::*;
use crate::compressor::BUFFER_SIZE;
use crate::{Error, PAGE_SIZE};

/// Knuth's 64-bit generator.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.0 >> 33) as usize % end
    }
}

/// Records with a counter, a pointer and zeroes.
fn records(seed: usize) -> Page {
    let mut page = [0; PAGE_SIZE];
    for (at, record) in page.chunks_exact_mut(32).enumerate() {
        record[0] = at as u8;
        record[8..16].copy_from_slice(&(0x7f00_0000_1000 + seed * at * 48).to_le_bytes());
        record[20] = (seed * at * at) as u8;
    }
    page
}

/// Runs of noise and copies of what came before, of all lengths and distances.
fn mixed(seed: u64) -> Page {
    let mut random = Random(seed * 2 + 1);
    let mut page = std::vec::Vec::new();
    while page.len() < PAGE_SIZE {
        let longest = if random.below(8) == 0 { 300 } else { 20 };
        let length = 1 + random.below(longest);
        if page.is_empty() || random.below(3) == 0 {
            page.extend((0..length).map(|_| random.below(256) as u8));
        } else {
            let distance = 1 + random.below(page.len());
            (0..length).for_each(|_| page.push(page[page.len() - distance]));
        }
    }
    *page.first_chunk().expect("a page")
}

fn nearly_zero() -> Page {
    let mut page = [0; PAGE_SIZE];
    page[PAGE_SIZE - 1] = 1;
    page
}

fn compress(page: &Page) -> std::vec::Vec<u8> {
    let mut out = [0; BUFFER_SIZE];
    let len = Codec::new().compress(page, &mut State::new(), &mut out);
    out[..len.min(PAGE_SIZE)].to_vec()
}

fn decompress(data: &[u8]) -> Result<Page> {
    let mut page = [0xa5; PAGE_SIZE];
    decode::decompress(data, &mut page).map(|()| page)
}

/// A stream and the page it is of.
type Golden = (&'static [u8], fn() -> Page);

/// Streams that the reference library, liblzo2 2.10, made of the pages above, with its fast and its
/// thorough encoder; the latter uses every kind of instruction.
const GOLDEN: [Golden; 6] = [
    (include_bytes!("../../tests/golden/lzo/records.lzo1x_1"), || records(3)),
    (include_bytes!("../../tests/golden/lzo/records.lzo1x_999"), || records(3)),
    (include_bytes!("../../tests/golden/lzo/mixed.lzo1x_1"), || mixed(3)),
    (include_bytes!("../../tests/golden/lzo/mixed.lzo1x_999"), || mixed(3)),
    (include_bytes!("../../tests/golden/lzo/zeroes.lzo1x_1"), nearly_zero),
    (include_bytes!("../../tests/golden/lzo/zeroes.lzo1x_999"), nearly_zero),
];

#[test]
fn streams_of_the_reference_library_are_read() {
    for (at, (stream, page)) in GOLDEN.into_iter().enumerate() {
        assert_eq!(decompress(stream), Ok(page()), "golden stream {at}");
    }
}

#[test]
fn about_as_small_as_the_reference_library() {
    for pair in GOLDEN.chunks_exact(2) {
        let [(fast, page), _] = pair else { unreachable!("pairs") };
        let ours = compress(&page()).len();
        assert!(ours * 100 <= fast.len() * 107, "ours {ours}, liblzo2 {}", fast.len());
    }
}

/// What the reference library reads was checked with it; these are the bytes that it read.
#[test]
fn our_streams_are_pinned() {
    let hash = |page| twox_hash::XxHash3_64::oneshot(&compress(&page));
    let hashes = [hash(records(3)), hash(mixed(3)), hash(nearly_zero())];
    let pinned = [10443344700166867754, 1738448739486402335, 15589524430371261928];
    assert_eq!(hashes, pinned, "if these bytes must change, let liblzo2 read them");
}

#[test]
fn round_trips() {
    for seed in 0..300 {
        for page in [records(usize::try_from(seed).expect("small")), mixed(seed)] {
            let data = compress(&page);
            assert!(data.len() < PAGE_SIZE, "seed {seed}");
            assert_eq!(decompress(&data), Ok(page), "seed {seed}");
        }
    }
}

#[test]
fn noise_is_incompressible() {
    let mut random = Random(1);
    for kept in [0, 1, 16, 30] {
        let mut page: Page = core::array::from_fn(|_| random.below(256) as u8);
        page.copy_within(..kept, PAGE_SIZE - kept);
        assert_eq!(compress(&page).len(), PAGE_SIZE);
    }
}

/// Literals of every length that are first, in between, and last.
#[test]
fn every_run_of_literals() {
    let mut random = Random(2);
    let noise: Page = core::array::from_fn(|_| random.below(256) as u8);
    for length in (0..600).chain([1000, 2047, 2048, 2049, 3000]) {
        let mut page = [7; PAGE_SIZE];
        page[..length].copy_from_slice(&noise[..length]);
        assert_eq!(decompress(&compress(&page)), Ok(page), "first {length}");
        page.rotate_right(100);
        assert_eq!(decompress(&compress(&page)), Ok(page), "between {length}");
        page.rotate_left(100 + length);
        assert_eq!(decompress(&compress(&page)), Ok(page), "last {length}");
    }
}

#[test]
fn damaged_streams() {
    let refused = |data: &[u8], expect| {
        let error = Error::Corrupt { algorithm: crate::Algorithm::Lzo, what: expect };
        assert_eq!(decompress(data), Err(error), "{data:x?}");
    };
    refused(&[], "the stream ends");
    refused(&[17, 1, 0, 0, 0, 0], "a stream of another version");
    refused(&[18], "the stream ends");
    refused(&[18, 1, 0x11, 0, 0], "the stream is shorter than a page");
    refused(&[0x11], "a stream of another version");
    refused(&[18, 1, 0x12, 0, 0], "a distance points before the page");
    refused(&[18, 1, 0x18, 0, 0], "a distance points before the page");
    refused(&[18, 1, 0x40, 1], "a distance points before the page");
    refused(&[0; 100_000], "the stream ends");
    let zeroes = |zeroes: usize| {
        // A literal, and a copy of it, very long.
        let mut stream = std::vec![18, 7, 0x20];
        stream.extend(std::iter::repeat_n(0, zeroes));
        stream.extend_from_slice(&[222, 0, 0, 0x11, 0, 0]);
        stream
    };
    // 1 + 33 + 222 + 255 * n
    refused(&zeroes(16), "the stream is longer than a page");
    refused(&zeroes(14), "the stream is shorter than a page");
    let mut trailing = compress(&records(1));
    trailing.push(0);
    refused(&trailing, "bytes follow the end of the stream");
}

#[test]
fn truncated_streams_are_refused() {
    for (stream, _) in GOLDEN {
        for len in 0..stream.len() {
            assert!(decompress(&stream[..len]).is_err(), "{len} bytes");
        }
    }
}

proptest! {
    #[test]
    fn no_stream_panics(data in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(decompress(&data).is_err() || data.len() > 20);
    }

    #[test]
    fn no_mutation_panics(
        which in 0..GOLDEN.len(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        let mut data = GOLDEN[which].0.to_vec();
        for (at, byte) in changes {
            *at.get_mut(&mut data) = byte;
        }
        std::hint::black_box(decompress(&data).ok());
    }
}
