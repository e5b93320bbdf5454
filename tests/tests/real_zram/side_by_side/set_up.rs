//! Setting up and taking away: the same command on equally prepared devices, one program after the
//! other, leads to the same answer and the same state.

use std::ffi::OsString;
use std::fs::{self, File};

use libtest_mimic::Failed;
use trueno_tests::scratch::Scratch;
use trueno_tests::zram::{self, RealDevice};

use super::devices::{Use, attributes, mount_on, swap_on};
use super::differences;
use super::programs::{Answer, Programs, ROOT, Surroundings, USER, Which, words};
use super::{Outcome, Row};

pub(super) const TRIALS: &[Row<'_>] = &[
    ("set_up_a_named_device", named),
    ("set_up_that_fails", failing),
    ("streams_where_the_kernel_has_none", streams),
    ("set_up_a_live_device", live),
    ("reset", reset),
    ("busy_devices", busy),
    ("without_permission", without_permission),
];

/// Where every free device is ours.
pub(super) const FINDING: &[Row<'_>] = &[
    ("find", find),
    ("find_and_set_up", find_and_set_up),
    ("find_without_permission", find_without_permission),
];

/// What a command leads to: the answer, and the devices it has found and left.
#[derive(Debug, PartialEq)]
struct Effect {
    answer: Answer,
    number: u32,
    attributes: Option<Vec<(String, String)>>,
}

/// How a device is prepared. What comes back is undone before the device is removed.
type Prepare = fn(&RealDevice) -> Result<Vec<Guard>, Failed>;

/// Kept while the program runs.
enum Guard {
    #[expect(dead_code, reason = "its destructor is what it is for")]
    Use(Use),
    #[expect(dead_code, reason = "its destructor is what it is for")]
    Open(File),
    #[expect(dead_code, reason = "its destructor is what it is for")]
    Directory(Scratch),
}

fn untouched(_: &RealDevice) -> Result<Vec<Guard>, Failed> {
    Ok(Vec::new())
}

fn initialised(device: &RealDevice) -> Result<Vec<Guard>, Failed> {
    device.write("comp_algorithm", b"lz4")?;
    device.write("disksize", b"1M")?;
    Ok(Vec::new())
}

fn opened(device: &RealDevice) -> Result<Vec<Guard>, Failed> {
    initialised(device)?;
    Ok(vec![Guard::Open(File::open(device.node())?)])
}

fn swapped(device: &RealDevice) -> Result<Vec<Guard>, Failed> {
    Ok(vec![Guard::Use(swap_on(device)?)])
}

fn mounted(device: &RealDevice) -> Result<Vec<Guard>, Failed> {
    let scratch = Scratch::new("mounted")?;
    let mount = mount_on(device, &scratch.path().join("m"))?;
    Ok(vec![Guard::Use(mount), Guard::Directory(scratch)])
}

/// Runs a line on a new device, whose name stands for `DEV`.
fn effect(
    programs: &Programs,
    which: Which,
    surroundings: Surroundings,
    prepare: Prepare,
    line: &str,
) -> Result<(Effect, Vec<OsString>), Failed> {
    let device = RealDevice::add()?;
    let guards = prepare(&device)?;
    let arguments = words(&line.replace("DEV", &device.node().display().to_string()));
    let answer = programs.run(which, surroundings, &arguments)?;
    let effect =
        Effect { answer, number: device.number(), attributes: attributes(device.number()) };
    drop(guards);
    // What the program has removed is not ours any more, and its number may be somebody's.
    if effect.attributes.is_none() {
        device.forget();
    }
    Ok((effect, arguments))
}

/// How often two devices are made until they have the same number.
const TRIES: u32 = 10;

/// The effects of both, on devices of the same number.
fn effects(
    programs: &Programs,
    surroundings: Surroundings,
    prepare: Prepare,
    line: &str,
) -> Result<(Effect, Effect, Vec<OsString>), Failed> {
    for _ in 0..TRIES {
        let (stock, arguments) = effect(programs, Which::Stock, surroundings, prepare, line)?;
        let (ours, _) = effect(programs, Which::Ours, surroundings, prepare, line)?;
        // Else somebody else makes and removes devices too.
        if stock.number == ours.number {
            return Ok((stock, ours, arguments));
        }
    }
    Err("device numbers change all the time".into())
}

