//! Does a step on both sides and compares what comes of it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use sysfs_compat::abi::device::taken;
use sysfs_compat::abi::kernel::PAGE_SIZE;
use sysfs_compat::abi::{Attr, Errno};
use trueno_tests::ioctl;
use trueno_tests::zram::CONTROL;

use super::coverage::{self, Coverage};
use super::pair::{BEFORE, Failure, Pair, same, unable, uptime};
use super::step::{Age, Extra, FileName, Page, Step, Text};

/// A page for direct I/O, which wants it aligned.
#[repr(C, align(4096))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Frame([u8; 4096]);

/// Before boot, by so much that the length of a run does not matter.
const LONG: u64 = 100_000_000;

impl Pair {
    /// Does a step on both sides.
    pub(super) fn apply(&mut self, step: &Step, coverage: &mut Coverage) -> Result<(), Failure> {
        match step {
            Step::Write { attr, open, texts } => self.write(*attr, *open, texts, coverage),
            Step::WriteAge(age) => {
                let now = uptime()?;
                let age = match age {
                    Age::BeforeTheRun => now - (self.born - BEFORE),
                    Age::BeforeBoot => now + LONG,
                };
                self.write(Attr::Idle, Extra::None, &[age.to_string().into()], coverage)
            }
            Step::Open { file, open, read, write } => {
                self.open(file, *open, (*read, *write), coverage)
            }
            Step::Reread { attr, first, between } => {
                self.reread(*attr, *first, between.as_ref(), coverage)
            }
            Step::WritePage { index, page } => self.write_page(*index, *page, coverage),
            Step::ReadPage { index } => self.read_page(*index, coverage),
            Step::Discard { first, pages } => self.discard(*first, *pages, coverage),
            Step::Hold => {
                let node = self.real.device.node();
                self.real.held = Some(File::open(node).map_err(unable("hold the device"))?);
                self.model_mut().backend_mut().openers = 1;
                Ok(())
            }
            Step::Release => {
                self.real.held = None;
                self.model_mut().backend_mut().openers = 0;
                Ok(())
            }
            Step::HotAdd => {
                self.add_spare()?;
                coverage.count::<()>(coverage::HOT_ADD, Ok(()));
                Ok(())
            }
            Step::HotRemove { text } => self.hot_remove(text, coverage),
        }
    }

    fn write(
        &mut self,
        attr: Attr,
        open: Extra,
        texts: &[Text],
        coverage: &mut Coverage,
    ) -> Result<(), Failure> {
        let path = self.real.device.attribute(attr.name());
        let file = options(open, false, true).open(path);
        let mut file = file.map_err(unable("open the attribute"))?;
        texts.iter().try_for_each(|text| self.write_once(&mut file, attr, text, coverage))
    }

    fn write_once(
        &mut self,
        file: &mut File,
        attr: Attr,
        text: &Text,
        coverage: &mut Coverage,
    ) -> Result<(), Failure> {
        if attr == Attr::Idle {
            self.model_mut().backend_mut().uptime = uptime()?;
        }
        let model = self.model_mut().store(attr, &text.0);
        let real = errno(file.write(&text.0));
        if !text.0.is_empty() {
            coverage.count(attr.name(), real);
        }
        same(&format!("{text:?} > {}", attr.name()), model, real)?;
        if !self.model().is_initialised() {
            self.real.pages.clear();
        }
        Ok(())
    }

    fn open(
        &self,
        file: &FileName,
        open: Extra,
        (read, write): (bool, bool),
        coverage: &mut Coverage,
    ) -> Result<(), Failure> {
        let creates = write && matches!(open, Extra::Create | Extra::CreateNew);
        let direction = |allowed| if allowed { Ok(()) } else { Err(Errno::EACCES) };
        let (path, found) = match file {
            FileName::Attribute(attr) => {
                let found = self.model().open(attr.name(), read, write).map(drop);
                (self.real.device.attribute(attr.name()), found)
            }
            FileName::Missing(name) => {
                let found = self.model().open(name, read, write).map(drop);
                (self.real.device.attribute(name), found)
            }
            FileName::HotAdd => (control("hot_add"), direction(!write)),
            FileName::HotRemove => (control("hot_remove"), direction(!read)),
        };
        let model = match found {
            // sysfs lets nobody make files.
            Err(Errno::ENOENT) if creates => Err(Errno::EACCES),
            Err(Errno::ENOENT) => Err(Errno::ENOENT),
            _ if write && open == Extra::CreateNew => Err(Errno::EEXIST),
            found => found,
        };
        let real = errno(options(open, read, write).open(&path)).map(drop);
        coverage.count(coverage::OPEN, real);
        if real == Err(Errno::EACCES) {
            match file {
                FileName::Attribute(attr) => coverage.count(attr.name(), real),
                FileName::HotAdd => coverage.count(coverage::HOT_ADD, real),
                FileName::HotRemove => coverage.count(coverage::HOT_REMOVE, real),
                FileName::Missing(_) => {}
            }
        }
        same(&format!("open {}", path.display()), model, real)
    }

