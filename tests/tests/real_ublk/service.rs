//! The service where no systemd runs it: in a terminal with its device, and started by `create`.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};

use libtest_mimic::Trial;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use trueno_tests::check::{Outcome, ensure, equal, tool, wait_for};
use trueno_tests::daemon::{self, ARENAS};
use trueno_tests::mount::Mount;
use trueno_tests::pages::Frame;
use trueno_tests::program;
use trueno_tests::scratch::Scratch;
use trueno_tests::zram::{Make, RealDevice};

use crate::bad_input::{FAILED, USAGE, fails, leaving_nothing, ublk};
use crate::stand::{fill, holds, needing, trial_without_daemon};

/// Seconds until a process has come up, or ended, in an emulated machine.
const PATIENCE: u64 = 20;

pub(super) fn trials() -> Vec<Trial> {
    vec![
        trial_without_daemon("service::in_a_terminal", in_a_terminal),
        needing(&["mkfs.ext4"], trial_without_daemon("service::in_a_terminal_and_used", used)),
        needing(&["setsid"], trial_without_daemon("service::started_by_create", by_create)),
    ]
}

/// `create --foreground`, and what it has said.
struct Terminal {
    child: Child,
    first_line: String,
    said: PathBuf,
    _scratch: Scratch,
}

impl Terminal {
    /// Starts one, and waits until it says what its device is.
    fn open(options: &[&str]) -> Outcome<Self> {
        let scratch = Scratch::new("terminal")?;
        let said = scratch.path().join("said");
        let mut command = ublk(&["create", "--foreground", "--size=64M"]);
        // As a shell does with what is started at its prompt.
        command.args(options).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(&said)?);
        let mut terminal = Terminal {
            child: command.spawn()?,
            first_line: String::new(),
            said,
            _scratch: scratch,
        };
        if let Some(stdout) = terminal.child.stdout.take() {
            BufReader::new(stdout).read_line(&mut terminal.first_line)?;
        }
        ensure(terminal.first_line.ends_with('\n'), || {
            format!("no device: {:?}", terminal.said())
        })?;
        Ok(terminal)
    }

    fn said(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.said).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// To everybody in the terminal's foreground: what Ctrl-C does.
    fn signal(&self, signal: Signal) -> Outcome {
        Ok(kill_process_group(Pid::from_child(&self.child), signal)?)
    }

    /// It must refuse, for that reason, and go on.
    fn refuses(&mut self, signal: Signal, words: &[&str]) -> Outcome {
        let before = self.said().len();
        self.signal(signal)?;
        wait_for("a refusal", PATIENCE, || (self.said().len() > before).then_some(()))?;
        let said = self.said();
        let line = said.last().cloned().unwrap_or_default();
        equal("lines", said.len(), before + 1)?;
        let has_all = [&["trueno-ublk: ", "/dev/trueno/zram0", "in use"], words].concat();
        ensure(has_all.iter().all(|word| line.contains(word)), || format!("{words:?}: {line:?}"))?;
        ensure(self.child.try_wait()?.is_none(), || "it has ended".into())
    }

    /// It must end as if all is well, and say nothing: that its workers end with it is no news.
    fn ends(mut self, signal: Signal) -> Outcome {
        let before = self.said().len();
        self.signal(signal)?;
        let status = self.wait()?;
        let said = self.said();
        ensure(said.len() == before, || format!("{signal:?}: {said:?}"))?;
        ensure(status.code() == Some(0), || format!("{signal:?}: {status}: {:?}", self.said()))
    }

    fn wait(&mut self) -> Outcome<ExitStatus> {
        for _ in 0..PATIENCE * 50 {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        Err(format!("it goes on after {PATIENCE} s: {:?}", self.said()).into())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

/// Each signal by which a terminal or a person ends a program.
fn in_a_terminal() -> Outcome {
    leaving_nothing(|| {
        let terminal = Terminal::open(&["--id=3"])?;
        equal("its device", terminal.first_line.trim_end(), "/dev/ublkb3")?;
        let device = RealDevice::adopt_from(Make::Ublk, 0);
        fill(&device, 0..64, Frame::mixed)?;
        holds(&device, 0..64, Frame::mixed)?;
        // Another one finds it served already, and does it no harm.
        let mut other = ublk(&["create", "--foreground", "--size=16M"]);
        fails(&mut other, FAILED, &["already", &terminal.child.id().to_string()])?;
        holds(&device, 0..64, Frame::mixed)?;
        device.forget();
        terminal.ends(Signal::INT)
    })?;
    leaving_nothing(|| {
        let terminal = Terminal::open(&["--json"])?;
        let is_json = terminal.first_line.contains("\"/dev/trueno/zram0\"");
        ensure(is_json, || terminal.first_line.clone())?;
        terminal.ends(Signal::TERM)
    })?;
    leaving_nothing(|| Terminal::open(&[])?.ends(Signal::HUP))?;
    // What cannot be made ends at once, and leaves no service behind.
    let mut command = ublk(&["create", "--foreground", "--size=4097"]);
    leaving_nothing(|| fails(&mut command, USAGE, &["4097"]))
}

fn used() -> Outcome {
    leaving_nothing(|| {
        let mut terminal = Terminal::open(&[])?;
        let node = PathBuf::from(terminal.first_line.trim_end());
        let device = RealDevice::adopt_from(Make::Ublk, 0);
        let worker = daemon::worker(&device)?;
        tool("mkfs.ext4", &["-q", &node.display().to_string()])?;
        let mount = Mount::new(&node)?;
        let target = mount.path().display().to_string();
        for signal in [Signal::INT, Signal::TERM] {
            terminal.refuses(signal, &["mounted", &target])?;
        }
        let file = mount.path().join("file");
        fs::write(&file, Frame::mixed(1).0)?;
        tool("sync", &["-f", &target])?;
        fs::write("/proc/sys/vm/drop_caches", "3")?;
        ensure(fs::read(&file)? == Frame::mixed(1).0, || "it serves no more".into())?;
        mount.unmount()?;
        let reader = File::open(&node)?;
        terminal.refuses(Signal::INT, &[&format!("process {}", std::process::id())])?;
        holds(&device, [9000], |_| Frame::filled(0))?;
        // The signal was for the whole group of processes, and no worker is in that.
        equal("the worker", daemon::worker(&device)?, worker)?;
        drop(reader);
        device.forget();
        terminal.ends(Signal::INT)
    })
}

/// As a process that belongs to nobody's login: it goes on when the session ends.
fn by_create() -> Outcome {
    leaving_nothing(|| {
        let program = program::ublk().display().to_string();
        let node = tool(&program, &["create", "--size=16M"])?;
        let device = RealDevice::adopt_from(Make::Ublk, 0);
        equal("its node", Path::new(node.trim_end()), &device.node())?;
        let service = fs::read_to_string(Path::new(ARENAS).join("lock"))?;
        let service: i32 = service.trim_end().parse()?;
        let stat = fs::read_to_string(format!("/proc/{service}/stat"))?;
        let behind_name = stat.rsplit_once(") ").ok_or("no stat")?.1;
        // State, parent, group, session: proc_pid_stat(5).
        let numbers: Vec<i32> = behind_name
            .split(' ')
            .skip(1)
            .map_while(|number| number.parse().ok())
            .take(3)
            .collect();
        let ours = i32::try_from(std::process::id())?;
        ensure(numbers.first() != Some(&ours), || format!("it is our child: {stat}"))?;
        equal("its session", numbers.get(2), Some(&service))?;
        fill(&device, 0..16, Frame::mixed)?;
        // A second device needs no second service.
        tool(&program, &["create", "--size=16M"])?;
        let other = RealDevice::adopt_from(Make::Ublk, 1);
        let lock = fs::read_to_string(Path::new(ARENAS).join("lock"))?;
        equal("the service", lock.trim_end().parse(), Ok(service))?;
        holds(&device, 0..16, Frame::mixed)?;
        for device in [device, other] {
            tool(&program, &["reset", &device.name()])?;
            device.forget();
        }
        kill_process(Pid::from_raw(service).ok_or("no process")?, Signal::TERM)?;
        let log = Path::new(ARENAS).join("log");
        wait_for("the end of the service", PATIENCE, || {
            let processes = daemon::processes().ok()?;
            (!processes.contains(&service)).then_some(())
        })?;
        let said = fs::read_to_string(&log)?;
        ensure(said.contains("attribute files are in"), || format!("its log: {said:?}"))?;
        fs::remove_file(log)?;
        Ok(())
    })
}