/// Answer and state are the same.
fn same(programs: &Programs, surroundings: Surroundings, prepare: Prepare, line: &str) -> Outcome {
    let (stock, ours, arguments) = effects(programs, surroundings, prepare, line)?;
    programs.judge(&arguments, &stock.answer, &ours.answer)?;
    if without_fill(&stock) == without_fill(&ours) {
        return Ok(());
    }
    Err(format!("zramctl {line} leaves\n{stock:#?}\nwe leave\n{ours:#?}").into())
}

/// The attributes, less what is stored in a device in use, which is never the same twice.
fn without_fill(effect: &Effect) -> Option<Vec<&(String, String)>> {
    let attributes = effect.attributes.as_ref()?;
    Some(attributes.iter().filter(|(name, _)| name != "mm_stat").collect())
}

fn named(programs: &Programs) -> Outcome {
    for line in [
        "-s 4M DEV",
        "DEV -s 4M",
        "--size=4M DEV",
        "-s 1.5M DEV",
        "-s 0.3K DEV",
        "-s 1.9K DEV",
        "-s 1KB DEV",
        "-s 0x10K DEV",
        "-s 010K DEV",
        "-s 1 DEV",
        "-s 4097 DEV",
        "-s 4M -a lz4 DEV",
        "-s 4M -a lzo DEV",
        "-alz4 -s4M DEV",
        "-s 4M -t 0 DEV",
        "-s 1M -s 2M DEV",
        "-s 1M -a lzo -a lz4 DEV",
        "-s 1M -b -n DEV",
        "--si 1M DEV",
    ] {
        same(programs, ROOT, untouched, line)?;
    }
    Ok(())
}

/// Both say the same; they leave a device that is reset and set up by half, we leave a reset one.
fn failing(programs: &Programs) -> Outcome {
    for line in ["-s 0 DEV", "-s 1M -a nonsense DEV", "-s 0 -a lz4 DEV", "-s 15E DEV"] {
        for prepare in [untouched as Prepare, initialised] {
            let (stock, ours, arguments) = effects(programs, ROOT, prepare, line)?;
            programs.judge(&arguments, &stock.answer, &ours.answer)?;
            let fresh = RealDevice::add()?;
            let reset = attributes(fresh.number());
            drop(fresh);
            let stays = |effect: &Effect| {
                let state = effect.attributes.as_ref();
                state.is_some_and(|state| state.contains(&("disksize".into(), "0".into())))
            };
            // A reset leaves the algorithm before Linux 6.2.
            let is_reset = ours.attributes == reset || ours.attributes == stock.attributes;
            if !stays(&stock) || !stays(&ours) || !is_reset {
                return Err(format!("{line}: {stock:#?}\nours: {ours:#?}\nnew: {reset:#?}").into());
            }
        }
    }
    Ok(())
}

fn streams(programs: &Programs) -> Outcome {
    let line = "-s 1M -t 3 DEV";
    let fresh = RealDevice::add()?;
    let has_streams = fresh.attribute("max_comp_streams").exists();
    drop(fresh);
    if has_streams || !differences::needs_streams(programs.stock_release()) {
        return same(programs, ROOT, untouched, line);
    }
    let (stock, ours, _) = effects(programs, ROOT, untouched, line)?;
    let (theirs, us) = (&stock.answer, &ours.answer);
    let gives_up = theirs.status == Some(1) && theirs.complaint.contains("number of streams");
    let goes_on = us.status == Some(0) && us.complaint.is_empty() && us.stdout.is_empty();
    let size = ("disksize".to_owned(), "1048576".to_owned());
    let is_set_up = ours.attributes.as_ref().is_some_and(|state| state.contains(&size));
    match gives_up && goes_on && is_set_up {
        true => Ok(()),
        false => Err(format!("{stock:#?}\nours: {ours:#?}").into()),
    }
}

