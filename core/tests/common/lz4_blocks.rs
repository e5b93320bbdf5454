//! Blocks of LZ4 that are valid, and that no encoder would write.

use trueno_zram_core::PAGE_SIZE;

use super::random::Random;

/// A block ends with so many literals at least, and the last match begins so much before the end
/// (`lz4_Block_format.md`, "End of block conditions").
const LAST_LITERALS: usize = 5;
const LAST_MATCH: usize = 12;
const SHORTEST_MATCH: usize = 4;

/// A block that decodes to one page, of sequences with all kinds of lengths and offsets.
#[must_use]
pub fn random_block(random: &mut Random) -> Vec<u8> {
    let mut block = Vec::new();
    let mut done = 0;
    while PAGE_SIZE - done > 2 * LAST_MATCH {
        // The match must begin and end early enough.
        let literals = if done == 0 { 1 + length(random) } else { length(random) };
        let literals = literals.min(PAGE_SIZE - LAST_MATCH - done);
        let at = done + literals;
        let len =
            SHORTEST_MATCH + length(random).min(PAGE_SIZE - LAST_LITERALS - SHORTEST_MATCH - at);
        let offset = match random.below(4) {
            0 => 1 + random.below(at.min(40)),
            1 => at,
            _ => 1 + random.below(at),
        };
        sequence(random, &mut block, literals, Some((offset, len)));
        done = at + len;
    }
    sequence(random, &mut block, PAGE_SIZE - done, None);
    block
}

/// Mostly short, often where lengths get a byte more.
fn length(random: &mut Random) -> usize {
    match random.below(16) {
        0..8 => random.below(20),
        8..11 => 12 + random.below(8),
        11..13 => random.below(80),
        13 => 265 + random.below(12),
        14 => 518 + random.below(12),
        _ => random.below(1200),
    }
}

fn sequence(
    random: &mut Random,
    block: &mut Vec<u8>,
    literals: usize,
    copy: Option<(usize, usize)>,
) {
    let extra = copy.map_or(0, |(_, len)| len - SHORTEST_MATCH);
    block.push((literals.min(15) << 4 | extra.min(15)) as u8);
    rest_of_length(block, literals);
    block.extend((0..literals).map(|_| random.byte()));
    if let Some((offset, _)) = copy {
        block.extend_from_slice(&(offset as u16).to_le_bytes());
        rest_of_length(block, extra);
    }
}

fn rest_of_length(block: &mut Vec<u8>, length: usize) {
    if let Some(mut rest) = length.checked_sub(15) {
        while rest >= 255 {
            block.push(255);
            rest -= 255;
        }
        block.push(rest as u8);
    }
}
