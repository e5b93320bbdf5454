//! Every backend does the same as the portable one, stage by stage and byte by byte.
#![expect(clippy::cast_possible_truncation, reason = "random numbers below a small one")]

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::dispatch::Backend;
use super::state::{State, WORDS};
use super::{Codec, Effort, HEADER, Tables, inner_format};
use crate::{Algorithm, BUFFER_SIZE, PAGE_SIZE, Page, SimdBackend};

/// A generator of numbers that look random (xorshift64*), the same ones in each run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn pick(&mut self, list: &[u64]) -> u64 {
        list[self.below(list.len() as u64) as usize]
    }
}

fn page_of(mut word: impl FnMut(usize) -> u64) -> Page {
    let mut page = [0; PAGE_SIZE];
    for (at, slot) in page.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        *slot = word(at).to_le_bytes();
    }
    page
}

/// Structures of `stride` words: pointers, small numbers, floats, flags, zeros, each in its place.
fn structures(numbers: &mut Numbers, stride: usize) -> Page {
    let fields: Vec<u64> = (0..stride).map(|_| numbers.below(6)).collect();
    let region = 0x7f00_0000_0000 + (numbers.next() & 0xff_ffff_f000);
    page_of(|at| match fields[at % stride] {
        0 => region + 16 * numbers.below(4096),
        1 => numbers.below(300),
        2 => (numbers.below(1000) as f64 / 8.0).to_bits(),
        3 => numbers.pick(&[0, 1, 0x1_0000_0000, 0xffff_ffff]),
        4 => region,
        _ => 0,
    })
}

/// Halves of words that repeat at a distance that is no whole number of words.
fn halves(numbers: &mut Numbers, period: usize) -> Page {
    let list: Vec<u32> = (0..period).map(|_| numbers.next() as u32).collect();
    page_of(|at| {
        let half = |at: usize| u64::from(list[at % period]);
        let noise = if numbers.below(8) == 0 { numbers.below(256) } else { 0 };
        (half(2 * at) | (half(2 * at + 1) << 32)) ^ noise
    })
}

/// Words out of a few, some with one byte changed: all the remembered distances are used.
fn shuffled(numbers: &mut Numbers, few: u64) -> Page {
    let list: Vec<u64> = (0..few).map(|_| numbers.next()).collect();
    page_of(|_| {
        let changed = (numbers.below(3) * numbers.below(256)) << (8 * numbers.below(8));
        numbers.pick(&list) ^ changed
    })
}

fn sparse(numbers: &mut Numbers, one_of: u64) -> Page {
    page_of(|_| if numbers.below(one_of) == 0 { numbers.next() >> numbers.below(64) } else { 0 })
}

fn text(numbers: &mut Numbers) -> Page {
    let list = *b"etaoin shrdlu.\n";
    page_of(|_| u64::from_le_bytes([(); 8].map(|()| list[numbers.below(15) as usize])))
}

/// Sentences of a few words in the first `len` bytes, as LZ4 and zstd like them.
fn sentences(numbers: &mut Numbers, len: usize) -> Page {
    let list: Vec<u64> = (0..80).map(|_| numbers.next()).collect();
    let mut page = [0; PAGE_SIZE];
    let mut at = 0;
    while at < len {
        let word = numbers.pick(&list);
        for letter in word.to_le_bytes().into_iter().take(3 + (word % 6) as usize) {
            page[at] = b'a' + letter % 26;
            at += 1;
        }
        page[at] = b' ';
        at += 1;
    }
    page
}

fn pages() -> Vec<(String, Page)> {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut pages = Vec::new();
    for stride in 1..=24 {
        pages.push((format!("structures of {stride}"), structures(&mut numbers, stride)));
    }
    for period in [1, 2, 3, 5, 7, 13, 63, 255, 511, 513, 514, 515, 700, 900] {
        pages.push((format!("halves of {period}"), halves(&mut numbers, period)));
    }
    for few in [1, 2, 3, 4, 6, 9, 14, 30, 100, 300] {
        pages.push((format!("{few} words"), shuffled(&mut numbers, few)));
    }
    for one_of in [2, 3, 5, 9, 40, 300] {
        pages.push((format!("one word of {one_of}"), sparse(&mut numbers, one_of)));
    }
    pages.push(("text".into(), text(&mut numbers)));
    pages.push(("random".into(), page_of(|_| numbers.next())));
    pages.push(("zeros".into(), [0; PAGE_SIZE]));
    pages.push(("ones".into(), [0xff; PAGE_SIZE]));
    // No byte as in the word before, so that both halves of the page change at every word.
    pages.push(("counter".into(), page_of(|at| 0x0101_0101_0101_0101 * (at as u64 % 251))));
    let last = page_of(|at| if at == WORDS - 1 { 1 } else { 0 });
    pages.push(("the last word".into(), last));
    pages
}

fn others() -> impl Iterator<Item = (SimdBackend, Backend)> {
    let all = SimdBackend::ALL.into_iter();
    all.filter_map(|backend| Some((backend, Backend::new(backend)?)))
}

/// What the later stages and the format see of a page that has been analysed.
#[derive(PartialEq, Debug)]
struct Analysis {
    literals: usize,
    kinds: Vec<u8>,
    masks: Vec<u8>,
    new: [Vec<u8>; 2],
}

fn analysis(backend: Backend, page: &Page, state: &mut State, effort: Effort) -> Analysis {
    let chosen = backend.analyse(page, state, effort);
    let (first, second) = state.new_distances.split_at(WORDS / 2);
    Analysis {
        literals: chosen.literals,
        kinds: state.kinds[..WORDS].to_vec(),
        masks: state.masks[..WORDS].to_vec(),
        new: [first[..chosen.new[0]].to_vec(), second[..chosen.new[1]].to_vec()],
    }
}

