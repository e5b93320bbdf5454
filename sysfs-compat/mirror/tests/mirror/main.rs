//! The mirror, mounted: what programs see of it. Needs root and FUSE; elsewhere each test says that
//! it is skipped. Beside the kernel's own files the habits are held by `tests/tests/sysfs_habits`.

#[path = "../../../../tests/skip.rs"]
mod skip;
mod support;

mod directories;
mod mounting;
mod opening;
mod own;
mod passing_through;
mod reading;
mod waiting;
mod writing;
