//! What this processor can do, and which code the codecs run on it.
//!
//! ```text
//! cargo run -p trueno-zram-core --example simd_info
//! TRUENO_SIMD=portable cargo run -p trueno-zram-core --example simd_info
//! ```
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a console program")]

use std::process::ExitCode;

use trueno_zram_core::{Algorithm, CompressorBuilder, SimdBackend, simd};

fn main() -> ExitCode {
    let features = simd::detect();
    println!("The processor has, of what the codecs use:");
    println!("  AVX2 and what came with it     {}", yes_or_no(features.has_avx2()));
    println!("  AVX-512 as of Ice Lake, Zen 4  {}", yes_or_no(features.has_avx512()));
    println!("  NEON                           {}", yes_or_no(features.has_neon()));

    println!("\nBackends, slowest first:");
    for backend in SimdBackend::ALL {
        let built = CompressorBuilder::new().prefer_backend(backend).build();
        let note = match &built {
            Ok(_) if backend == features.best() => "available, the best here",
            Ok(_) => "available",
            Err(_) => "not available",
        };
        println!("  {:9} {note}", backend.name());
    }

    // Which one a compressor gets is decided here, once, when it is built.
    match CompressorBuilder::new().algorithm(Algorithm::Wm).build() {
        Ok(compressor) => {
            println!("\nA compressor that nobody tells otherwise uses {}.", compressor.backend());
        }
        Err(error) => {
            eprintln!("\n{}: {error}", simd::VARIABLE);
            return ExitCode::FAILURE;
        }
    }
    match std::env::var_os(simd::VARIABLE) {
        Some(value) => println!("{} is set to {}.", simd::VARIABLE, value.display()),
        None => println!("{} is not set; set it to a backend to force that.", simd::VARIABLE),
    }
    println!("All backends write and read the same bytes.");
    ExitCode::SUCCESS
}

const fn yes_or_no(has: bool) -> &'static str {
    if has { "yes" } else { "no" }
}