    fn reread(
        &mut self,
        attr: Attr,
        first: usize,
        between: Option<&(Attr, Text)>,
        coverage: &mut Coverage,
    ) -> Result<(), Failure> {
        let show = |pair: &Pair| pair.model().show(attr).map_err(|errno| errno.to_string());
        let path = self.real.device.attribute(attr.name());
        let mut file = File::open(path).map_err(unable("open the attribute"))?;
        let before = show(self)?;
        let first = first.min(before.len());
        let mut buffer = vec![0; first];
        let length = file.read(&mut buffer).map_err(unable("read the beginning"))?;
        same("the beginning", before.get(..first), buffer.get(..length))?;
        if let Some((attr, text)) = between {
            self.write(*attr, Extra::None, std::slice::from_ref(text), coverage)?;
        }
        // The rest comes from what the first read has made, whatever happened since.
        let mut rest = Vec::new();
        file.read_to_end(&mut rest).map_err(unable("read the rest"))?;
        same("the rest", before.get(first..), Some(rest.as_slice()))?;
        let after = show(self)?;
        let mut again = Vec::new();
        file.rewind().map_err(unable("seek"))?;
        file.read_to_end(&mut again).map_err(unable("read again"))?;
        same("what is read again", &after, &again)?;
        let middle = after.len() / 2;
        let mut tail = vec![0; after.len()];
        let length = file.read_at(&mut tail, middle as u64).map_err(unable("read the middle"))?;
        same("what is read from the middle", after.get(middle..), tail.get(..length))
    }

    fn write_page(
        &mut self,
        index: u64,
        page: Page,
        coverage: &mut Coverage,
    ) -> Result<(), Failure> {
        let is_filled = matches!(page, Page::Filled(_));
        let model = self.model_mut().backend_mut().write(index, is_filled);
        let node = self.real.open_node()?;
        let real = errno(node.write_at(&frame(page).0, index * PAGE_SIZE));
        coverage.count(coverage::WRITE_PAGE, real);
        same(&format!("write of page {index}"), model.map(|()| 4096), real)?;
        if real.is_ok() {
            self.real.pages.insert(index, page);
        }
        Ok(())
    }

    fn read_page(&mut self, index: u64, coverage: &mut Coverage) -> Result<(), Failure> {
        self.model_mut().backend_mut().read(index);
        let mut read = Frame([0x55; 4096]);
        let real = errno(self.real.open_node()?.read_at(&mut read.0, index * PAGE_SIZE));
        coverage.count(coverage::READ_PAGE, real);
        same(&format!("read of page {index}"), Ok(4096), real)?;
        let page = self.real.pages.get(&index).copied().unwrap_or(Page::Filled([0; 8]));
        if frame(page) == read {
            return Ok(());
        }
        Err(format!("page {index} does not hold the {page:?} that was written"))
    }

    fn discard(&mut self, first: u64, pages: u64, coverage: &mut Coverage) -> Result<(), Failure> {
        self.model_mut().backend_mut().discard(first..first + pages);
        let node = self.real.open_node()?;
        let real = errno(ioctl::discard(&node, first, pages));
        coverage.count(coverage::DISCARD, real);
        same(&format!("discard of {pages} pages from {first}"), Ok(()), real)?;
        self.real.pages.retain(|index, _| !(first..first + pages).contains(index));
        Ok(())
    }

    fn hot_remove(&mut self, text: &Text, coverage: &mut Coverage) -> Result<(), Failure> {
        let model = match taken(&text.0) {
            [] => Ok(0),
            taken => self.control.hot_remove(taken).map(|_| taken.len()),
        };
        let file = OpenOptions::new().write(true).open(control("hot_remove"));
        let real = errno(file.map_err(unable("open hot_remove"))?.write(&text.0));
        if !text.0.is_empty() {
            coverage.count(coverage::HOT_REMOVE, real);
        }
        same(&format!("{text:?} > hot_remove"), model, real)?;
        self.spare = match self.spare.take() {
            Some(spare) if self.control.get(spare.number()).is_none() => {
                spare.forget();
                None
            }
            spare => spare,
        };
        if self.control.get(self.real.device.number()).is_none() {
            self.replace()?;
        }
        Ok(())
    }
}

fn options(extra: Extra, read: bool, write: bool) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(read).write(write);
    match extra {
        Extra::None => &mut options,
        Extra::Truncate => options.truncate(write),
        Extra::Append => options.append(write),
        Extra::Create => options.create(write),
        Extra::CreateNew => options.create_new(write),
    };
    options
}

fn control(name: &str) -> PathBuf {
    Path::new(CONTROL).join(name)
}

fn frame(page: Page) -> Frame {
    let mut frame = Frame([0; 4096]);
    match page {
        Page::Filled(word) => frame.0.chunks_exact_mut(8).for_each(|c| c.copy_from_slice(&word)),
        Page::Random(seed) => fastrand::Rng::with_seed(seed).fill(&mut frame.0),
    }
    frame
}

fn errno<T>(result: io::Result<T>) -> Result<T, Errno> {
    result.map_err(|error| Errno::from(&error))
}
