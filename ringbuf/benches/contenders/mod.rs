//! The queues that are measured against each other, behind one pair of traits; shared by the bench and by `compare`.
//!
//! Each contender is used in its usual way: ours, and rtrb's chunks, write and read in place; rtrb's `push` and `pop` and
//! the `ArrayQueue` take and give values. The message is filled and read in full by the same functions, and is aligned
//! to a cache line for all. What always holds: sender and receiver run on a thread each, pinned when there are cores.

use std::{
    hint::{black_box, spin_loop},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Slots of each ring.
pub const CAPACITY: usize = 1024;
/// Messages that are timed together in a transfer: more than a full ring.
pub const CHUNK: u64 = 2 * CAPACITY as u64;
/// Messages per publication in the batch variants.
pub const BATCH: usize = 16;

#[derive(Clone, Copy)]
#[repr(align(64))]
pub struct Message<const WORDS: usize>([u64; WORDS]);

impl<const WORDS: usize> Default for Message<WORDS> {
    fn default() -> Self {
        Self([0; WORDS])
    }
}

impl<const WORDS: usize> Message<WORDS> {
    /// Every word is computed, as an encoder would.
    #[inline(always)]
    pub fn fill(&mut self, seed: u64) {
        for (nth, word) in self.0.iter_mut().enumerate() {
            *word = seed.wrapping_add(nth as u64);
        }
    }

    /// Every word is looked at.
    #[inline(always)]
    pub fn read(&self) -> u64 {
        self.0.iter().fold(0, |sum, word| sum ^ word)
    }
}

pub trait Sender<const WORDS: usize>: Send {
    /// Sends the message for `seed`; false when full.
    fn send(&mut self, seed: u64) -> bool;
    /// Publishes what is not yet; false where there is no room for it.
    fn flush(&mut self) -> bool {
        true
    }
}

pub trait Receiver: Send {
    /// Reads one message in full.
    fn receive(&mut self) -> Option<u64>;
}

/// Makes a queue.
pub trait Contender {
    const NAME: &'static str;
    fn make<const WORDS: usize>() -> (impl Sender<WORDS>, impl Receiver);
}

pub struct Ours;
struct OurProducer<const WORDS: usize>(ringbuf::Producer<Message<WORDS>>);
struct OurConsumer<const WORDS: usize>(ringbuf::Consumer<Message<WORDS>>);

impl Contender for Ours {
    const NAME: &'static str = "ours";
    fn make<const WORDS: usize>() -> (impl Sender<WORDS>, impl Receiver) {
        let (producer, consumer) = ringbuf::spsc(CAPACITY);
        (
            OurProducer::<WORDS>(producer),
            OurConsumer::<WORDS>(consumer),
        )
    }
}

impl<const WORDS: usize> Sender<WORDS> for OurProducer<WORDS> {
    #[inline(always)]
    fn send(&mut self, seed: u64) -> bool {
        let Some(slot) = self.0.claim() else {
            return false;
        };
        slot.fill(seed);
        self.0.commit();
        true
    }
}

impl<const WORDS: usize> Receiver for OurConsumer<WORDS> {
    #[inline(always)]
    fn receive(&mut self) -> Option<u64> {
        let read = self.0.peek()?.read();
        self.0.release();
        Some(read)
    }
}

pub struct OursBatch;
struct OurBatchProducer<const WORDS: usize>(ringbuf::Producer<Message<WORDS>>, usize);
struct OurBatchConsumer<const WORDS: usize>(ringbuf::Consumer<Message<WORDS>>, usize);

impl Contender for OursBatch {
    const NAME: &'static str = "ours-batch";
    fn make<const WORDS: usize>() -> (impl Sender<WORDS>, impl Receiver) {
        let (producer, consumer) = ringbuf::spsc(CAPACITY);
        (
            OurBatchProducer::<WORDS>(producer, 0),
            OurBatchConsumer::<WORDS>(consumer, 0),
        )
    }
}

impl<const WORDS: usize> Sender<WORDS> for OurBatchProducer<WORDS> {
    #[inline(always)]
    fn send(&mut self, seed: u64) -> bool {
        let Some(slot) = self.0.claim_nth(self.1) else {
            self.flush();
            return false;
        };
        slot.fill(seed);
        self.1 += 1;
        if self.1 == BATCH {
            self.flush();
        }
        true
    }

    #[inline(always)]
    fn flush(&mut self) -> bool {
        self.0.commit_n(std::mem::take(&mut self.1));
        true
    }
}

impl<const WORDS: usize> Receiver for OurBatchConsumer<WORDS> {
    #[inline(always)]
    fn receive(&mut self) -> Option<u64> {
        let read = self.0.peek_nth(self.1).map(Message::read);
        self.1 += usize::from(read.is_some());
        if read.is_none() || self.1 == BATCH {
            self.0.release_n(std::mem::take(&mut self.1));
        }
        read
    }
}

pub struct Rtrb;
struct RtrbProducer<const WORDS: usize>(rtrb::Producer<Message<WORDS>>);
struct RtrbConsumer<const WORDS: usize>(rtrb::Consumer<Message<WORDS>>);

impl Contender for Rtrb {
    const NAME: &'static str = "rtrb";
    fn make<const WORDS: usize>() -> (impl Sender<WORDS>, impl Receiver) {
        let (producer, consumer) = rtrb::RingBuffer::new(CAPACITY);
        (
            RtrbProducer::<WORDS>(producer),
            RtrbConsumer::<WORDS>(consumer),
        )
    }
}

impl<const WORDS: usize> Sender<WORDS> for RtrbProducer<WORDS> {
    #[inline(always)]
    fn send(&mut self, seed: u64) -> bool {
        let mut message = Message::default();
        message.fill(seed);
        self.0.push(message).is_ok()
    }
}

impl<const WORDS: usize> Receiver for RtrbConsumer<WORDS> {
    #[inline(always)]
    fn receive(&mut self) -> Option<u64> {
        Some(self.0.pop().ok()?.read())
    }
}

pub struct RtrbBatch;
struct RtrbBatchProducer<const WORDS: usize>(rtrb::Producer<Message<WORDS>>, Vec<Message<WORDS>>);
struct RtrbBatchConsumer<const WORDS: usize>(rtrb::Consumer<Message<WORDS>>, Vec<u64>);

impl Contender for RtrbBatch {
    const NAME: &'static str = "rtrb-batch";
    fn make<const WORDS: usize>() -> (impl Sender<WORDS>, impl Receiver) {
        let (producer, consumer) = rtrb::RingBuffer::new(CAPACITY);
        (
            RtrbBatchProducer::<WORDS>(producer, Vec::with_capacity(BATCH)),
            RtrbBatchConsumer::<WORDS>(consumer, Vec::with_capacity(BATCH)),
        )
    }
}

impl<const WORDS: usize> Sender<WORDS> for RtrbBatchProducer<WORDS> {
    #[inline(always)]
    fn send(&mut self, seed: u64) -> bool {
        if self.1.len() == BATCH && !self.flush() {
            return false;
        }
        let mut message = Message::default();
        message.fill(seed);
        self.1.push(message);
        true
    }

    #[inline(always)]
    fn flush(&mut self) -> bool {
        let Ok(chunk) = self.0.write_chunk_uninit(self.1.len()) else {
            return false;
        };
        chunk.fill_from_iter(self.1.drain(..));
        true
    }
}

impl<const WORDS: usize> Receiver for RtrbBatchConsumer<WORDS> {
    #[inline(always)]
    fn receive(&mut self) -> Option<u64> {
        if self.1.is_empty() {
            let ready = self.0.slots().min(BATCH);
            let chunk = self.0.read_chunk(ready).ok()?;
            let (first, second) = chunk.as_slices();
            self.1.extend(first.iter().chain(second).map(Message::read));
            chunk.commit_all();
        }
        self.1.pop()
    }
}

pub struct Array;
struct ArrayEnd<const WORDS: usize>(Arc<crossbeam_queue::ArrayQueue<Message<WORDS>>>);

impl Contender for Array {
    const NAME: &'static str = "array-queue";
    fn make<const WORDS: usize>() -> (impl Sender<WORDS>, impl Receiver) {
        let queue = Arc::new(crossbeam_queue::ArrayQueue::new(CAPACITY));
        (ArrayEnd::<WORDS>(queue.clone()), ArrayEnd::<WORDS>(queue))
    }
}

impl<const WORDS: usize> Sender<WORDS> for ArrayEnd<WORDS> {
    #[inline(always)]
    fn send(&mut self, seed: u64) -> bool {
        let mut message = Message::default();
        message.fill(seed);
        self.0.push(message).is_ok()
    }
}

impl<const WORDS: usize> Receiver for ArrayEnd<WORDS> {
    #[inline(always)]
    fn receive(&mut self) -> Option<u64> {
        Some(self.0.pop()?.read())
    }
}

/// Pins this thread to the `nth` core it may use; leaves it alone if there is only one.
pub fn pin(nth: usize) {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    if cores.len() > 1 {
        core_affinity::set_for_current(cores[nth % cores.len()]);
    }
}

/// Runs `body` on a pinned thread, so that the caller's own affinity stays.
fn pinned<R: Send>(nth: usize, body: impl FnOnce() -> R + Send) -> R {
    thread::scope(|scope| {
        let run = move || {
            pin(nth);
            body()
        };
        scope.spawn(run).join().expect("measuring thread")
    })
}

/// Times of `samples` times `round_trips` messages to another thread and back, each the time of one way in nanoseconds.
pub fn hop_ns<C: Contender, const WORDS: usize>(samples: usize, round_trips: usize) -> Vec<f64> {
    let (mut there, mut arrivals) = C::make::<WORDS>();
    let (mut back, mut answers) = C::make::<WORDS>();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            pin(1);
            while !stop.load(Ordering::Relaxed) {
                match arrivals.receive() {
                    Some(read) => {
                        back.send(read);
                        back.flush();
                    }
                    None => spin_loop(),
                }
            }
        });
        pinned(0, || {
            let mut times = Vec::with_capacity(samples);
            // One sample more, to warm up.
            for sample in 0..=samples {
                let start = Instant::now();
                for seed in 0..round_trips {
                    there.send(seed as u64);
                    there.flush();
                    while black_box(answers.receive()).is_none() {
                        spin_loop();
                    }
                }
                let time = start.elapsed().as_nanos() as f64 / (2 * round_trips) as f64;
                if sample > 0 {
                    times.push(time);
                }
            }
            stop.store(true, Ordering::Relaxed);
            times
        })
    })
}

/// Runs `count` messages through as fast as can be and gives the time from when both threads run, and the times of each
/// [`CHUNK`] of them, in which a spell of another process on a core is an outlier.
pub fn transfer<C: Contender, const WORDS: usize>(count: u64) -> (Duration, Vec<Duration>) {
    let (mut sender, mut receiver) = C::make::<WORDS>();
    thread::scope(|scope| {
        scope.spawn(move || {
            pin(1);
            for seed in 0..count + CHUNK {
                while !sender.send(seed) {
                    spin_loop();
                }
            }
            // Without the last of them the receiver would wait for ever.
            while !sender.flush() {
                spin_loop();
            }
        });
        pinned(0, || {
            let mut take = |count: u64| {
                let start = Instant::now();
                for _ in 0..count {
                    while black_box(receiver.receive()).is_none() {
                        spin_loop();
                    }
                }
                start.elapsed()
            };
            // Until both threads run.
            take(CHUNK);
            let start = Instant::now();
            let mut chunks: Vec<Duration> = (0..count / CHUNK).map(|_| take(CHUNK)).collect();
            let rest = take(count % CHUNK);
            let all = start.elapsed();
            if chunks.is_empty() {
                chunks.push(rest);
            }
            (all, chunks)
        })
    })
}
