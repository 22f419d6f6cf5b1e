//! The appending end of a byte log.
//!
//! Owned by one thread, the stage whose log it is. What always holds: a claim lies wholly in `[head, released + capacity)`
//! and does not cross the edge of the data area; `dirty_end` is the end of the furthest claim ever made, committed or not,
//! so everything from `dirty_end - capacity` on is as it was committed, which is what `read_back` relies on.

use std::{marker::PhantomData, sync::Arc};

use crate::sync::Ordering;

use super::{
    LogGauge,
    area::Area,
    layout::{FRAME_HEADER_BYTES, KIND_DATA, KIND_PAD, frame_bytes, payload_bytes_max},
};

/// The appending end. Moves between threads, but has one owner at a time.
pub struct Writer {
    area: Arc<Area>,
    /// Bytes committed; the only copy that is ever ahead of the shared one.
    head: u64,
    /// `released + capacity` as last seen.
    room_end: u64,
    /// Space handed out and not yet committed: where its frame begins, at `head` or after a pad.
    claim_position: u64,
    /// One more than its payload can be; zero: nothing is claimed.
    claim_limit: usize,
    /// End of the furthest claim ever made.
    dirty_end: u64,
    /// Nothing older is known to be intact, for an earlier writer may have left a claim there.
    intact_from: u64,
    not_sync: PhantomData<std::cell::Cell<()>>,
}

impl Writer {
    pub(super) fn new(area: Arc<Area>) -> Self {
        let head = area.head().load(Ordering::Acquire);
        let released = area.released().load(Ordering::Acquire);
        Self {
            head,
            room_end: released + area.capacity_bytes() as u64,
            claim_position: head,
            claim_limit: 0,
            dirty_end: head,
            intact_from: released,
            area,
            not_sync: PhantomData,
        }
    }

    /// `length` contiguous bytes, 8-byte aligned, or `None` (counted) when there is no room for them now.
    ///
    /// Their content is whatever was there before. A second claim before the commit takes the place of the first.
    ///
    /// # Panics
    /// If `length` is more than [`payload_bytes_max`](Self::payload_bytes_max): no room would ever be enough.
    #[inline]
    pub fn claim(&mut self, length: usize) -> Option<&mut [u8]> {
        self.check_length(length);
        let frame = frame_bytes(length);
        if frame > self.area.bytes_to_edge(self.head) {
            return self.claim_past_edge(length);
        }
        self.claim_at(self.head, length)
    }

    /// A claim that does not fit before the edge, which a pad fills. Once in a lap.
    #[cold]
    #[inline(never)]
    fn claim_past_edge(&mut self, length: usize) -> Option<&mut [u8]> {
        let to_edge = self.area.bytes_to_edge(self.head);
        let position = self.head + to_edge as u64;
        if !self.reaches(position + frame_bytes(length) as u64) {
            self.area.count_full();
            return None;
        }
        let pad_bytes = to_edge - FRAME_HEADER_BYTES;
        // SAFETY: `[head, position)` is free, since all up to behind it is, and `head` is a multiple of 8.
        unsafe {
            self.area
                .set_frame_header(self.head, pad_bytes as u32, KIND_PAD);
        }
        self.claim_at(position, length)
    }

    /// A claim at `position`, where a frame of `length` bytes does not cross the edge.
    #[inline(always)]
    fn claim_at(&mut self, position: u64, length: usize) -> Option<&mut [u8]> {
        let end = position + frame_bytes(length) as u64;
        if !self.reaches(end) {
            self.area.count_full();
            return None;
        }
        if end > self.dirty_end {
            self.dirty_end = end;
        }
        self.claim_position = position;
        self.claim_limit = length + 1;
        // SAFETY: `[head, end)` is free: below `released + capacity`, so the reader has done with it, and not below `head`,
        // so it does not look there yet. The caller keeps the frame from crossing the edge. The borrow of `self` excludes
        // `read_back` and other claims while the bytes are borrowed.
        Some(unsafe {
            self.area
                .bytes_mut(position + FRAME_HEADER_BYTES as u64, length)
        })
    }

    /// Publishes the first `length` of the claimed bytes as a frame and gives its position.
    ///
    /// # Panics
    /// If there is no claim, or a shorter one.
    #[inline]
    pub fn commit(&mut self, length: usize) -> u64 {
        if length >= self.claim_limit {
            refuse_commit(self.claim_limit);
        }
        self.claim_limit = 0;
        let position = self.claim_position;
        // SAFETY: the claim is free space, as in `claim`, and its position a multiple of 8.
        unsafe {
            self.area
                .set_frame_header(position, length as u32, KIND_DATA);
        }
        self.head = position + frame_bytes(length) as u64;
        self.area.head().store(self.head, Ordering::Release);
        position
    }

    /// Gives a claim up. The log is as if it had not been made.
    pub fn abandon(&mut self) {
        self.claim_limit = 0;
    }

    /// Copies `payload` into a frame and publishes it; `None` (counted) when there is no room.
    ///
    /// # Panics
    /// If `payload` is longer than [`payload_bytes_max`](Self::payload_bytes_max).
    #[inline]
    pub fn append(&mut self, payload: &[u8]) -> Option<u64> {
        self.claim(payload.len())?.copy_from_slice(payload);
        Some(self.commit(payload.len()))
    }

    /// Whether a claim of `length` bytes would succeed now. Looks at the reader's position only if the last look does not
    /// settle it.
    ///
    /// # Panics
    /// As [`claim`](Self::claim).
    #[inline]
    pub fn has_room(&mut self, length: usize) -> bool {
        let end = self.place(length) + frame_bytes(length) as u64;
        self.reaches(end)
    }