/// What was in it is lost, without a word.
fn live(programs: &Programs) -> Outcome {
    for line in ["-s 2M DEV", "-s 1M DEV", "-s 2M -a lzo DEV"] {
        same(programs, ROOT, initialised, line)?;
    }
    Ok(())
}

fn reset(programs: &Programs) -> Outcome {
    for prepare in [untouched as Prepare, initialised] {
        for line in ["-r DEV", "DEV --reset", "-r DEV DEV", "-r zram999999 DEV", "-r DEV /dev/null"]
        {
            same(programs, ROOT, prepare, line)?;
        }
    }
    Ok(())
}

fn busy(programs: &Programs) -> Outcome {
    for prepare in [opened as Prepare, swapped, mounted] {
        for line in ["-r DEV", "-s 2M DEV"] {
            same(programs, ROOT, prepare, line)?;
        }
    }
    Ok(())
}

fn without_permission(programs: &Programs) -> Outcome {
    for prepare in [untouched as Prepare, initialised] {
        for line in ["-r DEV", "-s 2M DEV", "-s 2M -a lz4 DEV", "-s 2M -t 2 DEV"] {
            same(programs, USER, prepare, line)?;
        }
    }
    Ok(())
}

/// Runs a line that looks for a device, and removes what it has made.
fn finding(programs: &Programs, which: Which, line: &str) -> Result<Effect, Failed> {
    let before = zram::numbers()?;
    let answer = programs.run(which, ROOT, &words(line))?;
    let new = zram::numbers()?.into_iter().find(|number| !before.contains(number));
    let made = new.map(RealDevice::adopt);
    let number = new.unwrap_or(u32::MAX);
    let effect = Effect { answer, number, attributes: attributes(number) };
    drop(made);
    Ok(effect)
}

fn both_find(programs: &Programs, line: &str) -> Outcome {
    let stock = finding(programs, Which::Stock, line)?;
    let ours = finding(programs, Which::Ours, line)?;
    programs.judge(&words(line), &stock.answer, &ours.answer)?;
    match stock == ours {
        true => Ok(()),
        false => Err(format!("zramctl {line} leaves\n{stock:#?}\nwe leave\n{ours:#?}").into()),
    }
}

fn find(programs: &Programs) -> Outcome {
    both_find(programs, "-f")?;
    both_find(programs, "--find")?;
    // One that is there and free is preferred, one in use is not.
    let in_use = RealDevice::add()?;
    in_use.write("disksize", b"1M")?;
    both_find(programs, "-f")?;
    let free = RealDevice::add()?;
    for which in [Which::Stock, Which::Ours] {
        let effect = finding(programs, which, "-f")?;
        let expected = format!("{}\n", free.node().display());
        if (effect.number, &effect.answer.stdout) != (u32::MAX, &expected) {
            return Err(format!("{which:?} finds {effect:?}").into());
        }
    }
    Ok(())
}

fn find_and_set_up(programs: &Programs) -> Outcome {
    for line in ["-f -s 4M", "-fs4M", "--find --size 4M -a lz4", "-f -s 4M -t 0", "-s 4M -f"] {
        both_find(programs, line)?;
    }
    // What cannot be set up is left behind by them, and removed by us.
    for line in ["-f -s 0", "-f -s 1M -a nonsense"] {
        let stock = finding(programs, Which::Stock, line)?;
        let ours = finding(programs, Which::Ours, line)?;
        programs.judge(&words(line), &stock.answer, &ours.answer)?;
        let is_left = |effect: &Effect| effect.attributes.is_some();
        if !is_left(&stock) || is_left(&ours) {
            return Err(format!("zramctl {line}: {stock:#?}\nours: {ours:#?}").into());
        }
    }
    // A free device that was there is left there by both.
    let free = RealDevice::add()?;
    both_find(programs, "-f -s 0")?;
    match fs::read_to_string(free.attribute("disksize"))?.as_str() {
        "0\n" => Ok(()),
        other => Err(format!("disksize {other}").into()),
    }
}

fn find_without_permission(programs: &Programs) -> Outcome {
    let line = words("-f --raw");
    let stock = programs.run(Which::Stock, USER, &line)?;
    let ours = programs.run(Which::Ours, USER, &line)?;
    programs.judge(&line, &stock, &ours)
}
