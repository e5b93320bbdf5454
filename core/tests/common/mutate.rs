//! Damage to compressed pages.

use super::random::Random;

/// What inputs may grow to: more than the longest that is no raw page.
const LONGEST: usize = 4400;

/// Values at the edges of lengths and distances.
const EDGES: [u8; 14] = [0, 1, 2, 7, 8, 14, 15, 16, 17, 31, 0x7f, 0x80, 0xfe, 0xff];

/// Damages `data`, mostly in one place, at most in four. `other` is a page of the same format to take
/// parts from.
pub fn mutate(random: &mut Random, data: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..=random.byte().leading_zeros().min(3) {
        mutate_once(random, data, other);
    }
    data.truncate(LONGEST);
}

fn mutate_once(random: &mut Random, data: &mut Vec<u8>, other: &[u8]) {
    let Some(at) = place(random, data.len()) else {
        data.push(random.byte());
        return;
    };
    match random.below(16) {
        0..4 => data[at] ^= 1 << random.below(8),
        4..6 => data[at] = random.byte(),
        6..8 => data[at] = EDGES[random.below(EDGES.len())],
        8 => data[at] = data[at].wrapping_add(random.byte() % 9).wrapping_sub(4),
        9 => data.truncate(at),
        10 => data.extend((0..=random.below(40)).map(|_| random.byte())),
        11 => data.insert(at, random.byte()),
        12 => drop(data.remove(at)),
        // A part of this page in another place of it.
        13 => {
            let from = random.below(data.len());
            let len = 1 + random.below(data.len() - from).min(random.below(64));
            let to = at.min(data.len() - len);
            data.copy_within(from..from + len, to);
        }
        // Two bytes at once: a distance, or two lengths.
        14 => {
            let value = (random.word() as u16) >> random.below(16);
            let bytes = value.to_le_bytes();
            data.iter_mut().skip(at).zip(bytes).for_each(|(byte, new)| *byte = new);
        }
        // The rest of another page.
        _ => {
            data.truncate(at);
            data.extend_from_slice(other.get(at..).unwrap_or_default());
        }
    }
}

/// A place in the data, more than a third of them in the header.
fn place(random: &mut Random, len: usize) -> Option<usize> {
    let within = if random.is_one_in(3) { len.min(12) } else { len };
    (len > 0).then(|| random.below(within))
}
