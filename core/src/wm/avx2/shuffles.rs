//! Shuffles of the bytes of a word: where each byte comes from, 0x80 for a zero.
#![expect(clippy::indexing_slicing, reason = "the compiler runs this")]

/// For each mask, what brings the bytes that it names together.
pub(super) static PACK: [u64; 256] = {
    let mut table = [0; 256];
    let mut mask = 0;
    while mask < 256 {
        let mut bytes = [0x80; 8];
        let (mut from, mut to) = (0_u8, 0);
        while from < 8 {
            if mask >> from & 1 == 1 {
                bytes[to] = from;
                to += 1;
            }
            from += 1;
        }
        table[mask] = u64::from_le_bytes(bytes);
        mask += 1;
    }
    table
};

/// For each mask, what brings bytes that lie together to the places that it names.
pub(super) static SPREAD: [u64; 256] = {
    let mut table = [0; 256];
    let mut mask = 0;
    while mask < 256 {
        let mut bytes = [0x80; 8];
        let (mut from, mut to) = (0_u8, 0);
        while to < 8 {
            if mask >> to & 1 == 1 {
                bytes[to] = from;
                from += 1;
            }
            to += 1;
        }
        table[mask] = u64::from_le_bytes(bytes);
        mask += 1;
    }
    table
};

/// For each set of four words that change the distance, what brings each word its distance, of two
/// bytes, from a list: one further with each change.
pub(super) static RANKS: [u64; 16] = {
    let mut table = [0; 16];
    let mut set = 0;
    while set < 16 {
        let mut bytes = [0; 8];
        let (mut word, mut rank) = (0, 0_u8);
        while word < 4 {
            if set >> word & 1 == 1 {
                rank += 1;
            }
            bytes[2 * word] = 2 * rank;
            bytes[2 * word + 1] = 2 * rank + 1;
            word += 1;
        }
        table[set] = u64::from_le_bytes(bytes);
        set += 1;
    }
    table
};
