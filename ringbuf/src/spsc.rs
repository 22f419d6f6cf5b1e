//! A single-producer single-consumer ring of fixed slots that are written and read in place.
//!
//! [`Producer`] belongs to the thread that fills slots, [`Consumer`] to the one that empties them, [`Gauge`] to whoever
//! reports. `head` counts slots ever published, `tail` slots ever released; both wrap around at `usize::MAX`, which a
//! power-of-two capacity makes harmless. Each slot ends with a stamp: slot `i` is published when its stamp is `i + 1`.
//! What always holds: `0 <= head - tail <= capacity`; the producer touches slots in `[head, tail + capacity)` alone, the
//! consumer those in `[tail, head)` alone; the stamp is stored (Release) after the slot was written, `tail` after it was
//! read, and each is loaded (Acquire) by the other side before it touches the slot.
//!
//! The consumer waits at the stamp, next to the data, and not at `head`: a message then costs the transfer of its own
//! lines and of no index. `head` is for gauges. The producer looks at `tail` only when its last look is not enough.

use std::{marker::PhantomData, sync::Arc};

use crate::{
    gauge::{Gauge, Shared},
    prefetch::prefetch_for_write,
    sync::{AtomicUsize, Cell, Ordering},
};

/// One slot, on cache lines that no other slot shares. The stamp comes last: a consumer that waits at it does not disturb
/// the lines before it while they are filled, and the line that it is on is fetched once for both.
#[repr(C, align(64))]
struct Slot<T> {
    value: Cell<T>,
    /// Index plus 1 of what was last published here.
    stamp: AtomicUsize,
}

#[cfg(not(loom))]
const _: () = {
    // 8 bytes fewer than whole lines, and the stamp costs no line of its own.
    assert!(size_of::<Slot<[u64; 7]>>() == 64);
    assert!(size_of::<Slot<[u64; 31]>>() == 256);
    assert!(size_of::<Slot<[u64; 32]>>() == 320);
    assert!(std::mem::offset_of!(Slot<[u64; 31]>, stamp) == 248);
};

// SAFETY: a slot is reached from two threads, but the indices give it to one at a time, and hand it over with
// Release/Acquire; the value itself goes from thread to thread, hence `T: Send`.
unsafe impl<T: Send> Sync for Slot<T> {}

/// The filling end. Moves between threads, but has one owner at a time.
pub struct Producer<T> {
    slots: Arc<[Slot<T>]>,
    shared: Arc<Shared>,
    /// Slots published; the only copy that is ever ahead of `shared.head`.
    head: usize,
    /// Where the room ends that is known: `tail + capacity` as last seen.
    room_end: usize,
    /// Slots handed out by `claim*` since the last commit.
    claimed: usize,
    not_sync: PhantomData<std::cell::Cell<()>>,
}

/// The emptying end. Moves between threads, but has one owner at a time.
pub struct Consumer<T> {
    slots: Arc<[Slot<T>]>,
    shared: Arc<Shared>,
    /// Slots released.
    tail: usize,
    /// Where the slots end that are known to be published.
    known_head: usize,
    not_sync: PhantomData<std::cell::Cell<()>>,
}

/// A ring of `capacity` slots, all of them written once, so that no page of it is missing later.
///
/// A slot takes 8 bytes more than `T`, in whole cache lines: a `T` of 56, 120 or 248 bytes fills 1, 2 or 4 of them exactly.
///
/// # Panics
/// If `capacity` is not a power of two.
pub fn spsc<T: Copy + Default + Send>(capacity: usize) -> (Producer<T>, Consumer<T>) {
    spsc_from(capacity, 0)
}

/// As [`spsc`], with both indices at `start`: for tests of their wrapping around.
#[doc(hidden)]
pub fn spsc_from<T: Copy + Default + Send>(
    capacity: usize,
    start: usize,
) -> (Producer<T>, Consumer<T>) {
    assert!(
        capacity.is_power_of_two(),
        "ring capacity must be a power of two, not {capacity}"
    );
    let slots: Arc<[Slot<T>]> = (0..capacity)
        .map(|nth| Slot {
            value: Cell::new(T::default()),
            stamp: AtomicUsize::new(nth),
        })
        .collect();
    for nth in 0..capacity {
        let index = start.wrapping_add(nth);
        let slot = slot_at(&slots, index);
        // Volatile, since an allocator that hands out zero pages may have made the writes above disappear.
        // SAFETY: nobody else has the slots yet, and the pointer is a live, aligned `T`.
        unsafe { slot.value.write().write_volatile(T::default()) };
        // As if published one lap ago.
        let lap_ago = index.wrapping_sub(capacity).wrapping_add(1);
        slot.stamp.store(lap_ago, Ordering::Relaxed);
    }
    let shared = Arc::new(Shared::new(capacity, start));
    let producer = Producer {
        slots: slots.clone(),
        shared: shared.clone(),
        head: start,
        room_end: start.wrapping_add(capacity),
        claimed: 0,
        not_sync: PhantomData,
    };
    let consumer = Consumer {
        slots,
        shared,
        tail: start,
        known_head: start,
        not_sync: PhantomData,
    };
    (producer, consumer)
}

