//! Does a step on every side and compares what comes of it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::FileExt;

use crate::ioctl;
use crate::pages::{Frame, PAGE};
use crate::zram::Make;
use sysfs_compat::abi::device::taken;
use sysfs_compat::abi::kernel::PAGE_SIZE;
use sysfs_compat::abi::{Attr, Errno};

use super::coverage::{self, Coverage};
use super::pair::{BEFORE, Failure, Pair, Real, same, unable, uptime};
use super::step::{Age, Extra, FileName, Page, Step, Text};

/// Before boot, by so much that the length of a run does not matter.
const LONG: u64 = 100_000_000;

impl Pair {
    /// Does a step on every side.
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
                for real in &mut self.reals {
                    let node = File::open(real.device.node());
                    real.held = Some(node.map_err(unable("hold the device"))?);
                }
                self.model_mut().backend_mut().openers = 1;
                Ok(())
            }
            Step::Release => {
                self.reals.iter_mut().for_each(|real| real.held = None);
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
        let open = |real: &Real| {
            let file = options(open, false, true).open(real.device.attribute(attr.name()));
            Ok((real.device.make(), file.map_err(unable("open the attribute"))?))
        };
        let mut files = self.reals.iter().map(open).collect::<Result<Vec<_>, Failure>>()?;
        texts.iter().try_for_each(|text| self.write_once(&mut files, attr, text, coverage))
    }

    fn write_once(
        &mut self,
        files: &mut [(Make, File)],
        attr: Attr,
        text: &Text,
        coverage: &mut Coverage,
    ) -> Result<(), Failure> {
        if attr == Attr::Idle {
            self.model_mut().backend_mut().uptime = uptime()?;
        }
        let model = self.model_mut().store(attr, &text.0);
        for (make, file) in files {
            let real = errno(file.write(&text.0));
            if !text.0.is_empty() {
                coverage.count(attr.name(), real);
            }
            same(*make, &format!("{text:?} > {}", attr.name()), model, real)?;
        }
        if !self.model().is_initialised() {
            self.pages.clear();
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
        self.reals
            .iter()
            .try_for_each(|real| self.open_on(real, file, open, (read, write), coverage))
    }

    fn open_on(
        &self,
        real: &Real,
        file: &FileName,
        open: Extra,
        (read, write): (bool, bool),
        coverage: &mut Coverage,
    ) -> Result<(), Failure> {
        let creates = write && matches!(open, Extra::Create | Extra::CreateNew);
        let direction = |allowed| if allowed { Ok(()) } else { Err(Errno::EACCES) };
        let control = |name| real.device.make().control().join(name);
        let (path, found) = match file {
            FileName::Attribute(attr) => {
                let found = self.model().open(attr.name(), read, write).map(drop);
                (real.device.attribute(attr.name()), found)
            }
            FileName::Missing(name) => {
                let found = self.model().open(name, read, write).map(drop);
                (real.device.attribute(name), found)
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
        let opened = errno(options(open, read, write).open(&path)).map(drop);
        coverage.count(coverage::OPEN, opened);
        if opened == Err(Errno::EACCES) {
            match file {
                FileName::Attribute(attr) => coverage.count(attr.name(), opened),
                FileName::HotAdd => coverage.count(coverage::HOT_ADD, opened),
                FileName::HotRemove => coverage.count(coverage::HOT_REMOVE, opened),
                FileName::Missing(_) => {}
            }
        }
        same(real.device.make(), &format!("open {}", path.display()), model, opened)
    }

    fn reread(
        &mut self,
        attr: Attr,
        first: usize,
        between: Option<&(Attr, Text)>,
        coverage: &mut Coverage,
    ) -> Result<(), Failure> {
        let show = |pair: &Pair| pair.model().show(attr).map_err(|errno| errno.to_string());
        let before = show(self)?;
        let first = first.min(before.len());
        let begin = |real: &Real| {
            let path = real.device.attribute(attr.name());
            let mut file = File::open(path).map_err(unable("open the attribute"))?;
            let mut beginning = vec![0; first];
            let length = file.read(&mut beginning).map_err(unable("read the beginning"))?;
            beginning.truncate(length);
            Ok((real.device.make(), file, beginning))
        };
        let begun = self.reals.iter().map(begin).collect::<Result<Vec<_>, Failure>>()?;
        if let Some((attr, text)) = between {
            self.write(*attr, Extra::None, std::slice::from_ref(text), coverage)?;
        }
        let after = show(self)?;
        for (make, mut file, mut text) in begun {
            // The rest comes from what the first read has made, whatever happened since.
            file.read_to_end(&mut text).map_err(unable("read the rest"))?;
            self.same_text(attr, make, "beginning and rest", &before, &text)?;
            let mut again = Vec::new();
            file.rewind().map_err(unable("seek"))?;
            file.read_to_end(&mut again).map_err(unable("read again"))?;
            self.same_text(attr, make, "what is read again", &after, &again)?;
            let middle = again.len() / 2;
            let mut tail = vec![0; again.len()];
            let length =
                file.read_at(&mut tail, middle as u64).map_err(unable("read the middle"))?;
            same(make, "what is read from the middle", again.get(middle..), tail.get(..length))?;
        }
        Ok(())
    }

    fn write_page(
        &mut self,
        index: u64,
        page: Page,
        coverage: &mut Coverage,
    ) -> Result<(), Failure> {
        let is_filled = matches!(page, Page::Filled(_));
        let model = self.model_mut().backend_mut().write(index, is_filled);
        for side in &self.reals {
            let real = errno(side.open_node()?.write_at(&frame(page).0, index * PAGE_SIZE));
            coverage.count(coverage::WRITE_PAGE, real);
            let what = format!("write of page {index}");
            same(side.device.make(), &what, model.map(|()| PAGE), real)?;
        }
        if model.is_ok() {
            self.pages.insert(index, page);
        }
        Ok(())
    }

    fn read_page(&mut self, index: u64, coverage: &mut Coverage) -> Result<(), Failure> {
        self.model_mut().backend_mut().read(index);
        let page = self.pages.get(&index).copied().unwrap_or(Page::Filled([0; 8]));
        for side in &self.reals {
            let mut read = Frame::filled(0x5555_5555_5555_5555);
            let real = errno(side.open_node()?.read_at(&mut read.0, index * PAGE_SIZE));
            coverage.count(coverage::READ_PAGE, real);
            same(side.device.make(), &format!("read of page {index}"), Ok(PAGE), real)?;
            if frame(page) != read {
                let make = side.device.make();
                return Err(format!("{make:?}: page {index} does not hold the {page:?}"));
            }
        }
        Ok(())
    }

    fn discard(&mut self, first: u64, pages: u64, coverage: &mut Coverage) -> Result<(), Failure> {
        self.model_mut().backend_mut().discard(first..first + pages);
        for side in &self.reals {
            let real = errno(ioctl::discard(&side.open_node()?, first, pages));
            coverage.count(coverage::DISCARD, real);
            let what = format!("discard of {pages} pages from {first}");
            same(side.device.make(), &what, Ok(()), real)?;
        }
        self.pages.retain(|index, _| !(first..first + pages).contains(index));
        Ok(())
    }

    fn hot_remove(&mut self, text: &Text, coverage: &mut Coverage) -> Result<(), Failure> {
        let model = match taken(&text.0) {
            [] => Ok(0),
            taken => self.control.hot_remove(taken).map(|_| taken.len()),
        };
        for side in &mut self.reals {
            let path = side.device.make().control().join("hot_remove");
            let file = OpenOptions::new().write(true).open(path);
            let real = errno(file.map_err(unable("open hot_remove"))?.write(&text.0));
            if !text.0.is_empty() {
                coverage.count(coverage::HOT_REMOVE, real);
            }
            same(side.device.make(), &format!("{text:?} > hot_remove"), model, real)?;
            side.spare = match side.spare.take() {
                Some(spare) if self.control.get(spare.number()).is_none() => {
                    spare.forget();
                    None
                }
                spare => spare,
            };
        }
        if self.control.get(self.real().device.number()).is_none() {
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

fn frame(page: Page) -> Frame {
    match page {
        Page::Filled(word) => Frame::filled(u64::from_le_bytes(word)),
        Page::Random(seed) => Frame::noise(seed),
    }
}

fn errno<T>(result: io::Result<T>) -> Result<T, Errno> {
    result.map_err(|error| Errno::from(&error))
}
