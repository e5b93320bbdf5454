//! `cargo xtask bench`: what docs/BENCHMARKS.md records.

mod codec;
mod start_up;
mod store;
mod ublk;

use std::process::ExitCode;

use anyhow::bail;
use lexopt::ValueExt as _;

use crate::workspace::Workspace;

/// Runs one of the benchmarks, or each in turn.
pub(crate) fn run(workspace: &Workspace, mut args: lexopt::Parser) -> anyhow::Result<ExitCode> {
    match args.next()? {
        None => {
            start_up::run(workspace)?;
            codec::run(workspace, &[])?;
            store::run(workspace, &[])?;
            ublk::run(workspace, &[])
        }
        Some(lexopt::Arg::Value(name)) => match name.string()?.as_str() {
            "start-up" => match args.next()? {
                None => start_up::run(workspace),
                Some(argument) => Err(argument.unexpected().into()),
            },
            "codec" => codec::run(workspace, &args.raw_args()?.collect::<Vec<_>>()),
            "store" => store::run(workspace, &args.raw_args()?.collect::<Vec<_>>()),
            "ublk" => ublk::run(workspace, &args.raw_args()?.collect::<Vec<_>>()),
            other => {
                bail!("there is no benchmark `{other}`; there are start-up, codec, store and ublk")
            }
        },
        Some(argument) => Err(argument.unexpected().into()),
    }
}