/// The page as it is written if it gets smaller.
fn written(backend: Backend, page: &Page, state: &mut State, effort: Effort) -> Option<Vec<u8>> {
    let mut out = Box::new([0; BUFFER_SIZE]);
    let chosen = backend.analyse(page, state, effort);
    let len = backend.write(state, &Tables::shipped(), chosen, effort, &mut out);
    (len < PAGE_SIZE).then(|| out[..len].to_vec())
}

#[test]
fn backends_choose_the_same_references() {
    let (mut state, mut reference) = (State::new(), State::new());
    for (backend, stages) in others() {
        for (name, page) in pages() {
            for effort in [Effort::Fast, Effort::Dense] {
                let ours = analysis(stages, &page, &mut state, effort);
                let portable = analysis(Backend::portable(), &page, &mut reference, effort);
                assert_eq!(ours, portable, "{backend}, {effort:?}, {name}");
            }
        }
    }
}

#[test]
fn backends_write_the_same_bytes() {
    let (mut state, mut reference) = (State::new(), State::new());
    for (backend, stages) in others() {
        for (name, page) in pages() {
            for effort in [Effort::Fast, Effort::Dense] {
                let ours = written(stages, &page, &mut state, effort);
                let portable = written(Backend::portable(), &page, &mut reference, effort);
                assert_eq!(ours, portable, "{backend}, {effort:?}, {name}");
            }
        }
    }
}

#[test]
fn backends_read_what_is_written() {
    let mut state = State::new();
    let tables = Tables::shipped();
    for (name, page) in pages() {
        for effort in [Effort::Fast, Effort::Dense] {
            let Some(data) = written(Backend::portable(), &page, &mut state, effort) else {
                continue;
            };
            let is_dense = data[0] >= super::DENSE_TAG;
            for (backend, stages) in others() {
                let mut back = [0xaa; PAGE_SIZE];
                let result = stages.read(&mut state, &tables, &data, is_dense, &mut back);
                assert_eq!(result, Ok(()), "{backend}, {effort:?}, {name}");
                assert!(back == page, "{backend}, {effort:?}, {name}");
            }
        }
    }
}

/// Pages with bytes changed are refused, or read as the same nonsense.
#[test]
fn backends_agree_on_damaged_pages() {
    let mut numbers = Numbers(0x1234_5678_9abc_def1);
    let mut state = State::new();
    let tables = Tables::shipped();
    let mut both = [0; 2];
    for (name, page) in pages() {
        let Some(data) = written(Backend::portable(), &page, &mut state, Effort::Fast) else {
            continue;
        };
        for is_dense in [false, true] {
            for _ in 0..40 {
                let mut data = data.clone();
                for _ in 0..=numbers.below(3) {
                    let at = HEADER + numbers.below((data.len() - HEADER) as u64) as usize;
                    data[at] ^= 1 << numbers.below(8);
                }
                let mut expected = [0; PAGE_SIZE];
                let portable =
                    Backend::portable().read(&mut state, &tables, &data, is_dense, &mut expected);
                both[usize::from(portable.is_ok())] += 1;
                for (backend, stages) in others() {
                    let mut back = [0; PAGE_SIZE];
                    let result = stages.read(&mut state, &tables, &data, is_dense, &mut back);
                    assert_eq!(result.is_ok(), portable.is_ok(), "{backend}, {name}");
                    assert!(result.is_err() || back == expected, "{backend}, {name}");
                }
            }
        }
    }
    assert!(both[0] > 300 && both[1] > 300, "{both:?}: both outcomes are to be tested");
}

#[test]
fn what_lz4_takes_runs_on_the_same_backend() {
    for (backend, _) in others() {
        let codec = Codec::new(Algorithm::Wm, backend, None).unwrap();
        assert_eq!((codec.backend(), codec.lz4.backend()), (backend, backend));
    }
}

/// How many literals there are decides whether another codec is asked, and the smaller result stays.
#[test]
fn text_is_left_to_others() {
    let mut numbers = Numbers(0x0bad_cafe_0bad_cafe);
    let zstd = if cfg!(feature = "std") { "zstd" } else { "lz4" };
    let cases = [
        ("little text", sentences(&mut numbers, 1500), 1000..1600, ["words", "dense words"]),
        ("some text", sentences(&mut numbers, 2400), 1601..2201, ["lz4", zstd]),
        ("text", sentences(&mut numbers, 3800), 2201..3800, ["lz4", zstd]),
        // As many literals as text has, but no four equal bytes.
        ("noise", page_of(|_| numbers.next() | 0xffff_ff00_0000_0000), 2201..2700, ["words"; 2]),
    ];
    let mut out = Box::new([0; BUFFER_SIZE]);
    let mut state = State::new();
    for (name, page, literals, formats) in cases {
        for (algorithm, format) in [Algorithm::Wm, Algorithm::WmHc].into_iter().zip(formats) {
            let is_dense = algorithm == Algorithm::WmHc;
            let effort = if is_dense { Effort::Dense } else { Effort::Fast };
            let chosen = Backend::portable().analyse(&page, &mut state, effort);
            assert!(literals.contains(&chosen.literals), "{name}, {algorithm}: {chosen:?}");
            let codec = Codec::new(algorithm, SimdBackend::Portable, None).unwrap();
            let len = codec.compress(&page, &mut codec.scratch(), &mut out);
            assert_eq!(inner_format(&out[..len]), Some(format), "{name}, {algorithm}");
            let words = written(Backend::portable(), &page, &mut state, effort);
            let words = words.map_or(PAGE_SIZE, |words| words.len());
            assert!(len <= words, "{name}, {algorithm}: {len} in place of {words}");
        }
    }
}
