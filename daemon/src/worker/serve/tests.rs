//! The loop against a driver and a store that do what a script says.

use std::collections::BTreeMap;
use std::ops::Range;

use trueno_zram_store::{Errno as StoreErrno, Page};

use super::*;
use crate::ublk::uapi::{self, IoDesc};

const DEPTH: u16 = 4;
const DEVICE_PAGES: u64 = 1000;
const MOST_PAGES: usize = 4;

/// A driver whose events come in rounds, one a wait; when there are none left, the device goes away.
#[derive(Default)]
struct Scripted {
    rounds: VecDeque<Vec<Event>>,
    events: VecDeque<Event>,
    descriptors: BTreeMap<u16, IoDesc>,
    buffers: Vec<[Page; MOST_PAGES]>,
    /// Answers, and in which round they came.
    answers: Vec<(u16, i32, usize)>,
    round: usize,
    /// How long each wait was to be at most.
    waits: Vec<Option<Duration>>,
    /// What copying fails with.
    fault: Option<i32>,
}

impl Transport for Scripted {
    fn fetch_most(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn fetch_last(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn wait(&mut self, at_most: Option<Duration>) -> io::Result<()> {
        self.waits.push(at_most);
        self.round += 1;
        match self.rounds.pop_front() {
            Some(events) => self.events = events.into(),
            // A loop that still waits for memory is one that the device waits for.
            None if at_most.is_some() => std::thread::sleep(at_most.unwrap_or_default()),
            None => self.events = (0..DEPTH).map(Event::Aborted).collect(),
        }
        Ok(())
    }

    fn next(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn descriptor(&self, tag: u16) -> IoDesc {
        self.descriptors[&tag]
    }

    fn written(&mut self, tag: u16, pages: Range<usize>) -> io::Result<&[Page]> {
        match self.fault {
            Some(errno) => Err(io::Error::from_raw_os_error(errno)),
            None => Ok(&self.buffers[usize::from(tag)][pages]),
        }
    }

    fn room(&mut self, tag: u16, pages: usize) -> &mut [Page] {
        &mut self.buffers[usize::from(tag)][..pages]
    }

    fn hand_over(&mut self, _: u16, _: usize) -> io::Result<()> {
        self.fault.map_or(Ok(()), |errno| Err(io::Error::from_raw_os_error(errno)))
    }

    fn answer(&mut self, tag: u16, result: i32) -> io::Result<()> {
        self.answers.push((tag, result, self.round));
        Ok(())
    }
}

/// A store with room for so many pages, that keeps a byte of each.
#[derive(Default)]
struct Small {
    room: usize,
    kept: BTreeMap<u64, u8>,
    /// What a write fails with.
    refusal: Option<Error>,
    /// After so many refused writes there is room for one more.
    patience: Option<usize>,
    tries: usize,
    given_up: u64,
    wants: bool,
}

impl Pages for Small {
    fn read(&mut self, page: u64, out: &mut Page) -> Result<(), Error> {
        out.fill(self.kept.get(&page).copied().unwrap_or(0));
        match out[0] {
            255 => Err(Error::Damaged { page: 0, what: "as the script says" }),
            _ => Ok(()),
        }
    }

    fn write(&mut self, page: u64, data: &Page) -> Result<Written, Error> {
        self.tries += 1;
        if let Some(refusal) = self.refusal {
            return Err(refusal);
        }
        if self.kept.len() >= self.room {
            if self.patience.is_some_and(|patience| self.tries > patience) {
                self.room += 1;
                self.tries = 0;
            }
            return Ok(Written::Parked);
        }
        assert_eq!(self.kept.insert(page, data[0]), None, "page {page} was done already");
        Ok(Written::Done)
    }

    fn discard(&mut self, pages: Range<u64>) -> Result<Range<u64>, Error> {
        let end = pages.end.min(pages.start + 100);
        self.kept.retain(|page, _| !(pages.start..end).contains(page));
        Ok(end..pages.end)
    }

    fn give_up(&mut self, pages: u64) {
        self.given_up += pages;
    }

    fn want_memory(&self) -> bool {
        self.wants
    }
}

fn request(operation: u32, pages: Range<u64>) -> IoDesc {
    let nr_sectors = u32::try_from((pages.end - pages.start) * 8).expect("few");
    IoDesc { op_flags: operation, nr_sectors, start_sector: pages.start * 8, addr: 0 }
}

/// Requests by their tags, all of them in the first round.
fn driver(requests: &[IoDesc]) -> Scripted {
    let descriptors: BTreeMap<u16, _> = (0..).zip(requests.iter().copied()).collect();
    let first = descriptors.keys().map(|tag| Event::Request(*tag)).collect();
    let pages = |tag: u8| [1, 2, 3, 4].map(|page| [10 * tag + page; PAGE_SIZE]);
    let buffers = (0..4).map(pages).collect();
    Scripted { rounds: [first].into(), descriptors, buffers, ..Default::default() }
}

fn server(driver: Scripted, store: Small) -> Server<Scripted, Small> {
    let limits = Limits { device_pages: DEVICE_PAGES, most_pages: MOST_PAGES as u64, depth: DEPTH };
    let bell = || Arc::new(Bell::new().expect("an eventfd"));
    Server::new(driver, store, limits, bell(), bell())
}

/// Runs it to the end; the answers and what was stored come back.
fn run(mut server: Server<Scripted, Small>) -> Server<Scripted, Small> {
    while server.live > 0 {
        server.turn().expect("no queue fails");
    }
    server
}

fn results(server: &Server<Scripted, Small>) -> Vec<(u16, i32)> {
    server.transport.answers.iter().map(|(tag, result, _)| (*tag, *result)).collect()
}

#[test]
fn what_is_written_is_read_and_forgotten() {
    let mut driver = driver(&[
        request(uapi::OP_WRITE, 5..8),
        request(uapi::OP_FLUSH, 0..0),
        request(uapi::OP_READ, 6..10),
        request(uapi::OP_WRITE_ZEROES, 7..8),
    ]);
    driver.rounds.push_back(vec![Event::Request(2)]);
    let server = run(server(driver, Small { room: 100, ..Default::default() }));
    let page = 4096;
    let expected = [(0, 3 * page), (1, 0), (2, 4 * page), (3, 0), (2, 4 * page)];
    assert_eq!(results(&server), expected);
    assert_eq!(server.pages.kept, BTreeMap::from([(5, 1), (6, 2)]));
    let read: Vec<u8> = server.transport.buffers[2].iter().map(|page| page[4095]).collect();
    assert_eq!(read, [2, 0, 0, 0], "the page that was forgotten is zero");
}

#[test]
fn what_cannot_be_done_is_answered_with_why() {
    let requests = [
        request(uapi::OP_READ, 998..1001),
        request(uapi::OP_READ, 0..5),
        request(9, 0..1),
        request(uapi::OP_READ, 7..8),
    ];
    let kept = BTreeMap::from([(7, 255)]);
    let server = run(server(driver(&requests), Small { kept, ..Default::default() }));
    let expected =
        [(0, -libc::EINVAL), (1, -libc::EINVAL), (2, -libc::EOPNOTSUPP), (3, -libc::EIO)];
    assert_eq!(results(&server), expected);

    for refusal in [Error::Limit, Error::Memory(StoreErrno(libc::ENOMEM)), Error::Codec] {
        let store = Small { refusal: Some(refusal), ..Default::default() };
        let server = run(self::server(driver(&[request(uapi::OP_WRITE, 0..2)]), store));
        assert_eq!(results(&server), [(0, -libc::EIO)], "{refusal:?}");
    }

    let requests = [request(uapi::OP_READ, 0..1), request(uapi::OP_WRITE, 0..1)];
    let driver = Scripted { fault: Some(libc::EFAULT), ..driver(&requests) };
    let server = run(self::server(driver, Small { room: 9, ..Default::default() }));
    assert_eq!(results(&server), [(0, -libc::EFAULT), (1, -libc::EFAULT)]);
}

#[test]
fn a_parked_write_goes_on_where_it_stopped_and_others_pass_it() {
    let mut driver = driver(&[request(uapi::OP_WRITE, 0..4), request(uapi::OP_READ, 0..1)]);
    let second = driver.rounds[0].split_off(1);
    driver.rounds.push_back(second);
    let store = Small { room: 2, patience: Some(3), ..Default::default() };
    let server = run(server(driver, store));
    assert_eq!(results(&server), [(1, 4096), (0, 4 * 4096)]);
    assert_eq!(server.pages.kept, BTreeMap::from([(0, 1), (1, 2), (2, 3), (3, 4)]));
    let waits = &server.transport.waits;
    assert_eq!(waits[0], None, "nothing waits yet");
    assert!(waits[1].is_some_and(|wait| wait <= RETRY), "{waits:?}");
}

#[test]
fn the_bell_is_heard_before_the_time_is_up() {
    let mut driver = driver(&[request(uapi::OP_WRITE, 0..1)]);
    // Bells alone, without a pause: by the clock there would be one try.
    driver.rounds.extend((0..5).map(|_| vec![Event::Bell]));
    let server = run(server(driver, Small { patience: Some(4), ..Default::default() }));
    let (_, result, round) = server.transport.answers[0];
    assert_eq!(result, 4096);
    assert!(round <= 7, "answered in round {round}");
}

#[test]
fn a_swap_out_does_not_wait_for_long() {
    let swap = request(uapi::OP_WRITE | uapi::IO_F_SWAP, 0..3);
    let file = request(uapi::OP_WRITE, 3..4);
    let begin = Instant::now();
    // Room for the first page.
    let store = Small { room: 1, patience: Some(40), ..Default::default() };
    let server = run(server(driver(&[swap, file]), store));
    // The other one is done in the end, however long that takes.
    assert_eq!(results(&server), [(0, -libc::EIO), (1, 4096)]);
    assert!(begin.elapsed() >= SWAP_PATIENCE);
    assert_eq!(server.pages.given_up, 2, "pages of the write that has failed are counted");
}

#[test]
fn one_of_those_that_wait_looks_for_memory() {
    let writes = [0, 1, 2, 3].map(|page| request(uapi::OP_WRITE, page..page + 1));
    let server = run(server(driver(&writes), Small { patience: Some(6), ..Default::default() }));
    let mut answers = server.transport.answers.iter();
    // Four tries when they came, and one a time from then on; the seventh is what it takes.
    assert_eq!(answers.next().map(|(_, result, round)| (*result, *round)), Some((4096, 5)));
    assert!(answers.all(|(_, result, _)| *result == 4096));
    assert_eq!(server.pages.kept.len(), 4);
}

#[test]
fn a_write_that_gets_on_does_not_wait_too_long() {
    let swap = request(uapi::OP_WRITE | uapi::IO_F_SWAP, 0..4);
    let begin = Instant::now();
    // Each page waits for five tries, all of them for longer than one may.
    let store = Small { patience: Some(4), ..Default::default() };
    let server = run(server(driver(&[swap]), store));
    assert!(begin.elapsed() > SWAP_PATIENCE);
    assert_eq!(results(&server), [(0, 4 * 4096)]);
}

#[test]
fn a_large_discard_lets_others_pass() {
    let mut driver = driver(&[request(uapi::OP_DISCARD, 0..950), request(uapi::OP_READ, 0..1)]);
    let second = driver.rounds[0].split_off(1);
    driver.rounds.push_back(second);
    let kept = (0..1000).map(|page| (page, 1)).collect();
    let server = run(server(driver, Small { kept, ..Default::default() }));
    assert_eq!(results(&server), [(1, 4096), (0, 0)]);
    assert_eq!(server.pages.kept.len(), 50);
    assert!(server.transport.waits[1..9].iter().all(|wait| *wait == Some(Duration::ZERO)));
}

#[test]
fn an_answer_that_is_refused_ends_the_process() {
    let mut driver = driver(&[]);
    driver.rounds = [vec![Event::Refused { tag: 3, errno: -libc::EINVAL }]].into();
    let error = server(driver, Small::default()).run().expect_err("a tag is lost");
    assert!(error.to_string().contains("tag 3"), "{error}");
}

#[test]
fn whoever_gets_memory_is_rung_once_it_has_asked() {
    let driver = Scripted { rounds: [vec![], vec![]].into(), ..driver(&[]) };
    let server = server(driver, Small { wants: true, ..Default::default() });
    server.growing.expect();
    let server = run(server);
    assert!(server.growing.silence(), "rung");
    assert_eq!(server.transport.waits, [None, None, None]);
}
