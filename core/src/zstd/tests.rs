#![expect(clippy::cast_possible_truncation, reason = "test data")]

use std::vec::Vec;

use super::*;

const LEVELS: [i32; 9] = [-7, -1, 0, 1, 2, 3, 9, 19, 22];

/// Records with a counter, a pointer and zeroes, different for each seed.
fn page(seed: usize) -> Page {
    let mut page = [0; PAGE_SIZE];
    for (at, record) in page.chunks_exact_mut(32).enumerate() {
        record[0] = at as u8;
        record[8..16].copy_from_slice(&(0x7f00_0000_1000 + seed * at * 48).to_le_bytes());
        record[20] = (seed * at * at) as u8;
    }
    page
}

fn noise(seed: u64) -> Page {
    let mut state = seed * 2 + 1;
    core::array::from_fn(|_| {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (state >> 56) as u8
    })
}

fn round_trip(codec: &Codec, page: &Page) -> usize {
    let (mut state, mut out, mut back) = (codec.state(), [0; 5000], [0xa5; PAGE_SIZE]);
    let len = codec.compress(page, &mut state, &mut out).expect("compresses");
    if len < PAGE_SIZE {
        codec.decompress(&out[..len], &mut state, &mut back).expect("decompresses");
        assert_eq!(&back, page);
    }
    len
}

#[test]
fn every_level_round_trips() {
    for level in LEVELS {
        let codec = Codec::new(level, None).expect("a level");
        assert!(round_trip(&codec, &page(3)) < PAGE_SIZE * 3 / 4, "level {level}");
        assert!(round_trip(&codec, &noise(3)) >= PAGE_SIZE, "level {level}");
    }
}

#[test]
fn other_levels_are_refused() {
    for level in [-8, 23, i32::MIN, i32::MAX] {
        let algorithm = Algorithm::Zstd { level };
        let error = Error::Level { algorithm, level, min: -7, max: 22 };
        assert_eq!(Codec::new(level, None).err(), Some(error));
    }
}

/// The frame is the standard one but for its header: with the magic number in front, and told that it
/// is a plain frame, any decoder reads it.
#[test]
fn frames_are_standard_but_for_the_magic_number() {
    let codec = Codec::new(1, None).expect("a level");
    let mut out = [0; 5000];
    let len = codec.compress(&page(5), &mut codec.state(), &mut out).expect("compresses");
    let mut frame = 0xfd2f_b528_u32.to_le_bytes().to_vec();
    frame.extend_from_slice(&out[..len]);
    let mut back = Vec::with_capacity(PAGE_SIZE);
    zstd_safe::decompress(&mut back, &frame).expect("a frame");
    assert_eq!(back, page(5));
    // Header: no content size, no checksum, no dictionary; a window of 2^12 bytes.
    assert_eq!(out[..2], [0, 2 << 3]);
}

#[test]
fn what_does_not_fit_is_incompressible() {
    let codec = Codec::new(1, None).expect("a level");
    let mut state = codec.state();
    for room in [0, 1, 2, 10, 100] {
        let mut out = [0xa5; 200];
        assert_eq!(codec.compress(&page(1), &mut state, &mut out[..room]), Ok(PAGE_SIZE));
        assert!(out[room..].iter().all(|&byte| byte == 0xa5), "written past {room}");
    }
    let mut out = [0; 4096];
    let len = codec.compress(&page(1), &mut state, &mut out).expect("good again after failures");
    assert_eq!(codec.decompress(&out[..len], &mut state, &mut [0; PAGE_SIZE]), Ok(()));
}

#[test]
fn frames_of_another_length_are_refused() {
    let codec = Codec::new(1, None).expect("a level");
    let mut state = codec.state();
    let mut encoder = zstd_safe::CCtx::create();
    encoder.set_parameter(zstd_safe::CParameter::ContentSizeFlag(false)).expect("a flag");
    let magicless = zstd_safe::CParameter::Format(zstd_safe::FrameFormat::Magicless);
    encoder.set_parameter(magicless).expect("a format");
    for len in [0, 1, 4095, 4096, 4097, 8192] {
        let mut frame = Vec::with_capacity(5000);
        encoder.compress2(&mut frame, &std::vec![7; len]).expect("compresses");
        let result = codec.decompress(&frame, &mut state, &mut [0; PAGE_SIZE]);
        assert_eq!(result.is_ok(), len == PAGE_SIZE, "{len}: {result:?}");
    }
    assert!(codec.decompress(&[], &mut state, &mut [0; PAGE_SIZE]).is_err());
}

