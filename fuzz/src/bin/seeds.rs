//! `seeds CORPUS CASES OUT`: makes the inputs that libFuzzer starts from, out of corpora of pages and
//! the cases of the generator's tests.

use std::error::Error;
use std::fs;
use std::path::Path;

use trueno_zram_core::{Algorithm, CompressorBuilder, PAGE_SIZE, wm};
use trueno_zram_fuzz::common::pages::built_in;
use trueno_zram_fuzz::configurations::SEPARATOR;
use trueno_zram_fuzz::{Kind, TARGETS, Target, pages};
use trueno_zram_generator::{Root, files};

/// Inputs of a target; those of round trips are whole pages.
const INPUTS: usize = 16;
const PAGES: usize = 6;
const CONFIGURATIONS: usize = 24;
/// No longer ones are grown of them.
const LONGEST: usize = 4400;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let [corpus, cases, out] = args.as_slice() else {
        return Err("usage: seeds CORPUS CASES OUT".into());
    };
    let all = pages::all(Path::new(corpus));
    // Evenly from all corpora, and all that are built in.
    let step = all.len() / 400 + 1;
    let chosen: Vec<_> = built_in().into_iter().chain(all.into_iter().step_by(step)).collect();
    for target in TARGETS {
        let folder = Path::new(out).join(target.name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let mut bytes = 0;
        let inputs = inputs(target, &chosen, Path::new(cases))?;
        for (number, input) in inputs.iter().enumerate() {
            bytes += input.len();
            fs::write(folder.join(format!("{number:02}")), input)?;
        }
        println!("{:10} {:2} inputs, {bytes} bytes", target.name, inputs.len());
    }
    Ok(())
}

fn inputs(
    target: &Target,
    pages: &[[u8; PAGE_SIZE]],
    cases: &Path,
) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    match target.kind {
        Kind::Configuration => Ok(spread(configurations(cases)?, CONFIGURATIONS)),
        Kind::RoundTrip(_) => Ok(spread(pages.iter().map(|page| page.to_vec()).collect(), PAGES)),
        Kind::Decoder { algorithms, inner } => {
            let mut inputs = Vec::new();
            for &algorithm in algorithms {
                inputs.extend(compressed(algorithm, inner, pages)?);
            }
            Ok(spread(inputs, INPUTS))
        }
    }
}

/// What the generator reads in each case, smallest first. Some cases read the same.
fn configurations(cases: &Path) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let mut inputs = Vec::new();
    for case in fs::read_dir(cases)? {
        let root = case?.path().join("in");
        let mut input = fs::read(root.join("proc/cmdline")).unwrap_or_default();
        for source in files::read(&Root::new(root)) {
            let name = source.path.file_name().unwrap_or_default().as_encoded_bytes();
            let text = source.text.unwrap_or_default();
            input.extend([&[SEPARATOR], name, b"\n", &text].concat());
        }
        if input.len() <= LONGEST {
            inputs.push(input);
        }
    }
    inputs.sort_by_key(|input| (input.len(), input.clone()));
    inputs.dedup();
    Ok(inputs)
}

/// What the algorithm makes of the pages, smallest first, without what is not of the inner format.
fn compressed(
    algorithm: Algorithm,
    inner: Option<&str>,
    pages: &[[u8; PAGE_SIZE]],
) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let compressor = CompressorBuilder::new().algorithm(algorithm).build()?;
    let mut inputs = Vec::new();
    for page in pages {
        let data = compressor.compress(page)?.data;
        let is_wanted = inner.is_none_or(|inner| wm::inner_format(&data) == Some(inner));
        if is_wanted && data.len() < PAGE_SIZE {
            inputs.push(data);
        }
    }
    inputs.sort_by_key(Vec::len);
    Ok(inputs)
}

/// So many, evenly from the smaller three quarters.
fn spread(inputs: Vec<Vec<u8>>, count: usize) -> Vec<Vec<u8>> {
    let step = (inputs.len() * 3 / 4 / count).max(1);
    inputs.into_iter().step_by(step).take(count).collect()
}
