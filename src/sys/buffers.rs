//! The receive and send buffers of all connections: one anonymous map, made at start.
//!
//! Owned by the sockets value whose thread uses them. What always holds: a buffer's memory lives as long as the [`Arena`], at
//! the same address; received bytes are contiguous; bytes given to the kernel for sending do not move until they are acknowledged
//! with [`SendBuffer::sent`]. A buffer that runs empty starts again at its beginning, so that a connection in good
//! health uses the first pages only: of large arenas just these are wanted, and an idle connection costs
//! [`PREFAULT_BYTES`] per buffer, not all of it.

use std::io;

use memmap2::{MmapMut, MmapOptions};

use super::prefault::Wanted;
use crate::limits::{FRAME_BYTES_MAX, RECEIVE_BUFFER_BYTES, SEND_BUFFER_BYTES};

/// Wanted of each buffer, where not all of it is: one whole frame.
pub(super) const PREFAULT_BYTES: usize = FRAME_BYTES_MAX;
/// Of arenas up to this size all pages are wanted.
const WANTED_WHOLE_BYTES: usize = 64 << 20;
const PAGE_BYTES: usize = 4096;

/// Memory of `count` spans of equal size, page-aligned.
pub(super) struct Arena {
    /// Dropped before the map.
    _wanted: Wanted,
    map: MmapMut,
    span_bytes: usize,
}

impl Arena {
    /// Maps `count` spans of the given parts: bytes, and how many of these are wanted even if the arena is large.
    pub(super) fn new(count: usize, parts: &[(usize, usize)]) -> io::Result<Self> {
        let span_bytes: usize = parts.iter().map(|part| part.0).sum();
        debug_assert!(parts.iter().all(|part| part.0.is_multiple_of(PAGE_BYTES)));
        let length = span_bytes * count.max(1);
        let map = MmapOptions::new().len(length).map_anon()?;
        let wanted = match length <= WANTED_WHOLE_BYTES {
            true => Wanted::whole(&map),
            false => Wanted::parts(&map, beginnings(length, parts)),
        };
        Ok(Self {
            _wanted: wanted,
            map,
            span_bytes,
        })
    }

    /// Where the span begins.
    pub(super) fn span(&mut self, index: usize) -> *mut u8 {
        let start = index * self.span_bytes;
        assert!(start + self.span_bytes <= self.map.len());
        // SAFETY: `start` is inside the map, as just asserted.
        unsafe { self.map.as_mut_ptr().add(start) }
    }
}

/// What is wanted of each part of each span: from where on, and how much.
fn beginnings(length: usize, parts: &[(usize, usize)]) -> impl Iterator<Item = (usize, usize)> {
    let mut at = 0;
    let parts = parts.iter().cycle();
    let all = parts.map(move |&(part_bytes, wanted_bytes)| {
        at += part_bytes;
        (at - part_bytes, wanted_bytes)
    });
    all.take_while(move |(at, _)| *at < length)
}

/// Bytes from the peer, contiguous, consumed from the front.
pub(super) struct ReceiveBuffer {
    base: *mut u8,
    start: usize,
    end: usize,
}

// SAFETY: the memory belongs to this buffer alone (contract of `new`) and is not bound to a thread.
unsafe impl Send for ReceiveBuffer {}

impl ReceiveBuffer {
    /// Bytes of memory that it uses.
    pub(super) const BYTES: usize = RECEIVE_BUFFER_BYTES;

    /// An empty buffer.
    ///
    /// # Safety
    /// `base` starts `BYTES` initialised bytes that live as long as the buffer is used and that nothing else uses.
    pub(super) unsafe fn new(base: *mut u8) -> Self {
        Self {
            base,
            start: 0,
            end: 0,
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: start <= end <= BYTES always holds, and the memory is valid by the contract of `new`.
        unsafe { std::slice::from_raw_parts(self.base.add(self.start), self.end - self.start) }
    }

    pub(super) fn is_full(&self) -> bool {
        self.end - self.start == Self::BYTES
    }

    /// The free room behind the bytes; moves these to the front where that is worth it. Empty if full.
    pub(super) fn space(&mut self) -> &mut [u8] {
        if self.start > 0 && self.end > Self::BYTES / 2 {
            let length = self.end - self.start;
            // SAFETY: both ranges are inside the buffer's memory; `copy` allows them to overlap.
            unsafe { self.base.add(self.start).copy_to(self.base, length) };
            (self.start, self.end) = (0, length);
        }
        // SAFETY: end <= BYTES, the memory is initialised and borrowed exclusively through self.
        unsafe { std::slice::from_raw_parts_mut(self.base.add(self.end), Self::BYTES - self.end) }
    }

    /// The first `count` bytes of `space` are filled.
    pub(super) fn filled(&mut self, count: usize) {
        self.end += count;
        assert!(self.end <= Self::BYTES);
    }

    /// Copies as much of `bytes` as there is room for; returns how much.
    pub(super) fn append(&mut self, bytes: &[u8]) -> usize {
        let space = self.space();
        let count = bytes.len().min(space.len());
        space[..count].copy_from_slice(&bytes[..count]);
        self.filled(count);
        count
    }

    /// Drops the first `count` bytes; more than there are, drops all.
    pub(super) fn consume(&mut self, count: usize) {
        self.start += count.min(self.end - self.start);
        if self.start == self.end {
            self.clear();
        }
    }

    pub(super) fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }
}

