//! Made-up pages, the same ones every time.

use trueno_zram_core::{PAGE_SIZE, Page};

use super::random::Random;

/// A few pages of each kind that has something of its own.
pub fn built_in() -> Vec<Page> {
    let mut random = Random::new(7);
    let mut pages = vec![[0; PAGE_SIZE], [0xff; PAGE_SIZE], [7; PAGE_SIZE]];
    pages.push(of_words(|_| 0x0123_4567_89ab_cdef));
    pages.push(of_words(|_| 0x0001_0000));
    pages.push(of_words(|_| random.word()));
    for words in [1, 4, 32] {
        pages.push(sparse(&mut random, words));
    }
    for seed in 1..4 {
        pages.push(text(&mut Random::new(seed)));
    }
    for stride in [1, 2, 3, 5, 8, 13] {
        pages.push(structures(&mut random, stride));
    }
    pages.push(of_words(|at| at as u64));
    pages.push(of_words(|at| (at as u64).reverse_bits()));
    pages.push(of_words(|at| (at as f64 * 0.37).sin().to_bits()));
    pages.push(of_halves(|at| (at as f32 * 0.37).sqrt().to_bits()));
    pages.push(of_halves(|at| 0x8000_1000 + at * 24));
    let mut last = 0;
    pages.push(of_halves(|_| {
        last += random.below(90) as u32;
        last
    }));
    // Half of a page, as the end of a file has it.
    let mut half = text(&mut random);
    half[1999..].fill(0);
    pages.push(half);
    // Compressed media between records.
    let mut mixed = structures(&mut random, 4);
    mixed[1000..3000].iter_mut().for_each(|byte| *byte = random.byte());
    pages.push(mixed);
    pages
}

pub fn of_words(mut word: impl FnMut(usize) -> u64) -> Page {
    let mut page = [0; PAGE_SIZE];
    let words = page.as_chunks_mut().0.iter_mut().enumerate();
    words.for_each(|(at, slot)| *slot = word(at).to_le_bytes());
    page
}

pub fn of_halves(mut half: impl FnMut(u32) -> u32) -> Page {
    let mut page = [0; PAGE_SIZE];
    for (at, slot) in (0..).zip(page.as_chunks_mut().0) {
        *slot = half(at).to_le_bytes();
    }
    page
}

/// Zeros but for so many random words.
pub fn sparse(random: &mut Random, words: usize) -> Page {
    let mut page = [0; PAGE_SIZE];
    for _ in 0..words {
        page.as_chunks_mut().0[random.below(512)] = random.word().to_le_bytes();
    }
    page
}

/// An array of structures of `stride` words: a pointer, a counter, smaller numbers.
pub fn structures(random: &mut Random, stride: usize) -> Page {
    let heap = random.word() >> 17 & !15;
    of_words(|at| match at % stride {
        0 => heap + 16 * random.below(4096) as u64,
        1 => at as u64,
        _ => random.word() >> (32 + random.below(32)),
    })
}

pub fn text(random: &mut Random) -> Page {
    const WORDS: [&str; 16] = [
        "the",
        "page",
        "of",
        "memory",
        "is",
        "read",
        "with",
        "slot",
        "and",
        "written",
        "to",
        "device",
        "while",
        "queue",
        "requests",
        "temperature",
    ];
    let mut page = [b' '; PAGE_SIZE];
    let mut text = String::new();
    while text.len() < PAGE_SIZE {
        text += WORDS[random.below(WORDS.len()).min(random.below(WORDS.len()))];
        text += if random.is_one_in(9) { ".\n" } else { " " };
        if random.is_one_in(12) {
            text += &format!("{:.3} ", random.below(1_000_000) as f64 / 1000.0);
        }
    }
    page.copy_from_slice(&text.as_bytes()[..PAGE_SIZE]);
    page
}
