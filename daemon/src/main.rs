//! `trueno-ublk`: a compressed RAM disk in user space.

fn main() {}
