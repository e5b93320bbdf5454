//! What is asked of a decoder.
//!
//! Every backend gives the same verdict on an input, and the same page, which does not depend on what
//! was in output or scratch before: that would be bytes of another page. If the input is refused, the
//! output is all zero. Input and page lie in allocations of exactly their size, so that
//! AddressSanitizer sees an access beyond them.

use std::fmt;

use trueno_zram_core::{
    Algorithm, BUFFER_SIZE, Encoded, PAGE_SIZE, Page, PageCompressor, Scratch, SimdBackend, wm,
};

use super::{Finding, Rigor, Verdict, backends, compressor, pages};

/// All decoders of one format.
pub struct Decoders {
    decoders: Vec<Decoder>,
    /// A first byte for the inner format that every input is to be of.
    tag: Option<Tag>,
    /// Whether LZ4's inputs are also read by another decoder.
    has_oracle: bool,
    expected: Box<Page>,
}

/// First bytes from `base` to `base + 7` are of one inner format.
#[derive(Clone, Copy)]
struct Tag {
    base: u8,
}

struct Decoder {
    name: String,
    compressor: PageCompressor,
    scratch: Scratch,
    /// Valid pages, to leave something in the scratch.
    donors: Vec<Vec<u8>>,
    page: Box<Page>,
}

impl fmt::Debug for Decoders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.decoders.iter().map(|decoder| &decoder.name)).finish()
    }
}

impl Decoders {
    pub fn new(algorithms: &[Algorithm], inner: Option<&str>) -> Self {
        let pairs = algorithms.iter().flat_map(|algorithm| {
            backends(*algorithm).into_iter().map(|backend| (*algorithm, backend))
        });
        Self {
            decoders: pairs.map(|(algorithm, backend)| Decoder::new(algorithm, backend)).collect(),
            tag: inner.map(Tag::of),
            has_oracle: algorithms.contains(&Algorithm::Lz4),
            expected: Box::new([0; PAGE_SIZE]),
        }
    }

    pub fn dirty(&mut self, salt: usize) {
        for (at, decoder) in self.decoders.iter_mut().enumerate() {
            decoder.dirty(salt + at);
        }
    }

    pub fn calls(&self) -> u64 {
        self.decoders.len() as u64
    }

    pub fn check(&mut self, data: &[u8], rigor: Rigor) -> Result<Verdict, Finding> {
        let mut input: Box<[u8]> = data.into();
        if let (Some(tag), Some(first)) = (self.tag, input.first_mut()) {
            *first = tag.base | *first & 7;
        }
        let mut expected: Option<Verdict> = None;
        for (at, decoder) in self.decoders.iter_mut().enumerate() {
            let verdict = decoder.decode(&input, fill_of(at))?;
            match expected {
                None => {
                    expected = Some(verdict);
                    self.expected.copy_from_slice(&*decoder.page);
                }
                Some(other) if other != verdict => {
                    return Err(format!("{}: {verdict:?}, others: {other:?}", decoder.name));
                }
                Some(Verdict::Accepted) => same(&decoder.name, &self.expected, &decoder.page)?,
                Some(Verdict::Rejected) => {}
            }
        }
        let verdict = expected.unwrap_or(Verdict::Rejected);
        if self.has_oracle && verdict == Verdict::Accepted && input.len() != PAGE_SIZE {
            agrees_with_lz4_flex(&input, &self.expected)?;
        }
        if rigor == Rigor::Thrice && (verdict == Verdict::Accepted || is_picked(&input)) {
            for (at, decoder) in self.decoders.iter_mut().enumerate() {
                decoder.depends_on_input_only(&input, verdict, at)?;
            }
        }
        Ok(verdict)
    }
}

impl Decoder {
    fn new(algorithm: Algorithm, backend: SimdBackend) -> Self {
        let compressor = compressor(algorithm, backend);
        let mut scratch = compressor.scratch();
        let mut out = [0; BUFFER_SIZE];
        let mut donor = |page: &Page| match compressor
            .compress_into(page, &mut scratch, &mut out)
            .expect("it compresses")
        {
            Encoded::Compressed(len) => out[..len].to_vec(),
            Encoded::Incompressible => page.to_vec(),
        };
        let donors = pages::built_in().iter().map(&mut donor).collect();
        let name = format!("{algorithm} on {backend}");
        Self { name, compressor, scratch, donors, page: Box::new([0; PAGE_SIZE]) }
    }

    /// Decodes a page of its own, whose remains nobody may see afterwards.
    fn dirty(&mut self, salt: usize) {
        let donor = &self.donors[salt % self.donors.len()];
        let decoded = self.compressor.decompress_into(donor, &mut self.scratch, &mut self.page);
        decoded.expect("what it has compressed");
    }

    /// Leaves the page in `self.page`, which was full of `fill` before.
    fn decode(&mut self, input: &[u8], fill: u8) -> Result<Verdict, Finding> {
        self.page.fill(fill);
        match self.compressor.decompress_into(input, &mut self.scratch, &mut self.page) {
            Ok(()) => Ok(Verdict::Accepted),
            Err(_) if *self.page == [0; PAGE_SIZE] => Ok(Verdict::Rejected),
            Err(_) => Err(format!("{}: something is left in a refused page", self.name)),
        }
    }

    /// Decodes twice, each time with something else in scratch and output.
    fn depends_on_input_only(
        &mut self,
        input: &[u8],
        verdict: Verdict,
        salt: usize,
    ) -> Result<(), Finding> {
        self.dirty(salt);
        let first = self.decode(input, fill_of(salt))?;
        let page = self.page.clone();
        self.dirty(salt + 1);
        let second = self.decode(input, fill_of(salt + 1))?;
        if [first, second] != [verdict; 2] {
            return Err(format!("{}: {verdict:?}, {first:?}, {second:?}", self.name));
        }
        same(&self.name, &page, &self.page)
    }
}

impl Tag {
    fn of(inner: &str) -> Self {
        let is_it =
            |base: &u8| (*base..=base | 7).all(|tag| wm::inner_format(&[tag]) == Some(inner));
        let base = (0..=0xf8).step_by(8).find(is_it).expect("an inner format of eight tables");
        Self { base }
    }
}

/// One input in eight, always the same ones.
fn is_picked(input: &[u8]) -> bool {
    input.iter().fold(0, |sum: u8, byte| sum.wrapping_mul(31).wrapping_add(*byte)) % 8 == 0
}

/// Contents of an output before anything is decoded into it.
const fn fill_of(salt: usize) -> u8 {
    [0xa5, 0x3c, 0x5a, 0xc3, 0x0f, 0x96, 0xf0][salt % 7]
}

fn same(name: &str, expected: &Page, page: &Page) -> Result<(), Finding> {
    // One comparison of whole pages is much faster than a search for the place.
    if expected == page {
        return Ok(());
    }
    let at = expected.iter().zip(page).position(|(a, b)| a != b);
    Err(format!("{name}: another page, from byte {} on", at.unwrap_or(0)))
}

/// Another decoder takes every block of LZ4 that ours takes, for the same page. (Not the other way
/// round: a block may break the rules for its end, of which decoders ask more or less.)
fn agrees_with_lz4_flex(block: &[u8], page: &Page) -> Result<(), Finding> {
    let mut other = [0; PAGE_SIZE];
    match lz4_flex::block::decompress_into(block, &mut other) {
        Ok(PAGE_SIZE) => same("lz4_flex", page, &other),
        refused => Err(format!("lz4_flex: {refused:?}, ours: a page")),
    }
}
