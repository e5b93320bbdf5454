//! Where things are, and what cargo makes of them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::process;

pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The workspace this xtask was built in. Not taken from the environment, because xtask also
    /// runs without cargo, in the VM, where the workspace has the same path.
    pub(crate) fn of_this_build() -> Self {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        Self { root: package.parent().unwrap_or(package).to_owned() }
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    pub(crate) fn target_dir(&self) -> PathBuf {
        // Joining an absolute path replaces the root, as cargo does.
        self.root.join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
    }

    /// A cargo command that runs in the workspace root.
    pub(crate) fn cargo<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new("cargo");
        command.args(args).current_dir(&self.root);
        command
    }

    /// Builds with `args` and returns the executable of target `name`, whose kind is `kind` (`bin`,
    /// `test`).
    pub(crate) fn build_executable(
        &self,
        args: &[&str],
        kind: &str,
        name: &str,
    ) -> anyhow::Result<PathBuf> {
        // Warnings and errors still reach the terminal, rendered, on standard error.
        let format = "--message-format=json-render-diagnostics";
        let mut command = self.cargo(args.iter().copied().chain([format]));
        println!("$ {}", process::shown(&command));
        let output = command.stderr(Stdio::inherit()).output().context("cannot run cargo")?;
        if !output.status.success() {
            bail!("the build failed: {}", process::shown(&command));
        }
        let messages = String::from_utf8_lossy(&output.stdout);
        messages
            .lines()
            .find_map(|line| executable_of(line, kind, name))
            .with_context(|| format!("the workspace has no {kind} target named {name}"))
    }
}

/// The executable, if this line of cargo's JSON reports the artifact of that target.
fn executable_of(line: &str, kind: &str, name: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    let target = message.get("target")?;
    let is_kind = target.get("kind")?.as_array()?.iter().any(|k| k == kind);
    if !is_kind || target.get("name")? != name {
        return None;
    }
    Some(PathBuf::from(message.get("executable")?.as_str()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_found_by_kind_and_name() {
        let line = r#"{"reason":"compiler-artifact","target":{"kind":["test"],"name":"real_zram"},
            "executable":"/t/real_zram-1"}"#;
        assert_eq!(executable_of(line, "test", "real_zram"), Some("/t/real_zram-1".into()));
        assert_eq!(executable_of(line, "bin", "real_zram"), None);
        assert_eq!(executable_of(line, "test", "other"), None);
    }

    #[test]
    fn other_messages_have_no_executable() {
        let library = r#"{"target":{"kind":["test"],"name":"a"},"executable":null}"#;
        for line in [library, r#"{"reason":"build-finished","success":true}"#, "", "not json"] {
            assert_eq!(executable_of(line, "test", "a"), None, "{line}");
        }
    }
}
