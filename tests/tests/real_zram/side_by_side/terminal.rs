//! On a terminal, where columns give way and mount points are cut.

use std::process::{Command, Stdio};

use libtest_mimic::Failed;

use super::devices::{Devices, is_plain};
use super::differences::{OTHER_LAYOUT, squeeze};
use super::programs::{Programs, Which};
use super::{Outcome, Row};

pub(super) const TRIALS: &[Row<'_>] = &[("terminals_of_every_width", every_width)];

/// What the program shows on a terminal that many cells wide. `script` makes the terminal.
fn show(
    programs: &Programs,
    which: Which,
    locale: &str,
    width: u32,
    line: &str,
) -> Result<String, Failed> {
    let program = programs.path(which);
    if !is_plain(&program) {
        return Err(format!("{} needs quoting", program.display()).into());
    }
    let shell = format!("stty cols {width} && exec {} {line}", program.display());
    let mut command = Command::new("script");
    command.args(["-qec", &shell, "/dev/null"]).stdin(Stdio::null());
    // Headings in colour are ours, and not asked for.
    command.env("LC_ALL", locale).env("NO_COLOR", "1").env_remove("COLUMNS");
    let output = command.output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn every_width(programs: &Programs) -> Outcome {
    let _devices = Devices::new()?;
    let mut locales = ["C", "C.UTF-8"].into_iter().cycle();
    for width in [1, 40, 60, 66, 70, 80, 132] {
        for line in ["", "-b", "-n -o NAME,MOUNTPOINT,DATA"] {
            let locale = locales.next().unwrap_or("C");
            let show = |which| show(programs, which, locale, width, line);
            let differ = || -> Result<Option<String>, Failed> {
                let (stock, ours) = (show(Which::Stock)?, show(Which::Ours)?);
                let what = format!("{width} columns, {locale}: zramctl {line}");
                let both = format!("{what}\nstock:\n{stock}\nours:\n{ours}");
                let is_same = match programs.stock_release() < OTHER_LAYOUT {
                    true => stock == ours,
                    // Who gives way to whom is another matter then.
                    false => width < 132 || squeeze(&stock) == squeeze(&ours),
                };
                Ok((!is_same).then_some(both))
            };
            // Somebody else's devices may come and go meanwhile.
            if differ()?.is_some()
                && differ()?.is_some()
                && let Some(both) = differ()?
            {
                return Err(both.into());
            }
        }
    }
    Ok(())
}