/// The slot that the free-running `index` falls on.
#[inline(always)]
fn slot_at<T>(slots: &[Slot<T>], index: usize) -> &Slot<T> {
    // SAFETY: the length is a power of two and not 0, so the masked index is below it.
    unsafe { slots.get_unchecked(index & (slots.len() - 1)) }
}

/// So many slots the consumer releases between two looks at `head`, which it takes for [`Gauge::high_water`] alone.
#[inline(always)]
const fn sample_slots(capacity: usize) -> usize {
    if capacity < 16 { 1 } else { capacity / 16 }
}

impl<T: Copy> Producer<T> {
    /// The next free slot, or `None` (counted) when the ring is full.
    ///
    /// Its content is whatever the slot held before. Claiming again before the commit gives the same slot.
    #[inline(always)]
    pub fn claim(&mut self) -> Option<&mut T> {
        self.claim_nth(0)
    }

    /// The `nth` free slot, from 0, so that several are filled and then published as one by [`commit_n`](Self::commit_n).
    ///
    /// `None` (counted) when fewer than `nth + 1` are free. To fill all or nothing, ask [`has_room`](Self::has_room) first.
    #[inline(always)]
    pub fn claim_nth(&mut self, nth: usize) -> Option<&mut T> {
        if !self.has_room(nth.saturating_add(1)) {
            self.shared.count_full();
            return None;
        }
        if self.claimed <= nth {
            self.claimed = nth + 1;
        }
        let slot = slot_at(&self.slots, self.head.wrapping_add(nth));
        // SAFETY: slot `head + nth` lies below `tail + capacity`, so the consumer has released it and does not touch it
        // before `head` passes it; the returned borrow of `self` excludes a second claim and the commit.
        Some(unsafe { &mut *slot.value.write() })
    }

    /// Publishes the slot that [`claim`](Self::claim) gave.
    ///
    /// # Panics
    /// If nothing was claimed since the last commit.
    #[inline(always)]
    pub fn commit(&mut self) {
        self.commit_n(1);
    }

    /// Publishes the first `n` claimed slots with one store; the consumer sees all of them or none.
    ///
    /// Claims beyond `n` are forgotten. `commit_n(0)` abandons them all.
    ///
    /// # Panics
    /// If slots `0..n` were not claimed since the last commit.
    #[inline(always)]
    pub fn commit_n(&mut self, n: usize) {
        assert!(
            n <= self.claimed,
            "commit of a ring slot that was not claimed"
        );
        self.claimed = 0;
        // Backwards, so that who sees the first stamp finds the others.
        for nth in (0..n).rev() {
            let index = self.head.wrapping_add(nth);
            let stamp = index.wrapping_add(1);
            slot_at(&self.slots, index)
                .stamp
                .store(stamp, Ordering::Release);
        }
        self.head = self.head.wrapping_add(n);
        self.shared.head.0.store(self.head, Ordering::Release);
        if self.room_end != self.head {
            prefetch_for_write(slot_at(&self.slots, self.head).value.address());
        }
    }

    /// Copies `value` into the next slot and publishes it; false (counted) when the ring is full.
    #[inline(always)]
    pub fn push(&mut self, value: &T) -> bool {
        match self.claim() {
            Some(slot) => *slot = *value,
            None => return false,
        }
        self.commit();
        true
    }

    /// Whether `n` slots are free. Looks at the consumer's index only if the last look does not settle it.
    #[inline(always)]
    pub fn has_room(&mut self, n: usize) -> bool {
        self.room_end.wrapping_sub(self.head) >= n || self.free() >= n
    }

    /// Free slots now. Always looks at the consumer's index; prefer [`has_room`](Self::has_room) on a hot path.
    #[inline]
    pub fn free(&mut self) -> usize {
        let tail = self.shared.tail.0.load(Ordering::Acquire);
        self.shared
            .filling
            .0
            .saw_depth(self.head.wrapping_sub(tail));
        self.room_end = tail.wrapping_add(self.slots.len());
        self.room_end.wrapping_sub(self.head)
    }

    /// Slots published and not yet released, as far as this side can know.
    pub fn depth(&self) -> usize {
        self.head
            .wrapping_sub(self.shared.tail.0.load(Ordering::Acquire))
    }

