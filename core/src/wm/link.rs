//! Second stage of the encoder: for each word the last earlier place with the same hash.
//!
//! Scalar by nature; it is compiled once for each backend.

use super::state::{State, WORDS};

/// One table: where the words were that hash alike.
#[inline(always)]
pub(crate) fn fast(state: &mut State) {
    let [last, _] = &mut state.last;
    let ([hashes, ..], [offers, _]) = (&state.hashes, &mut state.offers);
    *last = [0; 256];
    let (Some(hashes), Some(offers)) = (hashes.first_chunk(), offers.first_chunk_mut()) else {
        return;
    };
    // Arrays of one length and a table with an entry for each byte: no bounds are checked.
    let (hashes, offers): (&[u8; WORDS], &mut [u16; WORDS]) = (hashes, offers);
    for (at, (hash, offer)) in hashes.iter().zip(offers).enumerate() {
        if let Some(slot) = last.get_mut(usize::from(*hash)) {
            *offer = *slot;
            *slot = unit(at);
        }
    }
}

/// Two tables: words by their upper six bytes, and 32-bit halves by all of theirs.
#[inline(always)]
pub(crate) fn dense(state: &mut State) {
    let [words, halves] = &mut state.last;
    *words = [0; 256];
    *halves = [0; 256];
    let [by_word, by_half, upper] = &state.hashes;
    let [word_offers, half_offers] = &mut state.offers;
    let hashes = (by_word.first_chunk(), by_half.first_chunk(), upper.first_chunk());
    let offers = (word_offers.first_chunk_mut(), half_offers.first_chunk_mut());
    let (Some(by_word), Some(by_half), Some(upper)) = hashes else { return };
    let (Some(word_offers), Some(half_offers)) = offers else { return };
    let (by_word, by_half, upper): (&[u8; WORDS], &[u8; WORDS], &[u8; WORDS]) =
        (by_word, by_half, upper);
    let (word_offers, half_offers): (&mut [u16; WORDS], &mut [u16; WORDS]) =
        (word_offers, half_offers);
    for (at, (hash, offer)) in by_word.iter().zip(word_offers).enumerate() {
        if let Some(slot) = words.get_mut(usize::from(*hash)) {
            *offer = *slot;
            *slot = unit(at);
        }
    }
    // An upper half becomes an offer one word late: a distance of one unit would make a word refer
    // to itself. A lower half with the same hash, the nearer one, is put back after it.
    let mut late = 0;
    let hashes = by_half.iter().zip(upper);
    for (at, ((half, upper), offer)) in hashes.zip(half_offers).enumerate() {
        if let Some(slot) = halves.get(usize::from(*half)) {
            *offer = *slot;
        }
        // The first time this stores the 0 that is there.
        if let Some(slot) = halves.get_mut(usize::from(late)) {
            *slot = unit(at).saturating_sub(1);
        }
        if let Some(slot) = halves.get_mut(usize::from(*half)) {
            *slot = unit(at);
        }
        late = *upper;
    }
}

/// The position of a word in units.
#[inline(always)]
fn unit(at: usize) -> u16 {
    let [low, high, ..] = (2 * at).to_le_bytes();
    u16::from_le_bytes([low, high])
}
