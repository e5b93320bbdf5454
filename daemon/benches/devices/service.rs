//! The service, started for the benchmark.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use sysfs_compat::client::{Kind, Root, control};

use crate::Result;

const LONGEST_START: Duration = Duration::from_secs(30);

/// Runs until it is dropped.
pub(crate) struct Service(Child);

impl Service {
    pub(crate) fn start(program: &Path) -> Result<Self> {
        let mut command = Command::new(program);
        let service = Self(command.arg("serve").stdin(Stdio::null()).spawn()?);
        let deadline = Instant::now() + LONGEST_START;
        while !control::exists(&Root::new("/"), Kind::Ublk) {
            if Instant::now() > deadline {
                return Err("the service does not come up".into());
            }
            sleep(Duration::from_millis(20));
        }
        Ok(service)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Its attribute files are unmounted then; the machine ends all the same.
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        pid.map(|pid| kill_process(pid, Signal::TERM));
        self.0.wait().ok();
    }
}
