//! The provided buffers of one connection: what the kernel receives into, and what it has received that found no room yet.
//!
//! One owner thread. Each connection has a group of its own, so that a peer that sends much, or is not consumed, can
//! never take the buffers of another: when its own are used up the kernel stops reading from it, and TCP tells it so.
//! What always holds: a buffer is either offered to the kernel or held here; held bytes keep their order.

use std::io;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::Submitter;
use io_uring::types::BufRingEntry;

/// Buffers per connection.
const BUFFERS: u16 = 8;
/// Bytes of each.
const BUFFER_BYTES: usize = 2048;
/// The ring of offers must have a page of its own.
const RING_BYTES: usize = 4096;

#[derive(Clone, Copy, Default)]
struct Held {
    buffer: u16,
    start: u16,
    end: u16,
}

/// The buffer group of one slot.
pub(super) struct BufferGroup {
    memory: *mut u8,
    tail: u16,
    held: [Held; BUFFERS as usize],
    held_first: usize,
    held_count: usize,
}

// SAFETY: the memory belongs to this group alone (contract of `new`) and is not bound to a thread.
unsafe impl Send for BufferGroup {}

impl BufferGroup {
    /// Bytes of memory that it uses.
    pub(super) const BYTES: usize = RING_BYTES + BUFFERS as usize * BUFFER_BYTES;

    /// Registers the group under `group`, and offers all its buffers.
    ///
    /// # Safety
    /// `memory` starts `BYTES` zeroed bytes on a page boundary that nothing else uses, and that live until the ring is gone.
    pub(super) unsafe fn new(
        memory: *mut u8,
        group: u16,
        submitter: &Submitter<'_>,
    ) -> io::Result<Self> {
        let mut made = Self {
            memory,
            tail: 0,
            held: [Held::default(); BUFFERS as usize],
            held_first: 0,
            held_count: 0,
        };
        // SAFETY: the ring's page is valid for as long as the ring lives, by the contract of this function.
        unsafe {
            submitter.register_buf_ring_with_flags(memory as u64, BUFFERS, group, 0)?;
        }
        for buffer in 0..BUFFERS {
            made.offer(buffer);
        }
        Ok(made)
    }

    /// Gives the buffer to the kernel.
    fn offer(&mut self, buffer: u16) {
        let ring = self.memory.cast::<BufRingEntry>();
        let index = usize::from(self.tail % BUFFERS);
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: `index` is inside the ring's page and `buffer` inside the memory behind it; the kernel does not read
        // the entry before the tail below is stored. The tail lies in a field of entry 0 that the setters leave alone.
        unsafe {
            let entry = &mut *ring.add(index);
            entry.set_addr(self.start_of(buffer) as u64);
            entry.set_len(BUFFER_BYTES as u32);
            entry.set_bid(buffer);
            let tail = BufRingEntry::tail(ring).cast::<AtomicU16>();
            (*tail).store(self.tail, Ordering::Release);
        }
    }

    fn start_of(&self, buffer: u16) -> *mut u8 {
        assert!(buffer < BUFFERS);
        let offset = RING_BYTES + usize::from(buffer) * BUFFER_BYTES;
        // SAFETY: inside the memory, since `buffer < BUFFERS`.
        unsafe { self.memory.add(offset) }
    }

    /// The kernel has put `count` bytes into the buffer; it is held from here on.
    pub(super) fn received(&mut self, buffer: u16, count: usize) {
        assert!(self.held_count < self.held.len() && count <= BUFFER_BYTES);
        let index = (self.held_first + self.held_count) % self.held.len();
        self.held[index] = Held {
            buffer,
            start: 0,
            end: count as u16,
        };
        self.held_count += 1;
    }

    /// Gives the held bytes to `take`, oldest first, until it takes less than it is given. Returns how many were taken.
    pub(super) fn drain(&mut self, mut take: impl FnMut(&[u8]) -> usize) -> usize {
        let mut total = 0;
        while self.held_count > 0 {
            let held = self.held[self.held_first];
            let count = usize::from(held.end - held.start);
            // SAFETY: the kernel wrote these bytes and has no claim on the buffer until it is offered again.
            let bytes = unsafe {
                let start = self.start_of(held.buffer).add(usize::from(held.start));
                std::slice::from_raw_parts(start, count)
            };
            let taken = take(bytes);
            total += taken;
            if taken < count {
                self.held[self.held_first].start += taken as u16;
                break;
            }
            self.held_first = (self.held_first + 1) % self.held.len();
            self.held_count -= 1;
            self.offer(held.buffer);
        }
        total
    }

    /// True if the kernel has all buffers.
    pub(super) fn holds_nothing(&self) -> bool {
        self.held_count == 0
    }
}
