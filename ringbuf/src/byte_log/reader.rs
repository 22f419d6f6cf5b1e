//! The draining end of a byte log.
//!
//! Owned by one thread, the journal's. Reading and releasing are two steps: the cursor runs ahead over frames that were
//! read, and space goes back to the writer only by [`Reader::release`], once what was read is safe elsewhere. What always
//! holds: `released <= cursor <= known_head <= head`, all of them where a frame begins or ends.

use std::{marker::PhantomData, sync::Arc};

use crate::sync::Ordering;

use super::{
    LogGauge,
    area::Area,
    layout::{FRAME_HEADER_BYTES, KIND_DATA, frame_bytes},
};

/// The draining end. Moves between threads, but has one owner at a time.
pub struct Reader {
    area: Arc<Area>,
    released: u64,
    /// The next frame to be read.
    cursor: u64,
    /// `head` as last seen.
    known_head: u64,
    not_sync: PhantomData<std::cell::Cell<()>>,
}

/// One committed frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Where it begins; what the commit gave.
    pub position: u64,
    /// Its payload.
    pub bytes: &'a [u8],
}

impl Frame<'_> {
    /// The position after this frame, up to which one may release.
    pub fn end(&self) -> u64 {
        self.position + frame_bytes(self.bytes.len()) as u64
    }
}

/// Whole frames that lie one behind the other, as bytes.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    position: u64,
    bytes: &'a [u8],
}

impl<'a> Run<'a> {
    /// Where the first frame begins.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The position after the last frame.
    pub fn end(&self) -> u64 {
        self.position + self.bytes.len() as u64
    }

    /// All of it as it lies there, with frame headers and pads.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The frames in it, without pads.
    pub fn frames(&self) -> Frames<'a> {
        Frames { rest: *self }
    }
}

/// The frames of a [`Run`].
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    rest: Run<'a>,
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        loop {
            let Run { position, bytes } = self.rest;
            let (length, rest) = bytes.split_first_chunk::<4>()?;
            let (kind, payload) = rest.split_first_chunk::<4>()?;
            let length = u32::from_ne_bytes(*length) as usize;
            self.rest = Run {
                position: position + frame_bytes(length) as u64,
                bytes: &bytes[frame_bytes(length)..],
            };
            if u32::from_ne_bytes(*kind) == KIND_DATA {
                let bytes = &payload[..length];
                return Some(Frame { position, bytes });
            }
        }
    }
}

impl Reader {
    pub(super) fn new(area: Arc<Area>) -> Self {
        let released = area.released().load(Ordering::Acquire);
        Self {
            released,
            cursor: released,
            known_head: released,
            area,
            not_sync: PhantomData,
        }
    }

    /// The next frame, which stays the next one.
    #[inline]
    pub fn peek(&mut self) -> Option<Frame<'_>> {
        let length = self.find()?;
        Some(self.frame(self.cursor, length))
    }

    /// The next frame; the cursor moves behind it.
    #[inline]
    #[allow(clippy::should_implement_trait)] // An iterator could not lend what only lives until the release.
    pub fn next(&mut self) -> Option<Frame<'_>> {
        let length = self.find()?;
        let position = self.cursor;
        self.cursor += frame_bytes(length) as u64;
        Some(self.frame(position, length))
    }

    /// Everything from the cursor to the writer's head, as two runs: the second is empty unless the first ends at the edge
    /// of the data area. The cursor stays; [`advance`](Self::advance) moves it. Always looks at the writer's position.
    pub fn readable(&mut self) -> [Run<'_>; 2] {
        let head = self.look();
        let edge = self.cursor + self.area.bytes_to_edge(self.cursor) as u64;
        let middle = head.min(edge);
        // SAFETY: `[cursor, head)` is committed and not released, as in `find`; cut in two at the edge.
        let run = |from: u64, to: u64| unsafe {
            Run {
                position: from,
                bytes: self.area.bytes(from, (to - from) as usize),
            }
        };
        [run(self.cursor, middle), run(middle, head)]
    }

    /// Moves the cursor to `position`, the end of a frame or run that was read.
    ///
    /// # Panics
    /// If `position` lies before the cursor or after what was seen.
    #[inline]
    pub fn advance(&mut self, position: u64) {
        assert!(
            (self.cursor..=self.known_head).contains(&position),
            "the cursor of a byte log cannot move to {position}"
        );
        debug_assert!(self.is_frame_boundary(position));
        self.cursor = position;
    }

    /// Gives everything before `position` back to the writer, and shows it to the gauges as released.
    ///
    /// # Panics
    /// If `position` lies before what is released, or after the cursor.
    #[inline]
    pub fn release(&mut self, position: u64) {
        assert!(
            (self.released..=self.cursor).contains(&position),
            "a byte log cannot be released up to {position}"
        );
        debug_assert!(self.is_frame_boundary(position));
        self.released = position;
        self.area.released().store(position, Ordering::Release);
    }

    /// The position before which everything was released.
    pub fn released(&self) -> u64 {
        self.released
    }

    /// The position up to which frames were read.
    pub fn cursor(&self) -> u64 {
        self.cursor
    }

    /// Bytes committed and not released. Always looks at the writer's position.
    pub fn depth_bytes(&mut self) -> usize {
        (self.look() - self.released) as usize
    }

    /// Whether everything committed was read.
    pub fn is_empty(&mut self) -> bool {
        self.cursor == self.known_head && self.look() == self.cursor
    }

    /// Bytes of the data area.
    pub fn capacity_bytes(&self) -> usize {
        self.area.capacity_bytes()
    }

    /// Whether the writer is gone. What it committed before is still here: drain, then stop.
    pub fn is_abandoned(&self) -> bool {
        self.area.writing.0.is_gone()
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

    /// Moves the cursor over pads to the next frame and gives the length of its payload.
    #[inline(always)]
    fn find(&mut self) -> Option<usize> {
        loop {
            if self.cursor == self.known_head && self.look() == self.cursor {
                return None;
            }
            // SAFETY: `[cursor, known_head)` is committed, and the writer does not touch it before it is released, for
            // which `self` must be borrowed exclusively. Frames begin at multiples of 8.
            let frame = unsafe { self.area.frame_header(self.cursor) };
            let length = frame.length_bytes as usize;
            if frame.kind == KIND_DATA {
                return Some(length);
            }
            self.cursor += frame_bytes(length) as u64;
        }
    }

    /// The frame that [`find`](Self::find) found.
    #[inline(always)]
    fn frame(&self, position: u64, length: usize) -> Frame<'_> {
        // SAFETY: as in `find`; a committed frame lies wholly before `head` and does not cross the edge.
        let bytes = unsafe {
            self.area
                .bytes(position + FRAME_HEADER_BYTES as u64, length)
        };
        Frame { position, bytes }
    }

    /// Looks where the writer is.
    #[inline(always)]
    fn look(&mut self) -> u64 {
        self.known_head = self.area.head().load(Ordering::Acquire);
        self.area
            .reading
            .0
            .saw_depth((self.known_head - self.released) as usize);
        self.known_head
    }

    /// Follows the frames from `released`: does one end at `target`?
    fn is_frame_boundary(&self, target: u64) -> bool {
        let mut position = self.released;
        while position < target {
            // SAFETY: `[released, known_head)` is committed and not released, and frames begin at multiples of 8.
            let frame = unsafe { self.area.frame_header(position) };
            position += frame_bytes(frame.length_bytes as usize) as u64;
        }
        position == target
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.area.reading.0.leave();
    }
}
