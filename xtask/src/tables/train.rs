//! Finding the static tables: pages are sorted into as many groups as there are tables, each group
//! gets the code that suits it, each page goes to the group whose code suits it best, and again.
//!
//! That comes to rest where no single page gains by moving, which is not the best there is. So it
//! begins several times from different pages, and then tries what becomes of the best if a table is
//! given up for the code of a page. Everything is counted in integers and in a fixed order: the same
//! pages give the same tables on every machine.
#![expect(clippy::indexing_slicing, reason = "symbols and tables are below the sizes of all lists")]
#![expect(
    clippy::cast_possible_truncation,
    reason = "symbols are below 2048, codes at most 11 bits, words of a page 512"
)]

use trueno_zram_core::Page;
use trueno_zram_core::wm::{CLASSES, LONGEST, Model, SYMBOLS, TABLES, Tables};

use super::code::{Code, Histogram};
use super::huffman;

/// How many times the search begins, and how many times a table is given up; more gain less than a
/// thousandth.
const STARTS: usize = 8;
const SWAPS: usize = 40;
/// Of so many models the search looks at one. Models come in pairs, so with 4 these are mostly the fast
/// encoder's; with 3 or 5 they are of both, and no tables got better by it.
const SAMPLE: usize = 4;
/// Rounds of sorting at most, and the gain, one in so many, for which another is made.
const ROUNDS: usize = 30;
const LEAST_GAIN: u64 = 2000;
/// Candidates of which a start takes the best as its next page.
const CANDIDATES: usize = 4;
/// A page counts one in so many for the tables of other groups, so that none is unfit for what its
/// own pages never showed.
const ELSEWHERE: u64 = 64;
/// A literal that was never seen counts as one in so many.
const UNSEEN: u64 = 30_000;
/// Pages with more literals are compressed by another codec.
const TEXT_LITERALS: usize = 1600;
/// The weight 1, of which each page of a set gets its share.
const UNIT: u64 = 1 << 24;

/// A page, as one of the two encoders models it.
struct Modelled {
    /// Symbols that occur, and how often.
    symbols: Vec<(u16, u16)>,
    weight: u64,
    is_dense: bool,
}

/// What is known of a set of pages.
pub(super) struct Statistics {
    pages: Vec<Modelled>,
    /// Differences of dense literals, before symbols stand in for others.
    literals: [[u64; 256]; CLASSES],
}

impl Statistics {
    /// Of pages that together weigh `weight` in hundredths, however many they are.
    pub(super) fn of(pages: &[Page], weight: u64) -> Self {
        let mut all = Self { pages: Vec::new(), literals: [[0; 256]; CLASSES] };
        let share = weight * UNIT / 100 / (pages.len().max(1) as u64);
        // Both encoders use the same tables.
        for (page, is_dense) in pages.iter().flat_map(|page| [(page, false), (page, true)]) {
            let model = Model::of(page, is_dense);
            if model.deltas.len() > TEXT_LITERALS {
                continue;
            }
            let mut symbols = model.symbols;
            symbols.sort_unstable();
            let runs = symbols.chunk_by(|a, b| a == b);
            let symbols = runs.map(|run| (run[0], run.len() as u16)).collect();
            all.pages.push(Modelled { symbols, weight: share, is_dense });
            for (class, delta) in model.deltas.iter().filter(|_| is_dense) {
                all.literals[usize::from(*class)][usize::from(*delta)] += share;
            }
        }
        all
    }
}

/// The table file that suits these sets best.
pub(super) fn train(sets: &[&Statistics]) -> Vec<u8> {
    let pages: Vec<&Modelled> = sets.iter().flat_map(|set| &set.pages).collect();
    let sample = Training::of(pages.iter().copied().step_by(SAMPLE).collect());
    let found = sample.search();
    let all = Training::of(pages);
    let tables = all.settle(found.codes);
    let symbols = core::array::from_fn(|table| tables.codes[table].lengths);
    Tables::file(&symbols, &literals(sets, &all, &tables))
}

/// Code lengths of the differences.
fn literals(sets: &[&Statistics], all: &Training<'_>, tables: &Sorted) -> [[u8; 256]; CLASSES] {
    let mut counts = [[0; 256]; CLASSES];
    for set in sets {
        let pairs = counts.as_flattened_mut().iter_mut().zip(set.literals.as_flattened());
        pairs.for_each(|(count, more)| *count += more);
    }
    // A symbol that stands in for another has bytes in its mask that do not differ.
    for (page, group) in all.pages.iter().zip(&tables.groups).filter(|(page, _)| page.is_dense) {
        for (symbol, count) in &page.symbols {
            let symbol = usize::from(*symbol);
            let equal = tables.codes[*group].covers[symbol].symbol() & !symbol;
            let weight = page.weight * u64::from(*count);
            counts[0][0] += weight * (equal as u64 & 1);
            counts[1][0] += weight * u64::from((equal >> 1).count_ones());
        }
    }
    counts.map(|counts| {
        let unseen = counts.iter().sum::<u64>() / UNSEEN + 1;
        let lengths = huffman::lengths(&counts.map(|count| count + unseen), LONGEST as u8);
        lengths.try_into().unwrap_or([8; 256])
    })
}

/// Pages to be sorted.
struct Training<'a> {
    pages: Vec<&'a Modelled>,
    all: Box<Histogram>,
}

/// Codes, the group of each page, and what all pages cost then.
struct Sorted {
    codes: Vec<Code>,
    groups: Vec<usize>,
    cost: u64,
}

