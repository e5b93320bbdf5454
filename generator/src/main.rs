//! `trueno-zram-generator`: sets up compressed swap at boot.

fn main() {}
