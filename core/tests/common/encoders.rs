//! What is asked of an encoder.
//!
//! Every page comes back, through every backend's decoder. All backends write the same bytes,
//! whatever was in scratch and output before.

use std::fmt;

use trueno_zram_core::{Algorithm, BUFFER_SIZE, Encoded, PAGE_SIZE, Page, PageCompressor, Scratch};

use super::{Finding, Rigor, Verdict, backends, compressor, pages};

/// Encoders of several formats.
pub struct Encoders {
    formats: Vec<Vec<Encoder>>,
    donors: Vec<Page>,
}

struct Encoder {
    name: String,
    compressor: PageCompressor,
    scratch: Scratch,
    out: Box<[u8]>,
    page: Box<Page>,
}

impl fmt::Debug for Encoders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.formats.iter().flatten().map(|encoder| &encoder.name);
        f.debug_list().entries(names).finish()
    }
}

impl Encoders {
    pub fn new(algorithms: &[Algorithm]) -> Self {
        let format = |algorithm: &Algorithm| {
            let backends = backends(*algorithm).into_iter();
            backends.map(|backend| Encoder::new(compressor(*algorithm, backend))).collect()
        };
        Self { formats: algorithms.iter().map(format).collect(), donors: pages::built_in() }
    }

    pub fn dirty(&mut self, salt: usize) {
        for (at, encoder) in self.formats.iter_mut().flatten().enumerate() {
            encoder.dirty(&self.donors, salt + at);
        }
    }

    pub fn calls(&self) -> u64 {
        2 * self.formats.iter().flatten().count() as u64
    }

    /// Accepted if any algorithm makes the page smaller.
    pub fn check(&mut self, page: &Page, rigor: Rigor) -> Result<Verdict, Finding> {
        let mut verdict = Verdict::Rejected;
        for format in &mut self.formats {
            let mut written: Option<Vec<u8>> = None;
            for (at, encoder) in format.iter_mut().enumerate() {
                if rigor == Rigor::Thrice {
                    encoder.dirty(&self.donors, at);
                }
                let data = encoder.encode(page, at as u8)?;
                if rigor == Rigor::Thrice {
                    encoder.dirty(&self.donors, at + 1);
                    if encoder.encode(page, !(at as u8))? != data {
                        return Err(format!("{}: other bytes the second time", encoder.name));
                    }
                }
                match &written {
                    None => written = Some(data),
                    Some(written) if *written == data => {}
                    Some(_) => return Err(format!("{}: other bytes than others", encoder.name)),
                }
            }
            let data: Box<[u8]> = written.unwrap_or_default().into();
            for encoder in format {
                encoder.decode(&data, page)?;
            }
            if data.len() < PAGE_SIZE {
                verdict = Verdict::Accepted;
            }
        }
        Ok(verdict)
    }
}

impl Encoder {
    fn new(compressor: PageCompressor) -> Self {
        let name = format!("{} on {}", compressor.algorithm(), compressor.backend());
        let scratch = compressor.scratch();
        let out = vec![0; BUFFER_SIZE].into();
        Self { name, compressor, scratch, out, page: Box::new([0; PAGE_SIZE]) }
    }

    fn dirty(&mut self, donors: &[Page], salt: usize) {
        let donor = &donors[salt % donors.len()];
        let encoded = self.compressor.compress_into(donor, &mut self.scratch, &mut self.out);
        assert!(encoded.is_ok(), "{}: {encoded:?}", self.name);
    }

    /// The bytes that a store would keep.
    fn encode(&mut self, page: &Page, fill: u8) -> Result<Vec<u8>, Finding> {
        self.out.fill(fill);
        match self.compressor.compress_into(page, &mut self.scratch, &mut self.out) {
            Ok(Encoded::Compressed(len @ 1..PAGE_SIZE)) => Ok(self.out[..len].to_vec()),
            Ok(Encoded::Incompressible) => Ok(page.to_vec()),
            Ok(strange) => Err(format!("{}: {strange:?}", self.name)),
            Err(error) => Err(format!("{}: {error}", self.name)),
        }
    }

    fn decode(&mut self, data: &[u8], page: &Page) -> Result<(), Finding> {
        self.page.fill(0xa5);
        match self.compressor.decompress_into(data, &mut self.scratch, &mut self.page) {
            Ok(()) if *self.page == *page => Ok(()),
            Ok(()) => Err(format!("{}: another page comes back", self.name)),
            Err(error) => Err(format!("{}: its own page is refused: {error}", self.name)),
        }
    }
}
