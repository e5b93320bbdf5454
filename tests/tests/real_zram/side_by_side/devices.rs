//! Devices in every state that can be looked at.

use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::Failed;
use trueno_tests::loop_device::{self, LoopDevice};
use trueno_tests::scratch::Scratch;
use trueno_tests::zram::RealDevice;

/// Runs a tool that must succeed.
pub(super) fn tool(program: &str, arguments: &[&Path]) -> Result<(), Failed> {
    let output = Command::new(program).args(arguments).output()?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{program} {arguments:?}: {output:?}").into()),
    }
}

/// Undone at the end.
#[derive(Debug)]
pub(super) enum Use {
    Swap(PathBuf),
    Mount(PathBuf),
    Link(PathBuf),
}

impl Drop for Use {
    fn drop(&mut self) {
        let undone = match self {
            Use::Swap(node) => tool("swapoff", &[node]),
            Use::Mount(target) => tool("umount", &[target]),
            Use::Link(path) => fs::remove_file(path).map_err(Failed::from),
        };
        #[expect(clippy::print_stderr, reason = "a destructor has no other way to say it")]
        if let Err(error) = undone {
            eprintln!("{self:?} stays behind: {}", error.message().unwrap_or_default());
        }
    }
}

/// A device of 64 MiB with a swap on it that is on.
pub(super) fn swap_on(device: &RealDevice) -> Result<Use, Failed> {
    let node = device.node();
    device.write("disksize", b"64M")?;
    tool("mkswap", &[&node])?;
    tool("swapon", &[Path::new("-p"), Path::new("7"), &node])?;
    Ok(Use::Swap(node))
}

/// A device of 16 MiB with a file system, mounted there.
pub(super) fn mount_on(device: &RealDevice, target: &Path) -> Result<Use, Failed> {
    device.write("disksize", b"16M")?;
    tool("mkfs.ext4", &[Path::new("-q"), &device.node()])?;
    fs::create_dir_all(target)?;
    tool("mount", &[&device.node(), target])?;
    fs::write(target.join("file"), vec![0x5a; 100_000])?;
    tool("sync", &[])?;
    Ok(Use::Mount(target.to_owned()))
}

/// One device of each kind. Fields are dropped in this order: what uses a device, then the device.
#[derive(Debug)]
pub(super) struct Devices {
    _links: Vec<Use>,
    _mount: Use,
    _swap: Use,
    pub(super) swap: RealDevice,
    pub(super) mounted: RealDevice,
    pub(super) filled: RealDevice,
    pub(super) fresh: RealDevice,
    pub(super) unused: RealDevice,
    pub(super) other: LoopDevice,
    pub(super) link: PathBuf,
    pub(super) link_elsewhere: PathBuf,
    pub(super) link_long: PathBuf,
    _scratch: Scratch,
}

impl Devices {
    pub(super) fn new() -> Result<Self, Failed> {
        loop_device::load_driver();
        let scratch = Scratch::new("devices")?;
        let other = LoopDevice::on(&scratch.path().join("disk"), 1 << 20)?;
        let swap = RealDevice::add()?;
        let swap_use = swap_on(&swap)?;
        let mounted = RealDevice::add()?;
        let target = scratch.path().join("a b\u{e9}\u{6f22}\\x41\t\u{301}c");
        let mount = mount_on(&mounted, &target)?;
        let filled = RealDevice::add()?;
        filled.write("disksize", b"100000K")?;
        fill(&filled)?;
        let fresh = RealDevice::add()?;
        fresh.write("disksize", b"4096")?;
        let pid = std::process::id();
        let name = format!("trueno-{pid}");
        let link = PathBuf::from(format!("/dev/{name}"));
        let link_elsewhere = scratch.path().join(&name);
        let link_long = PathBuf::from(format!("/dev/{name}-with-a-name-of-more-than-31-bytes"));
        let mut links = Vec::new();
        for path in [&link, &link_elsewhere, &link_long] {
            symlink(fresh.node(), path)?;
            links.push(Use::Link(path.clone()));
        }
        Ok(Devices {
            _links: links,
            _mount: mount,
            _swap: swap_use,
            swap,
            mounted,
            filled,
            fresh,
            unused: RealDevice::add()?,
            other,
            link,
            link_elsewhere,
            link_long,
            _scratch: scratch,
        })
    }

    /// One of each kind.
    pub(super) fn nodes(&self) -> Vec<String> {
        let zram = [&self.swap, &self.mounted, &self.filled, &self.fresh, &self.unused];
        zram.into_iter().map(|device| device.node().display().to_string()).collect()
    }

    /// Everything else that can be named as a device, real or not.
    pub(super) fn other_names(&self) -> Vec<String> {
        let other = self.other.path().display().to_string();
        vec![
            format!("zram{}", self.mounted.number()),
            other.trim_start_matches("/dev/").to_owned(),
            other,
            self.link.display().to_string(),
            "/dev/null".to_owned(),
            "null".to_owned(),
            "/dev/zram999999".to_owned(),
            "zram999999".to_owned(),
            "/dev".to_owned(),
            "/".to_owned(),
            ".".to_owned(),
            String::new(),
            format!("/sys/block/zram{}", self.fresh.number()),
            format!("/dev/../dev/zram{}", self.fresh.number()),
            format!("/dev//zram{}", self.fresh.number()),
            format!("{}x", self.fresh.node().display()),
        ]
    }
}

/// Zeros, text and noise, so that every column has something to show.
fn fill(device: &RealDevice) -> io::Result<()> {
    let node = File::options().write(true).open(device.node())?;
    let mut random = fastrand::Rng::with_seed(1);
    for index in 0..600 {
        let page: Vec<u8> = match index % 3 {
            0 => vec![0; 4096],
            1 => std::iter::repeat_with(|| random.choice(*b"zram").unwrap_or_default())
                .take(4096)
                .collect(),
            _ => std::iter::repeat_with(|| random.u8(..)).take(4096).collect(),
        };
        node.write_all_at(&page, index * 4096)?;
    }
    node.sync_all()
}

/// The attributes that setting up decides, `None` if there is no such device.
pub(super) fn attributes(number: u32) -> Option<Vec<(String, String)>> {
    let directory = PathBuf::from(format!("/sys/block/zram{number}"));
    let names = ["disksize", "initstate", "comp_algorithm", "max_comp_streams", "mm_stat"];
    directory.exists().then(|| {
        let read = |name: &&str| {
            let text = fs::read(directory.join(name)).ok()?;
            Some(((*name).to_owned(), String::from_utf8_lossy(&text).trim_end().to_owned()))
        };
        names.iter().filter_map(read).collect()
    })
}

/// Whether the name is fit for a command line in a shell.
pub(super) fn is_plain(path: &Path) -> bool {
    path.as_os_str()
        .as_bytes()
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || b"/-.".contains(byte))
}
