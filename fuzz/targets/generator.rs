#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trueno_zram_fuzz::run("generator", data));