    /// Whether `count` claims of up to `length` bytes each would succeed now, wherever the edge falls among them: to
    /// reserve the space of all outputs before an input is taken. Allows for a pad of almost a frame if the edge is near,
    /// so it is certain to come true sooner or later only if `count + 1` such frames fit in the log.
    ///
    /// # Panics
    /// As [`claim`](Self::claim).
    #[inline]
    pub fn has_room_for(&mut self, count: usize, length: usize) -> bool {
        self.check_length(length);
        let frame = frame_bytes(length);
        let frames = count.saturating_mul(frame);
        if frames > self.area.capacity_bytes() {
            return false;
        }
        let to_edge = self.area.bytes_to_edge(self.head);
        // All together lie before the edge, or one of them, which one depends on their lengths, is put after a pad that
        // is shorter than a frame. They do not meet the edge twice, being no more than the capacity in all.
        let pad = if frames <= to_edge { 0 } else { frame - 8 };
        self.reaches(self.head + (frames + pad) as u64)
    }

    /// The payload of the frame at `position`, if this log committed one there and it was not overwritten since.
    ///
    /// Also while a claim is open: what the claim covers counts as overwritten. After [`attach`](super::attach) only what
    /// was not yet released then is known to be intact. `position` must be one that a commit or the reader gave; a
    /// position inside a frame gives `None` or meaningless bytes.
    pub fn read_back(&self, position: u64) -> Option<&[u8]> {
        if position < self.readable_from() || !position.is_multiple_of(8) || position >= self.head {
            return None;
        }
        // SAFETY: `[readable_from, head)` is committed, and only this writer ever writes here, for which it must be borrowed
        // exclusively. A multiple of 8, just checked.
        let frame = unsafe { self.area.frame_header(position) };
        let length = frame.length_bytes as usize;
        let end = position + frame_bytes(length) as u64;
        let contiguous = frame_bytes(length) <= self.area.bytes_to_edge(position);
        if frame.kind != KIND_DATA || end > self.head || !contiguous {
            return None;
        }
        // SAFETY: as above; `[position, end)` is inside `[readable_from, head)` and does not cross the edge.
        Some(unsafe {
            self.area
                .bytes(position + FRAME_HEADER_BYTES as u64, length)
        })
    }

    /// The oldest position that [`read_back`](Self::read_back) can still answer for.
    pub fn readable_from(&self) -> u64 {
        let capacity = self.area.capacity_bytes() as u64;
        self.intact_from
            .max(self.dirty_end.saturating_sub(capacity))
    }

    /// Bytes ever committed: the position after the last frame. (The next frame begins here, or after a pad.)
    #[inline]
    pub fn position(&self) -> u64 {
        self.head
    }

    /// The position before which everything was released by the reader. Always looks.
    #[inline]
    pub fn released(&mut self) -> u64 {
        let released = self.area.released().load(Ordering::Acquire);
        self.area
            .writing
            .0
            .saw_depth((self.head - released) as usize);
        self.room_end = released + self.area.capacity_bytes() as u64;
        released
    }

    /// Claims that failed for want of room.
    pub fn full_count(&self) -> u64 {
        self.area.full_count()
    }

    /// The greatest depth seen, in bytes; see [`LogGauge::high_water_bytes`].
    pub fn high_water_bytes(&self) -> usize {
        self.area.high_water()
    }

    /// Bytes of the data area.
    pub fn capacity_bytes(&self) -> usize {
        self.area.capacity_bytes()
    }

    /// The longest payload that can be claimed: its frame fills half the data area.
    pub fn payload_bytes_max(&self) -> usize {
        payload_bytes_max(self.area.capacity_bytes())
    }

    /// Whether the reader is gone, so that no space will be released any more.
    pub fn is_abandoned(&self) -> bool {
        self.area.reading.0.is_gone()
    }

    /// A read-only view for another thread.
    pub fn gauge(&self) -> LogGauge {
        LogGauge {
            area: self.area.clone(),
        }
    }

    pub(super) fn into_area(self) -> Arc<Area> {
        self.area.clone()
    }

    /// Where a frame with `length` bytes would begin: here, or at the start of the data area if it would cross the edge.
    #[inline(always)]
    fn place(&self, length: usize) -> u64 {
        self.check_length(length);
        let to_edge = self.area.bytes_to_edge(self.head);
        if frame_bytes(length) <= to_edge {
            self.head
        } else {
            self.head + to_edge as u64
        }
    }

    #[inline(always)]
    fn check_length(&self, length: usize) {
        if length > self.payload_bytes_max() {
            refuse_length(length, self.area.capacity_bytes());
        }
    }

    /// Whether everything up to `end` is free.
    #[inline(always)]
    fn reaches(&mut self, end: u64) -> bool {
        end <= self.room_end || self.reaches_now(end)
    }

    #[cold]
    fn reaches_now(&mut self, end: u64) -> bool {
        self.released();
        end <= self.room_end
    }
}

#[cold]
#[inline(never)]
fn refuse_length(length: usize, capacity_bytes: usize) -> ! {
    panic!("a frame of {length} bytes never fits a byte log of {capacity_bytes}");
}

#[cold]
#[inline(never)]
fn refuse_commit(claim_limit: usize) -> ! {
    assert!(claim_limit > 0, "commit of a byte log without a claim");
    panic!("commit of more bytes than were claimed");
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.area.writing.0.leave();
    }
}
