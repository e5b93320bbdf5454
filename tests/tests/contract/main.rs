//! What `trueno-zramctl` prints, refuses and writes, one line for each rule, on made-up systems:
//! directories with the files of /sys, /proc and /dev. Nobody needs root for that. What a directory
//! cannot show is tested on real devices, by the target `real_zram`.
//!
//! In reading order: [`run`] starts the program, [`system`] makes directories; then the rules, those
//! for devices of trueno-ublk in [`ublk`] and, where its mirror is broken, in [`stale`].

#[macro_use]
mod run;
#[path = "../../skip.rs"]
mod skip;
mod system;

mod actions;
mod columns;
mod damage;
mod dry_run;
mod json;
mod options;
mod stale;
mod streams;
mod together;
mod ublk;
mod usage;