/// With any of the fields that a frame may have, of one block or of two, and of a byte that is repeated.
#[test]
fn frames_of_others_are_read_to_their_end_and_nothing_behind_it() {
    use zstd_safe::CParameter::{
        ChecksumFlag, ContentSizeFlag, Format, TargetCBlockSize, WindowLog,
    };
    let codec = Codec::new(1, None).expect("a level");
    let (mut state, mut back) = (codec.state(), [0; PAGE_SIZE]);
    let mut flat = page(5);
    flat[PAGE_SIZE / 2..].fill(7);
    for (content, [size, sum]) in [page(5), noise(5), [7; PAGE_SIZE], flat]
        .iter()
        .flat_map(|content| [0, 1, 2, 3].map(|bits| (content, [bits & 1 != 0, bits & 2 != 0])))
    {
        let mut encoder = zstd_safe::CCtx::create();
        let magicless = Format(zstd_safe::FrameFormat::Magicless);
        let blocks = TargetCBlockSize(1340);
        for parameter in
            [magicless, ContentSizeFlag(size), ChecksumFlag(sum), WindowLog(12), blocks]
        {
            encoder.set_parameter(parameter).expect("a parameter");
        }
        let mut frame = Vec::with_capacity(5000);
        encoder.compress2(&mut frame, content).expect("compresses");
        assert_eq!(codec.decompress(&frame, &mut state, &mut back), Ok(()), "{size} {sum}");
        assert_eq!(&back, content);
        // A frame without content, and half of its header: the library passes over the first.
        for behind in [&[0, 16, 1, 0, 0][..], &[0, 16]] {
            let longer = [&frame[..], behind].concat();
            let result = codec.decompress(&longer, &mut state, &mut back);
            assert!(matches!(result, Err(Error::Corrupt { .. })), "{size} {sum}: {result:?}");
            let longer = [behind, &frame[..]].concat();
            let result = codec.decompress(&longer, &mut state, &mut back);
            assert!(matches!(result, Err(Error::Corrupt { .. })), "{size} {sum}: {result:?}");
        }
    }
}

#[test]
fn dictionaries_help_and_are_needed_to_read() {
    let samples: Vec<_> = (0..200).map(page).collect();
    let trained = train(&samples, 4096).expect("a dictionary");
    assert!(trained.len() <= 4096);
    let size = |level, dictionary| {
        let codec = Codec::new(level, dictionary).expect("any bytes are a dictionary");
        round_trip(&codec, &page(1000))
    };
    let example = page(1);
    for level in LEVELS {
        size(level, Some(b"12345678"));
        for bytes in [&trained[..], &example] {
            let len = size(level, Some(bytes));
            // The denser levels find by themselves what little there is to find.
            assert!(level > 2 || level == 0 || len < size(level, None), "level {level}: {len}");
        }
    }
    let with = Codec::new(1, Some(&trained)).expect("a dictionary");
    let mut out = [0; 5000];
    let len = with.compress(&page(1000), &mut with.state(), &mut out).expect("compresses");
    let mut back = [0; PAGE_SIZE];
    let without = Codec::new(1, None).expect("a level");
    let result = without.decompress(&out[..len], &mut without.state(), &mut back);
    assert!(result.is_err() || back != page(1000));
}

#[test]
fn a_state_keeps_its_dictionary_alive() {
    let codec = Codec::new(1, Some(&page(1))).expect("a dictionary");
    let (state, mut out, mut back) = (codec.state(), [0; 5000], [0; PAGE_SIZE]);
    drop(codec);
    let mut contexts = state.0.expect("contexts");
    let len = contexts.compress(&page(2), &mut out).expect("compresses");
    assert_eq!(contexts.decompress(&out[..len], &mut back), Ok(PAGE_SIZE));
    assert_eq!(back, page(2));
}

#[test]
fn states_of_other_codecs_are_refused() {
    let new = |level, dictionary| Codec::new(level, dictionary).expect("a codec");
    let dictionary = page(1);
    let codecs = [new(1, None), new(3, None), new(1, Some(&dictionary)), new(1, Some(&dictionary))];
    for (at, codec) in codecs.iter().enumerate() {
        for (other, maker) in codecs.iter().enumerate() {
            let (mut state, mut back) = (maker.state(), [0; PAGE_SIZE]);
            let compressed = codec.compress(&page(2), &mut state, &mut [0; 5000]);
            assert_eq!(compressed.is_ok(), at == other, "{compressed:?}");
            let restored = codec.decompress(&[], &mut state, &mut back);
            assert_eq!(restored == Err(Error::ForeignScratch), at != other, "{restored:?}");
        }
    }
}

#[test]
fn bad_dictionaries_are_refused() {
    for short in [&b""[..], b"1234567"] {
        assert!(matches!(Codec::new(1, Some(short)), Err(Error::Dictionary { .. })));
    }
    let mut pretended = 0xec30_a437_u32.to_le_bytes().to_vec();
    pretended.extend_from_slice(&noise(1));
    assert!(matches!(Codec::new(1, Some(&pretended)), Err(Error::Dictionary { .. })));
}

#[test]
fn training_needs_samples_and_room() {
    let samples: Vec<_> = (0..100).map(page).collect();
    for (count, size) in [(0, 4096), (1, 4096), (4, 4096), (100, 0), (100, 1), (100, 255)] {
        let trained = train(&samples[..count], size);
        assert!(matches!(trained, Err(Error::Dictionary { .. })), "{count} samples, {size} bytes");
    }
}
