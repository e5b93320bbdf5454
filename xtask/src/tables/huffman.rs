//! Code lengths of a Huffman code whose codes are not longer than a limit.
#![expect(clippy::indexing_slicing, reason = "symbols and tables are below the sizes of all lists")]

/// The lengths, at most `limit`, that code symbols of these weights in the fewest bits; 0 for a
/// symbol of weight 0. The package-merge algorithm of Larmore and Hirschberg (1990).
///
/// Of equal weights the symbol that comes first gets the longer code, so the result is the same
/// everywhere.
pub(super) fn lengths(weights: &[u64], limit: u8) -> Vec<u8> {
    let mut lengths = vec![0; weights.len()];
    let mut leaves: Vec<usize> = (0..weights.len()).filter(|leaf| weights[*leaf] > 0).collect();
    leaves.sort_by_key(|leaf| weights[*leaf]);
    if let [only] = leaves[..] {
        lengths[only] = 1;
    }
    if leaves.len() < 2 {
        return lengths;
    }
    let sorted: Vec<u64> = leaves.iter().map(|leaf| weights[*leaf]).collect();
    let mut levels = vec![Level::of_leaves(&sorted)];
    for _ in 1..limit {
        let below = levels.last().map(Level::packages).unwrap_or_default();
        levels.push(Level::merged(&sorted, &below));
    }
    // How many items of a level are taken, from the shortest codes to the longest: each leaf among
    // them makes a code one bit longer, each package takes two items of the level below.
    let mut taken = 2 * leaves.len() - 2;
    for level in levels.iter().rev() {
        let packages = level.is_package[..taken].iter().filter(|is_package| **is_package).count();
        for leaf in &leaves[..taken - packages] {
            lengths[*leaf] += 1;
        }
        taken = 2 * packages;
    }
    lengths
}

/// Leaves, and packages of two items of the level below, by weight.
struct Level {
    weights: Vec<u64>,
    is_package: Vec<bool>,
}

impl Level {
    fn of_leaves(leaves: &[u64]) -> Self {
        Self { weights: leaves.to_vec(), is_package: vec![false; leaves.len()] }
    }

    /// Pairs of neighbours; one item may stay alone and is dropped.
    fn packages(&self) -> Vec<u64> {
        self.weights.as_chunks::<2>().0.iter().map(|[first, second]| first + second).collect()
    }

    /// Both lists in one, in order; leaves before packages of the same weight.
    fn merged(leaves: &[u64], packages: &[u64]) -> Self {
        let leaves = leaves.iter().map(|weight| (*weight, false));
        let mut items: Vec<_> =
            leaves.chain(packages.iter().map(|weight| (*weight, true))).collect();
        items.sort();
        let (weights, is_package) = items.into_iter().unzip();
        Self { weights, is_package }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How much of all sequences of `limit` bits the codes begin.
    fn code_space(lengths: &[u8], limit: u8) -> u32 {
        lengths.iter().filter(|len| **len > 0).map(|len| 1 << (limit - len)).sum()
    }

    #[test]
    fn without_a_tight_limit_it_is_huffmans_code() {
        assert_eq!(lengths(&[4, 2, 1, 1], 11), [1, 2, 3, 3]);
        assert_eq!(lengths(&[1, 0, 1], 11), [1, 0, 1]);
        assert_eq!(lengths(&[0, 5], 11), [0, 1]);
        assert!(lengths(&[], 11).is_empty());
    }

    #[test]
    fn the_limit_holds_and_the_code_is_complete() {
        let weights: Vec<u64> = (0..200).map(|n| 1 << (n / 4)).collect();
        let lengths = lengths(&weights, 11);
        assert!(lengths.iter().all(|len| (1..=11).contains(len)));
        assert_eq!(code_space(&lengths, 11), 1 << 11);
    }

    /// With a limit of three bits, tried by hand: the code 1 3 3 3 3 costs 10 + 3 * 10 bits, 2 2 2 3 3
    /// costs 2 * 17 + 3 * 3.
    #[test]
    fn the_limited_code_is_the_best_one() {
        assert_eq!(lengths(&[10, 4, 3, 2, 1], 3), [1, 3, 3, 3, 3]);
        assert_eq!(lengths(&[5, 4, 4, 2, 1], 3), [2, 2, 2, 3, 3]);
    }
}
