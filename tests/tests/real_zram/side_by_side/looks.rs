//! Looking: every form of status, of every device.

use std::ffi::OsString;

use trueno_tests::seed;

use super::devices::{Devices, tool};
use super::programs::{Programs, ROOT, ROOT_UTF8, Surroundings, USER, USER_UTF8, words};
use super::{Outcome, Row};

pub(super) const TRIALS: &[Row<'_>] = &[
    ("every_form_of_every_device", every_form),
    ("every_column", every_column),
    ("random_columns", random_columns),
    ("all_columns", all_columns),
    ("ways_to_type_an_option", ways_to_type),
    ("ways_to_name_a_device", ways_to_name),
    ("a_mount_on_top_of_another", hidden_mount),
];

/// The columns of all releases that can be compared.
pub(super) const COLUMNS: [&str; 13] = [
    "NAME",
    "DISKSIZE",
    "DATA",
    "COMPR",
    "ALGORITHM",
    "STREAMS",
    "ZERO-PAGES",
    "TOTAL",
    "MEM-LIMIT",
    "MEM-USED",
    "MIGRATED",
    "COMP-RATIO",
    "MOUNTPOINT",
];

/// Everybody who looks, in every locale that all systems have.
const EVERYBODY: [Surroundings; 4] = [ROOT, ROOT_UTF8, USER, USER_UTF8];

fn every_form(programs: &Programs) -> Outcome {
    let devices = Devices::new()?;
    // Who looks, and in which locale, goes round.
    let mut everybody = EVERYBODY.into_iter().cycle();
    let mut compare = |form: &str, operand: String| {
        let mut line = words(form);
        line.push(OsString::from(operand));
        programs.compare(everybody.next().unwrap_or(ROOT), &line)
    };
    for node in devices.nodes() {
        for form in ["", "-b", "-n", "-bn", "--raw", "--raw -b", "--raw -bn"] {
            compare(form, node.clone())?;
        }
    }
    for name in devices.other_names() {
        compare("-b", name)?;
    }
    for surroundings in EVERYBODY {
        programs.compare(surroundings, &[])?;
    }
    Ok(())
}

fn every_column(programs: &Programs) -> Outcome {
    let _devices = Devices::new()?;
    for column in COLUMNS {
        let (lower, twice) = (column.to_lowercase(), format!("{column},{column}"));
        for (form, list) in [("", column), ("-b", &lower), ("--raw", &twice), ("--raw -b", column)]
        {
            programs.compare(ROOT_UTF8, &words(&format!("{form} -o {list}")))?;
        }
    }
    for list in ["+COMPR", "+NAME,DATA"] {
        programs.compare(ROOT, &words(&format!("--raw -o {list}")))?;
    }
    Ok(())
}

fn random_columns(programs: &Programs) -> Outcome {
    let seed = seed::seed()?;
    let mut random = fastrand::Rng::with_seed(seed);
    let devices = Devices::new()?;
    let names = [devices.nodes(), devices.other_names()].concat();
    for _ in 0..seed::steps(24, 1000)? {
        let count = random.usize(1..=8);
        let columns: Vec<_> = (0..count).filter_map(|_| random.choice(COLUMNS)).collect();
        let mut line = words(random.choice(["", "-b", "-n", "--raw", "--raw -bn"]).unwrap_or(""));
        line.extend([OsString::from("-o"), OsString::from(columns.join(","))]);
        if random.bool() {
            line.extend(random.choice(&names).map(OsString::from));
        }
        let surroundings = random.choice(EVERYBODY).unwrap_or(ROOT);
        programs.compare(surroundings, &line).map_err(|error| {
            format!("TRUENO_SEED={seed}: {}", error.message().unwrap_or_default())
        })?;
    }
    Ok(())
}

fn all_columns(programs: &Programs) -> Outcome {
    let _devices = Devices::new()?;
    for line in [
        "--raw --output-all",
        "--raw -b --output-all",
        "--raw --output-all -o NAME,DATA",
        "--raw -o DISKSIZE,DATA --output-all",
    ] {
        programs.compare(ROOT, &words(line))?;
    }
    let many = vec!["NAME"; 27].join(",");
    programs.compare(ROOT, &words(&format!("-o {many}")))?;
    let most = vec!["NAME"; 24].join(",");
    programs.compare(ROOT, &words(&format!("-o {most}")))
}

fn ways_to_type(programs: &Programs) -> Outcome {
    let devices = Devices::new()?;
    let node = devices.fresh.node().display().to_string();
    for line in [
        "--bytes",
        "--by",
        "--noheadings",
        "--no",
        "--raw",
        "--ra",
        "--output=NAME",
        "--output NAME",
        "-oNAME",
        "-nboNAME,DATA",
        "-n -n -b -b",
        "-o NAME -o DATA",
        "-b -- DEV",
        "DEV -b",
        "-n DEV -b",
        "DEV -bn --raw",
        "-t 0",
        "-t 0 DEV",
        "-t +0",
        "-t 00",
        "--output-al --raw",
    ] {
        programs.compare(ROOT, &words(&line.replace("DEV", &node)))?;
    }
    Ok(())
}

fn ways_to_name(programs: &Programs) -> Outcome {
    let devices = Devices::new()?;
    let dotted = format!("./zram{}", devices.fresh.number());
    let long = devices.link_long.display().to_string();
    let names = [devices.link_elsewhere.display().to_string(), long, dotted];
    for name in names {
        programs.compare(ROOT, &words(&format!("-o DISKSIZE {name}")))?;
    }
    Ok(())
}

/// Both show nothing, because what is there is not the device.
fn hidden_mount(programs: &Programs) -> Outcome {
    use super::devices::{Use, mount_on};
    use std::path::Path;
    use trueno_tests::scratch::Scratch;
    use trueno_tests::zram::RealDevice;

    let device = RealDevice::add()?;
    let scratch = Scratch::new("hidden")?;
    let target = scratch.path().join("m");
    let _mount = mount_on(&device, &target)?;
    let line = words(&format!("-o MOUNTPOINT {}", device.node().display()));
    programs.compare(ROOT, &line)?;
    let options = ["-t", "tmpfs", "tmpfs"].map(Path::new);
    tool("mount", &[&options[..], &[&target]].concat())?;
    let _hiding = Use::Mount(target);
    programs.compare(ROOT, &line)
}
