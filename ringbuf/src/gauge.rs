//! What the two sides of a ring share besides the slots, and the read-only view of it that a status writer holds.
//!
//! Each field has one writing side; a [`Gauge`] writes nothing. What always holds: `head` and `tail` are on cache lines
//! of their own, and the counters on others, so that reading or counting them does not disturb a side that runs.

use std::sync::Arc;

use crate::sync::{AtomicBool, AtomicU64, AtomicUsize, Ordering, Padded};

/// What one side of a queue notes about itself.
pub(crate) struct Side {
    high_water: AtomicUsize,
    gone: AtomicBool,
}

impl Side {
    pub(crate) fn new() -> Self {
        Self {
            high_water: AtomicUsize::new(0),
            gone: AtomicBool::new(false),
        }
    }

    /// Notes a depth that this side has just seen. One writer, so a load and a rare store are enough.
    #[inline(always)]
    pub(crate) fn saw_depth(&self, depth: usize) {
        if depth > self.high_water.load(Ordering::Relaxed) {
            self.high_water.store(depth, Ordering::Relaxed);
        }
    }

    pub(crate) fn high_water(&self) -> usize {
        self.high_water.load(Ordering::Relaxed)
    }

    /// Release: who sees the side gone also sees all that it had published.
    pub(crate) fn leave(&self) {
        self.gone.store(true, Ordering::Release);
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }
}

/// Indices and counters of one ring.
pub(crate) struct Shared {
    /// Slots published. Written by the producer.
    pub(crate) head: Padded<AtomicUsize>,
    /// Slots released. Written by the consumer.
    pub(crate) tail: Padded<AtomicUsize>,
    pub(crate) filling: Padded<Side>,
    pub(crate) emptying: Padded<Side>,
    full_count: Padded<AtomicU64>,
    capacity: usize,
}

impl Shared {
    pub(crate) fn new(capacity: usize, start: usize) -> Self {
        Self {
            head: Padded(AtomicUsize::new(start)),
            tail: Padded(AtomicUsize::new(start)),
            filling: Padded(Side::new()),
            emptying: Padded(Side::new()),
            full_count: Padded(AtomicU64::new(0)),
            capacity,
        }
    }

    /// Counts a claim that failed. The producer is the only writer.
    #[cold]
    pub(crate) fn count_full(&self) {
        let count = self.full_count.0.load(Ordering::Relaxed);
        self.full_count.0.store(count + 1, Ordering::Relaxed);
    }

    pub(crate) fn full_count(&self) -> u64 {
        self.full_count.0.load(Ordering::Relaxed)
    }

    pub(crate) fn high_water(&self) -> usize {
        let seen = self
            .filling
            .0
            .high_water()
            .max(self.emptying.0.high_water());
        seen.max(self.depth())
    }

    /// Depth as a bystander sees it. `head` is read first, so it is never more than there was at that moment; `tail` may
    /// meanwhile have passed it, and then nothing of what was seen is left.
    fn depth(&self) -> usize {
        let head = self.head.0.load(Ordering::Acquire);
        let tail = self.tail.0.load(Ordering::Relaxed);
        let depth = head.wrapping_sub(tail);
        if depth <= self.capacity { depth } else { 0 }
    }
}

/// A read-only view of a ring for another thread, as the status writer. Reads are relaxed and cost the two sides one
/// cache miss each; the figures are of about the same moment, no more.
#[derive(Clone)]
pub struct Gauge {
    shared: Arc<Shared>,
}

impl Gauge {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Slots published and not yet released.
    pub fn depth(&self) -> usize {
        self.shared.depth()
    }

    /// The greatest depth seen so far.
    ///
    /// Never more than the true maximum. Less by at most a sixteenth of the capacity (at least 1) plus what the consumer
    /// released at once: the producer notes the depth each time it looks for room, so full is always seen as full, and
    /// the consumer each time it has released another sixteenth, between which the depth cannot rise unseen by more
    /// than was released. So it costs the hot path a cache miss per sixteenth of a lap.
    pub fn high_water(&self) -> usize {
        self.shared.high_water()
    }

    /// Claims that failed because the ring was full.
    pub fn full_count(&self) -> u64 {
        self.shared.full_count()
    }

    /// Slots in all.
    pub fn capacity(&self) -> usize {
        self.shared.capacity
    }
}