impl<'a> Training<'a> {
    fn of(pages: Vec<&'a Modelled>) -> Self {
        let mut all = Box::new([0; SYMBOLS]);
        pages.iter().for_each(|page| add(&mut all, page));
        Self { pages, all }
    }

    /// The best codes that are found in the time that there is.
    fn search(&self) -> Sorted {
        let mut random = fastrand::Rng::with_seed(1);
        let starts = (0..STARTS).map(|_| self.settle(self.start(&mut random)));
        let mut best =
            starts.min_by_key(|sorted| sorted.cost).unwrap_or_else(|| self.settle(vec![]));
        for _ in 0..SWAPS {
            let mut codes = best.codes.clone();
            codes[random.usize(..TABLES)] = self.code_of_page(random.usize(..self.pages.len()));
            let other = self.settle(codes);
            if other.cost < best.cost {
                best = other;
            }
        }
        best
    }

    /// A code for all pages, and codes of pages that are badly served by those before them (k-means++
    /// of Arthur and Vassilvitskii, 2007, with the bits of symbols as the distance).
    fn start(&self, random: &mut fastrand::Rng) -> Vec<Code> {
        let mut codes = vec![Code::of(&self.all)];
        let mut bits = self.symbol_bits(&codes[0]);
        while codes.len() < TABLES {
            let candidates = (0..CANDIDATES).map(|_| {
                let code = self.code_of_page(self.draw(&bits, random));
                let with: Vec<u64> = self.symbol_bits(&code);
                let bits: Vec<u64> =
                    bits.iter().zip(with).map(|(old, new)| new.min(*old)).collect();
                let cost: u64 =
                    self.pages.iter().zip(&bits).map(|(page, bits)| page.weight * bits).sum();
                (cost, code, bits)
            });
            let Some(best) = candidates.min_by_key(|(cost, _, _)| *cost) else { break };
            codes.push(best.1);
            bits = best.2;
        }
        codes
    }

    /// A page, likelier the more bits its symbols take.
    fn draw(&self, bits: &[u64], random: &mut fastrand::Rng) -> usize {
        let odds =
            || self.pages.iter().zip(bits).map(|(page, bits)| page.weight / 256 * bits * bits);
        let mut left = random.u64(..odds().sum::<u64>().max(1));
        let drawn = odds().position(|odds| {
            let is_here = left < odds;
            left = left.saturating_sub(odds);
            is_here
        });
        drawn.unwrap_or(0)
    }

    /// Bits of each page, less those of the literals that no code can save.
    fn symbol_bits(&self, code: &Code) -> Vec<u64> {
        let price = |(symbol, count): &(u16, u16)| {
            let literals = (symbol & 0xff).count_ones();
            u64::from(code.covers[usize::from(*symbol)].price() - 8 * literals) * u64::from(*count)
        };
        self.pages.iter().map(|page| page.symbols.iter().map(price).sum()).collect()
    }

    /// A code for pages like one page: its counts, three times as heavy as those of all pages.
    fn code_of_page(&self, page: usize) -> Code {
        let mut histogram = self.all.clone();
        let words: u64 = self.pages[page].symbols.iter().map(|(_, count)| u64::from(*count)).sum();
        let each = 3 * self.all.iter().sum::<u64>() / words.max(1);
        for (symbol, count) in &self.pages[page].symbols {
            histogram[usize::from(*symbol)] += each * u64::from(*count);
        }
        Code::of(&histogram)
    }

    /// Sorts again and again, until that gains nothing any more.
    fn settle(&self, codes: Vec<Code>) -> Sorted {
        let mut sorted = self.sort(codes);
        for _ in 0..ROUNDS {
            let next = self.sort(self.codes(&sorted.groups));
            let gain = sorted.cost.saturating_sub(next.cost);
            if next.cost < sorted.cost {
                sorted = next;
            }
            if gain <= sorted.cost / LEAST_GAIN {
                break;
            }
        }
        sorted
    }

    /// Each page to the code that suits it best.
    fn sort(&self, codes: Vec<Code>) -> Sorted {
        let prices: Vec<[u32; TABLES]> = (0..SYMBOLS)
            .map(|symbol| core::array::from_fn(|table| codes[table].covers[symbol].price()))
            .collect();
        let best = |page: &&Modelled| {
            let mut sums = [0; TABLES];
            for (symbol, count) in &page.symbols {
                let prices = &prices[usize::from(*symbol)];
                sums.iter_mut()
                    .zip(prices)
                    .for_each(|(sum, price)| *sum += price * u32::from(*count));
            }
            let best = sums.into_iter().zip(0_usize..).min().unwrap_or_default();
            (best.1, u64::from(best.0) * page.weight)
        };
        let (groups, costs): (Vec<usize>, Vec<u64>) = self.pages.iter().map(best).unzip();
        Sorted { codes, groups, cost: costs.iter().sum() }
    }

    /// The code that suits each group.
    fn codes(&self, groups: &[usize]) -> Vec<Code> {
        let mut histograms = vec![[0; SYMBOLS]; TABLES];
        for (page, group) in self.pages.iter().zip(groups) {
            add(&mut histograms[*group], page);
        }
        let with_others = |mut own: Histogram| {
            own.iter_mut().zip(self.all.iter()).for_each(|(own, all)| *own += all / ELSEWHERE);
            Code::of(&own)
        };
        histograms.into_iter().map(with_others).collect()
    }
}

fn add(histogram: &mut Histogram, page: &Modelled) {
    for (symbol, count) in &page.symbols {
        histogram[usize::from(*symbol)] += page.weight * u64::from(*count);
    }
}
