//! What runs when a package is installed, upgraded and removed: the same scripts for all formats.
//!
//! The formats differ in when they call a script, so each has a line in front of it that ends it at
//! other times.

use anyhow::Context as _;

use super::read;
use crate::workspace::Workspace;

/// A script of `packaging/scripts`, and what it is to the formats.
pub(super) struct Script {
    file: &'static str,
    /// Its name in a Debian package, and the first argument that it is meant for: deb-postinst(5).
    pub(super) deb: &'static str,
    deb_when: &'static str,
    /// Its section in a spec file, and how many of the package there are then, if that matters.
    pub(super) rpm: &'static str,
    rpm_when: Option<u32>,
}

pub(super) const SCRIPTS: [Script; 3] = [
    Script {
        file: "installed",
        deb: "postinst",
        deb_when: "configure",
        rpm: "%post",
        rpm_when: None,
    },
    Script { file: "removing", deb: "prerm", deb_when: "remove", rpm: "%preun", rpm_when: Some(0) },
    Script {
        file: "removed",
        deb: "postrm",
        deb_when: "remove",
        rpm: "%postun",
        rpm_when: Some(0),
    },
];

const SHEBANG: &str = "#!/bin/sh\n";

impl Script {
    /// As a Debian package has it.
    pub(super) fn for_deb(&self, workspace: &Workspace) -> anyhow::Result<String> {
        let when = self.deb_when;
        let body = self.body(workspace)?;
        Ok(format!("{SHEBANG}[ \"$1\" = {when} ] || exit 0\n{body}"))
    }

    /// As a spec file has it, with its heading.
    pub(super) fn for_rpm(&self, workspace: &Workspace) -> anyhow::Result<String> {
        let guard = match self.rpm_when {
            Some(count) => format!("[ \"$1\" = {count} ] || exit 0\n"),
            None => String::new(),
        };
        // A percent sign starts a macro there.
        let body = self.body(workspace)?.replace('%', "%%");
        Ok(format!("{}\n{guard}{body}\n", self.rpm))
    }

    fn body(&self, workspace: &Workspace) -> anyhow::Result<String> {
        let path = workspace.path("packaging/scripts").join(self.file);
        let text = read(&path)?;
        let body = text.strip_prefix(SHEBANG);
        Ok(body.with_context(|| format!("{}: no script of /bin/sh", path.display()))?.to_owned())
    }
}
