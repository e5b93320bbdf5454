//! Nobody waits for what is not theirs: while some are held at a gate, the others get their answers.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use crate::support::{errno, start};

#[test]
fn readers_do_not_wait_for_a_store() {
    let Some(mirrored) = start() else { return };
    let gate = &mirrored.keeper().gate;
    gate.close();
    thread::scope(|scope| {
        let held = scope.spawn(|| mirrored.write("zram0/trueno/pause", "1").unwrap());
        gate.expect(1);
        // The same device's next store waits its turn.
        let next = scope.spawn(|| mirrored.write("zram0/mem_limit", "2M").unwrap());
        for _ in 0..3 {
            mirrored.read("zram0/mm_stat").unwrap();
            mirrored.read("zram0/trueno/note").unwrap();
            fs::read_dir(mirrored.path("zram0")).unwrap().count();
            fs::metadata(mirrored.path("zram0/trueno/pause")).unwrap();
            mirrored.write("zram1/mem_limit", "1M").unwrap();
            mirrored.mirror.device(0).unwrap();
        }
        assert!(!held.is_finished() && !next.is_finished());
        gate.open();
        held.join().unwrap();
        next.join().unwrap();
    });
    let log = mirrored.keeper().log();
    assert_eq!(log[3..], [r#"0 trueno/pause="1" 0"#, r#"0 mem_limit="2M" 0"#]);
}

/// A text that waits for something is nobody's wait but the reader's.
#[test]
fn nobody_waits_for_somebody_elses_slow_text() {
    let Some(mirrored) = start() else { return };
    let gate = &mirrored.keeper().gate;
    mirrored.write("zram0/trueno/note", "text\n").unwrap();
    gate.close();
    thread::scope(|scope| {
        let read = || mirrored.read("zram0/trueno/slow").unwrap();
        let readers = [scope.spawn(read), scope.spawn(read)];
        gate.expect(2);
        for _ in 0..3 {
            mirrored.read("zram0/mm_stat").unwrap();
            mirrored.read("zram0/trueno/note").unwrap();
            fs::metadata(mirrored.path("zram0/trueno/slow")).unwrap();
            mirrored.write("zram0/mem_limit", "1M").unwrap();
        }
        assert!(readers.iter().all(|reader| !reader.is_finished()));
        gate.open();
        for reader in readers {
            assert_eq!(reader.join().unwrap(), "text\n");
        }
    });
}

#[test]
fn nobody_waits_for_devices_that_come_and_go() {
    let Some(mirrored) = start() else { return };
    let gate = &mirrored.keeper().gate;
    gate.close();
    thread::scope(|scope| {
        let removed = scope.spawn(|| mirrored.write("zram-control/hot_remove", "0").unwrap());
        gate.expect(1);
        let added = scope.spawn(|| mirrored.read("zram-control/hot_add").unwrap());
        gate.expect(2);
        for _ in 0..3 {
            mirrored.read("zram1/mm_stat").unwrap();
            mirrored.write("zram1/mem_limit", "1M").unwrap();
            let devices = fs::read_dir(mirrored.place.at()).unwrap().count();
            assert_eq!(devices, 2, "zram1 and zram-control");
            assert_eq!(errno(mirrored.read("zram0/mm_stat")), libc::ENOENT);
        }
        assert!(!removed.is_finished() && !added.is_finished());
        gate.open();
        // The number was not free before the provider let go of it.
        assert_eq!(added.join().unwrap(), "2\n");
        removed.join().unwrap();
    });
}

#[test]
fn devices_that_are_made_at_once_get_numbers_of_their_own() {
    let Some(mirrored) = start() else { return };
    let gate = &mirrored.keeper().gate;
    gate.close();
    thread::scope(|scope| {
        let read = || mirrored.read("zram-control/hot_add").unwrap();
        let readers: Vec<_> = (0..4).map(|_| scope.spawn(read)).collect();
        gate.expect(4);
        assert_eq!(mirrored.mirror.numbers(), [0, 1]);
        gate.open();
        let mut numbers: Vec<_> =
            readers.into_iter().map(|reader| reader.join().unwrap()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, ["2\n", "3\n", "4\n", "5\n"]);
    });
}

/// Whoever waits for an answer and is killed does not hold anybody up.
#[test]
fn a_killed_writer_leaves_the_others_alone() {
    let Some(mirrored) = start() else { return };
    let gate = &mirrored.keeper().gate;
    gate.close();
    let mut writer = Command::new("sh")
        .args(["-c", "echo 1 > zram0/trueno/pause"])
        .current_dir(mirrored.place.at())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    gate.expect(1);
    writer.kill().unwrap();
    for _ in 0..3 {
        mirrored.read("zram0/mm_stat").unwrap();
        mirrored.write("zram1/mem_limit", "1M").unwrap();
    }
    gate.open();
    assert_eq!(writer.wait().unwrap().signal(), Some(libc::SIGKILL));
    mirrored.write("zram0/mem_limit", "1M").unwrap();
}

/// Not a test but a measurement: `cargo test --release -p trueno-zram-mirror -- --ignored --nocapture`.
#[test]
#[ignore = "measures"]
fn what_reading_takes() {
    const READS: u32 = 20_000;
    let Some(mirrored) = start() else { return };
    let measure = |path: &std::path::Path| {
        let start = Instant::now();
        for _ in 0..READS {
            std::hint::black_box(fs::read(path).unwrap());
        }
        start.elapsed() / READS
    };
    eprintln!(
        "mm_stat by the mirror: {:?} for open, read and close",
        measure(&mirrored.path("zram0/mm_stat"))
    );
    let real = std::path::Path::new("/sys/block/zram0/mm_stat");
    if real.exists() {
        eprintln!("mm_stat by the kernel: {:?}", measure(real));
    }
}