    /// Claims that failed because the ring was full.
    pub fn full_count(&self) -> u64 {
        self.shared.full_count()
    }

    /// The greatest depth seen; how exact that is, see [`Gauge::high_water`].
    pub fn high_water(&self) -> usize {
        self.shared.high_water()
    }

    /// Slots in all.
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// Whether the consumer is gone, so that nothing published will ever be read.
    pub fn is_abandoned(&self) -> bool {
        self.shared.emptying.0.is_gone()
    }

    /// A read-only view for another thread.
    pub fn gauge(&self) -> Gauge {
        Gauge::new(self.shared.clone())
    }
}

impl<T: Copy> Consumer<T> {
    /// The oldest published slot, or `None` when the ring is empty. It stays until [`release`](Self::release).
    #[inline(always)]
    pub fn peek(&mut self) -> Option<&T> {
        self.peek_nth(0)
    }

    /// The `nth` published slot, from 0 (the oldest), or `None` when there are not so many.
    #[inline(always)]
    pub fn peek_nth(&mut self, nth: usize) -> Option<&T> {
        while self.known_head.wrapping_sub(self.tail) <= nth {
            if !self.look() {
                return None;
            }
        }
        let slot = slot_at(&self.slots, self.tail.wrapping_add(nth));
        // SAFETY: slot `tail + nth` lies below `known_head`, so it is published and the producer does not touch it before
        // `tail` passes it; the returned borrow of `self` excludes the release.
        Some(unsafe { &*slot.value.read() })
    }

    /// Gives the oldest slot back.
    ///
    /// # Panics
    /// If no `peek` has seen a slot there.
    #[inline(always)]
    pub fn release(&mut self) {
        self.release_n(1);
    }

    /// Gives the `n` oldest slots back with one store.
    ///
    /// # Panics
    /// If `peek*` and `depth` have not seen `n` slots.
    #[inline(always)]
    pub fn release_n(&mut self, n: usize) {
        assert!(
            n <= self.known_head.wrapping_sub(self.tail),
            "release of a ring slot that was not seen"
        );
        let next = self.tail.wrapping_add(n);
        let known = self.known_head.wrapping_sub(self.tail);
        self.shared.emptying.0.saw_depth(known);
        if (next ^ self.tail) & !(sample_slots(self.slots.len()) - 1) != 0 {
            self.depth();
        }
        self.tail = next;
        self.shared.tail.0.store(next, Ordering::Release);
    }

    /// Copies the oldest slot out and gives it back.
    #[inline(always)]
    pub fn pop(&mut self) -> Option<T> {
        let value = *self.peek()?;
        self.release();
        Some(value)
    }

    /// Slots that can be peeked at now. Always looks at the producer's index: a cache miss for both sides, so not for
    /// waiting; [`is_empty`](Self::is_empty) is.
    #[inline]
    pub fn depth(&mut self) -> usize {
        let head = self.shared.head.0.load(Ordering::Acquire);
        let known = self.known_head.wrapping_sub(self.tail);
        let by_head = head.wrapping_sub(self.tail);
        if (known..=self.slots.len()).contains(&by_head) {
            self.known_head = head;
        }
        // `head` is stored after the stamps, which may show more: the rest of a batch, for one. Ends at a full ring.
        while self.look() {}
        let depth = self.known_head.wrapping_sub(self.tail);
        self.shared.emptying.0.saw_depth(depth);
        depth
    }

    /// Whether nothing is published. Looks at the next stamp only if nothing was known to be there.
    #[inline(always)]
    pub fn is_empty(&mut self) -> bool {
        self.known_head == self.tail && !self.look()
    }

    /// Slots in all.
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// Whether the producer is gone. What it published before is still here: drain, then stop.
    pub fn is_abandoned(&self) -> bool {
        self.shared.filling.0.is_gone()
    }

    /// A read-only view for another thread.
    pub fn gauge(&self) -> Gauge {
        Gauge::new(self.shared.clone())
    }

    /// Looks at the stamp after the last known slot; true if one more is published.
    #[inline(always)]
    fn look(&mut self) -> bool {
        let next = self.known_head.wrapping_add(1);
        let slot = slot_at(&self.slots, self.known_head);
        let published = slot.stamp.load(Ordering::Acquire) == next;
        if published {
            self.known_head = next;
        }
        published
    }
}

impl<T> Drop for Producer<T> {
    fn drop(&mut self) {
        self.shared.filling.0.leave();
    }
}

impl<T> Drop for Consumer<T> {
    fn drop(&mut self) {
        self.shared.emptying.0.leave();
    }
}
