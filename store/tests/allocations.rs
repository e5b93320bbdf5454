//! No operation allocates.
#![expect(unsafe_code, reason = "an allocator that counts")]
#![expect(clippy::cast_possible_truncation, clippy::indexing_slicing, reason = "tests may panic")]

use std::alloc::{GlobalAlloc, Layout as Memory, System};
use std::cell::Cell;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use trueno_zram_core::{Algorithm, CompressorBuilder};
use trueno_zram_region::FileRegion;
use trueno_zram_store::{Codecs, Device, Layout, Options, Page, QueueStore, Written};

thread_local! {
    /// Calls of this thread; `const`, so that its first use allocates nothing.
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call is the system allocator's, with what the caller has promised; counting in a cell
// of the thread's own allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, memory: Memory) -> *mut u8 {
        CALLS.set(CALLS.get() + 1);
        // SAFETY: the caller's promise is what the callee asks for.
        unsafe { System.alloc(memory) }
    }

    unsafe fn dealloc(&self, start: *mut u8, memory: Memory) {
        // SAFETY: as above, and `start` is the system allocator's.
        unsafe { System.dealloc(start, memory) }
    }
}

/// How often `work` allocates on this thread.
fn allocations(work: impl FnOnce()) -> usize {
    let before = CALLS.get();
    work();
    CALLS.get() - before
}

const PAGES: u64 = 1 << 14;
const THREADS: u64 = 2;
/// A million together.
const OPERATIONS: u64 = 1_000_000 / THREADS;

struct Random(u64);

impl Random {
    fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.0 >> 33) % below
    }
}

/// Pages of all kinds: zeros, words that fit into a slot and words that do not, few and many
/// different bytes, noise.
fn pages() -> Vec<Page> {
    let mut random = Random(1);
    let mut page = |kind: usize| {
        let words = match kind % 16 {
            0 => 0,
            1 | 9 => 512,
            _ => kind * 7,
        };
        let fill = [0, 0x20, 0xff][kind % 3];
        let mut page = [fill; 4096];
        for word in 0..words {
            let at = random.below(512) as usize * 8;
            page[at] = random.below(256) as u8;
            if kind % 8 == 1 {
                page[word * 8..][..8].copy_from_slice(&random.below(1 << 31).pow(2).to_le_bytes());
            }
        }
        page
    };
    let mut pages: Vec<Page> = (0..48).map(&mut page).collect();
    for word in [0x0123_4567_89ab_cdef_u64, 0xfedc_ba98_7654_3210] {
        let mut filled = [0; 4096];
        filled.as_chunks_mut::<8>().0.fill(word.to_le_bytes());
        pages.push(filled);
    }
    pages
}

/// What one thread did.
#[derive(Debug, Default)]
struct Done {
    allocations: usize,
    writes: u64,
    parked: u64,
    reads: u64,
    discards: u64,
}

fn work(queue: &mut QueueStore<FileRegion>, pages: &[Page], thread: u64) -> Done {
    let (mut random, mut out, mut done) = (Random(thread), [0; 4096], Done::default());
    let device = queue.device();
    done.allocations = allocations(|| {
        for _ in 0..OPERATIONS {
            let page = random.below(PAGES);
            match random.below(16) {
                0 => {
                    let end = (page + random.below(32)).min(PAGES);
                    queue.discard(page..end).expect("inside");
                    done.discards += 1;
                }
                1..7 => {
                    let data = &pages[random.below(pages.len() as u64) as usize];
                    while queue.write(page, data).expect("there is memory") == Written::Parked {
                        device.maintain();
                        done.parked += 1;
                    }
                    done.writes += 1;
                }
                // Memory goes back, and is missing soon after.
                7 if random.below(1024) == 0 => {
                    queue.discard(0..PAGES).expect("all of it");
                    device.maintain();
                }
                _ => {
                    queue.read(page, &mut out).expect("undamaged");
                    done.reads += 1;
                }
            }
        }
    });
    done
}

fn nothing_is_allocated(algorithm: Algorithm) {
    let codec = CompressorBuilder::new().algorithm(algorithm).build().expect("a codec");
    let bytes = Layout::new(PAGES, true).expect("a size").region_bytes();
    let region = FileRegion::anonymous(bytes).expect("a memfd");
    let options = Options { access_times: true, ..Options::default() };
    let device = Device::format(region, PAGES, options, Codecs::new(codec)).expect("a device");
    let pages = pages();
    let mut queues = [(); THREADS as usize].map(|()| device.queue().expect("a thread"));
    let parked = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for (thread, queue) in (1..).zip(&mut queues) {
            let (pages, parked) = (&pages, &parked);
            scope.spawn(move || {
                let done = work(queue, pages, thread);
                assert_eq!(done.allocations, 0, "{done:?}");
                assert!(done.writes > OPERATIONS / 4 && done.discards > 0 && done.reads > 0);
                parked.fetch_add(done.parked, Relaxed);
            });
        }
    });
    assert!(parked.into_inner() > 10, "some writes have to wait for memory");
    assert!(device.mm_stat().huge_pages_since > 0, "some pages are stored as they are");
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(vec![1; 100]))), 1);
}

#[test]
fn nothing_is_allocated_with_lz4() {
    nothing_is_allocated(Algorithm::Lz4);
}

#[test]
fn nothing_is_allocated_with_wm() {
    nothing_is_allocated(Algorithm::Wm);
}
