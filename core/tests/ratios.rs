//! What the documents say of sizes, on the pages of real processes.
#![cfg(feature = "std")]

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::corpora;
use trueno_zram_core::benchmark::load_pages;
use trueno_zram_core::wm::Tables;
use trueno_zram_core::{Algorithm, BUFFER_SIZE, CompressorBuilder, PAGE_SIZE, Page};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Those that are not same-filled.
fn pages(file: &Path) -> Vec<Page> {
    load_pages(file).unwrap_or_else(|error| panic!("{}: {error}", file.display())).pages
}

fn size(builder: CompressorBuilder, pages: &[Page]) -> usize {
    let compressor = builder.build().expect("a compressor");
    let (mut scratch, mut out) = (compressor.scratch(), [0; BUFFER_SIZE]);
    let mut size =
        |page| compressor.compress_into(page, &mut scratch, &mut out).expect("compresses");
    pages.iter().map(|page| size(page).len()).sum()
}

/// What `ZSTD_compressCCtx` makes of them.
fn zstd_size(level: i32, pages: &[Page]) -> usize {
    let (mut zstd, mut out) = (zstd_safe::CCtx::create(), [0; 2 * PAGE_SIZE]);
    let mut size =
        |page: &Page| zstd.compress(out.as_mut_slice(), page, level).expect("compresses");
    pages.iter().map(|page| size(page).min(PAGE_SIZE)).sum()
}

/// With tables that were trained without the program in question.
#[test]
fn on_four_programs_wm_is_denser_than_zstd() {
    for (algorithm, level) in [(Algorithm::Wm, -1), (Algorithm::WmHc, 1)] {
        let (mut ours, mut zstd) = (0, 0);
        for program in ["py", "node", "java", "rustc"] {
            let pages = pages(&folder(&format!("../corpus/{program}.pages.zst")));
            let file = folder(&format!("benches/tables/without-{program}.wmt"));
            let tables = Tables::from_bytes(&std::fs::read(file).expect("tables")).expect("tables");
            let builder = CompressorBuilder::new().algorithm(algorithm).tables(Arc::new(tables));
            ours += size(builder, &pages);
            zstd += zstd_size(level, &pages);
        }
        println!("{algorithm}: {:.3} of the ratio of zstd {level}", zstd as f64 / ours as f64);
        assert!(ours <= zstd, "{algorithm}: {ours} bytes, zstd {level} {zstd}");
    }
}

/// With the shipped tables, as the README says it.
#[test]
fn on_any_program_they_are_about_as_dense() {
    let files = corpora::files(&folder("../corpus"));
    assert!(files.len() > 40, "{files:?}");
    for (algorithm, level, ratios) in
        [(Algorithm::Wm, -1, 0.75..1.25), (Algorithm::WmHc, 1, 0.8..1.4)]
    {
        for file in &files {
            let pages = pages(file);
            let ours = size(CompressorBuilder::new().algorithm(algorithm), &pages);
            let ratio = zstd_size(level, &pages) as f64 / ours as f64;
            let name = file.display();
            println!("{algorithm}: {ratio:.3} of the ratio of zstd {level}, {name}");
            assert!(ratios.contains(&ratio), "{algorithm}, {name}: {ratio}");
        }
    }
}