/// Bytes for the peer: a ring, so that what the kernel is reading never moves.
pub(super) struct SendBuffer {
    base: *mut u8,
    head: usize,
    length: usize,
}

// SAFETY: as for `ReceiveBuffer`.
unsafe impl Send for SendBuffer {}

impl SendBuffer {
    /// Bytes of memory that it uses.
    pub(super) const BYTES: usize = SEND_BUFFER_BYTES;

    /// An empty buffer.
    ///
    /// # Safety
    /// `base` starts `BYTES` initialised bytes that live as long as the buffer is used and that nothing else writes.
    pub(super) unsafe fn new(base: *mut u8) -> Self {
        Self {
            base,
            head: 0,
            length: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(super) fn room(&self) -> usize {
        Self::BYTES - self.length
    }

    /// Takes `bytes` whole, or nothing and returns false.
    pub(super) fn push(&mut self, bytes: &[u8]) -> bool {
        if bytes.len() > self.room() {
            return false;
        }
        let tail = (self.head + self.length) % Self::BYTES;
        let (first, second) = bytes.split_at(bytes.len().min(Self::BYTES - tail));
        // SAFETY: `tail + first.len() <= BYTES` and `second.len() <= head` since all fits in the room; the kernel reads
        // only bytes between `head` and `head + length`, which are not touched here.
        unsafe {
            first.as_ptr().copy_to(self.base.add(tail), first.len());
            second.as_ptr().copy_to(self.base, second.len());
        }
        self.length += bytes.len();
        true
    }

    /// The bytes to send next, up to the end of the memory. They stay where they are until `sent`.
    pub(super) fn chunk(&self) -> &[u8] {
        let count = self.length.min(Self::BYTES - self.head);
        // SAFETY: head < BYTES and head + count <= BYTES; these bytes were written by `push`.
        unsafe { std::slice::from_raw_parts(self.base.add(self.head), count) }
    }

    /// The kernel has taken the first `count` bytes and reads none of them any more.
    pub(super) fn sent(&mut self, count: usize) {
        assert!(count <= self.length);
        self.length -= count;
        self.head = (self.head + count) % Self::BYTES;
        if self.length == 0 {
            self.head = 0;
        }
    }

    /// Drops all. Only while the kernel reads none of it.
    pub(super) fn clear(&mut self) {
        (self.head, self.length) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arena() -> Arena {
        Arena::new(2, &[(ReceiveBuffer::BYTES, 0), (SendBuffer::BYTES, 0)]).expect("maps")
    }

    #[test]
    fn received_bytes_stay_contiguous_over_many_turns() {
        let mut arena = arena();
        // SAFETY: the arena outlives the buffer, and span 0 is used by it alone.
        let mut buffer = unsafe { ReceiveBuffer::new(arena.span(0)) };
        let (mut next_in, mut next_out) = (0u8, 0u8);
        for step in 1..2000usize {
            let bytes: Vec<u8> = (0..step * 37 % 4000)
                .map(|offset| next_in.wrapping_add(offset as u8))
                .collect();
            let taken = buffer.append(&bytes);
            next_in = next_in.wrapping_add(taken as u8);
            let count = buffer.bytes().len().min(step * 53 % 5000);
            for &byte in &buffer.bytes()[..count] {
                assert_eq!(byte, next_out);
                next_out = next_out.wrapping_add(1);
            }
            buffer.consume(count);
        }
        while !buffer.is_full() {
            assert!(buffer.append(&[0; 999]) > 0);
        }
        assert_eq!(buffer.append(b"x"), 0);
        assert_eq!(buffer.bytes().len(), ReceiveBuffer::BYTES);
    }

    #[test]
    fn sent_bytes_come_out_in_order_and_do_not_move() {
        let mut arena = arena();
        // SAFETY: the arena outlives the buffer, and span 1 is used by it alone.
        let mut buffer = unsafe { SendBuffer::new(arena.span(1)) };
        let (mut next_in, mut next_out) = (0u8, 0u8);
        for step in 1..3000usize {
            let bytes: Vec<u8> = (0..step * 41 % 9000)
                .map(|offset| next_in.wrapping_add(offset as u8))
                .collect();
            let address = buffer.chunk().as_ptr();
            let had_bytes = !buffer.is_empty();
            if bytes.len() <= buffer.room() {
                assert!(buffer.push(&bytes));
                next_in = next_in.wrapping_add(bytes.len() as u8);
            } else {
                assert!(!buffer.push(&bytes));
            }
            assert!(!had_bytes || buffer.chunk().as_ptr() == address);
            let count = buffer.chunk().len().min(step * 59 % 7000);
            for &byte in &buffer.chunk()[..count] {
                assert_eq!(byte, next_out);
                next_out = next_out.wrapping_add(1);
            }
            buffer.sent(count);
        }
    }
}
